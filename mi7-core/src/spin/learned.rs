//! What is measured, and what is made of the measurements.

use crate::sync::{AtomicU32, Ordering};

/// How many measurements count.
const KEPT: usize = 7;
/// So many measurements are more than a first impression.
const SETTLED: u32 = 3;
/// The estimate is no more than so many times the least measurement.
const SPREAD: u32 = 4;

/// The last few measurements of a duration, in nanoseconds, and an estimate from them that outliers
/// do not move: their median, but no more than four times the least of them.
///
/// The median passes over single measurements that were disturbed. The limit passes over disturbances
/// that are the rule: where there are more threads than processors, most who are woken wait for a
/// processor, and that is not what waking costs.
pub(super) struct Recent {
    /// 0: none yet.
    nanos: [AtomicU32; KEPT],
    next: AtomicU32,
    /// 0: nothing was measured.
    estimate: AtomicU32,
}

impl Recent {
    pub(super) const fn new() -> Self {
        Recent { nanos: [const { AtomicU32::new(0) }; KEPT], next: AtomicU32::new(0), estimate: AtomicU32::new(0) }
    }

    /// One more. Of two threads that measure at once, one may be passed over.
    #[cold]
    pub(super) fn add(&self, nanos: u64) {
        let nanos = u32::try_from(nanos).unwrap_or(u32::MAX).max(1);
        let next = self.next.fetch_add(1, Ordering::Relaxed) as usize % KEPT;
        self.nanos[next].store(nanos, Ordering::Relaxed);
        let mut all = self.nanos.each_ref().map(|nanos| nanos.load(Ordering::Relaxed));
        all.sort_unstable();
        let known = &all[all.partition_point(|nanos| *nanos == 0)..];
        if let Some(least) = known.first() {
            // Of an even number, the lower one of the two in the middle.
            let median = known[(known.len() - 1) / 2];
            self.estimate.store(median.min(least.saturating_mul(SPREAD)), Ordering::Relaxed);
        }
    }

    /// Whether the estimate is more than a first impression.
    pub(super) fn is_settled(&self) -> bool {
        // Once the count has wrapped around, it looks for a moment as if it were not.
        self.next.load(Ordering::Relaxed) >= SETTLED
    }

    /// The estimate, if anything was measured.
    #[inline]
    pub(super) fn estimate(&self) -> Option<u32> {
        let estimate = self.estimate.load(Ordering::Relaxed);
        (estimate != 0).then_some(estimate)
    }
}

/// What a process has learned of its machine at all its channels: what an end goes by that has not
/// measured anything itself.
pub(crate) struct Machine {
    /// From a ring until the waiter runs.
    pub(super) wake: Recent,
    /// Until a cache line has come that another processor wrote to.
    pub(super) line: Recent,
    /// How long a look takes, in sixteenths of a nanosecond.
    look: AtomicU32,
}

/// A look until it was measured: 25 ns. (A `pause` takes 10 to 25 ns on AMD's processors and on Intel's
/// up to 2016, 40 to 70 ns on later ones.)
const LOOK: u32 = 25 * 16;

impl Machine {
    pub(crate) const fn new() -> Self {
        Machine { wake: Recent::new(), line: Recent::new(), look: AtomicU32::new(LOOK) }
    }

    /// So many looks took so long. Follows shorter times at once, longer ones slowly: while
    /// others have the processor, looks seem to take long.
    pub(super) fn looked(&self, looks: u32, nanos: u64) {
        let old = self.look.load(Ordering::Relaxed);
        let measured = u32::try_from(nanos.saturating_mul(16) / u64::from(looks.max(1))).unwrap_or(u32::MAX);
        let new = measured.clamp(old / 2, old + old / 16 + 1).max(16);
        if new != old {
            self.look.store(new, Ordering::Relaxed);
        }
    }

    /// How many looks fit into so many nanoseconds.
    #[inline]
    pub(super) fn looks_in(&self, nanos: u64) -> u32 {
        u32::try_from(nanos * 16 / u64::from(self.look.load(Ordering::Relaxed))).unwrap_or(u32::MAX)
    }

    /// How long so many looks take, in nanoseconds.
    pub(super) fn nanos_of(&self, looks: u32) -> u64 {
        u64::from(looks) * u64::from(self.look.load(Ordering::Relaxed)) / 16
    }
}

/// The budgets among which one is chosen: nothing, and from a thirty-second of the longest to all of it.
pub(super) const BUDGETS: usize = 7;
/// The cost of being woken, as [`Costs`] counts. The longest budget costs as much.
const ONE: u32 = 4096;
/// Budgets that differ by no more are equally good.
const ALIKE: u32 = ONE / 64;
/// The last eight waits or so count.
const WEIGHT: i64 = 8;

/// What the last waits would have cost, with each of the budgets.
///
/// With a budget b, a wait for something that comes after t costs t if t ≤ b, and otherwise b and
/// the price of being parked and woken. These are running means, in fractions of that price.
#[derive(Debug)]
pub(super) struct Costs([AtomicU32; BUDGETS]);

/// A budget, as a fraction of the longest, which counts as [`ONE`].
const fn budget(index: usize) -> u32 {
    if index == 0 { 0 } else { ONE >> (BUDGETS - 1 - index) }
}

impl Costs {
    /// As if spinning had always paid.
    pub(super) fn new() -> Self {
        Costs(std::array::from_fn(|index| AtomicU32::new(if index == 0 { ONE } else { 0 })))
    }

    /// A wait that took `nanos`, where being woken is worth `price` nanoseconds.
    pub(super) fn add(&self, nanos: u64, price: u32) {
        let took = nanos.min(1 << 32) * u64::from(ONE) / u64::from(price.max(1));
        let took = took.min(u64::from(2 * ONE)) as u32;
        for (index, mean) in self.0.iter().enumerate() {
            let cost = if took <= budget(index) && index > 0 { took } else { budget(index) + ONE };
            let old = mean.load(Ordering::Relaxed);
            let step = (i64::from(cost) - i64::from(old)) / WEIGHT;
            mean.store((i64::from(old) + step) as u32, Ordering::Relaxed);
        }
    }

    /// The best budget that does not exceed `most`, in nanoseconds: the longest of those that are
    /// about as good as the best.
    pub(super) fn best(&self, price: u32, most: u32) -> u32 {
        let means = self.0.each_ref().map(|mean| mean.load(Ordering::Relaxed));
        let nanos = |index| (u64::from(budget(index)) * u64::from(price) / u64::from(ONE)) as u32;
        let affordable = (1..BUDGETS).take_while(|index| nanos(*index) <= most).count();
        let choice = &means[..=affordable];
        let least = choice.iter().min().copied().unwrap_or(0);
        choice.iter().rposition(|mean| *mean <= least + ALIKE).map_or(0, nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_the_median_and_passes_over_what_was_disturbed() {
        let recent = Recent::new();
        assert_eq!(recent.estimate(), None);
        recent.add(30_000);
        assert_eq!(recent.estimate(), Some(30_000));
        assert!(!recent.is_settled());
        for nanos in [8_000, 9_000, 7_000, 4_000_000, 8_500, 3_000_000] {
            recent.add(nanos);
        }
        assert_eq!(recent.estimate(), Some(9_000));
        // The machine has changed.
        for _ in 0..KEPT {
            recent.add(100_000);
        }
        assert_eq!(recent.estimate(), Some(100_000));
        recent.add(0);
        recent.add(u64::MAX);
        assert!(recent.estimate().is_some() && recent.is_settled());
    }

    #[test]
    fn where_most_wait_for_a_processor_an_estimate_is_not_what_that_takes() {
        let recent = Recent::new();
        for nanos in [3_000_000, 5_000, 2_000_000, 1_000_000, 4_000_000, 3_000_000, 6_000] {
            recent.add(nanos);
        }
        assert_eq!(recent.estimate(), Some(5_000 * SPREAD));
    }

    #[test]
    fn the_best_budget_is_the_one_that_would_have_cost_least() {
        let price = 20_000;
        let after = |waits: &[u64]| {
            let costs = Costs::new();
            for _ in 0..60 {
                waits.iter().for_each(|nanos| costs.add(*nanos, price));
            }
            costs.best(price, u32::MAX)
        };
        assert_eq!(after(&[100]), price, "no other is cheaper, and this one lasts longest");
        assert_eq!(after(&[13_000]), price);
        assert_eq!(after(&[1_000_000]), 0);
        assert_eq!(after(&[20_010]), 0);
        // Half of the waits are short: just long enough for those.
        assert_eq!(after(&[1_000, 1_000_000]), price / 16);
        // Few of them are.
        assert_eq!(after(&[9_000, 1_000_000, 1_000_000, 1_000_000]), 0);
    }

    #[test]
    fn a_budget_is_what_can_be_afforded() {
        let costs = Costs::new();
        assert_eq!(costs.best(20_000, 100_000), 20_000);
        assert_eq!(costs.best(20_000, 12_000), 10_000);
        assert_eq!(costs.best(20_000, 600), 0);
    }

    #[test]
    fn a_look_is_measured_and_one_disturbance_changes_little() {
        let machine = Machine::new();
        for _ in 0..100 {
            machine.looked(10, 700);
        }
        assert!((69..=71).contains(&machine.nanos_of(1)));
        assert_eq!(machine.looks_in(7000), 100);
        machine.looked(10, 4_000_000);
        assert!(machine.nanos_of(1) < 80);
        machine.looked(0, 0);
        assert!(machine.looks_in(1000) > 0);
    }
}
