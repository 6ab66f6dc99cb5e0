//! How long a waiter spins before it parks, and how long it holds back first.
//!
//! # The rule
//!
//! Parking and being woken has a *price*. A waiter that spins for as long as the price, and only then
//! parks, never pays more than twice what it would have paid had it known how long the wait
//! would be. If the waits follow a distribution that is known, there is a better budget, and it is never
//! longer than that. (Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning for a shared-memory
//! multiprocessor", SOSP 1991; Boguslavsky, Harzallah, Kreinen, Sevcik and Vainshtein, "Optimal strategies for
//! spinning and blocking", 1994.)
//!
//! So a waiter spins until the message comes, or its *budget* is over. The budget is the one of
//! seven, from nothing to the whole price, that would have cost least in the last eight waits or so.
//!
//! # What is measured
//!
//! All durations are measured with the clock of [`clock`], by each process for each end of each channel. An end
//! that has measured nothing goes by what the process has measured at others, or else by a guess.
//!
//! | what | how | guess |
//! |---|---|---|
//! | *wake-up*: from the ring until the waiter runs | who rings leaves the time beside the bell, who was woken subtracts | 20 µs |
//! | *wait*: until the message came | spinning: by the clock; parked: the same stamp says when the ring was | the shortest |
//! | *line*: how long a cache line takes that another processor has written to | in one of 1,024 short waits, and of 128 longer ones, each look is timed | 60 ns |
//! | *look*: how long one turn of the spin loop takes | from one reading of the clock to the next | 25 ns |
//!
//! Of wake-ups and lines the last seven count, and the estimate is their median, but no more than four times the
//! least of them: where there are more threads than processors, most who are woken wait for a processor first.
//! A wake-up that took longer than the waiter slept was measured with clocks that differ, and does not count. So that
//! there is something to measure where spinning always pays, one spell in 128 that takes long gives up early (one in four, until there
//! are three measurements).
//!
//! *Price.* Twice a wake-up: the waiter gets its message that much later, and the two system calls and the
//! switching take about as much of both processors. That it is more than one wake-up is essential. If both ends of a
//! ping-pong are parked, each waits for about as long as the other takes to wake up. One that gave up
//! before that would park as well, and both would stay parked for ever, although the answer to a waiter that spins takes a
//! hundredth of the time. (A budget of half the price, all that Karlin's rule asks for, has that fault.)
//!
//! # What bounds the cost
//!
//! Measurements are guesses, and what was true of the last waits need not be true of the next. If there are
//! more spinners than processors, or the two ends share one, the message does not come *because* the waiter spins: parked
//! waits are short, and spinning is in vain. So spinning in vain is paid for with *credit*.
//!
//! - A spell of spinning first reserves its budget. If the message comes, it gets that back, and what it has saved: the price
//!   less the time it took, but no more than 16 times that time. If not, the credit is spent.
//! - A wait in which the waiter parked, and which was no longer than the price, so that spinning might have spared the wake-up, gives a
//!   sixteenth of the time it took. After each spell of the whole price that was in vain it gives half as
//!   much, down to one part in 256, until one succeeds.
//! - If the waiter loses its processor in a spell, the spell was in vain, whatever came of it: somebody else needed
//!   the processor.
//! - Time gives credit, at a thousandth of a core.
//! - There is credit for four times the price at the most; until wake-ups have been measured, for 0.6 ms.
//!
//! So what is ever spun in vain is a thousandth of the time, a small part of what waking costs anyway, and what was saved before.
//! A receiver of nothing, and one of evenly spaced messages that are further apart than the price, spin for a
//! thousandth of a core. If the credit is full, a waiter spins for the whole price, whatever it thinks of
//! it: so it finds out when spinning pays again.
//!
//! Before all this, each waiter looks for a fifth of a microsecond or so, without reading the clock and without credit: a
//! fraction of what parking costs. Most waits in a stream end then. From then on it reads the clock each time
//! an eighth of the time that it has been spinning is over again.
//!
//! # Head start
//!
//! A receiver that is faster than its sender follows on its heels: it takes each slot's cache line away while the sender is still at
//! it, and both go at the pace of lines that go back and forth. Where it finds again and again that the next message comes within
//! a few looks, it gives the sender a head start of some forty times what a line takes, and then receives a run of messages without waiting. Whether it was
//! right in that shows at its next wait; where too few had come, it takes longer until it tries again. With [`Wait::Spin`] it never
//! does: what it waits for may be the last message of a burst. A sender that finds the channel full does the same for
//! its receiver, each time: it delays nobody by it, there are as many messages as fit.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

pub(crate) mod clock;
mod head_start;
mod learned;
#[cfg(any(target_arch = "x86_64", test))]
mod rate;

use clock::{Clock, elapsed};
use head_start::HeadStart;
pub(crate) use learned::Machine;
use learned::{Costs, Recent};

/// How the ends of a channel wait.
///
/// # Which to choose
///
/// | | use it if | what it costs while nothing comes |
/// |---|---|---|
/// | [`Adaptive`](Wait::Adaptive) | in doubt | a thousandth of a core |
/// | [`Spin`](Wait::Spin) | every microsecond counts, and each waiter has a processor to itself | a core for each waiter |
/// | [`Park`](Wait::Park) | messages are rare, or processor time and power are what counts | nothing |
///
/// With `Adaptive`, messages that follow one another faster than a sleeping thread is woken (2 to 50 µs) are received as
/// fast as with `Spin`; ones further apart cost a wake-up each, as with `Park`.
///
/// # Pinning
///
/// Two ends are fastest if each is pinned to a processor of its own, and the two processors share a
/// cache: `taskset -c 2 program`, or `sched_setaffinity`. Do not pin both ends to one processor; there, use `Park`. (`Adaptive` finds
/// out. `Spin` makes each message wait for the scheduler, up to some milliseconds.) The two threads of one core are two processors that disturb each other
/// when both spin. A container that may use less than one processor's time (`docker --cpus 0.5`) is stopped
/// for the rest of a period of 100 ms when it has used that up, spinning included: use `Park`.
///
/// # Virtual machines
///
/// A processor with nothing to do halts, and a virtual processor that halts goes back to the hypervisor. To wake
/// its thread, the hypervisor has to be called, and has to schedule the processor again: 10 to 50 µs instead of 2 to 5,
/// and more on a host that is full. `Adaptive` measures that, and spins longer where waking takes longer. A guest that
/// is allowed to spin a little before it halts (`cpuidle_haltpoll`, or `idle=poll` on the kernel's command
/// line) wakes up as fast as a real machine. `Spin` never halts, but if the host has taken the processor away, spinning
/// does not bring it back: a guest with fewer real processors than virtual ones had better not spin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wait {
    /// Spins without end, and never parks: the lowest latency, for the price of a processor for each waiter. Not to
    /// be used by more waiters than there are processors.
    Spin,
    /// Spins for as long as that has been paying, at the most for about twice the time that waking a thread takes
    /// here, and then parks. In a stream of messages, a receiver gives its sender a head start of some
    /// microseconds now and then, for more messages a second.
    #[default]
    Adaptive,
    /// Parks at once: costs nothing while nothing comes, and a system call on both sides when something does.
    Park,
}

/// A wake-up until one was measured, in nanoseconds; and what an estimate is kept within.
const WAKE: u32 = 20_000;
const WAKE_RANGE: (u32, u32) = (1_000, 200_000);
/// A line until one was measured, in nanoseconds; and what an estimate is kept within.
const LINE: u32 = 60;
const LINE_RANGE: (u32, u32) = (20, 1_000);
/// How many prices there is credit for, and for how many nanoseconds at first: for the longest price there can be, and half as much.
const CREDIT: u32 = 4;
const CREDIT_AT_FIRST: u32 = 3 * WAKE_RANGE.1;
/// A success gives as much credit as it has saved, but no more than so many times what it took, and so many nanoseconds.
const EARNED: (u64, u64) = (16, 1_000);
/// One nanosecond of so many becomes credit.
const REFILL: u64 = 1024;
/// The least and the most of [`SpinBudget::doubt`].
const DOUBT: (u32, u32) = (4, 8);
/// One of so many spells, first and later, gives up early, for a wake-up to be measured.
const MEASURED_FIRST: u32 = 4;
const MEASURED: u32 = 128;
/// It takes this long at the least, in nanoseconds: the fastest answers are not made slower.
const MEASURED_AFTER: u32 = 2_000;
/// A thread that finds that so many nanoseconds more have passed than its looks took has lost its processor meanwhile.
const LOST: u64 = 5_000;
/// How long a waiter spins without reading the clock, at the least: in nanoseconds, in lines, in looks.
const GLANCE: u64 = 200;
const GLANCE_LINES: u64 = 4;
const GLANCE_LOOKS: (u32, u32) = (4, 64);
/// The longest time between two readings of the clock, in nanoseconds.
const STEP: u64 = 10_000;
/// So many short waits, one after the other, teach all that can be learned from them.
const LESSONS: u32 = 16;
/// In one of so many short waits, and after one of so many spells, the line is timed.
const TIMED: u32 = 1024;
const TIMED_SPELLS: u32 = 128;

/// What decides how those wait who wait at one end of a channel, in one process.
pub(crate) struct SpinBudget {
    machine: &'static Machine,
    wake: Recent,
    line: Recent,
    costs: Costs,
    /// Nanoseconds that may yet be spun in vain.
    credit: AtomicU32,
    /// Up to when time has been turned into credit, in ticks; 0: never.
    refilled: AtomicU64,
    /// How many looks a wait begins with.
    glance: AtomicU32,
    /// A wait in which the waiter parked, and which was short, gives a fraction of the time it took as credit: one of 2 to the
    /// power of this.
    doubt: AtomicU32,
    /// How many spells there were.
    spells: AtomicU32,
    head_start: HeadStart,
}

/// A spell of spinning that was not over at once.
pub(crate) struct Spell {
    /// When the wait began, and when the clock was last read, in ticks.
    begun: u64,
    last: u64,
    /// How long it may take since the wait began, in nanoseconds, which is also what it has of the credit; `None`: for ever.
    budget: Option<u32>,
    /// Somebody else had the processor meanwhile.
    lost: bool,
}

impl Spell {
    /// When the wait began, in ticks.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }
}

impl SpinBudget {
    pub(crate) fn new(machine: &'static Machine) -> Self {
        let budget = SpinBudget {
            machine,
            wake: Recent::new(),
            line: Recent::new(),
            costs: Costs::new(),
            credit: AtomicU32::new(CREDIT_AT_FIRST),
            refilled: AtomicU64::new(0),
            glance: AtomicU32::new(0),
            doubt: AtomicU32::new(DOUBT.0),
            spells: AtomicU32::new(0),
            head_start: HeadStart::new(),
        };
        budget.renew_glance();
        budget
    }

    /// What a wake-up takes, in nanoseconds.
    fn wake(&self) -> u32 {
        let known = self.wake.estimate().or_else(|| self.machine.wake.estimate());
        known.unwrap_or(WAKE).clamp(WAKE_RANGE.0, WAKE_RANGE.1)
    }

    /// Whether that was measured more than once or twice.
    fn is_settled(&self) -> bool {
        self.wake.is_settled() || self.machine.wake.is_settled()
    }

    /// What it is worth not to be parked, in nanoseconds: the longest budget.
    fn price(&self) -> u32 {
        2 * self.wake()
    }

    /// What a line takes, in nanoseconds.
    fn line(&self) -> u32 {
        let known = self.line.estimate().or_else(|| self.machine.line.estimate());
        known.unwrap_or(LINE).clamp(LINE_RANGE.0, LINE_RANGE.1)
    }

    /// How long the waiter holds back if it does so for as long as `lines` lines take, in nanoseconds.
    pub(crate) fn nanos_of(&self, lines: u32) -> u64 {
        u64::from(lines) * u64::from(self.line())
    }

    fn renew_glance(&self) {
        let nanos = GLANCE.max(GLANCE_LINES * u64::from(self.line()));
        let looks = self.machine.looks_in(nanos).clamp(GLANCE_LOOKS.0, GLANCE_LOOKS.1);
        self.glance.store(looks, Ordering::Relaxed);
    }

    // ---- a wait, from its beginning to its end -------------------------------------------------------------------

    /// How many looks a wait begins with. 0: it is to park at once.
    #[inline]
    pub(crate) fn glance(&self, how: Wait) -> u32 {
        match how {
            Wait::Park => 0,
            Wait::Adaptive | Wait::Spin => self.glance.load(Ordering::Relaxed),
        }
    }

    /// Whether a receiver that begins to wait is to give its sender a head start. `received`: how many messages
    /// were received.
    #[inline]
    pub(crate) fn gives_head_start(&self, received: impl FnOnce() -> u64) -> bool {
        self.head_start.is_due(received)
    }

    /// Whether the looks of the wait that begins now are to be timed, each.
    #[inline]
    pub(crate) fn times_line(&self) -> bool {
        // Some short waits, and some of those that come first after a longer one.
        match self.head_start.followed() {
            0 => self.spells.load(Ordering::Relaxed) % TIMED_SPELLS == 1,
            short => short % TIMED == LESSONS,
        }
    }

    /// A line took so long.
    #[cold]
    pub(crate) fn line_took(&self, nanos: u64) {
        self.line.add(nanos);
        self.machine.line.add(nanos);
        self.renew_glance();
    }

    /// The wait was over before the clock was read.
    #[inline]
    pub(crate) fn found_at_a_glance(&self) {
        if self.head_start.has_followed() < LESSONS {
            self.learn_from_glance();
        }
    }

    #[cold]
    fn learn_from_glance(&self) {
        let price = self.price();
        self.costs.add(0, price);
        self.earn((GLANCE * EARNED.0 + EARNED.1) as u32, price);
    }

    /// The wait goes on after so many looks, at this moment.
    #[cold]
    pub(crate) fn begin(&self, how: Wait, clock: &impl Clock, now: u64, looks: u32) -> Spell {
        clock.tune();
        let spun = self.machine.nanos_of(looks);
        let begun = now.wrapping_sub(clock.ticks(spun));
        if how == Wait::Spin {
            return Spell { begun, last: now, budget: None, lost: false };
        }
        self.refill(clock, now);
        let (price, credit) = (self.price(), self.credit.load(Ordering::Relaxed));
        let mut budget = if credit >= self.most_credit(price) { price } else { self.costs.best(price, credit) };
        if self.is_to_measure() {
            budget = budget.min((price / 16).max(MEASURED_AFTER));
        }
        let reserved = if u64::from(budget) > spun { self.reserve(budget) } else { 0 };
        Spell { begun, last: now, budget: Some(reserved), lost: false }
    }

    /// Whether the spell that begins now is to give up early, so that a wake-up is measured. One who always found
    /// spinning worth while would never find out that waking takes less than it believes.
    fn is_to_measure(&self) -> bool {
        let spells = self.spells.load(Ordering::Relaxed);
        self.spells.store(spells.wrapping_add(1), Ordering::Relaxed);
        let every = if self.is_settled() { MEASURED } else { MEASURED_FIRST };
        spells % every == every - 1
    }

    /// How many looks are to come before the clock is read again, after so many, at this moment. `None`: the
    /// budget is over.
    #[cold]
    pub(crate) fn go_on(&self, spell: &mut Spell, clock: &impl Clock, now: u64, looks: u32) -> Option<u32> {
        let (step, spent) = (elapsed(clock, spell.last, now), elapsed(clock, spell.begun, now));
        spell.last = now;
        let (Some(step), Some(spent)) = (step, spent) else {
            // The clock went backwards, and how long the wait has taken is not known.
            spell.begun = now;
            return spell.budget.is_none().then_some(GLANCE_LOOKS.1);
        };
        if self.has_lost(step, looks) {
            spell.lost = true;
        } else if looks > 0 {
            self.machine.looked(looks, step);
        }
        let left = spell.budget.map_or(u64::MAX, |budget| u64::from(budget).saturating_sub(spent));
        let step = (spent / 8).clamp(GLANCE, STEP).min(left);
        (left > 0).then(|| self.machine.looks_in(step).max(GLANCE_LOOKS.0))
    }

    /// Whether somebody else had the processor while so many looks took so long.
    fn has_lost(&self, nanos: u64, looks: u32) -> bool {
        nanos > self.machine.nanos_of(looks) + LOST
    }

    /// The spell has ended with success, so many looks after the clock was last read.
    #[cold]
    pub(crate) fn found(&self, spell: &Spell, clock: &impl Clock, now: u64, looks: u32) {
        self.head_start.has_waited();
        if spell.lost || elapsed(clock, spell.last, now).is_none_or(|step| self.has_lost(step, looks)) {
            self.costs.add(u64::MAX, self.price());
        } else if let Some(reserved) = spell.budget {
            let (price, spent) = (self.price(), elapsed(clock, spell.begun, now).unwrap_or(u64::MAX));
            self.costs.add(spent, price);
            let saved = u64::from(price).saturating_sub(spent).min(spent * EARNED.0 + EARNED.1) as u32;
            self.earn(reserved.saturating_add(saved), price);
            self.doubt.store(DOUBT.0, Ordering::Relaxed);
            self.renew_glance();
        }
    }

    /// The spell has ended without.
    #[cold]
    pub(crate) fn found_nothing(&self, spell: &Spell, clock: &impl Clock, now: u64) {
        self.head_start.has_waited();
        let spent = elapsed(clock, spell.begun, now).unwrap_or(u64::MAX);
        let left = u64::from(spell.budget.unwrap_or(0)).saturating_sub(spent);
        let price = self.price();
        self.earn(left as u32, price);
        if spell.budget == Some(price) {
            let doubt = self.doubt.load(Ordering::Relaxed);
            self.doubt.store((doubt + 1).min(DOUBT.1), Ordering::Relaxed);
        }
        self.renew_glance();
    }

    /// A waiter parks at this moment that has not spun.
    #[cold]
    pub(crate) fn park(&self, clock: &impl Clock, now: u64) {
        self.head_start.has_waited();
        clock.tune();
        self.refill(clock, now);
    }

    /// A wait in which the waiter parked has ended; what it waited for came after so many nanoseconds.
    #[cold]
    pub(crate) fn waited(&self, nanos: u64) {
        let price = self.price();
        self.costs.add(nanos, price);
        if nanos <= price.into() {
            self.earn(nanos as u32 >> self.doubt.load(Ordering::Relaxed), price);
        }
    }

    /// A wait in which the waiter parked has ended at its deadline, after so many nanoseconds.
    #[cold]
    pub(crate) fn waited_in_vain(&self, nanos: u64) {
        // A shorter one says nothing: the message might have come right after.
        if nanos > u64::from(self.price()) {
            self.costs.add(u64::MAX, self.price());
        }
    }

    /// From the ring until the waiter ran, it took so many nanoseconds.
    #[cold]
    pub(crate) fn woke_after(&self, nanos: u64) {
        self.wake.add(nanos);
        self.machine.wake.add(nanos);
    }

    /// What a wake-up takes, in nanoseconds, as far as is known.
    pub(crate) fn wake_up(&self) -> u64 {
        self.wake().into()
    }

    // ---- credit --------------------------------------------------------------------------------------------------

    fn most_credit(&self, price: u32) -> u32 {
        let most = CREDIT * price;
        if self.is_settled() { most } else { most.max(CREDIT_AT_FIRST) }
    }

    /// Turns the time since the last time into credit.
    fn refill(&self, clock: &impl Clock, now: u64) {
        let last = self.refilled.load(Ordering::Relaxed);
        let nanos = if last == 0 { None } else { elapsed(clock, last, now) };
        let more = nanos.map(|nanos| nanos / REFILL);
        if more == Some(0) {
            return;
        }
        // Only one of those who find it due gives the credit.
        if self.refilled.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && let Some(more) = more
        {
            self.earn(u32::try_from(more).unwrap_or(u32::MAX), self.price());
        }
    }

    /// Takes credit: so much, or all there is.
    fn reserve(&self, wanted: u32) -> u32 {
        let take = |credit: u32| Some(credit.saturating_sub(wanted));
        let before = self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or(0);
        before.min(wanted)
    }

    fn earn(&self, more: u32, price: u32) {
        let most = self.most_credit(price);
        let add = |credit: u32| Some(credit.saturating_add(more).min(most));
        let _ = self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

#[cfg(test)]
mod tests;
