//! What is known of all calls before any is cut short: how many instructions each is, and which points of it differ for others.

use crate::Outcome;
use crate::calls::{self, Before, Call};
use crate::case::{Aim, Case, Fate, Part};
use crate::dice::Dice;
use crate::director::Director;
use crate::guard::Seen;
use crate::profile::{Point, Profile, Text};
use crate::scenes::{self, SCENES};

/// A call in a scene.
pub struct Act {
    pub call: &'static Call,
    pub scene: usize,
    /// What it executes when nobody interferes.
    pub profile: Profile,
    /// Its points when nobody interferes, in their order.
    pub points: Vec<Point>,
}

/// A call that another was cut short before.
pub struct Sequel {
    pub act: usize,
    pub before: Part,
    pub seen: Vec<Seen>,
}

/// All that is known.
pub struct Repertoire {
    pub acts: Vec<Act>,
    pub sequels: Vec<Sequel>,
    pub text: Text,
}

impl Repertoire {
    /// Steps through each call once in each of its scenes; in a `quick` run, through long ones in their first only.
    pub fn learn(director: &mut Director, wanted: &dyn Fn(&Call, &str) -> bool, quick: bool) -> Outcome<Repertoire> {
        let text = Text::of_this_process()?;
        let mut acts = Vec::new();
        for call in calls::calls() {
            for scene in call.scenes.iter().filter(|name| wanted(call, name)).map(|name| scenes::scene(name)) {
                let is_known =
                    acts.last().is_some_and(|act: &Act| act.call.name == call.name && act.profile.len() > LONG);
                if quick && is_known {
                    continue;
                }
                let case = alone(call, scene);
                let Some(mut profile) = director.record(&case)? else {
                    return Err(format!("{} cannot be played in {}", call.name, SCENES[scene].name).into());
                };
                let points = profile.points(&text);
                profile.keep()?;
                acts.push(Act { call, scene, profile, points });
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
            if quick && seen == act.call.name {
                continue;
            }
            seen = act.call.name;
            for before in act.call.after {
                let parts = match *before {
                    Before::Nothing => Vec::new(),
                    Before::Prepared(name) => calls::find(name)
                        .map(|call| Part { call, aim: Aim::AT_ONCE, fate: Fate::HeldAndKilled })
                        .into_iter()
                        .collect(),
                    Before::Died(name) => match self.find(name, act.scene) {
                        Some(before) => {
                            let Act { call, points, .. } = &self.acts[before];
                            let stops: Vec<&Point> = points.iter().filter(|point| point.leaves_more).collect();
                            let every = stops.len().div_ceil(most).max(1);
                            let part =
                                |point: &&Point| Part { call, aim: Aim::Instruction(point.route), fate: Fate::Killed };
                            stops.iter().rev().step_by(every).map(part).collect()
                        }
                        None => Vec::new(),
                    },
                };
                for before in parts {
                    let mut case = alone(act.call, act.scene);
                    case.parts.insert(0, before);
                    if let Some(seen) = director.watch(&case)? {
                        self.sequels.push(Sequel { act: index, before, seen });
                    }
                }
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
}

/// Calls with more instructions are long.
const LONG: u32 = 5000;

fn alone(call: &'static Call, scene: usize) -> Case {
    let part = Part { call, aim: Aim::AT_ONCE, fate: Fate::Killed };
    Case { scene, witness: false, slow: false, uses: 0, parts: vec![part] }
}
