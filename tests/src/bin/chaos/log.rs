//! Logs that survive SIGKILL: files in memory, written by plain stores.
//!
//! Each child has one, made by the parent before it starts. What a process stored before it was killed is in the file's pages
//! whatever happens to it, so no entry needs a system call, and the parent reads on after the child is gone (it has waited
//! for it).
//!
//! ```text
//! word 0  about      the sequence number a sender is about to send      8   a sender's: begun, ended of the first send, the
//!      1  acked      the last for which `send` returned Ok                  second, …
//!      2  refused    the one for which it returned Closed               8   a receiver's: id, start, end, state, left of the
//!      3  beats      calls that returned, for whatever reason               first delivery, the second, …
//!      4  quit       the parent asks the child to leave
//!      5  entries    how many deliveries a receiver has written
//!      6  stage      see `Stage`
//!      7  within     since when a receiver is in a call that may give it a message that stands in no entry, or a sender has
//!                    a loan; 0: it is not, it has none
//! ```
//!
//! # No false verdict, wherever the child dies
//!
//! Each word is stored with Release, and what the channel does to shared memory are releases too, so that neither moves past
//! the other. A sender writes *about* before it sends and *acked* after, so at most one message of a dead sender is in doubt.
//! A receiver writes *within* before it calls; an entry, counts it, and takes *within* back after. So a dead receiver
//! has at most one lease that stands in no entry, and none if it died elsewhere. It writes *releasing* before it lets go of a
//! message and *done* after: only a message that is *releasing* may both be there again and be gone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::time::{ClockId, clock_gettime};

/// Words before the first entry.
const HEAD: usize = 8;
/// Words of a delivery.
const ENTRY: usize = 5;
/// Words of a send.
const TIMES: usize = 2;
/// Words in all. The file is sparse: what is not written takes no memory.
const WORDS: usize = HEAD + ENTRY * ENTRIES;
/// Deliveries a log has room for.
const ENTRIES: usize = 8 << 20;

/// How far a child has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    Starting,
    /// It is opening the channel, and recovers what a predecessor had.
    Attaching,
    Attached,
    /// It is closing its handles.
    Leaving,
}

/// What a receiver did with a message, as far as it got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It holds it.
    Leased,
    /// It is about to put it back, or did.
    Requeued,
    /// It is about to drop it, or did.
    Releasing,
    /// It has dropped it.
    Done,
}

/// One delivery of a message. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The message: see [`crate::parcel::id`].
    pub id: u64,
    /// When the call that received it began.
    pub start: u64,
    /// When it had returned.
    pub end: u64,
    /// When it was about to be put back.
    pub left: u64,
    pub deliveries: u32,
    pub state: State,
    /// Whether the message was found altered, at once or later while it was held.
    pub torn: bool,
}

/// When a send began, and when it had returned (0: it did not), in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub begun: u64,
    pub ended: u64,
}

/// A child's log.
pub struct Log {
    /// Invariant: `WORDS` words, writable, accessed by atomics only, here and in the other process.
    map: MmapRaw,
}

impl Log {
    /// Where that of an incarnation is.
    pub fn path(directory: &Path, incarnation: u32) -> PathBuf {
        directory.join(format!("log-{incarnation}"))
    }

    /// Makes the file.
    pub fn create(path: &Path) -> io::Result<Log> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        file.set_len(8 * WORDS as u64)?;
        Log::map(&file)
    }

    /// Opens one that the parent has made.
    pub fn open(path: &Path) -> io::Result<Log> {
        Log::map(&File::options().read(true).write(true).open(path)?)
    }

    fn map(file: &File) -> io::Result<Log> {
        Ok(Log { map: MmapOptions::new().len(8 * WORDS).map_raw(file)? })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map begins on a page, has that many words, any bits are valid, and all access is atomic (the invariant).
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast(), WORDS) }
    }

    // Release: what came before in this process is in memory before it, wherever the process is killed.
    fn set(&self, word: usize, value: u64) {
        self.words()[word].store(value, Ordering::Release);
    }

    fn get(&self, word: usize) -> u64 {
        self.words()[word].load(Ordering::Acquire)
    }

    pub fn has_to_quit(&self) -> bool {
        self.get(4) != 0
    }
    pub fn ask_to_quit(&self) {
        self.set(4, 1);
    }
    pub fn stage(&self) -> Stage {
        match self.get(6) {
            0 => Stage::Starting,
            1 => Stage::Attaching,
            2 => Stage::Attached,
            _ => Stage::Leaving,
        }
    }
    pub fn set_stage(&self, stage: Stage) {
        self.set(6, stage as u64);
    }
    pub fn beat(&self) {
        self.set(3, self.get(3) + 1);
    }

    /// Changes whenever the child gets on.
    pub fn progress(&self) -> u64 {
        self.acked() + self.get(3) + self.deliveries() as u64 + self.get(6)
    }

    /// Whether a receiver may have a lease that stands in no entry; whether a sender has a loan.
    pub fn is_within(&self) -> bool {
        self.get(7) != 0
    }

    /// Writes down that a call begins that may give a message, or that there is a loan.
    pub fn enter(&self, start: u64) {
        self.set(7, start);
    }

    /// Writes down that the call gave none, or that the loan is over.
    pub fn leave(&self) {
        self.set(7, 0);
    }

    // ---- senders ---------------------------------------------------------------------------------------------------

    pub fn about(&self) -> u64 {
        self.get(0)
    }
    pub fn acked(&self) -> u64 {
        self.get(1)
    }
    pub fn refused(&self) -> u64 {
        self.get(2)
    }
    pub fn set_refused(&self, sequence: u64) {
        self.set(2, sequence);
    }

    /// Whether no more can be sent, or received.
    pub fn is_full(&self) -> bool {
        self.deliveries() == ENTRIES || HEAD + TIMES * (self.about() as usize + 1) > WORDS
    }

    /// Writes down that the next message is about to be sent; gives its sequence number, from 1 on.
    pub fn begin(&self) -> u64 {
        let sequence = self.about() + 1;
        self.set(HEAD + TIMES * (sequence as usize - 1), now());
        self.set(0, sequence);
        sequence
    }

    /// Writes down that this message was sent.
    pub fn ack(&self, sequence: u64) {
        self.set(HEAD + TIMES * (sequence as usize - 1) + 1, now());
        self.set(1, sequence);
    }

    /// The times of all sends that were begun.
    pub fn times(&self) -> Vec<Times> {
        let at = |index: usize| HEAD + TIMES * index;
        (0..self.about() as usize)
            .map(|index| Times { begun: self.get(at(index)), ended: self.get(at(index) + 1) })
            .collect()
    }

    // ---- receivers -------------------------------------------------------------------------------------------------

    pub fn deliveries(&self) -> usize {
        (self.get(5) as usize).min(ENTRIES)
    }

    /// Writes down the delivery that the call gave; gives its index.
    pub fn push(&self, entry: &Entry) -> usize {
        let index = self.deliveries();
        let at = HEAD + ENTRY * index;
        self.set(at, entry.id);
        self.set(at + 1, entry.start);
        self.set(at + 2, entry.end);
        self.set(at + 3, u64::from(entry.deliveries) << 8 | u64::from(entry.torn) << 4 | entry.state as u64);
        self.set(5, index as u64 + 1);
        self.set(7, 0);
        index
    }

    /// Writes down how far a delivery got.
    pub fn advance(&self, index: usize, state: State) {
        let at = HEAD + ENTRY * index;
        if state == State::Requeued {
            self.set(at + 4, now());
        }
        self.set(at + 3, self.get(at + 3) & !0xf | state as u64);
    }

    /// Writes down that a message changed while it was held.
    pub fn tear(&self, index: usize) {
        let at = HEAD + ENTRY * index + 3;
        self.set(at, self.get(at) | 1 << 4);
    }

    fn entry(&self, index: usize) -> Entry {
        let at = HEAD + ENTRY * index;
        let last = self.get(at + 3);
        Entry {
            id: self.get(at),
            start: self.get(at + 1),
            end: self.get(at + 2),
            left: self.get(at + 4),
            deliveries: (last >> 8) as u32,
            state: [State::Leased, State::Requeued, State::Releasing, State::Done][last as usize & 3],
            torn: last >> 4 & 1 != 0,
        }
    }

    /// The deliveries, in the order in which they were received.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.deliveries()).map(|index| self.entry(index))
    }

    /// Whether one of the last deliveries is held still.
    pub fn is_holding(&self) -> bool {
        let end = self.deliveries();
        (end.saturating_sub(8)..end).any(|index| self.entry(index).state == State::Leased)
    }
}

/// Nanoseconds of a clock that all processes share.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
