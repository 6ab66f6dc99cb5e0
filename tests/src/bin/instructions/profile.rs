//! What a call executes: each instruction, found out by single steps, and which of them others can notice.
//!
//! To the others, a process that is held still, or is dead, between two of its accesses to shared memory (or system calls) is as
//! one that is so right before the second. So of each such stretch one point stands for all: [`Profile::points`]. Which
//! instructions access shared memory is found out by taking the right to from the process, so that each faults.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::guard::{Event, Guard, Seen};
use crate::marks;
use crate::tracee::{LONG, Route, SYSCALL, Stop, Tracee};
use crate::{Outcome, arena};

/// An instruction: its address, and how often it had been executed, this time included.
pub type Place = (u64, u32);

/// A point at which it makes a difference to others that a process stops.
#[derive(Clone, Copy)]
pub struct Point {
    pub route: Route,
    /// How many events there were before.
    pub number: u32,
    /// Something was done since the point before that makes a difference also when the process is dead.
    pub leaves_more: bool,
}

/// The instructions that a call executed once.
pub struct Profile {
    /// All of them.
    pub trace: Cow<'static, [Place]>,
    /// Those that others can notice, with their indices.
    pub seen: Vec<(u32, Seen)>,
}

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
        mut guard: Guard<'_>,
        asleep: &mut dyn FnMut() -> Outcome<bool>,
    ) -> Outcome<Profile> {
        let (mut trace, mut seen) = (Vec::new(), Vec::new());
        let mut counts = BTreeMap::new();
        guard.look(tracee)?;
        guard.turn(tracee, true)?;
        let mut at = tracee.at()?;
        while at != marks::end_address() && trace.len() < MOST {
            let index = trace.len() as u32;
            let count = counts.entry(at).and_modify(|count| *count += 1).or_insert(1);
            trace.push((at, *count));
            let stop = if tracee.read_code(at)?.starts_with(&SYSCALL) {
                let mut slept = false;
                let stop = guard.pass_call(tracee, &mut || {
                    slept = true;
                    asleep()
                })?;
                seen.push((index, Seen { at, event: Event::Call, changes: true, slept }));
                stop
            } else {
                match tracee.step(LONG)? {
                    Stop::Touched(address) if guard.covers(address) => {
                        let event = guard.access(tracee, address)?;
                        let (stop, changes) = guard.pass(tracee, address)?;
                        seen.push((index, Seen { at, event, changes, slept: false }));
                        stop
                    }
                    stop => stop,
                }
            };
            match stop {
                Stop::At(next) => at = next,
                // Killed or held by others for good: what there is is all.
                Stop::Asleep | Stop::Late => break,
                stop => return Err(format!("after {index} instructions: {stop:?}").into()),
            }
        }
        Ok(Profile { trace: trace.into(), seen })
    }

    /// Moves the instructions to where they are not in the way of forks.
    pub fn keep(&mut self) -> Outcome {
        self.trace = arena::keep(&self.trace)?.into();
        Ok(())
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

    /// Indices of system calls in which the process slept.
    pub fn sleeps(&self) -> Vec<u32> {
        self.seen.iter().filter(|(_, seen)| seen.slept).map(|(index, _)| *index).collect()
    }

    /// The points that differ for others: right before each access, and at the end; and asleep in system calls.
    pub fn points(&self, text: &Text) -> Vec<Point> {
        let events: Vec<Seen> = self.seen.iter().map(|(_, seen)| *seen).collect();
        let mut points = Vec::new();
        let mut leaves_more = true;
        for number in seldom(&events) {
            let (index, seen) = &self.seen[number as usize];
            let route = self.route(*index, text);
            points.push(Point { route, number, leaves_more });
            if seen.slept {
                points.push(Point { route: Route { sleeps: true, ..route }, number, leaves_more: false });
            }
            leaves_more = seen.changes;
        }
        points.push(Point { route: self.route(self.len(), text), number: self.seen.len() as u32, leaves_more });
        points
    }
}

/// The numbers of events, without those that come again and again in a loop: of these the first ones and the last.
pub fn seldom(events: &[Seen]) -> Vec<u32> {
    let (mut counts, mut last) = (BTreeMap::<u64, u32>::new(), BTreeMap::new());
    for (seen, number) in events.iter().zip(0u32..) {
        last.insert(seen.at, number);
    }
    let mut is_seldom = |at: u64, number: u32| {
        let count = counts.entry(at).or_default();
        *count += 1;
        *count <= OFTEN || last[&at] == number
    };
    events.iter().zip(0..).filter(|(seen, number)| is_seldom(seen.at, *number)).map(|(_, number)| number).collect()
}
