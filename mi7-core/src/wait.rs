//! Parking: a waiter announces itself, passes a fence, looks again, and only then sleeps.
//!
//! A [`Bell`] is one futex word, `rings << 1 | parked`. The bit says that somebody may be asleep on the word:
//!
//! - A waiter sets it, passes a heavy fence, looks whether what it waits for has come, and only then sleeps, as long
//!   as the word is still the one it left.
//! - A ringer makes that happen, passes a light fence, and looks at the bit. Where it is clear, that is all: no
//!   system call. Otherwise it clears the bit, counts a ring (which sends away whoever is about to sleep), and wakes one.
//!
//! Of the two fences one comes first. If the waiter's, the ringer sees the bit; if the ringer's, the waiter sees the
//! message. So no wake-up is lost between two that live.
//!
//! *Asymmetric fences.* Messages are many and waits are few, so the waiter pays for both: its heavy fence has every processor
//! that runs one of the channel's processes pass a full fence (`membarrier`), and the ringer's light one only keeps the compiler from
//! reordering. A full fence would cost each message a third of its time: it waits until all earlier stores have reached the cache,
//! so that not even their misses overlap. (See [`crate::sync`] for systems without.)
//!
//! *Several sleepers.* The one who wakes cannot know whether others sleep on. It sets the bit again before it looks,
//! and where it leaves something behind for others, rings once more ([`Bell::pass_on`]). That costs at most one futile
//! system call when traffic sets in, and needs no count of sleepers that a death could falsify.
//!
//! *Deaths.* A waiter that dies leaves at most the bit, which the next ring clears. A ringer that dies after clearing
//! it and before waking, or a woken one that dies before it passed the ring on, leaves others asleep; that is what the
//! tick is for: every sleeper gets up every [`TICK`], and looks for the dead as well.

use std::time::Duration;

use crate::sync::{AtomicU32, Ordering, fence, fence_heavy, fence_light};

/// The longest anybody sleeps without looking around.
pub(crate) const TICK: Duration = Duration::from_millis(100);

const PARKED: u32 = 1;
const RING: u32 = 2;

/// A futex word that wakes one sleeper at a time.
#[derive(Clone, Copy)]
pub(crate) struct Bell<'a>(pub(crate) &'a AtomicU32);

/// What the word was when its waiter announced itself.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u32);

impl Bell<'_> {
    /// Says that the caller is about to sleep. It has to look once more before it does.
    pub(crate) fn announce(self) -> Ticket {
        let word = self.0.fetch_or(PARKED, Ordering::Relaxed) | PARKED;
        // Partner: the fence in `ring_if_parked`.
        fence_heavy();
        Ticket(word)
    }

    /// Wakes one sleeper if there may be any. What it waits for has been stored before.
    #[inline]
    pub(crate) fn ring_if_parked(self) {
        // Partner: the fence in `announce`.
        fence_light();
        if self.0.load(Ordering::Relaxed) & PARKED != 0 {
            self.ring();
        }
    }

    /// For one who slept and got up: sets the bit again for the others who may sleep still.
    pub(crate) fn pass_on(self) {
        self.0.fetch_or(PARKED, Ordering::Relaxed);
        // Partner: the fence in `ring_if_parked`; the caller looks after this.
        fence_heavy();
    }

    /// Wakes all sleepers.
    pub(crate) fn ring_all(self) {
        // Partner: the fence in `announce`.
        fence(Ordering::SeqCst);
        // In any case, also where another ringer was first: that one wakes only one.
        self.0.fetch_add(RING, Ordering::Relaxed);
        sys::wake(self.0, u32::MAX >> 1);
    }

    #[cold]
    fn ring(self) {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & PARKED != 0 {
            let rung = (word & !PARKED).wrapping_add(RING);
            match self.0.compare_exchange(word, rung, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return sys::wake(self.0, 1),
                Err(now) => word = now,
            }
        }
    }

    /// Sleeps until rung, but no longer than `limit`.
    pub(crate) fn sleep(self, ticket: Ticket, limit: Duration) {
        sys::sleep(self.0, ticket.0, limit);
    }
}

#[cfg(not(loom))]
mod sys {
    use super::*;
    use rustix::thread::futex;

    pub(super) fn wake(word: &AtomicU32, sleepers: u32) {
        // It fails only for an address that is no futex word, which this one is.
        let _ = futex::wake(word, futex::Flags::empty(), sleepers);
    }

    pub(super) fn sleep(word: &AtomicU32, ticket: u32, limit: Duration) {
        let limit =
            futex::Timespec { tv_sec: limit.as_secs().min(1 << 40) as i64, tv_nsec: limit.subsec_nanos().into() };
        // Rung, timed out, interrupted or changed meanwhile: the caller looks again in each case.
        let _ = futex::wait(word, futex::Flags::empty(), ticket, Some(&limit));
    }
}

/// A futex for the model, with the kernel's promises and no more: words are looked at under the lock that the sleepers'
/// queue is under, and a wake reaches sleepers of that word only, the longest asleep first. No timeouts, so that a lost
/// wake-up is a deadlock loom reports.
#[cfg(loom)]
mod sys {
    use super::*;
    use loom::sync::Mutex;
    use loom::thread::{self, Thread};

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<Vec<(usize, Thread)>> = Mutex::new(Vec::new());
    }

    fn address(word: &AtomicU32) -> usize {
        std::ptr::from_ref(word).addr()
    }

    pub(super) fn wake(word: &AtomicU32, mut sleepers: u32) {
        SLEEPERS.lock().unwrap().retain(|(at, thread)| {
            let woken = *at == address(word) && sleepers > 0;
            if woken {
                sleepers -= 1;
                thread.unpark();
            }
            !woken
        });
    }

    pub(super) fn sleep(word: &AtomicU32, ticket: u32, _: Duration) {
        let mut queue = SLEEPERS.lock().unwrap();
        if word.load(Ordering::Relaxed) == ticket {
            queue.push((address(word), thread::current()));
            drop(queue);
            thread::park();
        }
    }
}
