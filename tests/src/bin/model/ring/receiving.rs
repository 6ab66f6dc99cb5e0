//! `Ring::lease`, `Ring::release`, `Ring::put_back`, `Channel::is_ended`; how `head` gets across positions without a message.

use super::turn::Turn;
use super::*;

impl Turn<'_> {
    // ---- what waits to be handed out again ----

    pub(super) fn lease_again(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let counted = c.hint == HintRule::Count || self.plant(Plant::HintClearedAfterScan);
        let next = |turn: &mut Self| {
            turn.q().k += 1;
            turn.go(Pc::Scan);
            if turn.q().k == c.slots {
                turn.q().k = 0;
                turn.go(if counted { Pc::Unhint } else { Pc::Head });
            }
        };
        match p.pc {
            Pc::Hint => {
                if self.hinted() {
                    self.q().hint = if c.hint == HintRule::Count { s.hint } else { 0 };
                    self.go(Pc::Swap);
                } else {
                    self.go(Pc::Head);
                }
            }
            // No action of its own where the hint is only read.
            Pc::Swap if counted => self.go(Pc::Scan),
            Pc::Swap => {
                self.z.hint = 0;
                self.go(if s.hint == 0 { Pc::Head } else { Pc::Scan });
            }
            Pc::Scan => {
                let w = s.slots[p.k as usize].word;
                if w.phase == Leased && w.owner == NOBODY {
                    self.q().word = w;
                    self.go(Pc::Take);
                } else {
                    next(self);
                }
            }
            Pc::Unhint => {
                if self.plant(Plant::HintClearedAfterScan) {
                    self.z.hint = 0;
                } else if s.hint == p.hint {
                    self.z.hint = s.hint & !1;
                }
                self.q().hint = 0;
                self.go(Pc::Head);
            }
            Pc::Take => {
                if s.slots[p.k as usize].word == p.word {
                    let again = p.word.deliveries + 1;
                    self.z.slots[p.k as usize].word = word(p.word.lap, Leased, p.name, again);
                    self.restart();
                    let q = self.q();
                    (q.slot, q.lap, q.deliveries) = (p.k, p.word.lap, again);
                    self.go(if c.hint == HintRule::Swap { Pc::TakeHint } else { Pc::Read });
                } else {
                    self.q().word = Word::default();
                    next(self);
                }
            }
            _ => {
                // TakeHint
                self.set_hint();
                self.go(Pc::Read);
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    // ---- the message at `head` ----

    fn look_again(&mut self) {
        self.restart();
        self.go(Pc::Head);
    }

    pub(super) fn lease(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let (k, l) = (c.at(p.c.pos), c.lap(p.c.pos));
        match p.pc {
            Pc::Head => {
                self.q().hint = 0;
                self.q().c = s.head;
                if s.head.by == p.name && s.head.pos == p.settled {
                    self.go(Pc::HeadSlot);
                } else {
                    self.start_record_head(s.head, Pc::HeadSlot);
                }
            }
            Pc::HeadSlot => {
                let w = s.slots[k].word;
                self.q().word = w;
                self.go(if w == word(l, Ready, NOBODY, 0) { Pc::HeadClaim } else { Pc::HeadMark });
            }
            Pc::HeadClaim => {
                if s.head == p.c {
                    self.z.head = Counter { pos: p.c.pos + 1, by: p.name, closed: false };
                    self.restart();
                    let q = self.q();
                    (q.slot, q.lap, q.deliveries, q.claimed) = (k as u8, l, 0, p.c.pos + 1);
                    self.go(Pc::Read);
                } else {
                    self.look_again();
                }
            }
            Pc::HeadMark => {
                let marked = s.slots[k].mark > l;
                let w = p.word;
                if marked && self.plant(Plant::MarkBelieved) {
                    self.q().to = p.c.pos + 2;
                    self.go(Pc::HeadMove);
                } else if marked && !(w.phase == Writing && w.lap == l) {
                    self.start_beyond(p.c, Pc::HeadMove);
                } else {
                    match w.phase {
                        Free if w.lap <= l => return self.nothing(),
                        Leased | Writing if w.lap < l => return self.nothing(),
                        Writing if w.lap == l => self.go(Pc::HeadDead),
                        _ if w.lap > l => self.start_beyond(p.c, Pc::HeadMove),
                        _ => self.go(Pc::HeadChanged),
                    }
                }
            }
            Pc::HeadDead => {
                if !self.dead(p.word.owner) {
                    return self.nothing();
                }
                self.q().back_free = Pc::Head;
                self.go(Pc::FreeFree);
            }
            Pc::HeadChanged if s.head != p.c => self.look_again(),
            Pc::HeadChanged => self.go(Pc::HeadChangedSlot),
            Pc::HeadChangedSlot => {
                if s.slots[k].word == p.word {
                    return Err("corrupt: slot at head".into());
                }
                self.look_again();
            }
            _ => {
                // HeadMove
                if p.to == 0 && s.slots[k].word == p.word && s.head == p.c {
                    return self.nothing();
                }
                if p.to != 0 && s.head == p.c {
                    self.z.head = Counter { pos: p.to - 1, by: SKIP, closed: false };
                }
                self.look_again();
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    pub(super) fn settle_lease(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let k = p.slot as usize;
        match p.pc {
            Pc::Read => {
                let m = s.slots[k].message;
                if m == 0 || s.sent & 1 << m == 0 {
                    return Err(format!("invented: {m}"));
                }
                self.z.received[m as usize] += 1;
                self.q().message = m;
                if p.put_back < c.put_backs {
                    let before = self.z;
                    self.q().put_back += 1;
                    self.go(Pc::PutBack);
                    self.out.push(self.z);
                    self.z = before;
                }
                self.go(Pc::Release);
            }
            Pc::Release | Pc::PutBack => {
                let w = s.slots[k].word;
                let mine = w == word(p.lap, Leased, p.name, p.deliveries)
                    || p.deliveries == 0 && w == word(p.lap, Ready, NOBODY, 0);
                if !mine || s.slots[k].message != p.message {
                    return Err(format!("a lease was taken away: {w:?}"));
                }
                if p.pc == Pc::Release {
                    self.z.slots[k].word = word(p.lap + 1, Free, NOBODY, 0);
                    self.z.slots[k].message = 0;
                    if p.claimed != 0 {
                        self.q().settled = p.claimed;
                    }
                    self.restart();
                } else {
                    self.z.slots[k].word = word(p.lap, Leased, NOBODY, p.deliveries);
                    self.z.received[p.message as usize] = 0;
                    self.z.excused |= 1 << p.message;
                    self.go(Pc::PutBackHint);
                }
            }
            _ => {
                // PutBackHint
                self.set_hint();
                self.restart();
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    // ---- the end ----

    pub(super) fn end(&mut self) -> Result<(), String> {
        let (s, p) = (self.s, self.p);
        match p.pc {
            Pc::EndTail if !s.tail.closed => self.restart(),
            Pc::EndTail => {
                self.q().c = s.tail;
                if self.plant(Plant::ClosedBeforeRecord) {
                    self.go(Pc::EndHead);
                } else {
                    self.start_record_tail(s.tail, Pc::EndHead);
                }
            }
            Pc::EndHead => {
                self.restart();
                if s.head.pos >= p.c.pos {
                    let q = self.q();
                    (q.waiting, q.back_reap) = (p.waiting, Pc::EndHint);
                    self.go(Pc::ReapEntry);
                }
            }
            _ if self.hinted() => self.restart(),
            _ => {
                // EndHint
                for slot in &s.slots {
                    if slot.word.phase == Leased && slot.word.owner == NOBODY && p.waiting & 1 << slot.message != 0 {
                        return Err("told that the channel has ended while a message waits".into());
                    }
                }
                self.restart();
                self.go(Pc::Done);
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    // ---- across positions without a message ----

    pub(super) fn start_beyond(&mut self, h: Counter, back: Pc) {
        (self.q().h, self.q().back_beyond) = (h, back);
        self.go(Pc::BeyondSlot);
    }

    fn leave_beyond(&mut self) {
        let back = self.p.back_beyond;
        let q = self.q();
        if q.to <= q.h.pos + 1 {
            q.to = 0;
        } else if self.c.plant == Plant::StepByOne {
            self.z.p[self.i].to = self.p.h.pos + 2;
        }
        let q = self.q();
        (q.t, q.k, q.back_beyond) = (Counter::default(), 0, Pc::Done);
        if back == Pc::HeadMove {
            q.h = Counter::default();
        }
        self.go(back);
    }

    pub(super) fn beyond(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let late = self.plant(Plant::BeyondReadsTailLate);
        match p.pc {
            Pc::BeyondSlot => {
                if s.slots[c.at(p.h.pos)].word == word(c.lap(p.h.pos) + 1, Free, NOBODY, 0) {
                    self.q().to = p.h.pos + 2;
                    self.leave_beyond();
                } else if late {
                    self.q().to = NONE;
                    self.go(Pc::BeyondScan);
                } else {
                    self.go(Pc::BeyondTail);
                }
            }
            Pc::BeyondTail => {
                let open = s.tail.by == SKIP && !s.tail.closed && !self.plant(Plant::HeadIntoOpenGap);
                let end = if open { s.tail.pos } else { s.tail.pos + 1 };
                if late {
                    self.q().to = p.to.min(end);
                    self.leave_beyond();
                } else {
                    self.q().to = end;
                    if self.plant(Plant::BeyondRecordsNothing) {
                        self.go(Pc::BeyondScan);
                    } else {
                        self.start_record_tail(s.tail, Pc::BeyondScan);
                    }
                }
            }
            _ => {
                let w = s.slots[p.k as usize].word;
                let pos = w.lap * c.slots + p.k;
                if matches!(w.phase, Writing | Ready) && pos >= p.h.pos && pos + 1 < p.to {
                    self.q().to = pos + 1;
                }
                self.q().k += 1;
                if self.q().k == c.slots {
                    if late {
                        self.q().k = 0;
                        self.go(Pc::BeyondTail);
                    } else {
                        self.leave_beyond();
                    }
                }
            }
        }
        self.out.push(self.z);
        Ok(())
    }

    fn leave_across(&mut self) {
        let back = self.p.back_across;
        let q = self.q();
        (q.h, q.to, q.word, q.steps) = (Counter::default(), 0, Word::default(), 0);
        q.back_across = Pc::Done;
        match back {
            Pc::ReapEntry => self.next_entry(),
            _ => self.go(back),
        }
    }

    pub(super) fn across(&mut self) -> Result<(), String> {
        let (c, s, p) = (self.c, self.s, self.p);
        let (k, l) = (c.at(p.h.pos), c.lap(p.h.pos));
        match p.pc {
            Pc::AcrossHead => {
                self.q().h = s.head;
                self.go(Pc::AcrossSlot);
            }
            Pc::AcrossSlot => {
                let w = s.slots[k].word;
                if w.lap == l && matches!(w.phase, Ready | Writing) {
                    self.leave_across();
                } else if w.lap > l {
                    self.q().back_beyond = Pc::AcrossMove;
                    self.start_record_head(p.h, Pc::BeyondSlot);
                } else {
                    self.go(Pc::AcrossMark);
                }
            }
            Pc::AcrossMark if s.slots[k].mark <= l => self.leave_across(),
            Pc::AcrossMark => {
                self.q().back_beyond = Pc::AcrossMove;
                self.start_record_head(p.h, Pc::BeyondSlot);
            }
            _ => {
                // AcrossMove
                let moved = p.to != 0 && s.head == p.h;
                if moved {
                    self.z.head = Counter { pos: p.to - 1, by: SKIP, closed: false };
                }
                self.q().steps += 1;
                (self.q().h, self.q().to) = (Counter::default(), 0);
                if moved && self.q().steps < c.slots {
                    self.go(Pc::AcrossHead);
                } else {
                    self.leave_across();
                }
            }
        }
        self.out.push(self.z);
        Ok(())
    }
}
