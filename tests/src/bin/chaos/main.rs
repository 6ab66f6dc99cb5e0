//! Kills senders and receivers of one channel at random, and accounts for every message afterwards.
//!
//! ```text
//! cargo run --release -p mi7-tests --bin chaos -- --seconds 600 --senders 3 --receivers 3 --seed 1 --capacity 64 --stop
//! ```
//!
//! Each child is this program again. It keeps a log that survives its death ([`log`]): a sender, what it was about to send and
//! what was acknowledged; a receiver, what it leased and what it had done with. The parent kills them and starts new ones
//! ([`run`]), in the end kills all of them and looks whether the channel is as good as new ([`ending`]), reads their logs and
//! draws the balance ([`verdict`]). While they run it has not opened the channel itself, so that it is no help to them.
//!
//! What has to hold:
//!
//! - A message for which `send` returned Ok is received, and one that a dead receiver had not done with is received again.
//! - None is received that was not sent, or is altered, then or while it is held. For a killed sender, the one send it was
//!   in may be there or not; one that was refused (`Closed`) is not there.
//! - One that is received again was put back, or its holder was killed, and not done; and `deliveries()` has grown. Where
//!   it has grown by more, other receivers were killed before they could write down that they had it ([`unwritten`]).
//! - First deliveries are in order, of all senders together ([`order`]).
//! - No child that is not stopped is without progress for five seconds, and nothing that a dead one had, or that was put
//!   back, is left lying for a second.
//! - When all are dead at one instant, a new receiver drains the channel, and a new sender then fills it: with exactly as
//!   many messages as it has room for.
//! - When it is closed under their hands, the living leave, and what is left can be drained.
//!
//! With `--async`, each child has several tasks beside a thread now and then, each with a log of its own; their futures are dropped
//! again and again ([`tasks`]). All that has to hold holds for each of them.
//!
//! With `--fork`, those that send and receive fork now and then ([`forks`]).
//!
//! Faults can be planted (`--plant`), to see that they are found: `tests/chaos.rs` does.

mod ending;
mod forks;
mod log;
mod order;
mod parcel;
mod run;
mod tasks;
mod unwritten;
mod verdict;
mod worker;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use run::Chaos;
use verdict::{Verdict, count, percentile_ms};

const CHANNEL: &str = "chaos";

/// Kills senders and receivers of one channel at random, and accounts for every message afterwards.
#[derive(Parser)]
struct Arguments {
    /// How long to go on.
    #[arg(long, default_value = "10", value_parser = seconds)]
    seconds: Duration,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    senders: u16,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    receivers: u16,
    /// What the dice begin with. Who runs when is the kernel's choice all the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 64)]
    capacity: usize,
    /// Stop and continue children too.
    #[arg(long)]
    stop: bool,
    /// Tasks send and receive, rather than threads.
    #[arg(long = "async")]
    in_tasks: bool,
    /// Those that send and receive fork now and then, and what was forked uses what it inherited.
    #[arg(long = "fork")]
    forks: bool,
    /// Kill nobody.
    #[arg(long)]
    no_kill: bool,
    /// How often to strike. Most strikes kill one child, some several, and some are followed by another: there are nearly twice
    /// as many kills.
    #[arg(long, default_value_t = 8.0)]
    strikes_per_second: f64,
    /// Messages a second, of all senders together, in bursts. 0: as fast as they can, for short runs.
    #[arg(long, default_value_t = 15_000)]
    rate: u64,
    /// How long a child may be without progress.
    #[arg(long, default_value = "5", value_parser = seconds)]
    patience: Duration,
    /// Where to keep a copy of the channel's file when somebody is stuck.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// A fault in this program that it has to find.
    #[arg(long, hide = true)]
    plant: Option<Plant>,
    /// What a child is told: see [`Child`].
    #[arg(long, hide = true, num_args = 7)]
    child: Option<Vec<String>>,
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

/// A planted fault. Each shows now and then, in every child.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Plant {
    /// A message is acknowledged and never sent.
    Lose,
    /// A message is said to be put back, and is dropped.
    Swallow,
    /// A message is sent that is in no log.
    Invent,
    /// A message is sent with one bit changed.
    Tear,
    /// One bit of a message is changed while a receiver holds it.
    Scribble,
    /// A message is sent twice.
    Double,
    /// A message is put back, and said to be done.
    Redo,
    /// A message that is received again is said to be received for the first time.
    Uncounted,
    /// A message is received and put back, and nothing is said of it.
    Unlogged,
    /// A message is sent before one it comes after.
    Reorder,
    /// A sender ends with an error.
    Fail,
    /// A sender gets no further.
    Hang,
    /// When all are dead, somebody lives who keeps a slot.
    Leak,
    /// A task receives a message in a future that is dropped with it. With `--async`.
    Cancel,
    /// What a forked child does reaches the channel: it receives a message. With `--fork`.
    Inherit,
    /// A task that sends believes that nothing was sent with a future that is dropped, and something was. With `--async`.
    Resend,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Sender,
    Receiver,
}

/// What a child is told.
struct Child {
    role: Role,
    /// No two children of a run have the same. That of its first lane; the others' are the next.
    incarnation: u32,
    /// How many send or receive in it, each with a log of its own. More than one: in tasks.
    lanes: u32,
    seed: u64,
    /// Messages a second, of each lane; 0: as fast as it can.
    rate: u64,
    /// Whether it forks.
    forks: bool,
    parent: i32,
}

impl Child {
    fn to_words(&self) -> [String; 7] {
        let role = if self.role == Role::Sender { "sender" } else { "receiver" };
        let [incarnation, lanes] = [self.incarnation, self.lanes].map(|number| number.to_string());
        let [seed, rate] = [self.seed, self.rate].map(|number| number.to_string());
        [role.into(), incarnation, lanes, seed, rate, self.forks.to_string(), self.parent.to_string()]
    }

    fn from_words(words: &[String]) -> Result<Child, Box<dyn Error>> {
        let [role, incarnation, lanes, seed, rate, forks, parent] = words else { return Err("seven words".into()) };
        Ok(Child {
            role: if role == "sender" { Role::Sender } else { Role::Receiver },
            incarnation: incarnation.parse()?,
            lanes: lanes.parse()?,
            seed: seed.parse()?,
            rate: rate.parse()?,
            forks: forks.parse()?,
            parent: parent.parse()?,
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match (&arguments.child, &arguments.directory) {
        (Some(words), Some(directory)) => be_child(words, directory, arguments.plant),
        _ => be_parent(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("chaos: {error}");
        ExitCode::FAILURE
    })
}

fn be_child(words: &[String], directory: &Path, plant: Option<Plant>) -> Result<ExitCode, Box<dyn Error>> {
    worker::run(&Child::from_words(words)?, directory, plant)?;
    Ok(ExitCode::SUCCESS)
}

fn be_parent(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let mut chaos = Chaos::new(arguments)?;
    if !chaos.run(&interrupted)? {
        eprintln!("chaos: interrupted, nothing was checked");
        return Ok(ExitCode::from(130));
    }
    chaos.finish()?;
    let mut verdict = std::mem::take(&mut chaos.accounts).settle();
    verdict.unexplained += chaos.failed;
    verdict.stuck += chaos.stuck;
    if verdict.sent == 0 {
        count(&mut verdict.stuck, || "stuck: nothing was sent at all".into());
    }
    let (kills, stops) = (chaos.kills, chaos.stops);
    eprintln!("killed: {}", chaos.describe_deaths());
    let [longest, slowest] = [chaos.longest.as_millis() as u64, chaos.slowest_death / 1_000_000];
    eprintln!("the longest without progress: {longest} ms; the longest from a kill to the death: {slowest} ms");
    drop(chaos);
    let Verdict { sent, received, lost, invented, duplicated, unexplained, stuck, put_back, unwritten, .. } = verdict;
    eprintln!("{put_back} put back; {unwritten} leases of receivers that were killed before they wrote them down");
    for (what, times) in [
        ("leases of killed receivers were delivered again", &verdict.again),
        ("senders were killed in a message, and others went on", &verdict.moved_on),
    ] {
        let [half, most, all] = [50, 99, 100].map(|percent| percentile_ms(times, percent));
        eprintln!("{} {what}, half of them within {half:.1} ms, 99 % {most:.1} ms, all {all:.1} ms", times.len());
    }
    println!(
        "kills={kills} stops={stops} sent={sent} received={received} lost={lost} invented={invented} \
         duplicated={duplicated} unexplained={unexplained} stuck={stuck} recovery_p99_ms={:.1} recovery_max_ms={:.1}",
        verdict.recovery_ms(99),
        verdict.recovery_ms(100),
    );
    let wrong = lost + invented + unexplained + stuck;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
