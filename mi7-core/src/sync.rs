//! The atomics the rest of the crate is written with: the standard library's, or loom's under `--cfg loom`.

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
#[cold]
pub(crate) fn fence_heavy() {
    fence(Ordering::SeqCst);
    // Where it fails, the channel says `fenced` since this process came.
    #[cfg(not(loom))]
    let _ = rustix::thread::membarrier(rustix::thread::MembarrierCommand::GlobalExpedited);
}

/// Has this process's processors take part in others' [`fence_heavy`]. False where the system has no such thing.
#[cfg(not(loom))]
pub(crate) fn join_fences() -> bool {
    use rustix::thread::{MembarrierCommand, membarrier};
    static JOINED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *JOINED.get_or_init(|| {
        membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
            && membarrier(MembarrierCommand::GlobalExpedited).is_ok()
    })
}
