//! Every byte of a channel's file: where it lies, what it holds, who writes it.
//!
//! ```text
//! 0       ┌───────────────────────────────┐
//!         │ preamble (256 bytes)          │ written once, before the file has a name; checked at attach by `Preamble`
//! 256     ├───────────────────────────────┤
//!         │ shared words (`Shared`)       │ tail, head, bells, hints, statistics; a pair of cache lines each
//! 1,024   ├───────────────────────────────┤
//!         │ participants × 128 bytes      │ `Entry`; its first byte is also what its holder's OFD lock covers
//! 33,536  ├───────────────────────────────┤
//!         │ doors × 32 bytes              │ `Door`: where tasks wait, and which doorbell wakes them
//! 41,728  ├───────────────────────────────┤
//!         │ marks, capacity × 8 bytes     │ 1 + the last lap at which a gap began; 0: none
//!         ├───────────────────────────────┤
//!         │ schema text, then zeros       │ up to the next multiple of 4,096
//!         ├───────────────────────────────┤
//!         │ slots, capacity × stride      │ the slot's word, then (aligned) its payload; see `Geometry::stride`
//!         └───────────────────────────────┘ file length
//! ```
//!
//! The preamble, in little-endian bytes:
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 4 | layout version |
//! | 12 | 4 | capacity in slots |
//! | 16 | 8 | bytes of a payload |
//! | 24 | 4 | alignment of a payload |
//! | 28 | 4 | participants |
//! | 32 | 4 | encoding (a number of the layer above) |
//! | 36 | 4 | bytes of the schema text |
//! | 40 | 16 | fingerprint of the schema |
//! | 56 | 8 | length of the file |
//! | 64 | 8 | when it was made, nanoseconds since the Unix epoch |
//! | 72 | 16 | a number drawn at random for this channel |
//! | 88 | 4 | how often a message is handed out at the most; 0: without limit |
//! | 92 | 1 | 1: one sender at a time |
//! | 93 | 1 | 1: one receiver at a time |
//! | 94 | 154 | zeros, kept for later |
//! | 248 | 8 | FNV-1a hash of the bytes before it |
//!
//! No `usize` is stored anywhere. Numbers are the machine's own (both ends run on it); the version tells layouts apart.

use crate::sync::{AtomicU32, AtomicU64};

/// The first eight bytes of every channel.
pub(crate) const MAGIC: [u8; 8] = *b"mi7 ring";
/// Changes whenever anything in this file does.
pub(crate) const VERSION: u32 = 2;
/// Bytes of the preamble.
pub(crate) const PREAMBLE: usize = 256;
/// How many processes can have one channel open at once: the owners a slot's word can name, less the two names that
/// nobody has.
pub const PARTICIPANTS: u32 = 254;
/// How many doors a channel has: a process takes one for each async runtime in which tasks wait for the channel.
pub(crate) const DOORS: usize = 256;
/// The largest alignment a payload can have, in bytes: that of a page, which is all that a mapping promises.
pub const MAX_ALIGN: u32 = 4096;
/// The most often a message may be handed out in vain before it goes to the dead letters. Half of what a word counts to: there the
/// count goes back, and what was too often stays so.
pub const MAX_DELIVERIES: u32 = crate::position::Word::MAX_DELIVERIES / 2 + 1;
/// The most bytes a schema text may have.
pub const MAX_SCHEMA: u32 = 1 << 20;

const SHARED_AT: u64 = PREAMBLE as u64;
const ENTRIES_AT: u64 = 1024;
const ENTRY_BYTES: u64 = 128;
const DOORS_AT: u64 = ENTRIES_AT + PARTICIPANTS as u64 * ENTRY_BYTES;
const DOOR_BYTES: u64 = 32;
const MARKS_AT: u64 = DOORS_AT + DOORS as u64 * DOOR_BYTES;
const PAGE: u64 = 4096;
/// Slots begin on cache lines, so that no two share one.
const LINE: u64 = 64;

/// A value alone on its pair of cache lines (x86 fetches lines in pairs).
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// The words every participant reads and writes.
#[repr(C)]
pub(crate) struct Shared {
    /// Written by senders.
    pub(crate) tail: Line<Claims>,
    /// Written by receivers.
    pub(crate) head: Line<Claims>,
    /// The receivers that wait for a message.
    pub(crate) receivers: Line<Parking>,
    /// The senders that wait for room.
    pub(crate) senders: Line<Parking>,
    pub(crate) hints: Line<Hints>,
    pub(crate) stats: Line<Stats>,
}

/// Who waits at one end: see [`crate::wait`]. All zeros: nobody.
#[repr(C)]
pub(crate) struct Parking {
    /// The futex, `rings << 1 | parked`.
    pub(crate) word: AtomicU32,
    /// 1: a thread was woken last, so it is the tasks' turn; 0: the threads'; 2: no thread slept the last time. Any value is safe.
    pub(crate) turn: AtomicU32,
    /// The door knocked at last. Any value is safe.
    pub(crate) last: AtomicU32,
    /// When somebody rang last: the low bits of [`Clock::now`](crate::spin::clock::Clock::now). Any value is safe.
    pub(crate) rung: AtomicU32,
    /// One bit a door: tasks wait behind it. Set by the door's owner, cleared by whoever is about to knock.
    pub(crate) doors: [AtomicU64; DOORS / 64],
}

/// Where tasks of one process and one async runtime wait: see [`crate::tasks`].
#[repr(C)]
pub(crate) struct Door {
    /// `state of the owner's entry << 8 | its index`; 0: nobody's. Taken by compare-exchange; given back by the owner, or
    /// after its death by whoever recovers its entry.
    pub(crate) owner: AtomicU64,
    /// What the FIFO's name ends with; written by the owner before it sets a bit in [`Parking::doors`].
    pub(crate) bell: AtomicU64,
    /// What the owner calls the channel.
    pub(crate) token: AtomicU32,
    /// The descriptor by which the owner has the doorbell open. Says something only if `inode`
    /// does.
    pub(crate) descriptor: AtomicU32,
    /// The inode of the doorbell, once the owner has written the descriptor; 0: not written. Never
    /// trusted: what is opened by the descriptor has to be what this says (`fifo::Place`).
    pub(crate) inode: AtomicU64,
}

/// What one side claims positions with.
#[repr(C)]
pub(crate) struct Claims {
    /// [`Counter`](crate::position::Counter): only grows. Written by compare-exchange; or, by the holder of the bias, stored.
    pub(crate) counter: AtomicU64,
    /// The bias whose holder is about to store the counter, else 0: see [`crate::bias`].
    pub(crate) busy: AtomicU64,
}

/// Words that are read at every call and hardly ever written.
#[repr(C)]
pub(crate) struct Hints {
    /// `count << 1 | hinted`: hinted, there may be a message that waits to be handed out again. Counted up and set after such a
    /// slot was made; cleared, at the same count, by who looked at all slots and found none.
    pub(crate) redeliver: AtomicU32,
    /// Not 0: the channel was closed. `tail` decides: it says so first, or, where its bias was not to be had, as soon as that is.
    pub(crate) closed: AtomicU32,
    /// Who may store `tail`: see [`crate::bias`].
    pub(crate) tail_bias: AtomicU64,
    /// Who may store `head`: see [`crate::bias`].
    pub(crate) head_bias: AtomicU64,
    /// How many biases were asked for: no two are alike.
    pub(crate) tickets: AtomicU64,
    /// `times taken back << 5 | agreed, asked to fence at the senders' bell | the same at the receivers' bell | always`: see [`crate::wait`].
    /// Always: somebody cannot have others' processors pass a fence, so all have to pass their own. Stays so.
    pub(crate) fenced: AtomicU32,
    /// Not 0: `fenced` has said *always* for so long that everybody has seen it: see [`fence_heavy`](crate::sync::fence_heavy).
    pub(crate) settled: AtomicU32,
    /// `count << 32 | one bit for each 32nd of the slots`: set, some of them may be free, or become free, before their turn. Counted up
    /// and set after that; cleared, at the same count, by who looked at all of them: see [`crate::ring`]. Any value is safe.
    pub(crate) room: AtomicU64,
    /// When messages that could not be moved to the dead letters are tried again, in milliseconds of the monotonic clock;
    /// 0: there are none. Any value is safe.
    pub(crate) postponed: AtomicU64,
}

/// In [`Hints::fenced`].
pub(crate) const FENCED_ALWAYS: u32 = 1;

/// Words nothing depends on but what is shown to people, and how often the dead are looked for.
#[repr(C)]
pub(crate) struct Stats {
    /// Positions that hold no message: those given up, and those of gaps. Too low where a process was killed between such a step and this:
    /// by one, or by the length of a gap.
    pub(crate) passed: AtomicU64,
    /// The most messages seen waiting. Senders sample it.
    pub(crate) peak: AtomicU64,
    /// Messages that went to the channel of dead letters; too low by one for every process killed right after it moved one.
    pub(crate) dead_letters: AtomicU64,
    /// When the whole table was last looked through, in milliseconds of the monotonic clock. Any value is safe.
    pub(crate) reaped: AtomicU64,
    /// No entry of the table from this one on was ever taken. Only grows. So who looks through the table, as everybody does who waits, does
    /// not look at the 254 cache lines of it.
    pub(crate) entries: AtomicU32,
}

#[cfg(test)]
impl Shared {
    /// Those of a channel in which both counters are at `start`.
    pub(crate) fn starting_at(start: u64) -> Box<Self> {
        let (long, word) = (|| AtomicU64::new(0), || AtomicU32::new(0));
        let parking = || Parking {
            word: word(),
            turn: word(),
            last: word(),
            rung: word(),
            doors: std::array::from_fn(|_| long()),
        };
        Box::new(Shared {
            tail: Line(Claims { counter: AtomicU64::new(start), busy: long() }),
            head: Line(Claims { counter: AtomicU64::new(start), busy: long() }),
            receivers: Line(parking()),
            senders: Line(parking()),
            hints: Line(Hints {
                redeliver: word(),
                closed: word(),
                tail_bias: long(),
                head_bias: long(),
                tickets: long(),
                fenced: word(),
                settled: word(),
                postponed: long(),
                room: long(),
            }),
            stats: Line(Stats { passed: long(), peak: long(), dead_letters: long(), reaped: long(), entries: word() }),
        })
    }
}

/// One participant: a process (or one of several handles it opened apart).
#[repr(C, align(128))]
pub(crate) struct Entry {
    /// `generation << 1 | taken`; the generation counts the holders. Taken by whoever holds the OFD lock on this
    /// entry's first byte; given back by the holder, or after its death by whoever recovered all it had.
    pub(crate) state: AtomicU64,
    /// The holder's process id, as its own pid namespace has it. For people: nothing is decided by it.
    pub(crate) pid: AtomicU32,
    /// How many sender handles the holder has.
    pub(crate) senders: AtomicU32,
    /// How many receiver handles the holder has.
    pub(crate) receivers: AtomicU32,
    /// How many of its sender handles have sent (or tried to); a handle used by several threads counts for each at the least.
    pub(crate) sending: AtomicU32,
    /// How many of its receiver handles have received (or tried to), counted alike.
    pub(crate) receiving: AtomicU32,
    pub(crate) _reserved: AtomicU32,
    /// When it attached, nanoseconds since the Unix epoch.
    pub(crate) since: AtomicU64,
}

#[cfg(not(loom))]
const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Shared>() as u64 == ENTRIES_AT - SHARED_AT);
    assert!(SHARED_AT.is_multiple_of(align_of::<Shared>() as u64));
    assert!(offset_of!(Shared, tail) == 0 && offset_of!(Shared, head) == 128);
    assert!(offset_of!(Shared, receivers) == 256 && offset_of!(Shared, senders) == 384);
    assert!(offset_of!(Shared, hints) == 512 && offset_of!(Shared, stats) == 640);
    assert!(offset_of!(Hints, fenced) == 32 && offset_of!(Hints, room) == 40 && size_of::<Hints>() <= 128);
    assert!(size_of::<Entry>() as u64 == ENTRY_BYTES && ENTRIES_AT.is_multiple_of(ENTRY_BYTES));
    assert!(offset_of!(Entry, state) == 0 && offset_of!(Entry, pid) == 8 && offset_of!(Entry, since) == 32);
    assert!(size_of::<Parking>() == 48 && offset_of!(Parking, doors) == 16);
    assert!(size_of::<Door>() as u64 == DOOR_BYTES && DOORS_AT == 33_536 && DOORS.is_multiple_of(64));
    assert!(offset_of!(Door, owner) == 0 && offset_of!(Door, bell) == 8 && offset_of!(Door, token) == 16);
    assert!(MARKS_AT == 41_728 && MARKS_AT.is_multiple_of(8));
};

/// The shape of a channel: four numbers that all offsets follow from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Slots, at least 1.
    pub capacity: u32,
    /// Bytes of a message.
    pub payload: u64,
    /// What the address of a message is a multiple of: a power of two, at most [`MAX_ALIGN`].
    pub align: u32,
    /// Bytes of the schema text.
    pub schema: u32,
}

impl Geometry {
    /// Where the payload begins in a slot: behind the word, aligned.
    pub(crate) fn payload_at(&self) -> u64 {
        8u64.next_multiple_of(u64::from(self.align))
    }

    /// From one slot to the next, in bytes. The caller has checked the geometry.
    ///
    /// No slot that fits into a cache line crosses the border of one, and as many share a line as do fit: who sends and who receives
    /// fetch each line once for all of them. (With a line for each, messages of 8 bytes came half as fast through one to one, and took
    /// longer one way; with larger ones packed as tightly, both became worse.)
    pub(crate) fn stride(&self) -> u64 {
        let bytes = self.payload_at() + self.payload;
        if bytes <= LINE { bytes.next_power_of_two() } else { bytes.next_multiple_of(LINE.max(u64::from(self.align))) }
    }

    pub(crate) fn shared_at(&self) -> u64 {
        SHARED_AT
    }

    pub(crate) fn entry_at(&self, entry: u8) -> u64 {
        ENTRIES_AT + u64::from(entry) * ENTRY_BYTES
    }

    pub(crate) fn doors_at(&self) -> u64 {
        DOORS_AT
    }

    pub(crate) fn marks_at(&self) -> u64 {
        MARKS_AT
    }

    pub(crate) fn schema_at(&self) -> u64 {
        MARKS_AT + u64::from(self.capacity) * 8
    }

    pub(crate) fn slots_at(&self) -> u64 {
        (self.schema_at() + u64::from(self.schema)).next_multiple_of(PAGE)
    }

    /// Bytes of the whole file; `None` where the geometry is one no channel can have.
    pub fn file_len(&self) -> Option<u64> {
        let sound = (1..=crate::position::MAX_CAPACITY).contains(&self.capacity)
            && self.payload <= 1 << 40
            && self.align.is_power_of_two()
            && self.align <= MAX_ALIGN
            && self.schema <= MAX_SCHEMA;
        if !sound {
            return None;
        }
        let slots = self.stride().checked_mul(u64::from(self.capacity))?;
        let len = self.slots_at().checked_add(slots)?;
        (len <= isize::MAX as u64).then_some(len)
    }
}

/// The first [`PREAMBLE`] bytes, as numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Preamble {
    pub(crate) geometry: Geometry,
    pub(crate) encoding: u32,
    pub(crate) fingerprint: [u8; 16],
    pub(crate) created: u64,
    pub(crate) id: [u8; 16],
    /// 0: without limit.
    pub(crate) max_deliveries: u32,
    pub(crate) single_sender: bool,
    pub(crate) single_receiver: bool,
}

/// What is wrong with a preamble: the part, what was found, what was expected.
pub(crate) type Flaw = (&'static str, String, String);

impl Preamble {
    /// The bytes. The geometry has been checked.
    pub(crate) fn to_bytes(&self) -> [u8; PREAMBLE] {
        let mut bytes = [0; PREAMBLE];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &self.geometry.capacity.to_le_bytes());
        put(16, &self.geometry.payload.to_le_bytes());
        put(24, &self.geometry.align.to_le_bytes());
        put(28, &PARTICIPANTS.to_le_bytes());
        put(32, &self.encoding.to_le_bytes());
        put(36, &self.geometry.schema.to_le_bytes());
        put(40, &self.fingerprint);
        put(56, &self.geometry.file_len().unwrap_or(0).to_le_bytes());
        put(64, &self.created.to_le_bytes());
        put(72, &self.id);
        put(88, &self.max_deliveries.to_le_bytes());
        put(92, &[self.single_sender.into(), self.single_receiver.into()]);
        let sum = fnv1a(&bytes[..248]).to_le_bytes();
        bytes[248..].copy_from_slice(&sum);
        bytes
    }

    /// Reads and checks a preamble, against the length the file really has.
    pub(crate) fn from_bytes(bytes: &[u8; PREAMBLE], real_len: u64) -> Result<Self, Flaw> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let sixteen = |at: usize| {
            let mut field = [0; 16];
            field.copy_from_slice(&bytes[at..at + 16]);
            field
        };
        if bytes[..8] != MAGIC {
            return Err(("magic", bytes[..8].escape_ascii().to_string(), MAGIC.escape_ascii().to_string()));
        }
        if word(8) != VERSION {
            let expected = format!("{VERSION}, as all programs have that are built with this version of mi7");
            return Err(("layout version", word(8).to_string(), expected));
        }
        let sum = fnv1a(&bytes[..248]);
        if long(248) != sum {
            return Err(("checksum", format!("{:016x}", long(248)), format!("{sum:016x}")));
        }
        let geometry = Geometry { capacity: word(12), payload: long(16), align: word(24), schema: word(36) };
        let Some(len) = geometry.file_len() else {
            return Err(("geometry", format!("{geometry:?}"), "one that a channel can have".into()));
        };
        if word(28) != PARTICIPANTS {
            return Err(("number of participants", word(28).to_string(), PARTICIPANTS.to_string()));
        }
        if long(56) != len {
            return Err(("recorded length", format!("{} bytes", long(56)), format!("{len} bytes")));
        }
        if real_len != len {
            return Err(("length", format!("{real_len} bytes"), format!("{len} bytes")));
        }
        if word(88) > MAX_DELIVERIES {
            return Err(("max_deliveries", word(88).to_string(), format!("0 to {MAX_DELIVERIES}")));
        }
        Ok(Preamble {
            geometry,
            encoding: word(32),
            fingerprint: sixteen(40),
            created: long(64),
            id: sixteen(72),
            max_deliveries: word(88),
            single_sender: bytes[92] != 0,
            single_receiver: bytes[93] != 0,
        })
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv gives the constants).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn sample() -> Preamble {
        let geometry = Geometry { capacity: 5, payload: 24, align: 8, schema: 100 };
        Preamble {
            geometry,
            encoding: 1,
            fingerprint: [7; 16],
            created: 9,
            id: [3; 16],
            max_deliveries: 5,
            single_sender: false,
            single_receiver: true,
        }
    }

    #[test]
    fn a_preamble_gives_back_what_was_put_into_it() {
        let preamble = sample();
        let len = preamble.geometry.file_len().unwrap();
        assert_eq!(Preamble::from_bytes(&preamble.to_bytes(), len), Ok(preamble));
    }

    #[test]
    fn any_flipped_bit_of_a_preamble_is_found() {
        let preamble = sample();
        let len = preamble.geometry.file_len().unwrap();
        for bit in 0..PREAMBLE * 8 {
            let mut bytes = preamble.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Preamble::from_bytes(&bytes, len).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let preamble = sample();
        let len = preamble.geometry.file_len().unwrap();
        let flaw = Preamble::from_bytes(&preamble.to_bytes(), len - 1).unwrap_err();
        assert_eq!(flaw.0, "length");
    }

    #[test]
    fn the_parts_of_a_file_do_not_overlap_and_are_aligned() {
        for (capacity, payload, align) in
            [(1, 0, 1), (1, 1, 1), (3, 56, 8), (3, 57, 8), (1000, 1 << 20, 64), (7, 5, 4096)]
        {
            let geometry = Geometry { capacity, payload, align, schema: 33 };
            assert!(geometry.entry_at(253) + ENTRY_BYTES <= geometry.marks_at());
            assert!(geometry.slots_at() >= geometry.schema_at() + 33);
            assert_eq!(geometry.slots_at() % PAGE, 0);
            let stride = geometry.stride();
            assert_eq!(stride % u64::from(align).max(8), 0);
            assert!(
                stride.is_multiple_of(LINE) || LINE.is_multiple_of(stride),
                "a slot of {stride} bytes crosses a line's border"
            );
            assert_eq!(geometry.payload_at() % u64::from(align), 0);
            assert!(geometry.payload_at() >= 8 && geometry.payload_at() + payload <= geometry.stride());
        }
        let line = Geometry { capacity: 1, payload: 56, align: 8, schema: 0 };
        assert_eq!(line.stride(), 64, "56 bytes and the word share one line");
        assert_eq!(Geometry { payload: 8, ..line }.stride(), 16, "four of 8 bytes share one");
        assert_eq!(Geometry { payload: 57, ..line }.stride(), 128);
    }

    #[test]
    fn a_geometry_no_channel_can_have_has_no_length() {
        let sound = Geometry { capacity: 1, payload: 8, align: 8, schema: 0 };
        assert!(sound.file_len().is_some());
        for bad in [
            Geometry { capacity: 0, ..sound },
            Geometry { capacity: u32::MAX, ..sound },
            Geometry { align: 0, ..sound },
            Geometry { align: 3, ..sound },
            Geometry { align: 8192, ..sound },
            Geometry { payload: u64::MAX, ..sound },
            Geometry { payload: 1 << 40, capacity: 1 << 30, ..sound },
            Geometry { schema: u32::MAX, ..sound },
        ] {
            assert_eq!(bad.file_len(), None, "{bad:?}");
        }
    }
}
