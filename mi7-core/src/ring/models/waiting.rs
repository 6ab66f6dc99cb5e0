//! Parking. The models have no clock: who misses its wake-up sleeps for ever, and loom says so.

use super::*;
use crate::wait::{Bell, Doors, End};

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

/// A doorbell's FIFO, less its bytes. Its reader sleeps until it is rung: a runtime with nothing else to do.
pub(super) struct Fifo {
    rings: loom::sync::Mutex<u32>,
    rung: loom::sync::Condvar,
}

impl Fifo {
    pub(super) fn new() -> Self {
        Fifo { rings: loom::sync::Mutex::new(0), rung: loom::sync::Condvar::new() }
    }

    fn read(&self) {
        let mut rings = self.rings.lock().unwrap();
        while *rings == 0 {
            rings = self.rung.wait(rings).unwrap();
        }
        *rings -= 1;
    }
}

impl Doors for World {
    fn knock(&self, _: End, door: u32) -> bool {
        let fifo = &self.fifos[door as usize];
        *fifo.rings.lock().unwrap() += 1;
        fifo.rung.notify_one();
        true
    }
}

impl World {
    fn receivers(&self) -> Bell<'_> {
        let shared = self.ring.shared();
        Bell { end: End::Receiving, parking: &shared.receivers.0, hints: &shared.hints.0, doors: self }
    }

    fn senders(&self) -> Bell<'_> {
        let shared = self.ring.shared();
        Bell { end: End::Sending, parking: &shared.senders.0, hints: &shared.hints.0, doors: self }
    }
}

/// What a task does that waits, and its runtime's reactor for it (`tasks`), which is one thread here. `gives_up`: it is dropped when it
/// has been woken, before it looks.
fn wait_as_task<T>(
    bell: Bell<'_>,
    fifo: &Fifo,
    door: u32,
    gives_up: bool,
    mut attempt: impl FnMut() -> Option<T>,
    left_behind: impl Fn() -> bool,
) -> Option<T> {
    if let Some(found) = attempt() {
        return Some(found);
    }
    let mut rung = false;
    loop {
        bell.parking.set_bit(door);
        bell.announce();
        if let Some(found) = attempt() {
            if rung && left_behind() {
                bell.ring_if_parked();
            }
            if !bell.parking.take_bit(door) {
                // Somebody has taken it, and knocks: nobody is here any more, so it is for the others.
                fifo.read();
                bell.pass_on();
                if left_behind() {
                    bell.ring_if_parked();
                }
            }
            return Some(found);
        }
        fifo.read();
        bell.pass_on();
        rung = true;
        let found = if gives_up { None } else { attempt() };
        if found.is_some() || gives_up {
            if left_behind() {
                bell.ring_if_parked();
            }
            return found;
        }
    }
}

impl Hand {
    /// True if it received one, not if it gave up.
    fn receive_as_task(&mut self, door: u32, gives_up: bool) -> bool {
        let world = Arc::clone(&self.world);
        let (bell, fifo) = (world.receivers(), &world.fifos[door as usize]);
        let lease = wait_as_task(bell, fifo, door, gives_up, || self.lease().ok(), || world.ring.has_work());
        if let Some(lease) = &lease {
            self.release(lease);
            world.senders().ring_if_parked();
        }
        lease.is_some()
    }

    fn send_as_task(&mut self, door: u32, value: u64) {
        let world = Arc::clone(&self.world);
        let (bell, fifo) = (world.senders(), &world.fifos[door as usize]);
        if let Some(claim) = wait_as_task(bell, fifo, door, false, || self.claim().ok(), || world.ring.may_have_room())
        {
            self.publish(&claim, value);
            world.receivers().ring_if_parked();
        }
    }

    fn receives_waiting(&mut self, times: u32) {
        for _ in 0..times {
            self.receive_waiting();
        }
    }

    fn receive_waiting(&mut self) {
        let world = Arc::clone(&self.world);
        let lease = wait(world.receivers(), || self.lease().ok(), || world.ring.has_work());
        self.release(&lease);
        world.senders().ring_if_parked();
    }

    fn send_waiting(&mut self, value: u64) {
        let world = Arc::clone(&self.world);
        let claim = wait(world.senders(), || self.claim().ok(), || world.ring.may_have_room());
        self.publish(&claim, value);
        world.receivers().ring_if_parked();
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
            wait(world.receivers(), || world.ring.tail().is_closed().then_some(()), || false);
        };
        let actors = [
            world.act(A, None, waiter),
            world.act(B, None, waiter),
            world.act(C, None, |hand| {
                hand.world.ring.close();
                hand.world.receivers().ring_all();
            }),
        ];
        world.settle(join(actors));
    });
}

#[test]
fn a_waiting_task_is_woken() {
    check(3, || {
        let world = World::new(1);
        let actors = [
            world.act(A, None, |hand| (11..=12).for_each(|value| hand.send_waiting(value))),
            world.act(B, None, |hand| (0..2).for_each(|_| assert!(hand.receive_as_task(0, false)))),
        ];
        world.settle(join(actors));
    });
}

#[test]
fn a_task_and_a_thread_that_wait_are_woken() {
    // Whoever's turn it is at first.
    for turn in [0, 1] {
        check(2, move || {
            let world = World::new(2);
            world.receivers().parking.turn.store(turn, Ordering::Relaxed);
            let actors = [
                world.act(A, None, |hand| (11..=12).for_each(|value| hand.send_waiting(value))),
                world.act(B, None, |hand| hand.receives_waiting(1)),
                world.act(C, None, |hand| assert!(hand.receive_as_task(0, false))),
            ];
            world.settle(join(actors));
        });
    }
}

#[test]
fn tasks_of_two_runtimes_are_woken() {
    check(2, || {
        let world = World::new(2);
        let actors = [
            world.act(A, None, |hand| (11..=12).for_each(|value| hand.send_waiting(value))),
            world.act(B, None, |hand| assert!(hand.receive_as_task(0, false))),
            world.act(C, None, |hand| assert!(hand.receive_as_task(1, false))),
        ];
        world.settle(join(actors));
    });
}

#[test]
fn a_task_and_a_thread_that_wait_for_room_are_woken() {
    check(2, || {
        let world = World::new(1);
        let mut main = world.hand(MAIN);
        main.send(1).unwrap();
        let actors = [
            world.act(A, None, |hand| hand.send_as_task(0, 11)),
            world.act(B, None, |hand| hand.send_waiting(21)),
            world.act(C, None, |hand| hand.receives_waiting(2)),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

/// The one message is for whichever of the two does not give up.
#[test]
fn a_task_that_was_woken_and_dropped_strands_nobody() {
    check(2, || {
        let world = World::new(1);
        let actors = [
            world.act(A, None, |hand| (11..=12).for_each(|value| hand.send_waiting(value))),
            world.act(B, None, |hand| {
                // Once woken and dropped, it comes again, unless it came in time the first time.
                if !hand.receive_as_task(0, true) {
                    hand.receives_waiting(1);
                }
            }),
            world.act(C, None, |hand| hand.receives_waiting(1)),
        ];
        world.settle(join(actors));
    });
}

#[test]
fn a_task_is_woken_by_a_close() {
    check(3, || {
        let world = World::new(1);
        let waiter = |door: u32| {
            move |hand: &mut Hand| {
                let world = Arc::clone(&hand.world);
                let closed = || world.ring.tail().is_closed().then_some(());
                wait_as_task(world.receivers(), &world.fifos[door as usize], door, false, closed, || false);
            }
        };
        let actors = [
            world.act(A, None, waiter(0)),
            world.act(B, None, waiter(1)),
            world.act(C, None, |hand| {
                hand.world.ring.close();
                hand.world.receivers().ring_all();
            }),
        ];
        world.settle(join(actors));
    });
}
