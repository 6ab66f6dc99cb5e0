//! A small machine in which nothing happens by chance: processors, threads, a clock, channels.
//!
//! Each simulated thread is a real one, whose code is plain Rust and calls [`super::wait`]. Of all of
//! them only one runs at a time: the one whose turn it is in simulated time. Whatever takes time is a call of
//! [`Thread::spend`], [`Thread::watch`], [`Thread::doze`] or [`Thread::sleep`]; it says what the thread is going to do, and
//! goes through the events up to the first one that lets some thread go on. Threads that want a processor and have
//! none queue for one, and lose it at the end of their slice if others queue.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

mod site;

pub(super) use site::{Ends, Line};

/// What things cost, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    /// A turn of the spin loop.
    pub(super) look: u64,
    /// A cache line that another processor has written to.
    pub(super) line: u64,
    /// From a ring until the waiter runs, if a processor is free.
    pub(super) wake: u64,
    /// The processor time of a ring that wakes somebody, of falling asleep, and of getting up.
    pub(super) call: u64,
    /// Reading the clock.
    pub(super) clock: u64,
    /// What a call of the channel takes apart from its lines.
    pub(super) work: u64,
    /// How long a thread keeps its processor while others queue for it.
    pub(super) slice: u64,
}

impl Default for Prices {
    fn default() -> Self {
        Prices { look: 20, line: 60, wake: 7_000, call: 1_000, clock: 10, work: 30, slice: 3_000_000 }
    }
}

/// What a thread is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doing {
    /// Needs a processor for so long; or until the line changes that it watches.
    Work {
        left: u64,
        watches: Option<usize>,
    },
    /// Wants no processor until then. Behind a bell: may be rung before.
    Sleep {
        until: u64,
        bell: Option<usize>,
    },
    Ended,
}

struct State {
    now: u64,
    prices: Prices,
    threads: Vec<Thrd>,
    /// Who runs on each processor, since when it had the right to, and who ran there last.
    processors: Vec<Processor>,
    queue: VecDeque<usize>,
    lines: Vec<u64>,
    bells: Vec<Bell>,
    turn: Option<usize>,
}

struct Thrd {
    doing: Doing,
    on: Option<usize>,
    /// The only processor it may run on.
    pinned: Option<usize>,
    /// Processor time so far.
    used: u64,
    /// Time that passed since its last event: small things, which become part of the next one.
    debt: u64,
    /// Whether it was rung.
    rung: bool,
    /// How often it fell asleep behind a bell.
    sleeps: u64,
    /// What its clock shows too much, in nanoseconds.
    skew: u64,
}

#[derive(Default)]
struct Processor {
    running: Option<usize>,
    slice_ends: u64,
    last: Option<usize>,
}

#[derive(Default, Clone)]
struct Bell {
    parked: bool,
    rings: u64,
    rung_at: u32,
    sleepers: VecDeque<usize>,
}

/// The machine.
pub(super) struct Machine {
    state: Mutex<State>,
    turns: Vec<Condvar>,
}

/// A simulated thread, as its own code sees it.
#[derive(Clone, Copy)]
pub(super) struct Thread<'a> {
    machine: &'a Machine,
    index: usize,
}

/// A thread's code, and where it may run.
pub(super) struct Code<'a> {
    pub(super) run: Box<dyn FnOnce(Thread<'_>) + Send + 'a>,
    pub(super) pinned: Option<usize>,
    pub(super) skew: u64,
}

impl<'a> Code<'a> {
    pub(super) fn new(run: impl FnOnce(Thread<'_>) + Send + 'a) -> Self {
        Code { run: Box::new(run), pinned: None, skew: 0 }
    }

    pub(super) fn on(mut self, processor: Option<usize>) -> Self {
        self.pinned = processor;
        self
    }

    pub(super) fn with_skew(mut self, skew: u64) -> Self {
        self.skew = skew;
        self
    }
}

/// What came of it: how long it took, and for each thread its processor time and how often it slept.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) took: u64,
    pub(super) used: Vec<u64>,
    pub(super) sleeps: Vec<u64>,
}

/// Runs the threads on a machine with so many processors, until all have ended.
pub(super) fn run(processors: usize, prices: Prices, codes: Vec<Code<'_>>) -> Outcome {
    let thread = |code: &Code<'_>| Thrd {
        doing: Doing::Work { left: 0, watches: None },
        on: None,
        pinned: code.pinned,
        used: 0,
        debt: 0,
        rung: false,
        sleeps: 0,
        skew: code.skew,
    };
    let state = State {
        now: 1_000_000,
        prices,
        threads: codes.iter().map(thread).collect(),
        processors: (0..processors).map(|_| Processor::default()).collect(),
        queue: (0..codes.len()).collect(),
        lines: vec![0; 64],
        bells: vec![Bell::default(); 64],
        turn: None,
    };
    let machine = Machine { turns: codes.iter().map(|_| Condvar::new()).collect(), state: Mutex::new(state) };
    let begun = machine.lock().now;
    std::thread::scope(|scope| {
        for (index, code) in codes.into_iter().enumerate() {
            let thread = Thread { machine: &machine, index };
            scope.spawn(move || {
                thread.wait_for_turn(thread.machine.lock());
                (code.run)(thread);
                thread.end();
            });
        }
        machine.pass_turn(&mut machine.lock());
    });
    let state = machine.lock();
    Outcome {
        took: state.now - begun,
        used: state.threads.iter().map(|thread| thread.used).collect(),
        sleeps: state.threads.iter().map(|thread| thread.sleeps).collect(),
    }
}

impl Machine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets the first thread go on whose turn comes.
    fn pass_turn(&self, state: &mut State) {
        state.turn = state.advance();
        if let Some(next) = state.turn {
            self.turns[next].notify_one();
        }
    }
}

impl State {
    /// Goes through the events until some thread is done with what it was about.
    fn advance(&mut self) -> Option<usize> {
        loop {
            self.assign();
            let running = |state: &State| state.processors.iter().filter_map(|p| p.running).collect::<Vec<_>>();
            for thread in running(self) {
                if let Doing::Work { left: 0, .. } = self.threads[thread].doing {
                    return Some(thread);
                }
            }
            let next = self.next_event()?;
            let passed = next - self.now;
            self.now = next;
            for thread in running(self) {
                let thread = &mut self.threads[thread];
                thread.used += passed;
                if let Doing::Work { left, .. } = &mut thread.doing {
                    *left -= passed;
                }
            }
            for index in 0..self.threads.len() {
                if let Doing::Sleep { until, bell } = self.threads[index].doing
                    && until <= self.now
                {
                    if let Some(bell) = bell {
                        self.bells[bell].sleepers.retain(|sleeper| *sleeper != index);
                    }
                    self.get_up(index);
                }
            }
            self.preempt();
        }
    }

    fn get_up(&mut self, thread: usize) {
        self.threads[thread].doing = Doing::Work { left: self.prices.call, watches: None };
        self.queue.push_back(thread);
    }

    /// Gives idle processors to those who queue.
    fn assign(&mut self) {
        for index in 0..self.processors.len() {
            if self.processors[index].running.is_some() {
                continue;
            }
            let may = |thread: &usize| self.threads[*thread].pinned.is_none_or(|pinned| pinned == index);
            // Where it ran last, if it can.
            let last = self.processors[index].last;
            let place = self.queue.iter().position(|thread| Some(*thread) == last && may(thread));
            let Some(place) = place.or_else(|| self.queue.iter().position(may)) else { continue };
            let Some(thread) = self.queue.remove(place) else { continue };
            let processor = &mut self.processors[index];
            if processor.last != Some(thread)
                && let Doing::Work { left, .. } = &mut self.threads[thread].doing
            {
                *left += self.prices.call;
            }
            (processor.running, processor.last) = (Some(thread), Some(thread));
            processor.slice_ends = self.now + self.prices.slice;
            self.threads[thread].on = Some(index);
        }
    }

    fn has_rival(&self, processor: usize) -> bool {
        self.queue.iter().any(|thread| self.threads[*thread].pinned.is_none_or(|pinned| pinned == processor))
    }

    fn preempt(&mut self) {
        for index in 0..self.processors.len() {
            if let Some(thread) = self.processors[index].running
                && self.processors[index].slice_ends <= self.now
                && self.has_rival(index)
            {
                self.processors[index] = Processor::default();
                self.threads[thread].on = None;
                self.queue.push_back(thread);
            }
        }
    }

    fn next_event(&self) -> Option<u64> {
        let ends = self.processors.iter().enumerate().flat_map(|(index, processor)| {
            let thread = processor.running?;
            let Doing::Work { left, .. } = self.threads[thread].doing else { return None };
            let done = self.now + left;
            Some(if self.has_rival(index) { done.min(processor.slice_ends.max(self.now + 1)) } else { done })
        });
        let wakes = self.threads.iter().filter_map(|thread| match thread.doing {
            Doing::Sleep { until, .. } => Some(until),
            _ => None,
        });
        ends.chain(wakes).min().map(|next| next.max(self.now))
    }

    fn leave_processor(&mut self, thread: usize) {
        if let Some(processor) = self.threads[thread].on.take() {
            self.processors[processor].running = None;
        }
    }
}

impl Thread<'_> {
    fn wait_for_turn(self, mut state: MutexGuard<'_, State>) {
        while state.turn != Some(self.index) {
            state = self.machine.turns[self.index].wait(state).unwrap();
        }
    }

    /// Does something that takes time.
    fn go(self, mut state: MutexGuard<'_, State>, doing: Doing) {
        state.threads[self.index].doing = doing;
        if let Doing::Sleep { .. } = doing {
            state.leave_processor(self.index);
        }
        self.machine.pass_turn(&mut state);
        self.wait_for_turn(state);
    }

    fn end(self) {
        let mut state = self.machine.lock();
        state.threads[self.index].doing = Doing::Ended;
        state.leave_processor(self.index);
        self.machine.pass_turn(&mut state);
    }

    /// The moment, in nanoseconds.
    pub(super) fn time(self) -> u64 {
        let state = self.machine.lock();
        state.now + state.threads[self.index].debt
    }

    pub(super) fn prices(self) -> Prices {
        self.machine.lock().prices
    }

    /// A reading of the thread's clock, in nanoseconds.
    fn clock(self) -> u64 {
        let mut state = self.machine.lock();
        let (now, price) = (state.now, state.prices.clock);
        let thread = &mut state.threads[self.index];
        thread.debt += price;
        now.wrapping_add(thread.debt).wrapping_add(thread.skew)
    }

    /// Uses the processor for so long.
    pub(super) fn spend(self, nanos: u64) {
        let mut state = self.machine.lock();
        let debt = std::mem::take(&mut state.threads[self.index].debt);
        self.go(state, Doing::Work { left: nanos + debt, watches: None });
    }

    /// Uses the processor so briefly that nobody could tell.
    fn spend_later(self, nanos: u64) {
        self.machine.lock().threads[self.index].debt += nanos;
    }

    /// Wants no processor for so long.
    pub(super) fn doze(self, nanos: u64) {
        self.spend(0);
        let state = self.machine.lock();
        let until = state.now + nanos;
        self.go(state, Doing::Sleep { until, bell: None });
    }

    fn line(self, line: usize) -> u64 {
        self.machine.lock().lines[line]
    }

    /// Changes a line, for those who watch it to see.
    fn change(self, line: usize) {
        let mut state = self.machine.lock();
        state.lines[line] += 1;
        let price = state.prices.line;
        for thread in &mut state.threads {
            if let Doing::Work { left, watches } = &mut thread.doing
                && *watches == Some(line)
            {
                // The look that finds it gone takes until it has come.
                *left = price;
                *watches = None;
            }
        }
    }

    /// Watches a line that was as `seen` for at most so many looks. How many it took, and whether it changed.
    fn watch(self, line: usize, seen: u64, looks: u32) -> (u32, bool) {
        self.spend(0);
        let state = self.machine.lock();
        let look = state.prices.look;
        if state.lines[line] != seen {
            drop(state);
            self.spend(self.prices().line);
            return (1, true);
        }
        let before = state.threads[self.index].used;
        self.go(state, Doing::Work { left: u64::from(looks) * look, watches: Some(line) });
        let state = self.machine.lock();
        let used = state.threads[self.index].used - before;
        ((used / look).clamp(1, looks.into()) as u32, state.lines[line] != seen)
    }

    // ---- bells ---------------------------------------------------------------------------------------------------

    fn announce(self, bell: usize) -> u64 {
        let mut state = self.machine.lock();
        state.bells[bell].parked = true;
        state.bells[bell].rings
    }

    /// Sleeps until the bell rings, if it has not since the ticket was given. True if it was rung.
    fn sleep(self, bell: usize, ticket: u64, nanos: u64) -> bool {
        self.spend(self.prices().call);
        let mut state = self.machine.lock();
        if state.bells[bell].rings != ticket {
            return false;
        }
        state.threads[self.index].rung = false;
        state.threads[self.index].sleeps += 1;
        state.bells[bell].sleepers.push_back(self.index);
        let until = state.now + nanos;
        self.go(state, Doing::Sleep { until, bell: Some(bell) });
        self.machine.lock().threads[self.index].rung
    }

    /// Wakes one who sleeps, if any may.
    fn ring(self, bell: usize, stamp: u32) {
        let mut state = self.machine.lock();
        if !state.bells[bell].parked {
            return;
        }
        let (now, prices) = (state.now, state.prices);
        let rung = &mut state.bells[bell];
        (rung.parked, rung.rung_at) = (false, stamp);
        rung.rings += 1;
        let Some(sleeper) = rung.sleepers.pop_front() else { return };
        // What it takes to get up is part of the wake-up.
        let until = now + prices.wake.saturating_sub(2 * prices.call);
        state.threads[sleeper].rung = true;
        state.threads[sleeper].doing = Doing::Sleep { until, bell: None };
        drop(state);
        self.spend(prices.call);
    }

    fn rung_at(self, bell: usize) -> u32 {
        self.machine.lock().bells[bell].rung_at
    }
}
