//! Waiting at the ends of a channel.

use std::time::{Duration, Instant};

use super::Site;
use crate::channel::Channel;
use crate::error::Result;
use crate::os;
use crate::ring::Room;
use crate::spin::clock::{Clock, MachineClock};
use crate::spin::{SpinBudget, Wait};
use crate::sync::{AtomicU64, Ordering, spin_loop};
use crate::wait::{Bell, End, Ticket};

/// Those who hold back do so no longer than the other end needs for an eighth of the slots, if it takes a third of
/// a line's time for each.
const HELD_BACK: u64 = 24;

/// One end of a channel.
struct ChannelSite<'a, W, A, L> {
    channel: &'a Channel,
    budget: &'a SpinBudget,
    bell: Bell<'a>,
    deadline: Option<Instant>,
    watch: W,
    attempt: A,
    left_behind: L,
    /// The word that has to change first, and what it was at the last attempt. `None`: another attempt is due at once.
    watched: Option<(&'a AtomicU64, u64)>,
}

impl Channel {
    /// Waits until `attempt` gives something: spins as long as the channel is to, then parks, getting up at each tick to look
    /// for the dead.
    ///
    /// `watch` gives the word that has to change first, `attempt` is told which slots to take, `left_behind` says whether, after a success, somebody else who
    /// sleeps at the same end has something to get up for.
    #[cold]
    pub(crate) fn wait<'a, T>(
        &'a self,
        end: End,
        deadline: Option<Instant>,
        watch: impl Fn() -> Option<(&'a AtomicU64, u64)>,
        attempt: impl Fn(Room) -> Result<Option<T>>,
        left_behind: impl Fn() -> bool,
    ) -> Result<T> {
        let bell = match end {
            End::Receiving => self.receivers(),
            End::Sending => self.senders(),
        };
        let how = match self.waiting() {
            // Whoever could send is not running while the only processor spins.
            Wait::Adaptive if os::processors() == 1 => Wait::Park,
            how => how,
        };
        let budget = self.spin_budget(end);
        let mut site =
            ChannelSite { channel: self, budget, bell, deadline, watch, attempt, left_behind, watched: None };
        super::wait(&mut site, how, budget)
    }
}

impl<'a, T, W, A, L> Site for ChannelSite<'a, W, A, L>
where
    W: Fn() -> Option<(&'a AtomicU64, u64)>,
    A: Fn(Room) -> Result<Option<T>>,
    L: Fn() -> bool,
{
    type Found = T;
    type Clock = MachineClock;
    type Ticket = Ticket;

    #[inline]
    fn clock(&self) -> &MachineClock {
        &MachineClock
    }

    #[inline]
    fn attempt(&mut self, room: Room) -> Result<Option<T>> {
        // Read before the attempt: what comes too late for that changes it.
        let before = (self.watch)();
        let found = (self.attempt)(room)?;
        if found.is_none() {
            // Where the counter moved meanwhile, another word is the one to watch, and to be read before an attempt.
            let is_next = |word: &AtomicU64| (self.watch)().is_some_and(|(next, _)| std::ptr::eq(next, word));
            self.watched = before.filter(|(word, _)| is_next(word));
        }
        Ok(found)
    }

    #[inline]
    fn look(&mut self, looks: u32) -> (u32, bool) {
        let Some((word, before)) = self.watched else { return (1, true) };
        for looked in 1..=looks {
            if word.load(Ordering::Relaxed) != before {
                return (looked, true);
            }
            spin_loop();
        }
        (looks, false)
    }

    #[cold]
    fn look_and_time(&mut self, looks: u32) -> (u32, bool, Option<u64>) {
        let Some((word, before)) = self.watched else { return (1, true, None) };
        // What a look takes that finds the line where it was: the clock itself, most of all.
        let mut in_place = None;
        for looked in 1..=looks {
            let from = MachineClock.now_ordered();
            let changed = word.load(Ordering::Relaxed) != before;
            let ticks = MachineClock.now_ordered().wrapping_sub(from);
            if changed {
                // A line that came in no more time had come before: with its neighbour.
                let more = in_place.map(|least: u64| ticks.saturating_sub(least)).filter(|more| *more > 0);
                return (looked, true, more.map(|ticks| MachineClock.nanos(ticks)));
            }
            in_place = Some(in_place.map_or(ticks, |least: u64| least.min(ticks)));
            spin_loop();
        }
        (looks, false, None)
    }

    fn is_receiving(&self) -> bool {
        self.bell.end == End::Receiving
    }

    fn received(&self) -> u64 {
        let ring = self.channel.ring();
        ring.positions.count(ring.head().position())
    }

    fn hold_back(&mut self, nanos: u64) {
        let room = u64::from(self.channel.info().geometry.capacity) * self.budget.nanos_of(1) / HELD_BACK;
        let (begun, ticks) = (MachineClock.now(), MachineClock.ticks(nanos.min(room)));
        while MachineClock.now().wrapping_sub(begun) < ticks {
            spin_loop();
        }
    }

    #[inline]
    fn time_left(&self) -> Option<Duration> {
        match self.deadline {
            None => Some(Duration::MAX),
            Some(deadline) => deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()),
        }
    }

    fn look_while_spinning(&mut self) {
        self.channel.look_for_waiter();
        if os::processors() == 1 {
            std::thread::yield_now();
        }
    }

    fn announce(&mut self) -> Ticket {
        self.bell.claim_turn();
        let ticket = self.bell.announce();
        self.channel.look_for_waiter();
        ticket
    }

    fn sleep(&mut self, ticket: Ticket, limit: Duration) -> bool {
        self.bell.sleep(ticket, limit)
    }

    fn pass_on(&mut self) {
        self.bell.pass_on();
    }

    fn rung(&self) -> u32 {
        // Any value is safe.
        self.bell.parking.rung.load(Ordering::Relaxed)
    }

    fn ring_for_rest(&mut self) {
        if (self.left_behind)() {
            self.bell.ring_if_parked();
        }
    }
}
