//! What the example programs of mi7 share, and the whole of `daemon`, `entry` and `worker`.
//!
//! # Digesting a tree with many processes
//!
//! ```text
//!                 paths: CrossProcessQueue             reports: SharedChannel<News>
//!                 ┌──────────────────────┐             ┌──────────────────────────┐
//!  entry ── walk ─► Message: number+path ├─► worker ───► FileReport               ├─► daemon ── table, totals
//!    │            └──────────────────────┘   worker …  │                          │     │
//!    └──────── how far the walk has come, its end ─────►                          │     └─ starts and restarts
//!                                                      └──────────────────────────┘        entry and workers
//! ```
//!
//! The programs are thin: each `src/bin` calls the function of the module of its name. So the daemon can start its entry
//! and its workers from its own executable, and works where nothing else has been built.
//!
//! # Why the totals are exact whoever dies
//!
//! - **A worker** sends its report *before* it lets go of the path. If it dies before, the path is delivered again; if it
//!   dies in between, the file is reported twice.
//! - **The entry** walks in sorted order and numbers the files, and the directories that it cannot
//!   list. From time to time it reports how far it has come; an entry that takes over starts there,
//!   and leaves out the numbers up to the highest that was ever reported: they were sent in order,
//!   and what was sent is delivered. It may still send some paths again.
//! - **The daemon** counts each number once ([`tally`]). It is done when the entry has said how many
//!   numbers it gave, and each of them has been reported. Only then does it close the channels,
//!   which ends the workers: a worker never leaves while a path may come back.
//! - **Nobody waits in a circle**: the entry and the workers wait for the daemon's channel, and the daemon waits for nobody.
//!   So one slot in each channel is enough.
//!
//! If the *daemon* dies, the kernel kills its children (`PR_SET_PDEATHSIG`), and the next daemon removes the channels.
//!
//! What is not covered: a tree that changes while an entry takes over from a dead one. Files that come or go between the last
//! place reported and the place of death then shift the numbers of those few.

pub mod daemon;
pub mod digest;
pub mod entry;
pub mod job;
pub mod names;
pub mod news;
pub mod tally;
pub mod walk;
pub mod worker;

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What becomes of a program: its exit code; or an error, which is printed, and 1.
pub fn finish(program: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        complain(format_args!("{program}: {error:#}"));
        ExitCode::from(GAVE_UP)
    })
}

/// The exit code after an error that doing it again would not mend.
pub const GAVE_UP: u8 = 1;

/// Writes a line to stderr. There is nothing to be done when that fails.
pub fn complain(line: impl std::fmt::Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// The signal that asks the program to end, once there was one: SIGINT, SIGTERM, SIGHUP.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Catches the signals from now on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn catch() -> anyhow::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let caught = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_usize(signal, Arc::clone(&caught), signal as usize)?;
        }
        Ok(Interrupt(caught))
    }

    /// The number of the signal.
    pub fn signal(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as u8),
        }
    }

    /// The exit code that shells give a program that a signal ended.
    pub fn exit_code(signal: u8) -> ExitCode {
        ExitCode::from(128 + signal)
    }
}

/// Ends this process when its parent dies, for children before they do anything else.
///
/// The kernel goes by the *thread* that started the child, so that has to be one that lives as long as
/// its process: here it is always the first.
///
/// # Errors
///
/// The parent is dead already.
pub fn die_with(parent: u32) -> anyhow::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before the request.
    let alive = getppid().is_some_and(|pid| pid.as_raw_pid() as u32 == parent);
    anyhow::ensure!(alive, "the process {parent} that started this one is gone; start it anew");
    Ok(())
}

/// In the environment of children: the process id of the parent that they end with.
const PARENT: &str = "MI7_EXAMPLE_PARENT";

/// The way to start this program once more, with these arguments, as a child that ends when this
/// process does, even if that is killed.
///
/// # Errors
///
/// The program's file is not to be found.
pub fn again<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).env(PARENT, std::process::id().to_string());
    Ok(command)
}

/// The arguments. A process that was started by [`again`] calls this first.
///
/// # Errors
///
/// The parent is dead already, or an argument is not UTF-8.
pub fn arguments() -> anyhow::Result<Vec<String>> {
    if let Ok(parent) = env::var(PARENT) {
        die_with(parent.parse()?)?;
    }
    let words = env::args_os().skip(1).map(|word| word.into_string());
    words.map(|word| word.map_err(|word| anyhow::anyhow!("{word:?} is not UTF-8"))).collect()
}

/// A channel name for one run of a small example. The channel is removed at the end of the run, and on errors.
#[derive(Debug)]
pub struct Scratch(String);

impl Scratch {
    /// A name that begins with `example` and that no other running process uses.
    pub fn new(example: &str) -> Self {
        Scratch(format!("{example}-{}", std::process::id()))
    }
}

impl std::ops::Deref for Scratch {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // There is none if the example failed before it made one.
        let _ = mi7::remove(&self.0);
    }
}
