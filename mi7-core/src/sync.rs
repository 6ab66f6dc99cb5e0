//! The atomics the rest of the crate is written with: the standard library's, or loom's under `--cfg loom`.

#[cfg(not(loom))]
use std::sync::OnceLock;

#[cfg(not(loom))]
use crate::fork::PerProcess;
#[cfg(not(loom))]
use crate::layout::FENCED_ALWAYS;
use crate::layout::Hints;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

/// loom's, with plain stores made by exchanging.
///
/// loom 0.7 keeps a partial order of the stores to a word. It does not know that nothing comes between what a
/// compare-exchange reads and what it writes (its `rt/atomic.rs`: "RMW Atomicity", and nothing after it), and so lets a plain
/// store that came after a compare-exchange lose against it, and a slot be leased for ever that was released. An exchange is
/// in its place in that order. The model is weaker for it in one respect: an exchange continues a release sequence, which a
/// plain store of another thread ends.
#[cfg(loom)]
pub(crate) struct AtomicU64(loom::sync::atomic::AtomicU64);

#[cfg(loom)]
impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        AtomicU64(loom::sync::atomic::AtomicU64::new(value))
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.0.swap(value, order);
    }
}

#[cfg(loom)]
impl std::ops::Deref for AtomicU64 {
    type Target = loom::sync::atomic::AtomicU64;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Tells the processor that this is a spin loop (and loom that another thread has to move).
#[inline]
pub(crate) fn spin_loop() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// The cheap half of an asymmetric pair of fences: free for the processor, since whoever passes [`fence_heavy`] has all
/// processors pass a fence. In a channel that says [`fenced`](crate::layout::Hints::fenced), a real fence has to go with it.
#[inline]
pub(crate) fn fence_light() {
    #[cfg(not(loom))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// The dear half of an asymmetric pair of fences: a microsecond or so, by `membarrier` (Linux 4.16; Mathieu Desnoyers).
///
/// Where that fails, now or ever since this process came (a sandbox may refuse it at any time), the channel says so, and
/// whoever passes a light fence passes a real one as well from then on.
#[cold]
pub(crate) fn fence_heavy(hints: &Hints) {
    fence_heavy_for([hints]);
}

/// [`fence_heavy`] for several channels at once.
#[cold]
pub(crate) fn fence_heavy_for<'a>(channels: impl IntoIterator<Item = &'a Hints>) {
    fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    if rustix::thread::membarrier(rustix::thread::MembarrierCommand::GlobalExpedited).is_err() {
        channels.into_iter().for_each(fence_always);
    }
    #[cfg(loom)]
    drop(channels);
}

/// How long a store may take until every processor sees it: far longer than any store buffer holds one.
#[cfg(not(loom))]
const VISIBLE: std::time::Duration = std::time::Duration::from_millis(20);

/// Does what [`fence_heavy`] does, without `membarrier`, and has the channel's processes pass real fences from now on.
///
/// Whoever looked at [`Hints::fenced`] too early to pass a real fence stored before it looked. That store is visible when
/// [`VISIBLE`] is over. The first caller waits for that, once in the life of a channel.
#[cfg(not(loom))]
#[cold]
fn fence_always(hints: &Hints) {
    // Acquire, partner: the Release below.
    if hints.fenced.load(Ordering::Relaxed) & FENCED_ALWAYS != 0 && hints.settled.load(Ordering::Acquire) != 0 {
        return fence(Ordering::SeqCst);
    }
    hints.fenced.fetch_or(FENCED_ALWAYS, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    std::thread::sleep(VISIBLE);
    fence(Ordering::SeqCst);
    hints.settled.store(1, Ordering::Release);
}

/// Has this process's processors take part in others' [`fence_heavy`]; where the system has no such thing, has the channel
/// say so.
#[cfg(not(loom))]
pub(crate) fn join_fences(hints: &Hints) {
    use rustix::thread::{MembarrierCommand, membarrier};
    static JOINED: PerProcess<OnceLock<bool>> = PerProcess::new(OnceLock::new);
    let joined = *JOINED.get().get_or_init(|| {
        membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
            && membarrier(MembarrierCommand::GlobalExpedited).is_ok()
    });
    if !joined {
        fence_always(hints);
    }
}
