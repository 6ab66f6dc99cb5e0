//! Parking. The models have no clock: who misses its wake-up sleeps for ever, and loom says so.

use super::*;
use crate::wait::Bell;

use std::time::Duration;

/// As `Channel::wait` has it, less the clock and the looking for the dead.
fn wait<T>(bell: Bell<'_>, mut attempt: impl FnMut() -> Option<T>, left_behind: impl Fn() -> bool) -> T {
    let mut slept = false;
    loop {
        for announced in [false, true] {
            let ticket = announced.then(|| bell.announce());
            if let Some(found) = attempt() {
                if slept && left_behind() {
                    bell.ring_if_parked();
                }
                return found;
            }
            if let Some(ticket) = ticket {
                bell.sleep(ticket, Duration::ZERO);
                bell.pass_on();
                slept = true;
            }
        }
    }
}

impl Hand {
    fn receives_waiting(&mut self, times: u32) {
        for _ in 0..times {
            self.receive_waiting();
        }
    }

    fn receive_waiting(&mut self) {
        let world = Arc::clone(&self.world);
        let shared = world.ring.shared();
        let lease = wait(Bell(&shared.receivers.0), || self.lease().ok(), || world.ring.has_work());
        self.release(&lease);
        Bell(&shared.senders.0).ring_if_parked();
    }

    fn send_waiting(&mut self, value: u64) {
        let world = Arc::clone(&self.world);
        let shared = world.ring.shared();
        let room = |(_, word)| matches!(Word(word).phase(), Phase::Free | Phase::Leased);
        let claim = wait(Bell(&shared.senders.0), || self.claim().ok(), || world.ring.watch_tail().is_some_and(room));
        self.publish(&claim, value);
        Bell(&shared.receivers.0).ring_if_parked();
    }
}

#[test]
fn a_waiting_receiver_is_woken() {
    check(3, || {
        let world = World::new(1);
        let actors = [
            world.act(A, None, |hand| (11..=12).for_each(|value| hand.send_waiting(value))),
            world.act(B, None, |hand| hand.receives_waiting(2)),
        ];
        world.settle(join(actors));
    });
}

#[test]
fn two_waiting_receivers_are_woken() {
    check(2, || {
        let world = World::new(2);
        let actors = [
            world.act(A, None, |hand| (11..=12).for_each(|value| hand.send_waiting(value))),
            world.act(B, None, |hand| hand.receives_waiting(1)),
            world.act(C, None, |hand| hand.receives_waiting(1)),
        ];
        world.settle(join(actors));
    });
}

#[test]
fn two_waiting_senders_are_woken() {
    check(2, || {
        let world = World::new(1);
        let mut main = world.hand(MAIN);
        main.send(1).unwrap();
        let actors = [
            world.act(A, None, |hand| hand.send_waiting(11)),
            world.act(B, None, |hand| hand.send_waiting(21)),
            world.act(C, None, |hand| hand.receives_waiting(2)),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

#[test]
fn all_who_wait_are_woken_by_a_close() {
    check(3, || {
        let world = World::new(1);
        let waiter = |hand: &mut Hand| {
            let world = Arc::clone(&hand.world);
            let bell = Bell(&world.ring.shared().receivers.0);
            wait(bell, || world.ring.tail().is_closed().then_some(()), || false);
        };
        let actors = [
            world.act(A, None, waiter),
            world.act(B, None, waiter),
            world.act(C, None, |hand| {
                hand.world.ring.close();
                Bell(&hand.world.ring.shared().receivers.0).ring_all();
            }),
        ];
        world.settle(join(actors));
    });
}
