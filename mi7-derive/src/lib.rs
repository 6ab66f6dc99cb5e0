//! `#[derive(ShmMessage)]` and `#[mi7::message]`, the derive macros of mi7.
//!
//! Use them through `mi7`, which re-exports both.
//!
//! # How it works
//!
//! ```text
//!  attr, rkyv   what the attributes say                     ─┐
//!  input        the type as a small tree: fields, variants   ├─ every mistake goes to `errors`, on the token that makes it
//!  check        what no message can have                    ─┘
//!  expand       the impl, and the assertions beside it; or the mistakes, and a stub that keeps them from spreading
//!  debug        `Debug` of the archived form
//! ```
//!
//! `message` and `conditional` are the attribute macro, which writes derives and decides next to
//! nothing: it sees the item before `cfg` is applied to its fields.
//!
//! Syntax decides only about types that have no name, such as references. Names can deceive: a
//! `String` may be the user's own, and an alias may hide one. So whether the type of a field is a
//! message is left to trait bounds, and the rest of the promise to assertions on the archive.
//!
//! # Hygiene
//!
//! The expansion names everything by full path, primitive types too, declares no name of its own,
//! and works where the prelude is absent or shadowed. It finds `mi7` under the name that the user's
//! Cargo.toml gives it; `#[shm(crate = path)]` says where else it is. The user's tokens keep their
//! spans: what they mean depends on the edition they were written in.

mod attr;
mod check;
mod conditional;
mod debug;
mod errors;
mod expand;
mod input;
mod message;
mod rkyv;
mod tokens;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `mi7::ShmMessage`, beside rkyv's `Archive`, `Serialize` and `Deserialize`.
///
/// It promises that the archive has a fixed size, lies in one piece, and means the same in every
/// process, and it refuses the fields that would break the promise, saying what to use instead.
/// Write it before rkyv's derives, `#[derive(ShmMessage, Archive, Serialize, Deserialize)]`: the
/// compiler reports the errors of derives in their order.
///
/// # Attributes
///
/// On the type:
///
/// - `#[shm(max_size = 64)]`: an archive of more bytes than that is a compile error.
/// - `#[shm(align = 64)]`: the archive is placed at a multiple of this power of two, of at most
///   4096. It holds for the type as a message; inside of another type it is a field like any other.
/// - `#[shm(crate = path)]`: where `mi7` is, if not in `Cargo.toml`.
///
/// Of rkyv's attributes those work that leave the archive's fields alone: `archived`, `resolver`,
/// `crate`, `derive`, `attr`, `compare`, `bytecheck`, `niche`, the bounds. Bounds on a serializer,
/// a deserializer or a context must hold for mi7's: `mi7::message::Building`, `Reading` and
/// `Checking`. `as`, `remote` and, on fields, `with` are refused: they put an archive there that
/// mi7 cannot see into.
///
/// # Warnings in rkyv's code
///
/// rkyv's derives write types beside the user's, for which an `#[allow(…)]` on the user's type does
/// not hold. In a module where `missing_docs` is on, an enum whose variants have named fields needs
/// `#![allow(missing_docs)]` on the module; so does a deprecated variant or type with
/// `#![allow(deprecated)]`. Deprecated fields of structs need nothing with `#[mi7::message]`.
#[proc_macro_derive(ShmMessage, attributes(shm, rkyv))]
pub fn derive_shm_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::derive(&input).into()
}

/// Derives all that a message needs: `mi7::ShmMessage`, and rkyv's `Archive`, `Serialize` and
/// `Deserialize`.
///
/// For users who do not have rkyv in their Cargo.toml. It takes what `#[shm(…)]` takes, as in
/// `#[mi7::message(max_size = 64)]`. Place it above other derives.
///
/// # Printing what was received
///
/// A received message is the archived form of the type, a type that rkyv's derive writes. If
/// `#[derive(Debug)]` stands below the attribute, the archived form has `Debug` as well, and `{:?}`
/// prints what was received. `#[rkyv(derive(Debug))]` says the same explicitly, also with the four
/// derives. To write `Debug` for the archived form by hand, use the four derives instead of the
/// attribute.
#[proc_macro_attribute]
pub fn message(arguments: TokenStream, item: TokenStream) -> TokenStream {
    message::expand(arguments.into(), item.into()).into()
}
