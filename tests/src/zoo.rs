//! Types of every kind, and values of each.

// rkyv's derive writes no documentation for the named fields of an archived enum's variants.
#![allow(missing_docs)]

use std::fmt::Debug;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroI128, NonZeroU8, NonZeroU64};
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::path::Path;
use std::time::Duration;

use mi7::{FixedString, FixedVec, SharedChannel, ShmMessage};
use rkyv::rend::{NonZeroU16_le, u32_be, u64_le};

/// A type, and values of it that together show all its parts.
pub trait Specimen: ShmMessage + PartialEq + Debug {
    /// The name of its channel.
    const NAME: &'static str;

    /// The values.
    fn specimens() -> Vec<Self>;

    /// A channel for them.
    ///
    /// # Errors
    ///
    /// Those of [`mi7::Options::open_or_create`].
    fn channel(directory: &Path) -> mi7::Result<SharedChannel<Self>> {
        SharedChannel::options().directory(directory).open_or_create(Self::NAME)
    }
}

/// A generic message.
#[mi7::message]
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tick<T: ShmMessage> {
    /// When.
    pub at: u64,
    /// What.
    pub value: T,
}

/// An enum without data.
#[mi7::message]
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Side {
    Buy,
    Sell,
}

/// An enum with data of every form.
#[mi7::message]
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// No data.
    Nothing,
    /// Data without names.
    Order(u64, f64, Side),
    /// Data with names.
    Quote {
        /// Text.
        symbol: FixedString<12>,
        /// Maybe a number.
        bid: Option<f64>,
        /// Maybe another.
        ask: Option<f64>,
    },
    /// Other messages.
    Nested(Tick<Option<Side>>),
}

/// Every kind of number and the types of the standard library.
#[mi7::message]
#[derive(Clone, PartialEq, Debug)]
pub struct Everything {
    pub small: (i8, u8, i16, u16),
    pub large: (i32, u32, i64, u64),
    pub huge: (i128, u128),
    pub float: f32,
    pub floats: [f64; 3],
    pub flag: bool,
    pub letter: char,
    pub nothing: (),
    pub never_zero: (NonZeroU8, Option<NonZeroU64>, NonZeroI128),
    pub wait: Duration,
    pub addresses: (Ipv4Addr, Ipv6Addr, IpAddr, Option<SocketAddr>),
    pub marker: PhantomData<u8>,
    pub grid: [[Option<(u8, bool)>; 2]; 2],
}

/// Ranges, outcomes, and numbers whose byte order is part of their type.
#[mi7::message]
#[derive(Clone, PartialEq, Debug)]
pub struct Spans {
    pub ranges: (Range<u8>, RangeInclusive<u64>, RangeFrom<char>),
    pub open_ranges: (RangeTo<i16>, RangeToInclusive<u128>, RangeFull),
    pub bounds: [Bound<u32>; 3],
    pub outcome: Result<[u64; 2], Side>,
    pub nothing: Result<(), bool>,
    pub held: ManuallyDrop<Option<Side>>,
    pub pinned: PhantomPinned,
    pub ordered: (u32_be, u64_le, Option<NonZeroU16_le>),
    pub own: PhantomData<fn() -> Self>,
}

/// A tuple struct with lists and texts in each other.
#[mi7::message]
#[derive(Clone, PartialEq, Debug)]
pub struct Shelf(pub FixedVec<(FixedString<5>, FixedVec<u16, 3>), 4>, pub Option<Option<u8>>);

/// A struct with nothing in it.
#[mi7::message]
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Unit;

/// A message with an alignment of its own.
#[mi7::message(align = 256)]
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Aligned(pub u8);

impl Specimen for Side {
    const NAME: &'static str = "side";
    fn specimens() -> Vec<Self> {
        vec![Side::Buy, Side::Sell]
    }
}

impl Specimen for Event {
    const NAME: &'static str = "event";
    fn specimens() -> Vec<Self> {
        vec![
            Event::Nothing,
            Event::Order(u64::MAX, -0.5, Side::Sell),
            Event::Quote { symbol: text("EURUSD"), bid: None, ask: Some(f64::MIN_POSITIVE) },
            Event::Quote { symbol: text("ÄÖÜ€ß"), bid: Some(1.25), ask: None },
            Event::Nested(Tick { at: 1, value: None }),
            Event::Nested(Tick { at: 2, value: Some(Side::Buy) }),
        ]
    }
}

impl Specimen for Everything {
    const NAME: &'static str = "everything";
    fn specimens() -> Vec<Self> {
        let least = Everything {
            small: (i8::MIN, 0, i16::MIN, 0),
            large: (i32::MIN, 0, i64::MIN, 0),
            huge: (i128::MIN, 0),
            float: f32::NEG_INFINITY,
            floats: [0.0, -1.5, f64::MIN],
            flag: false,
            letter: '\0',
            nothing: (),
            never_zero: (NonZeroU8::MIN, None, NonZeroI128::MIN),
            wait: Duration::ZERO,
            addresses: (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST.into(), None),
            marker: PhantomData,
            grid: [[None; 2]; 2],
        };
        let most = Everything {
            small: (i8::MAX, u8::MAX, i16::MAX, u16::MAX),
            large: (i32::MAX, u32::MAX, i64::MAX, u64::MAX),
            huge: (i128::MAX, u128::MAX),
            float: f32::MAX,
            floats: [f64::INFINITY, f64::MAX, f64::EPSILON],
            flag: true,
            letter: char::MAX,
            nothing: (),
            never_zero: (NonZeroU8::MAX, Some(NonZeroU64::MAX), NonZeroI128::MAX),
            wait: Duration::MAX,
            addresses: (
                Ipv4Addr::BROADCAST,
                Ipv6Addr::LOCALHOST,
                Ipv6Addr::from_bits(u128::MAX - 1).into(),
                Some(SocketAddr::from(([10, 1, 2, 3], 65535))),
            ),
            marker: PhantomData,
            grid: [[Some((1, true)), None], [None, Some((255, false))]],
        };
        vec![least, most]
    }
}

impl Specimen for Spans {
    const NAME: &'static str = "spans";
    fn specimens() -> Vec<Self> {
        let few = Spans {
            ranges: (0..0, 0..=0, '\0'..),
            open_ranges: (..i16::MIN, ..=0, ..),
            bounds: [Bound::Unbounded; 3],
            outcome: Err(Side::Sell),
            nothing: Ok(()),
            held: ManuallyDrop::new(None),
            pinned: PhantomPinned,
            ordered: (0.into(), 0.into(), None),
            own: PhantomData,
        };
        let many = Spans {
            ranges: (0..255, 0..=u64::MAX, char::MAX..),
            open_ranges: (..i16::MAX, ..=u128::MAX, ..),
            bounds: [Bound::Included(0), Bound::Excluded(u32::MAX), Bound::Unbounded],
            outcome: Ok([u64::MAX, 1]),
            nothing: Err(true),
            held: ManuallyDrop::new(Some(Side::Buy)),
            pinned: PhantomPinned,
            ordered: (u32::MAX.into(), 1.into(), NonZeroU16_le::new(u16::MAX)),
            own: PhantomData,
        };
        vec![few, many]
    }
}

impl Specimen for Shelf {
    const NAME: &'static str = "shelf";
    fn specimens() -> Vec<Self> {
        let mut full = FixedVec::new();
        for (name, numbers) in [("", &[][..]), ("a", &[1]), ("bc", &[1, 2]), ("defgh", &[1, 2, u16::MAX])] {
            let numbers = FixedVec::try_from(numbers).expect("three fit");
            full.try_push((text(name), numbers)).expect("four fit");
        }
        vec![Shelf(FixedVec::new(), None), Shelf(full, Some(None)), Shelf(FixedVec::new(), Some(Some(7)))]
    }
}

impl Specimen for Unit {
    const NAME: &'static str = "unit";
    fn specimens() -> Vec<Self> {
        vec![Unit; 3]
    }
}

impl Specimen for Aligned {
    const NAME: &'static str = "aligned";
    fn specimens() -> Vec<Self> {
        (0..9).map(Aligned).collect()
    }
}

impl Specimen for Tick<[u8; 3]> {
    const NAME: &'static str = "tick-of-array";
    fn specimens() -> Vec<Self> {
        vec![Tick { at: 5, value: [1, 2, 3] }]
    }
}

impl Specimen for Tick<Tick<FixedString<8>>> {
    const NAME: &'static str = "tick-of-tick";
    fn specimens() -> Vec<Self> {
        vec![Tick { at: 5, value: Tick { at: 6, value: text("within") } }]
    }
}

impl Specimen for u128 {
    const NAME: &'static str = "u128";
    fn specimens() -> Vec<Self> {
        vec![0, 1 << 64, u128::MAX]
    }
}

impl Specimen for (char, [Option<i16>; 3]) {
    const NAME: &'static str = "tuple";
    fn specimens() -> Vec<Self> {
        vec![('ß', [None, Some(-1), Some(i16::MAX)])]
    }
}

fn text<const N: usize>(text: &str) -> FixedString<N> {
    FixedString::try_from(text).expect("the text fits")
}

/// Calls `$do::<T>(…)` for every type here.
#[macro_export]
macro_rules! for_every_specimen {
    ($do:ident($($argument:expr),*)) => {
        $do::<$crate::zoo::Side>($($argument),*);
        $do::<$crate::zoo::Event>($($argument),*);
        $do::<$crate::zoo::Everything>($($argument),*);
        $do::<$crate::zoo::Spans>($($argument),*);
        $do::<$crate::zoo::Shelf>($($argument),*);
        $do::<$crate::zoo::Unit>($($argument),*);
        $do::<$crate::zoo::Aligned>($($argument),*);
        $do::<$crate::zoo::Tick<[u8; 3]>>($($argument),*);
        $do::<$crate::zoo::Tick<$crate::zoo::Tick<mi7::FixedString<8>>>>($($argument),*);
        $do::<u128>($($argument),*);
        $do::<(char, [Option<i16>; 3])>($($argument),*);
    };
}
