//! Bytes with an id and a time: [`Message`], which is read in place.

use core::fmt;
use core::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use mi7_core::{Error, PerProcess, Result};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::{PREFIX, config, corrupt, encoded, put};
use crate::payload::{Encoding, Kind, Payload, Size, Slot, View, sealed};
use crate::schema;

/// What bincode adds to the data of a [`Message`] at the most: id, length and timestamp, nine bytes each.
const OVERHEAD: usize = 27;

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
            size: Size::UpTo { overhead: (PREFIX + OVERHEAD) as u64 },
            align: 8,
        }
    }

    type Ready = ();

    #[inline]
    fn ready(&self, room: usize) -> Result<()> {
        let max = room - PREFIX - OVERHEAD;
        if self.data.len() > max {
            return Err(Error::TooLarge { size: self.data.len(), max });
        }
        Ok(())
    }

    unsafe fn write(&self, (): (), slot: Slot) -> Result<()> {
        let encode = |bytes: &mut [u8]| bincode::serde::encode_into_slice(self, bytes, config());
        // SAFETY: the caller's promise.
        unsafe { put(slot, encode) }.map_err(|error| Error::Encoding { why: error.to_string() })
    }

    unsafe fn view(slot: Slot) -> Result<MessageView> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { encoded(slot) }?;
        match bincode::serde::borrow_decode_from_slice::<Borrowed<'_>, _>(bytes, config()) {
            Ok((Borrowed { id, data, timestamp }, used)) if used == bytes.len() => {
                Ok(MessageView { id, timestamp, data: data.into() })
            }
            Ok((_, used)) => Err(corrupt::<Message>(&format!("{} more bytes behind it", bytes.len() - used).into())),
            Err(error) => Err(corrupt::<Message>(&Fault::from(error))),
        }
    }

    fn take(view: MessageView) -> Message {
        view.to_message()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_largest_numbers_fits_its_overhead() {
        let message = Message { id: u64::MAX, data: vec![9; 70_000], timestamp: u64::MAX };
        let bytes = bincode::serde::encode_to_vec(&message, config()).unwrap();
        assert!(bytes.len() <= message.data.len() + OVERHEAD);
    }

    #[test]
    fn ids_are_counted_from_a_random_start() {
        let first = Message::new("a").id;
        assert!(first > 1 << 32, "random 64-bit numbers below 2^32 do not happen");
    }
}
