//! `worker NAME`: takes paths from the queue, reads the files, says what is in them.
//!
//! By hand it waits for an entry, prints a line for each file, and ends when the queue is closed and all its paths are done. With
//! `--reports` it sends [`FileReport`]s instead; so one can also lend a hand to a daemon that is running.

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mi7::{CrossProcessQueue, Error, Message, Receiver, Sender, SharedChannel};

use crate::digest::{Digest, digest};
use crate::job::Job;
use crate::news::{Failure, FileReport, MAX_NAME, Name, News};
use crate::{complain, die_with, entry};

/// How often to look whether there is a queue, or whether the last paths are done.
const TICK: Duration = Duration::from_millis(50);
/// The memory that a file is read through.
const BUFFER: usize = 128 << 10;
/// So many workers die with a file before it is taken for the reason. (The library counts to 64.)
const DEATHS: u32 = 32;

/// Take paths from the queue and digest the files: bytes, lines, CRC-32.
///
/// Start any number of workers, before or after the entry. A worker that dies loses no path: another gets it.
#[derive(Parser, Debug)]
#[command(name = "worker", version)]
pub struct Options {
    /// The worker's name in the reports, at most 32 bytes
    #[arg(value_parser = parse_name)]
    name: Name,
    /// The queue to take paths from
    #[arg(long, value_name = "NAME", default_value = entry::DEFAULT_QUEUE)]
    queue: String,
    /// Send typed reports to this channel, such as a running daemon's, rather than print them
    #[arg(long, value_name = "NAME")]
    reports: Option<String>,
    /// End when this process does, which must be the one that started this one
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<u32>,
}

fn parse_name(name: &str) -> Result<Name, String> {
    Name::try_from(name).map_err(|_| format!("it has {} bytes; use a name of at most {MAX_NAME}", name.len()))
}

/// The program.
///
/// # Errors
///
/// What is wrong with the channels, or with stdout.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(parent) = options.parent {
        die_with(parent)?;
    }
    let name = &options.name;
    match &options.reports {
        Some(reports) => {
            let paths = receiver(&CrossProcessQueue::connect(&options.queue)?);
            let daemon: Sender<News> = SharedChannel::open(reports)?.sender();
            let done = work(&paths, |job, _, result| {
                let result = result.map_err(|error| Failure::new(job.path, &error.to_string()));
                Ok(daemon.send(&News::File(FileReport::new(job, *name, result)))?)
            });
            match done {
                // The daemon has heard all it wants.
                Err(error) if matches!(error.downcast_ref(), Some(Error::Closed)) => {}
                other => drop(other?),
            }
        }
        None => {
            let paths = receiver(&wait_for_queue(&options.queue)?);
            let files = work(&paths, print)?;
            // So that the workers that are waiting find the queue, even if it was at its end in no time.
            thread::sleep((4 * TICK).saturating_sub(paths.status().age));
            if !paths.channel().is_removed() {
                // Another worker may be faster.
                let _ = mi7::remove(&options.queue);
            }
            complain(format_args!("{name}: {files} files digested, and the queue {} is at its end", options.queue));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The receiving end only, so that the queue's status tells workers from entries.
fn receiver(queue: &CrossProcessQueue) -> Receiver<Message> {
    queue.receiver().clone()
}

fn wait_for_queue(name: &str) -> anyhow::Result<CrossProcessQueue> {
    let mut said = false;
    loop {
        // The options say which error it is.
        match SharedChannel::<Message>::open(name) {
            Ok(channel) => return Ok(channel.into()),
            Err(Error::NotFound { .. }) if said => thread::sleep(TICK),
            Err(Error::NotFound { .. }) => {
                complain(format_args!("waiting for an entry to make the queue {name}"));
                said = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Digests files until the queue is at its end, and tells `done` of each before its path is let go of. Returns how many.
fn work(
    paths: &Receiver<Message>,
    mut done: impl FnMut(Job<'_>, u32, io::Result<Digest>) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut files = 0;
    loop {
        let message = match paths.recv() {
            Ok(message) => message,
            // Closed and drained: but whoever still holds a path may die, and then it comes here.
            Err(Error::Closed) if paths.status().leased > 0 => {
                thread::sleep(TICK);
                continue;
            }
            Err(Error::Closed) => return Ok(files),
            Err(error) => return Err(error.into()),
        };
        let job = Job::decode(message.data())
            .context("a message in the queue is no job; do not let other programs send to it")?;
        let result = match message.deliveries() {
            deaths if deaths > DEATHS => Err(io::Error::other(format!("the last {DEATHS} workers that tried died"))),
            _ => digest(job.path, &mut buffer),
        };
        done(job, message.deliveries(), result)?;
        files += 1;
        // Only now: if this process dies before this line, another worker gets the path.
        drop(message);
    }
}

fn print(job: Job<'_>, deliveries: u32, result: io::Result<Digest>) -> anyhow::Result<()> {
    let path = job.path;
    match result {
        Ok(Digest { bytes, lines, crc32 }) => {
            let again = if deliveries > 1 { "  (again: the worker before died with it)" } else { "" };
            writeln!(io::stdout(), "{crc32:08x} {bytes:>12} {lines:>9}  {path:?}{again}")
                .context("cannot print; the file will be digested by another worker")?;
        }
        Err(error) => complain(format_args!("failed: {path:?}: {error}")),
    }
    Ok(())
}
