//! How fast a counter counts, found by comparing it with a clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::scale;

/// Nanoseconds a tick until the counter was compared: those of 2.5 GHz.
const GUESS: u64 = (1 << 32) * 2 / 5;
/// No counter is slower than 100 MHz, or faster than 10 GHz.
const RANGE: std::ops::RangeInclusive<u64> = (1 << 32) / 10..=10 << 32;
/// The shortest and the longest time between two comparisons, in nanoseconds.
const SHORTEST: u64 = 10_000;
const LONGEST: u64 = 1_000_000_000;
/// How long reading both clocks may take, in ticks, or else the caller was interrupted in between.
const QUICK: u64 = 5_000;

pub(super) struct Rate {
    /// Nanoseconds a tick, and ticks a nanosecond, in 32 bits before the point and 32 after.
    nanos: AtomicU64,
    ticks: AtomicU64,
    /// When to compare again, in ticks.
    due: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The last comparison.
struct Last {
    ticks: u64,
    nanos: u64,
    /// How long the next one is to be away, in nanoseconds.
    away: u64,
}

impl Rate {
    pub(super) const fn new() -> Self {
        Rate {
            nanos: AtomicU64::new(GUESS),
            ticks: AtomicU64::new((1 << 32) * 5 / 2),
            due: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    #[inline]
    pub(super) fn nanos_per_tick(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }

    pub(super) fn ticks_per_nano(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Compares, if it is time to. `read` gives the counter, the nanoseconds, and the counter
    /// once more.
    #[inline]
    pub(super) fn tune(&self, now: u64, read: impl Fn() -> (u64, u64, u64)) {
        if now.wrapping_sub(self.due.load(Ordering::Relaxed)) <= u64::MAX / 2 {
            self.compare(read);
        }
    }

    #[cold]
    fn compare(&self, read: impl Fn() -> (u64, u64, u64)) {
        // Who finds it locked goes on with the rate as it is.
        let Ok(mut last) = self.last.try_lock() else { return };
        let (before, nanos, after) = read();
        let took = after.wrapping_sub(before);
        if took > QUICK {
            return;
        }
        let ticks = before.wrapping_add(took / 2);
        let away = match &*last {
            None => SHORTEST,
            // From this comparison to the last one only: where the counter jumped in between,
            // because the machine slept, the next comparison puts the rate right.
            Some(last) => {
                let ticks = ticks.wrapping_sub(last.ticks);
                let nanos = nanos.saturating_sub(last.nanos);
                if nanos < SHORTEST || ticks > u64::MAX / 2 || ticks == 0 {
                    SHORTEST
                } else {
                    let rate = (u128::from(nanos) << 32) / u128::from(ticks);
                    let rate = (rate.min(u128::from(u64::MAX)) as u64).clamp(*RANGE.start(), *RANGE.end());
                    let old = self.nanos.swap(rate, Ordering::Relaxed);
                    self.ticks.store(((1 << 64) / u128::from(rate)) as u64, Ordering::Relaxed);
                    if rate.abs_diff(old) > old / 16 { SHORTEST } else { (last.away * 4).min(LONGEST) }
                }
            }
        };
        self.due.store(ticks.wrapping_add(scale(away, self.ticks_per_nano())), Ordering::Relaxed);
        *last = Some(Last { ticks, nanos, away });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A counter beside a clock, which says how often it was read.
    struct Counter {
        nanos: Cell<u64>,
        ticks: Cell<u64>,
        ticks_per_micro: u64,
        read: Cell<u32>,
    }

    impl Counter {
        fn new(ticks_per_micro: u64) -> Self {
            let (nanos, ticks) = (Cell::new(1 << 50), Cell::new(1 << 42));
            Counter { nanos, ticks, ticks_per_micro, read: Cell::new(0) }
        }

        fn pass(&self, micros: u64) {
            self.nanos.set(self.nanos.get() + micros * 1000);
            self.ticks.set(self.ticks.get().wrapping_add(micros * self.ticks_per_micro));
        }

        fn tune(&self, rate: &Rate) {
            rate.tune(self.ticks.get(), || {
                self.read.set(self.read.get() + 1);
                (self.ticks.get(), self.nanos.get(), self.ticks.get() + 60)
            });
        }

        /// How wrong the rate is, in parts of a million.
        fn off(&self, rate: &Rate) -> u64 {
            let micro = scale(self.ticks_per_micro * 1000, rate.nanos_per_tick());
            let back = scale(1_000_000, rate.ticks_per_nano());
            micro.abs_diff(1_000_000).max((back / self.ticks_per_micro * 1000).abs_diff(1_000_000))
        }
    }

    #[test]
    fn a_counter_of_any_rate_is_understood_after_two_comparisons() {
        for ticks_per_micro in [1_000, 1_900, 2_445, 3_000, 5_000] {
            let (counter, rate) = (Counter::new(ticks_per_micro), Rate::new());
            counter.tune(&rate);
            counter.pass(30);
            counter.tune(&rate);
            assert!(counter.off(&rate) < 2000, "{ticks_per_micro}: {}", counter.off(&rate));
        }
    }

    #[test]
    fn a_comparison_becomes_rare() {
        let (counter, rate) = (Counter::new(2_445), Rate::new());
        for _ in 0..1_000_000 {
            counter.tune(&rate);
            counter.pass(10);
        }
        let read = counter.read.get();
        assert!((10..30).contains(&read), "{read} comparisons in ten seconds");
    }

    #[test]
    fn a_machine_that_slept_is_understood_again_a_second_later() {
        let (counter, rate) = (Counter::new(2_445), Rate::new());
        let go_on = || {
            for _ in 0..4_000 {
                counter.tune(&rate);
                counter.pass(1000);
            }
        };
        go_on();
        // An hour that the monotonic clock knows nothing of.
        counter.ticks.set(counter.ticks.get() + 3600 * 2_445_000_000);
        counter.tune(&rate);
        assert!(RANGE.contains(&rate.nanos_per_tick()));
        go_on();
        assert!(counter.off(&rate) < 2000, "{}", counter.off(&rate));
    }
}
