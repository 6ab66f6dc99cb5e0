//! The forms of types that `#[mi7::message]` and `#[derive(ShmMessage)]` accept, sent and received.
//!
//! | module | what |
//! |---|---|
//! | `shapes` | the types in rkyv's own tests, as a table: which are accepted, which are refused and why |
//! | `conditional` | fields, variants, parameters and attributes under `cfg` and `cfg_attr` |
//! | `names` | types, constants, traits and macros whose names meet those of the expansion or of the standard library |
//! | `own` | `Self`, and bounds of every kind |
//!
//! All of it compiles with `unsafe_code` forbidden, and without a warning of clippy's strict
//! groups.

#![forbid(unsafe_code)]
#![deny(deprecated, unused, clippy::pedantic, clippy::nursery)]

mod conditional;
mod names;
mod own;
mod shapes;

use std::fmt::Debug;

use mi7::schema::Layout;
use mi7::{SharedChannel, ShmMessage};

/// Sends a value and receives it again. Gives back what it says of itself where it lies.
///
/// # Panics
///
/// If it is not the same value that comes out.
fn comes_back<T: ShmMessage + PartialEq + Debug>(value: &T) {
    let directory = tempfile::tempdir().expect("a directory");
    let channel = SharedChannel::<T>::options().directory(directory.path()).capacity(1).create("form");
    let (tx, rx) = channel.expect("a channel").split();
    tx.try_send(value).expect("room");
    assert_eq!(&rx.try_recv().expect("it was sent").into_inner(), value);
}

/// What is received, as `{:?}` prints it where it lies.
fn printed<T: ShmMessage<Archived: Debug>>(value: &T) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let channel = SharedChannel::<T>::options().directory(directory.path()).capacity(1).create("form");
    let (tx, rx) = channel.expect("a channel").split();
    tx.try_send(value).expect("room");
    let received = rx.try_recv().expect("it was sent");
    format!("{received:?}")
}

/// The names and types of the parts of a message, from its schema.
fn parts<T: ShmMessage>() -> String {
    let () = const { T::CHECKED };
    let text = T::SCHEMA.text();
    assert!(Layout::parse(&text).is_ok(), "{text}");
    let describe = |line: &str| {
        let mut words = line.split_whitespace();
        let label = words.next().unwrap_or_default().to_owned();
        if label == "|" { line.trim().to_owned() } else { label + " " + &words.skip(3).collect::<Vec<_>>().join(" ") }
    };
    text.lines().skip(1).map(describe).collect::<Vec<_>>().join("; ")
}
