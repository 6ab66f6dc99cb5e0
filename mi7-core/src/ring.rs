//! The slot protocol: claim → write → publish, lease → read → release.
//!
//! # States and who moves them
//!
//! ```text
//!                 sender's exchange of tail                   receiver's exchange of head
//!  free(≤ lap) ───────────────────────> (claimed) ──> ready(lap) ───────────────────> (leased) ──> free(lap + 1)
//!                                          │ record                                       │ record
//!                                          v                                              v
//!                                    writing(lap, owner)                        leased(lap, owner, deliveries)
//!                                          │ owner dead, or gave up                       │ owner dead, or put back
//!                                          v                                              v
//!                                    free(lap + 1)                              leased(lap, nobody, deliveries)
//! ```
//!
//! A claim is one compare-exchange of a counter, and that very exchange names the claimer. The slot's word says nothing
//! of it at first (the states in parentheses): publishing and releasing are plain release stores by the one who holds
//! the slot. Only the *next* claimer, who is about to overwrite the name in the counter, first makes sure that the slot
//! says it ([`Ring::record_tail`], [`Ring::record_head`]). So of every slot that somebody holds, the owner stands in
//! the slot or in a counter.
//!
//! # Why a stale word does no harm
//!
//! Claims are made with `AcqRel` exchanges of a counter, so whoever reads `tail = (p, c)` has everything the claimers of
//! positions up to p-1 did before they claimed, and each of those made sure that the slot before its own was recorded, or
//! past. Together with recording p-1 itself, this means: whoever finds, after recording, the slot of p free at a lap up
//! to p's does not see a leftover of an earlier lap. If the word is stale in the other direction, the counter has moved
//! on, and the exchange fails. Recording is an exchange on a word whose lap only grows, so that one that comes too late
//! fails as well.
//!
//! # Positions without a message
//!
//! A position holds no message if its sender gave up or died. Or else it is part of a *gap*: its slot was still in use when
//! its turn came, and senders went on to the next free one. Receivers step across both. [`gaps`] has the rules.
//!
//! # Empty, without looking at `tail`
//!
//! design.md has receivers look at `tail` where the slot at `head` is still free, to record a claim there. That would pull the
//! senders' line over at every idle poll, and it is not needed to answer: the mark is read after the word, and nothing behind p
//! is claimed before p was recorded, or marked as the beginning of a gap. So a free word and then a lower mark mean that nothing
//! behind p had been claimed either. So [`Ring::lease_below`] answers "empty" from the slot alone, and recovery ([`crate::recovery`])
//! does the recording; nobody parks without having seen to that.
//!
//! # Garbage
//!
//! Whatever the words hold, every call ends: each retry needs a word that changed since it was read, steps across positions are
//! limited per call, and an index is checked against the capacity before it is used. What cannot be is
//! [`Blocked::Corrupt`].

use std::ptr::NonNull;

use crate::bias::Bias;
use crate::layout::Shared;
use crate::position::{Counter, Owner, Phase, Position, Positions, Word};
use crate::sync::{AtomicU64, Ordering};

mod gaps;

pub(crate) use gaps::Room;
use gaps::Steps;

/// A position claimed by a sender: its slot is the holder's to write, until published or given up.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) position: Position,
    pub(crate) index: u32,
    /// What `tail` was set to: no name needs recording as long as it still is that, once the claim is settled.
    pub(crate) counter: u64,
}

/// A slot leased by a receiver: the holder's to read, until released or put back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) index: u32,
    pub(crate) lap: u64,
    /// How often the message had been handed out before.
    pub(crate) deliveries: u32,
    /// What `head` was set to, or 0.
    pub(crate) counter: u64,
}

/// Why there is nothing to claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blocked {
    Full,
    Empty,
    Closed,
    Exhausted,
    /// This end is exclusive, and it is another's.
    Taken(Owner),
    /// The words contradict each other: somebody else wrote them.
    Corrupt(&'static str),
}

/// The protocol over the words of one channel.
///
/// Invariant of the pointers: from construction until the ring is dropped, `shared` points to a [`Shared`], `marks` to
/// `capacity` atomics, and `slots` to `capacity` slots of `stride` bytes, each beginning with an aligned atomic; all of it
/// is memory that is only ever accessed by atomics. Whoever makes a ring promises it (see [`Ring::new`]).
pub(crate) struct Ring {
    shared: NonNull<Shared>,
    marks: NonNull<AtomicU64>,
    slots: NonNull<u8>,
    stride: usize,
    pub(crate) positions: Positions,
}

// SAFETY: by the invariant of the pointers, all that is reached through them is atomics, which threads may share.
unsafe impl Send for Ring {}
// SAFETY: as for Send.
unsafe impl Sync for Ring {}

/// The slot of a position: its index, known to be in bounds, and its word.
#[derive(Clone, Copy)]
struct Slot<'a> {
    index: u32,
    word: &'a AtomicU64,
}

impl Slot<'_> {
    #[inline]
    fn load(self) -> Word {
        // Partner: the release stores of `publish` and `release`, and the exchanges below.
        Word(self.word.load(Ordering::Acquire))
    }

    #[inline]
    fn exchange(self, old: Word, new: Word) -> bool {
        // Release: whoever finds the new word also finds the mark that was raised before it.
        self.word.compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// What a sender finds at a position.
enum Place {
    Free,
    /// Leased, at an earlier lap.
    Leased,
    /// In the way, and alive.
    Taken,
    /// It changed meanwhile, or was mended: look again.
    Changed,
}

/// The bit of the redelivery hint that says: there may be something. The other bits count how often it was said.
const HINTED: u32 = 1;

impl Ring {
    /// # Safety
    ///
    /// The pointers hold what the invariant of the type says, for as long as the ring lives.
    pub(crate) unsafe fn new(
        shared: NonNull<Shared>,
        marks: NonNull<AtomicU64>,
        slots: NonNull<u8>,
        stride: usize,
        positions: Positions,
    ) -> Self {
        Ring { shared, marks, slots, stride, positions }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        // SAFETY: the invariant of the pointers.
        unsafe { self.shared.as_ref() }
    }

    /// The word of slot `index`; `None` past the last slot.
    #[inline]
    fn slot(&self, index: u32) -> Option<Slot<'_>> {
        if index >= self.positions.capacity() {
            return None;
        }
        // SAFETY: index < capacity, so the sum stays within the slots (the invariant of the pointers).
        let at = unsafe { self.slots.add(index as usize * self.stride) };
        // SAFETY: a slot begins with an aligned atomic (the invariant of the pointers).
        let word = unsafe { at.cast::<AtomicU64>().as_ref() };
        Some(Slot { index, word })
    }

    #[inline]
    fn slot_at(&self, position: Position) -> Result<Slot<'_>, Blocked> {
        self.slot(self.positions.index(position)).ok_or(Blocked::Corrupt("counter"))
    }

    #[inline]
    fn mark(&self, slot: Slot<'_>) -> &AtomicU64 {
        // SAFETY: a slot's index is below the capacity, and there are as many marks (the invariant of the pointers).
        let mark = unsafe { self.marks.add(slot.index as usize) };
        // SAFETY: there is an atomic (the invariant of the pointers).
        unsafe { mark.as_ref() }
    }

    #[inline]
    pub(crate) fn tail(&self) -> Counter {
        // Partner: the AcqRel exchanges of tail; see "Why a stale word does no harm".
        Counter(self.shared().tail.0.counter.load(Ordering::Acquire))
    }

    #[inline]
    pub(crate) fn head(&self) -> Counter {
        // Partner: the AcqRel exchanges of head.
        Counter(self.shared().head.0.counter.load(Ordering::Acquire))
    }

    #[inline]
    fn move_tail(&self, from: Counter, to: Counter) -> bool {
        // Partner: the Acquire load in `tail`.
        self.shared().tail.0.counter.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn move_head(&self, from: Counter, to: Counter) -> bool {
        // Partner: the Acquire load in `head`.
        self.shared().head.0.counter.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    // ---- sending ---------------------------------------------------------------------------------------------------

    /// Claims the next position for `me` that has a free slot.
    ///
    /// `settled` is the counter of the caller's last claim if that was published or given up, else 0: while `tail` still
    /// is that, nobody needs recording. `dead` tells whether an owner has died; it is asked only about slots that are in
    /// the way.
    #[inline]
    pub(crate) fn claim(
        &self,
        me: Owner,
        settled: u64,
        room: Room,
        dead: &dyn Fn(Owner) -> bool,
    ) -> Result<Claim, Blocked> {
        let mut ahead = None;
        loop {
            let tail = self.tail();
            if tail.is_closed() {
                return Err(Blocked::Closed);
            }
            let position = tail.position();
            if self.positions.is_exhausted(position) {
                return Err(Blocked::Exhausted);
            }
            if tail.0 != settled {
                self.record_tail(tail)?;
                fault!("tail recorded");
            }
            let slot = self.slot_at(position)?;
            let word = slot.load();
            let to = Counter::new(self.positions.next(position), me);
            if word == Word::free(self.positions.lap(position)) {
                if self.move_tail(tail, to) {
                    fault!("tail claimed");
                    return Ok(Claim { position, index: slot.index, counter: to.0 });
                }
                continue;
            }
            match self.place(tail, position, slot, word, dead)? {
                Place::Free => {
                    if self.move_tail(tail, to) {
                        fault!("tail claimed, a lap or more of whose slot lies in gaps");
                        return Ok(Claim { position, index: slot.index, counter: to.0 });
                    }
                }
                Place::Taken if ahead.is_none() && (room == Room::Next || !self.has_gaps()) => {
                    return Err(Blocked::Full);
                }
                Place::Taken | Place::Leased => {
                    if let Some(claim) = self.claim_ahead(me, tail, room, &mut ahead, dead)? {
                        return Ok(claim);
                    }
                }
                Place::Changed => {}
            }
        }
    }

    /// Claims the next position for `me`, who holds this bias of `tail`. `None` where that takes more than a glance: see
    /// [`claim`](Self::claim) then.
    #[inline(always)]
    pub(crate) fn claim_biased(&self, me: Owner, settled: u64, bias: u64) -> Option<Claim> {
        let _moving = self.tail_bias().move_as(bias)?;
        let tail = self.tail();
        let position = tail.position();
        if tail.0 != settled || tail.is_closed() || self.positions.is_exhausted(position) {
            return None;
        }
        let slot = self.slot(self.positions.index(position))?;
        if slot.load() != Word::free(self.positions.lap(position)) {
            return None;
        }
        let to = Counter::new(self.positions.next(position), me);
        // Partner: the Acquire load in `tail`.
        self.shared().tail.0.counter.store(to.0, Ordering::Release);
        fault!("tail stored");
        Some(Claim { position, index: slot.index, counter: to.0 })
    }

    /// Who may store `tail`.
    #[inline]
    pub(crate) fn tail_bias(&self) -> Bias<'_> {
        Bias { claims: &self.shared().tail.0, word: &self.shared().hints.0.tail_bias, hints: &self.shared().hints.0 }
    }

    /// Who may store `head`.
    #[inline]
    pub(crate) fn head_bias(&self) -> Bias<'_> {
        Bias { claims: &self.shared().head.0, word: &self.shared().hints.0.head_bias, hints: &self.shared().hints.0 }
    }

    /// What stands in a sender's way at `position`; mends what a dead process left there.
    #[cold]
    fn place(
        &self,
        tail: Counter,
        position: Position,
        slot: Slot<'_>,
        word: Word,
        dead: &dyn Fn(Owner) -> bool,
    ) -> Result<Place, Blocked> {
        let lap = self.positions.lap(position);
        match word.phase() {
            Phase::Free if word.lap() <= lap => Ok(Place::Free),
            Phase::Leased if word.lap() < lap => Ok(Place::Leased),
            Phase::Writing if word.lap() < lap => {
                if !dead(word.owner()) {
                    return Ok(Place::Taken);
                }
                self.free_unwritten(slot, word);
                Ok(Place::Changed)
            }
            Phase::Ready if word.lap() < lap => {
                let held = self.positions.at(word.lap(), slot.index);
                let head = self.head();
                if head.position() == self.positions.next(held) {
                    // Just leased, and not recorded yet.
                    self.record_head(head)?;
                    fault!("head recorded by a sender");
                } else if head.position() <= held {
                    return Ok(Place::Taken);
                }
                self.changed(slot, word, self.head() != head, "slot before head")
            }
            _ => self.changed(slot, word, self.tail() != tail, "slot before tail"),
        }
    }

    /// `Changed`, if something did.
    fn changed(&self, slot: Slot<'_>, word: Word, counter: bool, what: &'static str) -> Result<Place, Blocked> {
        if counter || slot.load() != word { Ok(Place::Changed) } else { Err(Blocked::Corrupt(what)) }
    }

    /// Makes sure that the claimer `tail` names stands in its slot, or has moved on; or that an open gap is marked.
    fn record_tail(&self, tail: Counter) -> Result<(), Blocked> {
        let Some(position) = self.positions.previous(tail.position()) else { return Ok(()) };
        let lap = self.positions.lap(position);
        match tail.claimer() {
            Owner::NOBODY => {}
            Owner::SKIP => self.mark_gap(position)?,
            owner => {
                let slot = self.slot_at(position)?;
                let word = slot.load();
                if word.phase() == Phase::Free && word.lap() <= lap {
                    // Where it fails, the position is recorded, or published.
                    slot.exchange(word, Word::writing(lap, owner));
                }
            }
        }
        Ok(())
    }

    /// Hands the message in the claimed slot to the receivers.
    #[inline]
    pub(crate) fn publish(&self, claim: &Claim) {
        let Some(slot) = self.slot(claim.index) else { return };
        fault!("message written, not published");
        // Partner: the Acquire load of a slot's word; the message was written before.
        slot.word.store(Word::ready(self.positions.lap(claim.position)).0, Ordering::Release);
        fault!("message published");
    }

    /// As [`publish`](Self::publish), for a message that had been handed out `deliveries` times, in another channel.
    pub(crate) fn publish_again(&self, claim: &Claim, deliveries: u32) {
        let Some(slot) = self.slot(claim.index) else { return };
        // Partner: as in `publish`.
        slot.word.store(Word::ready_again(self.positions.lap(claim.position), deliveries).0, Ordering::Release);
    }

    /// Gives the claimed slot back unwritten. [`hint_given_up`](Self::hint_given_up) has to follow.
    #[cold]
    pub(crate) fn give_up(&self, claim: &Claim) {
        let Some(slot) = self.slot(claim.index) else { return };
        fault!("claim given up, slot not yet free");
        // Release, partner: the Acquire load of a slot's word.
        slot.word.store(Word::free(self.positions.lap(claim.position) + 1).0, Ordering::Release);
        fault!("claim given up, not yet counted");
        self.count_given_up();
    }

    /// Frees a slot whose sender died before it published. The owner was found dead after the word was read: if it had published
    /// in between, the word is another.
    fn free_unwritten(&self, slot: Slot<'_>, word: Word) {
        if slot.exchange(word, Word::free(word.lap() + 1)) {
            fault!("dead sender's slot freed, not yet counted");
            self.count_given_up();
            self.hint_given_up(self.positions.at(word.lap(), slot.index));
        }
    }

    // ---- receiving -------------------------------------------------------------------------------------------------

    /// [`lease_below`](Self::lease_below) without a limit.
    #[cfg(test)]
    pub(crate) fn lease(&self, me: Owner, settled: u64, dead: &dyn Fn(Owner) -> bool) -> Result<Lease, Blocked> {
        self.lease_below(u32::MAX, me, settled, dead)
    }

    /// Leases the next message to `me`: one that waits to be handed out again, else the one at `head`.
    ///
    /// Left alone is what waits to be handed out again after `limit` deliveries or more. `settled` is the counter of the caller's
    /// last lease if that was released, else 0. `dead` is asked only about a sender that holds up the position at `head`.
    #[inline]
    pub(crate) fn lease_below(
        &self,
        limit: u32,
        me: Owner,
        settled: u64,
        dead: &dyn Fn(Owner) -> bool,
    ) -> Result<Lease, Blocked> {
        // Relaxed: a hint that is missed now is found at the next call, and before parking.
        if self.shared().hints.0.redeliver.load(Ordering::Relaxed) & HINTED != 0
            && let Some(lease) = self.lease_again(me, limit)
        {
            return Ok(lease);
        }
        let mut gone = Steps::default();
        loop {
            let head = self.head();
            if head.0 != settled {
                self.record_head(head)?;
                fault!("head recorded");
            }
            let position = head.position();
            let slot = self.slot_at(position)?;
            let lap = self.positions.lap(position);
            let word = slot.load();
            if word.is_ready(lap) {
                let to = Counter::new(self.positions.next(position), me);
                if self.move_head(head, to) {
                    fault!("head claimed");
                    return Ok(Lease { index: slot.index, lap, deliveries: word.deliveries(), counter: to.0 });
                }
                continue;
            }
            // Acquire, partner: `mark_gap`. Read after the word; see "Empty".
            if self.mark(slot).load(Ordering::Acquire) > lap && !word.is_writing(lap) {
                if self.step_beyond(head, slot, word, &mut gone)? {
                    continue;
                }
                return Err(Blocked::Empty);
            }
            match word.phase() {
                Phase::Free if word.lap() <= lap => return Err(Blocked::Empty),
                Phase::Leased if word.lap() < lap => return Err(Blocked::Empty),
                Phase::Writing if word.lap() < lap => return Err(Blocked::Empty),
                Phase::Writing if word.lap() == lap => {
                    if !dead(word.owner()) {
                        return Err(Blocked::Empty);
                    }
                    self.free_unwritten(slot, word);
                }
                _ if word.lap() > lap => {
                    if !self.step_beyond(head, slot, word, &mut gone)? {
                        return Err(Blocked::Empty);
                    }
                }
                _ if self.head() != head || slot.load() != word => {}
                _ => return Err(Blocked::Corrupt("slot at head")),
            }
        }
    }

    /// Leases the message at `head` to `me`, who holds this bias of `head`. `None` where that takes more than a glance: see
    /// [`lease_below`](Self::lease_below) then.
    #[inline(always)]
    pub(crate) fn lease_biased(&self, me: Owner, settled: u64, bias: u64) -> Option<Lease> {
        if self.shared().hints.0.redeliver.load(Ordering::Relaxed) & HINTED != 0 {
            return None;
        }
        let head = self.head();
        let position = head.position();
        let slot = self.slot(self.positions.index(position))?;
        let lap = self.positions.lap(position);
        // Before the bias is looked at: who polls in vain does not write.
        if head.0 != settled || slot.load() != Word::ready(lap) {
            return None;
        }
        let _moving = self.head_bias().move_as(bias)?;
        if self.head() != head {
            return None;
        }
        let to = Counter::new(self.positions.next(position), me);
        // Partner: the Acquire load in `head`.
        self.shared().head.0.counter.store(to.0, Ordering::Release);
        fault!("head stored");
        Some(Lease { index: slot.index, lap, deliveries: 0, counter: to.0 })
    }

    /// Leases the messages behind `last`, the caller's newest lease, which is not settled yet: as many as there are, up to `most`.
    /// Nothing where that takes more than a glance. As [`lease_biased`](Self::lease_biased), under one [`Bias::move_as`] for all:
    /// `take` has to be quick.
    #[inline]
    pub(crate) fn lease_run_biased(
        &self,
        me: Owner,
        bias: u64,
        last: &Lease,
        most: usize,
        mut take: impl FnMut(Lease),
    ) {
        let Some(_moving) = self.head_bias().move_as(bias) else { return };
        if self.head().0 != last.counter {
            return;
        }
        let Some(mut before) = self.slot(last.index) else { return };
        let mut recorded = Word::leased(last.lap, me, last.deliveries);
        let mut position = self.positions.next(self.positions.at(last.lap, last.index));
        for _ in 0..most {
            let (Some(slot), lap) = (self.slot(self.positions.index(position)), self.positions.lap(position)) else {
                return;
            };
            if slot.load() != Word::ready(lap) {
                return;
            }
            // The name in the counter is about to be overwritten. Whoever else records it stores the same.
            before.word.store(recorded.0, Ordering::Release);
            fault!("lease recorded by its holder");
            position = self.positions.next(position);
            let to = Counter::new(position, me);
            // Partner: the Acquire load in `head`.
            self.shared().head.0.counter.store(to.0, Ordering::Release);
            fault!("head stored in a run");
            take(Lease { index: slot.index, lap, deliveries: 0, counter: to.0 });
            (before, recorded) = (slot, Word::leased(lap, me, 0));
        }
    }

    /// Leases a message that waits to be handed out again, the oldest first.
    #[cold]
    fn lease_again(&self, me: Owner, limit: u32) -> Option<Lease> {
        let redeliver = &self.shared().hints.0.redeliver;
        // Acquire, partner: the exchange in `hint_redelivery`.
        let hint = redeliver.load(Ordering::Acquire);
        if hint & HINTED == 0 {
            return None;
        }
        fault!("redelivery hint seen");
        let capacity = self.positions.capacity();
        let start = self.positions.index(self.head().position()).min(capacity - 1);
        for index in (start..capacity).chain(0..start) {
            let Some(slot) = self.slot(index) else { continue };
            let word = slot.load();
            if word.phase() != Phase::Leased || word.owner() != Owner::NOBODY {
                continue;
            }
            let deliveries = next_deliveries(word.deliveries());
            if deliveries >= limit {
                continue;
            }
            if slot.exchange(word, Word::leased(word.lap(), me, deliveries)) {
                fault!("message leased again");
                // The hint stays: there may be more.
                return Some(Lease { index, lap: word.lap(), deliveries, counter: 0 });
            }
        }
        // Nothing is left, unless something was put back meanwhile: then the hint was counted up, and stays.
        let _ = redeliver.compare_exchange(hint, hint & !HINTED, Ordering::Relaxed, Ordering::Relaxed);
        None
    }

    /// Makes receivers look for messages that wait to be handed out again. Called after such a slot was made.
    pub(crate) fn hint_redelivery(&self) {
        let redeliver = &self.shared().hints.0.redeliver;
        let mut hint = redeliver.load(Ordering::Relaxed);
        // Release, partner: the Acquire load in `lease_again`.
        while let Err(now) = redeliver.compare_exchange_weak(
            hint,
            hint.wrapping_add(HINTED + 1) | HINTED,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            hint = now;
        }
    }

    /// Whether somebody said that a message waits to be handed out again.
    pub(crate) fn may_redeliver(&self) -> bool {
        self.shared().hints.0.redeliver.load(Ordering::Acquire) & HINTED != 0
    }

    /// Makes sure that the claimer `head` names stands in its slot, or has moved on.
    fn record_head(&self, head: Counter) -> Result<(), Blocked> {
        if matches!(head.claimer(), Owner::NOBODY | Owner::SKIP) {
            return Ok(());
        }
        let Some(position) = self.positions.previous(head.position()) else { return Ok(()) };
        let slot = self.slot_at(position)?;
        let lap = self.positions.lap(position);
        let word = slot.load();
        if word.is_ready(lap) {
            // Where it fails, the lease is recorded, or ended.
            slot.exchange(word, Word::leased(lap, head.claimer(), word.deliveries()));
        }
        Ok(())
    }

    /// Ends a lease: the message is done, the slot free.
    #[inline]
    pub(crate) fn release(&self, lease: &Lease) {
        let Some(slot) = self.slot(lease.index) else { return };
        fault!("message read, not released");
        // Partner: the Acquire load of a slot's word; the message was read before.
        slot.word.store(Word::free(lease.lap + 1).0, Ordering::Release);
        fault!("message released");
    }

    /// Ends a lease: the message waits to be handed out again.
    #[cold]
    pub(crate) fn put_back(&self, lease: &Lease) {
        self.put_back_unhinted(lease);
        fault!("message put back, not yet hinted");
        self.hint_redelivery();
    }

    /// Ends a lease: the message waits until somebody calls [`hint_redelivery`](Self::hint_redelivery).
    #[cold]
    pub(crate) fn put_back_unhinted(&self, lease: &Lease) {
        let Some(slot) = self.slot(lease.index) else { return };
        // Release: the next holder may read what this one left.
        slot.word.store(Word::leased(lease.lap, Owner::NOBODY, lease.deliveries).0, Ordering::Release);
    }

    /// Whether a receive would find something to do: a message, or a position to step across.
    pub(crate) fn has_work(&self) -> bool {
        let head = self.head();
        let is_ready = |slot: Slot<'_>| slot.load().is_ready(self.positions.lap(head.position()));
        self.may_redeliver() || self.slot_at(head.position()).is_ok_and(is_ready) || self.can_step_across()
    }

    /// The word to watch while waiting for a message: the slot at `head`, and what it says now.
    #[inline]
    pub(crate) fn watch_head(&self) -> Option<(&AtomicU64, u64)> {
        let slot = self.slot(self.positions.index(self.head().position()))?;
        Some((slot.word, slot.word.load(Ordering::Relaxed)))
    }

    /// The word to watch while waiting for room: the slot at `tail`, and what it says now.
    #[inline]
    pub(crate) fn watch_tail(&self) -> Option<(&AtomicU64, u64)> {
        let slot = self.slot(self.positions.index(self.tail().position()))?;
        Some((slot.word, slot.word.load(Ordering::Relaxed)))
    }

    // ---- the whole channel -----------------------------------------------------------------------------------------

    /// Lets no position be claimed from now on. True for the one who did it.
    pub(crate) fn close(&self) -> bool {
        loop {
            let tail = self.tail();
            if tail.is_closed() {
                return false;
            }
            if self.move_tail(tail, tail.closed()) {
                fault!("closed, not yet hinted");
                return true;
            }
        }
    }

    /// Whether the channel is closed and `head` has gone across every position claimed before that.
    pub(crate) fn is_drained(&self) -> bool {
        let tail = self.tail();
        // Nobody claims behind a closed tail, so nobody else records its last position.
        tail.is_closed() && self.record_tail(tail).is_ok() && self.head().position() >= tail.position()
    }

    /// Takes everything away from a dead owner: records both counters, frees what it was writing, and puts what it had
    /// leased back. `dead` is asked again for each slot, *after* its word was read, so that a live successor under the
    /// same name loses nothing. Idempotent; any number of processes may do it at once.
    pub(crate) fn recover(&self, owner: Owner, dead: &dyn Fn(Owner) -> bool) -> Result<(), Blocked> {
        self.record_tail(self.tail())?;
        fault!("recovery: tail recorded");
        self.record_head(self.head())?;
        fault!("recovery: head recorded");
        for index in 0..self.positions.capacity() {
            let Some(slot) = self.slot(index) else { continue };
            let word = slot.load();
            if word.owner() != owner || !matches!(word.phase(), Phase::Writing | Phase::Leased) || !dead(owner) {
                continue;
            }
            if word.phase() == Phase::Writing {
                self.free_unwritten(slot, word);
                fault!("recovery: slot freed");
            } else {
                slot.exchange(word, Word::leased(word.lap(), Owner::NOBODY, word.deliveries()));
                fault!("recovery: lease put back");
            }
        }
        // In any case: an earlier recoverer, or the dead one itself, may have put something back and not said so.
        self.hint_redelivery();
        self.hint_all_room();
        fault!("recovery: hinted");
        Ok(())
    }

    /// Counts the slots by what they hold.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        let head = self.head();
        // A lease that is not recorded yet still looks ready.
        let unrecorded = match head.claimer() {
            Owner::NOBODY | Owner::SKIP => None,
            _ => self.positions.previous(head.position()),
        };
        for index in 0..self.positions.capacity() {
            let Some(slot) = self.slot(index) else { continue };
            let word = slot.load();
            match (word.phase(), word.owner()) {
                (Phase::Ready, _) if Some(self.positions.at(word.lap(), index)) == unrecorded => census.leased += 1,
                (Phase::Ready, _) | (Phase::Leased, Owner::NOBODY) => census.waiting += 1,
                (Phase::Leased, _) => census.leased += 1,
                (Phase::Writing, _) => census.writing += 1,
                (Phase::Free, _) => {}
            }
        }
        let tail = self.tail();
        if let (Some(claimed), true) = (self.positions.previous(tail.position()), tail.claimer().entry().is_some())
            && let Ok(slot) = self.slot_at(claimed)
        {
            let word = slot.load();
            census.writing += u64::from(word.phase() == Phase::Free && word.lap() <= self.positions.lap(claimed));
        }
        census
    }
}

/// What the slots of a channel hold, as far as one walk past all of them can tell while others go on.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) waiting: u64,
    pub(crate) leased: u64,
    pub(crate) writing: u64,
}

/// One more delivery. Past the largest number it goes back by half and counts on, rather than standing still: so no word
/// comes again while somebody may hold an old copy of it.
fn next_deliveries(deliveries: u32) -> u32 {
    if deliveries >= Word::MAX_DELIVERIES { Word::MAX_DELIVERIES / 2 + 1 } else { deliveries + 1 }
}

#[cfg(not(loom))]
mod inherited;

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
pub(crate) mod models;
