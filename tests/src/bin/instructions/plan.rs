//! Which cases are played.

use crate::calls::{Before, Side};
use crate::case::{Case, Fate, Part};
use crate::dice::Dice;
use crate::repertoire::Repertoire;
use crate::tracee::Route;

/// A call of at most so many points is short: all its points are paired with all of each other short call.
const SHORT: usize = 40;
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
        let points = match sequel {
            Some(_) => profile.points(&repertoire.text).len(),
            None => repertoire.acts[act].points.len(),
        };
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
            let points = profile.points(&repertoire.text);
            let at = (offset * every as usize + dice.below(every as usize)).min(points.len() - 1);
            points[at]
        } else if offset < profile.len() as usize {
            profile.route(offset as u32 + 1, &repertoire.text)
        } else {
            let index = profile.sleeps[offset - profile.len() as usize];
            Route { sleeps: true, ..profile.route(index, &repertoire.text) }
        };
        let part = Part { call: act.call, stop, fate: Fate::Killed };
        let parts = sequel.map(|sequel| sequel.before).into_iter().chain([part]).collect();
        // Of two neighbours, one is checked by those who wait.
        let slow = (offset + seed as usize).is_multiple_of(2);
        Case { scene: act.scene, witness: !slow && dice.percent(30), slow, uses: 0, parts }
    }
}

/// In short, every so many points.
const QUICK_EVERY: u32 = 3;

/// One held still while another is killed; or three.
pub struct Pairs {
    /// Of each pair of short acts: where its cases begin, and which two.
    short: Vec<(usize, [usize; 2])>,
    total_short: usize,
    /// Acts that may be held still.
    held: Vec<usize>,
    /// Those of them that recover what the dead left.
    recovers: Vec<usize>,
    /// A step through all pairs of the short ones that meets each once.
    stride: usize,
}

impl Pairs {
    pub fn new(repertoire: &Repertoire, wanted: &dyn Fn(&str) -> bool) -> Pairs {
        let acts = &repertoire.acts;
        let held: Vec<usize> = (0..acts.len()).filter(|act| wanted(acts[*act].call.name)).collect();
        let is_short = |act: &usize| acts[*act].points.len() <= SHORT && !acts[*act].call.is_slow;
        let (mut short, mut total_short) = (Vec::new(), 0);
        for first in held.iter().copied().filter(is_short) {
            for second in (0..acts.len()).filter(is_short).filter(|second| acts[*second].scene == acts[first].scene) {
                short.push((total_short, [first, second]));
                total_short += acts[first].points.len() * acts[second].points.len();
            }
        }
        // Near the golden section, so that a part of the way is spread over the whole.
        let stride = (total_short as f64 * 0.618) as usize;
        let stride = (stride..).find(|stride| gcd(*stride, total_short.max(1)) == 1).unwrap_or(1);
        let recovers = |act: &&usize| acts[**act].call.after.iter().any(|before| matches!(before, Before::Died(_)));
        let recovers = held.iter().filter(recovers).copied().collect();
        Pairs { short, total_short, held, recovers, stride }
    }

    /// How many pairs the short calls have.
    pub fn len_short(&self) -> usize {
        self.total_short
    }

    /// The case of this index. Up to `systematic`, pairs of the short calls, each once; then a random sample of everything.
    pub fn case(&self, repertoire: &Repertoire, index: usize, systematic: usize, seed: u64) -> Option<Case> {
        let mut dice = Dice::new(seed, index as u64);
        let mut case = if index < systematic {
            let start = Dice::new(seed, u64::MAX).below(self.total_short);
            self.short_case(repertoire, (start + index % self.total_short * self.stride) % self.total_short)
        } else if dice.percent(50) {
            self.random_pair(repertoire, &mut dice)?
        } else {
            self.random_three(repertoire, &mut dice)?
        };
        case.witness = dice.percent(40);
        case.slow = dice.percent(5);
        case.uses = if dice.percent(60) { dice.below(1 << crate::checker::USES) as u8 } else { 0 };
        for part in case.parts.iter_mut().filter(|part| part.fate != Fate::Killed) {
            part.fate = *dice.pick(&[Fate::HeldAndKilled, Fate::HeldAndLives, Fate::HeldAndLeaves])?;
        }
        Some(case)
    }

    fn short_case(&self, repertoire: &Repertoire, index: usize) -> Case {
        let at = self.short.partition_point(|(begins, _)| *begins <= index) - 1;
        let (begins, [first, second]) = self.short[at];
        let [first, second] = [first, second].map(|act| &repertoire.acts[act]);
        let (one, two) = ((index - begins) / second.points.len(), (index - begins) % second.points.len());
        let held = Part { call: first.call, stop: first.points[one], fate: Fate::HeldAndKilled };
        let killed = Part { call: second.call, stop: second.points[two], fate: Fate::Killed };
        Case { scene: first.scene, witness: false, slow: false, uses: 0, parts: vec![held, killed] }
    }

    fn random_pair(&self, repertoire: &Repertoire, dice: &mut Dice) -> Option<Case> {
        let first = *dice.pick(&self.held)?;
        let second = repertoire.other(first, dice);
        let held = self.part(repertoire, first, None, Fate::HeldAndKilled, dice);
        // Now and then nobody dies at once, and both go on.
        let fate = if dice.percent(85) { Fate::Killed } else { Fate::HeldAndLives };
        let killed = self.part(repertoire, second, Some(first), fate, dice);
        Some(Case {
            scene: repertoire.acts[first].scene,
            witness: false,
            slow: false,
            uses: 0,
            parts: vec![held, killed],
        })
    }

    /// One is killed; the second, who may be recovering the first, is held still; the third is killed; then the second goes on. All three
    /// use the same end, most often, so that they are in one another's way.
    fn random_three(&self, repertoire: &Repertoire, dice: &mut Dice) -> Option<Case> {
        let acts = &repertoire.acts;
        let recovers = dice.percent(50) && !self.recovers.is_empty();
        let second = *dice.pick(if recovers { &self.recovers } else { &self.held })?;
        let side = match acts[second].call.side {
            Side::Both => *dice.pick(&[Side::Sending, Side::Receiving])?,
            side => side,
        };
        let fellow = |dice: &mut Dice| {
            let mut other = repertoire.other(second, dice);
            for _ in 0..8 {
                if acts[other].call.side == side {
                    break;
                }
                other = repertoire.other(second, dice);
            }
            other
        };
        let (first, third) = (fellow(dice), fellow(dice));
        let dead = self.part(repertoire, first, None, Fate::Killed, dice);
        let held = self.part(repertoire, second, Some(first), Fate::HeldAndKilled, dice);
        let before = if dice.percent(70) { first } else { second };
        let last = self.part(repertoire, third, Some(before), Fate::Killed, dice);
        let (scene, parts) = (acts[second].scene, vec![dead, held, last]);
        Some(Case { scene, witness: false, slow: false, uses: 0, parts })
    }

    fn part(&self, repertoire: &Repertoire, act: usize, before: Option<usize>, fate: Fate, dice: &mut Dice) -> Part {
        Part { call: repertoire.acts[act].call, stop: repertoire.stop(act, before, dice), fate }
    }
}

fn gcd(one: usize, two: usize) -> usize {
    if two == 0 { one } else { gcd(two, one % two) }
}
