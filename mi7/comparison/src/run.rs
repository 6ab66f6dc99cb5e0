//! Rounds: every contestant in turn, again and again, so that a machine in a bad phase is bad to all alike.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::cli::Options;
use crate::contestant::{Outcome, Work};
use crate::contestants::{ALL, Entry, Kind};
use crate::job::{Job, Sample};
use crate::targets::Judged;

/// A contestant's turn.
#[derive(Clone, Serialize, Deserialize)]
pub struct Turn {
    pub contestant: String,
    pub work: Work,
    pub size: usize,
    pub round: u32,
    pub sample: Sample,
    /// What the limit was just before, of the same figure.
    pub limit: Option<f64>,
}

/// A contestant that cannot do the work, or failed at it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Refusal {
    pub contestant: String,
    pub work: Work,
    pub size: usize,
    pub why: String,
    pub failed: bool,
}

#[derive(Serialize, Deserialize, Default)]
pub struct Record {
    pub machine: Vec<(String, String)>,
    pub turns: Vec<Turn>,
    pub refusals: Vec<Refusal>,
    #[serde(default)]
    pub judged: Vec<Judged>,
    /// Sessions repeated because others had the processor.
    pub repeated: u32,
}

/// The figure of a kind of work that stands for it.
pub fn figure(work: Work) -> &'static str {
    match work {
        Work::Latency | Work::Loan | Work::Wake | Work::Pingpong | Work::TaskTrip | Work::TaskWake => "p50",
        Work::Throughput | Work::Many | Work::Pair => "rate",
        Work::Idle | Work::TaskIdle => "busy",
        Work::Attach => "nanos",
    }
}

/// Contestants between two looks at the limit: the machine's phases are shorter than a round.
const BETWEEN_LIMITS: usize = 3;
/// A session is repeated if one side was kept from running for more than this share of it.
const KEPT: f64 = 0.1;
const REPEATS: u32 = 3;

pub struct Runner {
    pub cpus: (usize, usize),
    pub nanos_per_tick: f64,
    sessions: u32,
    /// What failed and is not tried again.
    failed: BTreeSet<(&'static str, Work, usize)>,
}

impl Runner {
    pub fn new(cpus: (usize, usize), nanos_per_tick: f64) -> Self {
        Runner { cpus, nanos_per_tick, sessions: 0, failed: BTreeSet::new() }
    }

    pub fn run(&mut self, options: &Options, record: &mut Record) -> Outcome<()> {
        for work in options.works() {
            for size in options.sizes(work) {
                let begun = Instant::now();
                self.rounds(options, work, size, record)?;
                eprintln!("{work:?} at {size} bytes: {:.0} s", begun.elapsed().as_secs_f64());
            }
        }
        Ok(())
    }

    fn rounds(&mut self, options: &Options, work: Work, size: usize, record: &mut Record) -> Outcome<()> {
        let limit = ALL.iter().find(|entry| entry.kind == Kind::Limit && (entry.refuses)(work, size).is_none());
        let mut contestants = Vec::new();
        let wanted = |entry: &&Entry| match entry.kind {
            Kind::Limit => limit.is_some_and(|limit| limit.name != entry.name),
            _ => options.wants(entry.name),
        };
        for entry in ALL.iter().filter(wanted) {
            match (entry.refuses)(work, size) {
                None => contestants.push(entry),
                // It is beside the point.
                Some("") => {}
                Some(why) => record.refusals.push(Refusal {
                    contestant: entry.name.into(),
                    work,
                    size,
                    why: why.into(),
                    failed: false,
                }),
            }
        }
        let mut last_limit = None;
        // Round 0 is the verification: it counts for nothing but that all can do what they are asked for.
        for round in 0..=options.rounds(work) {
            let millis = if round == 0 { options.millis(work).min(20) } else { options.millis(work) };
            for (index, entry) in contestants.iter().enumerate() {
                if let Some(limit) = limit
                    && index.is_multiple_of(BETWEEN_LIMITS)
                    && let Some(turn) = self.turn(limit, work, size, round, millis, None, record)
                {
                    last_limit = turn.sample.get(figure(work)).copied();
                    if round > 0 {
                        record.turns.push(turn);
                    }
                }
                if let Some(turn) = self.turn(entry, work, size, round, millis, last_limit, record)
                    && round > 0
                {
                    record.turns.push(turn);
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments)]
    fn turn(
        &mut self,
        entry: &'static Entry,
        work: Work,
        size: usize,
        round: u32,
        millis: u64,
        limit: Option<f64>,
        record: &mut Record,
    ) -> Option<Turn> {
        let sample = self.sample(entry, work, size, round, millis, record)?;
        Some(Turn { contestant: entry.name.into(), work, size, round, sample, limit })
    }

    /// A session, repeated if it was disturbed. `None` if it fails.
    pub fn sample(
        &mut self,
        entry: &'static Entry,
        work: Work,
        size: usize,
        round: u32,
        millis: u64,
        record: &mut Record,
    ) -> Option<Sample> {
        if self.failed.contains(&(entry.name, work, size)) {
            return None;
        }
        let mut attempts = 0;
        loop {
            let kept_too_long = |sample: &Sample| {
                sample.get("kept").is_some_and(|seconds| *seconds > KEPT * millis as f64 / 1e3) && round > 0
            };
            match self.session(entry, work, size, millis) {
                Ok(sample) if kept_too_long(&sample) && attempts < REPEATS => {
                    attempts += 1;
                    record.repeated += 1;
                }
                Ok(sample) => return Some(sample),
                // One failure may be the machine's fault.
                Err(_) if attempts == 0 => attempts = REPEATS,
                Err(error) => {
                    let why = error.to_string();
                    eprintln!("{} fails at {work:?} of {size} bytes: {why}", entry.name);
                    self.failed.insert((entry.name, work, size));
                    record.refusals.push(Refusal { contestant: entry.name.into(), work, size, why, failed: true });
                    return None;
                }
            }
        }
    }

    /// Where the next session's channels are, and what they are called.
    pub fn place(&mut self) -> Outcome<(PathBuf, String)> {
        self.sessions += 1;
        let name = format!("comparison-{}-{}", std::process::id(), self.sessions);
        let directory = PathBuf::from("/dev/shm").join(&name);
        std::fs::create_dir(&directory)?;
        Ok((directory, name))
    }

    pub fn session(&mut self, entry: &Entry, work: Work, size: usize, millis: u64) -> Outcome<Sample> {
        let (directory, name) = self.place()?;
        let job = Job {
            contestant: entry.name.into(),
            work,
            size,
            directory: directory.clone(),
            name,
            cpus: self.cpus,
            millis,
            nanos_per_tick: self.nanos_per_tick,
            part: 0,
        };
        let result = near(&[], &job, Duration::from_millis(10_000 + 10 * millis));
        let _ = std::fs::remove_dir_all(directory);
        result
    }
}

/// Runs the near side, under a command where one is given, and ends it and all its children if it takes too long.
pub fn near(under: &[&str], job: &Job, limit: Duration) -> Outcome<Sample> {
    let program = std::env::current_exe()?;
    let job = serde_json::to_string(job)?;
    let mut command = match under {
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        [] => Command::new(program),
    };
    let mut child = command
        .args(["near", &job])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let (done, finished) = mpsc::channel();
    let (mut output, mut errors) = (child.stdout.take().ok_or("no pipe")?, child.stderr.take().ok_or("no pipe")?);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = output.read_to_string(&mut text);
        let _ = done.send(());
        text
    });
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.read_to_string(&mut text);
        text
    });
    let hung = finished.recv_timeout(limit).is_err();
    let status = if hung { None } else { Some(child.wait()?) };
    if status.is_none_or(|status| !status.success()) {
        // The far side may be left, waiting for ever. The group is this child's own.
        if let Some(group) = Pid::from_raw(child.id() as i32) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.wait()?;
    }
    let text = reader.join().map_err(|_| "the reader panicked")?;
    let complaints = complaints.join().map_err(|_| "the reader panicked")?;
    if hung {
        return Err("hangs".into());
    }
    serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|_| {
        let _ = std::io::stderr().flush();
        let note = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
        let told: Vec<&str> = complaints.lines().filter(note).map(str::trim).take(6).collect();
        if told.is_empty() { "ends without a word".into() } else { told.join("; ").into() }
    })
}
