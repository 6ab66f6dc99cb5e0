//! A clock that is cheap enough to be read while spinning.
//!
//! On x86-64 it is the time stamp counter, if that is invariant (it counts at one rate, whatever the
//! processor does): 5 to 15 ns a reading, where `clock_gettime` takes 20 to 60, and a microsecond
//! on a virtual machine whose kernel has no better source. On AArch64 it is the virtual counter
//! (`CNTVCT_EL0`). Elsewhere it is `CLOCK_MONOTONIC`, in nanoseconds.
//!
//! All processes of a machine read the same counter, so one may subtract a reading of another. That
//! holds in containers too: a time namespace shifts `CLOCK_MONOTONIC`, but not the counter.
//!
//! *Rate.* The stamp counter does not say how fast it counts. The clock compares it with
//! `CLOCK_MONOTONIC` as it goes ([`Clock::tune`]): at first every 10 µs of waiting, then ever more
//! rarely, at last once a second. Until the first comparison it assumes 2.5 GHz, which is wrong by a
//! factor of 2 at the most.
//!
//! *What it does not promise.* Readings on two processors may differ a little, and after a virtual
//! machine was moved, or the machine slept, by much. Whoever subtracts has to expect nonsense.

/// What waiting is measured with. A moment is a count of ticks, of which only differences mean
/// anything; a difference may be negative (as a wrapped number) if the clock is not exact.
pub(crate) trait Clock {
    /// The moment, in ticks. The processor may read it some tens of nanoseconds early or late.
    fn now(&self) -> u64;

    /// The moment, in ticks, once all loads before this call are complete.
    fn now_ordered(&self) -> u64 {
        self.now()
    }

    /// So many ticks, in nanoseconds.
    fn nanos(&self, ticks: u64) -> u64;

    /// So many nanoseconds, in ticks.
    fn ticks(&self, nanos: u64) -> u64;

    /// Corrects the rate, if it is time to. Called once in a wait that is not over at once.
    fn tune(&self) {}
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineClock;

/// Nanoseconds from `from` to `to`; `None` if the clock went backwards.
#[inline]
pub(crate) fn elapsed(clock: &impl Clock, from: u64, to: u64) -> Option<u64> {
    let ticks = to.wrapping_sub(from);
    (ticks <= u64::MAX / 2).then(|| clock.nanos(ticks))
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[cfg_attr(target_arch = "aarch64", allow(dead_code))]
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A number of nanoseconds a tick (or the other way round) in 32 bits before the point and 32 after.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", test))]
#[inline]
pub(super) fn scale(number: u64, rate: u64) -> u64 {
    ((u128::from(number) * u128::from(rate)) >> 32) as u64
}

#[cfg(target_arch = "x86_64")]
impl Clock for MachineClock {
    #[inline]
    fn now(&self) -> u64 {
        if x86::is_invariant() { x86::stamp() } else { monotonic() }
    }

    fn now_ordered(&self) -> u64 {
        if x86::is_invariant() { x86::stamp_ordered() } else { monotonic() }
    }

    #[inline]
    fn nanos(&self, ticks: u64) -> u64 {
        if x86::is_invariant() { scale(ticks, x86::RATE.nanos_per_tick()) } else { ticks }
    }

    fn ticks(&self, nanos: u64) -> u64 {
        if x86::is_invariant() { scale(nanos, x86::RATE.ticks_per_nano()) } else { nanos }
    }

    fn tune(&self) {
        if x86::is_invariant() {
            x86::RATE.tune(x86::stamp(), || (x86::stamp(), monotonic(), x86::stamp()));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__cpuid, _mm_lfence, _rdtsc};
    use std::sync::atomic::{AtomicU8, Ordering};

    use crate::spin::rate::Rate;

    pub(super) static RATE: Rate = Rate::new();

    /// Whether the stamp counter counts at one rate, and goes on while the processor sleeps.
    #[inline]
    pub(super) fn is_invariant() -> bool {
        static KNOWN: AtomicU8 = AtomicU8::new(0);
        const NO: u8 = 1;
        const YES: u8 = 2;
        #[cold]
        fn ask() -> bool {
            // Before Rust 1.89 this function is unsafe.
            #[allow(unused_unsafe)]
            // SAFETY: every x86-64 processor has the instruction.
            let leaves = unsafe { __cpuid(0x8000_0000) }.eax;
            #[allow(unused_unsafe)]
            // SAFETY: as above; the leaf is there.
            let invariant = leaves >= 0x8000_0007 && unsafe { __cpuid(0x8000_0007) }.edx & 1 << 8 != 0;
            KNOWN.store(if invariant { YES } else { NO }, Ordering::Relaxed);
            invariant
        }
        match KNOWN.load(Ordering::Relaxed) {
            NO => false,
            YES => true,
            _ => ask(),
        }
    }

    #[inline]
    pub(super) fn stamp() -> u64 {
        // SAFETY: every x86-64 processor has the instruction. (A program that had itself killed for
        // it, by `PR_SET_TSC`, could not read any other clock either.)
        unsafe { _rdtsc() }
    }

    pub(super) fn stamp_ordered() -> u64 {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _mm_lfence() };
        stamp()
    }
}

#[cfg(target_arch = "aarch64")]
impl Clock for MachineClock {
    #[inline]
    fn now(&self) -> u64 {
        arm::count()
    }

    fn now_ordered(&self) -> u64 {
        arm::count_ordered()
    }

    #[inline]
    fn nanos(&self, ticks: u64) -> u64 {
        scale(ticks, arm::rate().0)
    }

    fn ticks(&self, nanos: u64) -> u64 {
        scale(nanos, arm::rate().1)
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::asm;
    use std::sync::OnceLock;

    /// Nanoseconds a tick, and ticks a nanosecond: the counter says how fast it counts.
    #[inline]
    pub(super) fn rate() -> (u64, u64) {
        static RATE: OnceLock<(u64, u64)> = OnceLock::new();
        *RATE.get_or_init(|| {
            let hertz: u64;
            // SAFETY: Linux lets every program read the register; nothing else changes.
            unsafe { asm!("mrs {}, cntfrq_el0", out(reg) hertz, options(nomem, nostack, preserves_flags)) };
            // 25 MHz, if it does not say.
            let hertz = u128::from(if hertz == 0 { 25_000_000 } else { hertz });
            (((1_000_000_000u128 << 32) / hertz) as u64, ((hertz << 32) / 1_000_000_000) as u64)
        })
    }

    #[inline]
    pub(super) fn count() -> u64 {
        let count: u64;
        // SAFETY: as in `rate`.
        unsafe { asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack, preserves_flags)) };
        count
    }

    pub(super) fn count_ordered() -> u64 {
        let count: u64;
        // SAFETY: as in `rate`. Without `nomem`, so that loads before it stay before it.
        unsafe { asm!("dsb ld", "isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack, preserves_flags)) };
        count
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Clock for MachineClock {
    fn now(&self) -> u64 {
        monotonic()
    }

    fn nanos(&self, ticks: u64) -> u64 {
        ticks
    }

    fn ticks(&self, nanos: u64) -> u64 {
        nanos
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn this_machines_clock_goes_as_fast_as_the_monotonic_one() {
        let clock = MachineClock;
        clock.tune();
        std::thread::sleep(Duration::from_millis(2));
        clock.tune();
        // The machine may be busy with something else between two readings, but not each time.
        let close = (0..20).any(|_| {
            let (begun, from) = (Instant::now(), clock.now());
            std::thread::sleep(Duration::from_millis(5));
            let (took, to) = (begun.elapsed(), clock.now_ordered());
            let nanos = elapsed(&clock, from, to).expect("it goes forwards");
            nanos.abs_diff(took.as_nanos() as u64) < 250_000
        });
        assert!(close);
        assert!(clock.nanos(clock.ticks(1_000_000)).abs_diff(1_000_000) < 1000);
        assert_eq!(elapsed(&clock, 1000, 999), None);
    }
}
