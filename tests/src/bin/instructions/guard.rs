//! Accesses to shared memory, found out by taking the right to them from a process, so that each faults.

use std::ops::Range;

use crate::Outcome;
use crate::actor::LETTERS;
use crate::tracee::{LONG, Stop, Tracee};

/// Eight bytes of a channel's file: how far they lie behind its start.
pub type Word = u64;

/// Where the words of the dead letters are counted from.
const LETTERS_AT: Word = 1 << 40;
/// More events than any call has.
const MOST: u32 = 20_000;

/// What others can notice of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It accesses a word of a channel; none if it is one of the board.
    Access {
        word: Option<Word>,
        /// It reads and writes at once.
        swaps: bool,
    },
    /// It is a system call.
    Call,
}

/// An event that has been.
#[derive(Clone, Copy)]
pub struct Seen {
    /// The address of the instruction.
    pub at: u64,
    pub event: Event,
    /// It makes a difference to others: it changed the word, or is a system call.
    pub changes: bool,
    /// It is a system call in which the process slept.
    pub slept: bool,
}

impl Seen {
    /// The word that it accesses.
    pub fn word(&self) -> Option<Word> {
        match self.event {
            Event::Access { word, .. } => word,
            Event::Call => None,
        }
    }

    /// The word that it reads and writes at once.
    pub fn swapped(&self) -> Option<Word> {
        match self.event {
            Event::Access { word, swaps: true } => word,
            _ => None,
        }
    }
}

/// The memory that a process shares, and whether it may access it.
pub struct Guard<'a> {
    board: Range<u64>,
    directory: &'a str,
    ranges: Vec<(Range<u64>, String)>,
    is_on: bool,
}

impl<'a> Guard<'a> {
    /// `directory` is where the channels lie.
    pub fn new(board: Range<u64>, directory: &'a str) -> Self {
        Guard { board, directory, ranges: Vec::new(), is_on: false }
    }

    /// Looks which memory the process shares. The guard has to be off.
    pub fn look(&mut self, tracee: &Tracee) -> Outcome {
        // A file without a name yet is one that is being made.
        let is_channel = |path: &str| path.starts_with(self.directory) || path.starts_with("/dev/shm/#");
        let is_ours = |(range, path): &(Range<u64>, String)| range.start == self.board.start || is_channel(path);
        self.ranges = tracee.shared_memory()?.into_iter().filter(is_ours).collect();
        Ok(())
    }

    /// Takes the right to access that memory from the process, or gives it back.
    pub fn turn(&mut self, tracee: &mut Tracee, on: bool) -> Outcome {
        if self.is_on != on {
            let rights = if on { libc::PROT_NONE } else { libc::PROT_READ | libc::PROT_WRITE };
            for (range, _) in &self.ranges {
                tracee.call(libc::SYS_mprotect, [range.start, range.end - range.start, rights as u64])?;
            }
            self.is_on = on;
        }
        Ok(())
    }

    /// Whether the guard is why the process could not access this address.
    pub fn covers(&self, address: u64) -> bool {
        self.is_on && self.ranges.iter().any(|(range, _)| range.contains(&address))
    }

    /// Which word of a channel that is; none if it is of the board.
    fn word(&self, address: u64) -> Option<Word> {
        let (range, path) = self.ranges.iter().find(|(range, _)| range.contains(&address))?;
        let letters = if path.ends_with(LETTERS) { LETTERS_AT } else { 0 };
        (range.start != self.board.start).then(|| letters + ((address & !7) - range.start))
    }

    /// What the process is about to do that could not access this address.
    pub fn access(&self, tracee: &Tracee, address: u64) -> Outcome<Event> {
        let swaps = swaps(&tracee.read_code(tracee.at()?)?);
        Ok(Event::Access { word: self.word(address), swaps })
    }

    /// Has the process do that, with the guard off for so long. What it came to, and whether the word is another one now.
    pub fn pass(&mut self, tracee: &mut Tracee, address: u64) -> Outcome<(Stop, bool)> {
        self.turn(tracee, false)?;
        let before = tracee.read_word(address & !7)?;
        let stop = tracee.step(LONG)?;
        if !matches!(stop, Stop::At(_)) {
            return Ok((stop, false));
        }
        let changed = tracee.read_word(address & !7)? != before;
        self.turn(tracee, true)?;
        Ok((stop, changed))
    }

    /// Has the process make a system call, with the guard off for so long: the kernel may have to access what is guarded.
    pub fn pass_call(&mut self, tracee: &mut Tracee, asleep: &mut dyn FnMut() -> Outcome<bool>) -> Outcome<Stop> {
        self.turn(tracee, false)?;
        let stop = tracee.step_past(asleep)?;
        if matches!(stop, Stop::At(_)) {
            // It may have mapped a channel, or unmapped one.
            self.look(tracee)?;
            self.turn(tracee, true)?;
        }
        Ok(stop)
    }
}

/// Whether the instruction reads and writes memory at once: it has the `lock` prefix, or is an `xchg`.
fn swaps(code: &[u8]) -> bool {
    let is_prefix = |byte: &&u8| matches!(**byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
    let prefixes = code.iter().take_while(is_prefix).count();
    let rest = code[prefixes..].iter().find(|byte| !(0x40..0x50).contains(*byte));
    code[..prefixes].contains(&0xf0) || matches!(rest, Some(0x86 | 0x87))
}

/// When a process is to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Before the event of this number, from 0.
    Nth(u32),
    /// In the event of this number, which is a system call, while it sleeps.
    Asleep(u32),
    /// Before it reads and writes this word at once, for the so manieth time.
    Before { word: Word, time: u32 },
    /// So many events after it changed this word.
    After { word: Word, events: u32 },
    /// So many events after it accessed this word.
    Past { word: Word, events: u32 },
    /// Where the call ends.
    End,
}

/// Lets a process run, and stops it at an event. [`Stop::At`] if it came to that, or [`Stop::Asleep`] if it is to sleep there; else why
/// not. What it passes on its way is added to `seen`.
pub fn walk(
    tracee: &mut Tracee,
    mut guard: Guard<'_>,
    until: Until,
    asleep: &mut dyn FnMut() -> Outcome<bool>,
    seen: &mut Vec<Seen>,
) -> Outcome<Stop> {
    let mut walk = Walk { left: None, until };
    guard.look(tracee)?;
    guard.turn(tracee, true)?;
    for number in 0..MOST {
        let stop = tracee.run_to_call()?;
        let (event, address) = match stop {
            Stop::Touched(address) if guard.covers(address) => (guard.access(tracee, address)?, address),
            Stop::Call => (Event::Call, 0),
            stop => {
                if let Stop::Mark(_) = stop {
                    guard.turn(tracee, false)?;
                }
                return Ok(stop);
            }
        };
        let at = tracee.at()?;
        if walk.is_at(number, event) {
            guard.turn(tracee, false)?;
            return if matches!(until, Until::Asleep(_)) { tracee.fall_asleep() } else { Ok(Stop::At(at)) };
        }
        let mut slept = false;
        let (passed, changes) = match event {
            Event::Access { .. } => guard.pass(tracee, address)?,
            Event::Call => {
                let mut asleep = || {
                    slept = true;
                    asleep()
                };
                (guard.pass_call(tracee, &mut asleep)?, true)
            }
        };
        seen.push(Seen { at, event, changes, slept });
        if !matches!(passed, Stop::At(_)) {
            return Ok(passed);
        }
        walk.has_passed(event, changes);
    }
    Ok(Stop::Late)
}

/// What is known on the way.
struct Walk {
    until: Until,
    /// Events until it is to stop, once it changed the word; or times until it reads and writes it.
    left: Option<u32>,
}

impl Walk {
    /// Whether it is to stop before this event.
    fn is_at(&mut self, number: u32, event: Event) -> bool {
        match self.until {
            Until::Nth(nth) | Until::Asleep(nth) => number == nth,
            Until::End => false,
            Until::Before { word, time } => {
                if event != (Event::Access { word: Some(word), swaps: true }) {
                    return false;
                }
                let left = self.left.unwrap_or(time);
                self.left = Some(left.saturating_sub(1));
                left == 0
            }
            Until::After { .. } | Until::Past { .. } => {
                let is_at = self.left == Some(0);
                self.left = self.left.map(|left| left.saturating_sub(1));
                is_at
            }
        }
    }

    fn has_passed(&mut self, event: Event, changed: bool) {
        let (awaited, events) = match self.until {
            Until::After { word, events } if changed => (word, events),
            Until::Past { word, events } => (word, events),
            _ => return,
        };
        if matches!(event, Event::Access { word, .. } if word == Some(awaited)) && self.left.is_none() {
            self.left = Some(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_are_told_from_loads_and_stores() {
        assert!(swaps(&[0xf0, 0x48, 0x0f, 0xb1, 0x0e]), "lock cmpxchg [rsi], rcx");
        assert!(swaps(&[0xf0, 0x83, 0x0c, 0x24, 0x00]), "lock or dword [rsp], 0");
        assert!(swaps(&[0x48, 0x87, 0x07]), "xchg [rdi], rax");
        assert!(!swaps(&[0x48, 0x8b, 0x07]), "mov rax, [rdi]");
        assert!(!swaps(&[0x48, 0x89, 0x87]), "mov [rdi + …], rax");
        assert!(!swaps(&[0x66, 0x0f, 0x7f, 0x07]), "movdqa [rdi], xmm0");
    }
}
