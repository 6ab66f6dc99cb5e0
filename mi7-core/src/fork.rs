//! Forked children: what they inherit reaches nobody.
//!
//! A forked child has a copy of its parent's memory, and with it copies of the parent's handles. It shares the parent's
//! mappings and open files. Without this module, a child that drops an inherited lease frees the parent's slot, and a
//! child that lives on keeps the locks of a parent that died.
//!
//! So every mapping and every descriptor of a channel is registered here, and handlers of `pthread_atfork` run around
//! each `fork`:
//!
//! 1. *Before the fork, in the parent:* lock the registry, so that no channel is half opened or half closed. Copy each
//!    message that this process is reading or writing.
//! 2. *After the fork, in the child:* put private memory in the place of each mapping, and copy those messages into it,
//!    so that references to them stay valid. Put a descriptor that leads nowhere in the place of each descriptor.
//!    Nothing of the parent's is shared any more: the child can write what it likes, and the kernel lets go of the
//!    parent's locks when the parent ends. Write into the private memory that the channel is closed and that somebody
//!    sleeps at either end: so each call on an inherited handle leaves its fast path, and the slow path finds that the
//!    [count of forks](count) has changed. No fast path looks at it.
//! 3. *After the fork, in both:* unlock.
//!
//! The cost of a fork grows by a look at each slot of each open channel, a copy of each message in hand, and two system
//! calls in the child for each channel.
//!
//! `vfork`, `posix_spawn` and so [`std::process::Command`] run another program at once, which closes all descriptors.
//! A bare `clone` or `_Fork` runs no handlers: such a child must not touch what it inherited.
//! What the handlers do is allowed in a child of a process with threads: system calls, and reads and writes of memory.

use std::cell::UnsafeCell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use memmap2::MmapRaw;

use crate::position::Owner;
use crate::ring::Ring;

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that first used mi7. Differs from what it was in the parent.
/// Costs no system call.
#[inline]
pub fn count() -> u32 {
    watch();
    FORKS.load(Ordering::Relaxed)
}

/// Installs the handlers, once.
#[inline]
fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        // SAFETY: the handlers keep to what is allowed around a fork (see the module), and are there as long as this
        // library is loaded: the C library forgets them when it is unloaded.
        unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    });
}

/// All that has to be made harmless in a child.
struct Registry {
    files: Vec<Registered<RawFd>>,
    maps: Vec<Registered<Mapped>>,
    copies: Option<Copies>,
}

/// Something of this process, or inherited and harmless already.
struct Registered<T> {
    /// [`count`] in the process that it belongs to.
    forks: u32,
    what: T,
}

/// A channel's mapping.
struct Mapped {
    map: NonNull<u8>,
    len: usize,
    ring: Ring,
    payloads: Payloads,
    /// Whose messages are in this process's hands.
    me: Owner,
}

/// Where the payloads of a channel's slots lie in its mapping, in bytes. All of them lie within it.
#[derive(Clone, Copy)]
pub(crate) struct Payloads {
    /// Of slot 0.
    pub(crate) first: usize,
    /// From one to the next.
    pub(crate) stride: usize,
    pub(crate) len: usize,
}

// SAFETY: the pointer is to shared memory that stays until the mapping is unregistered; only the handlers write through
// it, in a child that has one thread.
unsafe impl Send for Mapped {}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { files: Vec::new(), maps: Vec::new(), copies: None });

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A descriptor that leads nowhere in a forked child.
#[derive(Debug)]
pub struct Descriptor<F: AsFd = OwnedFd>(ManuallyDrop<F>);

impl<F: AsFd> Descriptor<F> {
    /// Opens a file. No fork of this process comes between its opening and its registration.
    pub(crate) fn open<E>(open: impl FnOnce() -> Result<F, E>) -> Result<Self, E> {
        watch();
        let mut registry = registry();
        let file = open()?;
        let what = file.as_fd().as_raw_fd();
        registry.files.push(Registered { forks: FORKS.load(Ordering::Relaxed), what });
        Ok(Descriptor(ManuallyDrop::new(file)))
    }
}

impl<F: AsFd> Drop for Descriptor<F> {
    fn drop(&mut self) {
        let mut registry = registry();
        let number = self.0.as_fd().as_raw_fd();
        registry.files.retain(|file| file.what != number);
        // SAFETY: it is not used after this. Closed under the lock, so that no child inherits it unregistered.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        drop(registry);
    }
}

impl<F: AsFd> Deref for Descriptor<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.0
    }
}

impl<F: AsFd> AsFd for Descriptor<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<F: AsFd> AsRawFd for Descriptor<F> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Descriptor<OwnedFd> {
    /// The same as a [`File`].
    pub(crate) fn into_file(self) -> Descriptor<File> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped nor used again. The number stays registered.
        let file = unsafe { ManuallyDrop::take(&mut this.0) };
        Descriptor(ManuallyDrop::new(File::from(file)))
    }
}

/// A channel's mapping that is replaced by private memory in a forked child.
pub(crate) struct Mapping(ManuallyDrop<MmapRaw>);

impl Mapping {
    /// Maps a file. `ring` makes a ring over the map. No fork of this process comes between mapping and registering.
    pub(crate) fn new(
        map: impl FnOnce() -> std::io::Result<MmapRaw>,
        ring: impl FnOnce(&MmapRaw) -> Ring,
        payloads: Payloads,
    ) -> std::io::Result<Self> {
        watch();
        let mut registry = registry();
        let map = map()?;
        let ring = ring(&map);
        // SAFETY: a mapping does not begin at null.
        let at = unsafe { NonNull::new_unchecked(map.as_mut_ptr()) };
        let what = Mapped { map: at, len: map.len(), ring, payloads, me: Owner::NOBODY };
        registry.maps.push(Registered { forks: FORKS.load(Ordering::Relaxed), what });
        Ok(Mapping(ManuallyDrop::new(map)))
    }

    /// Says under which name this process holds messages.
    pub(crate) fn belongs_to(&self, me: Owner) {
        for registered in &mut registry().maps {
            if registered.what.map.as_ptr() == self.as_mut_ptr() {
                registered.what.me = me;
            }
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let mut registry = registry();
        registry.maps.retain(|registered| registered.what.map.as_ptr() != self.0.as_mut_ptr());
        // SAFETY: it is not used after this. Unmapped under the lock, so that no child inherits it unregistered.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        drop(registry);
    }
}

impl Deref for Mapping {
    type Target = MmapRaw;

    fn deref(&self) -> &MmapRaw {
        &self.0
    }
}

/// The guard of the registry while a fork is under way.
struct Held(UnsafeCell<Option<MutexGuard<'static, Registry>>>);

// SAFETY: it is used by the handlers only: by the thread that holds the registry's lock, or, in a child, by its only
// thread, which is a copy of that one.
unsafe impl Sync for Held {}

static HELD: Held = Held(UnsafeCell::new(None));

extern "C" fn before() {
    let mut registry = registry();
    registry.copies = Copies::of(&registry.maps);
    // SAFETY: see `Held`.
    let held = unsafe { &mut *HELD.0.get() };
    *held = Some(registry);
}

extern "C" fn after_in_parent() {
    // SAFETY: see `Held`.
    let held = unsafe { &mut *HELD.0.get() };
    if let Some(mut registry) = held.take() {
        registry.copies = None;
    }
}

extern "C" fn after_in_child() {
    let forks = FORKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: see `Held`.
    let held = unsafe { &mut *HELD.0.get() };
    let Some(mut registry) = held.take() else { return };
    let copies = registry.copies.take();
    for registered in registry.maps.iter().filter(|registered| registered.forks == forks) {
        registered.what.replace(copies.is_some());
    }
    if let Some(copies) = &copies {
        copies.put_back();
    }
    for registered in registry.maps.iter().filter(|registered| registered.forks == forks && copies.is_some()) {
        // SAFETY: `replace` has made the map private memory, which holds the words of a ring as the shared one did.
        registered.what.ring.end_in_child();
    }
    let mut inert = None;
    for registered in registry.files.iter().filter(|registered| registered.forks == forks) {
        inert = replace_file(registered.what, inert);
    }
    if let Some(inert) = inert.filter(|inert| !registry.files.iter().any(|file| file.what == *inert)) {
        // SAFETY: it was opened by `replace_file`, and nobody else knows it.
        unsafe { libc::close(inert) };
    }
}

impl Mapped {
    /// Puts private memory in its place: zeros; or, where the messages in hand could not be copied, memory that nobody can
    /// touch, since a reference to zeros would be a lie.
    fn replace(&self, copied: bool) {
        let protection = if copied { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        // SAFETY: it replaces a mapping of this very range, whose bytes are only reached through atomics and the copies.
        let at = unsafe { libc::mmap(self.map.as_ptr().cast(), self.len, protection, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            // Without the memory for it: a child that crashes at a touch is better than one that writes to others.
            // SAFETY: the range is the mapping's.
            unsafe { libc::munmap(self.map.as_ptr().cast(), self.len) };
        }
    }

    /// The payloads of the messages in this process's hands.
    fn in_hand(&self, mut visit: impl FnMut(NonNull<u8>, usize)) {
        let Payloads { first, stride, len } = self.payloads;
        self.ring.in_hand(self.me, |index| {
            // SAFETY: the payloads of all slots lie within the mapping.
            visit(unsafe { self.map.add(first + index as usize * stride) }, len);
        });
    }
}

/// Copies of messages, in memory of their own: the allocator's locks may be anybody's while a fork is under way.
struct Copies {
    at: NonNull<u8>,
    len: usize,
    used: usize,
}

// SAFETY: the memory is this value's own.
unsafe impl Send for Copies {}

/// Before each copy: where it belongs, and its length. In native words.
const HEADER: usize = 16;

impl Copies {
    /// Copies what is in this process's hands. `None`: there is no memory for it.
    fn of(maps: &[Registered<Mapped>]) -> Option<Self> {
        let forks = FORKS.load(Ordering::Relaxed);
        let mine = || maps.iter().filter(|registered| registered.forks == forks);
        let mut len = 0;
        mine().for_each(|registered| registered.what.in_hand(|_, bytes| len += HEADER + bytes));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let len = len.max(1);
        // SAFETY: a new mapping, wherever there is room.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return None;
        }
        let mut copies = Copies { at: NonNull::new(at.cast())?, len, used: 0 };
        // Other threads may have taken more meanwhile: those messages are out of the child's reach.
        mine().for_each(|registered| registered.what.in_hand(|from, bytes| copies.add(from, bytes)));
        Some(copies)
    }

    fn add(&mut self, from: NonNull<u8>, bytes: usize) {
        if self.len - self.used < HEADER + bytes {
            return;
        }
        // SAFETY: there is room for a header and a copy, as was just looked.
        let at = unsafe { self.at.add(self.used) };
        // SAFETY: as above. The place may not be aligned.
        unsafe { at.cast::<[usize; 2]>().write_unaligned([from.as_ptr().expose_provenance(), bytes]) };
        // SAFETY: as above.
        let to = unsafe { at.add(HEADER) };
        // SAFETY: a slot in hand is of so many bytes; of one that another thread uses, whatever is copied is not looked at.
        unsafe { from.copy_to_nonoverlapping(to, bytes) };
        self.used += HEADER + bytes;
    }

    /// Puts each copy where it belongs.
    fn put_back(&self) {
        let mut at = 0;
        while at < self.used {
            // SAFETY: `add` has put a header here.
            let header = unsafe { self.at.add(at) };
            // SAFETY: as above.
            let [place, bytes] = unsafe { header.cast::<[usize; 2]>().read_unaligned() };
            let place = std::ptr::with_exposed_provenance_mut::<u8>(place);
            // SAFETY: behind the header stands the copy.
            let from = unsafe { header.add(HEADER) };
            // SAFETY: the place lies within a mapping that was just made private memory.
            unsafe { place.copy_from_nonoverlapping(from.as_ptr(), bytes) };
            at += HEADER + bytes;
        }
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// Puts `inert` in the place of a descriptor; opens one first if there is none. Gives the inert one.
fn replace_file(number: RawFd, inert: Option<RawFd>) -> Option<RawFd> {
    // Readable at any time, so that an event loop finds out; reading gives nothing.
    // SAFETY: the path is a string that ends with a zero.
    let open = || unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    let inert = inert.unwrap_or_else(open);
    if inert >= 0 {
        // SAFETY: both are open, and the second is this library's. What it stood for is closed.
        unsafe { libc::dup3(inert, number, libc::O_CLOEXEC) };
        return Some(inert);
    }
    // No descriptor is left: this one's number is the only one that is free once it is closed.
    // SAFETY: it is this library's.
    unsafe { libc::close(number) };
    Some(open()).filter(|opened| *opened >= 0)
}

/// A value that a forked child begins anew: its parent's may have been in use by a thread that the child has not got.
pub struct PerProcess<T: 'static> {
    begin: fn() -> T,
    current: AtomicPtr<(u32, T)>,
}

impl<T: Send + Sync + 'static> PerProcess<T> {
    /// One that begins with what `begin` gives.
    pub const fn new(begin: fn() -> T) -> Self {
        PerProcess { begin, current: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// This process's.
    pub fn get(&self) -> &T {
        let forks = count();
        loop {
            // Acquire, partner: the Release below.
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: it is null or was made below, and is never freed.
            if let Some((made, value)) = unsafe { current.as_ref() }
                && *made == forks
            {
                return value;
            }
            let new = Box::into_raw(Box::new((forks, (self.begin)())));
            if self.current.compare_exchange(current, new, Ordering::Release, Ordering::Relaxed).is_err() {
                // SAFETY: made just now, and seen by nobody.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}
