//! Messages of no fixed size: [`Message`], and any serde type as [`Bincode<T>`]. The only place that knows bincode.
//!
//! # In the slot
//!
//! ```text
//! ┌──────────────┬───────────────────────────┐
//! │ length (u32) │ as many bytes of bincode  │   bincode 2, its standard configuration: little-endian,
//! └──────────────┴───────────────────────────┘   integers of variable length
//! ```
//!
//! A [`Message`] is encoded in the slot itself and read there too: [`MessageView::data`] is the slot's own bytes. Its size is
//! known before. Any other type is encoded in a buffer first, and copied into the slot: so what cannot be sent takes no slot,
//! and none waits for a `Serialize` that takes its time. It has to be decoded to be looked at, which happens once, when
//! it is received.
//!
//! ```text
//!  message  Message                       encode  value to bytes, or a Fault        check  is what a receiver gets the same?
//!                                         decode  bytes to value, or a Fault        fault  why not, in words
//! ```
//!
//! # Why bincode 2.0.1
//!
//! It is the last release that is one (3.0.0 is empty), and is no longer maintained (RUSTSEC-2025-0141). What it is used for
//! here is the fallback only, its format is specified, and nothing outside of this folder names it. How numbers and texts are
//! written is its own; its serde part is used for [`Message`] only, as it bounds neither depth nor what takes no bytes.

mod check;
mod decode;
mod depth;
mod encode;
mod fault;
mod message;
#[cfg(test)]
mod tests;

use core::slice;

use bincode::error::EncodeError;
use mi7_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use check::Buffer;
use fault::Fault;
pub use message::{Message, MessageView};

use crate::payload::{Encoding, Kind, Payload, Size, Slot, View, sealed};
use crate::schema;

/// The schema text of a `Bincode<T>` is this and the name of `T`.
pub(crate) const BINCODE_OF: &str = "bincode of ";
/// The length in front of the bytes.
const PREFIX: usize = size_of::<u32>();

fn config() -> bincode::config::Configuration {
    bincode::config::standard()
}

/// Any type with serde's traits, sent as bincode.
///
/// ```
/// use mi7::{Bincode, SharedChannel};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
/// struct Job {
///     command: String,
///     arguments: Vec<String>,
/// }
///
/// # let directory = tempfile::tempdir()?;
/// let jobs = SharedChannel::<Bincode<Job>>::options()
///     .max_message_size(4096)
/// #   .directory(directory.path())
///     .create("jobs")?;
/// let job = Job { command: "ls".into(), arguments: vec!["-l".into()] };
/// jobs.sender().send(&Bincode(job.clone()))?;
/// assert_eq!(*jobs.receiver().recv()?, job);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Bincode does not describe itself: of the type, an opening process compares no more than the name. If two programs have
/// different versions of a type of one name, what the one sends is [`Error::Corrupt`] for the other, or another value.
///
/// # What can be sent
///
/// Every send does beforehand what a receiver will do: it decodes what it has encoded, and encodes what comes out once more. The
/// message is sent if that gives the same bytes (or the same but for the order of elements, as for a `HashSet`). Otherwise the
/// send is an [`Error::Encoding`], and takes no slot. So a receiver gets what was sent, as far as the type's own `Serialize`
/// shows it, whatever `Serialize` and `Deserialize` do. Refused are
///
/// - what asks the format for names, or for what comes next: `skip_serializing_if`, `untagged` and internally tagged enums,
///   `flatten`, `serde_json::Value`;
/// - values whose `Deserialize` refuses them or makes other values of them, and enums with variants that only one of the two
///   skips or both do, if that gives the others other numbers;
/// - values whose `Serialize` writes something else each time, such as the time;
/// - values that are nested more than 128 levels deep, where each struct, tuple, list, map and variant with content is a level (and
///   256 with options and newtypes; fewer where these are larger than 128 bytes); more than 65,536 elements of lists that have
///   no bytes of their own, such as `()`.
///
/// A field with `#[serde(skip)]` is the type's own decision: a receiver gets its default.
///
/// The price is paid by the sender, before it has a slot: sending takes about as long as receiving does, and half as long again.
/// `Deserialize` is called in the sending thread, too. For messages where this matters there are [`ShmMessage`](crate::ShmMessage)s
/// and [`Message`]s.
///
/// # What is received
///
/// Bytes that are damaged or forged are [`Error::Corrupt`] in bounded time, memory and stack, by the same limits. In a
/// build without optimization, a value at the limit takes some 300 KiB of the receiving thread's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bincode<T>(pub T);

impl<T> View for Bincode<T> {
    type Target = T;

    fn target(&self) -> &T {
        &self.0
    }
}

impl<T> sealed::Sealed for Bincode<T> {}

impl<T: Serialize + DeserializeOwned + 'static> Payload for Bincode<T> {
    type Target = T;
    type View = Bincode<T>;
    type Ready = Buffer;

    fn kind() -> Kind {
        let schema = format!("{BINCODE_OF}{}", name::<T>());
        Kind {
            encoding: Encoding::Bincode,
            fingerprint: schema::hash(schema.as_bytes()),
            schema,
            size: Size::UpTo { overhead: PREFIX as u64 },
            align: 8,
        }
    }

    fn ready(&self, room: usize) -> Result<Buffer> {
        check::ready(&self.0, most(room - PREFIX))
    }

    unsafe fn write(&self, ready: Buffer, slot: Slot) -> Result<()> {
        let bytes = ready.bytes();
        let copy = |room: &mut [u8]| {
            room.get_mut(..bytes.len()).ok_or(EncodeError::UnexpectedEnd)?.copy_from_slice(bytes);
            Ok(bytes.len())
        };
        // SAFETY: the caller's promise.
        unsafe { put(slot, copy) }.map_err(|_| Error::TooLarge { size: bytes.len(), max: most(slot.len - PREFIX) })
    }

    unsafe fn view(slot: Slot) -> Result<Bincode<T>> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { encoded(slot) }?;
        decode::decode(bytes).map(Bincode).map_err(|fault| corrupt::<T>(&fault))
    }

    fn take(view: Bincode<T>) -> Bincode<T> {
        view
    }
}

#[cold]
fn corrupt<T>(found: &Fault) -> Error {
    Error::Corrupt {
        what: "encoded message",
        found: found.to_string(),
        expected: format!("the bincode of one `{}`", name::<T>()),
    }
}

/// The name of a type without the paths, which differ between the crates that declare it.
fn name<T>() -> String {
    plain_name(std::any::type_name::<T>())
}

fn plain_name(path: &str) -> String {
    let mut name = String::new();
    for part in path.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        name.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    name
}

/// Lets the bytes of a message be put into a slot, and puts their number before them.
///
/// # Safety
///
/// As [`Payload::write`].
#[inline]
unsafe fn put(slot: Slot, write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>) -> Result<(), EncodeError> {
    // SAFETY: the slot's bytes are there, initialized as all shared memory is, and by the caller's promise nobody else's.
    let bytes = unsafe { slice::from_raw_parts_mut(slot.at.as_ptr(), slot.len) };
    let (prefix, body) = bytes.split_at_mut(PREFIX);
    let most = most(body.len());
    let len = write(&mut body[..most])?;
    prefix.copy_from_slice(&(len as u32).to_le_bytes());
    Ok(())
}

/// The most bytes that fit into `len` and whose length fits into its four bytes.
fn most(len: usize) -> usize {
    len.min(u32::MAX as usize)
}

/// The bytes in a slot.
///
/// # Safety
///
/// As [`Payload::view`]; the bytes are not used after the slot is let go.
unsafe fn encoded<'a>(slot: Slot) -> Result<&'a [u8]> {
    // SAFETY: the slot's bytes are there, initialized as all shared memory is, and by the caller's promise not written to.
    let bytes = unsafe { slice::from_raw_parts(slot.at.as_ptr().cast_const(), slot.len) };
    let (prefix, body) = bytes.split_at(PREFIX);
    let len = u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
    body.get(..len as usize).ok_or_else(|| Error::Corrupt {
        what: "length of a message",
        found: format!("{len} bytes"),
        expected: format!("at most {}", body.len()),
    })
}
