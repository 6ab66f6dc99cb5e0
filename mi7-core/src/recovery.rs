//! The participant table: who has the channel open, who of them is dead, and what happens to what the dead had.
//!
//! An entry is *taken* by a process that holds the OFD lock on the entry's first byte; the lock is what decides, the
//! entry only says what the lock cannot. Entries go `free → taken → free`, and each step counts the generation up or is
//! made by compare-exchange on it, so that nobody gives back a successor's entry.
//!
//! - *Entering:* lock the byte; find the entry free; take it. Whoever finds it taken although the lock was to be had has
//!   met a dead holder: it lets the lock go (so as not to look like a live one while it works), recovers, tries again.
//! - *Leaving:* nothing is claimed any more; give the entry back, then close the file, which lets the lock go.
//! - *Dying:* the kernel lets the lock go. [`Table::reap`] finds entries that are taken and not locked,
//!   takes from their holders what they had ([`Ring::recover`](crate::ring::Ring::recover)), and then gives the entries
//!   back. It may be done by any number of processes at once and may itself be cut short anywhere: the entry is taken
//!   until all is done, so the next one starts over.
//!
//! A process that is stopped keeps its lock, and so everything. A forked child keeps its parent's lock alive until it
//! ends or executes another program.

use std::cell::Cell;
use std::fs::File;

use crate::layout::Entry;
use crate::os;
use crate::position::Owner;
use crate::region::Region;
use crate::ring::Blocked;
use crate::sync::Ordering;

/// How long, in milliseconds, the dead are not looked for again after somebody did.
const REAP_EVERY: u64 = 50;

/// The participant table, as seen through one opening of the file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) region: &'a Region,
    pub(crate) file: &'a File,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Its process id, as its own pid namespace has it.
    pub pid: u32,
    /// How many sender handles it has.
    pub senders: u32,
    /// How many receiver handles it has.
    pub receivers: u32,
    /// When it opened the channel, in nanoseconds since the Unix epoch.
    pub since: u64,
}

const TAKEN: u64 = 1;

impl Table<'_> {
    fn entry(&self, entry: u8) -> &Entry {
        &self.region.entries()[usize::from(entry)]
    }

    fn lock_at(&self, entry: u8) -> u64 {
        self.region.geometry().entry_at(entry)
    }

    /// Takes an entry for this process. `None`: all are held by the living.
    pub(crate) fn enter(&self) -> std::io::Result<Option<Owner>> {
        for (index, entry) in (0u8..).zip(self.region.entries()) {
            // Twice at most: a dead holder is met only once, unless a stranger scribbles on the table.
            for _ in 0..2 {
                if !os::try_lock(self.file, self.lock_at(index))? {
                    break;
                }
                fault!("entry locked, not taken");
                // Acquire, partner: the releases of `leave` and `recover`.
                let state = entry.state.load(Ordering::Acquire);
                if state & TAKEN == 0 {
                    entry.pid.store(std::process::id(), Ordering::Relaxed);
                    entry.senders.store(0, Ordering::Relaxed);
                    entry.receivers.store(0, Ordering::Relaxed);
                    entry.since.store(os::unix_nanos(), Ordering::Relaxed);
                    // Release, partner: the Acquire loads of the state. Nobody else writes a free entry whose byte is locked.
                    entry.state.store((state | TAKEN).wrapping_add(2), Ordering::Release);
                    fault!("entry taken");
                    return Ok(Some(Owner::of_entry(index)));
                }
                os::unlock(self.file, self.lock_at(index))?;
                self.recover(index, state);
            }
        }
        Ok(None)
    }

    /// Gives this process's entry back, and whatever it still had. Takes time in proportion to the capacity.
    pub(crate) fn leave(&self, me: Owner) {
        if let Some(index) = me.entry() {
            // What was forgotten (`mem::forget`) is nobody's from now on. Where it cannot be taken back, the entry is left to
            // those who find this process dead.
            if self.region.ring.recover(me, &|_| true).is_err() {
                return;
            }
            // Release, partner: the Acquire load in `enter`.
            self.entry(index).state.fetch_and(!TAKEN, Ordering::Release);
            fault!("entry given back, still locked");
        }
    }

    /// Whether nobody holds this name's lock. What cannot be found out counts as alive.
    pub(crate) fn is_dead(&self, me: Owner, owner: Owner) -> bool {
        match owner.entry() {
            _ if owner == me => false,
            Some(entry) if usize::from(entry) < self.region.entries().len() => {
                matches!(os::is_locked(self.file, self.lock_at(entry)), Ok(false))
            }
            _ => true,
        }
    }

    /// Whether it is time to look for the dead, and this caller's turn: somebody who did so just now is enough.
    pub(crate) fn is_reaping_due(&self) -> bool {
        let now = os::coarse_millis();
        let reaped = &self.region.ring.shared().stats.0.reaped;
        let last = reaped.load(Ordering::Relaxed);
        // A time to come is a stranger's scribble, or another boot's.
        (last > now || now - last >= REAP_EVERY)
            && reaped.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Recovers what the dead had. True if there were any.
    pub(crate) fn reap(&self, me: Owner) -> bool {
        let mut found = false;
        for (index, entry) in (0u8..).zip(self.region.entries()) {
            // Acquire, partner: the release in `enter`.
            let state = entry.state.load(Ordering::Acquire);
            if state & TAKEN != 0 && self.is_dead(me, Owner::of_entry(index)) {
                fault!("dead participant found");
                found |= self.recover(index, state);
            }
        }
        found
    }

    /// Takes everything away from the dead holder of an entry, whose state was `state`, and gives the entry back.
    fn recover(&self, index: u8, state: u64) -> bool {
        let owner = Owner::of_entry(index);
        let spared = Cell::new(false);
        let dead = |owner| {
            let dead = self.is_dead(Owner::NOBODY, owner);
            spared.set(spared.get() || !dead);
            dead
        };
        match self.region.ring.recover(owner, &dead) {
            Ok(()) => {}
            // The counters are a stranger's: nothing can be told of anybody's slots.
            Err(Blocked::Corrupt(_)) => return false,
            Err(_) => {}
        }
        // Who tries the entry's lock for a moment looks like a live holder: slots may have been left out. It sees to them.
        if spared.get() {
            return false;
        }
        fault!("recovery: all slots recovered, entry still taken");
        // Release, partner: the Acquire load in `enter`: whoever takes the entry finds nothing left of its predecessor.
        // Fails where somebody else was first.
        self.entry(index)
            .state
            .compare_exchange(state, (state & !TAKEN).wrapping_add(2), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Recovers an entry as one who has just found it dead.
    #[cfg(test)]
    pub(crate) fn recover_now(&self, index: u8) -> bool {
        self.recover(index, self.entry(index).state.load(Ordering::Acquire))
    }

    /// Those who have the channel open.
    pub(crate) fn living(&self, me: Owner) -> Vec<Participant> {
        let mut living = Vec::new();
        for (index, entry) in (0u8..).zip(self.region.entries()) {
            let owner = Owner::of_entry(index);
            // Acquire, partner: the release in `enter`.
            let taken = entry.state.load(Ordering::Acquire) & TAKEN != 0;
            if taken && !self.is_dead(me, owner) {
                living.push(Participant {
                    pid: entry.pid.load(Ordering::Relaxed),
                    senders: entry.senders.load(Ordering::Relaxed),
                    receivers: entry.receivers.load(Ordering::Relaxed),
                    since: entry.since.load(Ordering::Relaxed),
                });
            }
        }
        living
    }
}
