use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::check::ready;
use super::decode::{MAX_EMPTY, decode};
use super::depth::{MAX_DEPTH, MAX_TOTAL};
use super::*;

#[test]
fn names_lose_their_paths_and_nothing_else() {
    assert_eq!(plain_name("my_crate::jobs::Job"), "Job");
    assert_eq!(plain_name("alloc::vec::Vec<(a::B, core::option::Option<u8>)>"), "Vec<(B, Option<u8>)>");
    assert_eq!(plain_name("[a::B; 3]"), "[B; 3]");
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Shape {
    Unit,
    Newtype(Box<Shape>),
    Tuple(i8, u128, char),
    Struct { text: String, list: Vec<Option<f32>> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct All {
    shapes: Vec<Shape>,
    numbers: (i16, i32, i64, i128, u16, u32, u64, f64, bool),
    map: BTreeMap<String, [u8; 3]>,
    newtype: Newtype,
    unit: (),
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    address: IpAddr,
    one: NonZeroU8,
    duration: Duration,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Newtype(Option<Box<Newtype>>);

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any::<(i8, u128, char)>().prop_map(|(a, b, c)| Shape::Tuple(a, b, c)),
        any::<(String, Vec<Option<i16>>)>().prop_map(|(text, list)| Shape::Struct {
            text,
            list: list.into_iter().map(|number| number.map(f32::from)).collect()
        }),
    ];
    leaf.prop_recursive(8, 16, 1, |inner| inner.prop_map(|inner| Shape::Newtype(Box::new(inner))))
}

fn all() -> impl Strategy<Value = All> {
    let parts = (
        prop::collection::vec(shape(), 0..5),
        any::<(i16, i32, i64, i128, u16, u32, u64, i32, bool)>(),
        any::<BTreeMap<String, [u8; 3]>>(),
        0..5usize,
        any::<Vec<u8>>(),
        any::<IpAddr>(),
        any::<NonZeroU8>(),
        any::<Duration>(),
    );
    parts.prop_map(|(shapes, n, map, depth, bytes, address, one, duration)| All {
        shapes,
        numbers: (n.0, n.1, n.2, n.3, n.4, n.5, n.6, f64::from(n.7) / 3.0, n.8),
        map,
        newtype: (0..depth).fold(Newtype(None), |inner, _| Newtype(Some(Box::new(inner)))),
        unit: (),
        bytes,
        address,
        one,
        duration,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_bincode_and_read_as_bincode_reads_it(all in all()) {
        let buffer = ready(&all, usize::MAX).unwrap();
        prop_assert_eq!(buffer.bytes(), bincode::serde::encode_to_vec(&all, config()).unwrap());
        prop_assert_eq!(decode::<All>(buffer.bytes()).unwrap(), all);
    }

    #[test]
    fn any_bytes_are_read_as_bincode_reads_them(bytes in any::<Vec<u8>>()) {
        let expected = bincode::serde::decode_from_slice::<Vec<Shape>, _>(&bytes, config().with_limit::<0x1_0000>());
        let expected = expected.ok().filter(|(_, used)| *used == bytes.len()).map(|(value, _)| value);
        prop_assert_eq!(decode::<Vec<Shape>>(&bytes).ok(), expected);
    }

    #[test]
    fn what_can_be_received_can_be_sent(bytes in any::<Vec<u8>>()) {
        if let Ok(value) = decode::<(Vec<Shape>, HashMap<u8, HashSet<u8>>)>(&bytes) {
            ready(&value, bytes.len()).unwrap();
        }
    }
}

/// Whether such a value can be sent, and is received as it was.
fn carries<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> bool {
    match ready(value, usize::MAX) {
        Ok(buffer) => {
            assert_eq!(decode::<T>(buffer.bytes()).unwrap(), *value);
            true
        }
        Err(Error::Encoding { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn as_many_elements_may_be_empty_as_is_said() {
    assert!(carries(&vec![(); MAX_EMPTY]));
    assert!(!carries(&vec![(); MAX_EMPTY + 1]));
    assert!(carries(&vec![vec![(); MAX_EMPTY / 4]; 4]));
    assert!(!carries(&vec![vec![(); MAX_EMPTY / 4 + 1]; 4]));
    // The element has a byte of its own, and what is in it has not.
    assert!(carries(&vec![((), 1u8, ()); 2 * MAX_EMPTY]));
}

#[test]
fn values_may_be_nested_as_deep_as_is_said() {
    let nest = |depth: usize| (0..depth).fold(Shape::Unit, |inner, _| Shape::Newtype(Box::new(inner)));
    assert!(carries(&nest(MAX_DEPTH)));
    assert!(!carries(&nest(MAX_DEPTH + 1)));
    // Beside each other they may be as many as one likes.
    assert!(carries(&vec![nest(MAX_DEPTH - 1); 1000]));
    let newtypes = |depth: usize| (0..depth).fold(Newtype(None), |inner, _| Newtype(Some(Box::new(inner))));
    assert!(carries(&newtypes((MAX_TOTAL - 1) / 2)));
    assert!(!carries(&newtypes(MAX_TOTAL / 2)));
}

#[test]
fn of_large_values_fewer_may_be_nested() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Node {
        numbers: [u64; 32],
        next: Option<Box<Node>>,
    }

    let nest = |depth: usize| (0..depth).fold(None, |next, _| Some(Box::new(Node { numbers: [7; 32], next })));
    // Each weighs as much as three levels.
    assert!(carries(&nest(MAX_DEPTH / 3 - 1)));
    assert!(!carries(&nest(MAX_DEPTH / 3 + 1)));
}

#[test]
fn what_is_nested_in_a_type_may_be_large() {
    #[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Copy)]
    struct Large([[u64; 32]; 32]);

    assert!(carries(&Some((Large([[7; 32]; 32]), 1u8))));
}

#[test]
fn a_buffer_is_used_again_unless_it_is_large() {
    let at = |len: usize| {
        let buffer = ready(&"x".repeat(len), usize::MAX).unwrap();
        buffer.bytes().as_ptr()
    };
    assert_eq!(at(5000), at(4000));
    at(1 << 20);
    let buffer = ready(&"x".to_owned(), usize::MAX).unwrap();
    assert!(buffer.bytes().len() == 2);
}

#[test]
fn a_value_that_does_not_fit_is_measured_and_not_kept() {
    match ready(&"x".repeat(1 << 20), 100) {
        Err(Error::TooLarge { size, max }) => assert_eq!((size, max), ((1 << 20) + 5, 100)),
        other => panic!("{other:?}"),
    }
}
