//! Which cases are played of two and three.
//!
//! - *Pairs of short calls*, all of them: one is held still at each of its points, and the other killed at each of its own that leaves
//!   something else behind. The second one's way may differ from what it is alone, so its points are counted as it goes.
//! - *A random sample of all pairs*, the long ones included.
//! - *Threes:* one is killed; the second, who may be recovering it, is held still; a third is killed; then the second goes on.
//!
//! Half of the sample are *clashes:* whoever is held still is about to read and write some word at once, and another is killed after
//! it changed that word. Whatever goes by a word that it read before is in danger there.

use std::collections::{BTreeMap, BTreeSet};

use crate::calls::{Before, Side};
use crate::case::{Aim, Case, Fate, Part};
use crate::checker::USES;
use crate::dice::Dice;
use crate::guard::{Until, Word};
use crate::profile::Point;
use crate::repertoire::{Act, Repertoire};

/// A call of at most so many points is short.
const SHORT: usize = 40;
/// After so many tries, whoever comes is taken.
const FELLOWS: usize = 8;
/// So many events after a change are looked at.
const EVENTS: usize = 40;
/// A word is accessed so often before it is another call's turn.
const TIMES: usize = 3;

/// One is about to read and write a word that another changes.
#[derive(Clone, Copy)]
struct Clash {
    word: Word,
    /// Where the first is held still.
    held: Aim,
    other: usize,
    /// Where the other stops.
    stop: Aim,
}

pub struct Pairs {
    /// Of each pair of short acts: where its cases begin, and which two.
    short: Vec<(usize, [usize; 2])>,
    total_short: usize,
    /// A step through all pairs of the short ones that meets each once.
    stride: usize,
    /// The events before which an act is stopped to be killed: each leaves something else behind.
    left: Vec<Vec<u32>>,
    /// Acts that may be held still.
    held: Vec<usize>,
    /// Those of them that recover what the dead left.
    recovers: Vec<usize>,
    /// The words that an act reads and writes at once.
    swapped: BTreeMap<usize, BTreeSet<Word>>,
    /// Who changes a word, in a scene.
    changes: BTreeMap<(usize, Word), BTreeSet<usize>>,
    /// Who accesses it.
    accesses: BTreeMap<(usize, Word), BTreeSet<usize>>,
}

impl Pairs {
    pub fn new(repertoire: &Repertoire, wanted: &dyn Fn(&str) -> bool) -> Pairs {
        let acts = &repertoire.acts;
        let held: Vec<usize> = (0..acts.len()).filter(|act| wanted(acts[*act].call.name)).collect();
        let left: Vec<Vec<u32>> = acts.iter().map(|act| stops(&act.points)).collect();
        let is_short = |act: &usize| acts[*act].points.len() <= SHORT && !acts[*act].call.is_slow;
        let (mut short, mut total_short) = (Vec::new(), 0);
        for first in held.iter().copied().filter(is_short) {
            for second in (0..acts.len()).filter(is_short).filter(|second| acts[*second].scene == acts[first].scene) {
                short.push((total_short, [first, second]));
                total_short += acts[first].points.len() * left[second].len();
            }
        }
        // Near the golden section, so that a part of the way is spread over the whole.
        let stride = (total_short as f64 * 0.618) as usize;
        let stride = (stride..).find(|stride| gcd(*stride, total_short.max(1)) == 1).unwrap_or(1);
        let recovers = |act: &&usize| acts[**act].call.after.iter().any(|before| matches!(before, Before::Died(_)));
        let recovers = held.iter().filter(recovers).copied().collect();
        let mut swapped = BTreeMap::<_, BTreeSet<Word>>::new();
        let mut changes = BTreeMap::<_, BTreeSet<usize>>::new();
        let mut accesses = BTreeMap::<_, BTreeSet<usize>>::new();
        let alone = acts
            .iter()
            .enumerate()
            .flat_map(|(act, Act { profile, .. })| profile.seen.iter().map(move |(_, seen)| (act, seen)));
        let others = repertoire.sequels.iter().flat_map(|sequel| sequel.seen.iter().map(|seen| (sequel.act, seen)));
        for (act, seen) in alone.chain(others) {
            swapped.entry(act).or_default().extend(seen.swapped());
            if let Some(word) = seen.word() {
                accesses.entry((acts[act].scene, word)).or_default().insert(act);
                if seen.changes {
                    changes.entry((acts[act].scene, word)).or_default().insert(act);
                }
            }
        }
        Pairs { short, total_short, stride, left, held, recovers, swapped, changes, accesses }
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
            self.short_pair(repertoire, (start + index % self.total_short * self.stride) % self.total_short)
        } else if dice.percent(35) {
            self.random_pair(repertoire, &mut dice)?
        } else {
            self.random_three(repertoire, &mut dice)?
        };
        case.witness = dice.percent(40);
        case.slow = dice.percent(5);
        case.uses = if dice.percent(60) { dice.below(1 << USES) as u8 } else { 0 };
        for part in case.parts.iter_mut().filter(|part| part.fate != Fate::Killed) {
            part.fate = *dice.pick(&[Fate::HeldAndKilled, Fate::HeldAndLives, Fate::HeldAndLeaves])?;
        }
        Some(case)
    }

    fn short_pair(&self, repertoire: &Repertoire, index: usize) -> Case {
        let at = self.short.partition_point(|(begins, _)| *begins <= index) - 1;
        let (begins, [first, second]) = self.short[at];
        let stops = &self.left[second];
        let (one, two) = ((index - begins) / stops.len(), (index - begins) % stops.len());
        let held = Aim::Instruction(repertoire.acts[first].points[one].route);
        let killed = Aim::Event(Until::Nth(stops[two]));
        case(repertoire, &[(first, held, Fate::HeldAndKilled), (second, killed, Fate::Killed)])
    }

    fn random_pair(&self, repertoire: &Repertoire, dice: &mut Dice) -> Option<Case> {
        let first = *dice.pick(&self.held)?;
        let clash = if dice.percent(50) { self.clash(repertoire, first, dice) } else { None };
        let (held, second, killed) = clash.map_or_else(
            || {
                let second = repertoire.other(first, dice);
                (first_stop(repertoire, first, dice), second, self.later_stop(repertoire, second, dice))
            },
            |clash| (clash.held, clash.other, clash.stop),
        );
        // Now and then nobody dies at once, and both go on.
        let fate = if dice.percent(85) { Fate::Killed } else { Fate::HeldAndLives };
        Some(case(repertoire, &[(first, held, Fate::HeldAndKilled), (second, killed, fate)]))
    }

    fn random_three(&self, repertoire: &Repertoire, dice: &mut Dice) -> Option<Case> {
        let recovers = dice.percent(60) && !self.recovers.is_empty();
        let second = *dice.pick(if recovers { &self.recovers } else { &self.held })?;
        // Most often all three use the same end, so that they are in one another's way.
        let side = match repertoire.acts[second].call.side {
            Side::Both => *dice.pick(&[Side::Sending, Side::Receiving])?,
            side => side,
        };
        let fellow = |dice: &mut Dice| {
            let mut other = repertoire.other(second, dice);
            for _ in 0..FELLOWS {
                if repertoire.acts[other].call.side == side {
                    break;
                }
                other = repertoire.other(second, dice);
            }
            other
        };
        let clash = if dice.percent(60) { self.clash(repertoire, second, dice) } else { None };
        let near = clash.and_then(|clash| self.near(repertoire, &clash, dice)).filter(|_| dice.percent(75));
        let (first, dead) = near.unwrap_or_else(|| {
            let first = fellow(dice);
            (first, first_stop(repertoire, first, dice))
        });
        let (held, third, last) = clash.map_or_else(
            || {
                let third = fellow(dice);
                (self.later_stop(repertoire, second, dice), third, self.later_stop(repertoire, third, dice))
            },
            |clash| (clash.held, clash.other, clash.stop),
        );
        let parts = [(first, dead, Fate::Killed), (second, held, Fate::HeldAndKilled), (third, last, Fate::Killed)];
        Some(case(repertoire, &parts))
    }

    /// Where to hold an act still that is about to read and write a word; who changes that word, and where to stop it after that.
    fn clash(&self, repertoire: &Repertoire, held: usize, dice: &mut Dice) -> Option<Clash> {
        let words: Vec<Word> = self.swapped.get(&held)?.iter().copied().collect();
        let word = *dice.pick(&words)?;
        let others = self.changes.get(&(repertoire.acts[held].scene, word))?;
        let other = *dice.pick(&others.iter().copied().collect::<Vec<_>>())?;
        // Most words are read and written once.
        let time = if dice.percent(60) { 0 } else { dice.below(TIMES) as u32 };
        let events = dice.below(EVENTS) + 1;
        let stop = Until::After { word, events: dice.below(events) as u32 };
        let held = Aim::Event(Until::Before { word, time });
        Some(Clash { word, held, other, stop: Aim::Event(stop) })
    }

    /// Another act that accesses that word, and where to stop it after that.
    fn near(&self, repertoire: &Repertoire, clash: &Clash, dice: &mut Dice) -> Option<(usize, Aim)> {
        let scene = repertoire.acts[clash.other].scene;
        let others = self.accesses.get(&(scene, clash.word))?;
        let other = *dice.pick(&others.iter().copied().collect::<Vec<_>>())?;
        let events = dice.below(EVENTS / 2) + 1;
        Some((other, Aim::Event(Until::Past { word: clash.word, events: dice.below(events) as u32 })))
    }

    /// Where to stop an act that comes after another was cut short, so that it may take another way than alone.
    fn later_stop(&self, repertoire: &Repertoire, act: usize, dice: &mut Dice) -> Aim {
        if dice.percent(20) {
            return first_stop(repertoire, act, dice);
        }
        let points = repertoire.acts[act].points.len().min(2 * SHORT);
        Aim::Event(Until::Nth(dice.below(points + points / 4) as u32))
    }
}

/// Where to stop an act that is the first to be: at a point, or after any instruction.
fn first_stop(repertoire: &Repertoire, act: usize, dice: &mut Dice) -> Aim {
    let Act { profile, points, .. } = &repertoire.acts[act];
    if dice.percent(25) {
        return Aim::Instruction(profile.route(dice.below(profile.len() as usize + 1) as u32, &repertoire.text));
    }
    Aim::Instruction(points[dice.below(points.len())].route)
}

/// Before which events to stop, so that each time something else has been done.
fn stops(points: &[Point]) -> Vec<u32> {
    points.iter().filter(|point| point.leaves_more).map(|point| point.number).collect()
}

fn case(repertoire: &Repertoire, parts: &[(usize, Aim, Fate)]) -> Case {
    let scene = repertoire.acts[parts[0].0].scene;
    let part = |&(act, aim, fate): &(usize, Aim, Fate)| Part { call: repertoire.acts[act].call, aim, fate };
    Case { scene, witness: false, slow: false, uses: 0, parts: parts.iter().map(part).collect() }
}

fn gcd(one: usize, two: usize) -> usize {
    if two == 0 { one } else { gcd(two, one % two) }
}
