//! Biased claims: one who is alone at its end moves the counter with plain stores.
//!
//! A compare-exchange costs a message more than its own twenty cycles: the processor first waits until all earlier stores have
//! reached the cache, so that the misses of one message do not overlap with those of the next. A handle that is the only one at its
//! end can do without. It holds the *bias*: a word that names it, with a ticket that no other bias ever has.
//!
//! ```text
//!       63                 16 15      9       8         7      0
//!  bias │ ticket             │ 0       │ revoked │ holder      │     0: nobody's
//! ```
//!
//! # Moving
//!
//! The holder says in `busy` that it is about to move the counter, passes a light fence, and looks whether the bias is still its own.
//! If so, it stores the counter (a release store: the claim and its claimer's name, exactly what a compare-exchange would have put
//! there), and clears `busy`. If not, it clears `busy` and claims by compare-exchange, as everybody else does.
//!
//! # Revoking
//!
//! Whoever wants to claim by compare-exchange while another has the bias first sets *revoked*, passes a heavy fence, and waits until
//! `busy` does not name that bias: of the two fences one comes first, so that either the holder sees the bit, or the revoker sees
//! `busy`. Then it clears the word. Any number may revoke at once, and each may die at it: the next one does all of it again.
//!
//! A holder that dies leaves its bias; whoever revokes it finds the holder's lock free, and waits no longer. (`busy` then still names a
//! bias that nobody will ever have again.) One that is *stopped* between two neighbouring instructions here holds up who comes
//! to its end anew, until it goes on or dies.
//!
//! # Taking
//!
//! To compete, a handle first counts itself in, in its process's entry of the table, passes a full fence, and revokes whatever bias
//! there is; from then on, until it is dropped, it need not look again. To take the bias, a handle writes its name into the empty word,
//! passes a full fence, and adds up all that are counted in: if there is any but itself, it clears the word again, unused. Again one of
//! the fences comes first: either the taker sees the newcomer counted, or the newcomer sees the bias.
//!
//! With exclusive ends ([`Spec::single_sender`](crate::Spec), `single_receiver`) the word is what decides who has the end. It stays with
//! its holder until that is dropped or dies, and is never cleared by others: revoked, it still says whose the end is.

use crate::layout::{Claims, FENCED_ALWAYS, Hints};
use crate::position::Owner;
use crate::sync::{AtomicU64, Ordering, fence, fence_heavy, fence_light, spin_loop};

const REVOKED: u64 = 1 << 8;
/// How often a revoker looks whether the holder is done before it asks whether it is dead.
const LOOKS: u32 = 100;
/// How often it asks before it lets its caller look at the clock.
const ASKS: u32 = 50;

/// The bias of one counter.
#[derive(Clone, Copy)]
pub(crate) struct Bias<'a> {
    pub(crate) claims: &'a Claims,
    pub(crate) word: &'a AtomicU64,
    pub(crate) hints: &'a Hints,
}

/// The holder's word that it is about to move the counter. Dropped when it has.
pub(crate) struct Moving<'a>(&'a AtomicU64);

impl Drop for Moving<'_> {
    #[inline]
    fn drop(&mut self) {
        fault!("counter moved, still busy");
        // Release, partner: the Acquire load in `revoke`, whose caller goes by the counter.
        self.0.store(0, Ordering::Release);
    }
}

impl<'a> Bias<'a> {
    /// A bias that nobody has had yet, for `me`.
    pub(crate) fn ticket(self, me: Owner) -> u64 {
        self.hints.tickets.fetch_add(1, Ordering::Relaxed).wrapping_add(1) << 16 | u64::from(me.0)
    }

    /// Says that the holder of `bias` is about to move the counter. `None` if it may not: the bias was revoked.
    #[inline(always)]
    pub(crate) fn move_as(self, bias: u64) -> Option<Moving<'a>> {
        self.claims.busy.store(bias, Ordering::Relaxed);
        let moving = Moving(&self.claims.busy);
        // Partner: the heavy fence in `revoke`.
        fence_light();
        if self.hints.fenced.load(Ordering::Relaxed) & FENCED_ALWAYS != 0 {
            fence(Ordering::SeqCst);
        }
        // Acquire: a bias that is still one's own says that nobody else moved the counter.
        (self.word.load(Ordering::Acquire) == bias).then_some(moving)
    }

    /// Whether it is this one, and was not revoked.
    pub(crate) fn is_held(self, bias: u64) -> bool {
        self.word.load(Ordering::Relaxed) == bias
    }

    /// Whether it is this one, revoked or not.
    pub(crate) fn is_of(self, bias: u64) -> bool {
        self.word.load(Ordering::Acquire) & !REVOKED == bias
    }

    /// Takes it again under another ticket, after it was revoked and kept.
    pub(crate) fn renew(self, bias: u64, ticket: u64) -> bool {
        let renewed = self.word.compare_exchange(bias | REVOKED, ticket, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        // Partner: as in `take`.
        fence(Ordering::SeqCst);
        renewed
    }

    /// Whose it is; of an exclusive end, also after it was revoked.
    pub(crate) fn holder(self) -> Option<Owner> {
        let word = self.word.load(Ordering::Acquire);
        (word != 0).then_some(Owner(word as u8))
    }

    /// Takes it, if nobody has it. To be used only after the caller has made sure that nobody else is counted in, or has the end to
    /// itself.
    pub(crate) fn take(self, bias: u64) -> bool {
        // AcqRel, partner: whoever cleared it.
        let taken = self.word.compare_exchange(0, bias, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        // Partner: the fence of one who has just been counted in.
        fence(Ordering::SeqCst);
        taken
    }

    /// Gives it back, revoked or not.
    pub(crate) fn give_back(self, bias: u64) {
        for word in [bias, bias | REVOKED] {
            // Release: the next holder goes by the counter as this one left it.
            let _ = self.word.compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Sees to it that nobody moves the counter by plain stores. False if the holder is in the middle of it, and neither goes on nor
    /// is dead. `keep`: the end is exclusive, and stays its holder's.
    #[cold]
    pub(crate) fn revoke(self, keep: bool, dead: &dyn Fn(Owner) -> bool) -> bool {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word == 0 {
                return true;
            }
            if word & REVOKED == 0
                && self.word.compare_exchange(word, word | REVOKED, Ordering::AcqRel, Ordering::Relaxed).is_err()
            {
                continue;
            }
            fault!("bias revoked, holder not waited for");
            // Partner: the light fence in `move_as`.
            fence_heavy(self.hints);
            if !self.wait_for(word & !REVOKED, dead) {
                return false;
            }
            fault!("bias revoked, not cleared");
            // Where it fails, somebody else cleared it; or it is another's already, and is looked at anew.
            if keep || self.word.compare_exchange(word | REVOKED, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }

    /// Waits until the holder is not busy, or no longer the holder.
    fn wait_for(self, bias: u64, dead: &dyn Fn(Owner) -> bool) -> bool {
        for _ in 0..ASKS {
            for _ in 0..LOOKS {
                // Acquire, partner: the release store of `Moving`.
                if self.claims.busy.load(Ordering::Acquire) != bias {
                    return true;
                }
                spin_loop();
            }
            // A dead holder stays busy, and its entry may be another's by now, who lives: so look at the word too.
            if self.word.load(Ordering::Acquire) & !REVOKED != bias || dead(Owner(bias as u8)) {
                return true;
            }
            #[cfg(not(loom))]
            std::thread::yield_now();
        }
        false
    }

    /// Takes it from a dead owner. When this returns, the word does not name that owner: only then may its entry be given to another.
    pub(crate) fn recover(self, owner: Owner, dead: &dyn Fn(Owner) -> bool) {
        loop {
            let word = self.word.load(Ordering::Acquire);
            // Asked after the word was read: tickets are never the same, so it is this holder that is dead, not a predecessor.
            if word == 0 || Owner(word as u8) != owner || !dead(owner) {
                return;
            }
            fault!("recovery: holder of the bias found dead");
            if self.word.compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
            // Somebody has revoked it meanwhile, or taken it from the dead one. It must not be left to name its holder's entry,
            // which is about to be given to another: that one would be taken for the holder, busy for ever.
        }
    }
}
