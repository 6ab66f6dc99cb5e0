//! Recording, freeing and recovering; entering, leaving and closing.

use super::turn::Turn;
use super::*;

impl Turn<'_> {
    // ---- recording ----

    /// As `Ring::record_tail`.
    pub(super) fn start_record_tail(&mut self, t: Counter, back: Pc) {
        let plant = self.c.plant;
        let q = self.q();
        (q.t, q.back_tail) = (t, back);
        match t.by {
            NOBODY => self.leave_record_tail(back),
            SKIP if plant == Plant::GapNotMarked => self.leave_record_tail(back),
            SKIP => self.go(Pc::MarkGap),
            _ => self.go(Pc::RecordTail),
        }
    }

    fn leave_record_tail(&mut self, back: Pc) {
        let q = self.q();
        (q.t, q.tail_word, q.back_tail) = (Counter::default(), Word::default(), Pc::Done);
        self.go(back);
    }

    pub(super) fn record_tail(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let (k, l) = (c.at(p.t.pos - 1), c.lap(p.t.pos - 1));
        match p.pc {
            Pc::RecordTail => {
                let w = s.slots[k].word;
                if w.phase == Free && w.lap <= l {
                    self.q().tail_word = w;
                    self.go(Pc::RecordTailSet);
                } else {
                    self.leave_record_tail(p.back_tail);
                }
            }
            Pc::RecordTailSet => {
                if s.slots[k].word == p.tail_word {
                    self.z.slots[k].word = word(l, Writing, p.t.by, 0);
                }
                self.leave_record_tail(p.back_tail);
            }
            Pc::MarkGap => {
                if s.slots[k].mark < l + 1 {
                    self.z.slots[k].mark = l + 1;
                    self.go(Pc::MarkGapHint);
                } else {
                    self.leave_record_tail(p.back_tail);
                }
            }
            _ => {
                // MarkGapHint
                self.count_passed(1);
                if !self.plant(Plant::MarkNotHinted) {
                    self.hint_room(1 << k);
                }
                self.leave_record_tail(p.back_tail);
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    /// As `Ring::record_head`.
    pub(super) fn start_record_head(&mut self, h: Counter, back: Pc) {
        (self.q().h, self.q().back_head) = (h, back);
        if h.pos == 0 || matches!(h.by, NOBODY | SKIP) {
            self.leave_record_head(back);
        } else {
            self.go(Pc::RecordHead);
        }
    }

    fn leave_record_head(&mut self, back: Pc) {
        self.q().back_head = Pc::Done;
        // `place` compares the head again, and `step_across` moves it.
        if !matches!(back, Pc::PlaceChangedHead | Pc::BeyondSlot) {
            self.q().h = Counter::default();
        }
        self.go(back);
    }

    pub(super) fn record_head(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let (k, l) = (c.at(p.h.pos - 1), c.lap(p.h.pos - 1));
        let ready = s.slots[k].word == word(l, Ready, NOBODY, 0);
        if p.pc == Pc::RecordHead {
            if ready && !self.plant(Plant::HeadNotRecorded) {
                self.go(Pc::RecordHeadSet);
            } else {
                self.leave_record_head(p.back_head);
            }
        } else {
            if ready {
                self.z.slots[k].word = word(l, Leased, p.h.by, 0);
            }
            self.leave_record_head(p.back_head);
        }
        self.out.push(self.z);
        Ok(())
    }

    // ---- freeing ----

    /// The slot whose dead sender was found.
    fn freed(&self) -> usize {
        match self.p.back_free {
            Pc::RecoverNext => self.p.k as usize,
            Pc::Tail => self.c.at(self.looked_at()),
            _ => self.c.at(self.p.c.pos),
        }
    }

    /// As `Ring::free_unwritten`.
    pub(super) fn free_unwritten(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let k = self.freed();
        match p.pc {
            Pc::FreeFree => {
                if s.slots[k].word == p.word || self.plant(Plant::FreeByStore) {
                    self.z.slots[k].word = word(p.word.lap + 1, Free, NOBODY, 0);
                    self.z.slots[k].message = 0;
                    self.count_passed(1);
                    self.go(Pc::FreeHead);
                } else {
                    self.leave_free();
                }
            }
            Pc::FreeHead if s.head.pos <= p.word.lap * c.slots + k as u8 && !self.plant(Plant::FreeNotHinted) => {
                self.go(Pc::FreeHint);
            }
            Pc::FreeHead => self.leave_free(),
            _ => {
                self.hint_room(1 << k);
                self.leave_free();
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    fn leave_free(&mut self) {
        match self.p.back_free {
            Pc::Tail => {
                self.q().back_free = Pc::Done;
                self.changed();
            }
            Pc::Head => {
                self.restart();
                self.go(Pc::Head);
            }
            _ => {
                self.q().back_free = Pc::Done;
                self.q().word = Word::default();
                self.next_slot();
            }
        }
    }

    // ---- recovering, entering, leaving, closing ----

    fn next_slot(&mut self) {
        self.q().k += 1;
        self.go(Pc::RecoverSlot);
        if self.q().k == self.c.slots {
            self.q().k = 0;
            self.go(Pc::RecoverHint);
        }
    }

    pub(super) fn next_entry(&mut self) {
        let back = self.p.back_reap;
        let names = self.c.names;
        let q = self.q();
        (q.state, q.pc) = (0, Pc::ReapEntry);
        q.e += 1;
        if q.e == names {
            q.e = 0;
            q.back_reap = Pc::Done;
            match back {
                Pc::EndHint => q.pc = Pc::EndHint,
                Pc::ReapEntry => q.back_reap = Pc::ReapEntry,
                _ => q.pc = if q.role == Role::Sender { Pc::Tail } else { Pc::Hint },
            }
        }
    }

    fn begin_recovery(&mut self, w: Word) {
        if w.phase == Writing {
            self.q().back_free = Pc::RecoverNext;
            self.go(Pc::FreeFree);
        } else {
            self.go(Pc::RecoverLease);
        }
    }

    pub(super) fn recover(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let e = p.e as usize;
        match p.pc {
            Pc::EnterLock => {
                if s.locks[e] == 0 {
                    self.z.locks[e] = self.i as u8 + 1;
                    self.go(Pc::EnterLoad);
                } else {
                    self.q().e = (p.e + 1) % c.names;
                }
            }
            Pc::EnterLoad => {
                self.q().state = s.entries[e];
                self.go(if s.entries[e] & 1 == 0 { Pc::EnterTake } else { Pc::EnterUnlock });
            }
            Pc::EnterUnlock => {
                self.z.locks[e] = 0;
                self.q().back_reap = Pc::EnterLock;
                self.go(Pc::RecoverTail);
            }
            Pc::EnterTake => {
                if s.entries[e] != p.state {
                    return Err("an entry whose byte is locked was written to".into());
                }
                self.z.entries[e] = (p.state | 1) + 2;
                self.q().name = p.e + 1;
                self.restart();
            }
            Pc::LeaveEntry => {
                self.z.entries[p.name as usize - 1] &= !1;
                self.go(Pc::LeaveLock);
            }
            Pc::LeaveLock => {
                self.z.locks[p.name as usize - 1] = 0;
                *self.q() = Process { role: p.role, alive: true, sent: p.sent, ..Process::default() };
            }
            Pc::ReapEntry => {
                if s.entries[e] & 1 == 1 {
                    self.q().state = s.entries[e];
                    self.go(Pc::ReapDead);
                } else {
                    self.next_entry();
                }
            }
            Pc::ReapDead if self.dead(p.e + 1) => self.go(Pc::RecoverTail),
            Pc::ReapDead => self.next_entry(),
            Pc::RecoverTail if self.plant(Plant::RecoverRecordsNothing) => self.go(Pc::RecoverSlot),
            Pc::RecoverTail => self.start_record_tail(s.tail, Pc::RecoverHead),
            Pc::RecoverHead => self.start_record_head(s.head, Pc::RecoverSlot),
            Pc::RecoverSlot => {
                let w = s.slots[p.k as usize].word;
                if w.owner == p.e + 1 && matches!(w.phase, Writing | Leased) {
                    self.q().word = w;
                    self.go(Pc::RecoverDead);
                    if self.plant(Plant::RecoverDoesNotAskAgain) {
                        self.begin_recovery(w);
                    }
                } else {
                    self.next_slot();
                }
            }
            Pc::RecoverDead => {
                if p.name == p.e + 1 || self.dead(p.e + 1) {
                    self.begin_recovery(p.word);
                } else {
                    self.q().spared = !self.plant(Plant::EntryFreedThoughSpared);
                    self.q().word = Word::default();
                    self.next_slot();
                }
            }
            Pc::RecoverLease => {
                if s.slots[p.k as usize].word == p.word {
                    self.z.slots[p.k as usize].word = word(p.word.lap, Leased, NOBODY, p.word.deliveries);
                    self.q().recovered = self.plant(Plant::RecoverHintsOnlyItsOwn);
                }
                self.q().word = Word::default();
                self.next_slot();
            }
            Pc::RecoverHint => {
                if !self.plant(Plant::RecoverHintsOnlyItsOwn) || p.recovered {
                    self.set_hint();
                }
                self.q().recovered = false;
                self.go(Pc::RecoverRoom);
            }
            Pc::RecoverRoom => {
                if !self.plant(Plant::RecoverHintsNoRoom) {
                    self.hint_room((1 << c.slots) - 1);
                }
                self.go(if p.back_reap == Pc::LeaveEntry { Pc::LeaveEntry } else { Pc::RecoverEntry });
            }
            Pc::RecoverEntry => {
                if self.plant(Plant::EntryFreedByStore) || !p.spared && s.entries[e] == p.state {
                    self.z.entries[e] = (p.state & !1) + 2;
                }
                let q = self.q();
                (q.spared, q.state) = (false, 0);
                if p.back_reap == Pc::EnterLock {
                    (q.pc, q.back_reap) = (Pc::EnterLock, Pc::Done);
                } else {
                    // As `Channel::reap`.
                    (q.pc, q.back_across) = (Pc::AcrossHead, Pc::ReapEntry);
                }
            }
            Pc::CloseTail => {
                self.q().c = s.tail;
                self.go(Pc::CloseSet);
            }
            Pc::CloseSet => {
                if s.tail == p.c {
                    self.z.tail.closed = true;
                    self.go(Pc::Done);
                } else {
                    self.go(Pc::CloseTail);
                }
                self.q().c = Counter::default();
            }
            other => unreachable!("{other:?} is another's"),
        }
        self.out.push(self.z);
        Ok(())
    }
}
