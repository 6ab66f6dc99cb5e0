//! Channels of the simulated machine.

use std::sync::Mutex;
use std::time::Duration;

use super::Thread;
use crate::error::Result;
use crate::ring::Room;
use crate::spin::clock::Clock;
use crate::spin::{Machine, SpinBudget, Wait};
use crate::wait_loop::Site;

/// A channel.
pub(crate) struct Line {
    index: usize,
    capacity: u64,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// When each message was sent that was not received yet.
    sent: std::collections::VecDeque<u64>,
    received: u64,
    /// A receiver has looked at the slot that is written to next.
    on_heels: bool,
}

impl Line {
    /// The channel of this number, from 0.
    pub(crate) fn new(index: usize, capacity: u64) -> Self {
        Line { index, capacity, inside: Mutex::default() }
    }

    /// The line and the bell of those who wait for a message; the next ones are of those who wait for room.
    fn at(&self, receiving: bool) -> usize {
        2 * self.index + usize::from(!receiving)
    }
}

/// Both ends of a channel, as a process has them.
pub(crate) struct Ends<'a> {
    line: &'a Line,
    how: Wait,
    budgets: [SpinBudget; 2],
}

impl<'a> Ends<'a> {
    pub(crate) fn new(line: &'a Line, how: Wait) -> Self {
        // Of a process of its own. Leaked: a few hundred bytes for each test.
        let machine = Box::leak(Box::new(Machine::new()));
        Ends { line, how, budgets: [SpinBudget::new(machine), SpinBudget::new(machine)] }
    }

    /// Sends a message. Says when it was sent.
    pub(crate) fn send(&self, thread: Thread<'_>) -> u64 {
        let mut site = self.site(thread, false, None);
        let sent = match site.attempt(Room::Any) {
            Ok(Some(sent)) => sent,
            _ => crate::wait_loop::wait(&mut site, self.how, &self.budgets[1]).unwrap(),
        };
        site.ring_other();
        sent
    }

    /// Receives a message. Says when it was sent.
    pub(crate) fn recv(&self, thread: Thread<'_>) -> u64 {
        self.recv_within(thread, None).unwrap()
    }

    /// Receives a message, if one comes within so many nanoseconds.
    pub(crate) fn recv_within(&self, thread: Thread<'_>, nanos: Option<u64>) -> Result<u64> {
        let mut site = self.site(thread, true, nanos.map(|nanos| thread.time() + nanos));
        let sent = match site.attempt(Room::Any) {
            Ok(Some(sent)) => sent,
            _ => crate::wait_loop::wait(&mut site, self.how, &self.budgets[0])?,
        };
        site.ring_other();
        Ok(sent)
    }

    fn site<'b>(&'b self, thread: Thread<'b>, receiving: bool, deadline: Option<u64>) -> LineSite<'b> {
        let budget = &self.budgets[usize::from(!receiving)];
        LineSite { line: self.line, thread, receiving, deadline, budget, clock: ThreadClock(thread), seen: 0 }
    }
}

struct LineSite<'a> {
    line: &'a Line,
    thread: Thread<'a>,
    receiving: bool,
    deadline: Option<u64>,
    budget: &'a SpinBudget,
    clock: ThreadClock<'a>,
    /// The line that was watched, at the last attempt.
    seen: u64,
}

/// The clock of a thread: 2.5 ticks a nanosecond.
struct ThreadClock<'a>(Thread<'a>);

impl Clock for ThreadClock<'_> {
    fn now(&self) -> u64 {
        self.0.clock().wrapping_mul(5) / 2
    }

    fn nanos(&self, ticks: u64) -> u64 {
        ticks / 5 * 2
    }

    fn ticks(&self, nanos: u64) -> u64 {
        nanos.saturating_mul(5) / 2
    }
}

impl LineSite<'_> {
    fn send(&self) -> Option<u64> {
        let (thread, prices) = (self.thread, self.thread.prices());
        let (full, on_heels) = {
            let inside = self.line.inside.lock().unwrap();
            (inside.sent.len() as u64 >= self.line.capacity, inside.on_heels)
        };
        if full {
            thread.spend_later(prices.work);
            return None;
        }
        // Lines that nobody looks at come while others are worked on.
        thread.spend(prices.work + if on_heels { prices.line } else { prices.line / 4 });
        let now = thread.time();
        let mut inside = self.line.inside.lock().unwrap();
        // Somebody else may have been faster.
        if inside.sent.len() as u64 >= self.line.capacity {
            return None;
        }
        inside.sent.push_back(now);
        inside.on_heels = false;
        drop(inside);
        thread.change(self.line.at(true));
        Some(now)
    }

    fn receive(&self) -> Option<u64> {
        let (thread, prices) = (self.thread, self.thread.prices());
        let mut inside = self.line.inside.lock().unwrap();
        if inside.sent.is_empty() {
            inside.on_heels = true;
            drop(inside);
            thread.spend_later(prices.work);
            return None;
        }
        drop(inside);
        thread.spend(prices.work + prices.line / 4);
        let mut inside = self.line.inside.lock().unwrap();
        let sent = inside.sent.pop_front()?;
        inside.received += 1;
        drop(inside);
        thread.change(self.line.at(false));
        Some(sent)
    }

    /// Wakes one who waits at the other end, if there may be any.
    fn ring_other(&self) {
        self.thread.ring(self.line.at(!self.receiving), self.clock.now() as u32);
    }

    fn here(&self) -> usize {
        self.line.at(self.receiving)
    }
}

impl<'b> Site for LineSite<'b> {
    type Found = u64;
    type Clock = ThreadClock<'b>;
    type Ticket = u64;

    fn clock(&self) -> &ThreadClock<'b> {
        &self.clock
    }

    fn attempt(&mut self, _: Room) -> Result<Option<u64>> {
        self.seen = self.thread.line(self.here());
        Ok(if self.receiving { self.receive() } else { self.send() })
    }

    fn look(&mut self, looks: u32) -> (u32, bool) {
        self.thread.watch(self.here(), self.seen, looks)
    }

    fn look_and_time(&mut self, looks: u32) -> (u32, bool, Option<u64>) {
        let (looked, changed) = self.look(looks);
        (looked, changed, changed.then(|| self.thread.prices().line))
    }

    fn is_receiving(&self) -> bool {
        self.receiving
    }

    fn received(&self) -> u64 {
        self.line.inside.lock().unwrap().received
    }

    fn hold_back(&mut self, nanos: u64) {
        let most = self.line.capacity * self.budget.nanos_of(1) / 24;
        self.thread.spend(nanos.min(most));
    }

    fn time_left(&self) -> Option<Duration> {
        match self.deadline {
            None => Some(Duration::MAX),
            Some(deadline) => {
                let left = deadline.saturating_sub(self.thread.time());
                (left > 0).then(|| Duration::from_nanos(left))
            }
        }
    }

    fn look_while_spinning(&mut self) {}

    fn announce(&mut self) -> u64 {
        self.thread.announce(self.here())
    }

    fn sleep(&mut self, ticket: u64, limit: Duration) -> bool {
        self.thread.sleep(self.here(), ticket, limit.as_nanos() as u64)
    }

    fn pass_on(&mut self) {
        self.thread.announce(self.here());
    }

    fn rung(&self) -> u32 {
        self.thread.rung_at(self.here())
    }

    fn ring_for_rest(&mut self) {
        let inside = self.line.inside.lock().unwrap();
        let left =
            if self.receiving { !inside.sent.is_empty() } else { (inside.sent.len() as u64) < self.line.capacity };
        drop(inside);
        if left {
            self.thread.ring(self.here(), self.clock.now() as u32);
        }
    }
}
