//! What a contestant has to do: two ends of a channel, opened by place.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// One way of a message: half a round trip over two channels.
    Latency,
    /// The same where the message was filled before the clock starts and only its first cache line is read.
    Loan,
    /// Messages from one sender to one receiver.
    Throughput,
    /// Messages from four senders to four receivers.
    Many,
    /// The same from one to one: what four to four has to be compared with.
    Pair,
    /// From the send to the return of a receiver that was asleep.
    Wake,
    /// Half a round trip between two that fall asleep each time.
    Pingpong,
    /// Processor time of a receiver that waits in vain.
    Idle,
    /// Opening an existing channel's receiving end.
    Attach,
    /// Half a round trip between two tasks, each in a runtime of its own, at once and again.
    TaskTrip,
    /// From the send to the return of a task whose runtime was asleep.
    TaskWake,
    /// Processor time of a hundred tasks that wait in vain, each on a channel of its own.
    TaskIdle,
}

impl Work {
    pub const ALL: [Work; 12] = [
        Work::Latency,
        Work::Loan,
        Work::Throughput,
        Work::Many,
        Work::Pair,
        Work::Wake,
        Work::Pingpong,
        Work::Idle,
        Work::Attach,
        Work::TaskTrip,
        Work::TaskWake,
        Work::TaskIdle,
    ];

    /// Whether receivers wait asleep and not for long: the sender has to wake them.
    pub fn wakes(self) -> bool {
        matches!(self, Work::Wake | Work::Pingpong | Work::Idle) || self.is_of_tasks()
    }

    /// Of tasks, not of threads.
    pub fn is_of_tasks(self) -> bool {
        matches!(self, Work::TaskTrip | Work::TaskWake | Work::TaskIdle)
    }

    /// More of the figure that stands for it is better.
    pub fn is_rate(self) -> bool {
        matches!(self, Work::Throughput | Work::Many | Work::Pair)
    }
}

/// Where a channel is, and what it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// A directory in memory, for this session alone.
    pub directory: PathBuf,
    /// Unique on this machine.
    pub name: String,
    /// Messages that have to fit in.
    pub capacity: usize,
    pub work: Work,
}

impl Place {
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// A channel of one kind. All sizes of message are `N` words.
///
/// What fails while it is measured panics: the process ends, and the table has the message instead of a figure.
pub trait Contestant: 'static {
    type Sender<const N: usize>: Sender + 'static;
    type Receiver<const N: usize>: Receiver + 'static;

    /// Between processes; otherwise between threads of one.
    const PROCESSES: bool = true;

    /// Why it cannot do that work with messages of so many bytes.
    fn refuses(_work: Work, _size: usize) -> Option<&'static str> {
        None
    }

    /// Makes the channel, before either end is opened, where that is a step of its own. What it returns lives as long as
    /// the channel is used.
    fn create<const N: usize>(_place: &Place) -> Outcome<Box<dyn std::any::Any>> {
        Ok(Box::new(()))
    }

    /// Opens a sending end, waiting for the other side where that has to come first.
    fn sender<const N: usize>(place: &Place) -> Outcome<Self::Sender<N>>;

    /// Opens a receiving end, waiting for the other side where that has to come first.
    fn receiver<const N: usize>(place: &Place) -> Outcome<Self::Receiver<N>>;

    /// Removes what is not in the place's directory.
    fn remove(_place: &Place) {}
}

pub trait Sender {
    /// Sends message `number`, waiting for room.
    fn send(&mut self, number: u64);

    /// Sends many, by the best way there is for many.
    #[inline(always)]
    fn send_run(&mut self, first: u64, count: u64) {
        for number in first..first + count {
            self.send(number);
        }
    }

    /// Sends to a receiver that may be asleep.
    fn send_waking(&mut self, number: u64) {
        self.send(number);
    }

    /// Fills a message where it will be read, calls `ready`, and publishes it.
    fn send_loaned(&mut self, _number: u64, _ready: &mut dyn FnMut()) {
        unimplemented!("refused")
    }
}

pub trait Receiver {
    /// Waits for the next message as fast as it can, and checks it.
    fn recv(&mut self) -> u64;

    /// Receives at least one message, by the best way there is for many.
    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64))
    where
        Self: Sized,
    {
        seen(self.recv());
    }

    /// Waits for the next message asleep.
    fn recv_parked(&mut self) -> u64 {
        unimplemented!("refused")
    }

    /// Receives a message but reads only its number.
    fn recv_glimpse(&mut self) -> u64 {
        unimplemented!("refused")
    }
}

/// Messages of a batch.
pub const BATCH: usize = 64;

/// [`Contestant::refuses`] of those that are there for their batches: large messages gain nothing by them.
pub fn only_batches(work: Work, size: usize) -> Option<&'static str> {
    (work != Work::Throughput || size > 1024).then_some("")
}

/// Gives `send` the numbers of one batch after the other.
#[inline(always)]
pub fn in_batches(first: u64, count: u64, mut send: impl FnMut(Range<u64>)) {
    let (mut number, end) = (first, first + count);
    while number < end {
        let next = end.min(number + BATCH as u64);
        send(number..next);
        number = next;
    }
}

/// As [`Contestant`], of which tasks send and receive. Ends are opened in a runtime.
pub trait Tasks: 'static {
    type Sender<const N: usize>: TaskSender + 'static;
    type Receiver<const N: usize>: TaskReceiver + 'static;

    /// Between processes; otherwise between threads of one.
    const PROCESSES: bool = true;

    fn create<const N: usize>(_place: &Place) -> Outcome<Box<dyn std::any::Any>> {
        Ok(Box::new(()))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Self::Sender<N>>;

    fn receiver<const N: usize>(place: &Place) -> Outcome<Self::Receiver<N>>;
}

pub trait TaskSender {
    /// Sends message `number`, waiting for room.
    fn send(&mut self, number: u64) -> impl Future<Output = ()>;
}

pub trait TaskReceiver {
    /// Waits for the next message and checks it.
    fn recv(&mut self) -> impl Future<Output = u64>;
}

/// Tries until it works out, for who comes before the other side has made the channel.
pub fn retry<T, E: std::fmt::Display>(mut open: impl FnMut() -> Result<T, E>) -> Outcome<T> {
    let begun = Instant::now();
    loop {
        match open() {
            Ok(opened) => return Ok(opened),
            Err(error) if begun.elapsed() > Duration::from_secs(5) => return Err(error.to_string().into()),
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}

/// Calls `attempt` until it gives something, spinning; with more processes at work than processors, it yields now and then.
#[inline(always)]
pub fn spin<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut spins = 0u32;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        std::hint::spin_loop();
        spins += 1;
        if spins > 10_000 {
            std::thread::yield_now();
        }
    }
}

/// As [`spin`], for many processes on few processors: yields soon.
#[inline(always)]
pub fn spin_politely<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut spins = 0u32;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        spins += 1;
        if spins < 64 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}
