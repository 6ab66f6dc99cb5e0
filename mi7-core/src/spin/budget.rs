//! The budget itself.

use super::clock::{Clock, elapsed};
use super::head_start::HeadStart;
use super::learned::{Costs, Machine, Recent};
use super::way::Wait;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The guess at a wake-up, and the limits of an estimate, in nanoseconds.
const WAKE: u32 = 20_000;
const WAKE_RANGE: (u32, u32) = (1_000, 200_000);
/// The guess at a line, and the limits of an estimate, in nanoseconds.
const LINE: u32 = 60;
const LINE_RANGE: (u32, u32) = (20, 1_000);
/// The most credit, in prices.
const CREDIT: u32 = 4;
/// The most credit until wake-ups have been measured, in nanoseconds: enough for a spell of the
/// highest price that there can be.
const CREDIT_AT_FIRST: u32 = 3 * WAKE_RANGE.1;
/// A successful spell earns at most so many times the time it took, and so many nanoseconds more.
const EARNED: (u64, u64) = (16, 1_000);
/// Time earns one nanosecond of credit in so many.
const REFILL: u64 = 1024;
/// The least and the most of [`SpinBudget::doubt`].
const DOUBT: (u32, u32) = (4, 8);
/// One of so many spells ends early, so that a wake-up is measured: at first, and later.
const MEASURED_FIRST: u32 = 4;
const MEASURED: u32 = 128;
/// It does not end earlier than this, in nanoseconds, so that fast answers are never slowed down.
const MEASURED_AFTER: u32 = 2_000;
/// The duration of a spell in which the thread lost its processor.
const LOST_SPELL: u32 = u32::MAX;
/// If the looks took so many nanoseconds more than they should have, the thread lost its processor.
const LOST: u64 = 5_000;
/// The length of a glance: at least so many nanoseconds, and so many lines; and a range of looks.
const GLANCE: u64 = 300;
const GLANCE_LINES: u64 = 6;
const GLANCE_LOOKS: (u32, u32) = (4, 64);
/// The longest time between two readings of the clock, in nanoseconds.
const STEP: u64 = 10_000;
/// After so many futile waits in a row, one waiter in so many looks before it parks.
const FUTILE: (u32, u32) = (16, 8);
/// After so many short waits in a row, further ones teach nothing new.
const LESSONS: u32 = 16;
/// Looks are timed in one of so many short waits in a row, and after one of so many spells.
const TIMED: u32 = 1024;
const TIMED_SPELLS: u32 = 128;

/// Decides how long the threads of one process spin at one end of a channel.
pub(crate) struct SpinBudget {
    machine: &'static Machine,
    wake: Recent,
    line: Recent,
    costs: Costs,
    /// How long spinning may still fail, in nanoseconds.
    credit: AtomicU32,
    /// When time last earned credit, in ticks; 0: never.
    refilled: AtomicU64,
    /// Looks in a glance.
    glance: AtomicU32,
    /// A parked wait that was short earns its duration, shifted right by this.
    doubt: AtomicU32,
    /// The last successful spell, if it still has to be learned from: `duration << 32 | credit`; 0:
    /// none.
    unsettled: AtomicU64,
    /// How many waits in a row ended neither within a glance nor within a spell.
    futile: AtomicU32,
    /// How many spells there were.
    spells: AtomicU32,
    head_start: HeadStart,
}

/// A spell of spinning that is longer than a glance.
pub(crate) struct Spell {
    /// When the wait began, and when the clock was last read, in ticks.
    begun: u64,
    last: u64,
    /// How long it may take since the wait began, in nanoseconds. It has reserved as much credit.
    /// `None`: no limit.
    budget: Option<u32>,
    /// The thread has lost its processor meanwhile.
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
            unsettled: AtomicU64::new(0),
            futile: AtomicU32::new(0),
            spells: AtomicU32::new(0),
            head_start: HeadStart::new(),
        };
        budget.renew_glance();
        budget
    }

    /// Estimate of a wake-up, in nanoseconds.
    fn wake(&self) -> u32 {
        let known = self.wake.estimate().or_else(|| self.machine.wake.estimate());
        known.unwrap_or(WAKE).clamp(WAKE_RANGE.0, WAKE_RANGE.1)
    }

    /// Whether enough wake-ups have been measured.
    fn is_settled(&self) -> bool {
        self.wake.is_settled() || self.machine.wake.is_settled()
    }

    /// The price of being parked and woken, in nanoseconds. It is also the longest budget.
    fn price(&self) -> u32 {
        2 * self.wake()
    }

    /// Estimate of a line, in nanoseconds.
    fn line(&self) -> u32 {
        let known = self.line.estimate().or_else(|| self.machine.line.estimate());
        known.unwrap_or(LINE).clamp(LINE_RANGE.0, LINE_RANGE.1)
    }

    /// How long `lines` lines take, in nanoseconds.
    pub(crate) fn nanos_of(&self, lines: u32) -> u64 {
        u64::from(lines) * u64::from(self.line())
    }

    /// How long a glance takes, in nanoseconds.
    fn glance_nanos(&self) -> u64 {
        GLANCE.max(GLANCE_LINES * u64::from(self.line()))
    }

    fn renew_glance(&self) {
        let looks = self.machine.looks_in(self.glance_nanos()).clamp(GLANCE_LOOKS.0, GLANCE_LOOKS.1);
        self.glance.store(looks, Ordering::Relaxed);
    }

    // ---- a wait, from its beginning to its end
    // -------------------------------------------------------------------

    /// How many looks a wait begins with. 0: the waiter parks at once.
    #[inline]
    pub(crate) fn glance(&self, how: Wait) -> u32 {
        match how {
            Wait::Park => 0,
            Wait::Adaptive if self.skips_glance() => 0,
            Wait::Adaptive | Wait::Spin => self.glance.load(Ordering::Relaxed),
        }
    }

    /// If waits have ended neither within a glance nor within a spell many times in a row, most
    /// waiters park without either.
    #[inline]
    fn skips_glance(&self) -> bool {
        let futile = self.futile.load(Ordering::Relaxed);
        futile >= FUTILE.0 && !futile.is_multiple_of(FUTILE.1)
    }

    fn was_futile(&self) {
        let futile = self.futile.load(Ordering::Relaxed);
        // A multiple of eight follows the largest number too.
        self.futile.store(futile.checked_add(1).unwrap_or(FUTILE.0), Ordering::Relaxed);
    }

    /// Whether a receiver that begins to wait gives its sender a head start. `received` says how
    /// many messages it has received.
    #[inline]
    pub(crate) fn gives_head_start(&self, received: impl FnOnce() -> u64) -> bool {
        self.head_start.is_due(received)
    }

    /// Whether to time each look of the wait that begins now.
    #[inline]
    pub(crate) fn times_line(&self) -> bool {
        match self.head_start.followed() {
            0 => self.spells.load(Ordering::Relaxed) % TIMED_SPELLS == 1,
            short => short % TIMED == LESSONS,
        }
    }

    /// A line took so many nanoseconds.
    #[cold]
    pub(crate) fn line_took(&self, nanos: u64) {
        self.line.add(nanos);
        self.machine.line.add(nanos);
        self.renew_glance();
    }

    /// The wait ended within its glance.
    #[inline]
    pub(crate) fn found_at_a_glance(&self) {
        if self.head_start.has_followed() < LESSONS {
            self.learn_from_glance();
        }
    }

    #[cold]
    fn learn_from_glance(&self) {
        self.futile.store(0, Ordering::Relaxed);
        let price = self.price();
        self.costs.add(0, price);
        self.earn((GLANCE * EARNED.0 + EARNED.1) as u32, price);
    }

    /// The wait has not ended within its glance of so many looks. Begins a spell.
    #[cold]
    pub(crate) fn begin(&self, how: Wait, clock: &impl Clock, now: u64, looks: u32) -> Spell {
        clock.tune();
        let spun = self.machine.nanos_of(looks);
        let begun = now.wrapping_sub(clock.ticks(spun));
        if how == Wait::Spin {
            return Spell { begun, last: now, budget: None, lost: false };
        }
        if self.unsettled.load(Ordering::Relaxed) != 0 {
            self.settle(self.unsettled.swap(0, Ordering::Relaxed));
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

    /// Whether the spell that begins now ends early, so that a wake-up is measured.
    fn is_to_measure(&self) -> bool {
        let spells = self.spells.load(Ordering::Relaxed);
        self.spells.store(spells.wrapping_add(1), Ordering::Relaxed);
        let every = if self.is_settled() { MEASURED } else { MEASURED_FIRST };
        spells % every == every - 1
    }

    /// Says how often to look until the clock is read again. `looks`: how often the waiter has
    /// looked since the last reading. `None`: the budget is over.
    #[cold]
    pub(crate) fn go_on(&self, spell: &mut Spell, clock: &impl Clock, now: u64, looks: u32) -> Option<u32> {
        let (step, spent) = (elapsed(clock, spell.last, now), elapsed(clock, spell.begun, now));
        spell.last = now;
        let (Some(step), Some(spent)) = (step, spent) else {
            // The clock went backwards: nobody knows how long the wait has taken.
            spell.begun = now;
            return spell.budget.is_none().then_some(GLANCE_LOOKS.1);
        };
        if self.has_lost(step, looks) {
            spell.lost = true;
        } else if looks > 0 {
            self.machine.looked(looks, step);
        }
        // This waiter needs the clock only to look for the dead now and then.
        let Some(budget) = spell.budget else { return Some(self.machine.looks_in(STEP)) };
        let left = u64::from(budget).saturating_sub(spent);
        let step = (spent / 8).clamp(GLANCE, STEP).min(left);
        (left > 0).then(|| self.machine.looks_in(step).max(GLANCE_LOOKS.0))
    }

    /// Whether the thread lost its processor while so many looks took so long.
    fn has_lost(&self, nanos: u64, looks: u32) -> bool {
        nanos > self.machine.nanos_of(looks) + LOST
    }

    /// The message has come, so many looks after the clock was last read. The waiter learns from
    /// that at the beginning of its next spell, so that the message is not late.
    pub(crate) fn found(&self, spell: &Spell, clock: &impl Clock, now: u64, looks: u32) {
        self.head_start.has_waited();
        self.futile.store(0, Ordering::Relaxed);
        let Some(reserved) = spell.budget else { return };
        let kept = !spell.lost && elapsed(clock, spell.last, now).is_some_and(|step| !self.has_lost(step, looks));
        let spent = if kept { elapsed(clock, spell.begun, now) } else { None };
        let spent = spent.map_or(LOST_SPELL, |nanos| u32::try_from(nanos).unwrap_or(LOST_SPELL));
        let unsettled = u64::from(spent) << 32 | u64::from(reserved);
        if self.unsettled.load(Ordering::Relaxed) == 0 {
            self.unsettled.store(unsettled, Ordering::Relaxed);
        } else {
            // That of another thread comes first.
            self.settle(unsettled);
        }
    }

    /// Learns from a successful spell: see `unsettled`.
    fn settle(&self, unsettled: u64) {
        if unsettled == 0 {
            return;
        }
        let (spent, reserved) = ((unsettled >> 32) as u32, unsettled as u32);
        let price = self.price();
        if spent == LOST_SPELL {
            self.costs.add(u64::MAX, price);
        } else {
            self.costs.add(spent.into(), price);
            let most = u64::from(spent) * EARNED.0 + EARNED.1;
            let saved = u64::from(price.saturating_sub(spent)).min(most) as u32;
            self.earn(reserved.saturating_add(saved), price);
            self.doubt.store(DOUBT.0, Ordering::Relaxed);
        }
        self.renew_glance();
    }

    /// The budget or the deadline is over, and no message has come.
    #[cold]
    pub(crate) fn found_nothing(&self, spell: &Spell, clock: &impl Clock, now: u64) {
        self.head_start.has_waited();
        self.was_futile();
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

    /// A waiter parks without a spell.
    #[cold]
    pub(crate) fn park(&self, clock: &impl Clock, now: u64) {
        self.head_start.has_waited();
        self.was_futile();
        clock.tune();
        self.refill(clock, now);
    }

    /// A waiter that parked has got its message, which came after so many nanoseconds.
    #[cold]
    pub(crate) fn waited(&self, nanos: u64) {
        let price = self.price();
        self.costs.add(nanos, price);
        if nanos <= 2 * self.glance_nanos() {
            self.futile.store(0, Ordering::Relaxed);
        }
        if nanos <= price.into() {
            self.earn(nanos as u32 >> self.doubt.load(Ordering::Relaxed), price);
        }
    }

    /// A waiter that parked has met its deadline, after so many nanoseconds.
    #[cold]
    pub(crate) fn waited_in_vain(&self, nanos: u64) {
        // A shorter wait says nothing: the message might have come right after it.
        if nanos > u64::from(self.price()) {
            self.costs.add(u64::MAX, self.price());
        }
    }

    /// A wake-up took so many nanoseconds.
    #[cold]
    pub(crate) fn woke_after(&self, nanos: u64) {
        self.wake.add(nanos);
        self.machine.wake.add(nanos);
    }

    /// Estimate of a wake-up, in nanoseconds.
    pub(crate) fn wake_up(&self) -> u64 {
        self.wake().into()
    }

    // ---- credit
    // --------------------------------------------------------------------------------------------------

    fn most_credit(&self, price: u32) -> u32 {
        let most = CREDIT * price;
        if self.is_settled() { most } else { most.max(CREDIT_AT_FIRST) }
    }

    /// Gives the credit that time has earned.
    fn refill(&self, clock: &impl Clock, now: u64) {
        let last = self.refilled.load(Ordering::Relaxed);
        let nanos = if last == 0 { None } else { elapsed(clock, last, now) };
        let more = nanos.map(|nanos| nanos / REFILL);
        if more == Some(0) {
            return;
        }
        // Of several threads, only one gives it.
        if self.refilled.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && let Some(more) = more
        {
            self.earn(u32::try_from(more).unwrap_or(u32::MAX), self.price());
        }
    }

    /// Takes so much credit, or all there is.
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
