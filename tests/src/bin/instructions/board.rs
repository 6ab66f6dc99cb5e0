//! Memory that all processes of a job share and that outlives them: what each actor did, and what the checker found.
//!
//! An actor writes down each step with plain stores before and after it, so a kill at any instruction leaves a true account.

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use memmap2::MmapRaw;

/// The checker's log is the first; the others are the actors'.
pub const LOGS: usize = 8;
/// Entries of a log. Later ones are dropped, which the ledger reports.
const ENTRIES: usize = 250;
const TEXT: usize = 2048;

/// What an actor did with a message, or with the channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Deed {
    /// Calls `send`.
    Trying = 1,
    /// `send` returned Ok.
    Sent,
    /// `send` returned an error: nothing was sent.
    Refused,
    /// Holds a received message. The entry says how often it was delivered.
    Got,
    /// Is about to release it.
    Letting,
    /// Has released it.
    Done,
    /// Has put it back.
    Back,
    /// Received bytes that are no message.
    Torn,
    /// Calls `close`.
    Closing,
    /// `close` returned.
    Closed,
    /// `create` returned Ok.
    Created,
    /// A call returned an error that nothing explains. The log's text says which.
    Failed,
}

const DEEDS: [Deed; 12] = [
    Deed::Trying,
    Deed::Sent,
    Deed::Refused,
    Deed::Got,
    Deed::Letting,
    Deed::Done,
    Deed::Back,
    Deed::Torn,
    Deed::Closing,
    Deed::Closed,
    Deed::Created,
    Deed::Failed,
];

/// One entry of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub deed: Deed,
    pub number: u64,
    pub deliveries: u32,
}

/// What one process did.
#[repr(C, align(4096))]
pub struct Log {
    len: AtomicU32,
    dead: AtomicU32,
    entries: [AtomicU64; ENTRIES],
    text: Text,
}

impl Log {
    /// Writes an entry down.
    #[inline(always)]
    pub fn add(&self, deed: Deed, number: u64) {
        self.add_delivery(deed, number, 0);
    }

    #[inline(always)]
    pub fn add_delivery(&self, deed: Deed, number: u64, deliveries: u32) {
        let len = self.len.load(Ordering::Relaxed);
        if let Some(entry) = self.entries.get(len as usize) {
            entry.store((deed as u64) << 56 | u64::from(deliveries) << 48 | number, Ordering::Relaxed);
        }
        // Release: whoever finds the length finds the entry.
        self.len.store(len + 1, Ordering::Release);
    }

    /// Writes down an error that nothing explains.
    #[cold]
    pub fn fail(&self, error: &dyn std::fmt::Display) {
        self.text.set(&error.to_string());
        self.add(Deed::Failed, 0);
    }

    pub fn read(&self) -> Vec<Entry> {
        let len = self.len.load(Ordering::Acquire) as usize;
        let words = self.entries.iter().take(len).map(|entry| entry.load(Ordering::Relaxed));
        words
            .filter_map(|word| {
                let deed = *DEEDS.get((word >> 56) as usize - 1)?;
                Some(Entry { deed, number: word & 0xffff_ffff_ffff, deliveries: (word >> 48) as u32 & 0xff })
            })
            .collect()
    }

    pub fn is_overfull(&self) -> bool {
        self.len.load(Ordering::Relaxed) as usize > ENTRIES
    }

    pub fn text(&self) -> String {
        self.text.get()
    }

    /// Says that its process was killed.
    pub fn bury(&self) {
        self.dead.store(1, Ordering::Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed) != 0
    }

    pub fn clear(&self) {
        self.len.store(0, Ordering::Relaxed);
        self.dead.store(0, Ordering::Relaxed);
        self.text.set("");
    }
}

/// Words of one process for another.
#[repr(C)]
pub struct Text {
    len: AtomicU32,
    bytes: [AtomicU8; TEXT],
}

impl Text {
    pub fn set(&self, text: &str) {
        let len = text.len().min(TEXT);
        self.bytes.iter().zip(text.bytes()).for_each(|(to, byte)| to.store(byte, Ordering::Relaxed));
        self.len.store(len as u32, Ordering::Release);
    }

    pub fn get(&self) -> String {
        let len = self.len.load(Ordering::Acquire) as usize;
        let bytes: Vec<u8> = self.bytes.iter().take(len).map(|byte| byte.load(Ordering::Relaxed)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What the checker found out about one case.
#[repr(C)]
pub struct Report {
    pub lost: AtomicU32,
    pub invented: AtomicU32,
    pub stuck: AtomicU32,
    /// Microseconds until all that was there was received and one more message had gone through.
    pub micros: AtomicU32,
    pub text: Text,
}

/// The memory of one job.
#[repr(C)]
pub struct Board {
    pub logs: [Log; LOGS],
    pub report: Report,
}

impl Board {
    /// A new one, which lasts as long as this process and its forks.
    pub fn new() -> std::io::Result<&'static Board> {
        let file = File::from(rustix::fs::memfd_create("board", rustix::fs::MemfdFlags::CLOEXEC)?);
        file.set_len(size_of::<Board>() as u64)?;
        let map = Box::leak(Box::new(MmapRaw::map_raw(&file)?));
        // SAFETY: the map is as long as a board, begins on a page, is never unmapped, and a board is made of atomics only, for
        // which all bytes are valid.
        Ok(unsafe { &*map.as_mut_ptr().cast::<Board>() })
    }

    /// Where it lies, in every process.
    pub fn range(&self) -> Range<u64> {
        let start = std::ptr::from_ref(self).addr() as u64;
        start..start + size_of::<Board>() as u64
    }

    pub fn clear(&self) {
        self.logs.iter().for_each(Log::clear);
        for count in [&self.report.lost, &self.report.invented, &self.report.stuck, &self.report.micros] {
            count.store(0, Ordering::Relaxed);
        }
        self.report.text.set("");
    }
}
