//! How long a waiter looks before it parks.
//!
//! Being woken costs some 30 µs on either side, a look 10 to 20 ns. To look about as long as waking costs, and then to park, is never
//! worse than twice the best (Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning", 1991). But where there
//! are more who spin than processors, each look is taken from somebody who could have moved on: what one waits for does not come
//! because one waits. So what a waiter spends is *earned*: looking that paid raises the budget, looking in vain halves it, until there
//! is none; and every so often a short look is tried, to find out whether it pays again.
//!
//! # Giving a start
//!
//! A receiver that is faster than its sender follows on its heels: it takes each slot's cache line away while the sender is still at
//! it, and both go at the pace of lines that go back and forth. Where it finds again and again that the next message comes within
//! a few looks, it lets the sender have a start of some microseconds, and then receives a run of messages without waiting. Whether it was
//! right in that shows at its next wait; where too few had come, it takes longer until it tries again. With [`Wait::Spin`] it never
//! does: what it waits for may be the last message of a burst.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// How the ends of a channel wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wait {
    /// Looks without end, and never parks: the lowest latency, for the price of a processor for each that waits. Not to be used by more
    /// than there are processors.
    Spin,
    /// Looks as long as that has been paying, then parks. In a stream of messages, a receiver lets its sender have a start of some
    /// microseconds now and then, for more messages a second.
    #[default]
    Adaptive,
    /// Parks at once: costs nothing while nothing comes, and a system call on both sides when something does.
    Park,
}

/// What is spent at the most, in looks: about what being woken costs.
const MOST: u32 = 2000;
/// What is spent at first.
const FIRST: u32 = 1000;
/// Below this, a budget counts as none.
const LEAST: u32 = 32;
/// What is spent to find out whether it pays again, and every how many waits.
const PROBE: u32 = 200;
const PROBE_EVERY: u32 = 32;

/// A wait of no more looks is one on somebody's heels: messages come within some 50 ns. (From one process to another and back, the
/// fastest answer takes twice as long.)
const GLANCES: u32 = 3;
/// So many of them, one after the other, are a stream, until it turns out that they were not.
const STREAM: u32 = 16;
/// The most that it takes in the end.
const LONGEST: u32 = 1 << 16;
/// A start was worth while if so many messages came until the next wait.
const WORTH: u64 = 8;

/// The budget of those who wait at one end of a channel, in one process.
pub(crate) struct Patience {
    looks: AtomicU32,
    waits: AtomicU32,
    /// Waits of a few looks, one after the other, and how many of them are a stream.
    short: AtomicU32,
    stream: AtomicU32,
    /// How many messages there had been when the sender was given a start, and one more; 0: it was not.
    given: AtomicU64,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Patience {
            looks: AtomicU32::new(FIRST),
            waits: AtomicU32::new(0),
            short: AtomicU32::new(0),
            stream: AtomicU32::new(STREAM),
            given: AtomicU64::new(0),
        }
    }

    /// How many looks the wait that begins now may take.
    pub(crate) fn budget(&self) -> u32 {
        // Relaxed: a guess, whoever makes it.
        let looks = self.looks.load(Ordering::Relaxed);
        if looks >= LEAST {
            return looks;
        }
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        if waits % PROBE_EVERY == PROBE_EVERY - 1 { PROBE } else { 0 }
    }

    /// Looking paid, after so many looks: the next may take twice as many, and a few.
    pub(crate) fn paid(&self, looks: u32) {
        let old = self.looks.load(Ordering::Relaxed);
        let new = looks.saturating_mul(2).saturating_add(PROBE).clamp(old, MOST.max(old));
        if new != old {
            self.looks.store(new, Ordering::Relaxed);
        }
    }

    /// Whether to give the sender a start, by one who is about to wait when so many messages have been received.
    pub(crate) fn gives_start(&self, received: u64) -> bool {
        // Relaxed: guesses.
        if self.short.load(Ordering::Relaxed) < self.stream.load(Ordering::Relaxed) {
            return false;
        }
        let given = self.given.load(Ordering::Relaxed);
        let worth = given == 0 || received.wrapping_sub(given - 1) >= WORTH;
        if worth {
            self.given.store(received.wrapping_add(1), Ordering::Relaxed);
        } else {
            let stream = self.stream.load(Ordering::Relaxed);
            self.stream.store(stream.saturating_mul(2).min(LONGEST), Ordering::Relaxed);
            self.follows_no_longer();
        }
        worth
    }

    /// A wait of a receiver has ended after so many looks.
    pub(crate) fn followed(&self, looks: u32) {
        if looks > GLANCES {
            self.follows_no_longer();
        } else {
            let short = self.short.load(Ordering::Relaxed);
            self.short.store(short.saturating_add(1), Ordering::Relaxed);
        }
    }

    fn follows_no_longer(&self) {
        self.short.store(0, Ordering::Relaxed);
        self.given.store(0, Ordering::Relaxed);
    }

    /// Looking as long as allowed did not pay.
    pub(crate) fn in_vain(&self) {
        let old = self.looks.load(Ordering::Relaxed);
        if old > 0 {
            self.looks.store(old / 2, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pay_is_given_up_and_tried_again_now_and_then() {
        let patience = Patience::new();
        assert_eq!(patience.budget(), FIRST);
        for _ in 0..20 {
            patience.in_vain();
        }
        let budgets: Vec<u32> = (0..3 * PROBE_EVERY).map(|_| patience.budget()).collect();
        assert_eq!(budgets.iter().filter(|looks| **looks == PROBE).count(), 3);
        assert_eq!(budgets.iter().filter(|looks| **looks == 0).count(), budgets.len() - 3);
    }

    #[test]
    fn a_sender_is_given_a_start_in_a_stream_and_only_there() {
        let patience = Patience::new();
        for _ in 0..10 * STREAM {
            assert!(!patience.gives_start(0), "answers take longer");
            patience.followed(GLANCES + 1);
        }
        for _ in 0..STREAM {
            assert!(!patience.gives_start(0));
            patience.followed(GLANCES);
        }
        assert!(patience.gives_start(100));
        patience.followed(1);
        assert!(patience.gives_start(100 + WORTH), "it was worth while");
        patience.followed(1);
        assert!(!patience.gives_start(100 + 2 * WORTH - 1), "it was not");
        for _ in 0..2 * STREAM {
            assert!(!patience.gives_start(100), "and twice as many are needed now");
            patience.followed(1);
        }
        assert!(patience.gives_start(100));
        patience.followed(GLANCES + 1);
        assert!(!patience.gives_start(1000), "the stream has ended");
    }

    #[test]
    fn what_pays_is_spent_but_not_without_limit() {
        let patience = Patience::new();
        for _ in 0..20 {
            patience.in_vain();
        }
        patience.paid(PROBE / 2);
        assert_eq!(patience.budget(), 2 * PROBE);
        for _ in 0..20 {
            patience.paid(patience.budget());
        }
        assert_eq!(patience.budget(), MOST);
        patience.paid(0);
        assert_eq!(patience.budget(), MOST);
    }
}
