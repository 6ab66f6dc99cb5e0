//! Gaps: runs of positions that hold no message. Senders make them, receivers step across them.
//!
//! # Why there are gaps
//!
//! Positions are claimed in order, and the message of a position can only lie in the slot of its
//! index. A sender that gives a position up leaves that slot free, but `tail` comes back to it only
//! a lap later. On the way there, `tail` may meet a slot that is still in use: by a message that
//! nobody has received, by a loan, by a lease. If senders waited for that one slot, the channel
//! would hold fewer messages than its capacity. So a sender that finds the slot at `tail` in use
//! looks for a free slot among the next positions, and moves `tail` there:
//!
//! ```text
//!  tail = (p, anybody)   the slot of p is in use; y is the first position behind it with a free slot
//!  tail = (p + 1, SKIP)  the gap is open; whoever claims next first raises the mark of p to its lap
//!  tail = (y + 1, me)    y is claimed; the gap is p .. y-1
//! ```
//!
//! Each step is one exchange. A sender that dies after the first leaves an open gap, and the next
//! claim ends it. A gap is opened only after a free slot was found, and never while one is open: so
//! a full channel does not use up positions.
//!
//! (Why not move `tail` back instead? A slow recorder may hold an old copy of `tail`, and would
//! write the name of its claimer into a slot that nobody has claimed any more. Recording relies on
//! laps that only grow.)
//!
//! # How receivers step across
//!
//! Read `tail`, then record the claim that it names. From now on a position below that `tail` is
//! *over* unless the word of its slot says *writing* or *ready* at its lap. For if it was claimed,
//! it was recorded before `tail` went on, and a recorded position says *writing* or *ready* until
//! it is given up, or leased, which `head` tells. If it was not claimed by then, it never will be,
//! because `tail` only grows.
//!
//! So [`Ring::first_pending`] looks at all slots once and finds the first position from `head` on
//! that is not over. `head` goes there in one exchange, across any number of laps. If the exchange
//! fails, somebody else moved `head`.
//!
//! Only the first position of a gap is marked. What a receiver finds at `head`:
//!
//! - *The word has a later lap than the position:* the position is over. If the word is *free* at
//!   the very next lap, the position had been claimed; so `head` may go on by one.
//! - *The word has an earlier lap, and the mark is above the position's lap:* a gap begins here; or
//!   it begins here in a later lap, and the word was read too early. A look at all slots tells.
//! - *The word has an earlier lap, and the mark does not say so:* nothing from this position on has
//!   been claimed. The channel is empty.
//!
//! The last answer would be wrong inside a gap, where nothing is marked. But **`head` never stands
//! inside a gap.** It only ever moves to a claimed position; to the position after a claimed one,
//! where a gap can begin but not go on; or to `tail` after a claim, which is the same. While a gap
//! is open, and nothing else is left, `head` stays in front of it. (A closed channel's open gap
//! never ends: `head` goes to `tail`.)
//!
//! # The hint for senders
//!
//! A full channel is polled often, and a look at all slots takes time in proportion to the
//! capacity. It is not needed as long as every one of the last `capacity` positions that `head` has
//! not passed holds a message: then, if the slot at `tail` does, so do all others.
//! [`Hints::room`](crate::layout::Hints::room) has one bit for each 32nd of the slots. A clear bit
//! says that this is so for these slots.
//!
//! Whoever gives a position up, frees a dead sender's, or makes a gap, sets the bits of its slots
//! *afterwards*, and counts the word up. A sender that looked at all slots of a bit, and found that
//! it need not be set, clears it by an exchange with the word as it was before the look. A process
//! may die before it has set a bit: whoever recovers it sets all of them.
//!
//! Only the capacity depends on the hint, so a stranger may write anything there: with all bits set
//! senders are slower, with all bits clear some slots stay unused until `tail` comes round.

use std::cell::Cell;

use super::*;

/// Which slots a sender takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// The slot at `tail`, or if that is leased, the next that is not. For senders that wait: as
    /// long as receivers keep up, each slot's turn comes, and the order of the slots is that of the
    /// positions again. Then there are no more gaps.
    Next,
    /// Any free slot.
    Any,
}

/// A position ahead of `tail` whose slot is free, and `tail` as it was then.
pub(super) type Ahead = (Counter, Position);

/// In [`Hints::room`](crate::layout::Hints::room): one more in the count.
const COUNT: u64 = 1 << 32;

/// How far one receive goes at the most before it lets its caller look at the clock: in steps of
/// one position (times the capacity plus 16), and in looks at all slots. Honest channels stay far
/// below.
const MOST_STEPS: u64 = 4;
const MOST_LOOKS: u32 = 64;

/// How far one receive has gone.
#[derive(Default)]
pub(super) struct Steps {
    steps: u64,
    looks: u32,
}

impl Ring {
    // ---- senders -------------------------------------------------------------------------------

    /// Claims a position ahead of `tail`, which is recorded, and whose slot is in use. `None`: look
    /// at `tail` again.
    #[cold]
    pub(super) fn claim_ahead(
        &self,
        me: Owner,
        tail: Counter,
        room: Room,
        ahead: &mut Option<Ahead>,
        dead: &dyn Fn(Owner) -> bool,
    ) -> Result<Option<Claim>, Blocked> {
        let free = match *ahead {
            Some((then, free)) if then == tail && self.is_free(free) => free,
            _ => match self.room_ahead(tail, room, dead)? {
                Some(free) => free,
                None => return Ok(None),
            },
        };
        let position = tail.position();
        if free == position {
            // Freed meanwhile.
            return Ok(None);
        }
        if self.positions.is_exhausted(free) {
            return Err(Blocked::Exhausted);
        }
        if tail.claimer() != Owner::SKIP {
            let open = Counter::new(self.positions.next(position), Owner::SKIP);
            if self.move_tail(tail, open) {
                fault!("gap opened");
                *ahead = Some((open, free));
            }
            return Ok(None);
        }
        let to = Counter::new(self.positions.next(free), me);
        if !self.move_tail(tail, to) {
            return Ok(None);
        }
        fault!("tail claimed behind a gap");
        let skipped = self.positions.count(free).saturating_sub(self.positions.count(position));
        self.shared().stats.0.passed.fetch_add(skipped, Ordering::Relaxed);
        self.hint_room(self.blocks(position, free));
        Ok(Some(Claim { position: free, index: self.positions.index(free), counter: to.0 }))
    }

    fn is_free(&self, position: Position) -> bool {
        self.slot_at(position).is_ok_and(|slot| {
            let word = slot.load();
            word.phase() == Phase::Free && word.lap() <= self.positions.lap(position)
        })
    }

    /// The first position from `tail` on whose slot is free; [`Blocked::Full`] where there is none.
    /// `None`: `tail` has moved.
    fn room_ahead(&self, tail: Counter, room: Room, dead: &dyn Fn(Owner) -> bool) -> Result<Option<Position>, Blocked> {
        // Acquire, partner: the Release in `hint_room`. Read before the slots: what is freed after
        // a slot was looked at is counted later.
        let hint = self.shared().hints.0.room.load(Ordering::Acquire);
        let hinted = if room == Room::Any { hint as u32 } else { 0 };
        let head = self.head().position();
        // Asking takes a system call, and one process may hold many slots. "Alive" may be
        // remembered, "dead" may not: it counts only if asked after the word was read.
        let living = Cell::new(Owner::NOBODY);
        let dead = |owner: Owner| {
            if owner != Owner::NOBODY && owner == living.get() {
                return false;
            }
            let dead = dead(owner);
            if !dead {
                living.set(owner);
            }
            dead
        };
        let end = self.positions.lap_later(tail.position());
        let (mut position, mut taken, mut unsettled) = (tail.position(), false, 0);
        while position < end {
            let block = 1 << self.positions.block(position);
            if taken && hinted & block == 0 {
                position = self.positions.next_block(position);
                continue;
            }
            let slot = self.slot_at(position)?;
            let word = slot.load();
            match self.place(tail, position, slot, word, &dead)? {
                Place::Free => return Ok(Some(position)),
                Place::Leased => {}
                Place::Taken => taken = true,
                Place::Changed if self.tail() != tail => return Ok(None),
                Place::Changed => continue,
            }
            // In use since an earlier lap, so there is a position a lap before.
            let lap = self.positions.lap(position) - 1;
            let is_pending = word.is_ready(lap) || word.is_writing(lap);
            if !is_pending && self.positions.at(lap, slot.index) >= head {
                unsettled |= block;
            }
            position = self.positions.next(position);
        }
        if self.tail() == tail {
            self.clear_hint(hint, hinted & !unsettled);
        }
        Err(Blocked::Full)
    }

    /// The bits of the slots from this position up to that one, which lies no more than a lap ahead.
    fn blocks(&self, from: Position, to: Position) -> u32 {
        let Some(last) = self.positions.previous(to).filter(|last| *last > from) else {
            return 1 << self.positions.block(from);
        };
        let from_first = u32::MAX << self.positions.block(from);
        let up_to_last = u32::MAX >> (31 - self.positions.block(last));
        if self.positions.lap(last) == self.positions.lap(from) {
            from_first & up_to_last
        } else {
            from_first | up_to_last
        }
    }

    /// Makes senders look at these slots. Called after one was freed out of turn, or can be from
    /// now on.
    fn hint_room(&self, blocks: u32) {
        let room = &self.shared().hints.0.room;
        let mut hint = room.load(Ordering::Relaxed);
        // Release, partner: the Acquire in `room_ahead`.
        while let Err(now) = room.compare_exchange_weak(
            hint,
            hint.wrapping_add(COUNT) | u64::from(blocks),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            hint = now;
        }
    }

    /// Makes senders look at the slot of a position that was given up. Nobody has to if `head` has
    /// passed it: `tail` has not met the slot since.
    pub(crate) fn hint_given_up(&self, position: Position) {
        if self.head().position() <= position {
            self.hint_room(1 << self.positions.block(position));
        }
    }

    /// Makes senders look at all slots.
    pub(super) fn hint_all_room(&self) {
        self.hint_room(u32::MAX);
    }

    /// Clears these bits of the hint, unless it is another than `hint` by now.
    fn clear_hint(&self, hint: u64, blocks: u32) -> bool {
        let room = &self.shared().hints.0.room;
        // Relaxed: nobody goes by what was seen in the look.
        blocks == 0
            || room.compare_exchange(hint, hint & !u64::from(blocks), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether slots may be free, or become free, before their turn. If not, the positions from `head`
    /// to `tail` all hold messages.
    pub(crate) fn has_gaps(&self) -> bool {
        self.shared().hints.0.room.load(Ordering::Acquire) as u32 != 0
    }

    /// Clears the hint if all positions from `head` to `tail` hold messages. True if it did. Takes time
    /// in proportion to their number.
    pub(crate) fn clear_gaps(&self) -> bool {
        // Acquire, partner: the Release in `hint_room`.
        let hint = self.shared().hints.0.room.load(Ordering::Acquire);
        let (mut position, tail) = (self.head().position(), self.tail());
        let (from, to) = (self.positions.count(position), self.positions.count(tail.position()));
        if to.saturating_sub(from) > u64::from(self.positions.capacity()) {
            return false;
        }
        while position < tail.position() {
            let lap = self.positions.lap(position);
            let pending = |word: Word| word.is_ready(lap) || word.is_writing(lap);
            if !self.slot_at(position).is_ok_and(|slot| pending(slot.load())) {
                return false;
            }
            position = self.positions.next(position);
        }
        self.clear_hint(hint, hint as u32)
    }

    /// Whether one more sender may find a slot.
    pub(crate) fn may_have_room(&self) -> bool {
        let next = self.watch_tail().map(|(_, word)| Word(word).phase());
        matches!(next, Some(Phase::Free | Phase::Leased)) || self.has_gaps()
    }

    // ---- receivers -----------------------------------------------------------------------------

    /// Whether the position at `head` may be over.
    fn may_be_over(&self, head: Counter) -> bool {
        let lap = self.positions.lap(head.position());
        self.slot_at(head.position()).is_ok_and(|slot| {
            let word = slot.load();
            // Acquire, partner: `mark_gap`. Read after the word.
            let may_be_over = || word.lap() > lap || self.mark(slot).load(Ordering::Acquire) > lap;
            !word.is_ready(lap) && !word.is_writing(lap) && may_be_over()
        })
    }

    /// The first position from `head` on that holds a message, or will; else `tail`; but in front of
    /// an open gap, its first position.
    #[cold]
    fn first_pending(&self, head: Counter) -> Result<Position, Blocked> {
        let tail = self.tail();
        self.record_tail(tail)?;
        let end = tail.position();
        let mut first = match self.positions.previous(end) {
            Some(open) if tail.claimer() == Owner::SKIP && !tail.is_closed() => open,
            _ => end,
        };
        for index in 0..self.positions.capacity() {
            let Some(slot) = self.slot(index) else { continue };
            let word = slot.load();
            let position = self.positions.at(word.lap(), index);
            if matches!(word.phase(), Phase::Writing | Phase::Ready) && (head.position()..first).contains(&position) {
                first = position;
            }
        }
        Ok(first)
    }

    /// Where `head` can go from a position that may be over; and whether finding out took a look at all
    /// slots.
    fn beyond(&self, head: Counter) -> Result<(Option<Position>, bool), Blocked> {
        let position = head.position();
        if self.slot_at(position)?.load() == Word::free(self.positions.lap(position) + 1) {
            return Ok((Some(self.positions.next(position)), false));
        }
        let to = self.first_pending(head)?;
        // A claim of a stranger's.
        self.slot_at(to)?;
        Ok(((to > position).then_some(to), true))
    }

    /// Takes `head`, which is recorded, on from a position that may be over. False: there is nothing
    /// to receive as yet.
    #[cold]
    pub(super) fn step_beyond(
        &self,
        head: Counter,
        slot: Slot<'_>,
        word: Word,
        gone: &mut Steps,
    ) -> Result<bool, Blocked> {
        let (to, looked) = self.beyond(head)?;
        let Some(to) = to else {
            return Ok(slot.load() != word || self.head() != head);
        };
        gone.steps += 1;
        gone.looks += u32::from(looked);
        if gone.steps > MOST_STEPS * (u64::from(self.positions.capacity()) + 16) || gone.looks > MOST_LOOKS {
            return Ok(false);
        }
        self.move_head(head, Counter::new(to, Owner::SKIP));
        fault!("head moved across a gap");
        Ok(true)
    }

    /// Takes `head` across positions that hold no message, so that senders who give up again and again
    /// leave no long way for the next receiver. The caller has seen to it that nobody holds the bias
    /// of `head`.
    pub(crate) fn step_across(&self) {
        for _ in 0..self.positions.capacity() {
            let head = self.head();
            if !self.may_be_over(head) || self.record_head(head).is_err() {
                return;
            }
            let Ok((Some(to), _)) = self.beyond(head) else { return };
            if !self.move_head(head, Counter::new(to, Owner::SKIP)) {
                return;
            }
        }
    }

    /// Whether `head` can go on without receiving a message.
    pub(crate) fn can_step_across(&self) -> bool {
        let head = self.head();
        self.may_be_over(head) && matches!(self.beyond(head), Ok((Some(_), _)))
    }

    // ---- both ----------------------------------------------------------------------------------

    /// Says that a gap begins at this position.
    pub(super) fn mark_gap(&self, position: Position) -> Result<(), Blocked> {
        let slot = self.slot_at(position)?;
        let mark = self.positions.lap(position) + 1;
        // Release, partner: the Acquire loads of the mark.
        if self.mark(slot).fetch_max(mark, Ordering::AcqRel) < mark {
            fault!("gap marked, not yet counted");
            self.shared().stats.0.passed.fetch_add(1, Ordering::Relaxed);
            self.hint_room(1 << self.positions.block(position));
        }
        Ok(())
    }

    /// Counts a position that was claimed and given up, or freed.
    pub(super) fn count_given_up(&self) {
        self.shared().stats.0.passed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether `tail` is that of a gap which is not marked yet, and so not yet counted.
    pub(crate) fn has_unmarked_gap(&self) -> bool {
        let tail = self.tail();
        let Some(position) = self.positions.previous(tail.position()) else { return false };
        let lap = self.positions.lap(position);
        tail.claimer() == Owner::SKIP
            && self.slot_at(position).is_ok_and(|slot| self.mark(slot).load(Ordering::Acquire) <= lap)
    }
}
