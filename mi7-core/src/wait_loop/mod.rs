//! The one loop in which threads wait.
//!
//! A waiter holds back, spins, and parks. It reaches the channel, the clock and the kernel through
//! a [`Site`]. There are two: one is a real channel, the other belongs to the simulated machine
//! that tests the rules of [`crate::spin`]. So the tests run this very loop.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::ring::Room;
use crate::spin::clock::{Clock, elapsed};
use crate::spin::{Spell, SpinBudget, Wait};
use crate::wait::TICK;

mod channel;

/// How long a sender that finds the channel full holds back, and a receiver in a stream, in lines.
const HOLD_BACK: u32 = 20;
const HEAD_START: u32 = 40;

/// What a thread waits for, and where.
pub(crate) trait Site {
    /// What is waited for.
    type Found;
    /// The clock to measure with.
    type Clock: Clock;
    /// What [`announce`](Self::announce) gives to [`sleep`](Self::sleep).
    type Ticket;

    fn clock(&self) -> &Self::Clock;

    /// Takes what is waited for, if it is there. A sender that waits for room takes the slots that it is told to.
    fn attempt(&mut self, room: Room) -> Result<Option<Self::Found>>;

    /// Looks for a change since the last attempt, at most so many times. Says how often it looked,
    /// and whether there was a change.
    fn look(&mut self, looks: u32) -> (u32, bool);

    /// The same. Also says how long the changed line took to arrive, in nanoseconds, if known.
    fn look_and_time(&mut self, looks: u32) -> (u32, bool, Option<u64>);

    /// Whether it is a message that is waited for, or room.
    fn is_receiving(&self) -> bool;

    /// How many messages were received.
    fn received(&self) -> u64;

    /// Lets so many nanoseconds pass without touching the channel; fewer if the channel is small.
    fn hold_back(&mut self, nanos: u64);

    /// Until the deadline. `None` once it has come.
    fn time_left(&self) -> Option<Duration>;

    /// What a waiter that never parks has to do for others now and then: it looks for the dead, and
    /// yields the processor if there is only one.
    fn look_while_spinning(&mut self);

    /// Says that the waiter is about to sleep, and looks for the dead. The waiter has to try again
    /// before it sleeps.
    fn announce(&mut self) -> Self::Ticket;

    /// Sleeps until somebody rings, at most for so long. Says whether somebody rang.
    fn sleep(&mut self, ticket: Self::Ticket, limit: Duration) -> bool;

    /// Makes sure that the next ring wakes somebody, if others sleep here.
    fn pass_on(&mut self);

    /// When somebody last rang: the low bits of the clock. Can be any value.
    fn rung(&self) -> u32;

    /// Wakes another one, if something is left.
    fn ring_for_rest(&mut self);
}

/// Waits until there is something, or the deadline has come ([`Error::Timeout`]), or an attempt
/// fails.
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
    /// It is time to park. The moment the wait began, in ticks, if the waiter has read the clock.
    Over(Option<u64>),
}

/// The part of a wait before parking.
fn spin<S: Site>(site: &mut S, how: Wait, budget: &SpinBudget) -> Result<Spun<S::Found>> {
    let mut left = budget.glance(how);
    if left == 0 {
        return Ok(Spun::Over(None));
    }
    if site.time_left().is_none() {
        // `park` tries once more.
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
        // No change in so many looks, or each time others were faster.
        let (clock, now, first) = (site.clock(), site.clock().now(), spell.is_none());
        let running = spell.get_or_insert_with(|| budget.begin(how, clock, now, looks));
        let more = budget.go_on(running, clock, now, if first { 0 } else { looks });
        looks = 0;
        match more {
            Some(more) if site.time_left().is_some() => left = more,
            // There is always more: so the deadline has come.
            _ if how == Wait::Spin => return Err(Error::Timeout),
            _ => {
                budget.found_nothing(running, clock, now);
                return Ok(Spun::Over(Some(running.begun())));
            }
        }
        if how == Wait::Spin && !first {
            site.look_while_spinning();
        }
    }
}

/// Gives the other end a head start: see [`crate::spin`].
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
        // This waiter has no use for what it could learn.
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
        // Read before `pass_on`, after which others may ring.
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

/// Learns from a wait of which the thread slept through a part. It began to wait, fell asleep and
/// got up at these moments. `rung` is when it was rung, if it was: only the low bits.
fn learn_from_sleep(clock: &impl Clock, budget: &SpinBudget, begun: u64, asleep: u64, up: u64, rung: Option<u32>) {
    // Nobody rings for a sleeper before it sleeps. If it seems so, the ringer's clock differs.
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
