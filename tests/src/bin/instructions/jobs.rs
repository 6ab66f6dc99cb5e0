//! Several processes that play cases at once, each with a director, a checker and a directory of its own, on one processor.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;
use crate::case::Case;
use crate::director::{Director, Plant};
use crate::symbols;
use crate::totals::Totals;
use crate::tracee::{Stop, Tracee};

/// More cases with findings than this are counted and not shown, nor played again.
const SHOWN: u64 = 12;
/// How often each of those is played again.
const AGAIN: u32 = 2;
/// After so many the run ends: what is broken needs no more proof, and each takes seconds.
pub const ENOUGH: u64 = 50;
/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_secs(30);

/// A part of a run: cases of one kind.
pub struct Phase<'a> {
    pub name: &'a str,
    pub count: usize,
    /// The case of an index; none if it cannot be made.
    pub case: &'a dyn Fn(usize) -> Option<Case>,
    pub jobs: usize,
    pub until: Option<Instant>,
    /// It ends after so many cases with findings, those of earlier phases included.
    pub enough: u64,
}

/// Plays all cases of a phase. False if it was interrupted.
pub fn run(
    phase: &Phase<'_>,
    directory: &Path,
    plant: Option<Plant>,
    totals: &'static Totals,
    interrupted: &AtomicBool,
) -> Outcome<bool> {
    totals.begin_phase();
    let begun = Instant::now();
    let mut jobs = Vec::new();
    for job in 0..phase.jobs.min(phase.count) {
        let directory = directory.join(format!("{}-{job}", phase.name));
        std::fs::create_dir(&directory)?;
        jobs.push(Tracee::fork(false, || match play_all(phase, job, &directory, plant, totals) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("instructions: job {job}: {error}");
                1
            }
        })?);
    }
    let mut shown = Instant::now();
    while let Some(job) = jobs.last_mut() {
        match job.poll()? {
            Some(Stop::Exited(0)) => _ = jobs.pop(),
            Some(other) => return Err(format!("a job ended early: {other:?}").into()),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
        if interrupted.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if shown.elapsed() > PROGRESS {
            shown = Instant::now();
            let (played, wrong) = (totals.played.load(Ordering::Relaxed), totals.wrong.load(Ordering::Relaxed));
            eprintln!("{}: {played} of {} in {:.0?}, {wrong} wrong so far", phase.name, phase.count, begun.elapsed());
        }
    }
    let [played, landed, parts] =
        [&totals.played, &totals.landed, &totals.parts].map(|count| count.load(Ordering::Relaxed));
    let landed = 100.0 * landed as f64 / parts.max(1) as f64;
    eprintln!(
        "{}: {played} cases in {:.0?}; {landed:.1} % of the actors stopped where they were to",
        phase.name,
        begun.elapsed()
    );
    Ok(true)
}

/// A job.
fn play_all(phase: &Phase<'_>, job: usize, directory: &Path, plant: Option<Plant>, totals: &Totals) -> Outcome {
    pin(job);
    let mut director = Director::new(directory, plant)?;
    loop {
        let index = totals.take();
        let wrong = totals.wrong.load(Ordering::Relaxed);
        if wrong >= phase.enough || index >= phase.count || phase.until.is_some_and(|until| Instant::now() > until) {
            return Ok(());
        }
        let Some(case) = (phase.case)(index) else { continue };
        let played = director.play(&case).map_err(|error| format!("{case}: {error}"))?;
        if !played.is_complete && played.is_good() {
            continue;
        }
        totals.add(&played, case.parts.len(), case.slow);
        if !played.is_good() && wrong < SHOWN {
            let stops = played.stops.iter().map(|stop| format!("    stopped at {}\n", symbols::name(*stop)));
            let again = (0..AGAIN).filter(|_| director.play(&case).is_ok_and(|played| !played.is_good())).count();
            let (stops, text) = (stops.collect::<String>(), &played.text);
            eprint!(
                "{} {index} went wrong, and {again} of {AGAIN} times again: --replay {case}\n{text}{stops}",
                phase.name
            );
        }
    }
}

/// Keeps this process, and those that it starts, on one processor: so a step costs one switch, and no interrupt.
pub fn pin(job: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect();
    let mut one = CpuSet::new();
    one.set(processors[job % processors.len()]);
    // Where it is not permitted, all is the same, but slower.
    let _ = sched_setaffinity(None, &one);
}

/// How many processors this process may use.
pub fn processors() -> usize {
    sched_getaffinity(None).map_or(1, |allowed| allowed.count() as usize)
}
