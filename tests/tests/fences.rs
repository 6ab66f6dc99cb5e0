//! The waiters' and the ringers' fences (`mi7-core`, `wait`), in every order and with store buffers, which loom's models do not have.
//!
//! Processors as x86-64's: what one stores is seen by itself at once and by others at any time later, in order; an atomic
//! read-modify-write and a fence wait until all of one's own is seen, `membarrier` until all of everybody's is, one
//! processor after the other. Ringers store a message, look whether they are to fence, and look who is parked; waiters announce
//! themselves, and look for a message. Found is a waiter that sleeps while there is a message and nobody is about to ring.

use std::collections::HashSet;

/// What may be left out, to see that it is missed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plant {
    Nothing,
    /// Waiters pass no heavy fence before they say that it was agreed.
    NoHeavyFence,
    /// Ringers that are asked pass no fence.
    NoRealFence,
    /// Who passed the heavy fence says that it was agreed, whatever was taken back meanwhile.
    NoCount,
    /// Ringers look who is parked before they look whether to fence.
    WrongOrder,
}

const ASKED: u8 = 1;
const AGREED: u8 = 2;
const TAKEN_BACK: u8 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Thread {
    at: u8,
    /// What it read last.
    saw: u8,
    /// A message that is not seen by others yet.
    stored: bool,
    /// Messages to go.
    rest: u8,
    /// Whose store buffer is next to be emptied by this one's heavy fence.
    next: u8,
    /// How many rings there were when it announced itself.
    ticket: u8,
}

const RINGERS: usize = 2;
const THREADS: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct World {
    fenced: u8,
    parked: bool,
    rings: u8,
    /// Messages that all can see.
    messages: u8,
    /// Ringers first.
    threads: [Thread; THREADS],
}

// Where a ringer is.
const STORE: u8 = 0;
const LOOK_FENCED: u8 = 1;
const FENCE: u8 = 2;
const LOOK_PARKED: u8 = 3;
const RING: u8 = 4;
const TAKE_BACK: u8 = 5;
// Where a waiter is.
const ANNOUNCE: u8 = 10;
const LOOK_AGREED: u8 = 11;
const ASK: u8 = 12;
const HEAVY_FENCE: u8 = 13;
const AGREE: u8 = 14;
const LOOK: u8 = 15;
const ASLEEP: u8 = 16;
const DONE: u8 = 20;

impl World {
    fn new() -> World {
        let ringer = Thread { at: STORE, rest: 2, ..Thread::default() };
        let waiter = Thread { at: ANNOUNCE, ..Thread::default() };
        World { threads: [ringer, Thread { rest: 1, ..ringer }, waiter, waiter], ..World::default() }
    }

    /// Everybody sees what this one has stored.
    fn flush(&mut self, thread: usize) {
        if std::mem::take(&mut self.threads[thread].stored) {
            self.messages += 1;
        }
    }

    /// Whether all that one sees is a lost wake-up: nobody moves any more.
    fn is_lost(&self) -> bool {
        let asleep = self.threads[RINGERS..].iter().any(|waiter| waiter.at == ASLEEP);
        asleep && self.messages > 0
    }

    fn steps(&self, plant: Plant, found: &mut Vec<World>) {
        for index in 0..THREADS {
            if self.threads[index].stored {
                let mut world = *self;
                world.flush(index);
                found.push(world);
            }
            let before = found.len();
            if index < RINGERS {
                self.ringer(index, plant, found)
            } else {
                self.waiter(index, plant, found)
            }
            debug_assert!(found[before..].iter().all(|world| world != self));
        }
    }

    /// The world after one step, with the thread there.
    fn after(&self, index: usize, at: u8) -> World {
        let mut world = *self;
        world.threads[index].at = at;
        world
    }

    fn ringer(&self, index: usize, plant: Plant, found: &mut Vec<World>) {
        let thread = self.threads[index];
        let next = if thread.rest > 1 { STORE } else { DONE };
        match thread.at {
            STORE => {
                // A message that is not seen yet is seen before the next one; one fits in the buffer.
                let mut world = *self;
                world.flush(index);
                world.threads[index] = Thread { at: LOOK_FENCED, stored: true, ..world.threads[index] };
                if plant == Plant::WrongOrder {
                    world.threads[index].saw = u8::from(self.parked) << 7;
                }
                found.push(world);
            }
            LOOK_FENCED => {
                let fences = self.fenced & ASKED != 0;
                let mut world = self.after(index, if fences { FENCE } else { LOOK_PARKED });
                world.threads[index].saw = thread.saw & 0x80 | u8::from(fences);
                found.push(world);
            }
            FENCE => {
                let mut world = self.after(index, LOOK_PARKED);
                if plant != Plant::NoRealFence {
                    world.flush(index);
                }
                found.push(world);
            }
            LOOK_PARKED => {
                let parked = if plant == Plant::WrongOrder && thread.saw & 1 == 0 {
                    thread.saw & 0x80 != 0
                } else {
                    self.parked
                };
                if parked {
                    found.push(self.after(index, RING));
                    return;
                }
                let mut world = self.after(index, next);
                world.threads[index].rest -= 1;
                found.push(world);
                if thread.saw & 1 != 0 {
                    // It was in vain once too often.
                    world.threads[index] = Thread { at: TAKE_BACK, saw: self.fenced, ..world.threads[index] };
                    found.push(world);
                }
            }
            RING => {
                let mut world = self.after(index, next);
                world.threads[index].rest -= 1;
                world.flush(index);
                if world.parked {
                    world.parked = false;
                    world.rings += 1;
                    if let Some(sleeper) = world.threads.iter_mut().find(|thread| thread.at == ASLEEP) {
                        *sleeper = Thread { at: ANNOUNCE, ..Thread::default() };
                    }
                }
                found.push(world);
            }
            TAKE_BACK => {
                let mut world = self.after(index, if thread.rest > 0 { STORE } else { DONE });
                world.flush(index);
                if self.fenced == thread.saw && self.fenced & ASKED != 0 {
                    world.fenced = (self.fenced & !(ASKED | AGREED)) + TAKEN_BACK;
                }
                found.push(world);
            }
            _ => {}
        }
    }

    fn waiter(&self, index: usize, plant: Plant, found: &mut Vec<World>) {
        let thread = self.threads[index];
        match thread.at {
            ANNOUNCE => {
                let mut world = self.after(index, LOOK_AGREED);
                world.parked = true;
                world.threads[index].ticket = self.rings;
                found.push(world);
            }
            LOOK_AGREED => found.push(self.after(index, if self.fenced & AGREED != 0 { LOOK } else { ASK })),
            ASK => {
                let mut world = self.after(index, HEAVY_FENCE);
                world.fenced |= ASKED;
                world.threads[index].saw = world.fenced;
                world.threads[index].next = 0;
                found.push(world);
            }
            HEAVY_FENCE => {
                let mut world = *self;
                if plant != Plant::NoHeavyFence {
                    world.flush(thread.next.into());
                }
                world.threads[index].next += 1;
                if usize::from(thread.next) + 1 == RINGERS {
                    world.threads[index].at = AGREE;
                }
                found.push(world);
            }
            AGREE => {
                let mut world = self.after(index, LOOK);
                if self.fenced == thread.saw || plant == Plant::NoCount {
                    world.fenced |= AGREED;
                }
                found.push(world);
            }
            LOOK => {
                let mut world = self.after(index, if self.rings == thread.ticket { ASLEEP } else { ANNOUNCE });
                if self.messages > 0 {
                    // It takes them all, and waits again or not.
                    world.messages = 0;
                    world.threads[index] = Thread { at: DONE, ..Thread::default() };
                    found.push(world);
                    world.threads[index].at = ANNOUNCE;
                }
                found.push(world);
            }
            _ => {}
        }
    }
}

/// How many states there are, and whether a wake-up is lost in any, at which it stops.
fn search(plant: Plant) -> (usize, bool) {
    let (mut seen, mut todo, mut found) = (HashSet::from([World::new()]), vec![World::new()], Vec::new());
    while let Some(world) = todo.pop() {
        world.steps(plant, &mut found);
        if found.is_empty() && world.is_lost() {
            return (seen.len(), true);
        }
        todo.extend(found.drain(..).filter(|next| seen.insert(*next)));
    }
    (seen.len(), false)
}

#[test]
fn no_wake_up_is_lost_however_late_stores_are_seen() {
    let (states, lost) = search(Plant::Nothing);
    assert!(!lost, "in one of {states} states");
    assert!(states > 10_000, "{states} states are few");
}

#[test]
fn each_step_that_is_left_out_is_missed() {
    for (plant, what) in [
        (Plant::NoHeavyFence, "the heavy fence"),
        (Plant::NoRealFence, "the real fence"),
        (Plant::NoCount, "the count"),
        (Plant::WrongOrder, "the order of looking"),
    ] {
        assert!(search(plant).1, "{what} was left out, and no wake-up was lost");
    }
}
