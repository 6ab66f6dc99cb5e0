//! `daemon [PATH]`: digests a tree with one entry and many workers, and watches over them.
//!
//! The loop below is all there is: hear news, and every now and then look after the crew and the screen. Nothing in it waits
//! for a child. See [`mi7_examples`](crate) for why the totals are exact.

mod crew;
mod screen;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use clap::builder::RangedU64ValueParser;
use mi7::{CrossProcessQueue, Error, Receiver, SharedChannel};

use self::crew::{Crew, Resume};
use self::screen::Screen;
use crate::job::MAX_MESSAGE;
use crate::names::{Names, sweep};
use crate::news::{ArchivedFailure, ArchivedNews, News, path};
use crate::tally::Tally;
use crate::{Interrupt, complain, entry, worker};

/// How often to look after everything.
const TICK: Duration = Duration::from_millis(20);
/// How long children may take to end by themselves.
const FAREWELL: Duration = Duration::from_secs(1);

/// Digest a directory tree with many processes: bytes, lines and CRC-32 of every file.
///
/// Starts one entry, which walks PATH, and N workers, which read the files; restarts those that die. Finds what
/// `find PATH -type f` finds. A file that cannot be read is named on stderr and counted as failed, with no bytes. So is
/// a directory that cannot be listed, which is not one of the files.
///
/// Ends with a table, for each worker and in total, and this last line:
/// files=… bytes=… lines=… crc_xor=… failed=…
/// where lines are newlines, and crc_xor is the files' CRC-32s combined by exclusive or, as eight hex digits.
/// The exit code is 0 also if files failed, 1 after an error, 128 + the signal's number after SIGINT, SIGTERM, SIGHUP.
#[derive(Parser, Debug)]
#[command(name = "daemon", version, verbatim_doc_comment)]
struct Options {
    /// The directory (or file) to digest
    #[arg(default_value = ".", value_name = "PATH")]
    root: PathBuf,
    /// How many workers [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=200))]
    workers: Option<usize>,
    /// How many messages each of the two channels holds
    #[arg(long, value_name = "N", default_value_t = 1024)]
    capacity: usize,
    /// Print one line of JSON rather than the table and the last line
    #[arg(long)]
    json: bool,
    /// What the names of the channels begin with
    #[arg(long, value_name = "PREFIX", default_value = "digest")]
    name: String,
}

/// The program; or, if the first argument says so, one of its children.
///
/// The children run from the same executable, so that the daemon needs no other.
///
/// # Errors
///
/// What is wrong with the channels, with PATH, or with the children.
pub fn main(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let mut arguments = arguments.peekable();
    let program = arguments.next().unwrap_or_else(|| "daemon".into());
    let role = arguments.peek().and_then(|first| first.to_str()).map(str::to_owned);
    match role.as_deref() {
        Some(crew::ENTRY) => {
            rustix::thread::set_name(c"entry")?;
            entry::main(&entry::Options::parse_from(arguments))
        }
        Some(crew::WORKER) => {
            rustix::thread::set_name(c"worker")?;
            worker::main(&worker::Options::parse_from(arguments))
        }
        _ => run(&Options::parse_from([program].into_iter().chain(arguments))),
    }
}

fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::catch()?;
    let root = &options.root;
    root.symlink_metadata().with_context(|| format!("cannot walk {root:?}; name a directory or a file"))?;
    for name in sweep(&options.name)? {
        complain(format_args!("daemon: removed {name}, which a killed daemon left"));
    }
    // Dropped in the order: the crew ends, then the names go.
    let names = Names::new(&options.name);
    let paths = CrossProcessQueue::create(&names.paths, options.capacity, MAX_MESSAGE)?;
    let channel = SharedChannel::<News>::options().capacity(options.capacity).create(&names.reports)?;
    let workers = options.workers.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from).min(200));
    let crew = Crew::start(root, &names, workers)?;
    let mut daemon = Daemon {
        tally: Tally::of(crew.workers().map(|(name, _)| name)),
        resume: Resume::default(),
        reports: channel.receiver(),
        screen: Screen::new(),
        started: Instant::now(),
        paths,
        crew,
    };
    match daemon.watch(&interrupt)? {
        Some(signal) => {
            let files = daemon.tally.total().files;
            drop(daemon);
            drop(names);
            complain(format_args!("daemon: interrupted after {files} files; children and channels are gone"));
            Ok(Interrupt::exit_code(signal))
        }
        None => {
            daemon.farewell();
            daemon.print(options.json).context("cannot print the totals")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A run.
struct Daemon {
    /// Ends first of all.
    crew: Crew,
    paths: CrossProcessQueue,
    reports: Receiver<News>,
    tally: Tally,
    /// Where an entry would go on.
    resume: Resume,
    screen: Screen,
    started: Instant,
}

impl Daemon {
    /// Until all files are counted, or the signal that came before that.
    fn watch(&mut self, interrupt: &Interrupt) -> anyhow::Result<Option<u8>> {
        let mut looked = Instant::now();
        while !self.tally.is_complete() {
            self.hear(TICK)?;
            if looked.elapsed() < TICK {
                continue;
            }
            looked = Instant::now();
            if let Some(signal) = interrupt.signal() {
                return Ok(Some(signal));
            }
            anyhow::ensure!(
                !self.paths.status().channel.closed,
                "another process closed the queue of paths; start the daemon anew"
            );
            let resume = Resume { from: self.tally.sent(), ..self.resume.clone() };
            self.crew.restart_the_dead(&resume, self.tally.expected().is_some())?;
            self.screen.show(&self.tally, &self.paths.status(), self.crew.alive());
        }
        Ok(None)
    }

    /// Hears one message, if one comes in time.
    fn hear(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let news = match self.reports.recv_timeout(timeout) {
            Ok(news) => news,
            Err(Error::Timeout) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.crew.is_getting_on();
        match &*news {
            ArchivedNews::File(report) => {
                if let (true, Some(failure)) = (self.tally.count(report), report.failure.as_ref()) {
                    self.screen.say(format_args!("failed: {}", words(failure)));
                }
            }
            ArchivedNews::Skipped(skipped) => {
                if self.tally.count_skipped(skipped) {
                    self.screen.say(format_args!("cannot list: {}", words(&skipped.failure)));
                }
            }
            ArchivedNews::Reached(reached) => {
                let next = reached.next.to_native();
                if next > self.resume.number {
                    self.resume.number = next;
                    self.resume.after = Some(path(&reached.path).to_path_buf());
                }
            }
            ArchivedNews::Walked(places) => self.tally.expect(places.to_native()),
        }
        Ok(())
    }

    /// Lets the children end. What they may still be doing has been counted.
    fn farewell(&mut self) {
        self.screen.end();
        self.paths.close();
        self.reports.close();
        self.crew.end_within(FAREWELL);
    }

    fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let total = self.tally.total();
        let (seconds, restarts) = (self.started.elapsed().as_secs_f64(), self.crew.restarts());
        if json {
            writeln!(out, "{}", screen::json(&self.tally, &self.crew, seconds))
        } else {
            writeln!(out, "{}", screen::table(&self.tally, &self.crew))?;
            let repeated = self.tally.repeated();
            writeln!(
                out,
                "{seconds:.3} s; {restarts} children restarted; {repeated} files digested again and not counted again"
            )?;
            writeln!(
                out,
                "files={} bytes={} lines={} crc_xor={:08x} failed={}",
                total.files, total.bytes, total.lines, total.crc_xor, total.failed
            )
        }
    }
}

fn words(failure: &ArchivedFailure) -> String {
    let path: &Path = path(&failure.path);
    format!("{path:?}: {}", failure.why)
}
