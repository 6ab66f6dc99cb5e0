//! How long a waiter looks before it parks.
//!
//! Being woken costs some 30 µs on either side, a look 10 to 20 ns. To look about as long as waking costs, and then to park, is never
//! worse than twice the best (Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning", 1991). But where there
//! are more who spin than processors, each look is taken from somebody who could have moved on: what one waits for does not come
//! because one waits. So what a waiter spends is *earned*: looking that paid raises the budget, looking in vain halves it, until there
//! is none; and every so often a short look is tried, to find out whether it pays again.

use crate::sync::{AtomicU32, Ordering};

/// How the ends of a channel wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wait {
    /// Looks without end, and never parks: the lowest latency, for the price of a processor for each that waits. Not to be used by more
    /// than there are processors.
    Spin,
    /// Looks as long as that has been paying, then parks.
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

/// The budget of those who wait at one end of a channel, in one process.
pub(crate) struct Patience {
    looks: AtomicU32,
    waits: AtomicU32,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Patience { looks: AtomicU32::new(FIRST), waits: AtomicU32::new(0) }
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
