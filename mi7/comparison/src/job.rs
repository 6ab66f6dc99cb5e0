//! One session: one contestant, one kind of work, one size, some tens of milliseconds.
//!
//! The near side is a process that makes the channels and starts the far side: another process, or a thread for channels
//! within a process. The two talk in lines, over pipes or their like, before and after what is timed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::contestant::{Contestant, Outcome, Place, Work};

/// Enough for messages of 1 MiB by value, several times over.
const STACK: usize = 256 << 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub contestant: String,
    pub work: Work,
    /// Bytes of a message.
    pub size: usize,
    pub directory: PathBuf,
    /// Unique on this machine.
    pub name: String,
    /// The near side's processor and the far one's.
    pub cpus: (usize, usize),
    /// Of what is timed.
    pub millis: u64,
    /// Of the clock that stamps are taken with.
    pub nanos_per_tick: f64,
    /// Which of several far sides this is: of four to four, senders come first.
    pub part: usize,
}

/// What a session found, by name.
pub type Sample = BTreeMap<String, f64>;

impl Job {
    pub fn place(&self, end: &str) -> Place {
        Place {
            directory: self.directory.clone(),
            name: format!("{}-{end}", self.name),
            capacity: capacity(self.size),
            work: self.work,
        }
    }

    pub fn budget(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// The budget in ticks.
    pub fn ticks(&self) -> u64 {
        (self.millis as f64 * 1e6 / self.nanos_per_tick) as u64
    }
}

/// Messages that fit into every contestant's channel.
pub fn capacity(size: usize) -> usize {
    match size {
        ..=1024 => 1024,
        1025..=65_536 => 16,
        _ => 4,
    }
}

/// The stamp counter where there is one, else nanoseconds. All processors agree on either: see `clock`.
#[inline(always)]
pub fn stamp() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 has it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }
}

/// A stamp that is taken after all before it, and before all after it.
pub fn fenced_stamp() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_mm_lfence, _mm_mfence};
        // SAFETY: every x86-64 has it.
        unsafe { _mm_mfence() };
        // SAFETY: every x86-64 has it.
        unsafe { _mm_lfence() };
        let now = stamp();
        // SAFETY: every x86-64 has it.
        unsafe { _mm_lfence() };
        now
    }
    #[cfg(not(target_arch = "x86_64"))]
    stamp()
}

/// Nanoseconds of one tick of [`stamp`].
pub fn calibrate() -> f64 {
    let (begun, first) = (Instant::now(), stamp());
    thread::sleep(Duration::from_millis(200));
    let (nanos, ticks) = (begun.elapsed().as_nanos(), stamp() - first);
    nanos as f64 / ticks as f64
}

/// Pins this thread to a processor.
pub fn pin(cpu: usize) -> Outcome<()> {
    let mut one = CpuSet::new();
    one.set(cpu);
    Ok(sched_setaffinity(None, &one)?)
}

/// What the far side says to the near one, and hears.
pub struct Line {
    out: Box<dyn FnMut(&str)>,
    input: Box<dyn FnMut() -> Option<String>>,
    begun: Delay,
}

impl Line {
    fn new(out: impl FnMut(&str) + 'static, input: impl FnMut() -> Option<String> + 'static) -> Self {
        Line { out: Box::new(out), input: Box::new(input), begun: Delay::default() }
    }

    /// Its ends are open.
    pub fn ready(&mut self) {
        self.begun = Delay::now();
        self.say("ready");
    }

    /// It is through: the last that it says is how long it was kept from running.
    pub fn finish(mut self) {
        let kept = self.begun.since();
        self.say(&kept.to_string());
    }

    pub fn say(&mut self, words: &str) {
        (self.out)(words);
    }

    pub fn hear(&mut self) -> Outcome<String> {
        (self.input)().ok_or_else(|| "the near side is gone".into())
    }
}

/// The far side, seen from the near one.
pub struct Peer {
    tell: Box<dyn FnMut(&str)>,
    lines: Box<dyn FnMut() -> Option<String>>,
    end: End,
    begun: Delay,
}

enum End {
    Child(Child),
    Thread(JoinHandle<()>),
}

impl Peer {
    /// Starts the far side: again this program, or, for contestants within a process, `far` in a thread.
    pub fn start<C: Contestant>(job: &Job, far: fn(&Job, Line) -> Outcome<()>) -> Outcome<Peer> {
        Peer::start_as(C::PROCESSES, job, far)
    }

    /// As a process, or as a thread.
    pub fn start_as(process: bool, job: &Job, far: fn(&Job, Line) -> Outcome<()>) -> Outcome<Peer> {
        if process {
            let mut child = Command::new(std::env::current_exe()?)
                .args(["far", &serde_json::to_string(job)?])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut input = child.stdin.take().ok_or("no pipe")?;
            let mut output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
            return Ok(Peer {
                tell: Box::new(move |words| {
                    let _ = writeln!(input, "{words}");
                }),
                lines: Box::new(move || {
                    let mut line = String::new();
                    matches!(output.read_line(&mut line), Ok(1..)).then(|| line.trim_end().to_string())
                }),
                end: End::Child(child),
                begun: Delay::default(),
            });
        }
        let (to_near, from_far) = mpsc::channel::<String>();
        let (to_far, from_near) = mpsc::channel::<String>();
        let job = job.clone();
        let thread = thread::Builder::new().stack_size(STACK).spawn(move || {
            let out = move |words: &str| {
                let _ = to_near.send(words.to_string());
            };
            let line = Line::new(out, move || from_near.recv().ok());
            if let Err(error) = far(&job, line) {
                panic!("far side: {error}");
            }
        })?;
        Ok(Peer {
            tell: Box::new(move |words| {
                let _ = to_far.send(words.to_string());
            }),
            lines: Box::new(move || from_far.recv().ok()),
            end: End::Thread(thread),
            begun: Delay::default(),
        })
    }

    pub fn tell(&mut self, words: &str) {
        (self.tell)(words);
    }

    pub fn hear(&mut self) -> Outcome<String> {
        (self.lines)().ok_or_else(|| "the far side is gone".into())
    }

    /// Numbers that the far side says.
    pub fn numbers(&mut self) -> Outcome<Vec<f64>> {
        Ok(self.hear()?.split(' ').map(str::parse).collect::<Result<_, _>>()?)
    }

    pub fn await_ready(&mut self) -> Outcome<()> {
        match self.hear()?.as_str() {
            "ready" => {
                self.begun = Delay::now();
                Ok(())
            }
            other => Err(format!("{other:?} instead of ready").into()),
        }
    }

    /// Waits for its end. Gives the seconds that one of the two was kept from running since all was ready.
    pub fn finish(self) -> Outcome<f64> {
        let here = self.begun.since();
        let Peer { tell, mut lines, end, .. } = self;
        drop(tell);
        let there = lines().and_then(|line| line.parse().ok()).unwrap_or(0.0);
        match end {
            End::Child(mut child) => match child.wait()? {
                status if status.success() => Ok(here.max(there)),
                status => Err(format!("far side: {status}").into()),
            },
            End::Thread(thread) => match thread.join() {
                Ok(()) => Ok(here.max(there)),
                Err(_) => Err("far side: panicked".into()),
            },
        }
    }
}

/// Runs `main` with a stack for large messages.
pub fn with_stack<T: Send + 'static>(main: impl FnOnce() -> Result<T, String> + Send + 'static) -> Outcome<T> {
    match thread::Builder::new().stack_size(STACK).spawn(main)?.join() {
        Ok(result) => Ok(result?),
        Err(_) => Err("panicked".into()),
    }
}

/// The far side's line where it is a process of its own.
pub fn stdio() -> Line {
    Line::new(
        |words| println!("{words}"),
        || {
            let mut line = String::new();
            matches!(std::io::stdin().read_line(&mut line), Ok(1..)).then(|| line.trim_end().to_string())
        },
    )
}

/// How long this thread has been kept from running by others, who had its processor. The kernel's figure for the time from
/// ready to running, which counts only where the thread was driven away: waking up takes time as well.
#[derive(Clone, Copy, Default)]
struct Delay {
    seconds: f64,
    driven_away: u64,
}

impl Delay {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanos = stat.split(' ').nth(1).and_then(|delay| delay.parse().ok()).unwrap_or(0.0);
        Delay { seconds: nanos / 1e9, driven_away: crate::work::idle::driven_away() }
    }

    fn since(self) -> f64 {
        let now = Delay::now();
        if now.driven_away > self.driven_away { now.seconds - self.seconds } else { 0.0 }
    }
}
