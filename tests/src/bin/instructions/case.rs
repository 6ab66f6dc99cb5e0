//! A case: who does what, where each is stopped, and what becomes of those who were held still.
//!
//! A case can be written down and played again: `half/witness/use=5:send-alone@kill:0x…*1+3;…`, which is what a finding is shown with.

use std::fmt;

use crate::calls::{self, Call};
use crate::scenes::SCENES;
use crate::tracee::Route;

/// How an actor ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Killed where it stopped.
    Killed,
    /// Held still there, and killed after the others.
    HeldAndKilled,
    /// Held still there; goes on to the end of the call, and lives.
    HeldAndLives,
    /// Held still there; goes on to the end of the call, and leaves.
    HeldAndLeaves,
}

const FATES: [(Fate, &str); 4] = [
    (Fate::Killed, "kill"),
    (Fate::HeldAndKilled, "hold-kill"),
    (Fate::HeldAndLives, "hold-live"),
    (Fate::HeldAndLeaves, "hold-leave"),
];

/// One actor.
#[derive(Clone, Copy)]
pub struct Part {
    pub call: &'static Call,
    pub stop: Route,
    pub fate: Fate,
}

/// All of it.
#[derive(Clone)]
pub struct Case {
    pub scene: usize,
    /// The checker has the channel open all the time.
    pub witness: bool,
    /// The check waits for others to be found dead, rather than looking for the dead.
    pub slow: bool,
    /// What the checker does while some are held still.
    pub uses: u8,
    pub parts: Vec<Part>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { scene, witness, slow, uses, parts } = self;
        write!(f, "{}", SCENES[*scene].name)?;
        if *witness {
            write!(f, "/witness")?;
        }
        if *slow {
            write!(f, "/slow")?;
        }
        if *uses != 0 {
            write!(f, "/use={uses}")?;
        }
        for Part { call, stop, fate } in parts {
            let fate = FATES.iter().find(|(one, _)| one == fate).map_or("", |(_, name)| name);
            write!(f, ":{}@{fate}@{:#x}*{}+{}", call.name, stop.base, stop.hits, stop.steps)?;
            if stop.sleeps {
                write!(f, "+sleep")?;
            }
        }
        Ok(())
    }
}

impl Case {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Case> {
        let mut pieces = text.split(':');
        let mut words = pieces.next()?.split('/');
        let name = words.next()?;
        let scene = SCENES.iter().position(|scene| scene.name == name)?;
        let mut case = Case { scene, witness: false, slow: false, uses: 0, parts: Vec::new() };
        for word in words {
            match word {
                "witness" => case.witness = true,
                "slow" => case.slow = true,
                word => case.uses = word.strip_prefix("use=")?.parse().ok()?,
            }
        }
        for piece in pieces {
            let mut words = piece.split('@');
            let (call, fate, stop) = (words.next()?, words.next()?, words.next()?);
            let (base, rest) = stop.strip_prefix("0x")?.split_once('*')?;
            let mut rest = rest.split('+');
            let stop = Route {
                base: u64::from_str_radix(base, 16).ok()?,
                hits: rest.next()?.parse().ok()?,
                steps: rest.next()?.parse().ok()?,
                sleeps: rest.next().is_some(),
            };
            let fate = FATES.iter().find(|(_, name)| *name == fate)?.0;
            case.parts.push(Part { call: calls::find(call)?, stop, fate });
        }
        Some(case)
    }
}
