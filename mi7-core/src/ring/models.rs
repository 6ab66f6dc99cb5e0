//! The ring and the bells under loom: every order in which threads can come, and every value a load may see.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p mi7-core --lib
//! ```
//!
//! A process is a thread here, and a message a number in loom's `UnsafeCell`, so that whoever reads it while it is written, or
//! without having the write before it, is caught. A thread can die at each fault point of the ring ([`reached`]): it unwinds
//! from there, having nothing that a destructor would mend, and is then marked dead, which is what the kernel does by letting
//! go of a lock. Attempts are counted rather than repeated until they succeed, but for the models of waiting; what is left
//! the main thread receives in the end, and keeps accounts ([`World::settle`]).
//!
//! Each model names the most preemptions of an execution that it looks at: two for most, three where there are few threads,
//! one where loads alone make many executions. (A preemption takes the turn from a thread that could go on; turns that pass at the
//! end of a thread, at a wait or at a yield are not counted, and what a load may see is never bounded.) So all of them take
//! less than two minutes on two cores. `LOOM_MAX_PREEMPTIONS=3`, or 4, searches wider, for hours; one model at a time is best:
//!
//! ```text
//! LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg loom" cargo test --release -p mi7-core --lib -- --nocapture NAME
//! ```
//!
//! `tests/planted.sh` plants bugs in the ring, and says which model finds each.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicBool;
use loom::thread::{self, JoinHandle};

use super::*;

mod biased;
mod deaths;
mod linear;
mod living;
mod waiting;

const A: Owner = Owner(1);
const B: Owner = Owner(2);
const C: Owner = Owner(3);
const MAIN: Owner = Owner(4);

/// A channel on the heap, and who of its participants is dead.
struct World {
    ring: Ring,
    cells: Box<[UnsafeCell<u64>]>,
    dead: [AtomicBool; 4],
    /// Whose entries have been given back, after somebody recovered all they had: nobody does so again.
    recovered: [AtomicBool; 4],
    /// The doorbells of two runtimes.
    fifos: [waiting::Fifo; 2],
    // What the ring points to.
    _shared: Box<Shared>,
    _marks: Box<[AtomicU64]>,
    slots: Box<[AtomicU64]>,
}

// SAFETY: the cells are only touched by whoever holds the slot, which is what loom is here to check.
unsafe impl Send for World {}
// SAFETY: as for Send.
unsafe impl Sync for World {}

impl World {
    fn new(capacity: u32) -> Arc<World> {
        let positions = Positions::new(capacity);
        let shared = Shared::starting_at(0);
        let words = || (0..capacity).map(|_| AtomicU64::new(0)).collect::<Box<[_]>>();
        let (marks, slots) = (words(), words());
        // SAFETY: all of it lives as long as the ring, and is made of atomics.
        let ring = unsafe {
            Ring::new(
                NonNull::from(&*shared),
                NonNull::from(&*marks).cast(),
                NonNull::from(&*slots).cast(),
                size_of::<AtomicU64>(),
                positions,
            )
        };
        let cells = (0..capacity).map(|_| UnsafeCell::new(0)).collect();
        let nobody = || [(); 4].map(|()| AtomicBool::new(false));
        let fifos = [waiting::Fifo::new(), waiting::Fifo::new()];
        Arc::new(World {
            ring,
            cells,
            dead: nobody(),
            recovered: nobody(),
            fifos,
            _shared: shared,
            _marks: marks,
            slots,
        })
    }

    fn is_dead(&self, owner: Owner) -> bool {
        // Acquire, as the kernel's locks are.
        owner
            .entry()
            .and_then(|entry| self.dead.get(usize::from(entry)))
            .is_some_and(|dead| dead.load(Ordering::Acquire))
    }

    /// What a thread does with the channel.
    fn hand(self: &Arc<World>, me: Owner) -> Hand {
        Hand { world: Arc::clone(self), me, sent: 0, received: 0, log: Log::default() }
    }

    /// A thread that takes part, and dies at a fault point if it is doomed to.
    fn act(self: &Arc<World>, me: Owner, doom: Option<Doom>, body: impl FnOnce(&mut Hand) + Send + 'static) -> Actor {
        let mut hand = self.hand(me);
        thread::spawn(move || {
            DOOM.with(|cell| cell.set(doom));
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(&mut hand))) {
                match panic.downcast::<Death>() {
                    Ok(death) => {
                        hand.log.died = Some(death.0);
                        hand.world.leave_busy(death.0);
                        hand.world.dead[usize::from(me.0) - 1].store(true, Ordering::Release);
                    }
                    Err(panic) => resume_unwind(panic),
                }
            }
            DOOM.with(|cell| cell.set(None));
            hand.log
        })
    }

    /// Who dies by a signal runs no destructor, and so stays busy; who unwinds does not.
    fn leave_busy(&self, died: &'static str) {
        let (claims, bias) = match died {
            "tail stored" => (&self.ring.shared().tail.0, self.ring.tail_bias()),
            "head stored" | "lease recorded by its holder" | "head stored in a run" => {
                (&self.ring.shared().head.0, self.ring.head_bias())
            }
            _ => return,
        };
        // It may have been revoked meanwhile, and still be waited for; but not cleared, or nobody waits for it.
        let word = bias.word.load(Ordering::Acquire);
        claims.busy.store(word & !(1 << 8), Ordering::Release);
    }

    /// Mends what the dead left, receives the rest, and looks whether everything came to be what it has to be.
    fn settle(self: &Arc<World>, mut logs: Vec<Log>) -> Vec<u64> {
        let mut hand = self.hand(MAIN);
        hand.reap();
        while hand.receive().is_ok() {}
        let rest = hand.log.got.clone();
        logs.push(std::mem::take(&mut hand.log));
        let done = |value| logs.iter().flat_map(|log| &log.got).filter(|got| **got == value).count();
        for log in &logs {
            for value in &log.acked {
                // Who died just after letting go of it did receive it.
                let released = |log: &Log| log.holding == Some(*value) && log.died == Some("message released");
                let silently = logs.iter().filter(|log| released(log)).count();
                assert_eq!(done(*value) + silently, 1, "{value} was sent: {logs:?}");
            }
            for value in &log.got {
                let sent = |log: &Log| log.acked.contains(value) || log.sending == Some(*value);
                assert!(logs.iter().any(sent), "{value} was not sent: {logs:?}");
                assert_eq!(done(*value), 1, "{value} was done twice: {logs:?}");
            }
            let excused = logs.iter().any(|log| log.died.is_some() || log.put_back);
            assert!(excused || log.deliveries == 0, "nobody died, and a message came again: {logs:?}");
        }
        // And all goes on as if nothing had been.
        if !self.ring.tail().is_closed() {
            let again: Vec<u64> = (0..self.ring.positions.capacity()).map(|more| 1000 + u64::from(more)).collect();
            for value in &again {
                let sent = hand.send(*value);
                assert_eq!(sent, Ok(()), "there is room: {logs:?}, {self:?}");
            }
            assert_eq!(hand.send(0), Err(Blocked::Full));
            let received: Vec<_> = again.iter().map(|_| hand.receive().expect("there are messages")).collect();
            assert_eq!(received, again);
        }
        assert_eq!(hand.receive(), Err(Blocked::Empty));
        assert_eq!(self.ring.head().position(), self.ring.tail().position());
        for slot in &self.slots {
            assert_eq!(Word(slot.load(Ordering::Relaxed)).phase(), Phase::Free);
        }
        rest
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.slots.iter().map(|slot| Word(slot.load(Ordering::Relaxed))).collect();
        write!(f, "tail {:?}, head {:?}, {words:?}", self.ring.tail(), self.ring.head())
    }
}

/// What a thread knows of its doings, and what is left when it dies.
#[derive(Default, Clone, Debug)]
struct Log {
    /// Sent for certain.
    acked: Vec<u64>,
    /// Being sent.
    sending: Option<u64>,
    /// Received and done with.
    got: Vec<u64>,
    /// Held.
    holding: Option<u64>,
    /// The most earlier deliveries a message had.
    deliveries: u32,
    put_back: bool,
    /// Where it died.
    died: Option<&'static str>,
}

type Actor = JoinHandle<Log>;

fn join<const N: usize>(actors: [Actor; N]) -> Vec<Log> {
    actors.into_iter().map(|actor| actor.join().unwrap()).collect()
}

/// One participant: what a handle of a channel does, on the ring itself.
struct Hand {
    world: Arc<World>,
    me: Owner,
    /// The counters of the last claims that were settled.
    sent: u64,
    received: u64,
    log: Log,
}

impl Hand {
    fn claim(&mut self) -> Result<Claim, Blocked> {
        let claim = self.world.ring.claim(self.me, self.sent, Room::Any, &|owner| self.world.is_dead(owner));
        assert!(!matches!(claim, Err(Blocked::Corrupt(_))), "{claim:?}");
        claim
    }

    fn publish(&mut self, claim: &Claim, value: u64) {
        self.log.sending = Some(value);
        // SAFETY: loom checks that nobody else is at it.
        self.world.cells[claim.index as usize].with_mut(|cell| unsafe { *cell = value });
        self.world.ring.publish(claim);
        self.sent = claim.counter;
        self.log.sending = None;
        self.log.acked.push(value);
    }

    fn give_up(&mut self, claim: &Claim) {
        self.world.ring.give_up(claim);
        self.sent = claim.counter;
        // As `Channel::give_up` does, less the bias of `head`.
        self.world.ring.step_across();
        self.world.ring.hint_given_up(claim.position);
    }

    fn send(&mut self, value: u64) -> Result<(), Blocked> {
        let claim = self.claim()?;
        self.publish(&claim, value);
        Ok(())
    }

    fn lease(&mut self) -> Result<Lease, Blocked> {
        let lease = self.world.ring.lease(self.me, self.received, &|owner| self.world.is_dead(owner));
        assert!(!matches!(lease, Err(Blocked::Corrupt(_))), "{lease:?}");
        let lease = lease?;
        self.log.deliveries = self.log.deliveries.max(lease.deliveries);
        Ok(lease)
    }

    fn read(&mut self, lease: &Lease) -> u64 {
        // SAFETY: loom checks that nobody writes it.
        let value = self.world.cells[lease.index as usize].with(|cell| unsafe { *cell });
        self.log.holding = Some(value);
        value
    }

    fn release(&mut self, lease: &Lease) -> u64 {
        let value = self.read(lease);
        self.world.ring.release(lease);
        if lease.counter != 0 {
            self.received = lease.counter;
        }
        self.log.holding = None;
        self.log.got.push(value);
        value
    }

    fn put_back(&mut self, lease: &Lease) {
        self.log.put_back = true;
        self.world.ring.put_back(lease);
    }

    fn receive(&mut self) -> Result<u64, Blocked> {
        let lease = self.lease()?;
        Ok(self.release(&lease))
    }

    /// Sends these, as far as there is room at the time.
    fn try_sends(&mut self, values: &[u64]) {
        for value in values {
            let _ = self.send(*value);
        }
    }

    /// Receives as often, as far as there are messages at the time.
    fn try_receives(&mut self, times: u32) {
        for _ in 0..times {
            let _ = self.receive();
        }
    }

    fn recover(&mut self, owner: Owner) {
        self.world.ring.recover(owner, &|owner| self.world.is_dead(owner)).unwrap();
        self.world.recovered[usize::from(owner.0) - 1].store(true, Ordering::Release);
    }

    /// What everybody does now and then.
    fn reap(&mut self) {
        for owner in [A, B, C] {
            let recovered = self.world.recovered[usize::from(owner.0) - 1].load(Ordering::Acquire);
            if owner != self.me && !recovered && self.world.is_dead(owner) {
                self.recover(owner);
            }
        }
    }
}

/// Where a thread is to die, and at which passing.
type Doom = (&'static str, u32);

/// What a dying thread unwinds with.
struct Death(&'static str);

loom::thread_local! {
    static DOOM: std::cell::Cell<Option<Doom>> = std::cell::Cell::new(None);
}

std::thread_local! {
    /// Deaths, over all executions of a model: loom runs them all in the thread that asks for it.
    static DEATHS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A thread passes a fault point.
pub(crate) fn reached(name: &'static str) {
    let dies = DOOM.with(|cell| match cell.get() {
        Some((doomed, passing)) if doomed == name => {
            cell.set(Some((doomed, passing - 1)).filter(|_| passing > 1));
            passing == 1
        }
        _ => false,
    });
    if dies {
        DEATHS.set(DEATHS.get() + 1);
        resume_unwind(Box::new(Death(name)));
    }
}

/// Runs a model in every order that has no more preemptions than this, or than `LOOM_MAX_PREEMPTIONS` says.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 50_000;
    let begun = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    eprintln!("{} executions in {:.1?}", executions.load(std::sync::atomic::Ordering::Relaxed), begun.elapsed());
}
