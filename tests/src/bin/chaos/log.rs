//! Logs that survive SIGKILL: files in memory, written by plain stores.
//!
//! Each child has one, made by the parent before it starts. What a process stored before it was killed is in the file's pages
//! whatever happens to it, so no entry needs a system call, and the parent reads on after the child is gone.
//!
//! ```text
//! word 0  about    the sequence number a sender is about to send        8   entry 0: id, start, end, state
//!      1  acked    the last for which `send` returned Ok               12   entry 1: …
//!      2  refused  the one for which it returned Closed
//!      3  beats    calls that returned, for whatever reason
//!      4  quit     the parent asks the child to leave
//!      5  entries  how many a receiver has written
//! ```

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::time::{ClockId, clock_gettime};

/// Words before the first entry.
const HEAD: usize = 8;
/// Words of an entry.
const ENTRY: usize = 4;
/// Entries a log has room for. The file is sparse: what is not written takes no memory.
const ENTRIES: usize = 8 << 20;

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

/// One delivery of a message.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The message: see [`crate::parcel::id`].
    pub id: u64,
    /// When the call that received it began, in nanoseconds.
    pub start: u64,
    /// When it had returned.
    pub end: u64,
    pub deliveries: u32,
    pub state: State,
    /// Whether the message was found altered, at once or later while it was held.
    pub torn: bool,
}

/// A child's log.
pub struct Log {
    /// Invariant: `HEAD + ENTRY * ENTRIES` words, writable, accessed by atomics only, here and in the other process.
    map: MmapRaw,
}

impl Log {
    /// Makes the file.
    pub fn create(path: &Path) -> io::Result<Log> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        file.set_len((8 * (HEAD + ENTRY * ENTRIES)) as u64)?;
        Log::map(&file)
    }

    /// Opens one that the parent has made.
    pub fn open(path: &Path) -> io::Result<Log> {
        Log::map(&File::options().read(true).write(true).open(path)?)
    }

    fn map(file: &File) -> io::Result<Log> {
        Ok(Log { map: MmapOptions::new().len(8 * (HEAD + ENTRY * ENTRIES)).map_raw(file)? })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the map begins on a page, has that many words, any bits are valid, and all access is atomic (the invariant).
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast(), HEAD + ENTRY * ENTRIES) }
    }

    // Release: a store is in the file before any later one, wherever the process is killed.
    fn set(&self, word: usize, value: u64) {
        self.words()[word].store(value, Ordering::Release);
    }

    fn get(&self, word: usize) -> u64 {
        self.words()[word].load(Ordering::Acquire)
    }

    pub fn about(&self) -> u64 {
        self.get(0)
    }
    pub fn set_about(&self, sequence: u64) {
        self.set(0, sequence);
    }
    pub fn acked(&self) -> u64 {
        self.get(1)
    }
    pub fn set_acked(&self, sequence: u64) {
        self.set(1, sequence);
    }
    pub fn refused(&self) -> u64 {
        self.get(2)
    }
    pub fn set_refused(&self, sequence: u64) {
        self.set(2, sequence);
    }
    pub fn beat(&self) {
        self.set(3, self.get(3) + 1);
    }
    pub fn has_to_quit(&self) -> bool {
        self.get(4) != 0
    }
    pub fn ask_to_quit(&self) {
        self.set(4, 1);
    }
    pub fn len(&self) -> usize {
        (self.get(5) as usize).min(ENTRIES)
    }
    pub fn is_full(&self) -> bool {
        self.len() == ENTRIES
    }

    /// Changes whenever the child gets on.
    pub fn progress(&self) -> u64 {
        self.acked() + self.get(3) + self.len() as u64
    }

    /// Writes down a delivery; gives its index.
    pub fn push(&self, entry: &Entry) -> usize {
        let index = self.len();
        let at = HEAD + ENTRY * index;
        self.set(at, entry.id);
        self.set(at + 1, entry.start);
        self.set(at + 2, entry.end);
        self.set(at + 3, u64::from(entry.deliveries) << 8 | u64::from(entry.torn) << 4 | entry.state as u64);
        self.set(5, index as u64 + 1);
        index
    }

    /// Writes down how far a delivery got.
    pub fn advance(&self, index: usize, state: State) {
        let at = HEAD + ENTRY * index + 3;
        self.set(at, self.get(at) & !0xf | state as u64);
    }

    /// Writes down that a message changed while it was held.
    pub fn tear(&self, index: usize) {
        let at = HEAD + ENTRY * index + 3;
        self.set(at, self.get(at) | 1 << 4);
    }

    /// The deliveries, in the order in which they were received.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.len()).map(|index| {
            let at = HEAD + ENTRY * index;
            let last = self.get(at + 3);
            Entry {
                id: self.get(at),
                start: self.get(at + 1),
                end: self.get(at + 2),
                deliveries: (last >> 8) as u32,
                state: [State::Leased, State::Requeued, State::Releasing, State::Done][last as usize & 3],
                torn: last >> 4 & 1 != 0,
            }
        })
    }
}

/// Nanoseconds of a clock that all processes share.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
