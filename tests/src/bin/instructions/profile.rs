//! What a call executes: each instruction, found out by single steps, and which of them others can notice.
//!
//! To the others, a process that is held still, or is dead, between two of its accesses to shared memory (or system calls) is as
//! one that is so right before the second. So of each such stretch one point stands for all: [`Profile::points`]. Which
//! instructions access shared memory is found out by taking the right to from the process, so that each faults.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use crate::Outcome;
use crate::marks;
use crate::tracee::{Route, Stop, Tracee};

/// An instruction, and how often it has been reached.
pub type Place = (u64, u32);

/// The instructions that a call executed once.
#[derive(Default)]
pub struct Profile {
    /// The address of each, and how often it had been executed, this time included.
    pub trace: Vec<Place>,
    /// Indices of those that others can notice.
    pub noticed: Vec<u32>,
    /// Indices of system calls in which the process slept.
    pub sleeps: Vec<u32>,
}

/// The system call instruction.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// More steps than any call takes.
const MOST: usize = 2_000_000;
/// What a hit of a breakpoint costs, in steps.
const HIT: u32 = 3;
/// How far a route is taken in steps.
const FAR: usize = 200;
/// A place that is passed more often than this, in a loop, is a point only the first times and the last.
const OFTEN: u32 = 3;

/// Which of the addresses may hold a breakpoint: those of files, but not of the kernel's own code.
pub struct Text(Vec<Range<u64>>);

impl Text {
    pub fn of_this_process() -> Outcome<Text> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let executable = maps.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (range, flags) = (words.next()?, words.next()?);
            let path = words.nth(3)?;
            let (start, end) = range.split_once('-')?;
            let address = |text| u64::from_str_radix(text, 16).ok();
            (flags.contains('x') && path.starts_with('/')).then_some(address(start)?..address(end)?)
        });
        Ok(Text(executable.collect()))
    }

    fn contains(&self, address: u64) -> bool {
        self.0.iter().any(|range| range.contains(&address))
    }
}

impl Profile {
    /// Steps through a call whose process stands behind the begin mark. `asleep` as in [`Tracee::go_to`].
    pub fn record(
        tracee: &mut Tracee,
        board: Range<u64>,
        directory: &str,
        asleep: &mut dyn FnMut() -> Outcome<bool>,
    ) -> Outcome<Profile> {
        let mut recorder = Recorder { tracee, board, directory, guarded: Vec::new(), is_guarded: false };
        let mut profile = Profile::default();
        let mut counts = BTreeMap::new();
        recorder.look_for_memory()?;
        recorder.guard(true)?;
        let mut at = recorder.tracee.at()?;
        while at != marks::end_address() && profile.trace.len() < MOST {
            let index = profile.trace.len() as u32;
            let count = counts.entry(at).and_modify(|count| *count += 1).or_insert(1);
            profile.trace.push((at, *count));
            let stop = if recorder.tracee.read_pair(at)? == SYSCALL {
                profile.noticed.push(index);
                recorder.guard(false)?;
                let mut slept = false;
                let stop = recorder.tracee.step_past(&mut || {
                    slept = true;
                    asleep()
                })?;
                if slept {
                    profile.sleeps.push(index);
                }
                if !recorder.tracee.is_gone() && matches!(stop, Stop::At(_)) {
                    recorder.look_for_memory()?;
                    recorder.guard(true)?;
                }
                stop
            } else {
                match recorder.tracee.step(Duration::from_secs(1))? {
                    Stop::Touched(address) if recorder.is_guarded(address) => {
                        profile.noticed.push(index);
                        recorder.guard(false)?;
                        let stop = recorder.tracee.step(Duration::from_secs(1))?;
                        if matches!(stop, Stop::At(_)) {
                            recorder.guard(true)?;
                        }
                        stop
                    }
                    stop => stop,
                }
            };
            match stop {
                Stop::At(next) => at = next,
                // Killed or held by others for good: what there is is all.
                Stop::Asleep | Stop::Late => return Ok(profile),
                stop => return Err(format!("after {index} instructions: {stop:?}").into()),
            }
        }
        recorder.guard(false)?;
        Ok(profile)
    }

    /// How many instructions it is.
    pub fn len(&self) -> u32 {
        self.trace.len() as u32
    }

    /// The way to the state after so many instructions.
    pub fn route(&self, count: u32, text: &Text) -> Route {
        let count = (count as usize).min(self.trace.len());
        let mut best = Route { base: 0, hits: 0, steps: count as u32, sleeps: false };
        let mut cost = best.steps;
        for index in (count.saturating_sub(FAR)..count.min(self.trace.len() - 1) + 1).rev() {
            let (base, hits) = self.trace[index];
            let steps = (count - index) as u32;
            let this = hits.saturating_mul(HIT) + steps;
            if this < cost && text.contains(base) {
                best = Route { base, hits, steps, sleeps: false };
                cost = this;
            }
        }
        best
    }

    /// The points that differ for others: right before each access, and at the end; and asleep in system calls.
    pub fn points(&self, text: &Text) -> Vec<Route> {
        let mut last = BTreeMap::new();
        for index in &self.noticed {
            last.insert(self.trace[*index as usize].0, *index);
        }
        let seldom = |index: &&u32| {
            let (address, count) = self.trace[**index as usize];
            count <= OFTEN || last[&address] == **index
        };
        let noticed: BTreeSet<u32> = self.noticed.iter().filter(seldom).copied().collect();
        let mut routes: Vec<Route> = noticed.into_iter().map(|index| self.route(index, text)).collect();
        routes.extend(self.sleeps.iter().map(|index| Route { sleeps: true, ..self.route(*index, text) }));
        routes.push(self.route(self.len(), text));
        routes.dedup();
        routes
    }
}

/// A process that is stepped through a call.
struct Recorder<'a> {
    tracee: &'a mut Tracee,
    board: Range<u64>,
    directory: &'a str,
    guarded: Vec<Range<u64>>,
    is_guarded: bool,
}

impl Recorder<'_> {
    /// Looks which memory the process shares with others.
    fn look_for_memory(&mut self) -> Outcome {
        let shared = self.tracee.shared_memory()?.into_iter();
        let ours = |(range, path): &(Range<u64>, String)| {
            range.start == self.board.start || path.starts_with(self.directory) || path.starts_with("/dev/shm/#")
        };
        self.guarded = shared.filter(ours).map(|(range, _)| range).collect();
        Ok(())
    }

    fn is_guarded(&self, address: u64) -> bool {
        self.is_guarded && self.guarded.iter().any(|range| range.contains(&address))
    }

    /// Takes the right to access that memory from the process, or gives it back.
    fn guard(&mut self, guarded: bool) -> Outcome {
        if self.is_guarded != guarded {
            let rights = if guarded { libc::PROT_NONE } else { libc::PROT_READ | libc::PROT_WRITE };
            for range in &self.guarded {
                let arguments = [range.start, range.end - range.start, rights as u64];
                self.tracee.call(libc::SYS_mprotect, arguments)?;
            }
            self.is_guarded = guarded;
        }
        Ok(())
    }
}
