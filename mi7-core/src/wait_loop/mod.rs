//! The one loop in which threads wait.
//!
//! A waiter holds back, spins, and parks. What it does to the channel, to the clock and to the kernel it does
//! through a [`Site`], of which there are two: that of a channel, and that of the simulation which tests the
//! rules of [`crate::spin`]. What is tested there is this loop.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::ring::Room;
use crate::spin::clock::{Clock, elapsed};
use crate::spin::{Spell, SpinBudget, Wait};
use crate::wait::TICK;

mod channel;

/// How long a sender that finds the channel full holds back, and a receiver in a stream, in the times that a line takes.
const HOLD_BACK: u32 = 20;
const HEAD_START: u32 = 40;

/// What somebody waits for, and where.
pub(crate) trait Site {
    /// What is waited for.
    type Found;
    /// What time is measured with.
    type Clock: Clock;
    /// What [`announce`](Self::announce) gives to [`sleep`](Self::sleep).
    type Ticket;

    fn clock(&self) -> &Self::Clock;

    /// Takes what is waited for, if it is there. A sender that waits for room takes the slots that it is told to.
    fn attempt(&mut self, room: Room) -> Result<Option<Self::Found>>;

    /// Looks so many times, at the most, whether anything has changed since the last attempt. Says how often it
    /// looked, and whether there was a change.
    fn look(&mut self, looks: u32) -> (u32, bool);

    /// The same, and says how long the line took that brought the change, in nanoseconds, if that can be told.
    fn look_and_time(&mut self, looks: u32) -> (u32, bool, Option<u64>);

    /// Whether it is a message that is waited for, or room.
    fn is_receiving(&self) -> bool;

    /// How many messages were received.
    fn received(&self) -> u64;

    /// Lets time pass, and leaves the other end's lines alone: for so many nanoseconds, or less, if the channel is
    /// small.
    fn hold_back(&mut self, nanos: u64);

    /// Until the deadline. `None` once it has come.
    fn time_left(&self) -> Option<Duration>;

    /// Does what one who never parks has to do for others now and then: looks for the dead, and lets others have the processor, if
    /// there is only one.
    fn look_while_spinning(&mut self);

    /// Says that the waiter is about to sleep, and looks for the dead. The waiter has to try again before it sleeps.
    fn announce(&mut self) -> Self::Ticket;

    /// Sleeps until somebody rings, or for so long. Says whether somebody rang.
    fn sleep(&mut self, ticket: Self::Ticket, limit: Duration) -> bool;

    /// Sees to it that others who sleep here are woken by the next ring.
    fn pass_on(&mut self);

    /// When somebody last rang: the low bits of the clock's ticks. May be nonsense.
    fn rung(&self) -> u32;

    /// Wakes another one, if something is left.
    fn ring_for_rest(&mut self);
}

/// Waits until there is something, or the deadline has come ([`Error::Timeout`]), or an attempt fails.
#[cold]
pub(crate) fn wait<S: Site>(site: &mut S, how: Wait, budget: &SpinBudget) -> Result<S::Found> {
    let begun = match spin(site, how, budget)? {
        Spun::Found(found) => return Ok(found),
        Spun::Over(begun) => begun,
    };
    park(site, how, budget, begun)
}

enum Spun<T> {
    Found(T),
    /// It is time to park. When the wait began, in ticks, if anybody wants to know.
    Over(Option<u64>),
}

/// The part of a wait before parking.
fn spin<S: Site>(site: &mut S, how: Wait, budget: &SpinBudget) -> Result<Spun<S::Found>> {
    let mut left = budget.glance(how);
    if left == 0 {
        return Ok(Spun::Over(None));
    }
    if site.time_left().is_none() {
        // One attempt is left to those who park.
        return if how == Wait::Spin { Err(Error::Timeout) } else { Ok(Spun::Over(None)) };
    }
    hold_back(site, how, budget);
    let timed = budget.times_line();
    let mut looks = 0;
    let mut spell: Option<Spell> = None;
    // A sender that spins waits for its turn, as long as that pays.
    let mut room = Room::Next;
    loop {
        if let Some(found) = site.attempt(room)? {
            match &spell {
                None => budget.found_at_a_glance(),
                Some(spell) => budget.found(spell, site.clock(), site.clock().now(), looks),
            }
            return Ok(Spun::Found(found));
        }
        let (looked, changed) = if timed {
            let (looked, changed, line) = site.look_and_time(left);
            line.into_iter().for_each(|nanos| budget.line_took(nanos));
            (looked, changed)
        } else {
            site.look(left)
        };
        looks += looked;
        left = left.saturating_sub(looked);
        room = Room::Next;
        if changed && left > 0 {
            continue;
        }
        room = Room::Any;
        // So many looks were in vain, or it was somebody else's message each time.
        let (clock, now) = (site.clock(), site.clock().now());
        let more = match &mut spell {
            Some(spell) => budget.go_on(spell, clock, now, looks),
            none => budget.go_on(none.insert(budget.begin(how, clock, now, looks)), clock, now, 0),
        };
        looks = 0;
        let late = site.time_left().is_none();
        match (more, &spell) {
            (Some(more), _) if !late => left = more,
            (_, Some(spell)) if how == Wait::Adaptive => {
                budget.found_nothing(spell, site.clock(), now);
                return Ok(Spun::Over(Some(spell.begun())));
            }
            _ if late => return Err(Error::Timeout),
            _ => left = more.unwrap_or(1),
        }
        if how == Wait::Spin {
            site.look_while_spinning();
        }
    }
}

/// Lets the other end have a head start: the receivers before one who found the channel full looks for room, the senders where a
/// stream of messages is received (see [`crate::spin`]).
///
/// Whoever follows on their heels takes each slot's line away from them while they are still at it, and both go at the pace of
/// lines that go back and forth, half as fast as they could. A sender delays nobody by it: there are as many messages as fit.
#[inline]
fn hold_back<S: Site>(site: &mut S, how: Wait, budget: &SpinBudget) {
    if !site.is_receiving() {
        site.hold_back(budget.nanos_of(HOLD_BACK));
    } else if how == Wait::Adaptive && budget.gives_head_start(|| site.received()) {
        site.hold_back(budget.nanos_of(HEAD_START));
    }
}

/// The part of a wait in which the waiter sleeps.
fn park<S: Site>(site: &mut S, how: Wait, budget: &SpinBudget, begun: Option<u64>) -> Result<S::Found> {
    let begun = match how {
        Wait::Adaptive => Some(begun.unwrap_or_else(|| {
            let now = site.clock().now();
            budget.park(site.clock(), now);
            now
        })),
        // One who parks at once, whatever happens, has nothing to learn.
        Wait::Park | Wait::Spin => None,
    };
    let mut slept = false;
    loop {
        let ticket = site.announce();
        if let Some(found) = site.attempt(Room::Any)? {
            if slept {
                site.ring_for_rest();
            }
            if let Some(begun) = begun {
                budget.waited(elapsed(site.clock(), begun, site.clock().now()).unwrap_or(0));
            }
            return Ok(found);
        }
        let Some(limit) = site.time_left() else {
            if let Some(begun) = begun {
                budget.waited_in_vain(elapsed(site.clock(), begun, site.clock().now()).unwrap_or(0));
            }
            return Err(Error::Timeout);
        };
        let asleep = begun.map(|_| site.clock().now());
        fault!("announced, not asleep");
        let rung = site.sleep(ticket, limit.min(TICK));
        let up = begun.map(|_| site.clock().now());
        // Before others ring: they do so only once the bit is set again.
        let rung = if rung && up.is_some() { Some(site.rung()) } else { None };
        fault!("woken");
        site.pass_on();
        slept = true;
        if let Some(found) = site.attempt(Room::Any)? {
            site.ring_for_rest();
            if let (Some(begun), Some(asleep), Some(up)) = (begun, asleep, up) {
                learn_from_sleep(site.clock(), budget, begun, asleep, up, rung);
            }
            return Ok(found);
        }
    }
}

/// A waiter that began to wait and fell asleep at those moments got up at this one, because it was rung at that one (of which only
/// the low bits are known), and found what it waited for.
fn learn_from_sleep(clock: &impl Clock, budget: &SpinBudget, begun: u64, asleep: u64, up: u64, rung: Option<u32>) {
    // What was rung for came after the waiter had announced itself: or else the stamp is somebody else's, or of a clock
    // that differs from this one.
    let late = rung.map(|rung| u64::from((up as u32).wrapping_sub(rung)));
    let late = late.filter(|late| *late <= up.wrapping_sub(asleep));
    let waking = late.map(|ticks| clock.nanos(ticks));
    let waited = elapsed(clock, begun, up).unwrap_or(0);
    budget.waited(waited.saturating_sub(waking.unwrap_or_else(|| budget.wake_up())));
    waking.into_iter().for_each(|nanos| budget.woke_after(nanos));
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
