//! Programs that were built with different types refuse to talk, and say where the types differ.

use std::process::{Command, Output};

use mi7::{Bincode, Error, Message, Payload};
use mi7_tests::Stage;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const ORDER: &str = env!("CARGO_BIN_EXE_order");
const ORDER_AGAIN: &str = env!("CARGO_BIN_EXE_order_again");
const ORDER_SWAPPED: &str = env!("CARGO_BIN_EXE_order_swapped");

fn run(program: &str, what: &str, stage: &Stage) -> Output {
    Command::new(program).arg(what).arg(stage.path()).arg("orders").output().expect("the program starts")
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn programs_with_two_fields_swapped_refuse_to_talk_and_name_the_field() {
    for (first, second) in [(ORDER, ORDER_SWAPPED), (ORDER_SWAPPED, ORDER)] {
        let stage = Stage::new(ACTOR);
        assert!(run(first, "send", &stage).status.success());
        for what in ["receive", "send"] {
            let output = run(second, what, &stage);
            assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
            let (out, error) = said(&output);
            assert_eq!(out, "", "nothing was received");
            let field = if second == ORDER { "Order.price" } else { "Order.quantity" };
            assert!(error.contains(field), "{error}");
            assert!(error.contains("at offset 8") && error.contains("at offset 16"), "{error}");
            assert!(error.contains(stage.file("orders").to_str().expect("a path")), "{error}");
        }
        // The channel was left alone.
        let (out, error) = said(&run(first, "receive", &stage));
        assert!(out.starts_with("7 99.5 3 "), "{out}{error}");
    }
}

#[test]
fn programs_with_the_same_definition_in_different_crates_talk() {
    for (first, second) in [(ORDER, ORDER_AGAIN), (ORDER_AGAIN, ORDER), (ORDER, ORDER)] {
        let stage = Stage::new(ACTOR);
        assert_eq!(said(&run(first, "send", &stage)), Default::default());
        assert_eq!(said(&run(second, "receive", &stage)), ("7 99.5 3 Sell".into(), String::new()));
    }
}

/// What opening a channel of `Theirs` as one of `Ours` says: the part that differs, what was found, what was expected.
fn difference<Theirs: Payload, Ours: Payload>() -> (String, String, String) {
    let stage = Stage::new(ACTOR);
    let theirs = stage.options::<Theirs>().capacity(2).create("orders").expect("a channel");
    let error = stage.options::<Ours>().open("orders").expect_err("the types differ");
    let again = stage.options::<Ours>().open_or_create("orders").expect_err("the types differ");
    assert_eq!(error.to_string(), again.to_string());
    assert_eq!(theirs.status().senders.len() + theirs.status().receivers.len(), 0, "nobody came in");
    match error {
        Error::Mismatch { path, what, found, expected } => {
            assert_eq!(path, stage.file("orders"));
            assert_ne!(found, expected, "{what}");
            (what, found, expected)
        }
        other => panic!("{other:?}"),
    }
}

/// A module with a type `Order` of its own.
macro_rules! variants {
    ($($module:ident { $($item:item)* })*) => {
        $(mod $module {
            #![allow(dead_code)]
            $(#[mi7::message] $item)*
        })*
    };
}

variants! {
    original {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], pub(super) note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    same {
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { pub price: f32, pub depth: u16, pub flag: bool }
        pub struct Order { pub id: u64, pub price: f64, pub side: Side, pub levels: [Level; 4], pub note: Option<u32> }
    }
    renamed_type {
        pub struct Command { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    renamed_field {
        pub struct Order { id: u64, cost: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    other_type {
        pub struct Order { id: u64, price: u64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    other_sign {
        pub struct Order { id: i64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    renamed_variant {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Bid, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    added_variant {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8), Hold }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    swapped_variants {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Sell(u8), Buy }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    other_variant_data {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(i8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    longer_array {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 5], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    nested_field {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: i16, flag: bool }
    }
    nested_name {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Step; 4], note: Option<u32> }
        pub enum Side { Buy, Sell(u8) }
        pub struct Step { price: f32, depth: u16, flag: bool }
    }
    added_field {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: Option<u32>, more: u8 }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    removed_field {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4] }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
    option_no_more {
        pub struct Order { id: u64, price: f64, side: Side, levels: [Level; 4], note: u64 }
        pub enum Side { Buy, Sell(u8) }
        pub struct Level { price: f32, depth: u16, flag: bool }
    }
}

/// Both ways: the field that differs as the first sees it, and as the second.
fn differ<A: Payload, B: Payload>() -> (String, String) {
    (difference::<B, A>().0, difference::<A, B>().0)
}

#[test]
fn each_difference_between_two_types_is_refused_and_named() {
    use original::Order;
    let both = |field: &str| (field.to_owned(), field.to_owned());

    assert_eq!(differ::<Order, other_type::Order>(), both("Order.price"));
    assert_eq!(differ::<Order, other_sign::Order>(), both("Order.id"));
    assert_eq!(differ::<Order, longer_array::Order>(), both("Order.levels"));
    assert_eq!(differ::<Order, nested_field::Order>(), both("Order.levels[].depth"));
    assert_eq!(differ::<Order, added_field::Order>(), both("Order.more"));
    assert_eq!(differ::<Order, removed_field::Order>(), both("Order.note"));
    assert_eq!(differ::<Order, option_no_more::Order>(), both("Order.note"));
    assert_eq!(differ::<Order, added_variant::Order>(), both("Order.side.Hold"));
    assert_eq!(differ::<Order, other_variant_data::Order>(), both("Order.side.Sell.0"));
    assert_eq!(differ::<Order, renamed_type::Command>(), both("the message type"));
    assert_eq!(differ::<Order, renamed_field::Order>(), ("Order.price".into(), "Order.cost".into()));
    assert_eq!(differ::<Order, renamed_variant::Order>(), ("Order.side.Buy".into(), "Order.side.Bid".into()));
    assert_eq!(differ::<Order, swapped_variants::Order>(), ("Order.side.Buy".into(), "Order.side.Sell".into()));
    assert_eq!(differ::<Order, nested_name::Order>(), both("Order.levels[]"));
}

#[test]
fn a_difference_says_what_was_found_and_what_was_expected() {
    let (_, found, expected) = difference::<other_type::Order, original::Order>();
    assert_eq!((found.as_str(), expected.as_str()), ("`price: u64` at offset 8", "`price: f64` at offset 8"));
    let (_, found, expected) = difference::<original::Order, added_variant::Order>();
    assert_eq!((found.as_str(), expected.as_str()), ("no variant `Hold`", "variant `Hold` with tag 2"));
    let (_, found, expected) = difference::<longer_array::Order, original::Order>();
    assert!(found.contains("[Level; 5]") && expected.contains("[Level; 4]"), "{found} / {expected}");
}

#[test]
fn the_same_definition_in_two_modules_is_the_same_type() {
    let stage = Stage::new(ACTOR);
    let level = || same::Level { price: 1.0, depth: 5, flag: true };
    let theirs = stage.options::<same::Order>().capacity(2).create("orders").expect("a channel");
    let ours = stage.options::<original::Order>().capacity(2).open("orders").expect("the same type");
    let order = same::Order {
        id: 1,
        price: 2.5,
        side: same::Side::Sell(3),
        levels: [level(), level(), level(), level()],
        note: Some(4),
    };
    theirs.sender().send(&order).expect("room");
    let received = ours.receiver();
    assert_eq!(received.try_recv().expect("it was sent").to_owned().note, Some(4));
}

#[test]
fn types_without_names_and_of_other_encodings_are_told_apart() {
    assert_eq!(difference::<(u8, u16), (u8, i16)>().0, "(u8, i16).1");
    let whole = |found: &str, expected: &str| ("the message type".to_owned(), found.to_owned(), expected.to_owned());
    assert_eq!(difference::<u64, i64>(), whole("`u64`", "`i64`"));
    assert_eq!(difference::<[u8; 4], u32>(), whole("`[u8; 4]`", "`u32`"));
    assert_eq!(difference::<mi7::FixedString<8>, mi7::FixedString<9>>(), whole("`FixedString<8>`", "`FixedString<9>`"));
    assert_eq!(difference::<original::Order, renamed_type::Command>(), whole("`struct Order`", "`struct Command`"));
    let encoding = "the encoding of its messages";
    for (what, found, expected) in [
        difference::<original::Order, Message>(),
        difference::<Message, original::Order>(),
        difference::<Message, Bincode<Vec<u8>>>(),
        difference::<Bincode<Vec<u8>>, original::Order>(),
    ] {
        assert_eq!(what, encoding, "{found} / {expected}");
    }
    let (what, found, expected) = difference::<Bincode<String>, Bincode<Vec<String>>>();
    assert!(found.contains("String") && expected.contains("Vec<String>"), "{what}: {found} / {expected}");
}
