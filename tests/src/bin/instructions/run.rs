//! The run: learns the calls, kills at each instruction, then plays pairs.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use crate::Outcome;
use crate::calls::{self, Call};
use crate::case::Case;
use crate::director::{Director, Plant};
use crate::jobs::{self, Phase};
use crate::pairs::Pairs;
use crate::repertoire::Repertoire;
use crate::scenes::SCENES;
use crate::singles::Singles;
use crate::totals::Totals;
use crate::tracee;

/// Kills real processes after each instruction of each call, and checks the promise from outside.
#[derive(Parser)]
struct Arguments {
    /// Only these calls are killed in, or held still in; may be repeated. By default all.
    #[arg(long)]
    call: Vec<String>,
    /// Only these scenes are played in; may be repeated. By default all.
    #[arg(long)]
    scene: Vec<String>,
    /// How many pairs and threes are played. The first half are pairs of the short calls' points, as far as there are so many; the
    /// rest is a random sample of everything. By default 100,000; 1,200 with `--quick`.
    #[arg(long)]
    pairs: Option<usize>,
    /// What the dice begin with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Every third point of each call rather than each instruction.
    #[arg(long)]
    quick: bool,
    /// No kills of one alone.
    #[arg(long)]
    no_singles: bool,
    /// No pairs of all the short calls' points, but only the random sample.
    #[arg(long)]
    random: bool,
    /// Ends the pairs after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Ends with the first finding.
    #[arg(long)]
    until_wrong: bool,
    /// How many cases are played at once. By default two for each processor, and twice as many where most of the time is spent waiting.
    #[arg(long)]
    jobs: Option<usize>,
    /// Shows the calls and how many instructions and points each has, and no more.
    #[arg(long)]
    list: bool,
    /// Plays one case, as a finding shows it, so many times as `--pairs` says (once, if it does not).
    #[arg(long)]
    replay: Option<String>,
    /// A fault in this program that it has to find.
    #[arg(long, hide = true)]
    plant: Option<Plant>,
}

pub fn main() -> ExitCode {
    keep_addresses();
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this program again at addresses that are always the same, so that a case can be played again in another run.
fn keep_addresses() {
    use std::os::unix::process::CommandExt;
    const SAME: libc::c_int = libc::ADDR_NO_RANDOMIZE;
    // SAFETY: it takes no pointers; this value asks and changes nothing.
    let now = unsafe { libc::personality(0xffff_ffff) };
    if now == -1 || now & SAME != 0 {
        return;
    }
    // SAFETY: as above.
    if unsafe { libc::personality((now | SAME) as libc::c_ulong) } == -1 {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        // Where it fails, this one goes on.
        let _ = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
    }
}

/// A directory that goes when this does, in memory.
fn scratch() -> Outcome<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("mi7-instructions-").tempdir_in("/dev/shm")?)
}

fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    if let Some(unknown) = arguments.call.iter().find(|name| calls::find(name).is_none()) {
        let names: Vec<&str> = calls::calls().map(|call| call.name).collect();
        return Err(format!("no call is named {unknown}; there are {}", names.join(", ")).into());
    }
    if let Some(unknown) = arguments.scene.iter().find(|name| SCENES.iter().all(|scene| scene.name != name.as_str())) {
        let names: Vec<&str> = SCENES.iter().map(|scene| scene.name).collect();
        return Err(format!("no scene is named {unknown}; there are {}", names.join(", ")).into());
    }
    tracee::block_child_signal()?;
    let directory = scratch()?;
    let totals = Totals::new()?;
    let pairs = match (arguments.pairs, &arguments.replay) {
        (Some(pairs), _) => pairs,
        (None, Some(_)) => 1,
        (None, None) => {
            if arguments.quick {
                1200
            } else {
                100_000
            }
        }
    };
    let jobs = arguments.jobs.unwrap_or(2 * jobs::processors()).max(1);
    let enough = if arguments.until_wrong { 1 } else { jobs::ENOUGH };
    let begun = Instant::now();
    let own = directory.path().join("own");
    std::fs::create_dir(&own)?;
    if let Some(text) = &arguments.replay {
        let case = Case::parse(text).ok_or("not a case")?;
        let phase = Phase { name: "replay", count: pairs, case: &|_| Some(case.clone()), jobs: 1, until: None, enough };
        jobs::run(&phase, directory.path(), arguments.plant, totals, &interrupted)?;
        return Ok(tell(totals, pairs as u64, begun));
    }
    let is_named = |name: &str| arguments.call.is_empty() || arguments.call.iter().any(|call| call == name);
    let wanted = |call: &Call| is_named(call.name);
    let is_played = |name: &str| arguments.scene.is_empty() || arguments.scene.iter().any(|scene| scene == name);

    let mut director = Director::new(&own, None)?;
    let mut repertoire = Repertoire::learn(&mut director, &|_, scene| is_played(scene), arguments.quick)?;
    let most = if arguments.quick { 3 } else { usize::MAX };
    repertoire.learn_sequels(&mut director, most, &|call| pairs > 0 || wanted(call))?;
    drop(director);
    let singles = Singles::new(&repertoire, arguments.quick, &is_named);
    let all_pairs = Pairs::new(&repertoire, &is_named);
    show(&repertoire, &singles, &is_named);
    eprintln!(
        "{} kills of one alone; {} pairs of points of short calls; learned in {:.0?}",
        singles.len(),
        all_pairs.len_short(),
        begun.elapsed()
    );
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }

    if !arguments.no_singles {
        let case = |index| Some(singles.case(&repertoire, index, arguments.seed));
        // Many of these wait.
        let phase = Phase { name: "singles", count: singles.len(), case: &case, jobs: jobs * 2, until: None, enough };
        if !jobs::run(&phase, directory.path(), arguments.plant, totals, &interrupted)? {
            return Ok(given_up());
        }
    }
    let systematic = if arguments.random { 0 } else { (pairs / 2).min(all_pairs.len_short()) };
    let case = |index| all_pairs.case(&repertoire, index, systematic, arguments.seed);
    let until = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let phase = Phase { name: "pairs", count: pairs, case: &case, jobs, until, enough };
    totals.begin_phase();
    if pairs > 0 && !jobs::run(&phase, directory.path(), arguments.plant, totals, &interrupted)? {
        return Ok(given_up());
    }
    Ok(tell(totals, totals.played.load(Ordering::Relaxed), begun))
}

fn given_up() -> ExitCode {
    eprintln!("instructions: interrupted");
    ExitCode::from(130)
}

/// The table of calls.
fn show(repertoire: &Repertoire, singles: &Singles, is_named: &dyn Fn(&str) -> bool) {
    println!("| call | scene | instructions | points | kills |\n|---|---|---|---|---|");
    for (index, act) in repertoire.acts.iter().enumerate().filter(|(_, act)| is_named(act.call.name)) {
        let (name, scene) = (act.call.name, SCENES[act.scene].name);
        let (instructions, points) = (act.profile.len(), act.points.len());
        println!("| {name} | {scene} | {instructions} | {points} | {} |", singles.count(index));
    }
}

/// The last line.
fn tell(totals: &Totals, pairs: u64, begun: Instant) -> ExitCode {
    let [kills, lost, invented, stuck] =
        [&totals.kills, &totals.lost, &totals.invented, &totals.stuck].map(|count| count.load(Ordering::Relaxed));
    let (most, longest) = totals.times(99);
    eprintln!(
        "until all was as before: 99 % within {most:.1} ms, all within {longest:.1} ms; {:.0?} in all",
        begun.elapsed()
    );
    println!("kills={kills} pairs={pairs} lost={lost} invented={invented} stuck={stuck}");
    if lost + invented + stuck == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
