//! The two ends of a channel: who uses one, from which thread, and who may do so without compare-exchanges.
//!
//! A handle counts itself in, in its process's entry of the table, when it is first used. So one that was only made costs nobody
//! anything: `mi7::channel` makes both ends, and most processes use one of them. Of a handle that one thread uses, that thread may
//! hold the [bias](crate::bias); one that a second thread uses too is counted in again for it, and never holds a bias from then on.

use std::sync::PoisonError;

use crate::bias::Bias;
use crate::channel::Channel;
use crate::layout::Entry;
use crate::ring::Blocked;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use crate::wait::End;

impl End {
    fn counted(self, entry: &Entry) -> &AtomicU32 {
        match self {
            End::Sending => &entry.sending,
            End::Receiving => &entry.receiving,
        }
    }

    /// What a caller is told that cannot get at the counter just now.
    fn blocked(self) -> Blocked {
        match self {
            End::Sending => Blocked::Full,
            End::Receiving => Blocked::Empty,
        }
    }
}

/// What a handle remembers of its last claim, so as not to look at what it knows. Each handle has its own; it is
/// [retired](Channel::retire_sender) before it is dropped.
#[derive(Default, Debug)]
pub struct Memory {
    /// The counter of the last claim that was settled; see [`Ring::claim`](crate::ring::Ring::claim). Stored with Release and loaded
    /// with Acquire: whoever goes by it also finds the slot as it was left.
    pub(crate) settled: AtomicU64,
    /// The thread that uses the handle; 0: none as yet; [`SEVERAL`].
    thread: AtomicUsize,
    /// The bias the handle holds, or held; only `thread` goes by it. 0: none.
    bias: AtomicU64,
    /// How often it counted itself in.
    counted: AtomicU32,
    /// Claims until the bias is sought, and how many it was last time.
    seek_in: AtomicU32,
    seek_every: AtomicU32,
    /// Calls until the clock is looked at.
    pub(crate) calls: AtomicU32,
    /// Millisecond at which the clock was last looked at.
    pub(crate) looked: AtomicU64,
    /// Position of `head` when it was last looked at, to tell the depth.
    pub(crate) head: AtomicU64,
    /// Sends to go until the depth is looked at again, and how many it was last time.
    pub(crate) depth_in: AtomicU32,
    pub(crate) depth_every: AtomicU32,
}

/// More than one thread.
const SEVERAL: usize = usize::MAX;
/// A handle that claimed so often seeks the bias; where it is not alone, twice as often the next time, up to [`SEEK_MOST`].
const SEEK_FIRST: u32 = if cfg!(feature = "fault") { 2 } else { 64 };
const SEEK_MOST: u32 = 1 << 16;

/// A number that no other thread of this process has at the same time.
#[inline]
fn thread_id() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Memory {
    /// The bias to claim with; 0: none.
    #[inline]
    pub(crate) fn bias(&self) -> u64 {
        if self.thread.load(Ordering::Relaxed) == thread_id() { self.bias.load(Ordering::Relaxed) } else { 0 }
    }

    #[inline]
    fn is_adopted(&self) -> bool {
        let thread = self.thread.load(Ordering::Relaxed);
        thread == SEVERAL || thread == thread_id()
    }
}

impl Channel {
    fn bias_of(&self, end: End) -> Bias<'_> {
        match end {
            End::Sending => self.ring().tail_bias(),
            End::Receiving => self.ring().head_bias(),
        }
    }

    fn is_exclusive(&self, end: End) -> bool {
        match end {
            End::Sending => self.info().single_sender,
            End::Receiving => self.info().single_receiver,
        }
    }

    /// To be called before a claim by compare-exchange.
    #[inline]
    pub(crate) fn enter_end(&self, end: End, memory: &Memory) -> Result<(), Blocked> {
        if memory.is_adopted() { Ok(()) } else { self.adopt(end, memory) }
    }

    /// Counts the handle in for this thread.
    #[cold]
    fn adopt(&self, end: End, memory: &Memory) -> Result<(), Blocked> {
        if self.is_inherited() {
            // The lock below may be held by a thread that was not forked along.
            return Err(end.blocked());
        }
        let Some(entry) = self.entry() else { return Err(end.blocked()) };
        let _one_at_a_time = self.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.is_adopted() {
            return Ok(());
        }
        let first = memory.thread.load(Ordering::Relaxed) == 0;
        end.counted(entry).fetch_add(1, Ordering::Relaxed);
        memory.counted.fetch_add(1, Ordering::Relaxed);
        // Partner: the fence in `Bias::take`.
        fence(Ordering::SeqCst);
        fault!("counted in, bias not revoked");
        match self.clear_the_way(end, memory) {
            Ok(()) => {
                // Release: another thread that finds this claims as if it had come this way.
                memory.thread.store(if first { thread_id() } else { SEVERAL }, Ordering::Release);
                memory.seek_in.store(SEEK_FIRST, Ordering::Relaxed);
                memory.seek_every.store(SEEK_FIRST, Ordering::Relaxed);
                Ok(())
            }
            Err(blocked) => {
                // Release: as in `retire`.
                end.counted(entry).fetch_sub(1, Ordering::Release);
                memory.counted.fetch_sub(1, Ordering::Relaxed);
                Err(blocked)
            }
        }
    }

    /// Sees to it that nobody moves the counter with plain stores; at an exclusive end, that it is this handle's.
    fn clear_the_way(&self, end: End, memory: &Memory) -> Result<(), Blocked> {
        let bias = self.bias_of(end);
        let dead = |owner| self.is_dead(owner);
        if !self.is_exclusive(end) {
            return if bias.revoke(false, &dead) { Ok(()) } else { Err(end.blocked()) };
        }
        let mine = memory.bias.load(Ordering::Relaxed);
        if mine != 0 && bias.is_of(mine) {
            return if bias.revoke(true, &dead) { Ok(()) } else { Err(end.blocked()) };
        }
        // Twice: a dead holder is met only once, unless a stranger scribbles on the word.
        for _ in 0..2 {
            let ticket = bias.ticket(self.me());
            if bias.take(ticket) {
                memory.bias.store(ticket, Ordering::Relaxed);
                return Ok(());
            }
            match bias.holder() {
                Some(holder) if self.is_dead(holder) => bias.recover(holder, &dead),
                Some(holder) => return Err(Blocked::Taken(holder)),
                None => {}
            }
        }
        Err(end.blocked())
    }

    /// Counts a claim by compare-exchange, and seeks the bias every so often.
    #[inline]
    pub(crate) fn seek_bias(&self, end: End, memory: &Memory) {
        let wait = memory.seek_in.load(Ordering::Relaxed);
        if wait > 0 {
            memory.seek_in.store(wait - 1, Ordering::Relaxed);
        } else {
            self.seek_bias_now(end, memory);
        }
    }

    #[cold]
    fn seek_bias_now(&self, end: End, memory: &Memory) {
        let every = (memory.seek_every.load(Ordering::Relaxed) * 2).min(SEEK_MOST);
        memory.seek_every.store(every, Ordering::Relaxed);
        memory.seek_in.store(every, Ordering::Relaxed);
        if memory.thread.load(Ordering::Relaxed) != thread_id() || !self.is_alone(end) {
            return;
        }
        let (bias, keep) = (self.bias_of(end), self.is_exclusive(end));
        let mine = memory.bias.load(Ordering::Relaxed);
        if mine != 0 && bias.is_held(mine) {
            return;
        }
        // What is left of an earlier one.
        if !bias.revoke(keep, &|owner| self.is_dead(owner)) {
            return;
        }
        let ticket = bias.ticket(self.me());
        let taken = if keep { bias.renew(mine, ticket) } else { bias.take(ticket) };
        if !taken {
            return;
        }
        fault!("bias taken, others not counted");
        if keep || self.is_alone(end) {
            memory.bias.store(ticket, Ordering::Relaxed);
        }
        if !self.is_alone(end) {
            if keep {
                bias.revoke(true, &|_| false);
            } else {
                memory.bias.store(0, Ordering::Relaxed);
                bias.give_back(ticket);
            }
        }
    }

    /// Whether one handle and no other is counted in at this end.
    fn is_alone(&self, end: End) -> bool {
        // Acquire, partner: the Release of whoever counts itself out.
        self.table().counted(|entry| end.counted(entry).load(Ordering::Acquire)) == 1
    }

    /// Does something that moves the counter of an end while nobody has its bias. False if that was not to be had.
    fn unbiased(&self, end: End, act: impl FnOnce()) -> bool {
        if self.is_inherited() {
            return false;
        }
        let Some(entry) = self.entry() else { return false };
        end.counted(entry).fetch_add(1, Ordering::Relaxed);
        // Partner: the fence in `Bias::take`.
        fence(Ordering::SeqCst);
        let clear = self.bias_of(end).revoke(self.is_exclusive(end), &|owner| self.is_dead(owner));
        if clear {
            act();
        }
        // Release, partner: the sum in `Table::counted`, whose caller then goes by the counter as `act` left it.
        end.counted(entry).fetch_sub(1, Ordering::Release);
        clear
    }

    /// Takes `head` across positions that hold no message.
    #[cold]
    pub(crate) fn step_across(&self) {
        if self.ring().can_step_across() {
            self.unbiased(End::Receiving, || self.ring().step_across());
        }
    }

    /// Closes `tail`. False if that was not to be had: see [`unbiased`](Self::unbiased).
    pub(crate) fn close_tail(&self) -> bool {
        self.unbiased(End::Sending, || _ = self.ring().close())
    }

    /// Forgets a handle that sent. To be called before its memory is dropped.
    pub fn retire_sender(&self, memory: &Memory) {
        self.retire(End::Sending, memory);
    }

    /// Forgets a handle that received. To be called before its memory is dropped.
    pub fn retire_receiver(&self, memory: &Memory) {
        self.retire(End::Receiving, memory);
    }

    fn retire(&self, end: End, memory: &Memory) {
        if self.is_inherited() {
            return;
        }
        let bias = memory.bias.swap(0, Ordering::Relaxed);
        if bias != 0 {
            self.bias_of(end).give_back(bias);
        }
        let counted = memory.counted.swap(0, Ordering::Relaxed);
        if let Some(entry) = self.entry()
            && counted > 0
        {
            // Release, partner: the sum that somebody takes who then goes by the counter.
            end.counted(entry).fetch_sub(counted, Ordering::Release);
        }
        memory.thread.store(0, Ordering::Relaxed);
    }
}
