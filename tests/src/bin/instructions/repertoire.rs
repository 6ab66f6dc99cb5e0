//! What is known of all calls before any is cut short: how many instructions each is, and which points of it differ for others.

use std::collections::BTreeMap;

use crate::Outcome;
use crate::calls::{self, Before, Call};
use crate::case::{Case, Fate, Part};
use crate::dice::Dice;
use crate::director::{AT_ONCE, Director};
use crate::profile::{Profile, Text};
use crate::scenes::{self, SCENES};
use crate::tracee::Route;

/// A call in a scene.
pub struct Act {
    pub call: &'static Call,
    pub scene: usize,
    /// What it executes when nobody interferes.
    pub profile: Profile,
    /// Its points when nobody interferes.
    pub points: Vec<Route>,
    /// Its points when another act was cut short before, as far as that was tried.
    pub after: BTreeMap<usize, Vec<Route>>,
}

/// A call that others were cut short before, with all its instructions in that case.
pub struct Sequel {
    pub act: usize,
    pub before: Part,
    pub profile: Profile,
}

/// All that is known.
pub struct Repertoire {
    pub acts: Vec<Act>,
    pub sequels: Vec<Sequel>,
    pub text: Text,
}

impl Repertoire {
    /// Steps through each call once in each of its scenes; in a `quick` run, through long ones in their first only.
    pub fn learn(director: &mut Director, quick: bool) -> Outcome<Repertoire> {
        let text = Text::of_this_process()?;
        let mut acts = Vec::new();
        for call in calls::calls() {
            for scene in call.scenes.iter().map(|name| scenes::scene(name)) {
                let is_known =
                    acts.last().is_some_and(|act: &Act| act.call.name == call.name && act.profile.len() > LONG);
                if quick && is_known {
                    continue;
                }
                let case = alone(call, scene);
                let Some(profile) = director.record(&case)? else {
                    return Err(format!("{} cannot be played in {}", call.name, SCENES[scene].name).into());
                };
                let points = profile.points(&text);
                acts.push(Act { call, scene, profile, points, after: BTreeMap::new() });
            }
        }
        Ok(Repertoire { acts, sequels: Vec::new(), text })
    }

    pub fn find(&self, name: &str, scene: usize) -> Option<usize> {
        self.acts.iter().position(|act| act.call.name == name && act.scene == scene)
    }

    /// Steps through the calls of which that is wanted, after what their table says others did before. Of those that died, at no more
    /// than `most` points of their calls.
    pub fn learn_sequels(&mut self, director: &mut Director, most: usize, wanted: &dyn Fn(&Call) -> bool) -> Outcome {
        let quick = most < usize::MAX;
        let mut seen = "";
        for (index, act) in self.acts.iter().enumerate().filter(|(_, act)| wanted(act.call)) {
            // In short, one scene.
            if quick && (act.profile.len() > LONG || seen == act.call.name) {
                continue;
            }
            seen = act.call.name;
            for before in act.call.after {
                let parts = match *before {
                    Before::Nothing => Vec::new(),
                    Before::Prepared(name) => calls::find(name)
                        .map(|call| Part { call, stop: AT_ONCE, fate: Fate::HeldAndKilled })
                        .into_iter()
                        .collect(),
                    Before::Died(name) => match self.find(name, act.scene) {
                        Some(before) => {
                            let Act { call, points, .. } = &self.acts[before];
                            let every = points.len().div_ceil(most).max(1);
                            let stops = points.iter().rev().step_by(every);
                            stops.map(|stop| Part { call, stop: *stop, fate: Fate::Killed }).collect()
                        }
                        None => Vec::new(),
                    },
                };
                for before in parts {
                    let mut case = alone(act.call, act.scene);
                    case.parts.insert(0, before);
                    if let Some(profile) = director.record(&case)? {
                        self.sequels.push(Sequel { act: index, before, profile });
                    }
                }
            }
        }
        for Sequel { act, before, profile } in &self.sequels {
            if let Some(before) = self.find(before.call.name, self.acts[*act].scene) {
                let points = profile.points(&self.text);
                extend(self.acts[*act].after.entry(before).or_default(), points);
            }
        }
        Ok(())
    }

    /// Steps through calls while others are held still, or after they were killed, so many times, at random.
    pub fn explore(
        &mut self,
        director: &mut Director,
        times: usize,
        seed: u64,
        wanted: &dyn Fn(&Call) -> bool,
    ) -> Outcome {
        let explored: Vec<usize> = (0..self.acts.len()).filter(|act| wanted(self.acts[*act].call)).collect();
        for time in 0..times {
            let mut dice = Dice::new(seed, time as u64);
            let Some(&second) = dice.pick(&explored) else { return Ok(()) };
            let first = self.other(second, &mut dice);
            if self.acts[second].profile.len() > LONG || self.acts[second].call.is_slow {
                continue;
            }
            let fate = if dice.percent(60) { Fate::Killed } else { Fate::HeldAndKilled };
            let stop = self.stop(first, None, &mut dice);
            let mut case = alone(self.acts[second].call, self.acts[second].scene);
            case.parts.insert(0, Part { call: self.acts[first].call, stop, fate });
            if let Some(profile) = director.record(&case)? {
                let points = profile.points(&self.text);
                extend(self.acts[second].after.entry(first).or_default(), points);
            }
        }
        Ok(())
    }

    /// Another act in the same scene, or the same once more.
    pub fn other(&self, act: usize, dice: &mut Dice) -> usize {
        let scene = self.acts[act].scene;
        let others: Vec<usize> = (0..self.acts.len()).filter(|other| self.acts[*other].scene == scene).collect();
        dice.pick(&others).copied().unwrap_or(act)
    }

    /// Where to stop an act, before which another was cut short.
    pub fn stop(&self, act: usize, before: Option<usize>, dice: &mut Dice) -> Route {
        let Act { profile, points, after, .. } = &self.acts[act];
        let special = before.and_then(|before| after.get(&before)).filter(|points| !points.is_empty());
        let chance = dice.below(100);
        if let Some(points) = special
            && chance < 60
        {
            return *dice.pick(points).unwrap_or(&AT_ONCE);
        }
        if chance < 85 {
            let all: Vec<&Vec<Route>> = after.values().chain([points]).collect();
            let points = dice.pick(&all).copied().unwrap_or(points);
            return *dice.pick(points).unwrap_or(&AT_ONCE);
        }
        profile.route(dice.below(profile.len() as usize + 1) as u32, &self.text)
    }
}

/// Calls with more instructions are not stepped through again and again.
const LONG: u32 = 5000;

fn alone(call: &'static Call, scene: usize) -> Case {
    let part = Part { call, stop: AT_ONCE, fate: Fate::Killed };
    Case { scene, witness: false, slow: false, uses: 0, parts: vec![part] }
}

fn extend(points: &mut Vec<Route>, more: Vec<Route>) {
    for point in more {
        if !points.contains(&point) {
            points.push(point);
        }
    }
}
