//! `entry [PATH]`: walks a tree and sends the path of each file.
//!
//! By hand it makes the queue, sends all paths, and closes it. The paths wait there for workers, and the last worker removes
//! the queue. The daemon's entry joins the daemon's queue instead, and tells the daemon how far it has come.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use mi7::{CrossProcessQueue, Message, Sender, SharedChannel, SharedMemoryError};

use crate::job::{Job, MAX_MESSAGE, MAX_PATH};
use crate::news::{Failure, FileReport, Name, News, Reached, Skipped, path_bytes};
use crate::walk::walk;
use crate::{Interrupt, complain, die_with};

/// The queue that entries and workers use that are started by hand.
pub const DEFAULT_QUEUE: &str = "digest-paths";

/// How often to look whether to end.
const TICK: Duration = Duration::from_millis(100);
/// How many files an entry that takes over may have to go through again,
const REACHED_FILES: u64 = 64;
/// or how much time its predecessor had spent on them: whichever is less.
const REACHED_TIME: Duration = Duration::from_millis(50);

/// Walk a tree and send the path of each file to the workers.
///
/// Finds what `find PATH -type f` finds. Start it before or after the workers: the paths wait in the queue. At the end of
/// the walk the queue is closed, so that the workers end when they have taken the last path.
#[derive(Parser, Debug)]
#[command(name = "entry", version)]
pub struct Options {
    /// The directory (or file) to walk
    #[arg(default_value = ".", value_name = "PATH")]
    root: PathBuf,
    /// The queue to send to
    #[arg(long, value_name = "NAME", default_value = DEFAULT_QUEUE)]
    queue: String,
    /// How many paths the queue holds
    #[arg(long, value_name = "N", default_value_t = 1024)]
    capacity: usize,
    /// Tell the daemon by this channel, and leave making and removing the queue to it
    #[arg(long, value_name = "NAME", hide = true, requires = "parent")]
    reports: Option<String>,
    /// End when this process does, which must be the one that started this one
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<u32>,
    /// Go on behind this path
    #[arg(long, value_name = "PATH", hide = true, requires = "number", allow_hyphen_values = true)]
    after: Option<PathBuf>,
    /// The number of the first file behind --after
    #[arg(long, value_name = "N", hide = true, default_value_t = 0)]
    number: u64,
    /// Leave out files of lower numbers
    #[arg(long, value_name = "N", hide = true, default_value_t = 0)]
    from: u64,
}

/// The program.
///
/// # Errors
///
/// What is wrong with the queue.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(parent) = options.parent {
        die_with(parent)?;
    }
    match &options.reports {
        Some(reports) => for_daemon(options, reports),
        None => by_hand(options),
    }
}

fn by_hand(options: &Options) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::catch()?;
    let meant = || format!("cannot walk {:?}; name a directory or a file", options.root);
    options.root.symlink_metadata().with_context(meant)?;
    let queue = own_queue(options)?;
    let mut files = 0;
    for found in walk(&options.root, None) {
        let path = match found {
            Ok(path) => path,
            Err((path, error)) => {
                complain(format_args!("entry: cannot list {path:?}: {error}"));
                continue;
            }
        };
        match (Job { number: files, path: &path }).encode() {
            Some(job) => {
                if !send(&queue, &Message::new(job), || interrupt.signal().is_none())? {
                    queue.close();
                    let _ = CrossProcessQueue::remove(&options.queue);
                    complain(format_args!(
                        "entry: interrupted after {files} files; the queue {} is removed",
                        options.queue
                    ));
                    return Ok(Interrupt::exit_code(interrupt.signal().unwrap_or_default()));
                }
            }
            None => complain(format_args!("entry: left out {path:?}: {}", too_long(&path))),
        }
        files += 1;
    }
    queue.close();
    complain(format_args!("entry: {files} files are in the queue {}, and it is closed", options.queue));
    Ok(ExitCode::SUCCESS)
}

/// The queue to fill: a new one, or one that an entry left without closing it.
fn own_queue(options: &Options) -> anyhow::Result<CrossProcessQueue> {
    let name = &options.queue;
    if let Ok(queue) = SharedChannel::<Message>::open(name) {
        let status = queue.status();
        // Workers have no sending end.
        if let Some(entry) = status.senders.first() {
            bail!(
                "the entry {} is filling the queue {name} already; wait for it, or give --queue another name",
                entry.pid
            );
        }
        if !status.closed {
            return Ok(queue.into());
        }
        if status.waiting > 0 {
            complain(format_args!(
                "entry: {} paths of an earlier walk are dropped: no worker came for them",
                status.waiting
            ));
        }
        mi7::remove(name)?;
    }
    Ok(CrossProcessQueue::create(name, options.capacity, MAX_MESSAGE)?)
}

fn for_daemon(options: &Options, reports: &str) -> anyhow::Result<ExitCode> {
    match serve(options, reports) {
        // The daemon has heard all it wants.
        Err(error) if is_closed(&error) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

fn serve(options: &Options, reports: &str) -> anyhow::Result<()> {
    let queue = CrossProcessQueue::connect(&options.queue)?;
    let daemon: Sender<News> = SharedChannel::open(reports)?.sender();
    let mut number = options.number;
    let mut reached = (number, Instant::now());
    for found in walk(&options.root, options.after.as_deref()) {
        let place = number;
        number += 1;
        if place < options.from {
            continue;
        }
        let path = match found {
            Ok(path) => path,
            Err((path, error)) => {
                let failure = Failure::new(&path, &error.to_string());
                daemon.send(&News::Skipped(Skipped { number: place, failure }))?;
                continue;
            }
        };
        let job = Job { number: place, path: &path };
        let Some(bytes) = job.encode() else {
            let failure = Failure::new(&path, &too_long(&path));
            daemon.send(&News::File(FileReport::new(job, Name::try_from("entry")?, Err(failure))))?;
            continue;
        };
        queue.send(Message::new(bytes))?;
        if number >= reached.0 + REACHED_FILES || reached.1.elapsed() >= REACHED_TIME {
            daemon.send(&News::Reached(Reached { path: path_bytes(&path), next: number }))?;
            reached = (number, Instant::now());
        }
    }
    daemon.send(&News::Walked(number))?;
    Ok(())
}

/// Sends, for as long as `go_on` says so. Whether it was sent.
fn send(queue: &CrossProcessQueue, message: &Message, go_on: impl Fn() -> bool) -> Result<bool, SharedMemoryError> {
    while go_on() {
        match queue.send_timeout(message, TICK) {
            Err(SharedMemoryError::Timeout) => {}
            other => return other.map(|()| true),
        }
    }
    Ok(false)
}

fn is_closed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(mi7::Error::Closed))
        || matches!(error.downcast_ref(), Some(SharedMemoryError::QueueClosed))
}

fn too_long(path: &Path) -> String {
    format!(
        "its path has {} bytes, and at most {MAX_PATH} can be sent; digest a directory further down",
        path.as_os_str().len()
    )
}
