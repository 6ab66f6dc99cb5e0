//! Types for `Bincode`: of each kind of value that serde knows, and of those that forged bytes can make much of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What can be sent as bincode, and compared with what was sent.
pub trait Value: Serialize + DeserializeOwned + PartialEq + Debug + 'static {
    /// Some values.
    fn samples() -> Vec<Self>;
}

/// Nested in itself in each way that there is.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub enum Tree {
    /// No content.
    Leaf,
    /// A variant of one value.
    Newtype(Box<Tree>),
    /// A variant of several.
    Tuple(u8, Box<Tree>, Box<Tree>),
    /// One with names.
    Struct {
        /// Maybe.
        left: Option<Box<Tree>>,
        /// Maybe.
        right: Option<Box<Tree>>,
    },
    /// A list.
    List(Vec<Tree>),
    /// A map.
    Map(BTreeMap<u8, Tree>),
    /// A newtype, and an option in it.
    Chain(Chain),
}

/// Nothing but options.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub struct Chain(Option<Box<Chain>>);

impl Value for Tree {
    fn samples() -> Vec<Self> {
        let leaf = || Box::new(Tree::Leaf);
        let chain = (0..120).fold(Chain(None), |inner, _| Chain(Some(Box::new(inner))));
        let levels: [fn(Tree) -> Tree; 5] = [
            |tree| Tree::Newtype(Box::new(tree)),
            |tree| Tree::Tuple(1, Box::new(tree), Box::new(Tree::Leaf)),
            |tree| Tree::Struct { left: None, right: Some(Box::new(tree)) },
            |tree| Tree::List(vec![Tree::Leaf, tree]),
            |tree| Tree::Map(BTreeMap::from([(1, tree)])),
        ];
        let nest = |depth| (0..depth).zip(levels.iter().cycle()).fold(Tree::Leaf, |tree, (_, level)| level(tree));
        vec![Tree::Leaf, Tree::Tuple(9, leaf(), leaf()), Tree::Chain(chain), nest(10), nest(90)]
    }
}

/// Takes no bytes.
#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Clone)]
pub struct Nothing;

/// Lists that need no bytes but their lengths.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Default)]
pub struct Nothings {
    units: Vec<()>,
    map: HashMap<(), Nothing>,
    set: BTreeSet<Nothing>,
    list: LinkedList<(Nothing, [(); 3])>,
    lists: Vec<Vec<PhantomData<u64>>>,
    maybe: Option<Vec<Option<Nothing>>>,
}

impl Value for Nothings {
    fn samples() -> Vec<Self> {
        let some = Nothings {
            units: vec![(); 1000],
            map: HashMap::from([((), Nothing)]),
            set: BTreeSet::from([Nothing]),
            list: LinkedList::from([(Nothing, [(); 3])]),
            lists: vec![vec![PhantomData; 9]; 3],
            maybe: Some(vec![Some(Nothing), None]),
        };
        vec![Nothings::default(), some]
    }
}

/// Texts, lists and maps of what does take bytes.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Default)]
pub struct Texts {
    text: String,
    bytes: Vec<u8>,
    letter: Option<char>,
    words: Vec<String>,
    map: BTreeMap<String, Vec<Option<bool>>>,
    set: HashSet<(u16, String)>,
    wide: Vec<[u64; 32]>,
}

impl Value for Texts {
    fn samples() -> Vec<Self> {
        let some = Texts {
            text: "grüße".into(),
            bytes: vec![0xFF; 300],
            letter: Some('ß'),
            words: vec!["a".into(), String::new()],
            map: BTreeMap::from([("b".into(), vec![None, Some(true)])]),
            set: HashSet::from([(7, "c".into()), (700, "d".into())]),
            wide: vec![[1; 32]],
        };
        vec![Texts::default(), some]
    }
}

/// Numbers of every size.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
pub struct Numbers {
    small: (u8, i8, bool),
    large: (u16, i16, u32, i32, u64, i64),
    huge: (u128, i128),
    special: (NonZeroU16, IpAddr, Duration),
    result: Result<u64, ()>,
}

impl Value for Numbers {
    fn samples() -> Vec<Self> {
        let number = |result| Numbers {
            small: (1, -1, true),
            large: (1, -1, 1 << 20, -1 << 20, 1 << 40, -1 << 40),
            huge: (u128::MAX, i128::MIN),
            special: (NonZeroU16::MIN, IpAddr::from([127, 0, 0, 1]), Duration::MAX),
            result,
        };
        vec![number(Ok(7)), number(Err(()))]
    }
}

/// Calls a function for the type that this number names.
#[macro_export]
macro_rules! for_value {
    ($number:expr, $do:ident($($argument:expr),*)) => {
        match $number % $crate::values::KINDS {
            0 => $do::<$crate::values::Tree>($($argument),*),
            1 => $do::<$crate::values::Nothings>($($argument),*),
            2 => $do::<$crate::values::Texts>($($argument),*),
            _ => $do::<$crate::values::Numbers>($($argument),*),
        }
    };
}

/// How many there are.
pub const KINDS: u8 = 4;
