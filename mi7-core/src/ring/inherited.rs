//! What a forked child inherits of a ring: see [`crate::fork`].

use super::Ring;
use crate::position::{Counter, Owner, Phase};
use crate::sync::Ordering;

impl Ring {
    /// Visits the slots of the messages that `me` is writing or reading, recorded or not. Others may come and go meanwhile.
    pub(crate) fn in_hand(&self, me: Owner, mut visit: impl FnMut(u32)) {
        if me == Owner::NOBODY {
            return;
        }
        let (tail, head) = (self.tail(), self.head());
        // A claim or a lease that is not recorded yet is named by its counter only.
        let unrecorded = |counter: Counter| {
            let position = self.positions.previous(counter.position()).filter(|_| counter.claimer() == me)?;
            Some((self.positions.index(position), self.positions.lap(position)))
        };
        let (claimed, leased) = (unrecorded(tail), unrecorded(head));
        for index in 0..self.positions.capacity() {
            let Some(slot) = self.slot(index) else { continue };
            let word = slot.load();
            let recorded = word.owner() == me && matches!(word.phase(), Phase::Writing | Phase::Leased);
            let claimed =
                claimed.is_some_and(|(at, lap)| at == index && word.phase() == Phase::Free && word.lap() <= lap);
            let leased = leased.is_some_and(|(at, lap)| at == index && word.is_ready(lap));
            if recorded || claimed || leased {
                visit(index);
            }
        }
    }

    /// In a forked child, whose copy is private memory: has every call on it leave its fast path. The channel looks closed,
    /// and as if somebody slept at either end.
    pub(crate) fn end_in_child(&self) {
        let shared = self.shared();
        let closed = Counter::new(self.tail().position(), Owner::NOBODY).closed();
        shared.tail.0.counter.store(closed.0, Ordering::Relaxed);
        shared.hints.0.closed.store(1, Ordering::Relaxed);
        for parking in [&shared.receivers.0, &shared.senders.0] {
            parking.word.store(crate::wait::PARKED, Ordering::Relaxed);
        }
    }
}
