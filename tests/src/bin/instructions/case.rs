//! A case: who does what, where each is stopped, and what becomes of those who were held still.
//!
//! A case can be written down and played again: `half/witness/use=5:send-alone@kill@0x55…*1+3:…`, which is what a finding is shown with.

use std::fmt;

use crate::calls::{self, Call};
use crate::guard::Until;
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

/// Where an actor stops in its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// At an instruction, as the call executes them when nobody interferes.
    Instruction(Route),
    /// Before something that others can notice, whatever the way there.
    Event(Until),
}

impl Aim {
    /// Where the call begins.
    pub const AT_ONCE: Aim = Aim::Instruction(Route { base: 0, hits: 0, steps: 0, sleeps: false });

    fn parse(text: &str) -> Option<Aim> {
        let word = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        if let Some(nth) = text.strip_prefix('#') {
            return Some(Aim::Event(Until::Nth(nth.parse().ok()?)));
        }
        if let Some(nth) = text.strip_prefix("asleep#") {
            return Some(Aim::Event(Until::Asleep(nth.parse().ok()?)));
        }
        if text == "end" {
            return Some(Aim::Event(Until::End));
        }
        if let Some((of, time)) = text.strip_prefix("before=").and_then(|text| text.split_once('*')) {
            return Some(Aim::Event(Until::Before { word: word(of)?, time: time.parse().ok()? }));
        }
        if let Some((of, events)) = text.strip_prefix("after=").and_then(|text| text.split_once('+')) {
            return Some(Aim::Event(Until::After { word: word(of)?, events: events.parse().ok()? }));
        }
        if let Some((of, events)) = text.strip_prefix("past=").and_then(|text| text.split_once('+')) {
            return Some(Aim::Event(Until::Past { word: word(of)?, events: events.parse().ok()? }));
        }
        let (base, rest) = text.split_once('*')?;
        let mut rest = rest.split('+');
        Some(Aim::Instruction(Route {
            base: word(base)?,
            hits: rest.next()?.parse().ok()?,
            steps: rest.next()?.parse().ok()?,
            sleeps: rest.next().is_some(),
        }))
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::Instruction(Route { base, hits, steps, sleeps }) => {
                write!(f, "{base:#x}*{hits}+{steps}{}", if *sleeps { "+sleep" } else { "" })
            }
            Aim::Event(Until::Nth(nth)) => write!(f, "#{nth}"),
            Aim::Event(Until::Asleep(nth)) => write!(f, "asleep#{nth}"),
            Aim::Event(Until::End) => write!(f, "end"),
            Aim::Event(Until::Before { word, time }) => write!(f, "before={word:#x}*{time}"),
            Aim::Event(Until::After { word, events }) => write!(f, "after={word:#x}+{events}"),
            Aim::Event(Until::Past { word, events }) => write!(f, "past={word:#x}+{events}"),
        }
    }
}

/// One actor.
#[derive(Clone, Copy)]
pub struct Part {
    pub call: &'static Call,
    pub aim: Aim,
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
        for Part { call, aim, fate } in parts {
            let fate = FATES.iter().find(|(one, _)| one == fate).map_or("", |(_, name)| name);
            write!(f, ":{}@{fate}@{aim}", call.name)?;
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
            let (call, fate, aim) = (words.next()?, words.next()?, words.next()?);
            let fate = FATES.iter().find(|(_, name)| *name == fate)?.0;
            case.parts.push(Part { call: calls::find(call)?, aim: Aim::parse(aim)?, fate });
        }
        Some(case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_was_written_down_is_read_as_what_it_was() {
        for text in [
            "half:send-alone@kill@0x5555*1+3",
            "full/witness/use=5:send-waits@hold-live@0x5555*2+0+sleep:close@kill@#12",
            "half/slow:status@hold-leave@before=0x308*1:send-first@kill@after=0x308+40:open@hold-kill@0x0*0+7",
            "half:send-alone@kill@past=0x308+0:recv-woken@kill@asleep#12:open@hold-leave@end",
        ] {
            assert_eq!(Case::parse(text).map(|case| case.to_string()).as_deref(), Some(text));
        }
        for text in ["", "nowhere", "half:send-alone", "half:no-call@kill@#1", "half:send-alone@sleep@#1"] {
            assert!(Case::parse(text).is_none(), "{text}");
        }
    }
}
