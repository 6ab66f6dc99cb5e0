//! What is encoded before it is sent: it has to fit, and a receiver has to get the same.
//!
//! A `Serialize` and a `Deserialize` that go well together in JSON need not do so in bincode, which has no names: a field left out,
//! or a variant, shifts everything behind it. Some such types can be told by what they ask of the serializer, and
//! [`encode`](mod@super::encode) refuses them. For the others [`ready`] does what a receiver will do, with the very same decoder, and
//! encodes the value that comes out once more. If `Serialize` then makes the same calls ([`Trace`]) with the same bytes, a receiver
//! gets a value that its own type does not tell from the one that was sent.
//!
//! Other bytes can mean the same. A `HashSet` has its elements in another order each time it is made, and a text may have been
//! made from one. [`Print`] compares without regard to the order of a list's elements and of a text's bytes.
//!
//! This is done for each message: which fields are left out, what a variant looks like and which numbers `Deserialize` refuses may
//! all depend on the value. It bounds what is sent at the same time, since the decoder's bounds are a receiver's.

use core::cell::Cell;
use core::hash::Hasher;
use std::hash::DefaultHasher;

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use mi7_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decode::decode;
use super::encode::{Sink, encode};
use super::fault::Fault;
use super::name;

/// Encodes a value for `room` bytes, and makes sure that a receiver gets the same.
pub(super) fn ready<T: Serialize + DeserializeOwned>(value: &T, room: usize) -> Result<Buffer> {
    let buffer = encode(value, Buffer::take(room)).map_err(|fault| refused::<T>(&fault.to_string()))?;
    if buffer.len > room {
        return Err(Error::TooLarge { size: buffer.len, max: room });
    }
    let received: T = decode(&buffer.bytes).map_err(|fault| unreadable::<T>(&fault))?;
    match encode(&received, Same { rest: &buffer.bytes, trace: Trace::default() }) {
        Ok(Same { rest: [], trace }) if trace == buffer.trace => Ok(buffer),
        _ if means_the_same(value, &received) => Ok(buffer),
        _ => Err(another::<T>()),
    }
}

#[cold]
fn means_the_same<T: Serialize>(sent: &T, received: &T) -> bool {
    match (encode(sent, Print::default()), encode(received, Print::default())) {
        (Ok(sent), Ok(received)) => sent.current.finish() == received.current.finish(),
        _ => false,
    }
}

#[cold]
fn refused<T>(why: &str) -> Error {
    Error::Encoding { why: format!("`{}`: {why}", name::<T>()) }
}

#[cold]
fn unreadable<T>(fault: &Fault) -> Error {
    refused::<T>(&format!(
        "a receiver could not decode it: found {fault}; let its `Serialize` and `Deserialize` match without field names, \
         or send it in another format as a `Message`"
    ))
}

#[cold]
fn another<T>() -> Error {
    refused::<T>(
        "a receiver would get another value: what comes out when this one is decoded is encoded as other bytes; let its \
         `Serialize` and `Deserialize` match (a variant that is skipped shifts those behind it), or send it in another format \
         as a `Message`",
    )
}

/// A hash of what a value's `Serialize` calls, but for the numbers and texts: FNV-1a.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Trace(0xCBF2_9CE4_8422_2325)
    }
}

impl Trace {
    #[inline]
    fn note(&mut self, kind: u8) {
        self.0 = (self.0 ^ u64::from(kind)).wrapping_mul(0x0100_0000_01B3);
    }

    #[inline]
    fn name(&mut self, name: &str) {
        name.bytes().for_each(|byte| self.note(byte));
    }
}

macro_rules! traced {
    () => {
        #[inline]
        fn note(&mut self, kind: u8) {
            self.trace.note(kind);
        }

        #[inline]
        fn name(&mut self, name: &'static str) {
            self.trace.name(name);
        }
    };
}

/// The bytes of a message, in memory that the thread's next message uses again.
#[derive(Debug)]
pub struct Buffer {
    /// As many as there is room for.
    bytes: Vec<u8>,
    room: usize,
    /// As many as there are.
    len: usize,
    trace: Trace,
}

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Buffer {
    /// The most bytes that are kept for the next message.
    const KEPT: usize = 64 << 10;

    fn take(room: usize) -> Self {
        // There is none in a thread that ends.
        let mut bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        Buffer { bytes, room, len: 0, trace: Trace::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if (1..=Self::KEPT).contains(&self.bytes.capacity()) {
            SPARE.try_with(|spare| spare.set(core::mem::take(&mut self.bytes))).ok();
        }
    }
}

impl Writer for Buffer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.len += bytes.len();
        if self.len <= self.room {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl Sink for Buffer {
    traced!();
}

/// Compares with bytes, of which it has those that are still to come.
struct Same<'a> {
    rest: &'a [u8],
    trace: Trace,
}

impl Writer for Same<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(EncodeError::UnexpectedEnd)?;
        Ok(())
    }
}

impl Sink for Same<'_> {
    traced!();
}

/// A hash of a value that does not depend on the order of a list's elements, nor of a text's bytes.
#[derive(Default)]
struct Print {
    /// Of the present element, or of the whole.
    current: DefaultHasher,
    /// Of the lists around it: what came before each, and the sum of its elements so far.
    around: Vec<(DefaultHasher, u64)>,
}

impl Writer for Print {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.current.write(bytes);
        Ok(())
    }
}

impl Sink for Print {
    fn note(&mut self, kind: u8) {
        self.current.write_u8(kind);
    }

    fn name(&mut self, name: &'static str) {
        self.current.write(name.as_bytes());
    }

    fn blob(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.current.write_u64(bytes.iter().fold(0, |sum: u64, byte| sum.wrapping_add(mix(*byte))));
        Ok(())
    }

    fn begin(&mut self) {
        self.around.push((core::mem::take(&mut self.current), 0));
    }

    fn next(&mut self) {
        if let Some((_, sum)) = self.around.last_mut() {
            *sum = sum.wrapping_add(self.current.finish());
        }
        self.current = DefaultHasher::new();
    }

    fn end(&mut self) {
        if let Some((before, sum)) = self.around.pop() {
            self.current = before;
            self.current.write_u64(sum);
        }
    }
}

/// A well mixed number (SplitMix64, Steele et al. 2014).
fn mix(byte: u8) -> u64 {
    let x = (u64::from(byte) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}
