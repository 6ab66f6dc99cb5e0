//! What holds whenever nobody is between two steps.

use super::*;
use crate::search::Model;

/// Whether a process may stay where it is for ever and be at no fault: idle, outside, with a claim, or with a lease.
fn rests(p: &Process) -> bool {
    match p.pc {
        Pc::Done | Pc::Tail | Pc::Write | Pc::Publish | Pc::Hint | Pc::Read | Pc::Release | Pc::PutBack => true,
        Pc::EnterLock | Pc::EndTail | Pc::CloseTail | Pc::CloseSet => true,
        Pc::ReapEntry => p.e == 0,
        _ => false,
    }
}

pub(super) fn broken(c: &Config, s: &State) -> Option<String> {
    let recovered = (0..NAMES).all(|e| s.entries[e] & 1 == 0 || s.locks[e] != 0);
    if !recovered || !s.p.iter().all(|p| !p.alive || rests(p)) {
        return None;
    }
    // Who acts is somebody who has an entry, and does nothing else meanwhile.
    let actor = s.p.iter().position(|p| p.alive && p.name != 0)?;
    let pending = |phase: Phase| {
        let slots = s.slots.iter().zip(0u8..).take(c.slots as usize);
        let positions = slots.filter(move |(slot, _)| slot.word.phase == phase);
        positions.map(|(slot, k)| slot.word.lap * c.slots + k).filter(|pos| *pos >= s.head.pos).min()
    };
    let last = s.tail.pos.checked_sub(1).filter(|_| !matches!(s.tail.by, NOBODY | SKIP));
    let unrecorded = last.filter(|pos| {
        let w = s.slots[c.at(*pos)].word;
        w.phase == Free && w.lap <= c.lap(*pos)
    });
    let in_use = s.slots[..c.slots as usize].iter().filter(|slot| slot.word.phase != Free).count();
    let in_use = in_use + usize::from(unrecorded.is_some());
    if !s.tail.closed && in_use < c.slots as usize && !succeeds(c, s, actor, Role::Sender, Pc::Write) {
        return Some(format!("full, and only {in_use} slots are in use"));
    }
    let again = s.slots.iter().any(|slot| slot.word.phase == Leased && slot.word.owner == NOBODY);
    let writing = pending(Writing).into_iter().chain(unrecorded).min();
    let first = pending(Ready).is_some_and(|ready| writing.is_none_or(|writing| ready < writing));
    if (again || first) && !succeeds(c, s, actor, Role::Receiver, Pc::Read) {
        return Some("empty, and there is a message".into());
    }
    let unmarked = s.tail.by == SKIP && s.slots[c.at(s.tail.pos - 1)].mark <= c.lap(s.tail.pos - 1);
    let writing = s.slots.iter().filter(|slot| slot.word.phase == Writing).count() + usize::from(unrecorded.is_some());
    let counted = s.tail.pos.wrapping_sub(s.passed + u8::from(unmarked) + writing as u8);
    if c.deaths == 0 && counted != s.sent.count_ones() as u8 {
        return Some(format!("{counted} were sent, by the status"));
    }
    None
}

/// Whether a process, alone and with nothing else to do, comes to this point.
fn succeeds(c: &Config, s: &State, actor: usize, role: Role, point: Pc) -> bool {
    let c = Config { each: NONE, end: NONE, alone: true, ..*c };
    let mut s = *s;
    let name = s.p[actor].name;
    let pc = if role == Role::Sender { Pc::Tail } else { Pc::Hint };
    s.p[actor] = Process { role, alive: true, name, pc, ahead: NONE, ..Process::default() };
    let mut next = vec![];
    for _ in 0..1000 {
        if s.p[actor].pc == point {
            return true;
        }
        next.clear();
        if c.act(&s, actor, &mut next).is_err() {
            return false;
        }
        match next.first() {
            Some(z) => s = *z,
            None => return false,
        }
    }
    false
}
