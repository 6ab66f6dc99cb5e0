//! When a receiver gives its sender a head start.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// So many short waits, one after the other, may be a stream, until it turns out that they were not.
const STREAM: u32 = 16;
/// The most that it takes in the end.
const LONGEST: u32 = 1 << 16;
/// A head start was worth while if so many messages came until the next wait.
const WORTH: u64 = 8;

/// Decides about head starts at one end of a channel, in one process: see [`crate::spin`].
pub(super) struct HeadStart {
    /// Short waits, one after the other, and how many of them are a stream.
    short: AtomicU32,
    stream: AtomicU32,
    /// How many messages there had been when the sender got a head start, and one more; 0: it got none.
    given: AtomicU64,
}

impl HeadStart {
    pub(super) fn new() -> Self {
        HeadStart { short: AtomicU32::new(0), stream: AtomicU32::new(STREAM), given: AtomicU64::new(0) }
    }

    /// Whether to give one, for a waiter that has received as many messages as `received` says.
    #[inline]
    pub(super) fn is_due(&self, received: impl FnOnce() -> u64) -> bool {
        // Relaxed, here and below: guesses, whoever makes them.
        self.short.load(Ordering::Relaxed) >= self.stream.load(Ordering::Relaxed) && self.is_worth_while(received())
    }

    fn is_worth_while(&self, received: u64) -> bool {
        let given = self.given.load(Ordering::Relaxed);
        let worth = given == 0 || received.wrapping_sub(given - 1) >= WORTH;
        if worth {
            self.given.store(received.wrapping_add(1), Ordering::Relaxed);
        } else {
            let stream = self.stream.load(Ordering::Relaxed);
            self.stream.store(stream.saturating_mul(2).min(LONGEST), Ordering::Relaxed);
            self.has_waited();
        }
        worth
    }

    /// A wait was so short that it needed no clock. Says how many of that kind there were before, one
    /// after the other.
    #[inline]
    pub(super) fn has_followed(&self) -> u32 {
        let short = self.short.load(Ordering::Relaxed);
        self.short.store(short.saturating_add(1), Ordering::Relaxed);
        short
    }

    /// How many short waits there were, one after the other.
    #[inline]
    pub(super) fn followed(&self) -> u32 {
        self.short.load(Ordering::Relaxed)
    }

    /// A wait was longer.
    pub(super) fn has_waited(&self) {
        self.short.store(0, Ordering::Relaxed);
        self.given.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_gets_a_head_start_in_a_stream_and_only_there() {
        let start = HeadStart::new();
        for _ in 0..10 * STREAM {
            assert!(!start.is_due(|| 0), "answers take longer");
            start.has_waited();
        }
        for _ in 0..STREAM {
            assert!(!start.is_due(|| 0));
            start.has_followed();
        }
        assert!(start.is_due(|| 100));
        start.has_followed();
        assert!(start.is_due(|| 100 + WORTH), "it was worth while");
        start.has_followed();
        assert!(!start.is_due(|| 100 + 2 * WORTH - 1), "it was not");
        for _ in 0..2 * STREAM {
            assert!(!start.is_due(|| 100), "and twice as many are needed now");
            start.has_followed();
        }
        assert!(start.is_due(|| 100));
        start.has_waited();
        assert!(!start.is_due(|| 1000), "the stream has ended");
    }

    #[test]
    fn where_a_head_start_is_never_worth_while_it_becomes_rare() {
        let start = HeadStart::new();
        let mut given = 0;
        for received in 0..1_000_000 {
            given += u32::from(start.is_due(|| received));
            start.has_followed();
        }
        assert!((10..30).contains(&given), "{given}");
    }
}
