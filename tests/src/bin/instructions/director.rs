//! Plays cases: has actors run to where they are to stop, kills them or holds them still, and has the checker check.

use mi7::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::actor::{Actor, NUMBERS};
use crate::board::{Board, Deed, LOGS};
use crate::calls::{self, Call, Help};
use crate::case::{Aim, Case, Fate, Part};
use crate::checker::{Checker, Request};
use crate::guard::{Guard, Seen, Until, walk};
use crate::marks::Mark;
use crate::profile::Profile;
use crate::scenes::{Exclusive, SCENES};
use crate::tracee::{Stop, Tracee};

/// The longest that a call takes which nobody keeps from going on.
const CALL: Duration = Duration::from_secs(8);
/// How long one that sleeps because of others is waited for.
const HELD_UP: Duration = Duration::from_millis(15);
/// As long, if its own time has to be over first.
const OWN_TIME: Duration = Duration::from_millis(400);

/// What came of a case.
#[derive(Default, Debug)]
pub struct Played {
    /// It could be played: all actors could be prepared for their calls.
    pub is_complete: bool,
    /// Actors that were killed, and how many of them where they should be.
    pub kills: u32,
    pub landed: u32,
    pub lost: u32,
    pub invented: u32,
    pub stuck: u32,
    /// Microseconds until the channel was as good as new.
    pub micros: u32,
    /// Where the actors stopped.
    pub stops: Vec<u64>,
    pub text: String,
}

impl Played {
    pub fn is_good(&self) -> bool {
        self.lost + self.invented + self.stuck == 0
    }

    fn stick(&mut self, what: &str) {
        self.stuck += 1;
        self.text += &format!("    stuck: {what}\n");
    }
}

/// One job's.
pub struct Director {
    board: &'static Board,
    directory: PathBuf,
    checker: Checker,
    plant: Option<Plant>,
}

/// A planted fault. Each shows in most cases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Plant {
    /// Actors acknowledge messages that they do not send.
    Lose,
    /// Actors send each message once more.
    Double,
    /// Actors send messages that are altered.
    Tear,
    /// The checker keeps an entry of the table.
    Keep,
}

/// An actor on its way.
struct Player {
    part: Part,
    tracee: Tracee,
    log: usize,
    /// The mark that it came to last.
    at: Option<Mark>,
}

impl Player {
    /// Has it run to its next mark. None if it does not get there.
    fn run_to_mark(&mut self, started: bool) -> Outcome<Option<Mark>> {
        let begun = Instant::now();
        let mut stop = if started { self.tracee.run(CALL)? } else { self.tracee.wait(CALL)? };
        while stop == Stop::Asleep && begun.elapsed() < CALL {
            stop = self.tracee.wait(CALL)?;
        }
        Ok(match stop {
            Stop::Mark(mark) => Some(mark),
            _ => None,
        })
    }
}

impl Director {
    pub fn new(directory: &Path, plant: Option<Plant>) -> Outcome<Director> {
        let board = Board::new()?;
        let checker = Checker::start(board, directory, plant)?;
        Ok(Director { board, directory: directory.to_owned(), checker, plant })
    }

    /// Plays a case.
    pub fn play(&mut self, case: &Case) -> Outcome<Played> {
        self.board.clear();
        let mut played = Played::default();
        let scene = &SCENES[case.scene];
        self.ask(Request::Prepare { scene: case.scene, witness: case.witness }, &mut played)?;
        let mut players = match self.prepare(&case.parts)? {
            Ok(players) => players,
            Err(what) => {
                if !what.is_empty() {
                    played.stick(&what);
                }
                return Ok(played);
            }
        };
        let mut sleeper = scene.sleeper.map(|what| self.start_sleeper(what)).transpose()?;
        for player in &mut players {
            self.stop(player, &mut played)?;
        }
        if case.uses != 0 {
            self.ask(Request::Use { which: case.uses }, &mut played)?;
        }
        for player in &mut players {
            self.end(player, scene.end != Exclusive::Neither, &mut played)?;
        }
        let is_in = |player: &&Player| !player.tracee.is_gone() && !player.part.call.leaves;
        let living = players.iter().filter(is_in).count() + usize::from(sleeper.is_some());
        self.ask(Request::Check { living: living as u8, slow: case.slow }, &mut played)?;
        played.is_complete = true;
        let report = &self.board.report;
        played.lost += report.lost.load(Ordering::Relaxed);
        played.invented += report.invented.load(Ordering::Relaxed);
        played.stuck += report.stuck.load(Ordering::Relaxed);
        played.micros = report.micros.load(Ordering::Relaxed);
        played.text += &report.text.get();
        if let Some(sleeper) = &mut sleeper {
            sleeper.kill();
        }
        Ok(played)
    }

    /// What a call executes in a case whose last part it is: that one is not stopped, but stepped. None if it cannot be played.
    pub fn record(&mut self, case: &Case) -> Outcome<Option<Profile>> {
        self.follow(case, |tracee, guard, asleep| Profile::record(tracee, guard, asleep))
    }

    /// The events of a call in a case whose last part it is.
    pub fn watch(&mut self, case: &Case) -> Outcome<Option<Vec<Seen>>> {
        self.follow(case, |tracee, guard, asleep| {
            let mut seen = Vec::new();
            walk(tracee, guard, Until::End, asleep, &mut seen)?;
            Ok(seen)
        })
    }

    fn follow<T>(
        &mut self,
        case: &Case,
        follow: impl FnOnce(&mut Tracee, Guard<'_>, &mut dyn FnMut() -> Outcome<bool>) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        self.board.clear();
        let mut played = Played::default();
        self.ask(Request::Prepare { scene: case.scene, witness: case.witness }, &mut played)?;
        let Ok(mut players) = self.prepare(&case.parts)? else { return Ok(None) };
        // It is killed when this returns.
        let _sleeper = SCENES[case.scene].sleeper.map(|what| self.start_sleeper(what)).transpose()?;
        let Some(mut last) = players.pop() else { return Ok(None) };
        for player in &mut players {
            self.stop(player, &mut played)?;
        }
        let directory = self.directory.to_string_lossy();
        let guard = Guard::new(self.board.range(), &directory);
        let mut patience = Patience::new(last.part.call, players.len());
        let checker = &mut self.checker;
        let followed = follow(&mut last.tracee, guard, &mut || patience.asleep(checker));
        Ok(Some(followed.map_err(|error| format!("{case}: {error}"))?))
    }

    fn ask(&mut self, request: Request, played: &mut Played) -> Outcome {
        if !self.checker.ask(request) {
            played.stick(&format!("the checker hangs, or is gone: {request:?}"));
            self.checker = Checker::start(self.board, &self.directory, self.plant)?;
        }
        Ok(())
    }

    fn actor(&self, log: usize, stepped: bool) -> Actor<'_> {
        let first = log as u64 * NUMBERS;
        Actor { log: &self.board.logs[log], directory: &self.directory, first, stepped, plant: self.plant }
    }

    /// Starts the actors and has them run to where their calls begin. Else why one of them did not; empty if that is no fault.
    fn prepare(&mut self, parts: &[Part]) -> Outcome<Result<Vec<Player>, String>> {
        let mut players = Vec::new();
        // All are warm before one of them takes anything.
        for (at, part) in parts.iter().enumerate() {
            let log = at + 1;
            let tracee = Tracee::fork(true, || {
                let actor = self.actor(log, true);
                match (part.call.play)(&actor) {
                    Ok(()) => 0,
                    // Others have what it needs.
                    Err(Error::Full | Error::Empty | Error::EndTaken { .. }) => 0,
                    Err(error) => {
                        actor.log.fail(&format_args!("{}: {error}", part.call.name));
                        1
                    }
                }
            })?;
            let mut player = Player { part: *part, tracee, log, at: None };
            player.at = player.run_to_mark(false)?;
            players.push(player);
        }
        for player in &mut players {
            if player.at == Some(Mark::Warm) {
                player.at = player.run_to_mark(true)?;
            }
            if player.at != Some(Mark::Begin) {
                let (name, log) = (player.part.call.name, &self.board.logs[player.log]);
                let is_fault = !player.tracee.is_gone() || log.read().iter().any(|entry| entry.deed == Deed::Failed);
                let what = is_fault.then(|| format!("{name} does not come to its call: {}", log.text()));
                return Ok(Err(what.unwrap_or_default()));
            }
        }
        Ok(Ok(players))
    }

    /// Starts the process that sleeps in a scene, and waits until it does.
    fn start_sleeper(&mut self, what: &str) -> Outcome<Tracee> {
        let tracee = Tracee::fork(false, || {
            let actor = self.actor(LOGS - 1, false);
            if let Err(error) = calls::sleep(&actor, what) {
                actor.log.fail(&error);
            }
            0
        })?;
        let begun = Instant::now();
        // A little while: it may sleep for other reasons before.
        let mut seen = 0;
        while seen < 3 && begun.elapsed() < CALL {
            std::thread::sleep(Duration::from_micros(200));
            seen = if tracee.is_asleep() { seen + 1 } else { 0 };
        }
        Ok(tracee)
    }

    /// Has an actor run to where it is to stop, and kills it if it is to be.
    fn stop(&mut self, player: &mut Player, played: &mut Played) -> Outcome {
        let Player { part, tracee, .. } = player;
        let mut patience = Patience::new(part.call, 1);
        let checker = &mut self.checker;
        let mut asleep = || patience.asleep(checker);
        let stop = match part.aim {
            Aim::Instruction(route) => tracee.go_to(&route, &mut asleep)?,
            Aim::Event(until) => {
                let directory = self.directory.to_string_lossy();
                walk(tracee, Guard::new(self.board.range(), &directory), until, &mut asleep, &mut Vec::new())?
            }
        };
        let landed = match (stop, part.aim) {
            (Stop::At(_), _) => true,
            (Stop::Mark(Mark::End), Aim::Instruction(route)) => route.hits == 0,
            (Stop::Mark(Mark::End), Aim::Event(Until::End)) => true,
            (Stop::Asleep, Aim::Instruction(route)) => route.sleeps,
            (Stop::Asleep, Aim::Event(until)) => matches!(until, Until::Asleep(_)),
            _ => false,
        };
        if let Stop::At(at) = stop {
            played.stops.push(at);
        }
        self.look_at(player, stop, played);
        if player.part.fate == Fate::Killed || !matches!(stop, Stop::At(_) | Stop::Mark(Mark::End)) {
            self.kill(player, played);
        }
        played.landed += u32::from(landed);
        Ok(())
    }

    fn kill(&mut self, player: &mut Player, played: &mut Played) {
        if !player.tracee.is_gone() {
            player.tracee.kill();
            self.board.logs[player.log].bury();
            played.kills += 1;
        }
    }

    /// One that crashed, or ended in the midst of its call, is a finding.
    fn look_at(&self, player: &mut Player, stop: Stop, played: &mut Played) {
        let name = player.part.call.name;
        match stop {
            Stop::Crashed(signal) => played.stick(&format!("{name} crashed: {signal}")),
            Stop::Touched(address) => played.stick(&format!("{name} crashed: it touched {address:#x}")),
            Stop::Exited(code)
                if !self.board.logs[player.log].read().iter().any(|entry| entry.deed == Deed::Failed) =>
            {
                played.stick(&format!("{name} ended in the midst of its call: {code}"));
            }
            _ => {}
        }
    }

    /// What becomes of one that was held still.
    fn end(&mut self, player: &mut Player, leaves: bool, played: &mut Played) -> Outcome {
        if player.tracee.is_gone() {
            return Ok(());
        }
        let lives = match player.part.fate {
            Fate::Killed | Fate::HeldAndKilled => {
                self.kill(player, played);
                return Ok(());
            }
            Fate::HeldAndLives => !leaves,
            Fate::HeldAndLeaves => false,
        };
        let begun = Instant::now();
        let mut patience = Patience::new(player.part.call, 0);
        let mut stop = player.tracee.run(CALL)?;
        loop {
            match stop {
                Stop::Mark(Mark::Rest) if lives => return Ok(()),
                Stop::Mark(_) => stop = player.tracee.run(CALL)?,
                Stop::Asleep if begun.elapsed() < CALL => {
                    patience.asleep(&mut self.checker)?;
                    stop = player.tracee.wait(CALL)?;
                }
                Stop::Exited(0) => return Ok(()),
                Stop::Asleep | Stop::Late => {
                    // `recv_many` and the like have no end of their own: it is none of its own fault if nobody sends.
                    if player.part.call.help == Help::No && !player.part.call.may_hang {
                        played.stick(&format!("{} does not go on", player.part.call.name));
                    }
                    self.kill(player, played);
                    return Ok(());
                }
                stop => {
                    self.look_at(player, stop, played);
                    self.kill(player, played);
                    return Ok(());
                }
            }
        }
    }
}

/// How long one that sleeps is waited for, and who helps.
struct Patience {
    help: Help,
    begun: Instant,
    limit: Duration,
}

impl Patience {
    /// For a call beside so many others that may keep it waiting.
    fn new(call: &Call, others: usize) -> Patience {
        let limit = match (call.is_slow, others) {
            (true, _) => OWN_TIME,
            (false, 0) => CALL,
            (false, _) => HELD_UP,
        };
        Patience { help: call.help, begun: Instant::now(), limit }
    }

    /// Helps one that sleeps. False if it is not to be waited for.
    fn asleep(&mut self, checker: &mut Checker) -> Outcome<bool> {
        let help = match std::mem::replace(&mut self.help, Help::No) {
            Help::No => return Ok(self.begun.elapsed() < self.limit),
            Help::Send => Request::Send,
            Help::Receive => Request::Receive,
        };
        Ok(checker.ask(help))
    }
}
