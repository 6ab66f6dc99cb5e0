//! Positions, laps, and the two kinds of 64-bit word the protocol is made of.
//!
//! A *position* numbers the messages of a channel in the order in which they were claimed, for ever. It is kept as
//! `lap << index_bits | index`, where `index` is the slot and `lap` how often the ring went round, so that neither
//! needs a division and the capacity is exactly the number asked for (crossbeam-channel's `flavors/array.rs` has the
//! same trick).
//!
//! ```text
//!            63                                9   8      7        0
//! Counter   │ position (lap, index)            │ closed │ claimer  │   tail and head
//!            63                  16 15       10 9    8   7        0
//! Word      │ lap                 │ deliveries │ phase │ owner     │   one per slot
//! ```
//!
//! **Nothing wraps.** A position has 55 bits and a lap 48. A channel whose next position would not fit says
//! [`Error::Exhausted`](crate::Error::Exhausted) on every send and has to be made anew; what was sent can still be
//! received. At a hundred million messages a second without a pause that is after eleven years (a capacity that is not
//! a power of two: after six at the least; a channel of capacity 1, which cannot go faster than ten million a second,
//! after ten months).

use std::fmt;

/// Bits of a counter that hold a position.
const POSITION_BITS: u32 = 55;
/// Bits of a slot's word that hold a lap.
const LAP_BITS: u32 = 48;
/// The largest capacity a channel can have.
pub(crate) const MAX_CAPACITY: u32 = 1 << 30;

/// Who a claim belongs to: 1 + the index of an entry of the participant table, or one of two names that nobody has.
///
/// Nobody is 0, so that the words of a file of zeros are those of a channel nothing was sent through yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) u8);

impl Owner {
    /// No process at all: the claimer before the first claim, the owner of what waits to be handed out again.
    pub(crate) const NOBODY: Owner = Owner(0);
    /// In `tail`, as the claimer: a gap is open, from the position before on. In `head`: it stepped across positions.
    pub(crate) const SKIP: Owner = Owner(255);

    /// The name of whoever holds this entry.
    pub(crate) fn of_entry(entry: u8) -> Owner {
        debug_assert!(u32::from(entry) < crate::layout::PARTICIPANTS);
        Owner(entry + 1)
    }

    /// The entry of this name's holder; none for nobody.
    pub(crate) fn entry(self) -> Option<u8> {
        match self {
            Owner::NOBODY | Owner::SKIP => None,
            Owner(name) => Some(name - 1),
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Owner::NOBODY => f.write_str("nobody"),
            Owner::SKIP => f.write_str("skip"),
            Owner(name) => write!(f, "entry {}", name - 1),
        }
    }
}

/// A place in the endless sequence of messages. Only [`Positions`] takes one apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Position(u64);

/// The arithmetic of positions for one capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    capacity: u32,
    index_bits: u32,
    /// Positions at or past this one are not given out.
    end: u64,
}

impl Positions {
    /// `capacity` is in `1..=MAX_CAPACITY`.
    pub(crate) fn new(capacity: u32) -> Self {
        debug_assert!((1..=MAX_CAPACITY).contains(&capacity));
        let index_bits = capacity.next_power_of_two().trailing_zeros();
        let lap_bits = LAP_BITS.min(POSITION_BITS - index_bits);
        // One lap is kept back, for the slot words that say "free at the lap after the last".
        let end = ((1 << lap_bits) - 2) << index_bits;
        Positions { capacity, index_bits, end }
    }

    pub(crate) fn capacity(self) -> u32 {
        self.capacity
    }

    /// The slot of a position. From a counter that somebody scribbled on it may be past the last slot.
    #[inline]
    pub(crate) fn index(self, position: Position) -> u32 {
        (position.0 & ((1 << self.index_bits) - 1)) as u32
    }

    #[inline]
    pub(crate) fn lap(self, position: Position) -> u64 {
        position.0 >> self.index_bits
    }

    #[inline]
    pub(crate) fn at(self, lap: u64, index: u32) -> Position {
        Position(lap << self.index_bits | u64::from(index))
    }

    #[inline]
    pub(crate) fn next(self, position: Position) -> Position {
        let index = self.index(position);
        if index + 1 < self.capacity { Position(position.0 + 1) } else { self.at(self.lap(position) + 1, 0) }
    }

    /// The position before this one; none before the first.
    #[inline]
    pub(crate) fn previous(self, position: Position) -> Option<Position> {
        match (self.index(position), self.lap(position)) {
            (0, 0) => None,
            (0, lap) => Some(self.at(lap - 1, self.capacity - 1)),
            _ => Some(Position(position.0 - 1)),
        }
    }

    /// The position of the same slot a lap later.
    pub(crate) fn lap_later(self, position: Position) -> Position {
        Position(position.0 + (1 << self.index_bits))
    }

    /// Which of 32 blocks of slots the slot of a position is in. Small rings have fewer.
    pub(crate) fn block(self, position: Position) -> u32 {
        self.index(position) >> self.index_bits.saturating_sub(5)
    }

    /// The first position behind this one whose slot is in another block, or in the next lap.
    pub(crate) fn next_block(self, position: Position) -> Position {
        let last = self.index(position) | ((1 << self.index_bits.saturating_sub(5)) - 1);
        self.next(self.at(self.lap(position), last))
    }

    /// Whether the position is past the last one that is given out.
    #[inline]
    pub(crate) fn is_exhausted(self, position: Position) -> bool {
        position.0 >= self.end
    }

    /// How many positions lie before this one.
    pub(crate) fn count(self, position: Position) -> u64 {
        self.lap(position) * u64::from(self.capacity) + u64::from(self.index(position))
    }

    #[cfg(test)]
    pub(crate) fn last(self) -> Position {
        Position(self.end - 1)
    }
}

/// `tail` or `head`: the next position to claim, who claimed the one before it, and whether no more may be claimed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter(pub(crate) u64);

impl Counter {
    const CLOSED: u64 = 1 << 8;

    #[inline]
    pub(crate) const fn new(position: Position, claimer: Owner) -> Self {
        Counter(position.0 << 9 | claimer.0 as u64)
    }

    #[inline]
    pub(crate) fn position(self) -> Position {
        Position(self.0 >> 9)
    }

    #[inline]
    pub(crate) fn claimer(self) -> Owner {
        Owner(self.0 as u8)
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    pub(crate) fn closed(self) -> Self {
        Counter(self.0 | Self::CLOSED)
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = if self.is_closed() { ", closed" } else { "" };
        write!(f, "({:?}, {:?}{closed})", self.position(), self.claimer())
    }
}

/// What a slot is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// May be claimed by a sender at this lap or a later one.
    Free,
    /// Claimed by a sender, and recorded.
    Writing,
    /// Holds a message (of which the lease, if there is one, is not recorded).
    Ready,
    /// Held by a receiver, and recorded; or, owned by nobody, waiting to be handed out again.
    Leased,
}

/// The state of a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// The largest number of earlier deliveries a word can tell; there it stays.
    pub(crate) const MAX_DELIVERIES: u32 = 63;

    #[inline]
    const fn new(lap: u64, deliveries: u32, phase: Phase, owner: Owner) -> Self {
        Word(lap << 16 | (deliveries as u64) << 10 | (phase as u64) << 8 | owner.0 as u64)
    }

    #[inline]
    pub(crate) const fn free(lap: u64) -> Self {
        Word::new(lap, 0, Phase::Free, Owner::NOBODY)
    }

    #[inline]
    pub(crate) const fn writing(lap: u64, owner: Owner) -> Self {
        Word::new(lap, 0, Phase::Writing, owner)
    }

    #[inline]
    pub(crate) const fn ready(lap: u64) -> Self {
        Word::new(lap, 0, Phase::Ready, Owner::NOBODY)
    }

    /// A message that was handed out before, in another channel: it counts on from there.
    #[inline]
    pub(crate) const fn ready_again(lap: u64, deliveries: u32) -> Self {
        Word::new(lap, deliveries, Phase::Ready, Owner::NOBODY)
    }

    /// Whether it says ready at this lap, however often the message was handed out before.
    #[inline]
    pub(crate) const fn is_ready(self, lap: u64) -> bool {
        self.0 & !(63 << 10) == Word::ready(lap).0
    }

    /// Whether it says writing at this lap, whoever does.
    #[inline]
    pub(crate) fn is_writing(self, lap: u64) -> bool {
        self.phase() == Phase::Writing && self.lap() == lap
    }

    /// `deliveries`: how often the message had been handed out before this lease.
    #[inline]
    pub(crate) const fn leased(lap: u64, owner: Owner, deliveries: u32) -> Self {
        Word::new(lap, deliveries, Phase::Leased, owner)
    }

    #[inline]
    pub(crate) fn lap(self) -> u64 {
        self.0 >> 16
    }

    #[inline]
    pub(crate) fn phase(self) -> Phase {
        match self.0 >> 8 & 3 {
            0 => Phase::Free,
            1 => Phase::Writing,
            2 => Phase::Ready,
            _ => Phase::Leased,
        }
    }

    #[inline]
    pub(crate) fn owner(self) -> Owner {
        Owner(self.0 as u8)
    }

    #[inline]
    pub(crate) fn deliveries(self) -> u32 {
        (self.0 >> 10 & 63) as u32
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(lap {}, {:?}, {} deliveries)", self.phase(), self.lap(), self.owner(), self.deliveries())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn positions_visit_every_slot_in_turn_at_any_capacity() {
        for capacity in [1, 2, 3, 5, 8, 1000] {
            let positions = Positions::new(capacity);
            let mut position = Position(0);
            for count in 0..3 * u64::from(capacity) {
                assert_eq!(u64::from(positions.index(position)), count % u64::from(capacity));
                assert_eq!(positions.lap(position), count / u64::from(capacity));
                assert_eq!(positions.count(position), count);
                assert_eq!(positions.at(positions.lap(position), positions.index(position)), position);
                let next = positions.next(position);
                assert!(next > position);
                assert_eq!(positions.previous(next), Some(position));
                position = next;
            }
            assert_eq!(positions.previous(Position(0)), None);
        }
    }

    #[test]
    fn the_last_position_and_the_lap_after_it_fit_their_words() {
        for capacity in [1, 3, 128, 129, MAX_CAPACITY] {
            let positions = Positions::new(capacity);
            let last = positions.last();
            assert!(!positions.is_exhausted(last));
            let counter = Counter::new(positions.next(positions.next(last)), Owner(7));
            assert!(positions.is_exhausted(counter.position()));
            assert_eq!(counter.claimer(), Owner(7));
            assert!(!counter.is_closed());
            let word = Word::free(positions.lap(last) + 1);
            assert_eq!((word.lap(), word.phase()), (positions.lap(last) + 1, Phase::Free));
        }
    }

    #[test]
    fn zeros_are_a_channel_nothing_was_sent_through() {
        assert_eq!(Word(0), Word::free(0));
        assert_eq!((Counter(0).position(), Counter(0).claimer()), (Position(0), Owner::NOBODY));
        assert!(!Counter(0).is_closed());
    }

    #[test]
    fn a_word_gives_back_what_was_put_into_it() {
        let word = Word::leased(123_456_789_012, Owner(253), 63);
        assert_eq!(
            (word.lap(), word.phase(), word.owner(), word.deliveries()),
            (123_456_789_012, Phase::Leased, Owner(253), 63)
        );
        let word = Word::ready_again(9, 63);
        assert!(word.is_ready(9) && !word.is_ready(8) && !Word::leased(9, Owner(1), 63).is_ready(9));
        assert_eq!(word.deliveries(), 63);
        let counter = Counter::new(Positions::new(5).at(77, 4), Owner(3)).closed();
        assert_eq!(
            (counter.position(), counter.claimer(), counter.is_closed()),
            (Positions::new(5).at(77, 4), Owner(3), true)
        );
    }
}
