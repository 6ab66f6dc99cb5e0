//! Goes through all states of a model.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What can happen, and what must not.
pub trait Model {
    /// All that the processes share, and what each of them knows.
    type State: Copy + Eq + Hash;

    fn start(&self) -> Self::State;

    /// How many processes there are.
    fn processes(&self) -> usize;

    /// One action of a process, in each of the ways it can go; none, if it has none. An error if what it finds must not be.
    fn act(&self, state: &Self::State, process: usize, out: &mut Vec<Self::State>) -> Result<(), String>;

    /// The death of a process, if it may die.
    fn kill(&self, state: &Self::State, process: usize) -> Option<Self::State>;

    /// What is wrong with a state.
    fn broken(&self, state: &Self::State) -> Option<String>;

    /// Whether progress is checked: from each state that is [`able`](Self::able), one that is [`done`](Self::done) can be reached
    /// without further deaths.
    fn checks_progress(&self) -> bool;

    /// Everything that should happen has.
    fn done(&self, state: &Self::State) -> bool;

    /// There is somebody to make it happen.
    fn able(&self, state: &Self::State) -> bool;

    fn deaths(&self, state: &Self::State) -> u8;

    fn show(&self, state: &Self::State) -> Vec<String>;
}

/// A model in one configuration.
pub struct Case {
    pub name: &'static str,
    /// Part of the short run.
    pub quick: bool,
    /// A mistake was planted, and has to be found.
    pub planted: bool,
    pub check: Box<dyn Fn() -> Verdict + Sync>,
}

pub enum Verdict {
    Holds(usize),
    Broken(String, usize, Vec<String>),
    Stuck(usize, usize, Vec<String>),
    TooMany(usize),
}

const MOST: usize = 30_000_000;

pub fn check<M: Model>(model: &M) -> Verdict {
    search(model, None)
}

/// Goes through all states; or, to show what one number stands for, as far as that one.
fn search<M: Model>(model: &M, wanted: Option<u32>) -> Verdict {
    let start = model.start();
    let mut ids: HashMap<u128, u32, BuildHasherDefault<Mix>> = HashMap::default();
    ids.insert(print_of(&start), 0);
    // (to, from), deaths left out.
    let mut edges: Vec<(u32, u32)> = vec![];
    let mut good: Vec<u32> = vec![];
    let mut must: Vec<bool> = vec![model.able(&start)];
    let mut todo = vec![(0u32, start)];
    let mut next = vec![];
    while let Some((id, s)) = todo.pop() {
        if model.checks_progress() && model.done(&s) {
            good.push(id);
        }
        for i in 0..model.processes() {
            next.clear();
            if let Err(why) = model.act(&s, i, &mut next) {
                return Verdict::Broken(why, ids.len(), model.show(&s));
            }
            next.extend(model.kill(&s, i));
            for z in &next {
                let fresh = ids.len() as u32;
                let k = *ids.entry(print_of(z)).or_insert(fresh);
                if wanted == Some(k) {
                    return Verdict::Broken(String::new(), 0, model.show(z));
                }
                if model.checks_progress() && model.deaths(z) == model.deaths(&s) && k != id {
                    edges.push((k, id));
                }
                if k == fresh {
                    if let Some(why) = model.broken(z) {
                        return Verdict::Broken(why, ids.len(), model.show(z));
                    }
                    must.push(model.able(z));
                    todo.push((k, *z));
                }
            }
        }
        if ids.len() > MOST {
            return Verdict::TooMany(ids.len());
        }
    }
    let states = ids.len();
    drop(ids);
    if !model.checks_progress() {
        return Verdict::Holds(states);
    }
    let ok = leads_to(states, &edges, good);
    let stuck: Vec<u32> = (0..states as u32).filter(|k| must[*k as usize] && !ok[*k as usize]).collect();
    match stuck.first() {
        None => Verdict::Holds(states),
        Some(one) => {
            let lines = match search(model, Some(*one)) {
                Verdict::Broken(_, _, lines) => lines,
                _ => vec![],
            };
            Verdict::Stuck(stuck.len(), states, lines)
        }
    }
}

/// From which states there is a way to one of these.
fn leads_to(states: usize, edges: &[(u32, u32)], mut good: Vec<u32>) -> Vec<bool> {
    let mut first = vec![0u32; states + 1];
    for (to, _) in edges {
        first[*to as usize + 1] += 1;
    }
    for k in 0..states {
        first[k + 1] += first[k];
    }
    let mut from = vec![0u32; edges.len()];
    let mut fill = first.clone();
    for (to, f) in edges {
        from[fill[*to as usize] as usize] = *f;
        fill[*to as usize] += 1;
    }
    let mut ok = vec![false; states];
    good.iter().for_each(|g| ok[*g as usize] = true);
    while let Some(g) = good.pop() {
        for f in &from[first[g as usize] as usize..first[g as usize + 1] as usize] {
            if !ok[*f as usize] {
                ok[*f as usize] = true;
                good.push(*f);
            }
        }
    }
    ok
}

#[derive(Default)]
struct Mix(u64, u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u8(*b);
        }
    }
    fn write_u8(&mut self, b: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(b)).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.1 = (self.1 ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
    fn write_isize(&mut self, v: isize) {
        self.write_u8(v as u8);
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u8(v as u8);
    }
    fn write_u128(&mut self, v: u128) {
        self.0 = v as u64;
    }
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// States are told apart by this alone: with some ten million of them, two are taken for one with a chance of 1 in 10^24.
fn print_of(state: &impl Hash) -> u128 {
    let mut mix = Mix(0x1234_5678, 0xcbf2_9ce4_8422_2325);
    state.hash(&mut mix);
    u128::from(mix.0 ^ mix.0 >> 29) << 64 | u128::from(mix.1)
}
