//! `Ring::claim`, `Ring::claim_ahead`, `Ring::publish`, `Channel::give_up`.

use super::turn::Turn;
use super::*;

impl Turn<'_> {
    /// Back to the top of `Ring::claim`'s loop.
    fn claim_again(&mut self) {
        let (found, found_at) = (self.p.found, self.p.found_at);
        self.restart();
        // It is of no use any more once `tail` has moved on.
        if found != 0 && self.s.tail.by == SKIP && self.s.tail.pos == found_at {
            (self.q().found, self.q().found_at) = (found, found_at);
        }
    }

    /// The word has changed, or is corrupt: `Place::Changed`.
    pub(super) fn changed(&mut self) {
        if self.p.ahead == NONE {
            self.claim_again();
        } else {
            self.go(Pc::AheadTail);
            (self.q().h, self.q().word) = (Counter::default(), Word::default());
        }
    }

    /// The position looked at: `tail`, or one ahead of it.
    pub(super) fn looked_at(&self) -> u8 {
        self.p.c.pos + if self.p.ahead == NONE { 0 } else { self.p.ahead }
    }

    /// The slot is in use: `Place::Taken` or `Place::Leased`.
    fn in_use(&mut self, taken: bool) -> Result<(), String> {
        if self.p.ahead != NONE {
            return self.next_ahead(taken);
        }
        let found = self.p.found != 0 && self.p.found_at == self.p.c.pos;
        self.go(match (found, taken) {
            (true, _) => Pc::AheadFree,
            (false, true) => Pc::HasGaps,
            (false, false) => Pc::AheadHint,
        });
        (self.q().h, self.q().word) = (Counter::default(), Word::default());
        self.out.push(self.z);
        Ok(())
    }

    fn place(&mut self, w: Word) -> Result<(), String> {
        let l = self.c.lap(self.looked_at());
        self.q().word = w;
        match w.phase {
            Leased if w.lap < l => return self.in_use(false),
            Writing if w.lap < l => self.go(Pc::Dead),
            Ready if w.lap < l => self.go(Pc::PlaceHead),
            _ => self.go(Pc::ChangedTail),
        }
        self.out.push(self.z);
        Ok(())
    }

    pub(super) fn claim(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let k = c.at(self.looked_at());
        match p.pc {
            Pc::Tail => {
                if p.sent == c.each || s.tail.pos >= c.end {
                    if !c.leave {
                        return Ok(());
                    }
                    self.go(Pc::LeaveEntry);
                } else if s.tail.closed {
                    self.restart();
                    self.go(Pc::Done);
                } else {
                    self.q().c = s.tail;
                    if p.found_at != s.tail.pos {
                        (self.q().found, self.q().found_at) = (0, 0);
                    }
                    let settled = s.tail.by == p.name && p.settled == s.tail.pos && p.settled != 0;
                    if settled || self.plant(Plant::TailNotRecorded) && s.tail.by != SKIP {
                        self.go(Pc::Slot);
                    } else {
                        self.start_record_tail(s.tail, Pc::Slot);
                    }
                }
            }
            Pc::Slot => {
                let w = s.slots[k].word;
                if w.phase == Free && w.lap <= c.lap(p.c.pos) {
                    self.q().word = w;
                    self.go(Pc::Claim);
                } else {
                    return self.place(w);
                }
            }
            Pc::Dead => {
                if !self.dead(p.word.owner) {
                    return self.in_use(true);
                }
                self.q().back_free = Pc::Tail;
                self.go(Pc::FreeFree);
            }
            Pc::PlaceHead => {
                let held = p.word.lap * c.slots + k as u8;
                if s.head.pos <= held {
                    return self.in_use(true);
                }
                if s.head.pos == held + 1 {
                    self.start_record_head(s.head, Pc::PlaceChangedHead);
                } else {
                    self.q().h = s.head;
                    self.go(Pc::PlaceChangedHead);
                }
            }
            Pc::PlaceChangedHead if s.head != p.h => self.changed(),
            Pc::PlaceChangedHead => self.go(Pc::PlaceChangedSlot),
            Pc::PlaceChangedSlot | Pc::ChangedSlot => {
                if s.slots[k].word == p.word {
                    return Err("corrupt: a slot ahead of tail".into());
                }
                self.changed();
            }
            Pc::ChangedTail if s.tail != p.c => self.changed(),
            Pc::ChangedTail => self.go(Pc::ChangedSlot),
            _ => {
                if s.tail == p.c {
                    self.claimed(p.c.pos + 1, Pc::Write);
                } else {
                    self.claim_again();
                }
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    /// `tail` goes to this position, and names the claimer.
    fn claimed(&mut self, pos: u8, pc: Pc) {
        self.z.tail = Counter { pos, by: self.p.name, closed: false };
        self.restart();
        self.q().claimed = pos;
        self.go(pc);
    }

    // ---- ahead of `tail` ----

    pub(super) fn ahead(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let pos = self.looked_at();
        match p.pc {
            Pc::HasGaps if s.room == 0 => return self.nothing(),
            Pc::HasGaps => self.go(Pc::AheadHint),
            Pc::AheadFree => {
                let w = s.slots[c.at(p.found - 1)].word;
                if w.phase == Free && w.lap <= c.lap(p.found - 1) {
                    self.go_ahead();
                } else {
                    (self.q().found, self.q().found_at) = (0, 0);
                    self.go(Pc::AheadHint);
                }
            }
            Pc::AheadHint => {
                let q = self.q();
                (q.found, q.found_at, q.hinted, q.ahead) = (0, 0, s.room, 0);
                self.go(Pc::AheadHead);
            }
            Pc::AheadHead => {
                self.q().head_seen = s.head.pos;
                self.go(Pc::AheadSlot);
            }
            Pc::AheadSlot => {
                let w = s.slots[c.at(pos)].word;
                if w.phase != Free || w.lap > c.lap(pos) {
                    return self.place(w);
                }
                if p.ahead == 0 && !self.plant(Plant::GapAtFreeSlot) {
                    self.claim_again();
                } else {
                    let q = self.q();
                    (q.found, q.hinted, q.stale, q.unsettled, q.taken) = (pos + 1, 0, false, 0, false);
                    (q.head_seen, q.ahead) = (0, NONE);
                    self.go_ahead();
                }
            }
            Pc::AheadTail if s.tail != p.c => self.claim_again(),
            Pc::AheadTail => self.go(Pc::AheadSlot),
            Pc::AheadEnd if s.tail != p.c => return self.nothing(),
            Pc::AheadEnd => self.go(Pc::AheadClear),
            Pc::AheadClear => {
                if !p.stale || self.plant(Plant::RoomClearedByStore) {
                    self.z.room &= !(p.hinted & !p.unsettled);
                    self.change_room();
                }
                return self.nothing();
            }
            Pc::Open => {
                let moved = s.tail == p.c;
                if moved {
                    self.z.tail = Counter { pos: p.c.pos + 1, by: SKIP, closed: false };
                }
                self.restart();
                if moved {
                    (self.q().found, self.q().found_at) = (p.found, p.c.pos + 1);
                }
            }
            Pc::Jump => {
                if s.tail == p.c || self.plant(Plant::JumpByStore) {
                    self.claimed(p.found, Pc::JumpHint);
                    self.q().to = p.c.pos;
                } else {
                    self.claim_again();
                }
            }
            _ => {
                // JumpHint
                let skipped = p.to..p.claimed - 1;
                self.count_passed(skipped.len() as u8);
                if !self.plant(Plant::JumpNotHinted) {
                    self.hint_room(skipped.fold(0, |bits, pos| bits | 1 << c.at(pos)));
                }
                self.q().to = 0;
                self.go(Pc::Write);
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    fn go_ahead(&mut self) {
        self.go(if self.p.c.by == SKIP { Pc::Jump } else { Pc::Open });
    }

    /// The slot looked at ahead of `tail` is in use: on to the next.
    fn next_ahead(&mut self, taken: bool) -> Result<(), String> {
        let (c, p) = (self.c, self.p);
        let (pos, w) = (self.looked_at(), self.z.p[self.i].word);
        let pending = matches!(w.phase, Writing | Ready) && w.lap + 1 == c.lap(pos);
        if !pending && pos - c.slots >= p.head_seen && !self.plant(Plant::RoomClearedTooEarly) {
            self.q().unsettled |= 1 << c.at(pos);
        }
        let taken = p.taken || taken;
        let mut ahead = p.ahead + 1;
        while ahead < c.slots && taken && p.hinted & 1 << c.at(p.c.pos + ahead) == 0 {
            ahead += 1;
        }
        let q = self.q();
        (q.taken, q.ahead, q.word, q.h) = (taken, ahead, Word::default(), Counter::default());
        if ahead < c.slots {
            self.go(Pc::AheadSlot);
        } else if q.hinted & !q.unsettled == 0 {
            return self.nothing();
        } else {
            self.go(Pc::AheadEnd);
        }
        self.out.push(self.z);
        Ok(())
    }

    // ---- what becomes of a claim ----

    pub(super) fn settle_claim(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let (k, l) = (c.at(p.claimed - 1), c.lap(p.claimed - 1));
        match p.pc {
            Pc::Write => {
                if c.forget {
                    let before = self.z;
                    self.restart();
                    let q = self.q();
                    (q.e, q.pc, q.back_reap) = (p.name - 1, Pc::RecoverTail, Pc::LeaveEntry);
                    if self.plant(Plant::LeftWithClaims) {
                        self.go(Pc::LeaveEntry);
                    }
                    self.out.push(self.z);
                    self.z = before;
                }
                if p.gave_up < c.give_ups {
                    let before = self.z;
                    self.q().gave_up += 1;
                    self.go(if self.plant(Plant::GiveUpHintedEarly) { Pc::GiveUpHint } else { Pc::GiveUpFree });
                    self.out.push(self.z);
                    self.z = before;
                }
                if s.slots[k].message != 0 {
                    return Err("a message was overwritten".into());
                }
                self.z.slots[k].message = c.message(self.i, p.sent);
                self.go(Pc::Publish);
            }
            Pc::Publish => {
                settle(s.slots[k].word, l, p.name)?;
                self.z.slots[k].word = word(l, Ready, NOBODY, 0);
                self.z.sent |= 1 << c.message(self.i, p.sent);
                self.q().settled = p.claimed;
                self.q().sent += 1;
                self.restart();
            }
            Pc::GiveUpFree => {
                settle(s.slots[k].word, l, p.name)?;
                self.z.slots[k].word = word(l + 1, Free, NOBODY, 0);
                self.count_passed(1);
                self.q().settled = p.claimed;
                self.q().back_across = Pc::GiveUpHead;
                self.go(Pc::AcrossHead);
            }
            Pc::GiveUpHead => {
                let hint = s.head.pos < p.claimed;
                if hint && !self.plant(Plant::GiveUpNotHinted) && !self.plant(Plant::GiveUpHintedEarly) {
                    self.go(Pc::GiveUpHint);
                } else {
                    self.restart();
                }
            }
            _ => {
                // GiveUpHint
                self.hint_room(1 << k);
                if self.plant(Plant::GiveUpHintedEarly) {
                    self.go(Pc::GiveUpFree);
                } else {
                    self.restart();
                }
            }
        }
        self.out.push(self.z);
        Ok(())
    }
}

/// Whether the slot of a claim still is the claimer's.
fn settle(w: Word, lap: u8, name: u8) -> Result<(), String> {
    if w.phase == Free && w.lap <= lap || w == word(lap, Writing, name, 0) {
        Ok(())
    } else {
        Err(format!("a claim was taken away: {w:?}"))
    }
}
