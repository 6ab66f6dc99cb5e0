//! One process, about to act.

use super::*;

/// One process, about to act: what it finds, and the ways in which it can go on.
pub(super) struct Turn<'a> {
    pub(super) c: &'a Config,
    pub(super) s: &'a State,
    pub(super) i: usize,
    pub(super) p: Process,
    pub(super) z: State,
    pub(super) out: &'a mut Vec<State>,
}

impl Turn<'_> {
    pub(super) fn q(&mut self) -> &mut Process {
        &mut self.z.p[self.i]
    }

    pub(super) fn go(&mut self, pc: Pc) {
        self.q().pc = pc;
    }

    pub(super) fn dead(&self, owner: u8) -> bool {
        owner == NOBODY || owner == SKIP || owner != self.p.name && self.s.locks[owner as usize - 1] == 0
    }

    pub(super) fn plant(&self, plant: Plant) -> bool {
        self.c.plant == plant
    }

    pub(super) fn hinted(&self) -> bool {
        match self.c.hint {
            HintRule::Swap => self.s.hint != 0,
            HintRule::Count => self.s.hint & 1 != 0,
        }
    }

    pub(super) fn set_hint(&mut self) {
        self.z.hint = match self.c.hint {
            HintRule::Swap => 1,
            HintRule::Count => (self.s.hint + 2) | 1,
        };
    }

    /// As `Ring::hint_room`: sets bits, and counts up.
    pub(super) fn hint_room(&mut self, bits: u8) {
        self.z.room |= bits;
        self.change_room();
    }

    /// Whoever has a copy of the word finds it changed.
    pub(super) fn change_room(&mut self) {
        for (i, p) in self.z.p.iter_mut().enumerate() {
            p.stale |= p.ahead != NONE && i != self.i;
        }
    }

    pub(super) fn count_passed(&mut self, positions: u8) {
        if self.c.deaths == 0 {
            self.z.passed += positions;
        }
    }

    /// Back to the beginning, with nothing remembered but what one has.
    pub(super) fn restart(&mut self) {
        let keep = *self.q();
        let q = self.q();
        *q = Process {
            role: keep.role,
            alive: true,
            name: keep.name,
            settled: keep.settled,
            sent: keep.sent,
            gave_up: keep.gave_up,
            put_back: keep.put_back,
            ahead: NONE,
            ..Process::default()
        };
        q.pc = match q.role {
            Role::Sender => Pc::Tail,
            Role::Receiver => Pc::Hint,
            Role::Reaper => Pc::ReapEntry,
            _ => Pc::Done,
        };
        if q.role == Role::Reaper {
            q.back_reap = Pc::ReapEntry;
        }
    }

    /// Nothing to be had: try again, or look for the dead first.
    pub(super) fn nothing(&mut self) -> Result<(), String> {
        if self.c.alone {
            return Err("nothing".into());
        }
        self.restart();
        self.out.push(self.z);
        if self.c.look_around {
            let mut around = self.z;
            around.p[self.i].pc = Pc::ReapEntry;
            around.p[self.i].back_reap = Pc::Done; // restart
            self.out.push(around);
        }
        if self.c.closer && self.p.role == Role::Receiver {
            let mut ended = self.z;
            ended.p[self.i].pc = Pc::EndTail;
            // What waits when it begins to look, and has been hinted.
            for (k, slot) in self.s.slots.iter().enumerate() {
                let settled = self.s.p.iter().all(|o| !(o.pc == Pc::PutBackHint && o.slot as usize == k));
                if slot.word.phase == Leased && slot.word.owner == NOBODY && settled {
                    ended.p[self.i].waiting |= 1 << slot.message;
                }
            }
            self.out.push(ended);
        }
        Ok(())
    }
}
