//! What a receiver of a `Bincode` gets is what was sent, or the send is an error that takes no slot.

mod by_hand;

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::SinkExt;
use mi7::{Bincode, Error, FixedString, FixedVec};
use mi7_tests::{Stage, block_on};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// It is received as it was sent.
#[track_caller]
fn arrives<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: T) {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options().capacity(1).max_message_size(1 << 20).create("c").expect("a channel").split();
    let message = Bincode(value);
    tx.send(&message).unwrap_or_else(|error| panic!("{message:?}: {error}"));
    assert_eq!(rx.recv().expect("it").into_inner(), message);
}

/// Each way to send it is an error, at once and although there is no room, and takes none where there is.
#[track_caller]
fn is_refused<T: Serialize + DeserializeOwned + 'static>(value: T, why: &str) {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Bincode<T>>().capacity(1).max_message_size(1 << 20);
    let channel = options.create("c").expect("a channel");
    let (tx, rx) = channel.split();
    let message = Bincode(value);
    let refused = |result: mi7::Result<()>| match result {
        Err(error @ Error::Encoding { .. }) => {
            let text = error.to_string();
            assert!(text.contains(why) && text.contains(&name::<T>()), "{text}");
        }
        other => panic!("{other:?}"),
    };
    let refuse_all = || {
        refused(tx.send(&message));
        refused(tx.try_send(&message));
        refused(tx.send_timeout(&message, Duration::from_secs(100)));
        refused(tx.send_many([&message]).map(drop));
        refused(block_on(tx.send_async(&message)));
        refused(block_on(tx.sink::<&Bincode<T>>().send(&message)));
        refused(block_on(std::future::poll_fn(|context| tx.poll_send(context, &message))));
    };
    for _ in 0..3 {
        refuse_all();
    }
    let mut loan = tx.try_loan().expect("no slot was taken");
    refused(loan.write(&message));
    assert!(matches!(loan.send(), Err(Error::Unwritten)));
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    // There is no room any more.
    let loan = tx.loan().expect("no slot was taken");
    refuse_all();
    drop(loan);
    let status = channel.status();
    assert_eq!((status.waiting, status.leased, status.received), (0, 0, 0), "{status:?}");
}

/// The type's name, without its path.
fn name<T>() -> String {
    let name = std::any::type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    name[..end].rsplit("::").next().expect("a name").to_owned()
}

// ---- types that do arrive ------------------------------------------------------------------------------------------

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Plain {
    Unit,
    Newtype(u8),
    Tuple(u8, String),
    Struct { a: Option<u8>, b: Vec<u8> },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Renamed {
    #[serde(alias = "first", alias = "eins")]
    one: u8,
    #[serde(rename(serialize = "dos", deserialize = "deux"))]
    two: String,
    #[serde(default)]
    three: Option<u32>,
    #[serde(skip)]
    four: u64,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum RenamedVariants {
    #[serde(alias = "ein", alias = "une")]
    First(u8),
    #[serde(rename(serialize = "deux", deserialize = "dos"))]
    Second(u16),
    Third,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(transparent)]
struct Transparent(Vec<Plain>);

#[test]
fn types_that_bincode_carries_arrive() {
    for plain in [
        Plain::Unit,
        Plain::Newtype(7),
        Plain::Tuple(7, "seven".into()),
        Plain::Struct { a: Some(1), b: vec![1, 2] },
        Plain::Struct { a: None, b: vec![] },
    ] {
        arrives(vec![plain.clone(), plain.clone()]);
        arrives(Transparent(vec![plain; 3]));
    }
    arrives(Renamed { one: 1, two: "2".into(), three: None, four: 0 });
    for variant in [RenamedVariants::First(1), RenamedVariants::Second(2), RenamedVariants::Third] {
        arrives(variant);
    }
    let numbers = || 0..1000u32;
    arrives(numbers().map(|i| (i.to_string(), i)).collect::<HashMap<_, _>>());
    arrives(numbers().map(|i| (i, HashSet::from([i, 1, 2, 3]))).collect::<BTreeMap<_, _>>());
    arrives(numbers().map(|i| (i, Some(i.to_string()))).collect::<HashSet<_>>());
    arrives(vec![numbers().map(|i| (i, HashMap::from([(i, 1), (0, 2)]))).collect::<HashMap<_, _>>(); 2]);
    arrives(BinaryHeap::from_iter(numbers()).into_sorted_vec());
    arrives((FixedString::<9>::try_from("text").unwrap(), FixedVec::<u16, 9>::try_from(&[1, 2][..]).unwrap()));
    arrives((SystemTime::now(), Duration::MAX, "[::1]:80".parse::<SocketAddr>().unwrap(), 'ß', i128::MIN, u128::MAX));
    arrives((f64::MIN_POSITIVE, -0.0f32, (), ((),), [(); 3], vec![(); 1000], "x".repeat(100_000)));
    arrives(std::path::PathBuf::from("/dev/shm"));
    arrives(vec![Some(Some(())), Some(None), None]);
    arrives(Ok::<u8, String>(1));
}

#[test]
fn numbers_that_are_not_equal_to_themselves_arrive() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options().capacity(1).create("c").unwrap().split();
    tx.send(&Bincode(vec![f64::NAN])).unwrap();
    assert!(rx.recv().unwrap()[0].is_nan());
}

// ---- types that do not ---------------------------------------------------------------------------------------------

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Copy)]
struct Sometimes {
    #[serde(skip_serializing_if = "Option::is_none")]
    maybe: Option<u8>,
    always: u8,
}

#[derive(Serialize, Deserialize)]
enum SometimesInVariant {
    V {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        list: Vec<u8>,
        number: u8,
    },
}

#[test]
fn fields_that_are_left_out_sometimes_are_refused_when_they_are() {
    let some = Sometimes { maybe: Some(1), always: 2 };
    let none = Sometimes { maybe: None, always: 0 };
    arrives(some);
    is_refused(none, "`maybe`");
    // What shifts by it could be read all the same.
    is_refused((none, Some(0u8), 3u8), "");
    is_refused(vec![some, none, some], "");
    is_refused(HashMap::from([(1, Some(none))]), "");
    is_refused(SometimesInVariant::V { list: vec![], number: 1 }, "`list`");
}

#[derive(Serialize, Deserialize)]
struct NeverWritten {
    #[serde(skip_serializing)]
    _a: u8,
    b: u8,
}

#[derive(Serialize, Deserialize, Default)]
struct NeverRead {
    #[serde(skip_deserializing)]
    a: u8,
    b: u8,
}

#[test]
fn fields_that_only_one_side_knows_are_refused() {
    is_refused(NeverWritten { _a: 1, b: 2 }, "receiver");
    is_refused((NeverWritten { _a: 1, b: 1 }, vec![0u8]), "");
    is_refused(NeverRead { a: 1, b: 2 }, "receiver");
    is_refused((NeverRead { a: 1, b: 2 }, Some(2u8)), "");
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Text(String),
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Empty,
    Struct { a: u8 },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Number(u64),
    Text { text: String },
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
struct Tagged {
    a: u8,
}

#[derive(Serialize, Deserialize)]
enum PartlyUntagged {
    Tagged(u8),
    #[serde(untagged)]
    Untagged(String),
}

#[derive(Serialize, Deserialize)]
struct Flat {
    a: u8,
    #[serde(flatten)]
    rest: HashMap<String, u8>,
}

#[test]
fn types_that_ask_what_comes_next_are_refused() {
    for value in [Untagged::Number(1), Untagged::Text("1".into()), Untagged::Nothing] {
        is_refused(value, "untagged");
    }
    for value in [Internal::Empty, Internal::Struct { a: 1 }] {
        is_refused(value, "`tag`");
    }
    for value in [PartlyUntagged::Tagged(1), PartlyUntagged::Untagged("1".into())] {
        is_refused(Some(value), "untagged");
    }
    is_refused(Tagged { a: 1 }, "receiver");
    is_refused(Flat { a: 1, rest: HashMap::from([("b".into(), 2)]) }, "flatten");
    for value in [Adjacent::Number(1), Adjacent::Text { text: "1".into() }, Adjacent::Nothing] {
        is_refused(value, "`tag`");
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Gap {
    Before,
    #[serde(skip)]
    _Skipped,
    Behind,
    Last(u8),
}

/// Here the names that serde gives to bincode are where they belong, by chance, and the numbers are not.
#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum HiddenGap {
    #[serde(alias = "a2")]
    A,
    #[serde(skip_deserializing)]
    _B,
    C,
    D,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Other {
    #[serde(skip)]
    _Zero,
    One,
    #[serde(other)]
    Rest,
}

#[test]
fn variants_behind_one_that_is_skipped_are_refused() {
    arrives(Gap::Before);
    is_refused(Gap::_Skipped, "cannot be serialized");
    is_refused(Gap::Behind, "receiver");
    is_refused(vec![Gap::Before, Gap::Behind], "");
    is_refused(vec![Gap::Behind, Gap::Last(1)], "");
    is_refused(HiddenGap::C, "another value");
    is_refused(HiddenGap::D, "");
    is_refused(HiddenGap::_B, "");
    is_refused(Other::One, "");
}

#[derive(Serialize, Deserialize)]
struct OtherShape {
    #[serde(serialize_with = "as_number", deserialize_with = "from_text")]
    a: u8,
    b: String,
}

fn as_number<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::from(*number))
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    Ok(String::deserialize(deserializer)?.len() as u8)
}

#[derive(Serialize, Deserialize)]
struct OtherUnit {
    #[serde(serialize_with = "as_millis", deserialize_with = "from_secs")]
    wait: Duration,
}

fn as_millis<S: Serializer>(wait: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(wait.as_millis() as u64)
}

fn from_secs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Copy)]
#[serde(try_from = "u8", into = "u8")]
struct Percent(u8);

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number <= 100 { Ok(Percent(number)) } else { Err(format!("{number} percent")) }
    }
}

#[test]
fn what_is_read_in_another_way_than_it_is_written_is_refused() {
    is_refused(OtherShape { a: 200, b: "text".into() }, "");
    is_refused(OtherShape { a: 1, b: String::new() }, "");
    is_refused(OtherUnit { wait: Duration::from_millis(1500) }, "another value");
    arrives(Percent(100));
    is_refused(Percent(101), "101 percent");
    is_refused(vec![Percent(1), Percent(101)], "");
}

// ---- errors --------------------------------------------------------------------------------------------------------

mod old {
    #[derive(serde::Serialize, serde::Deserialize, Debug)]
    pub struct Order {
        pub id: u64,
    }
}

mod new {
    #[derive(serde::Serialize, serde::Deserialize, Debug)]
    pub struct Order {
        pub id: u64,
        pub note: String,
    }
}

#[test]
fn a_type_of_another_version_is_named_as_the_likely_cause() {
    let stage = Stage::new(ACTOR);
    let theirs = stage.options::<Bincode<new::Order>>().create("orders").unwrap();
    let ours = stage.options::<Bincode<old::Order>>().open("orders").expect("the name is the same");
    let says = |error: &Error| {
        let text = error.to_string();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert!(text.contains("`Order`") && text.contains("another version of this type"), "{text}");
        assert!(text.contains("build both programs from one definition"), "{text}");
    };
    theirs.sender().send(&Bincode(new::Order { id: 1, note: "a".into() })).unwrap();
    says(&ours.receiver().recv().unwrap_err());
    ours.sender().send(&Bincode(old::Order { id: 1 })).unwrap();
    says(&theirs.receiver().recv().unwrap_err());
}

#[test]
fn types_of_other_names_are_both_named() {
    let stage = Stage::new(ACTOR);
    stage.options::<Bincode<String>>().create("texts").unwrap();
    match stage.options::<Bincode<u8>>().open("texts") {
        Err(error @ Error::Mismatch { .. }) => {
            let text = error.to_string();
            assert!(text.contains("the channel has `String`, this program expects `u8`"), "{text}");
            assert!(!text.contains("unreadable") && !text.contains("damaged"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}
