//! Types whose `Serialize` and `Deserialize` are written by hand.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use mi7::Bincode;
use mi7_tests::Stage;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ACTOR, arrives, is_refused};

/// A map in a text, in the order that the map has.
#[derive(PartialEq, Debug)]
struct Lines(HashMap<String, u32>);

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lines: Vec<_> = self.0.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        serializer.serialize_str(&lines.concat())
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let line = |line: &str| {
            let (key, value) = line.split_once('=').ok_or_else(|| D::Error::custom("no `=`"))?;
            Ok((key.to_owned(), value.parse().map_err(D::Error::custom)?))
        };
        text.lines().map(line).collect::<Result<_, _>>().map(Lines)
    }
}

/// Says that it has three elements, and has as many as it has.
struct Miscounted(usize);

impl Serialize for Miscounted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(3))?;
        (0..self.0).try_for_each(|_| list.serialize_element(&0u8))?;
        list.end()
    }
}

impl<'de> Deserialize<'de> for Miscounted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(|list| Miscounted(list.len()))
    }
}

/// By hand, and without telling the serializer what is left out.
struct Silent(Option<u8>, Option<u8>);

impl Serialize for Silent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Silent", 2)?;
        if let Some(number) = self.0 {
            fields.serialize_field("a", &number)?;
        }
        fields.serialize_field("b", &self.1)?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Silent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <(u8, Option<u8>)>::deserialize(deserializer).map(|(a, b)| Silent(Some(a), b))
    }
}

/// Another number each time.
struct Clock;

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(0) };
}

impl Serialize for Clock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TICKS.set(TICKS.get() + 1);
        serializer.serialize_u64(TICKS.get())
    }
}

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|_| Clock)
    }
}

/// Whatever comes, as `serde_json::Value` is.
#[derive(Debug, PartialEq)]
struct Anything(u64);

impl Serialize for Anything {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Anything;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Anything, E> {
                Ok(Anything(number))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[test]
fn what_is_written_by_hand_and_wrongly_is_refused() {
    arrives_without_eq(Miscounted(3));
    is_refused(Miscounted(2), "said it had 3 elements, and has 2");
    is_refused((Miscounted(2), 0u8), "");
    is_refused(Miscounted(4), "has more");
    is_refused((Silent(None, Some(0)), 0u8), "");
    is_refused(Silent(None, None), "");
    is_refused(Clock, "another value");
    is_refused(Anything(1), "serde_json::Value");
}

#[track_caller]
fn arrives_without_eq<T: Serialize + DeserializeOwned + 'static>(value: T) {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options().capacity(1).create("c").expect("a channel").split();
    tx.send(&Bincode(value)).expect("room");
    assert!(rx.recv().is_ok());
}

/// As text where a person is to read it, and bincode is not such a place.
#[derive(PartialEq, Debug)]
struct Version(u16, u16);

impl Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (major, minor) = text.split_once('.').ok_or("no point")?;
        let number = |text: &str| text.parse().map_err(|error| format!("{error}"));
        Ok(Version(number(major)?, number(minor)?))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.0, self.1).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            <(u16, u16)>::deserialize(deserializer).map(|(major, minor)| Version(major, minor))
        }
    }
}

#[test]
fn a_map_in_a_text_arrives_in_whatever_order() {
    arrives(Lines((0..1000).map(|i| (i.to_string(), i)).collect()));
}

#[test]
fn both_sides_know_that_nobody_reads_it() {
    arrives(Version(1, 700));
}
