//! Waking tasks when something arrives, under any executor: one thread waits for all the tasks of a queue.
//!
//! The thread never takes a message. It sleeps as a receiver would, and when it is rung wakes all the tasks that wait; each
//! of them tries to receive, and registers again if it comes away with nothing. Nothing is lost with a task that is
//! dropped in between, since the thread holds nothing; but the ring it was woken by is spent, so the thread, before it
//! sleeps again or ends, looks whether a message is still there and passes the ring on.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use mi7_core::Channel;

/// The thread ends when no task has waited for as long.
const IDLE: Duration = Duration::from_secs(1);
/// The longest the thread waits for the channel without looking whether its tasks are still there.
const LONGEST: Duration = Duration::from_secs(1);
/// How long the thread leaves a message to the tasks it woke for it, before it rings for others.
const GRACE: Duration = Duration::from_millis(1);

/// The tasks that wait for one channel.
pub(crate) struct Arrivals {
    channel: Arc<Channel>,
    waiting: Mutex<Waiting>,
    /// Rung when a task comes to an idle thread.
    come: Condvar,
    /// A task came that has an earlier deadline than the thread sleeps for.
    hurry: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    tasks: BTreeMap<u64, (Waker, Option<Instant>)>,
    next: u64,
    /// The thread is there, and until when it sleeps.
    thread: Option<Instant>,
}

impl Arrivals {
    pub(crate) fn new(channel: &Arc<Channel>) -> Arc<Self> {
        Arc::new(Arrivals {
            channel: Arc::clone(channel),
            waiting: Mutex::default(),
            come: Condvar::new(),
            hurry: AtomicBool::new(false),
        })
    }

    /// Done when something may have arrived, or at the deadline.
    pub(crate) fn next(this: &Arc<Self>, deadline: Option<Instant>) -> Arrival {
        Arrival { arrivals: Arc::clone(this), deadline, ticket: None }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // What a panicking thread could leave half done here is a waker more or less.
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn register(this: &Arc<Self>, waker: &Waker, deadline: Option<Instant>) -> u64 {
        let mut waiting = this.lock();
        let ticket = waiting.next;
        waiting.next += 1;
        waiting.tasks.insert(ticket, (waker.clone(), deadline));
        match waiting.thread {
            // It would sleep too long for this one.
            Some(until) if deadline.is_some_and(|deadline| deadline < until) => {
                drop(waiting);
                this.hurry.store(true, Ordering::SeqCst);
                this.channel.nudge_receivers();
            }
            Some(_) => {}
            None => {
                let arrivals = Arc::clone(this);
                let thread = thread::Builder::new().name("mi7-arrivals".into()).spawn(move || arrivals.serve());
                // Without a thread, polling is what is left.
                match thread {
                    Ok(_) => waiting.thread = Some(Instant::now() + LONGEST),
                    Err(_) => waker.wake_by_ref(),
                }
            }
        }
        this.come.notify_one();
        ticket
    }

    fn serve(&self) {
        let _gone = Gone(self);
        let mut waiting = self.lock();
        // Whether the thread was rung for a message that the tasks may have left where it was.
        let mut owing = false;
        loop {
            if waiting.tasks.is_empty() {
                let patience = if owing { GRACE } else { IDLE };
                let (still, timeout) =
                    self.come.wait_timeout(waiting, patience).unwrap_or_else(|poisoned| poisoned.into_inner());
                waiting = still;
                if timeout.timed_out() && waiting.tasks.is_empty() {
                    if !owing {
                        // Under the lock, so that nobody counts on a thread that is about to end.
                        waiting.thread = None;
                        return;
                    }
                    owing = false;
                    self.channel.pass_ring_on();
                }
                continue;
            }
            let earliest = waiting.tasks.values().filter_map(|(_, deadline)| *deadline).min();
            let longest = Instant::now() + LONGEST;
            let until = earliest.map_or(longest, |earliest| earliest.min(longest));
            waiting.thread = Some(until);
            self.hurry.store(false, Ordering::SeqCst);
            drop(waiting);
            let stirred = self.channel.wait_for_message(until, || self.hurry.load(Ordering::SeqCst));
            owing = stirred && !self.hurry.load(Ordering::SeqCst);
            waiting = self.lock();
            // What arrived is for whoever is first; otherwise those are woken whose time is up.
            let now = Instant::now();
            let is_due = |deadline: Option<Instant>| owing || deadline.is_some_and(|deadline| deadline <= now);
            let mut due = Vec::new();
            waiting.tasks.retain(|_, (waker, deadline)| {
                let is_due = is_due(*deadline);
                if is_due {
                    due.push(waker.clone());
                }
                !is_due
            });
            drop(waiting);
            due.into_iter().for_each(Waker::wake);
            waiting = self.lock();
        }
    }
}

/// Says that the thread is gone, should a waker panic in it.
struct Gone<'a>(&'a Arrivals);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().thread = None;
        }
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").field("tasks", &self.lock().tasks.len()).finish()
    }
}

/// A task's wait: see [`Arrivals::next`].
pub(crate) struct Arrival {
    arrivals: Arc<Arrivals>,
    deadline: Option<Instant>,
    ticket: Option<u64>,
}

impl Future for Arrival {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.arrivals.channel.is_inherited() {
            // The thread is the parent's; there is an error to get.
            return Poll::Ready(());
        }
        match self.ticket {
            None => {
                self.ticket = Some(Arrivals::register(&self.arrivals, context.waker(), self.deadline));
                Poll::Pending
            }
            Some(ticket) => match self.arrivals.lock().tasks.get_mut(&ticket) {
                Some((waker, _)) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket
            && !self.arrivals.channel.is_inherited()
        {
            self.arrivals.lock().tasks.remove(&ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Poll};
    use std::task::Wake;
    use std::thread::Thread;

    use super::*;
    use crate::{CrossProcessQueue, Message, SharedChannel};

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }

    fn queue(directory: &tempfile::TempDir) -> CrossProcessQueue {
        SharedChannel::options().directory(directory.path()).create("queue").unwrap().into()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_task_is_woken_by_what_arrives() {
        let directory = tempfile::tempdir().unwrap();
        let (queue, other) = (queue(&directory), directory.path().to_owned());
        let sending = thread::spawn(move || {
            let channel = SharedChannel::<Message>::options().directory(other).open("queue").unwrap();
            for text in ["one", "two", "three"] {
                thread::sleep(Duration::from_millis(30));
                channel.sender().send(&Message::new(text)).unwrap();
            }
        });
        let begun = Instant::now();
        for text in ["one", "two", "three"] {
            let message = block_on(queue.receive_async_with_timeout(LONG)).unwrap().unwrap();
            assert_eq!(message.data, text.as_bytes());
        }
        assert!(begun.elapsed() < LONG / 2);
        sending.join().unwrap();
    }

    #[test]
    fn a_task_waits_as_long_as_it_said() {
        let directory = tempfile::tempdir().unwrap();
        let queue = queue(&directory);
        let long = thread::spawn({
            let queue = queue.clone();
            move || block_on(queue.receive_async_with_timeout(LONG)).unwrap()
        });
        thread::sleep(Duration::from_millis(20));
        // Earlier than what the thread sleeps for already.
        let begun = Instant::now();
        let timeout = Duration::from_millis(50);
        assert_eq!(block_on(queue.receive_async_with_timeout(timeout)).unwrap(), None);
        assert!(begun.elapsed() >= timeout);
        assert!(begun.elapsed() < LONG / 2);
        queue.close();
        assert_eq!(long.join().unwrap(), None, "closed and drained");
    }

    #[test]
    fn a_task_that_was_dropped_leaves_the_message_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let queue = queue(&directory);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut dropped = Box::pin(queue.receive_async_with_timeout(LONG));
        assert!(dropped.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // A thread that sleeps on the same bell.
        let other = thread::spawn({
            let queue = queue.clone();
            move || queue.receive_timeout(LONG).unwrap()
        });
        thread::sleep(Duration::from_millis(30));
        queue.send(Message::new("kept")).unwrap();
        drop(dropped);
        assert_eq!(other.join().unwrap().unwrap().data, b"kept");
    }
}
