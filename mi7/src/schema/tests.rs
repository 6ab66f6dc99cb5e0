//! The text, its parser, printing and comparing, on types made by hand and by the derive, and on hostile input.

use core::mem::offset_of;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::num::NonZeroI16;
use core::ptr::NonNull;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{FixedString, FixedVec, ShmMessage};

#[derive(Clone, Debug, PartialEq)]
#[crate::message]
struct Order {
    id: u64,
    price: f64,
    side: Side,
    limit: Option<(u8, i32)>,
    symbol: FixedString<6>,
    levels: FixedVec<[u16; 2], 3>,
    wait: Duration,
    from: SocketAddr,
    unit: Unit,
}

#[derive(Clone, Debug, PartialEq)]
#[crate::message]
enum Side {
    Buy,
    Sell(bool, char),
    Cancel { r#type: NonZeroI16, of: u128 },
}

#[derive(Clone, Debug, PartialEq)]
#[crate::message]
struct Unit;

/// The bytes of a value's archive. Padding is zero.
fn archive<T: ShmMessage>(value: &T) -> Vec<u8> {
    let mut bytes = vec![0u8; size_of::<T::Archived>() + T::ALIGN];
    let start = bytes.as_ptr().align_offset(T::ALIGN);
    let at = NonNull::from(&mut bytes[start..]).cast::<u8>();
    // SAFETY: `size` initialized bytes are there, aligned, and nobody else has them.
    unsafe { crate::archive::write(value, at) };
    bytes[start..][..size_of::<T::Archived>()].to_vec()
}

fn printed<T: ShmMessage>(value: &T) -> String {
    Layout::parse(&T::SCHEMA.text()).unwrap().format(&archive(value)).unwrap()
}

fn order() -> Order {
    Order {
        id: 1,
        price: 2.5,
        side: Side::Cancel { r#type: NonZeroI16::new(-7).unwrap(), of: u128::MAX },
        limit: Some((3, -4)),
        symbol: "a\"é".parse().unwrap(),
        levels: FixedVec::try_from(&[[1, 2], [3, 4]][..]).unwrap(),
        wait: Duration::from_millis(1500),
        from: "127.0.0.1:80".parse().unwrap(),
        unit: Unit,
    }
}

#[test]
fn a_message_is_printed_as_debug_prints_it() {
    let order = order();
    assert_eq!(printed(&order), format!("{order:?}").replace("r#type", "type"));
    assert_eq!(printed(&Side::Buy), "Buy");
    assert_eq!(printed(&Side::Sell(true, '\n')), "Sell(true, '\\n')");
    assert_eq!(printed(&((), (1u8,), [(); 2])), "((), (1,), [(), ()])");
}

#[test]
fn every_scalar_is_printed_as_debug_prints_it() {
    fn same<T: ShmMessage + core::fmt::Debug>(values: &[T]) {
        for value in values {
            assert_eq!(printed(value), format!("{value:?}"));
        }
        let Kind::Scalar(scalar) = T::SCHEMA.kind else { panic!("{:?} is no scalar", T::SCHEMA) };
        assert_eq!((scalar.size(), scalar.name()), (T::SCHEMA.size, T::SCHEMA.name));
    }
    same(&[i8::MIN, 5]);
    same(&[i16::MIN, 5]);
    same(&[i32::MIN, 5]);
    same(&[i64::MIN, 5]);
    same(&[i128::MIN, 5]);
    same(&[u8::MAX, 5]);
    same(&[u16::MAX, 5]);
    same(&[u32::MAX, 5]);
    same(&[u64::MAX, 5]);
    same(&[u128::MAX, 5]);
    same(&[f32::NAN, -0.0, 1.0, 1e30]);
    same(&[f64::INFINITY, -0.0, 1.0, 1e300]);
    same(&[true, false]);
    same(&['a', '\'', '\u{10FFFF}']);
    same(&[NonZeroI16::MIN, NonZeroI16::MAX]);
    same(&[Duration::MAX, Duration::from_nanos(1)]);
    same(&["1.2.3.4".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    same(&["1.2.3.4:5".parse::<SocketAddr>().unwrap(), "[::1]:5".parse().unwrap()]);
    same(&[SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 2, 3)]);
}

#[test]
fn types_of_the_standard_library_are_printed_by_their_parts() {
    use core::mem::ManuallyDrop;
    use core::ops::Bound;

    assert_eq!(printed(&Ok::<u8, u64>(3)), "Ok(3)");
    assert_eq!(printed(&Err::<u8, u64>(4)), "Err(4)");
    assert_eq!(printed(&[Bound::Included(5u32), Bound::Unbounded]), "[Included(5), Unbounded]");
    assert_eq!(printed(&Bound::Excluded('x')), "Excluded('x')");
    assert_eq!(printed(&(1u8..9)), "Range { start: 1, end: 9 }");
    assert_eq!(printed(&(1u8..=9, ..)), "(RangeInclusive { start: 1, end: 9 }, RangeFull)");
    assert_eq!(
        printed(&(1u64.., ..2i8, ..=3i16)),
        "(RangeFrom { start: 1 }, RangeTo { end: 2 }, RangeToInclusive { end: 3 })"
    );
    assert_eq!(printed(&ManuallyDrop::new(Some(7u16))), "ManuallyDrop { value: Some(7) }");
    assert_eq!(printed(&core::marker::PhantomPinned), "PhantomPinned");
}

#[test]
fn a_number_with_its_little_end_first_is_the_native_number() {
    use rkyv::rend::{NonZeroU16_le, char_le, f64_le, u32_be, u32_le};

    assert_eq!(u32_le::SCHEMA, u32::SCHEMA);
    assert_eq!(printed(&(u32_le::from_native(5), f64_le::from_native(1.5))), "(5, 1.5)");
    assert_eq!(printed(&(char_le::from_native('x'), NonZeroU16_le::new(7))), "('x', Some(7))");
    assert_eq!(printed(&u32_be::from_native(5)), "u32_be(0x00000005)");
}

#[test]
fn offsets_of_variants_are_those_of_the_compiler() {
    #[repr(C)]
    struct Sell(u8, bool, rkyv::Archived<char>);
    #[repr(C)]
    struct Cancel(u8, rkyv::Archived<NonZeroI16>, rkyv::Archived<u128>);

    let Kind::Enum([_, sell, cancel]) = Side::SCHEMA.kind else { panic!("{:?}", Side::SCHEMA) };
    assert_eq!(sell.fields[0].offset, offset_of!(Sell, 1));
    assert_eq!(sell.fields[1].offset, offset_of!(Sell, 2));
    assert_eq!(cancel.fields[0].offset, offset_of!(Cancel, 1));
    assert_eq!(cancel.fields[1].offset, offset_of!(Cancel, 2));
}

#[test]
fn the_text_reads_back() {
    let text = Order::SCHEMA.text();
    let layout = Layout::parse(&text).unwrap();
    assert_eq!(layout.name(), "Order");
    assert_eq!((layout.size(), layout.align()), (Order::SCHEMA.size, Order::ALIGN));
    assert!(text.contains("\n  | 2 Cancel\n   type 2 2 2 NonZeroI16\n"), "{text}");
    assert_eq!(Layout::parse(&<[Option<(u8,)>; 2]>::SCHEMA.text()).unwrap().name(), "[Option<(u8,)>; 2]");
    assert_eq!(
        Layout::parse(&FixedVec::<FixedString<2>, 3>::SCHEMA.text()).unwrap().name(),
        "FixedVec<FixedString<2>, 3>"
    );
}

#[test]
fn an_opaque_type_is_printed_as_bytes() {
    let schema = Schema { name: "Handle", size: 2, align: 1, kind: Kind::Opaque };
    assert_eq!(Layout::parse(&schema.text()).unwrap().format(&[0x0A, 0xB0, 9]).unwrap(), "Handle(0x0ab0)");
}

#[test]
fn bad_bytes_are_refused_with_their_place() {
    let layout = Layout::parse(&Order::SCHEMA.text()).unwrap();
    let Kind::Struct(fields) = Order::SCHEMA.kind else { panic!() };
    let offset = |name| fields.iter().find(|field| field.name == name).unwrap().offset;
    let with = |at: usize, byte| {
        let mut bytes = archive(&order());
        bytes[at] = byte;
        layout.format(&bytes).unwrap_err()
    };
    let invalid = |offset, name: &str| FormatError::Invalid { offset, name: name.into() };
    assert_eq!(with(offset("side"), 3), invalid(offset("side"), "Side"));
    assert_eq!(with(offset("limit"), 2), invalid(offset("limit"), "Option<(u8, i32)>"));
    assert_eq!(with(offset("symbol"), 7), FormatError::Length { offset: offset("symbol"), found: 7, capacity: 6 });
    assert_eq!(with(offset("symbol") + 4, 0xFF), invalid(offset("symbol"), "FixedString<6>"));
    assert_eq!(with(offset("levels"), 4), FormatError::Length { offset: offset("levels"), found: 4, capacity: 3 });
    assert_eq!(with(offset("wait") + 11, 0xFF), invalid(offset("wait"), "Duration"));
    assert_eq!(with(offset("from"), 2), invalid(offset("from"), "SocketAddr"));
    let short = layout.format(&archive(&order())[1..]).unwrap_err();
    assert!(matches!(short, FormatError::TooShort { .. }), "{short}");
}

#[test]
fn a_text_that_is_none_is_refused_with_its_line() {
    let refused = |text: &str| Layout::parse(text).unwrap_err().to_string();
    assert!(refused("").contains("line 1 of the schema text is \"\""));
    assert!(refused("mi7 schema 2\n").contains("line 1"));
    assert!(
        refused("mi7 schema 1\n- 0 8 8 f64x\n").contains("line 2 of the schema text is of an unknown kind, \"f64x\"")
    );
    assert!(refused("mi7 schema 1\n- 0 4 8 f64\n").contains("`f64` of 4 bytes instead of 8"));
    assert!(refused("mi7 schema 1\n- 0 8 3 f64\n").contains("alignment of 3"));
    assert!(refused("mi7 schema 1\n- 0 8 8 f64\n- 0 8 8 f64\n").contains("line 3"));
    assert!(refused("mi7 schema 1\n- 0 4 8 tuple\n 0 0 8 8 f64\n").contains("reaches out of its 4 bytes"));
    assert!(refused("mi7 schema 1\n- 0 8 8 array 2\n - 0 8 8 f64\n").contains("do not fit"));
    assert!(refused("mi7 schema 1\n- 0 8 8 array 18446744073709551615\n").contains("number"));
    assert!(refused("mi7 schema 1\n- 0 8 8 array 2\n").contains("not followed"));
    assert!(refused("mi7 schema 1\n- 0 4 4 string 1 4\n").contains("does not fit"));
    assert!(refused("mi7 schema 1\n- 0 8 4 vec 1 0\n - 0 4 4 u32\n").contains("overlap"));
    assert!(refused("mi7 schema 1\n- 0 1 1 enum Side\n | 256 Buy\n").contains("no byte"));
    assert!(refused(&format!("mi7 schema 1\n{}", "x".repeat(1 << 20))).contains("more than"));
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    let mut text = String::from("mi7 schema 1\n");
    for depth in 0..500 {
        text += &format!("{:depth$}- 0 0 1 array 1\n", "");
    }
    assert!(Layout::parse(&text).unwrap_err().problem.contains("nested too deeply"));
}

#[test]
fn an_endless_list_of_nothing_is_not_printed_for_ever() {
    let layout = Layout::parse("mi7 schema 1\n- 0 0 1 array 1099511627776\n - 0 0 1 tuple\n").unwrap();
    assert_eq!(layout.format(&[]), Err(FormatError::TooLong));
}

#[test]
fn the_first_difference_is_named() {
    let of = |ours: Schema, theirs: Schema| {
        let Difference { field, ours, theirs } = first_difference(&ours.text(), &theirs.text()).unwrap();
        format!("{field}: {ours} / {theirs}")
    };
    const U8: Schema = u8::SCHEMA;
    const U32: Schema = u32::SCHEMA;
    const fn field(name: &'static str, offset: usize, schema: &'static Schema) -> Field {
        Field { name, offset, schema }
    }
    let order = |fields| Schema { name: "Order", size: 8, align: 4, kind: Kind::Struct(fields) };
    let ours = order(const { &[field("bid", 0, &U32), field("ask", 4, &U32)] });

    // A swap of two fields of one type, which changes no kind and no size.
    let swapped = order(const { &[field("ask", 0, &U32), field("bid", 4, &U32)] });
    assert_eq!(of(ours, swapped), "Order.bid: `bid: u32` at offset 0 / `bid: u32` at offset 4");
    let retyped = order(const { &[field("bid", 0, &U32), field("ask", 4, &U8)] });
    assert_eq!(of(ours, retyped), "Order.ask: `ask: u32` at offset 4 / `ask: u8` at offset 4");
    let less = order(const { &[field("bid", 0, &U32)] });
    assert_eq!(of(ours, less), "Order.ask: `ask: u32` at offset 4 / no field `ask`");
    assert_eq!(of(less, ours), "Order.ask: no field `ask` / `ask: u32` at offset 4");
    let renamed = Schema { name: "Trade", ..ours };
    assert_eq!(of(ours, renamed), "Order: `struct Order` / `struct Trade`");
    assert_eq!(of(ours, Schema { align: 64, ..ours }), "Order: 8 bytes, aligned to 4 / 8 bytes, aligned to 64");
    assert_eq!(of(ours, U8), "Order: `struct Order` / `u8`");

    let side = |variants| Schema { name: "Side", size: 8, align: 4, kind: Kind::Enum(variants) };
    let buy = side(&[Variant { name: "Buy", tag: 0, fields: &[Field { name: "0", offset: 4, schema: &U32 }] }]);
    let sell = side(&[Variant { name: "Sell", tag: 0, fields: &[] }]);
    assert_eq!(of(buy, sell), "Side.Buy: variant `Buy` with tag 0 / no variant `Buy`");
    let other_tag = side(&[Variant { name: "Sell", tag: 1, fields: &[] }]);
    assert_eq!(of(sell, other_tag), "Side.Sell: variant `Sell` with tag 0 / variant `Sell` with tag 1");
    let other_field = side(&[Variant { name: "Buy", tag: 0, fields: &[Field { name: "0", offset: 4, schema: &U8 }] }]);
    assert_eq!(of(buy, other_field), "Side.Buy.0: `0: u32` at offset 4 / `0: u8` at offset 4");

    let deep = |element| Schema { name: "", size: 8, align: 4, kind: Kind::Array { length: 1, element } };
    assert_eq!(
        of(deep(&<(u8, u32)>::SCHEMA), deep(&<(u8, i32)>::SCHEMA)),
        "[(u8, u32); 1][].1: `1: u32` at offset 4 / `1: i32` at offset 4"
    );
    assert_eq!(
        of(Option::<u8>::SCHEMA, Option::<i8>::SCHEMA),
        "Option<u8>.Some.0: `0: u8` at offset 1 / `0: i8` at offset 1"
    );
    assert_eq!(
        of(FixedString::<4>::SCHEMA, FixedString::<5>::SCHEMA),
        "FixedString<4>: `FixedString<4>` / `FixedString<5>`"
    );
}

#[test]
fn an_unreadable_text_differs_as_a_whole() {
    let difference = first_difference(&u8::SCHEMA.text(), "gibberish").unwrap();
    assert_eq!(difference.ours, "that of `u8`");
    assert!(difference.theirs.starts_with("unreadable: line 1"), "{difference:?}");
}

#[test]
fn fingerprints_and_texts_agree_on_what_is_equal() {
    let all = [
        Order::SCHEMA,
        Side::SCHEMA,
        Unit::SCHEMA,
        <()>::SCHEMA,
        <(u8, u16)>::SCHEMA,
        <(u16, u8)>::SCHEMA,
        <[u8; 2]>::SCHEMA,
        <[u8; 3]>::SCHEMA,
        <(u8, u8)>::SCHEMA,
        Option::<u8>::SCHEMA,
        Option::<bool>::SCHEMA,
        FixedVec::<u8, 3>::SCHEMA,
        FixedString::<3>::SCHEMA,
        Schema { align: 64, ..Unit::SCHEMA },
        Schema { name: "unit", ..Unit::SCHEMA },
        Schema { kind: Kind::Opaque, ..Unit::SCHEMA },
    ];
    for ours in &all {
        for theirs in &all {
            assert_eq!(fingerprint(ours) == fingerprint(theirs), ours.text() == theirs.text());
            assert_eq!(first_difference(&ours.text(), &theirs.text()).is_none(), ours.text() == theirs.text());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_printed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let layout = Layout::parse(&Order::SCHEMA.text()).unwrap();
        let _ = layout.format(&bytes);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(mi7 schema 1\n)?([ ]{0,3}[-a|0] [0-9]{1,2} [0-9]{1,2} [1248] (u8|tuple|struct A|enum B|array [0-9]{1,20}|vec 2 4|string 1 4)\n){0,6}") {
        if let Ok(layout) = Layout::parse(&text) {
            let _ = layout.format(&[1; 64]);
            let _ = first_difference(&text, &Order::SCHEMA.text());
        }
    }

    #[test]
    fn a_damaged_text_is_read_or_refused(at in 0usize..800, with in any::<char>()) {
        let text = Order::SCHEMA.text();
        let damaged: String = text.chars().enumerate().map(|(i, char)| if i == at { with } else { char }).collect();
        if let Ok(layout) = Layout::parse(&damaged) {
            let _ = layout.format(&archive(&order()));
        }
        let _ = first_difference(&damaged, &text);
    }

    #[test]
    fn numbers_and_options_print_as_debug_prints_them(value in any::<(u64, Option<f64>, [i16; 3], char, bool)>()) {
        prop_assert_eq!(printed(&value), format!("{value:?}"));
    }
}
