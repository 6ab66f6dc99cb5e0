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
//! # Death between any two steps
//!
//! What a process leaves behind that is killed right after each step, and who sees to it. (`tests/faults.rs` kills one at each.)
//!
//! | the last thing it did | what it leaves | what becomes of that |
//! |---|---|---|
//! | *sending:* recorded the claimer before it | nothing of its own | recording twice is recording once |
//! | claimed `tail` | its name in `tail`, the slot free | the next claimer, or [`Ring::recover`](crate::ring::Ring::recover), writes its name into the slot: `writing(dead)` |
//! | … somebody has recorded it | `writing(dead)` | freed: nobody gets what it wrote |
//! | published | a message | is received: the send counts, even though it never returned |
//! | published, receivers not rung | a message, perhaps sleepers | a sleeper gets up at its tick at the latest |
//! | opened a gap | *skip* in `tail` | the next claimer raises the mark, and ends the gap |
//! | gave up, but freed no slot | `writing(dead)`, or its name in `tail` | as if it had not given up |
//! | … freed the slot, counted and hinted nothing | a free slot that senders may not look for | recovery hints in any case; the count stays too low |
//! | *receiving:* claimed `head` | its name in `head`, the slot ready | recorded by the next claimer or recovery: `leased(dead)` |
//! | … somebody has recorded it | `leased(dead)` | `leased(nobody)`: handed out again, ahead of newer ones |
//! | leased again | `leased(dead, deliveries + 1)` | the same |
//! | released | a free slot | the message is done, though the release never returned |
//! | released, senders not rung | room, perhaps sleepers | the tick |
//! | put back, not hinted | `leased(nobody)` that nobody knows of | recovery hints in any case |
//! | *waiting:* announced itself | the parked bit | the next ring makes one needless system call |
//! | cleared the bit, woke nobody; or was woken, and looked no more | sleepers | the tick |
//! | *closing:* closed `tail`, woke nobody | sleepers who do not know | they look at `tail` at each tick |
//! | set the hint, could not close `tail` | a hint ahead of `tail` | senders go by the hint; whoever finds it closes `tail` |
//! | *creating:* made the file | a file without a name | is gone with its last descriptor |
//! | *attaching:* locked a byte, the entry not taken | a free entry | nothing to be done |
//! | took the entry | an entry that is taken and not locked | recovered, and given back |
//! | *recovering:* anything | the entry still taken | whoever comes next starts over: each step is an exchange that the second one loses |
//! | *leaving:* gave the entry back | a free entry | nothing to be done |
//! | *tasks:* took a door, or made a FIFO | a door that is not free, a FIFO | recovery removes the FIFO and gives the door back |
//! | set the door's bit, announced itself | the bits | the next ring knocks in vain, and goes on to the next waiter |
//! | rang, knocked nowhere; was rung, and looked no more | a task's message, sleepers | the ticks of the others' reactors, or threads |
//! | *moving a dead letter* | see `burial` | |
//!
//! The kernel drops an address space before it closes files, so once the lock is gone no thread of the dead one can still write.
//!
//! # Neither dead nor alive
//!
//! - *Stopped and continued:* it keeps its lock, and so everything it holds, for however long. One stopped between its claim and its
//!   publishing holds up the messages behind it; one that holds a lease holds up nobody.
//! - *Forked:* the child has private copies of the parent's mappings, and none of its descriptors, so it holds nothing of the
//!   parent's, and no lock: see [`crate::fork`]. A child of a bare `clone`, which the C library does not know of, shares the open
//!   file and the lock with its parent until it ends or executes another program; it must not use what it inherited.
//! - *Dumping core:* a process that crashes keeps its locks until its core is written: some seconds
//!   for each GiB of memory, or as long as the program takes that `core_pattern` names. Until then
//!   it is like one that is stopped. See below.
//! - *In another pid namespace,* or in a container that shares the file system: nothing depends on process ids. The one in the table is
//!   for people.
//! - *Under another boot:* files in memory are gone. On a disk, all entries are found taken and not locked, and recovered.
//! - *Laps* do not wrap: see [`crate::position`]. The number of deliveries does, from 63 to 32, and every word of a slot still differs
//!   from all it had before at that lap but for the last 32 deliveries.

//! # Why one that dumps core is not taken for dead
//!
//! It will never run again, and `/proc/<pid>/status` says so (`CoreDumping: 1`, Linux 4.15). But a
//! slot that is taken from one who may still write to it is a torn message, and nothing that can be
//! read makes that certain:
//!
//! - *Who it is.* The kernel does not say who holds an OFD lock (`l_pid` is -1). The pid in the
//!   table is that of the holder's pid namespace; here it may be another process's, and after a
//!   death, a successor's. The start time and the locks in `/proc/<pid>/fdinfo` narrow it down, to
//!   those who may read them.
//! - *Whether all of it has stopped.* `CoreDumping` is set before the other threads are told to
//!   stop. The flags in `/proc/<pid>/task/*/stat` (`PF_POSTCOREDUMP`, `PF_DUMPCORE`) say which
//!   have, but are no promised interface: their numbers have changed.
//! - *What it has asked for.* When all threads have stopped, the kernel may still be writing for
//!   them: an asynchronous read (`io_uring`, `io_submit`) into a loaned slot is waited for only
//!   when the process ends, after the dump. Nothing tells whether there is one.
//!
//! The lock answers all three. So the dump is waited for, and whoever cannot wait does not let his
//! processes dump: `prctl(PR_SET_DUMPABLE, 0)`; or `ulimit -c 0`, which does it where
//! `core_pattern` names a file, not a program. `madvise(MADV_DONTDUMP)` for what is large makes the
//! dump short.

use std::cell::Cell;
use std::fs::File;

use crate::directory::Directory;
use crate::layout::Entry;
use crate::os;
use crate::position::Owner;
use crate::region::Region;
use crate::ring::Blocked;
use crate::sync::Ordering;
use crate::tasks;

/// How long, in milliseconds, the dead are not looked for again after somebody did.
const REAP_EVERY: u64 = 50;

/// The participant table, as seen through one opening of the file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) region: &'a Region,
    pub(crate) file: &'a File,
    /// Where the doorbells lie.
    pub(crate) directory: &'a Directory,
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

    /// The entries that have ever been taken.
    fn used(&self) -> impl Iterator<Item = (u8, &Entry)> {
        // Relaxed: who came so lately that it is missed has not died yet; and where one has to be seen by another after a fence, as in
        // `bias`, it raised this before its own fence.
        let used = self.region.ring.shared().stats.0.entries.load(Ordering::Relaxed);
        (0u8..).zip(self.region.entries()).take(used as usize)
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
                    let used = &self.region.ring.shared().stats.0.entries;
                    used.fetch_max(u32::from(index) + 1, Ordering::Relaxed);
                    entry.pid.store(std::process::id(), Ordering::Relaxed);
                    entry.senders.store(0, Ordering::Relaxed);
                    entry.receivers.store(0, Ordering::Relaxed);
                    entry.sending.store(0, Ordering::Relaxed);
                    entry.receiving.store(0, Ordering::Relaxed);
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
            self.recover_biases(me, &|_| true);
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
        for (index, entry) in self.used() {
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
        let shared = self.region.ring.shared();
        let parkings = [&shared.receivers.0, &shared.senders.0];
        tasks::recover_doors(self.region.doors(), parkings, self.directory, index, state);
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
        self.recover_biases(owner, &dead);
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

    fn recover_biases(&self, owner: Owner, dead: &dyn Fn(Owner) -> bool) {
        for bias in [self.region.ring.tail_bias(), self.region.ring.head_bias()] {
            bias.recover(owner, dead);
            fault!("recovery: bias taken away");
        }
    }

    /// The sum of a count over all entries that are taken, whether or not their holders live.
    pub(crate) fn counted(&self, count: impl Fn(&Entry) -> u32) -> u64 {
        let entries = self.used().map(|(_, entry)| entry);
        // Acquire, partner: the release in `enter`.
        let taken = entries.filter(|entry| entry.state.load(Ordering::Acquire) & TAKEN != 0);
        taken.map(|entry| u64::from(count(entry))).sum()
    }

    /// Recovers an entry as one who has just found it dead.
    #[cfg(test)]
    pub(crate) fn recover_now(&self, index: u8) -> bool {
        self.recover(index, self.entry(index).state.load(Ordering::Acquire))
    }

    /// Those who have the channel open.
    pub(crate) fn living(&self, me: Owner) -> Vec<Participant> {
        let mut living = Vec::new();
        for (index, entry) in self.used() {
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
