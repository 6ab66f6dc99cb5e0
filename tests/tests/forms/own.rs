//! `Self`, associated types and bounds; values that are printed where they lie; fields that are
//! deprecated.

#![allow(dead_code)] // Nobody makes values of some of these types.

use std::fmt::Debug;
use std::marker::PhantomData;

use mi7::ShmMessage;

use crate::{comes_back, parts, printed};

#[mi7::message]
#[derive(PartialEq, Eq, Debug)]
struct Node {
    next: u32,
    marker: PhantomData<fn() -> Self>,
    other: PhantomData<[Self; 2]>,
    bytes: [u8; Self::LENGTH],
    nested: Option<[(u8, [bool; Self::LENGTH + 1]); 1]>,
}

impl Node {
    const LENGTH: usize = 3;
}

#[mi7::message]
#[derive(PartialEq, Eq, Debug)]
enum Tree {
    Leaf([u8; Self::LENGTH]),
    Inner { marker: PhantomData<Self>, children: PhantomData<fn(Self) -> Option<Self>> },
}

impl Tree {
    const LENGTH: usize = 2;
}

/// What a type has to do with itself.
trait Own {
    type Number;
    const LENGTH: usize;
}

#[mi7::message]
#[derive(PartialEq, Eq, Debug)]
struct ByTrait {
    number: <Self as Own>::Number,
    bytes: [u8; <Self as Own>::LENGTH],
}

impl Own for ByTrait {
    type Number = u16;
    const LENGTH: usize = 2;
}

#[mi7::message]
#[derive(PartialEq, Eq, Debug)]
struct GenericByTrait<T: 'static + Send> {
    number: <Self as Own>::Number,
    marker: PhantomData<fn(T)>,
}

impl<T: 'static + Send> Own for GenericByTrait<T> {
    type Number = u16;
    const LENGTH: usize = 2;
}

trait Related<T: ?Sized> {}

impl<T: ?Sized> Related<T> for u16 {}

#[mi7::message]
#[derive(PartialEq, Eq, Debug)]
struct Generic<T: Related<Self> + PartialEq + ShmMessage>
where
    PhantomData<Self>: Sized,
    Self: Sized,
{
    value: T,
    marker: PhantomData<fn() -> Self>,
    concrete: u8,
    nested: [Option<T>; 2],
}

#[test]
fn a_type_may_speak_of_itself() {
    let bytes = "- struct Node; next u32; marker struct PhantomData; other struct PhantomData; bytes array 3; - u8";
    assert!(parts::<Node>().starts_with(bytes), "{}", parts::<Node>());
    comes_back(&Node {
        next: 1,
        marker: PhantomData,
        other: PhantomData,
        bytes: [1, 2, 3],
        nested: Some([(4, [true, false, true, false])]),
    });
    comes_back(&Tree::Leaf([1, 2]));
    comes_back(&Tree::Inner { marker: PhantomData, children: PhantomData });
    comes_back(&ByTrait { number: 1, bytes: [2, 3] });
    comes_back(&GenericByTrait::<String> { number: 1, marker: PhantomData });
    comes_back(&Generic { value: 7u16, marker: PhantomData, concrete: 8, nested: [None, Some(9)] });
}

trait Venue {
    type Price;
    const DEPTH: usize;
}

#[derive(PartialEq, Eq, Debug)]
struct Exchange;

impl Venue for Exchange {
    type Price = i32;
    const DEPTH: usize = 4;
}

#[mi7::message]
struct Quote<V: Venue> {
    bid: <V as Venue>::Price,
    asks: [V::Price; 2],
    side: Option<<V as Venue>::Price>,
    size: u8,
}

#[mi7::message]
enum Update<V: Venue> {
    None,
    Bid(V::Price),
    Ask { price: <V as Venue>::Price, count: u16 },
}

#[test]
fn fields_may_be_associated_types() {
    assert!(parts::<Quote<Exchange>>().starts_with("- struct Quote; bid i32; asks array 2; - i32;"));
    assert!(parts::<Update<Exchange>>().starts_with("- enum Update; | 0 None; | 1 Bid; 0 i32; | 2 Ask; price i32;"));
}

/// The bounds that rkyv's attributes add.
mod bounds {
    // rkyv's derive repeats the user's bounds.
    #![allow(clippy::type_repetition_in_bounds, clippy::trait_duplication_in_bounds)]

    use super::{Debug, PhantomData};

    pub trait Known {}
    impl Known for u32 {}
    impl Known for mi7::message::Building {}
    impl Known for mi7::message::Checking {}

    #[mi7::message]
    #[rkyv(
        archive_bounds(T: Known, T::Archived: Debug),
        serialize_bounds(__S: Known),
        deserialize_bounds(__D: Known),
        bytecheck(bounds(__C: Known)),
        derive(Debug)
    )]
    #[derive(PartialEq, Eq, Debug)]
    pub struct Generic<T: rkyv::Archive> {
        pub value: T,
    }

    #[mi7::message]
    #[rkyv(
        archive_bounds(u32: Known),
        serialize_bounds(__S: Known, <__S as rkyv::rancor::Fallible>::Error: Send),
        deserialize_bounds(__D: Known, PhantomData<__D>: Sized),
        bytecheck(bounds(__C: Known))
    )]
    #[derive(PartialEq, Eq, Debug)]
    pub struct Plain {
        pub value: u8,
    }
}

#[test]
fn bounds_of_rkyv_are_those_of_the_message() {
    comes_back(&bounds::Generic { value: 5u32 });
    comes_back(&bounds::Plain { value: 6 });
    assert_eq!(printed(&bounds::Generic { value: 5u32 }), "ArchivedGeneric { value: 5 }");
}

#[mi7::message]
#[derive(Debug)]
struct Order<T> {
    id: u64,
    side: Side,
    tags: [Option<T>; 2],
    marker: PhantomData<Self>,
}

#[mi7::message]
#[derive(Debug)]
enum Side {
    Buy,
    Sell(u8, char),
    Cancel { r#type: bool },
}

#[mi7::message]
#[derive(Debug)]
struct Unit;

#[mi7::message]
#[derive(Debug)]
struct Tuple(u8, Unit);

/// Nobody has written `Debug` for its archived form.
#[derive(ShmMessage, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Debug)]
struct Silent(u8);

/// So this one's archived form cannot be printed, and that is no reason to refuse it.
#[mi7::message]
#[derive(Debug)]
struct Outer {
    silent: Silent,
}

#[test]
fn a_received_message_is_printed_if_its_type_is() {
    let order = Order { id: 1, side: Side::Sell(2, 'x'), tags: [None, Some(3u16)], marker: PhantomData };
    let expected = "Order { id: 1, side: Sell(2, 'x'), tags: [None, Some(3)], marker: PhantomData<";
    assert!(printed(&order).starts_with(expected), "{}", printed(&order));
    assert_eq!(printed(&Side::Cancel { r#type: true }), "Cancel { type: true }");
    assert_eq!(printed(&Side::Buy), "Buy");
    assert_eq!(printed(&Unit), "Unit");
    assert_eq!(printed(&Tuple(1, Unit)), "Tuple(1, Unit)");
    assert_eq!(parts::<Outer>(), "- struct Outer; silent struct Silent; 0 u8");
}

/// The compiler would warn of uses; the test denies that.
mod deprecated {
    #[mi7::message]
    pub struct Named {
        #[deprecated]
        pub old: u32,
        #[cfg_attr(all(), deprecated(note = "old"))]
        pub older: u32,
        #[deprecated]
        #[rkyv(attr(doc = "Documented."))]
        pub oldest: u32,
        pub new: u32,
    }

    #[mi7::message]
    pub struct Tuple(#[deprecated] pub u8, pub u16);

    #[mi7::message]
    pub struct Generic<T> {
        #[deprecated]
        pub old: T,
        pub new: T,
    }
}

#[test]
fn deprecated_fields_are_part_of_a_message_like_others() {
    assert_eq!(parts::<deprecated::Named>(), "- struct Named; old u32; older u32; oldest u32; new u32");
    assert_eq!(parts::<deprecated::Tuple>(), "- struct Tuple; 0 u8; 1 u16");
    assert_eq!(parts::<deprecated::Generic<u8>>(), "- struct Generic; old u8; new u8");
}
