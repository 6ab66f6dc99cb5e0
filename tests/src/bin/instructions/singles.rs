//! Which cases are played of one alone.

use crate::calls::Before;
use crate::case::{Aim, Case, Fate, Part};
use crate::dice::Dice;
use crate::repertoire::Repertoire;
use crate::tracee::Route;

/// In other scenes than a call's first, and after others, so many instructions are killed after each; of longer ones a sample.
const WHOLE: u32 = 2500;

/// Kills after each instruction of each call.
pub struct Singles {
    /// For each stretch of cases: where it begins, what is played, and how many instructions lie between two kills.
    stretches: Vec<Stretch>,
    total: usize,
}

struct Stretch {
    begins: usize,
    act: usize,
    /// Index of a sequel.
    sequel: Option<usize>,
    every: u32,
    /// Points rather than instructions.
    is_sampled: bool,
}

impl Singles {
    /// `quick`: fewer than all.
    pub fn new(repertoire: &Repertoire, quick: bool, wanted: &dyn Fn(&str) -> bool) -> Singles {
        let mut singles = Singles { stretches: Vec::new(), total: 0 };
        let mut seen = "";
        for (index, act) in repertoire.acts.iter().enumerate() {
            if !wanted(act.call.name) {
                continue;
            }
            if act.call.after.contains(&Before::Nothing) {
                let is_first = seen != act.call.name;
                seen = act.call.name;
                let is_sampled = !is_first && (act.profile.len() > WHOLE || act.call.is_slow);
                singles.push(repertoire, index, None, if quick { QUICK_EVERY } else { 1 }, is_sampled || quick);
            }
        }
        for (index, sequel) in repertoire.sequels.iter().enumerate() {
            let call = repertoire.acts[sequel.act].call;
            if wanted(call.name) {
                let is_sampled = quick || sequel.profile.len() > WHOLE || call.is_slow;
                singles.push(repertoire, sequel.act, Some(index), if quick { QUICK_EVERY } else { 1 }, is_sampled);
            }
        }
        singles
    }

    fn push(&mut self, repertoire: &Repertoire, act: usize, sequel: Option<usize>, every: u32, is_sampled: bool) {
        let profile = sequel.map_or(&repertoire.acts[act].profile, |sequel| &repertoire.sequels[sequel].profile);
        let points = sequel.map_or(&repertoire.acts[act].points, |sequel| &repertoire.sequels[sequel].points).len();
        let sleeps = profile.sleeps.len();
        let count = if is_sampled { points.div_ceil(every as usize) } else { profile.len() as usize + sleeps };
        self.stretches.push(Stretch { begins: self.total, act, sequel, every, is_sampled });
        self.total += count;
    }

    pub fn len(&self) -> usize {
        self.total
    }

    /// How many there are of each act, sequels included.
    pub fn count(&self, act: usize) -> usize {
        let ends = self.stretches.iter().skip(1).map(|stretch| stretch.begins).chain([self.total]);
        self.stretches.iter().zip(ends).filter(|(one, _)| one.act == act).map(|(one, end)| end - one.begins).sum()
    }

    pub fn case(&self, repertoire: &Repertoire, index: usize, seed: u64) -> Case {
        let at = self.stretches.partition_point(|stretch| stretch.begins <= index) - 1;
        let Stretch { begins, act, sequel, every, is_sampled } = self.stretches[at];
        let mut dice = Dice::new(seed, index as u64);
        let offset = index - begins;
        let act = &repertoire.acts[act];
        let sequel = sequel.map(|sequel| &repertoire.sequels[sequel]);
        let profile = sequel.map_or(&act.profile, |sequel| &sequel.profile);
        let stop = if is_sampled {
            let points = sequel.map_or(&act.points, |sequel| &sequel.points);
            let at = (offset * every as usize + dice.below(every as usize)).min(points.len() - 1);
            points[at].route
        } else if offset < profile.len() as usize {
            profile.route(offset as u32 + 1, &repertoire.text)
        } else {
            let index = profile.sleeps[offset - profile.len() as usize];
            Route { sleeps: true, ..profile.route(index, &repertoire.text) }
        };
        let part = Part { call: act.call, aim: Aim::Instruction(stop), fate: Fate::Killed };
        let parts = sequel.map(|sequel| sequel.before).into_iter().chain([part]).collect();
        // Of two neighbours, one is checked by those who wait.
        let slow = (offset + seed as usize).is_multiple_of(2);
        Case { scene: act.scene, witness: !slow && dice.percent(30), slow, uses: 0, parts }
    }
}

/// In short, every so many points.
const QUICK_EVERY: u32 = 3;
