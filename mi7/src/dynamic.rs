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
//! The bytes are encoded in the slot itself. A [`Message`] is read there too: [`MessageView::data`] is the slot's own bytes.
//! Any other type has to be decoded to be looked at, which happens once, when it is received.
//!
//! # Why bincode 2.0.1
//!
//! It is the last release that is one (3.0.0 is empty), and is no longer maintained (RUSTSEC-2025-0141). What it is used for
//! here is the fallback only, its format is specified, and nothing outside of this file names it.

use core::fmt;
use core::ptr::NonNull;
use core::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use mi7_core::{Error, PerProcess, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::payload::{Encoding, Kind, Payload, Size, Slot, View, sealed};
use crate::schema;

/// The schema text of a `Bincode<T>` is this and the name of `T`.
pub(crate) const BINCODE_OF: &str = "bincode of ";
/// The length in front of the bytes.
const PREFIX: usize = size_of::<u32>();
/// What bincode adds to the data of a [`Message`] at the most: id, length and timestamp, nine bytes each.
const MESSAGE_OVERHEAD: usize = 27;

fn config() -> bincode::config::Configuration {
    bincode::config::standard()
}

/// Bytes with an id and a time: what a [`CrossProcessQueue`](crate::CrossProcessQueue) carries.
///
/// ```
/// let message = mi7::Message::new("Hello, World!".to_string());
/// assert_eq!(String::from_utf8_lossy(&message.data), "Hello, World!");
/// assert_ne!(message.id, mi7::Message::new("again").id);
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// Unique among the messages of all processes: see [`Message::new`].
    pub id: u64,
    /// The bytes.
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
    /// When it was made: nanoseconds since the Unix epoch.
    pub timestamp: u64,
}

impl Message {
    /// A message with a new id and the present time.
    ///
    /// A process draws the first of its ids at random from all 64-bit numbers and counts on from there (and draws anew after
    /// a `fork`). Two processes that make a thousand million messages each have an id in common with a probability of
    /// one in nine thousand million.
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Message { id: next_id(), data: data.into(), timestamp: mi7_core::unix_nanos() }
    }
}

fn next_id() -> u64 {
    static NEXT_ID: PerProcess<AtomicU64> = PerProcess::new(|| AtomicU64::new(u64::from_le_bytes(mi7_core::random())));
    NEXT_ID.get().fetch_add(1, Ordering::Relaxed)
}

/// A received [`Message`], in place.
pub struct MessageView {
    /// As in [`Message`].
    pub id: u64,
    /// As in [`Message`]: nanoseconds since the Unix epoch.
    pub timestamp: u64,
    /// Invariant: bytes of the slot, which stays as it is while the view is used. It is only ever lent out by the
    /// `Received` that holds the slot.
    data: NonNull<[u8]>,
}

// SAFETY: it stands for a `&[u8]` and two numbers.
unsafe impl Send for MessageView {}
// SAFETY: as for Send.
unsafe impl Sync for MessageView {}

impl MessageView {
    /// The bytes, where they lie in shared memory.
    pub fn data(&self) -> &[u8] {
        // SAFETY: the invariant of the field.
        unsafe { self.data.as_ref() }
    }

    /// A copy of the message that is the caller's own.
    pub fn to_message(&self) -> Message {
        Message { id: self.id, data: self.data().to_vec(), timestamp: self.timestamp }
    }
}

impl fmt::Debug for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView")
            .field("id", &self.id)
            .field("data", &self.data())
            .field("timestamp", &self.timestamp)
            .finish()
    }
}

impl View for MessageView {
    type Target = MessageView;

    fn target(&self) -> &MessageView {
        self
    }
}

/// What a [`Message`] looks like where it lies.
#[derive(Deserialize)]
struct Borrowed<'a> {
    id: u64,
    #[serde(borrow)]
    data: &'a [u8],
    timestamp: u64,
}

impl sealed::Sealed for Message {}

impl Payload for Message {
    type Target = MessageView;
    type View = MessageView;

    fn kind() -> Kind {
        let schema = "message of bytes".to_owned();
        Kind {
            encoding: Encoding::Message,
            fingerprint: schema::hash(schema.as_bytes()),
            schema,
            size: Size::UpTo { overhead: (PREFIX + MESSAGE_OVERHEAD) as u64 },
            align: 8,
        }
    }

    fn fits(&self, len: usize) -> Result<()> {
        let max = len - PREFIX - MESSAGE_OVERHEAD;
        if self.data.len() > max {
            return Err(Error::TooLarge { size: self.data.len(), max });
        }
        Ok(())
    }

    unsafe fn write(&self, slot: Slot) -> Result<()> {
        self.fits(slot.len)?;
        // SAFETY: the caller's promise.
        unsafe { encode(self, slot) }
    }

    unsafe fn view(slot: Slot) -> Result<MessageView> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { encoded(slot) }?;
        let message: Borrowed<'_> = decode(bytes, bincode::serde::borrow_decode_from_slice(bytes, config()))?;
        Ok(MessageView { id: message.id, timestamp: message.timestamp, data: message.data.into() })
    }

    fn take(view: MessageView) -> Message {
        view.to_message()
    }
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
/// Bincode does not describe itself: of the type, an opening process compares no more than the name.
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

    fn kind() -> Kind {
        let schema = format!("{BINCODE_OF}{}", plain_name(std::any::type_name::<T>()));
        Kind {
            encoding: Encoding::Bincode,
            fingerprint: schema::hash(schema.as_bytes()),
            schema,
            size: Size::UpTo { overhead: PREFIX as u64 },
            align: 8,
        }
    }

    fn fits(&self, len: usize) -> Result<()> {
        let max = most(len - PREFIX);
        match encoded_size(&self.0) {
            Ok(size) if size > max => Err(Error::TooLarge { size, max }),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Encoding { why: error.to_string() }),
        }
    }

    unsafe fn write(&self, slot: Slot) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { encode(&self.0, slot) }
    }

    unsafe fn view(slot: Slot) -> Result<Bincode<T>> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { encoded(slot) }?;
        decode(bytes, decode_within_limits(bytes)).map(Bincode)
    }

    fn take(view: Bincode<T>) -> Bincode<T> {
        view
    }
}

/// The name of a type without the paths, which differ between the crates that declare it.
fn plain_name(path: &str) -> String {
    let mut name = String::new();
    for part in path.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        name.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    name
}

/// # Safety
///
/// As [`Payload::write`].
unsafe fn encode<T: Serialize>(value: &T, slot: Slot) -> Result<()> {
    // SAFETY: the slot's bytes are there, initialized as all shared memory is, and by the caller's promise nobody else's.
    let bytes = unsafe { slice::from_raw_parts_mut(slot.at.as_ptr(), slot.len) };
    let (prefix, body) = bytes.split_at_mut(PREFIX);
    let most = most(body.len());
    match bincode::serde::encode_into_slice(value, &mut body[..most], config()) {
        Ok(len) => {
            prefix.copy_from_slice(&(len as u32).to_le_bytes());
            Ok(())
        }
        Err(bincode::error::EncodeError::UnexpectedEnd) => Err(match encoded_size(value) {
            Ok(size) => Error::TooLarge { size, max: most },
            Err(error) => Error::Encoding { why: error.to_string() },
        }),
        Err(error) => Err(Error::Encoding { why: error.to_string() }),
    }
}

/// The most bytes that fit into `len` and whose length fits into its four bytes.
fn most(len: usize) -> usize {
    len.min(u32::MAX as usize)
}

/// How many bytes a value takes.
#[cold]
fn encoded_size<T: Serialize>(value: &T) -> Result<usize, bincode::error::EncodeError> {
    struct Count(usize);
    impl bincode::enc::write::Writer for Count {
        fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
            self.0 += bytes.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    bincode::serde::encode_into_writer(value, &mut count, config())?;
    Ok(count.0)
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

/// Decodes a value of `bytes` bytes, and lets a length among them that cannot be true ask for no more memory than they could hold.
///
/// Bincode's limit counts what values take when they are decoded: of a number that was written in one byte up to 16. It has to be a
/// constant.
fn decode_within_limits<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), bincode::error::DecodeError> {
    use bincode::serde::decode_from_slice as decode;
    match bytes.len() {
        0..0x1000 => decode(bytes, config().with_limit::<0x1_0000>()),
        0x1000..0x1_0000 => decode(bytes, config().with_limit::<0x10_0000>()),
        0x1_0000..0x10_0000 => decode(bytes, config().with_limit::<0x100_0000>()),
        0x10_0000..0x100_0000 => decode(bytes, config().with_limit::<0x1000_0000>()),
        0x100_0000..0x1000_0000 => decode(bytes, config().with_limit::<0x1_0000_0000>()),
        // A message has at most 2³² bytes.
        _ => decode(bytes, config().with_limit::<0x10_0000_0000>()),
    }
}

fn decode<T>(bytes: &[u8], decoded: Result<(T, usize), bincode::error::DecodeError>) -> Result<T> {
    let corrupt = |found| Error::Corrupt { what: "message", found, expected: "the bincode of one value".into() };
    match decoded {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(corrupt(format!("{} bytes behind it", bytes.len() - used))),
        Err(error) => Err(corrupt(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_largest_numbers_fits_its_overhead() {
        let message = Message { id: u64::MAX, data: vec![9; 70_000], timestamp: u64::MAX };
        let bytes = bincode::serde::encode_to_vec(&message, config()).unwrap();
        assert!(bytes.len() <= message.data.len() + MESSAGE_OVERHEAD);
    }

    #[test]
    fn names_lose_their_paths_and_nothing_else() {
        assert_eq!(plain_name("my_crate::jobs::Job"), "Job");
        assert_eq!(plain_name("alloc::vec::Vec<(a::B, core::option::Option<u8>)>"), "Vec<(B, Option<u8>)>");
        assert_eq!(plain_name("[a::B; 3]"), "[B; 3]");
    }

    #[test]
    fn ids_are_counted_from_a_random_start() {
        let first = Message::new("a").id;
        assert!(first > 1 << 32, "random 64-bit numbers below 2^32 do not happen");
    }
}
