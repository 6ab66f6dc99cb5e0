//! The layout of a channel's file, written down a second time: `mi7-core/src/layout.rs` is the first.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of the preamble.
pub const PREAMBLE: usize = 256;
/// Where the participants' entries begin.
pub const ENTRIES: u64 = 1024;
/// Bytes of an entry.
pub const ENTRY: u64 = 128;
/// How many entries there are.
pub const PARTICIPANTS: u64 = 254;
/// Where the marks begin.
pub const MARKS: u64 = DOORS + 256 * 32;
/// Where the doors begin, of 32 bytes each.
pub const DOORS: u64 = ENTRIES + PARTICIPANTS * ENTRY;
/// The fields of the preamble: where they are, and how many bytes they have. The last one is the checksum.
pub const FIELDS: [(usize, usize); 17] = [
    (0, 8),
    (8, 4),
    (CAPACITY, 4),
    (PAYLOAD, 8),
    (ALIGN, 4),
    (28, 4),
    (32, 4),
    (SCHEMA, 4),
    (40, 8),
    (48, 8),
    (LENGTH, 8),
    (64, 8),
    (72, 8),
    (80, 8),
    (LIMIT, 4),
    (SINGLE, 2),
    (CHECKSUM, 8),
];

/// Where the preamble has the number of slots.
pub const CAPACITY: usize = 12;
/// Where the preamble has the bytes of a payload.
pub const PAYLOAD: usize = 16;
/// Where the preamble has the alignment of a payload.
pub const ALIGN: usize = 24;
/// Where the preamble has the bytes of the schema text.
pub const SCHEMA: usize = 36;
/// Where the preamble has the length of the file.
pub const LENGTH: usize = 56;
/// Where the preamble says how often a message is handed out at the most.
pub const LIMIT: usize = 88;
const CHECKSUM: usize = 248;

/// A number of up to eight bytes.
#[must_use]
pub fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Puts a number of up to eight bytes.
pub fn put(bytes: &mut [u8], at: usize, width: usize, number: u64) {
    bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
}

/// What stands in a preamble of the shape of its channel. Whatever the numbers are, no sum overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Slots.
    pub capacity: u64,
    /// Bytes of a message.
    pub payload: u64,
    /// Alignment of a message.
    pub align: u64,
    /// Bytes of the schema text.
    pub schema: u64,
}

impl Shape {
    /// The shape that a preamble tells.
    #[must_use]
    pub fn of(preamble: &[u8]) -> Self {
        Shape {
            capacity: number(preamble, CAPACITY, 4),
            payload: number(preamble, PAYLOAD, 8),
            align: number(preamble, ALIGN, 4),
            schema: number(preamble, SCHEMA, 4),
        }
    }

    /// Whether a channel can have it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        (1..=1 << 30).contains(&self.capacity)
            && self.payload <= 1 << 40
            && self.align.is_power_of_two()
            && self.align <= 4096
            && self.schema <= 1 << 20
            && self.len() <= i64::MAX as u64
    }

    /// Where the schema text begins.
    #[must_use]
    pub fn schema_at(&self) -> u64 {
        MARKS + 8 * self.capacity
    }

    /// Where the slots begin.
    #[must_use]
    pub fn slots_at(&self) -> u64 {
        up(self.schema_at().into(), self.schema, 4096)
    }

    /// Where the payload begins in a slot.
    #[must_use]
    pub fn payload_at(&self) -> u64 {
        up(0, 8, self.align)
    }

    /// From one slot to the next.
    #[must_use]
    pub fn stride(&self) -> u64 {
        match self.payload_at().saturating_add(self.payload) {
            bytes @ ..=64 => bytes.next_power_of_two(),
            _ => up(self.payload_at().into(), self.payload, self.align.max(64)),
        }
    }

    /// Where a slot begins.
    #[must_use]
    pub fn slot(&self, index: u64) -> u64 {
        self.stride().saturating_mul(index).saturating_add(self.slots_at())
    }

    /// Bytes of the file.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slot(self.capacity)
    }

    /// Whether it is of no bytes, which none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether a slot's payload begins there.
    #[must_use]
    pub fn is_payload(&self, at: u64) -> bool {
        let first = self.slots_at() + self.payload_at();
        at >= first && (at - first).is_multiple_of(self.stride()) && (at - first) / self.stride() < self.capacity
    }

    /// The slot that has these bytes within its payload.
    #[must_use]
    pub fn slot_around(&self, at: u64, len: u64) -> Option<u64> {
        let index = at.checked_sub(self.slots_at())? / self.stride();
        let begin = self.slot(index) + self.payload_at();
        (index < self.capacity && at >= begin && at + len <= begin + self.payload).then_some(index)
    }
}

/// The sum, and on to the next multiple.
fn up(base: u128, more: u64, multiple: u64) -> u64 {
    let sum = (base + u128::from(more)).next_multiple_of(multiple.max(1).into());
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Makes the preamble's checksum right.
pub fn seal(preamble: &mut [u8]) {
    let sum = checksum(preamble);
    put(preamble, CHECKSUM, 8, sum);
}

/// FNV-1a.
fn checksum(preamble: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    preamble[..CHECKSUM].iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Whether a file is a channel.
///
/// # Panics
///
/// If the file cannot be read.
#[must_use]
pub fn is_channel(file: &File) -> bool {
    let len = file.metadata().expect("its length").len();
    let mut preamble = [0; PREAMBLE];
    if len < PREAMBLE as u64 {
        return false;
    }
    file.read_exact_at(&mut preamble, 0).expect("as long as a preamble");
    let shape = Shape::of(&preamble);
    preamble[..8] == *b"mi7 ring"
        && number(&preamble, 8, 4) == 2
        && number(&preamble, CHECKSUM, 8) == checksum(&preamble)
        && shape.is_sound()
        && number(&preamble, 28, 4) == PARTICIPANTS
        && number(&preamble, LENGTH, 8) == shape.len()
        && len == shape.len()
        && number(&preamble, LIMIT, 4) <= 32
        && std::str::from_utf8(&schema(file, &shape)).is_ok()
}

/// The schema text of a channel.
///
/// # Panics
///
/// If the file cannot be read.
#[must_use]
pub fn schema(file: &File, shape: &Shape) -> Vec<u8> {
    let mut schema = vec![0; shape.schema as usize];
    file.read_exact_at(&mut schema, shape.schema_at()).expect("within the file");
    schema
}

/// Where the preamble says that there is one sender at a time, and behind it that there is one receiver.
pub const SINGLE: usize = 92;
/// The words that all share: `tail` and `head`; the two bells; the hints; who is about to store `tail` and `head`, and may; and
/// behind which doors tasks wait, and whose the first one is.
pub const SHARED: [u64; 16] = [256, 384, 512, 640, 768, 772, 264, 392, 776, 784, 792, 800, 528, 656, DOORS, DOORS + 8];

/// A word of the file that decides something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A word of [`SHARED`].
    Shared(u8),
    /// A statistic.
    Stat(u8),
    /// A field of a participant's entry.
    Entry(u8, u8),
    /// The mark of a slot.
    Mark(u8),
    /// The word of a slot.
    Slot(u8),
    /// Eight bytes of the message in a slot.
    Payload(u8, u8),
}

impl Spot {
    /// Where it lies.
    #[must_use]
    pub fn at(self, shape: &Shape) -> u64 {
        let index = |slot: u8| u64::from(slot) % shape.capacity.max(1);
        match self {
            Spot::Shared(which) => SHARED[usize::from(which) % SHARED.len()],
            Spot::Stat(which) => 896 + 8 * u64::from(which % 4),
            Spot::Entry(entry, field) => {
                ENTRIES + ENTRY * (u64::from(entry) % PARTICIPANTS) + [0, 8, 12, 16, 20, 24, 32][usize::from(field) % 7]
            }
            Spot::Mark(slot) => MARKS + 8 * index(slot),
            Spot::Slot(slot) => shape.slot(index(slot)),
            Spot::Payload(slot, eighth) => {
                shape.slot(index(slot)).saturating_add(shape.payload_at()).saturating_add(8 * u64::from(eighth))
            }
        }
    }

    /// Whether the words of the protocol are left alone by whoever writes eight bytes there.
    #[must_use]
    pub fn is_in_message(self, shape: &Shape) -> bool {
        let at = self.at(shape);
        matches!(self, Spot::Payload(..)) && shape.slot_around(at, 8).is_some()
    }
}
