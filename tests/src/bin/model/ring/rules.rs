//! What can happen in the ring, and what must not.

use super::turn::Turn;
use super::*;
use crate::search::Model;

impl Model for Config {
    type State = State;

    fn start(&self) -> State {
        let mut s = State::default();
        for pos in 0..self.filled {
            let message = self.messages() - pos;
            s.slots[pos as usize] = Slot { word: word(0, Ready, NOBODY, 0), mark: 0, message };
            s.sent |= 1 << message;
        }
        s.tail.pos = self.filled;
        let mut all = vec![];
        all.extend((0..self.senders).map(|_| (Role::Sender, true)));
        all.extend((0..self.receivers).map(|_| (Role::Receiver, true)));
        all.extend((0..self.late_senders).map(|_| (Role::Sender, false)));
        all.extend((0..self.late_receivers).map(|_| (Role::Receiver, false)));
        all.extend((0..self.reapers).map(|_| (Role::Reaper, false)));
        all.extend(self.closer.then_some((Role::Closer, false)));
        for (i, (role, entered)) in all.into_iter().enumerate() {
            let p = &mut s.p[i];
            (p.role, p.alive, p.ahead) = (role, true, NONE);
            p.pc = match role {
                Role::Reaper => Pc::ReapEntry,
                Role::Closer => Pc::CloseTail,
                _ if !entered => Pc::EnterLock,
                Role::Sender => Pc::Tail,
                _ => Pc::Hint,
            };
            if role == Role::Reaper {
                p.back_reap = Pc::ReapEntry;
            }
            if entered {
                p.name = i as u8 + 1;
                s.entries[i] = 3;
                s.locks[i] = i as u8 + 1;
            }
        }
        s
    }

    fn processes(&self) -> usize {
        PROCESSES
    }

    fn act(&self, s: &State, i: usize, out: &mut Vec<State>) -> Result<(), String> {
        let p = s.p[i];
        if !p.alive || p.pc == Pc::Done {
            return Ok(());
        }
        let mut turn = Turn { c: self, s, i, p, z: *s, out };
        match p.pc {
            Pc::Tail | Pc::Slot | Pc::Dead | Pc::PlaceHead | Pc::PlaceChangedHead | Pc::PlaceChangedSlot => {
                turn.claim()
            }
            Pc::ChangedTail | Pc::ChangedSlot | Pc::Claim => turn.claim(),
            Pc::HasGaps | Pc::AheadFree | Pc::AheadHint | Pc::AheadHead | Pc::AheadSlot | Pc::AheadTail => turn.ahead(),
            Pc::AheadEnd | Pc::AheadClear | Pc::Open | Pc::Jump | Pc::JumpHint => turn.ahead(),
            Pc::Write | Pc::Publish | Pc::GiveUpFree | Pc::GiveUpHead | Pc::GiveUpHint => turn.settle_claim(),
            Pc::Hint | Pc::Swap | Pc::Scan | Pc::Take | Pc::TakeHint | Pc::Unhint => turn.lease_again(),
            Pc::Head | Pc::HeadSlot | Pc::HeadClaim | Pc::HeadMark | Pc::HeadDead => turn.lease(),
            Pc::HeadChanged | Pc::HeadChangedSlot | Pc::HeadMove => turn.lease(),
            Pc::Read | Pc::Release | Pc::PutBack | Pc::PutBackHint => turn.settle_lease(),
            Pc::EndTail | Pc::EndHead | Pc::EndHint => turn.end(),
            Pc::BeyondSlot | Pc::BeyondTail | Pc::BeyondScan => turn.beyond(),
            Pc::AcrossHead | Pc::AcrossSlot | Pc::AcrossMark | Pc::AcrossMove => turn.across(),
            Pc::RecordTail | Pc::RecordTailSet | Pc::MarkGap | Pc::MarkGapHint => turn.record_tail(),
            Pc::RecordHead | Pc::RecordHeadSet => turn.record_head(),
            Pc::FreeFree | Pc::FreeHead | Pc::FreeHint => turn.free_unwritten(),
            _ => turn.recover(),
        }
    }

    fn kill(&self, s: &State, i: usize) -> Option<State> {
        let p = s.p[i];
        if !p.alive || s.deaths == self.deaths || p.pc == Pc::Done {
            return None;
        }
        let mut z = *s;
        z.deaths += 1;
        z.p[i] = Process { role: p.role, ..Process::default() };
        for lock in &mut z.locks {
            if *lock == i as u8 + 1 {
                *lock = 0;
            }
        }
        if p.name != 0 {
            for (k, slot) in s.slots.iter().enumerate() {
                let unrecorded = s.head.by == p.name
                    && s.head.pos > 0
                    && self.at(s.head.pos - 1) == k
                    && slot.word == word(self.lap(s.head.pos - 1), Ready, NOBODY, 0);
                if unrecorded || slot.word.phase == Leased && slot.word.owner == p.name {
                    z.excused |= 1 << slot.message;
                    z.received[slot.message as usize] = 0;
                }
            }
        }
        Some(z)
    }

    fn broken(&self, s: &State) -> Option<String> {
        for m in 1..=self.messages() {
            let got = s.received[m as usize];
            if got > 1 && s.excused & 1 << m == 0 {
                return Some(format!("message {m} received twice"));
            }
            if s.sent & 1 << m != 0
                && got == 0
                && !s.slots.iter().any(|x| x.message == m && matches!(x.word.phase, Ready | Leased))
            {
                return Some(format!("message {m} lost"));
            }
        }
        rest::broken(self, s)
    }

    fn checks_progress(&self) -> bool {
        self.progress
    }

    fn done(&self, s: &State) -> bool {
        // Who finds every name held by the living waits outside.
        let crowded = s.locks[..self.names as usize].iter().all(|lock| *lock != 0);
        (1..=self.messages()).all(|m| s.sent & 1 << m == 0 || s.received[m as usize] > 0)
            && s.p.iter().filter(|p| p.alive).all(|p| match p.role {
                _ if p.pc == Pc::EnterLock => crowded,
                Role::Sender => p.sent == self.each || p.pc == Pc::Done || p.pc == Pc::Tail && s.tail.pos >= self.end,
                Role::Receiver => !s.tail.closed || p.pc == Pc::Done,
                Role::Closer => p.pc == Pc::Done,
                _ => true,
            })
    }

    fn able(&self, s: &State) -> bool {
        let receives = s.p.iter().any(|p| p.alive && p.role == Role::Receiver);
        let reaps = s.p.iter().any(|p| p.alive && p.role == Role::Reaper);
        receives && (self.look_around || s.deaths == 0 || reaps)
    }

    fn deaths(&self, s: &State) -> u8 {
        s.deaths
    }

    fn show(&self, s: &State) -> Vec<String> {
        let mut lines = vec![format!(
            "tail {:?} head {:?} hint {} room {:b} passed {} entries {:?} locks {:?}",
            s.tail, s.head, s.hint, s.room, s.passed, s.entries, s.locks
        )];
        lines.extend(s.slots.iter().map(|x| format!("slot {:?} mark {} message {}", x.word, x.mark, x.message)));
        lines.extend(s.p.iter().filter(|p| p.role != Role::Absent).map(|p| {
            format!("{:?} alive {} name {} at {:?} c {:?} word {:?}", p.role, p.alive, p.name, p.pc, p.c, p.word)
        }));
        lines
    }
}
