//! Which cases are played of one alone: a kill after each instruction of each call.
//!
//! - Each call in its first scene: after every instruction, and in each sleep.
//! - In its other scenes: the same, if it is not long; else at its points.
//! - After others were cut short before, each at each of their points: at its points.
//! - In short: at every third point of all of these.

use crate::calls::Before;
use crate::case::{Aim, Case, Fate, Part};
use crate::dice::Dice;
use crate::guard::{Seen, Until};
use crate::profile::seldom;
use crate::repertoire::Repertoire;
use crate::tracee::Route;

/// Of a call with more instructions, every one is killed after in one scene only.
const LONG: u32 = 1200;
/// In short, every so many points.
const QUICK_EVERY: usize = 3;

/// All these cases.
pub struct Singles {
    stretches: Vec<Stretch>,
    total: usize,
}

/// Cases of one call.
struct Stretch {
    /// The index of its first case.
    begins: usize,
    act: usize,
    /// The index of what was cut short before.
    sequel: Option<usize>,
    at: At,
}

/// Where one is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Instructions,
    /// Every so many points.
    Points(usize),
}

impl Singles {
    /// `quick`: fewer than all.
    pub fn new(repertoire: &Repertoire, quick: bool, wanted: &dyn Fn(&str) -> bool) -> Singles {
        let mut singles = Singles { stretches: Vec::new(), total: 0 };
        let points = At::Points(if quick { QUICK_EVERY } else { 1 });
        let mut seen = "";
        for (index, act) in repertoire.acts.iter().enumerate().filter(|(_, act)| wanted(act.call.name)) {
            if !act.call.after.contains(&Before::Nothing) {
                continue;
            }
            let is_short = seen != act.call.name || (act.profile.len() <= LONG && !act.call.is_slow);
            seen = act.call.name;
            singles.push(repertoire, index, None, if is_short && !quick { At::Instructions } else { points });
        }
        for (index, sequel) in repertoire.sequels.iter().enumerate() {
            if wanted(repertoire.acts[sequel.act].call.name) {
                singles.push(repertoire, sequel.act, Some(index), points);
            }
        }
        singles
    }

    fn push(&mut self, repertoire: &Repertoire, act: usize, sequel: Option<usize>, at: At) {
        self.stretches.push(Stretch { begins: self.total, act, sequel, at });
        let act = &repertoire.acts[act];
        self.total += match (at, sequel) {
            (At::Instructions, _) => act.profile.len() as usize + act.profile.sleeps().len(),
            (At::Points(every), None) => act.points.len().div_ceil(every),
            (At::Points(every), Some(sequel)) => aims(&repertoire.sequels[sequel].seen).len().div_ceil(every),
        };
    }

    pub fn len(&self) -> usize {
        self.total
    }

    /// How many there are of each act, also after others.
    pub fn count(&self, act: usize) -> usize {
        let ends = self.stretches.iter().skip(1).map(|stretch| stretch.begins).chain([self.total]);
        self.stretches.iter().zip(ends).filter(|(one, _)| one.act == act).map(|(one, end)| end - one.begins).sum()
    }

    pub fn case(&self, repertoire: &Repertoire, index: usize, seed: u64) -> Case {
        let Stretch { begins, act, sequel, at } =
            self.stretches[self.stretches.partition_point(|stretch| stretch.begins <= index) - 1];
        let mut dice = Dice::new(seed, index as u64);
        let (offset, act) = (index - begins, &repertoire.acts[act]);
        let sequel = sequel.map(|sequel| &repertoire.sequels[sequel]);
        let profile = &act.profile;
        let mut nth = |every: usize, len: usize| (offset * every + dice.below(every)).min(len - 1);
        let aim = match (at, sequel) {
            (At::Points(every), None) => Aim::Instruction(act.points[nth(every, act.points.len())].route),
            (At::Points(every), Some(sequel)) => {
                let aims = aims(&sequel.seen);
                aims[nth(every, aims.len())]
            }
            (At::Instructions, _) if offset < profile.len() as usize => {
                Aim::Instruction(profile.route(offset as u32 + 1, &repertoire.text))
            }
            (At::Instructions, _) => {
                let index = profile.sleeps()[offset - profile.len() as usize];
                Aim::Instruction(Route { sleeps: true, ..profile.route(index, &repertoire.text) })
            }
        };
        let part = Part { call: act.call, aim, fate: Fate::Killed };
        let parts = sequel.map(|sequel| sequel.before).into_iter().chain([part]).collect();
        // Of two neighbours, one is checked by those who wait.
        let slow = (offset + seed as usize).is_multiple_of(2);
        Case { scene: act.scene, witness: !slow && dice.percent(30), slow, uses: 0, parts }
    }
}

/// Where to stop a call of which these events were seen: before each, in each sleep, and at the end.
fn aims(seen: &[Seen]) -> Vec<Aim> {
    let mut aims = Vec::new();
    for number in seldom(seen) {
        aims.push(Until::Nth(number));
        if seen[number as usize].slept {
            aims.push(Until::Asleep(number));
        }
    }
    aims.push(Until::Nth(seen.len() as u32));
    aims.into_iter().map(Aim::Event).collect()
}
