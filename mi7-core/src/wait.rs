//! Parking: a waiter announces itself, passes a fence, looks again, and only then sleeps.
//!
//! A [`Bell`] is one futex word, `rings << 1 | parked` ([`Parking`]). The bit says that somebody may be asleep on the word:
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
//! *Frequent waits.* Where a receiver waits between any two messages, the heavy fence is what a wake-up costs most: interrupting another
//! processor of a virtual machine takes 11 µs, as much as all the rest. So whoever announces itself *asks* the ringers of that bell to
//! pass a real fence each ([`Hints::fenced`](crate::layout::Hints::fenced)), passes the heavy one, and writes that they have *agreed*.
//! From then on waiters pass a real fence only. A ringer that met nobody parked [`FUTILE`] times takes both back. Why no wake-up is lost:
//!
//! - A waiter that finds *agreed*: *asked* was written before somebody's heavy fence, which is over. A ringer that did not see it
//!   looked for it before that fence, having stored its message before it looked: so the waiter finds the message. One
//!   that did see it passes its own fence, and of two real fences one comes first.
//! - A ringer that finds it taken back: waiters that found *agreed* had set the parked bit and passed a fence before they looked for it,
//!   which was before it was taken back, which was before the ringer found that. So it finds the bit, which it looks at last. (That holds where
//!   a store becomes visible to all processors at one time: x86-64, AArch64, RISC-V. Elsewhere nobody is asked.)
//! - *Agreed* is written by compare-exchange on what was read with *asked*, and taking back counts: so nobody agrees to what was
//!   taken back meanwhile. One who dies in between leaves *asked*, and the next one passes the heavy fence.
//!
//! loom knows no heavy fences, so its models have neither; `tests/tests/fences.rs` goes through all orders of these steps on processors with store buffers.
//!
//! *Several sleepers.* The one who wakes cannot know whether others sleep on. It sets the bit again before it looks,
//! and where it leaves something behind for others, rings once more ([`Bell::pass_on`]). That costs at most one futile
//! system call when traffic sets in, and needs no count of sleepers that a death could falsify.
//!
//! *Tasks.* Those of one process and one async runtime wait behind a *door* of the channel, together: a bit in [`Parking::doors`] says
//! that some do, and knocking there ([`Doors::knock`]) has that runtime's reactor wake one of them. To the gate they are like one
//! sleeper: they set their door's bit before they announce themselves, and look after that; where one of them is knocked up, the bit
//! is set again for the rest, and the parked bit for everybody ([`Bell::pass_on`]), before it looks. Whoever knocks first clears the
//! door's bit, so that one ring costs one knock, and a door without a task is never knocked at.
//!
//! *Whose turn.* If both threads and tasks wait, they take turns; the doors go round. A ring that one kind has no use for goes to the
//! other. So nobody who waits is passed over for ever.
//!
//! *Deaths.* A waiter that dies leaves at most the bits, which the next ring clears. A ringer that dies after clearing
//! them and before waking, or a woken one that dies before it passed the ring on, leaves others asleep; that is what the
//! tick is for: every sleeper gets up every [`TICK`], and looks for the dead as well; for tasks, their reactor does.

use std::time::Duration;

use crate::layout::{DOORS, FENCED_ALWAYS, Hints, Parking};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence, fence_heavy, fence_light};

/// The longest anybody sleeps without looking around.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// In [`Parking::word`]: somebody may be asleep.
pub(crate) const PARKED: u32 = 1;
const RING: u32 = 2;
/// What [`Parking::turn`] says.
const THREADS: u32 = 0;
const TASKS: u32 = 1;
const NO_THREADS: u32 = 2;

/// Whether ringers may be asked to fence.
const ASKING: bool =
    cfg!(not(loom)) && cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"));
/// After so many rings with nobody parked, of one thread, fences cost the ringers more than they save the waiters.
const FUTILE: u32 = 512;
/// One more in the count of [`Hints::fenced`](crate::layout::Hints::fenced).
const TAKEN_BACK: u32 = 1 << 5;

/// One of the two ends of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Sending,
    Receiving,
}

impl End {
    /// Bits of [`Hints::fenced`](crate::layout::Hints::fenced): the ringers of this end's bell are asked to fence, and have agreed.
    const fn asked(self) -> u32 {
        match self {
            End::Receiving => 1 << 1,
            End::Sending => 1 << 3,
        }
    }

    /// Those of which one is enough for ringers to fence.
    const fn fenced(self) -> u32 {
        if ASKING { FENCED_ALWAYS | self.asked() } else { FENCED_ALWAYS }
    }

    const fn agreed(self) -> u32 {
        self.asked() << 1
    }
}

/// Those behind the doors.
pub(crate) trait Doors {
    /// Has one task wake up that waits at this end behind this door. False if nobody can be there any more.
    fn knock(&self, end: End, door: u32) -> bool;
}

/// A bell that wakes one waiter at a time.
#[derive(Clone, Copy)]
pub(crate) struct Bell<'a> {
    pub(crate) end: End,
    pub(crate) parking: &'a Parking,
    pub(crate) hints: &'a Hints,
    pub(crate) doors: &'a dyn Doors,
}

impl Parking {
    /// Says that tasks wait behind the door. They have to [`announce`](Bell::announce) themselves after that.
    pub(crate) fn set_bit(&self, door: u32) {
        if let Some((word, bit)) = self.bit(door)
            && word.load(Ordering::Relaxed) & bit == 0
        {
            // Release, partner: the Acquire in `take_bit`, whose caller goes by what stands on the door.
            word.fetch_or(bit, Ordering::Release);
        }
    }

    /// Clears the door's bit. True if it was set.
    pub(crate) fn take_bit(&self, door: u32) -> bool {
        self.bit(door).is_some_and(|(word, bit)| {
            word.load(Ordering::Relaxed) & bit != 0 && word.fetch_and(!bit, Ordering::Acquire) & bit != 0
        })
    }

    /// The ringer's look, after what it rings for has been stored: whether somebody may be parked, or a fence has to be passed before
    /// that can be told.
    #[inline(always)]
    pub(crate) fn may_be_parked(&self, end: End, fenced: &AtomicU32) -> bool {
        // Partner: the heavy fence in `fence_to_look`.
        fence_light();
        // Acquire: where it was taken back, the bits are seen of those who saw it before.
        let fenced = if cfg!(loom) { 0 } else { fenced.load(Ordering::Acquire) & end.fenced() };
        fenced | self.word.load(Ordering::Relaxed) & PARKED != 0
    }

    fn bit(&self, door: u32) -> Option<(&AtomicU64, u64)> {
        self.doors.get(door as usize / 64).map(|word| (word, 1 << (door % 64)))
    }
}

/// What the word was when its waiter announced itself.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u32);

impl Bell<'_> {
    /// Says that the caller is about to sleep. It has to look once more before it does.
    pub(crate) fn announce(self) -> Ticket {
        // Release, partner: the Acquire in `ring`, whose caller then finds the door's bit. Acquire, partner: the Release there: who
        // comes too late for that ring finds what it was rung for.
        let word = self.parking.word.fetch_or(PARKED, Ordering::AcqRel) | PARKED;
        self.fence_to_look();
        Ticket(word)
    }

    /// What separates setting the bit from looking.
    fn fence_to_look(self) {
        if !ASKING {
            // Partner: the light fence in `may_be_parked`.
            return fence_heavy(self.hints);
        }
        // Partner: the real fence in `ring_slowly`.
        fence(Ordering::SeqCst);
        let (asked, agreed) = (self.end.asked(), self.end.agreed());
        // Acquire, partner: the Release below.
        if self.hints.fenced.load(Ordering::Acquire) & agreed != 0 {
            return;
        }
        let word = self.hints.fenced.fetch_or(asked, Ordering::AcqRel) | asked;
        // Partner: the light fence in `may_be_parked`.
        fence_heavy(self.hints);
        // Release: the fence was passed. Where it fails, somebody else wrote, and the next one tries again.
        let _ = self.hints.fenced.compare_exchange(word, word | agreed, Ordering::Release, Ordering::Relaxed);
    }

    /// For a thread that is about to sleep: it may be woken next.
    pub(crate) fn claim_turn(self) {
        if self.parking.turn.load(Ordering::Relaxed) == NO_THREADS {
            self.parking.turn.store(THREADS, Ordering::Relaxed);
        }
    }

    /// Wakes one waiter if there may be any. What it waits for has been stored before.
    #[inline]
    pub(crate) fn ring_if_parked(self) {
        if self.parking.may_be_parked(self.end, &self.hints.fenced) {
            self.ring_slowly();
        }
    }

    /// For one whom [`Parking::may_be_parked`] has told to.
    #[cold]
    pub(crate) fn ring_slowly(self) {
        // Acquire: as there.
        let fenced = if cfg!(loom) { 0 } else { self.hints.fenced.load(Ordering::Acquire) & self.end.fenced() };
        if fenced != 0 {
            // Partner: the real fence in `fence_to_look`.
            fence(Ordering::SeqCst);
            if self.parking.word.load(Ordering::Relaxed) & PARKED == 0 {
                if fenced & self.end.asked() != 0 {
                    self.count_futile();
                }
                return;
            }
        }
        self.ring();
    }

    /// Takes back, now and then, what was asked.
    #[cfg(not(loom))]
    fn count_futile(self) {
        use std::cell::Cell;
        thread_local! {
            static RINGS: Cell<u32> = const { Cell::new(0) };
        }
        let rings = RINGS.get().wrapping_add(1);
        RINGS.set(rings);
        if rings.is_multiple_of(FUTILE) {
            self.take_back();
        }
    }

    #[cfg(loom)]
    fn count_futile(self) {}

    /// Asks no longer.
    #[cfg(not(loom))]
    #[cold]
    fn take_back(self) {
        let (asked, agreed) = (self.end.asked(), self.end.agreed());
        let word = self.hints.fenced.load(Ordering::Relaxed);
        if word & asked != 0 {
            let without = (word & !(asked | agreed)).wrapping_add(TAKEN_BACK);
            // Release, partner: the Acquire in `may_be_parked`. Where it fails, the next ringer tries.
            let _ = self.hints.fenced.compare_exchange(word, without, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// For one who slept and got up: sets the bit again for the others who may sleep still.
    pub(crate) fn pass_on(self) {
        self.announce();
    }

    /// Sets the bit again if it is not. The caller passes a heavy fence, and looks.
    pub(crate) fn announce_unfenced(self) {
        if self.parking.word.load(Ordering::Relaxed) & PARKED == 0 {
            // As in `announce`.
            self.parking.word.fetch_or(PARKED, Ordering::AcqRel);
        }
    }

    /// Wakes all sleepers, and knocks at all doors.
    pub(crate) fn ring_all(self) {
        // Partner: the fence in `announce`.
        fence(Ordering::SeqCst);
        // In any case, also where another ringer was first: that one wakes only one.
        self.parking.word.fetch_add(RING, Ordering::AcqRel);
        self.stamp();
        sys::wake(&self.parking.word, u32::MAX >> 1);
        for door in 0..DOORS as u32 {
            if self.parking.take_bit(door) {
                self.doors.knock(self.end, door);
            }
        }
    }

    fn ring(self) {
        let mut word = self.parking.word.load(Ordering::Relaxed);
        while word & PARKED != 0 {
            let rung = (word & !PARKED).wrapping_add(RING);
            // Partners: those in `announce`.
            match self.parking.word.compare_exchange(word, rung, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return self.wake_one(),
                Err(now) => word = now,
            }
        }
    }

    fn wake_one(self) {
        self.stamp();
        fault!("bell rung, nobody woken");
        let turn = &self.parking.turn;
        let whose = turn.load(Ordering::Relaxed);
        let tasks_first = whose == TASKS || whose == NO_THREADS;
        if tasks_first && self.knock_at_next() {
            if whose == TASKS {
                turn.store(THREADS, Ordering::Relaxed);
            }
        } else if sys::wake(&self.parking.word, 1) > 0 {
            turn.store(TASKS, Ordering::Relaxed);
        } else if !tasks_first && self.knock_at_next() {
            // The tasks are asked first, until a thread is about to sleep. One that was just then has its turn after its tick.
            turn.store(NO_THREADS, Ordering::Relaxed);
        }
    }

    /// Knocks at the next door behind which tasks wait, going round. False if there is none.
    fn knock_at_next(self) -> bool {
        // Each turn clears a bit, and so this ends also where a stranger sets them.
        for _ in 0..DOORS {
            let Some(door) = self.next_door() else { return false };
            if self.parking.take_bit(door) {
                self.parking.last.store(door, Ordering::Relaxed);
                fault!("door chosen, not knocked at");
                if self.doors.knock(self.end, door) {
                    return true;
                }
            }
        }
        false
    }

    /// The first door with a bit after the one that was knocked at last.
    fn next_door(self) -> Option<u32> {
        let words = &self.parking.doors;
        let from = self.parking.last.load(Ordering::Relaxed).wrapping_add(1) as usize % DOORS;
        let (first, later) = (from / 64, u64::MAX << (from % 64));
        // The word the search begins in is looked at twice: its higher bits first, its lower ones last.
        (0..=words.len()).find_map(|step| {
            let index = (first + step) % words.len();
            let wanted = match step {
                0 => later,
                _ if step == words.len() => !later,
                _ => u64::MAX,
            };
            let bits = words[index].load(Ordering::Relaxed) & wanted;
            (bits != 0).then(|| index as u32 * 64 + bits.trailing_zeros())
        })
    }

    /// Leaves word of when the ring was, from which a waiter tells what waking takes (see [`crate::spin`]).
    fn stamp(self) {
        #[cfg(not(loom))]
        {
            use crate::spin::clock::{Clock, MachineClock};
            // Relaxed: the waiter finds it once the kernel has woken it, or measures nothing.
            self.parking.rung.store(MachineClock.now() as u32, Ordering::Relaxed);
        }
    }

    /// Sleeps until rung, but no longer than `limit`. True if it slept, and was woken by a ring.
    pub(crate) fn sleep(self, ticket: Ticket, limit: Duration) -> bool {
        sys::sleep(&self.parking.word, ticket.0, limit)
    }
}

#[cfg(not(loom))]
mod sys {
    use super::*;
    use rustix::thread::futex;

    /// How many it woke.
    pub(super) fn wake(word: &AtomicU32, sleepers: u32) -> usize {
        // It fails only for an address that is no futex word, which this one is.
        futex::wake(word, futex::Flags::empty(), sleepers).unwrap_or(0)
    }

    pub(super) fn sleep(word: &AtomicU32, ticket: u32, limit: Duration) -> bool {
        let limit =
            futex::Timespec { tv_sec: limit.as_secs().min(1 << 40) as i64, tv_nsec: limit.subsec_nanos().into() };
        // Rung, timed out, interrupted or changed meanwhile: the caller looks again in each case.
        futex::wait(word, futex::Flags::empty(), ticket, Some(&limit)).is_ok()
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

    pub(super) fn wake(word: &AtomicU32, mut sleepers: u32) -> usize {
        let mut woke = 0;
        SLEEPERS.lock().unwrap().retain(|(at, thread)| {
            let woken = *at == address(word) && sleepers > 0;
            if woken {
                sleepers -= 1;
                woke += 1;
                thread.unpark();
            }
            !woken
        });
        woke
    }

    pub(super) fn sleep(word: &AtomicU32, ticket: u32, _: Duration) -> bool {
        let mut queue = SLEEPERS.lock().unwrap();
        let sleeps = word.load(Ordering::Relaxed) == ticket;
        if sleeps {
            queue.push((address(word), thread::current()));
            drop(queue);
            thread::park();
        }
        sleeps
    }
}
