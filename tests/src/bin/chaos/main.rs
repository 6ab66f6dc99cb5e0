//! Kills senders and receivers of one channel at random, and accounts for every message afterwards.
//!
//! ```text
//! cargo run --release -p mi7-tests --bin chaos -- --seconds 600 --senders 3 --receivers 3 --seed 1 --capacity 64 --stop
//! ```
//!
//! Each child is this program again. It keeps a log that survives its death ([`log`]): a sender, what it was about to send and
//! what was acknowledged; a receiver, what it leased and what it had done with. The parent kills them and starts new ones
//! ([`Chaos`]), reads their logs ([`verdict`]), closes the channel under their hands, and receives what is left. While they
//! run it has not opened the channel itself, so that it is no help to them.
//!
//! What has to hold:
//!
//! - A message for which `send` returned Ok is received, and one that a dead receiver had not done with is received again.
//! - None is received that was not sent, or is altered, then or while it is held. For a killed sender, the one send it was
//!   in may be there or not; one that was refused (`Closed`) is not there.
//! - One that is received again was put back, or its holder was killed, and not done; and `deliveries()` has grown.
//! - First deliveries of one sender's messages are in order.
//! - No child that is not stopped is without progress for five seconds, and the channel can be drained.
//!
//! Faults can be planted (`--plant`), to see that they are found.

mod log;
mod parcel;
mod verdict;
mod worker;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use mi7::SharedChannel;
use rustix::process::{Pid, Signal, kill_process};

use log::{Entry, Log, State, now};
use parcel::{Dice, Parcel};
use verdict::{Accounts, End, Verdict};

const CHANNEL: &str = "chaos";
/// How long a child may be without progress.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the parent looks after its children.
const ROUND: Duration = Duration::from_millis(2);

/// Kills senders and receivers of one channel at random, and accounts for every message afterwards.
#[derive(Parser)]
struct Arguments {
    /// How long to go on.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
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
    /// Kill nobody.
    #[arg(long)]
    no_kill: bool,
    #[arg(long, default_value_t = 8.0)]
    kills_per_second: f64,
    /// Messages a second, of all senders together, in bursts. 0: as fast as they can, for short runs.
    #[arg(long, default_value_t = 15_000)]
    rate: u64,
    /// A fault in this program that it has to find.
    #[arg(long, hide = true)]
    plant: Option<Plant>,
    /// What a child is told: see [`Child`].
    #[arg(long, hide = true, num_args = 6)]
    child: Option<Vec<String>>,
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

/// A planted fault.
#[derive(Clone, Copy, ValueEnum)]
enum Plant {
    /// A message is acknowledged and never sent.
    Lose,
    /// A message is sent that is in no log.
    Invent,
    /// A message is sent with one bit changed.
    Tear,
    /// A message is sent twice.
    Duplicate,
    /// A message is sent before those it comes after.
    Reorder,
    /// A sender gets no further.
    Stick,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Sender,
    Receiver,
}

/// What a child is told.
struct Child {
    role: Role,
    /// No two children of a run have the same.
    incarnation: u32,
    log: PathBuf,
    seed: u64,
    /// Messages a second.
    rate: u64,
    parent: i32,
}

impl Child {
    fn to_words(&self) -> [String; 6] {
        let role = if self.role == Role::Sender { "sender" } else { "receiver" };
        let log = self.log.display().to_string();
        let [incarnation, seed] = [u64::from(self.incarnation), self.seed].map(|number| number.to_string());
        [role.into(), incarnation, log, seed, self.rate.to_string(), self.parent.to_string()]
    }

    fn from_words(words: &[String]) -> Result<Child, Box<dyn Error>> {
        let [role, incarnation, log, seed, rate, parent] = words else { return Err("six words".into()) };
        Ok(Child {
            role: if role == "sender" { Role::Sender } else { Role::Receiver },
            incarnation: incarnation.parse()?,
            log: log.into(),
            seed: seed.parse()?,
            rate: rate.parse()?,
            parent: parent.parse()?,
        })
    }
}

/// A directory that goes when this does.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A child that runs, or is stopped.
struct Running {
    role: Role,
    incarnation: u32,
    process: std::process::Child,
    log: Log,
    path: PathBuf,
    /// When it was last seen getting on, and how far.
    progress: (u64, Instant),
    /// When it is to be continued.
    stopped_until: Option<Instant>,
}

impl Running {
    fn signal(&self, signal: Signal) {
        // It is our child and was not waited for, so the id is its own.
        let _ = kill_process(Pid::from_child(&self.process), signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A run. Children before the directory: fields are dropped in this order.
struct Chaos<'a> {
    children: Vec<Running>,
    scratch: Scratch,
    arguments: &'a Arguments,
    dice: Dice,
    next_incarnation: u32,
    accounts: Accounts,
    /// Children to be killed at a time, by incarnation.
    doomed: BTreeMap<(Instant, u32), ()>,
    kills: u64,
    stops: u64,
    stuck: u64,
    /// Children that ended with an error.
    failed: u64,
}

impl<'a> Chaos<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch(PathBuf::from(format!("/dev/shm/mi7-chaos-{}", std::process::id())));
        std::fs::create_dir(&scratch.0)?;
        SharedChannel::<Parcel>::options().capacity(arguments.capacity).directory(&scratch.0).create(CHANNEL)?;
        let mut chaos = Chaos {
            children: Vec::new(),
            scratch,
            arguments,
            dice: Dice::new(arguments.seed),
            next_incarnation: 1,
            accounts: Accounts::default(),
            doomed: BTreeMap::new(),
            kills: 0,
            stops: 0,
            stuck: 0,
            failed: 0,
        };
        for _ in 0..arguments.senders {
            chaos.start(Role::Sender)?;
        }
        for _ in 0..arguments.receivers {
            chaos.start(Role::Receiver)?;
        }
        Ok(chaos)
    }

    fn start(&mut self, role: Role) -> Result<(), Box<dyn Error>> {
        let incarnation = self.next_incarnation;
        self.next_incarnation += 1;
        let path = self.scratch.0.join(format!("log-{incarnation}"));
        let log = Log::create(&path)?;
        let child = Child {
            role,
            incarnation,
            log: path.clone(),
            seed: self.dice.roll(),
            rate: self.arguments.rate / u64::from(self.arguments.senders),
            parent: std::process::id() as i32,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--directory").arg(&self.scratch.0).arg("--child").args(child.to_words());
        if let Some(plant) = self.arguments.plant.and_then(|plant| plant.to_possible_value()) {
            command.arg("--plant").arg(plant.get_name());
        }
        let process = command.spawn()?;
        self.children.push(Running {
            role,
            incarnation,
            process,
            log,
            path,
            progress: (0, Instant::now()),
            stopped_until: None,
        });
        Ok(())
    }

    /// Goes on for the time asked for. False: interrupted.
    fn run(&mut self, interrupted: &AtomicBool) -> Result<bool, Box<dyn Error>> {
        let end = Instant::now() + Duration::from_secs_f64(self.arguments.seconds);
        let mut next_kill = Instant::now() + self.interval(self.arguments.kills_per_second);
        let mut next_stop = Instant::now() + self.interval(self.arguments.kills_per_second);
        while Instant::now() < end {
            if interrupted.load(Ordering::Relaxed) {
                return Ok(false);
            }
            std::thread::sleep(ROUND);
            if !self.arguments.no_kill && Instant::now() >= next_kill {
                next_kill = Instant::now() + self.interval(self.arguments.kills_per_second);
                self.strike()?;
            }
            if self.arguments.stop && Instant::now() >= next_stop {
                next_stop = Instant::now() + self.interval(self.arguments.kills_per_second);
                self.stop_one();
            }
            self.kill_the_doomed()?;
            self.look_after_children(true)?;
        }
        Ok(true)
    }

    /// A time whose mean is the rate's.
    fn interval(&mut self, per_second: f64) -> Duration {
        let uniform = (self.dice.below(1 << 20) + 1) as f64 / (1 << 20) as f64;
        Duration::from_secs_f64((-uniform.ln() / per_second.max(0.001)).min(10.0))
    }

    fn pick(&mut self) -> usize {
        self.dice.below(self.children.len() as u64) as usize
    }

    /// Kills somebody, or several at once, or makes somebody leave; some successors hardly live.
    fn strike(&mut self) -> Result<(), Box<dyn Error>> {
        if self.dice.percent(5) {
            let one = self.pick();
            self.children[one].log.ask_to_quit();
            return Ok(());
        }
        let victims = if self.dice.percent(10) { 2 + self.dice.below(3) } else { 1 };
        for _ in 0..victims {
            let one = self.pick();
            let incarnation = self.kill(one)?;
            if self.dice.percent(25) {
                // About as long as starting takes: while it attaches, and recovers what its predecessor had.
                let life = Duration::from_micros(self.dice.below(4000));
                self.doomed.insert((Instant::now() + life, incarnation), ());
            }
        }
        Ok(())
    }

    fn kill_the_doomed(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(entry) = self.doomed.first_entry()
            && entry.key().0 <= Instant::now()
        {
            let ((_, incarnation), ()) = entry.remove_entry();
            if let Some(one) = self.children.iter().position(|child| child.incarnation == incarnation) {
                self.kill(one)?;
            }
        }
        Ok(())
    }

    /// Kills a child and starts its successor, whose incarnation it gives.
    fn kill(&mut self, one: usize) -> Result<u32, Box<dyn Error>> {
        let mut child = self.children.swap_remove(one);
        let at = now();
        child.process.kill()?;
        child.process.wait()?;
        self.kills += 1;
        self.close_books(&child, End::Killed(at));
        self.start(child.role)?;
        Ok(self.next_incarnation - 1)
    }

    fn close_books(&mut self, child: &Running, end: End) {
        match child.role {
            Role::Sender => self.accounts.add_sender(child.incarnation, &child.log),
            Role::Receiver => self.accounts.add_receiver(child.incarnation, &child.log, end),
        }
    }

    fn stop_one(&mut self) {
        let one = self.pick();
        let millis = self.dice.below(800);
        let child = &mut self.children[one];
        if child.stopped_until.is_none() {
            child.signal(Signal::STOP);
            child.stopped_until = Some(Instant::now() + Duration::from_millis(millis));
            self.stops += 1;
        }
    }

    /// Continues the stopped, takes leave of those who went, looks who is stuck.
    fn look_after_children(&mut self, replace: bool) -> Result<(), Box<dyn Error>> {
        let mut index = 0;
        while index < self.children.len() {
            let child = &mut self.children[index];
            if child.stopped_until.is_some_and(|until| until <= Instant::now()) {
                child.signal(Signal::CONT);
                child.stopped_until = None;
                child.progress.1 = Instant::now();
            }
            let progress = child.log.progress();
            if progress != child.progress.0 || child.stopped_until.is_some() {
                child.progress = (progress, Instant::now());
            } else if child.progress.1.elapsed() > PATIENCE {
                self.stuck += 1;
                let role = child.role;
                eprintln!("stuck: {role:?} {} ({})", child.incarnation, child.process.id());
                self.kill(index)?;
                continue;
            }
            if let Some(status) = self.children[index].process.try_wait()? {
                let child = self.children.swap_remove(index);
                if !status.success() {
                    eprintln!("failed: {:?} {}: {status}", child.role, child.incarnation);
                    self.failed += 1;
                }
                self.close_books(&child, End::Quit);
                if replace {
                    self.start(child.role)?;
                }
                continue;
            }
            index += 1;
        }
        Ok(())
    }

    /// Closes the channel under the children's hands, waits for them to leave, and receives what is left.
    fn finish(&mut self) -> Result<(), Box<dyn Error>> {
        for child in &mut self.children {
            child.stopped_until = None;
            child.progress.1 = Instant::now();
            child.signal(Signal::CONT);
        }
        let channel = SharedChannel::<Parcel>::options().directory(&self.scratch.0).open(CHANNEL)?;
        channel.close();
        let begun = Instant::now();
        while !self.children.is_empty() {
            self.look_after_children(false)?;
            if begun.elapsed() > 2 * PATIENCE {
                for child in std::mem::take(&mut self.children) {
                    eprintln!("stuck: {:?} {} after the close", child.role, child.incarnation);
                    self.stuck += 1;
                    self.close_books(&child, End::Killed(now()));
                }
            }
            std::thread::sleep(ROUND);
        }
        let rx = channel.receiver();
        let begun = Instant::now();
        loop {
            let start = now();
            match rx.recv_timeout(PATIENCE) {
                Ok(message) => self.accounts.add_delivery(Entry {
                    id: message.id.to_native(),
                    start,
                    end: now(),
                    deliveries: message.deliveries(),
                    state: State::Done,
                    torn: !message.is_whole(),
                }),
                Err(mi7::Error::Closed) => break,
                Err(error) => {
                    eprintln!("stuck: draining: {error}; {:?}", channel.status());
                    self.stuck += 1;
                    break;
                }
            }
            if begun.elapsed() > 4 * PATIENCE {
                eprintln!("stuck: draining takes too long: {:?}", channel.status());
                self.stuck += 1;
                break;
            }
        }
        Ok(())
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
    let (kills, stops, stuck) = (chaos.kills, chaos.stops, chaos.stuck);
    let mut verdict = std::mem::take(&mut chaos.accounts).settle();
    verdict.unexplained += chaos.failed;
    drop(chaos);
    let Verdict { sent, received, lost, invented, duplicated, unexplained, .. } = verdict;
    eprintln!(
        "{} leases of killed receivers were delivered again, half of them within {:.1} ms",
        verdict.recovery.len(),
        verdict.recovery_ms(50)
    );
    println!(
        "kills={kills} stops={stops} sent={sent} received={received} lost={lost} invented={invented} \
         duplicated={duplicated} unexplained={unexplained} stuck={stuck} recovery_p99_ms={:.1} recovery_max_ms={:.1}",
        verdict.recovery_ms(99),
        verdict.recovery_ms(100),
    );
    let wrong = lost + invented + unexplained + stuck;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
