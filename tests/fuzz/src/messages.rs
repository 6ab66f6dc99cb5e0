//! Messages of every kind, and a second opinion on them.

// rkyv's derive writes no documentation for the named fields of an archived enum's variants.
#![allow(missing_docs)]

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::Duration;

use mi7::schema::Layout;
use mi7::{Bincode, FixedString, FixedVec, Message, Options, Payload, Received, SharedChannel, ShmMessage};
use rkyv::{Archive, Deserialize, Serialize};

use crate::stage::View;

/// The most bytes of a dynamic message here.
const MOST: usize = 64;

/// A kind of message.
pub trait Specimen: Payload {
    /// How to make or open a channel of it.
    #[must_use]
    fn options() -> Options<Self> {
        SharedChannel::options()
    }

    /// Some message.
    fn specimen(number: u8) -> Self;

    /// Looks at all of a message, where it lies and what it says.
    ///
    /// # Panics
    ///
    /// If anything is wrong with it.
    fn examine(received: &Received<'_, Self>, view: View<'_>);

    /// Looks at all of a message that was taken out.
    fn examine_value(value: &Self);

    /// Whether these bytes of a slot are a message, if anybody but the library can tell.
    #[must_use]
    fn is_valid(_payload: &[u8]) -> Option<bool> {
        None
    }
}

/// An enum without data.
#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone, Copy, Debug, PartialEq)]
pub enum Side {
    /// One.
    Buy,
    /// The other.
    Sell,
    /// Neither.
    None,
}

/// A generic message.
#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone, Copy, Debug, PartialEq)]
pub struct Tick<T: ShmMessage> {
    /// When.
    pub at: u32,
    /// What.
    pub value: T,
}

/// An enum with data of every form.
#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone, Debug, PartialEq)]
pub enum Event {
    /// No data.
    Nothing,
    /// Data without names.
    Order(u64, f64, Side),
    /// Data with names.
    Quote {
        /// Text.
        symbol: FixedString<6>,
        /// Maybe a number.
        bid: Option<f64>,
    },
    /// An enum in an enum.
    Nested(Tick<Option<Side>>, Inner),
}

/// An enum in an enum.
#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone, Copy, Debug, PartialEq)]
pub enum Inner {
    /// A letter.
    Letter(char),
    /// Two answers.
    Answers([bool; 2]),
}

/// Every kind of field.
#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone, Debug, PartialEq)]
pub struct Rich {
    /// A number.
    pub id: u64,
    /// An answer.
    pub flag: bool,
    /// A letter.
    pub letter: char,
    /// A choice.
    pub side: Side,
    /// A number with a point.
    pub price: f64,
    /// Answers that may not be there.
    pub answers: [Option<bool>; 3],
    /// An enum with an enum.
    pub event: Event,
    /// An option of an option.
    pub maybe: Option<Option<char>>,
    /// Text.
    pub text: FixedString<7>,
    /// A list.
    pub list: FixedVec<Side, 3>,
    /// A list of lists of texts.
    pub lists: [FixedVec<(bool, FixedString<3>), 2>; 2],
    /// A number that is never 0.
    pub never_zero: NonZeroU16,
    /// A time.
    pub wait: Duration,
    /// An address.
    pub address: IpAddr,
}

impl Specimen for Rich {
    fn specimen(number: u8) -> Self {
        let event = match number % 4 {
            0 => Event::Nothing,
            1 => Event::Order(number.into(), -0.5, Side::Sell),
            2 => Event::Quote { symbol: text("ÄÖ"), bid: Some(1.5) },
            _ => Event::Nested(Tick { at: 1, value: Some(Side::None) }, Inner::Letter('ß')),
        };
        let mut list = FixedVec::new();
        let mut pairs = FixedVec::new();
        for _ in 0..number % 3 {
            list.try_push(Side::Sell).expect("three fit");
            pairs.try_push((true, text("abc"))).expect("two fit");
        }
        Rich {
            id: number.into(),
            flag: number & 4 != 0,
            letter: char::from(number),
            side: if number & 8 == 0 { Side::Buy } else { Side::None },
            price: f64::from(number) / 3.0,
            answers: [None, Some(false), Some(true)],
            event,
            maybe: (number & 16 == 0).then(|| (number & 32 == 0).then_some('x')),
            text: text("sieben!"),
            list,
            lists: [pairs, FixedVec::new()],
            never_zero: NonZeroU16::MIN,
            wait: Duration::from_millis(number.into()),
            address: if number & 64 == 0 { [127, 0, 0, number].into() } else { [0xFFFF; 8].into() },
        }
    }

    fn examine(received: &Received<'_, Self>, view: View<'_>) {
        examine_archive(received, view);
    }

    fn examine_value(value: &Self) {
        assert!(!format!("{value:?}").is_empty());
    }

    fn is_valid(payload: &[u8]) -> Option<bool> {
        Some(layout::<Self>().format(payload).is_ok())
    }
}

/// A message far from the slot's word, with room around it.
#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone, Copy, Debug, PartialEq)]
#[shm(align = 256)]
pub struct Wide(pub Side, pub bool, pub Option<char>);

impl Specimen for Wide {
    fn specimen(number: u8) -> Self {
        Wide(Side::Sell, number & 1 != 0, (number & 2 != 0).then_some('w'))
    }

    fn examine(received: &Received<'_, Self>, view: View<'_>) {
        examine_archive(received, view);
    }

    fn examine_value(value: &Self) {
        assert!(!format!("{value:?}").is_empty());
    }

    fn is_valid(payload: &[u8]) -> Option<bool> {
        Some(layout::<Self>().format(payload).is_ok())
    }
}

impl Specimen for Message {
    fn options() -> Options<Self> {
        SharedChannel::options().max_message_size(MOST)
    }

    fn specimen(number: u8) -> Self {
        // Some are too large.
        Message { id: 1 << (number % 64), data: vec![number; usize::from(number % 70)], timestamp: number.into() }
    }

    fn examine(received: &Received<'_, Self>, view: View<'_>) {
        let data = received.data();
        let at = view.mapping.offset(data.as_ptr().addr());
        let shape = &view.place.shape;
        let slot = shape.slot_around(at, data.len() as u64);
        assert!(slot.is_some(), "{} bytes at {at} are not of one message", data.len());
        assert_eq!(view.place.bytes(at, data.len()), data, "the bytes are those of the file");
        assert_eq!(received.to_owned().data, data);
        assert!(!format!("{received:?}").is_empty());
    }

    fn examine_value(value: &Self) {
        assert!(!format!("{value:?}").is_empty());
    }
}

/// A message with serde's traits only.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
pub struct Letter {
    /// An answer.
    pub flag: bool,
    /// A letter.
    pub letter: char,
    /// A choice.
    pub choice: Choice,
    /// Text.
    pub text: String,
    /// A list.
    pub pages: Vec<Option<(u8, String)>>,
    /// Numbers.
    pub numbers: (u64, i16, f64),
    /// An option of an option.
    pub maybe: Option<Option<bool>>,
}

/// An enum with serde's traits only.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
pub enum Choice {
    /// No data.
    Nothing,
    /// Data.
    Some(bool, char),
    /// More of the same.
    More(Box<[u32]>),
}

impl Specimen for Bincode<Letter> {
    fn options() -> Options<Self> {
        SharedChannel::options().max_message_size(MOST)
    }

    fn specimen(number: u8) -> Self {
        Bincode(Letter {
            flag: number & 4 != 0,
            letter: char::from(number),
            choice: match number % 3 {
                0 => Choice::Nothing,
                1 => Choice::Some(true, 'ß'),
                _ => Choice::More([1, 2, 3].into()),
            },
            // Some are too large.
            text: "x".repeat(usize::from(number % 60)),
            pages: vec![None, Some((number, "page".into()))],
            numbers: (number.into(), -1, 0.5),
            maybe: (number & 1 != 0).then_some((number & 2 != 0).then_some(true)),
        })
    }

    fn examine(received: &Received<'_, Self>, view: View<'_>) {
        examine_letter(received, view.place.shape.payload);
        assert_eq!(format!("{:?}", received.to_owned()), format!("{:?}", **received));
    }

    fn examine_value(value: &Self) {
        examine_letter(&value.0, u64::MAX);
    }
}

fn examine_letter(letter: &Letter, most: u64) {
    assert!(!format!("{letter:?}").is_empty());
    let pages = letter.pages.iter().flatten().map(|(_, text)| text);
    for text in pages.chain([&letter.text]) {
        assert!(std::str::from_utf8(text.as_bytes()).is_ok());
        assert!(text.len() as u64 <= most, "no longer than the message it came in");
    }
}

/// What is received is, byte for byte, in one of the file's slots; and read by the schema, those bytes say what the value says.
fn examine_archive<T: ShmMessage + Debug>(received: &Received<'_, T>, view: View<'_>) {
    let at = view.mapping.offset(std::ptr::from_ref(&**received).addr());
    assert!(view.place.shape.is_payload(at), "a message at {at}");
    let bytes = view.place.bytes(at, size_of::<T::Archived>());
    // First, because it is what tells whether the rest is sound.
    let shown = layout::<T>().format(&bytes).unwrap_or_else(|error| panic!("received: {error}, {bytes:x?}"));
    assert_eq!(shown, format!("{:?}", received.to_owned()));
}

/// The schema, as whoever reads the file knows it.
fn layout<T: ShmMessage>() -> Rc<Layout> {
    thread_local! {
        static LAYOUTS: RefCell<BTreeMap<TypeId, Rc<Layout>>> = const { RefCell::new(BTreeMap::new()) };
    }
    let parse = || Rc::new(Layout::parse(&T::SCHEMA.text()).expect("the schema that the library wrote"));
    LAYOUTS.with_borrow_mut(|layouts| layouts.entry(TypeId::of::<T>()).or_insert_with(parse).clone())
}

fn text<const N: usize>(text: &str) -> FixedString<N> {
    FixedString::try_from(text).expect("the text fits")
}

/// Calls a function for the kind of message that this number names.
#[macro_export]
macro_rules! for_kind {
    ($number:expr, $do:ident($($argument:expr),*)) => {
        match $number % $crate::messages::KINDS {
            0 => $do::<$crate::messages::Rich>($($argument),*),
            1 => $do::<mi7::Message>($($argument),*),
            2 => $do::<mi7::Bincode<$crate::messages::Letter>>($($argument),*),
            _ => $do::<$crate::messages::Wide>($($argument),*),
        }
    };
}

/// How many kinds there are.
pub const KINDS: u8 = 4;
