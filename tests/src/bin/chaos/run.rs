//! The run: children are started, killed, stopped, continued, and watched.
//!
//! # When they are killed
//!
//! A child sleeps most of the time, so blind kills mostly hit sleepers. Others are aimed, by watching the victim's log until
//! it is where it is to die, and then waiting for a random moment:
//!
//! - *busy*: in the middle of sending, holding a loan or a message, or just after it received something, and is likely to
//!   go on;
//! - *attaching*: while it opens the channel, and recovers what its predecessor had; *leaving*: while it closes it;
//! - several *at one instant*, up to all of them; or all of one end, so that the first to follow is alone there for a while;
//! - a survivor a few milliseconds *after* another's death, when it may be recovering.
//!
//! Now and then comes a [calm](CALM), in which nobody is killed or stopped: what is taken for a living one's and is a dead
//! one's must not become free only because the living one dies too.
//!
//! A successor comes at once, or lets those who are left do the recovering for a while. [`Chaos::describe_deaths`] says what
//! came of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use mi7::SharedChannel;
use rustix::process::{Pid, Signal, kill_process};

use crate::log::{Log, Stage, now};
use crate::parcel::{Dice, Parcel};
use crate::tasks::LANES;
use crate::unwritten::Death;
use crate::verdict::{Accounts, End, count};
use crate::{Arguments, CHANNEL, Child, Role};

pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often the parent looks after its children.
const ROUND: Duration = Duration::from_millis(1);
/// How long a calm is, and how often there is one. It is long enough for a recovery to be too slow.
const CALM: Duration = Duration::from_millis(1500);
const CALM_EVERY: Duration = Duration::from_secs(12);
/// How long a child is watched for the moment it is to die at.
const WATCH: Duration = Duration::from_millis(20);
/// Rounds without progress that make a child stuck, beside the time: a machine that stood still is no proof.
const ROUNDS: u32 = 200;

/// A directory that goes when this does.
pub struct Scratch(pub PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// When somebody follows those who were killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Successors {
    /// At once, most of them.
    Soon,
    /// One at once, the others later.
    OneByOne,
}

/// One of those that send or receive in a child.
pub struct Lane {
    pub incarnation: u32,
    pub log: Log,
    path: PathBuf,
    progress: Progress,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How far a lane was when it was last seen getting on.
struct Progress {
    count: u64,
    since: Instant,
    /// How often it was looked at since.
    rounds: u32,
}

/// A child that runs, or is stopped.
pub struct Running {
    pub role: Role,
    process: std::process::Child,
    /// One at least.
    lanes: Vec<Lane>,
    /// When it is to be continued.
    stopped_until: Option<Instant>,
}

impl Running {
    fn signal(&self, signal: Signal) {
        // It is our child and was not waited for, so the id is its own.
        let _ = kill_process(Pid::from_child(&self.process), signal);
    }

    pub fn go_on(&mut self) {
        self.stopped_until = None;
        self.signal(Signal::CONT);
        self.forget_waiting();
    }

    fn forget_waiting(&mut self) {
        for lane in &mut self.lanes {
            lane.progress = Progress { count: lane.log.progress(), since: Instant::now(), rounds: 0 };
        }
    }

    /// That of its first lane.
    fn incarnation(&self) -> u32 {
        self.lanes[0].incarnation
    }

    fn stage(&self) -> Stage {
        self.lanes[0].log.stage()
    }

    fn any(&self, holds: impl Fn(&Log) -> bool) -> bool {
        self.lanes.iter().any(|lane| holds(&lane.log))
    }

    /// Whether its main thread sleeps, now.
    fn is_asleep(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    /// What it was doing when it died, by its log.
    fn last_doing(&self) -> &'static str {
        match (self.stage(), self.role) {
            (Stage::Starting, _) => "starting",
            (Stage::Attaching, _) => "attaching",
            (Stage::Leaving, _) => "leaving",
            (_, Role::Sender) if self.any(Log::is_within) => "holding a loan",
            (_, Role::Sender) if self.any(|log| log.about() > log.acked()) => "sending",
            (_, Role::Sender) => "between sends",
            (_, Role::Receiver) if self.any(Log::is_holding) => "holding messages",
            (_, Role::Receiver) if self.any(Log::is_within) => "receiving",
            (_, Role::Receiver) => "between receives",
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A run. Children before the directory: fields are dropped in this order.
pub struct Chaos<'a> {
    pub children: Vec<Running>,
    pub scratch: Scratch,
    pub arguments: &'a Arguments,
    dice: Dice,
    next_incarnation: u32,
    pub accounts: Accounts,
    /// When somebody is to follow one who died.
    vacancies: Vec<(Instant, Role)>,
    /// Who is to be killed when, by incarnation.
    doomed: Vec<(Instant, u32)>,
    pub kills: u64,
    pub stops: u64,
    pub stuck: u64,
    /// Children that ended with an error.
    pub failed: u64,
    /// What the killed were doing.
    deaths: BTreeMap<&'static str, u64>,
    /// The longest that anybody was without progress.
    pub longest: Duration,
    /// The longest from a kill until the killed was known to be dead, in nanoseconds.
    pub slowest_death: u64,
}

impl<'a> Chaos<'a> {
    pub fn new(arguments: &'a Arguments) -> Outcome<Self> {
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
            vacancies: Vec::new(),
            doomed: Vec::new(),
            kills: 0,
            stops: 0,
            stuck: 0,
            failed: 0,
            deaths: BTreeMap::new(),
            longest: Duration::ZERO,
            slowest_death: 0,
        };
        chaos.start_all()?;
        Ok(chaos)
    }

    /// As many as were asked for, where there is nobody.
    pub fn start_all(&mut self) -> Outcome {
        (0..self.arguments.senders).try_for_each(|_| self.start(Role::Sender))?;
        (0..self.arguments.receivers).try_for_each(|_| self.start(Role::Receiver))
    }

    pub fn new_incarnation(&mut self) -> u32 {
        self.new_incarnations(1)
    }

    /// The first of so many.
    fn new_incarnations(&mut self, count: u32) -> u32 {
        self.next_incarnation += count;
        self.next_incarnation - count
    }

    fn start(&mut self, role: Role) -> Outcome {
        let count = if self.arguments.in_tasks { LANES } else { 1 };
        let incarnation = self.new_incarnations(count);
        let lane = |incarnation| {
            let path = Log::path(&self.scratch.0, incarnation);
            let progress = Progress { count: 0, since: Instant::now(), rounds: 0 };
            Ok(Lane { incarnation, log: Log::create(&path)?, path, progress })
        };
        let lanes: Vec<Lane> = (incarnation..incarnation + count).map(lane).collect::<Outcome<_>>()?;
        let rate = match self.arguments.rate {
            0 => 0,
            all => (all / u64::from(self.arguments.senders) / u64::from(count)).max(1),
        };
        let parent = std::process::id() as i32;
        let (seed, forks) = (self.dice.roll(), self.arguments.forks);
        let child = Child { role, incarnation, lanes: count, seed, rate, forks, parent };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--directory").arg(&self.scratch.0).arg("--child").args(child.to_words());
        if let Some(plant) = self.arguments.plant.and_then(|plant| plant.to_possible_value()) {
            command.arg("--plant").arg(plant.get_name());
        }
        let process = command.spawn()?;
        self.children.push(Running { role, process, lanes, stopped_until: None });
        self.note_presence(now());
        Ok(())
    }

    /// Goes on for the time asked for. False: interrupted.
    pub fn run(&mut self, interrupted: &AtomicBool) -> Outcome<bool> {
        let end = Instant::now() + self.arguments.seconds;
        let mut next_strike = Instant::now() + self.interval();
        let mut next_stop = Instant::now() + self.interval();
        let mut next_calm = Instant::now() + CALM_EVERY;
        while Instant::now() < end {
            if interrupted.load(Ordering::Relaxed) {
                return Ok(false);
            }
            std::thread::sleep(ROUND);
            self.look_after_children(true)?;
            if Instant::now() > next_calm + CALM {
                next_calm = Instant::now() + CALM_EVERY;
                (next_strike, next_stop) = (Instant::now(), Instant::now());
            }
            if Instant::now() > next_calm {
                continue;
            }
            if !self.arguments.no_kill && is_due(&mut next_strike, || self.interval()) {
                self.strike()?;
            }
            if self.arguments.stop && is_due(&mut next_stop, || self.interval()) {
                self.stop_one();
            }
            self.kill_the_doomed()?;
        }
        Ok(true)
    }

    /// A time whose mean is what was asked for.
    fn interval(&mut self) -> Duration {
        let uniform = (self.dice.below(1 << 20) + 1) as f64 / (1 << 20) as f64;
        Duration::from_secs_f64((-uniform.ln() / self.arguments.strikes_per_second.max(0.001)).min(10.0))
    }

    /// Somebody; there is always somebody.
    fn pick(&mut self) -> usize {
        self.dice.below(self.children.len() as u64) as usize
    }

    fn index_of(&self, incarnation: u32) -> Option<usize> {
        self.children.iter().position(|child| child.incarnation() == incarnation)
    }

    /// Waits until a lane of a child is seen where it is to be, though not long, and then for a random moment.
    fn wait_for_moment(&mut self, at: (usize, usize), limit: Duration, micros: u64, seen: impl Fn(&Log) -> bool) {
        let until = Instant::now() + limit;
        while !seen(&self.children[at.0].lanes[at.1].log) && Instant::now() < until {
            std::thread::yield_now();
        }
        let until = Instant::now() + Duration::from_micros(self.dice.below(micros));
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }

    fn wait_until_busy(&mut self, index: usize) {
        let in_hand = self.dice.percent(50);
        let child = &self.children[index];
        let (role, lane) = (child.role, self.dice.below(child.lanes.len() as u64) as usize);
        let before = child.lanes[lane].log.progress();
        self.wait_for_moment((index, lane), WATCH, 40, |log| match role {
            Role::Sender if in_hand => log.is_within(),
            Role::Sender => log.about() > log.acked(),
            Role::Receiver if in_hand => log.is_holding(),
            Role::Receiver => log.progress() != before,
        });
    }

    /// Kills somebody, or several at once, or makes somebody leave.
    fn strike(&mut self) -> Outcome {
        let first = self.pick();
        if self.dice.percent(8) {
            return self.make_leave(first);
        }
        let kind = self.dice.below(100);
        let aimed = self.dice.percent(60);
        if aimed {
            self.wait_until_busy(first);
        } else if self.children[first].stopped_until.is_none() && self.children[first].is_asleep() {
            *self.deaths.entry("of these, asleep").or_default() += 1;
        }
        let (count, role) = (self.children.len(), self.children[first].role);
        let from_first = (first..first + count).map(|index| index % count);
        match kind {
            0..3 => self.kill(from_first.collect(), Successors::Soon)?,
            3..12 => {
                let several = 2 + self.dice.below(3) as usize;
                self.kill(from_first.take(several).collect(), Successors::Soon)?;
            }
            12..24 => {
                let same = from_first.filter(|index| self.children[*index].role == role);
                self.kill(same.collect(), Successors::OneByOne)?;
            }
            _ => self.kill(vec![first], Successors::Soon)?,
        }
        if self.dice.percent(30) {
            let survivor = self.pick();
            let time = Instant::now() + Duration::from_micros(self.dice.below(5000));
            self.doomed.push((time, self.children[survivor].incarnation()));
        }
        Ok(())
    }

    /// Asks a child to leave, and kills it on the way out perhaps.
    fn make_leave(&mut self, index: usize) -> Outcome {
        self.children[index].lanes.iter().for_each(|lane| lane.log.ask_to_quit());
        if self.dice.percent(50) {
            return Ok(());
        }
        self.wait_for_moment((index, 0), 10 * WATCH, 40, |log| log.stage() == Stage::Leaving);
        self.kill(vec![index], Successors::Soon)
    }

    fn kill_the_doomed(&mut self) -> Outcome {
        let now = Instant::now();
        let due: Vec<u32> = self.doomed.extract_if(.., |(time, _)| *time <= now).map(|(_, child)| child).collect();
        for incarnation in due {
            if let Some(index) = self.index_of(incarnation) {
                self.kill(vec![index], Successors::Soon)?;
            }
        }
        Ok(())
    }

    /// Kills children at one instant, and sees to their successors, some of whom hardly live.
    fn kill(&mut self, victims: Vec<usize>, successors: Successors) -> Outcome {
        for role in self.put_to_death(victims)? {
            let left = self.children.iter().any(|child| child.role == role && child.stopped_until.is_none());
            if left && (successors == Successors::OneByOne || self.dice.percent(40)) {
                let later = Duration::from_millis(self.dice.below(300));
                self.vacancies.push((Instant::now() + later, role));
                continue;
            }
            self.start(role)?;
            if self.dice.percent(25) {
                let newborn = self.children.len() - 1;
                self.wait_for_moment((newborn, 0), WATCH, 80, |log| log.stage() >= Stage::Attaching);
                if self.arguments.stop && self.dice.percent(50) {
                    self.stop(newborn);
                } else {
                    self.kill(vec![newborn], Successors::Soon)?;
                }
            }
        }
        Ok(())
    }

    /// Kills children at one instant, and closes their books. Says what they were.
    pub fn put_to_death(&mut self, mut victims: Vec<usize>) -> Outcome<Vec<Role>> {
        victims.sort_unstable();
        let mut dying: Vec<Running> = victims.iter().rev().map(|index| self.children.swap_remove(*index)).collect();
        let at = now();
        for child in &mut dying {
            child.process.kill()?;
        }
        self.note_presence(at);
        let mut roles = Vec::new();
        for mut child in dying {
            let status = child.process.wait()?;
            if status.signal() == Some(Signal::KILL.as_raw()) {
                self.kills += 1;
                let doing = if child.stopped_until.is_some() { "stopped" } else { child.last_doing() };
                *self.deaths.entry(doing).or_default() += 1;
                let gone = now();
                self.slowest_death = self.slowest_death.max(gone - at);
                let death = |lane: &Lane| End::Killed(Death { at, gone, receiving: lane.log.is_within() });
                self.close_books(&child, death);
            } else {
                self.take_leave(&child, status);
            }
            roles.push(child.role);
        }
        Ok(roles)
    }

    /// Closes the books of one who ended without having been killed.
    fn take_leave(&mut self, child: &Running, status: ExitStatus) {
        if !status.success() {
            count(&mut self.failed, || format!("failed: {:?} {}: {status}", child.role, child.incarnation()));
        }
        self.close_books(child, |_| End::Quit);
    }

    fn close_books(&mut self, child: &Running, end: impl Fn(&Lane) -> End) {
        for lane in &child.lanes {
            match child.role {
                Role::Sender => self.accounts.add_sender(lane.incarnation, &lane.log, end(lane)),
                Role::Receiver => self.accounts.add_receiver(lane.incarnation, &lane.log, end(lane)),
            }
        }
    }

    fn stop_one(&mut self) {
        let one = self.pick();
        if self.dice.percent(50) {
            self.wait_until_busy(one);
        }
        self.stop(one);
    }

    fn stop(&mut self, index: usize) {
        let millis = self.dice.below(600);
        let child = &mut self.children[index];
        if child.stopped_until.is_none() {
            child.signal(Signal::STOP);
            child.stopped_until = Some(Instant::now() + Duration::from_millis(millis));
            self.stops += 1;
            self.note_presence(now());
        }
    }

    fn note_presence(&mut self, time: u64) {
        let is_stopped = |child: &Running| child.stopped_until.is_some();
        let deserted = !self.children.iter().any(|child| child.role == Role::Receiver && !is_stopped(child));
        self.accounts.deserted.note(deserted, time);
        self.accounts.impeded.note(deserted || self.children.iter().any(is_stopped), time);
    }

    /// Continues the stopped, takes leave of those who went, fills vacancies, looks who is stuck.
    pub fn look_after_children(&mut self, replace: bool) -> Outcome {
        if replace {
            let now = Instant::now();
            let due: Vec<Role> =
                self.vacancies.extract_if(.., |(time, _)| *time <= now).map(|(_, role)| role).collect();
            due.into_iter().try_for_each(|role| self.start(role))?;
        }
        let everybody: Vec<u32> = self.children.iter().map(Running::incarnation).collect();
        for incarnation in everybody {
            if let Some(index) = self.index_of(incarnation) {
                self.look_after(index, replace)?;
            }
        }
        Ok(())
    }

    fn look_after(&mut self, index: usize, replace: bool) -> Outcome {
        if let Some(until) = self.children[index].stopped_until {
            if until <= Instant::now() && !self.arguments.no_kill && self.dice.percent(20) {
                return self.kill(vec![index], Successors::Soon);
            }
            if until <= Instant::now() {
                self.children[index].go_on();
                self.note_presence(now());
            }
        }
        let child = &mut self.children[index];
        if let Some(status) = child.process.try_wait()? {
            let child = self.children.swap_remove(index);
            self.take_leave(&child, status);
            return if replace { self.start(child.role) } else { Ok(()) };
        }
        if child.stopped_until.is_some() {
            child.forget_waiting();
            return Ok(());
        }
        let mut stuck = false;
        for lane in &mut child.lanes {
            let (count, now) = (lane.log.progress(), Instant::now());
            if count != lane.progress.count {
                lane.progress = Progress { count, since: now, rounds: 0 };
                continue;
            }
            lane.progress.rounds += 1;
            let without = now.duration_since(lane.progress.since);
            self.longest = self.longest.max(without);
            stuck |= without > self.arguments.patience && lane.progress.rounds > ROUNDS;
        }
        if stuck {
            self.report_stuck(index);
            return self.kill(vec![index], Successors::Soon);
        }
        Ok(())
    }

    pub fn report_stuck(&mut self, index: usize) {
        self.stuck += 1;
        let child = &self.children[index];
        let asleep = if child.is_asleep() { ", asleep" } else { "" };
        eprintln!("stuck: {:?} {}, {}{asleep}", child.role, child.incarnation(), child.last_doing());
        for lane in child.lanes.iter().filter(|_| child.lanes.len() > 1) {
            let (without, log) = (lane.progress.since.elapsed().as_millis(), &lane.log);
            let doing = (log.stage(), log.is_within(), log.about() - log.acked(), log.is_holding());
            eprintln!(
                "  lane {}: {without} ms without progress, (stage, within, in doubt, holding): {doing:?}",
                lane.incarnation
            );
        }
        if let Some(keep) = &self.arguments.keep {
            let copy = std::fs::copy(self.scratch.0.join(CHANNEL), keep.join(format!("stuck-{}", self.stuck)));
            eprintln!("kept: {copy:?}");
        }
    }

    /// Nobody follows any more on those who died.
    pub fn forget_vacancies(&mut self) {
        self.vacancies.clear();
        self.doomed.clear();
    }

    /// What the killed were doing.
    pub fn describe_deaths(&self) -> String {
        let deaths = self.deaths.iter().map(|(doing, count)| format!("{count} {doing}"));
        deaths.collect::<Vec<_>>().join(", ")
    }
}

/// Whether it is time; then the next time is set. One who is late catches up, up to a second.
fn is_due(next: &mut Instant, interval: impl FnOnce() -> Duration) -> bool {
    let now = Instant::now();
    let due = *next <= now;
    if due {
        let late = now.duration_since(*next).min(Duration::from_secs(1));
        *next = now - late + interval();
    }
    due
}
