//! What the kernel does for doorbells: a FIFO that one process reads and anybody who may open the channel writes to.
//!
//! A doorbell's FIFO lies beside the channels, as `.bell-` and sixteen hexadecimal digits drawn at random; no channel's name begins with a
//! dot. Its owner has it open for reading *and* writing, so that it never comes to its end, and so that it has a reader for as long
//! as its owner lives: opening it for writing only is how others tell. It gets its name when it is open already: so one that has the
//! name and no reader is certainly stale, and may be removed by anybody ([`sweep`]).
//!
//! # Without a name
//!
//! No FIFO can be made in a directory that was removed (a service manager does that with what lies
//! in `/dev/shm`), that is full, or that this process may not write to; and with the directory go
//! the names that the FIFOs in it had. So a doorbell that gets no name is a pipe
//! ([`without_name`]), and a door says where its owner has it open ([`Place`]). Who finds no FIFO
//! of the name opens it by `/proc/<pid>/fd/<descriptor>`, which the kernel lets processes of the
//! same user and pid namespace do. For all others the doorbell is as if it were not there: tasks
//! are woken by their ticks, 0.1 s later at the most.
//!
//! A door can name anything, for whoever may write to the channel may write to its doors. So (1)
//! what is opened is first opened by `O_PATH`, which does nothing to it, and has to be the very
//! pipe or FIFO that the door names: a pid that was given to another process leads nowhere. And (2)
//! it is done only in channels that no other user can open, so nobody has a ringer of more rights
//! write anywhere.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, pwritev2, retry_on_intr};

use crate::directory::{Directory, grant_held, held, names_in, status_of};
use crate::error::{Result, failure};
use crate::fork::Descriptor;
use crate::sync::Ordering;

/// Bytes of a ring: never torn, since that is less than `PIPE_BUF`.
pub(crate) const RECORD: usize = 4;
/// What the name begins with.
const NAMED: &str = ".bell-";
/// What it begins with until the FIFO is open.
const UNNAMED: &str = ".newbell-";
/// After so many seconds a FIFO that was not named is nobody's any more.
const LONG_AGO: i64 = 60;
/// How many doorbells of others a process keeps open.
const KEPT: usize = 64;
/// `f_type` of anonymous pipes, from Linux's `uapi/linux/magic.h`.
const PIPEFS: u64 = 0x5049_5045;

fn named(id: u64) -> String {
    format!("{NAMED}{id:016x}")
}

fn unnamed(id: u64) -> String {
    format!("{UNNAMED}{id:016x}")
}

/// Makes a FIFO and opens it. Those may write to it whom `mode` lets write, and `group` if this process can see to that.
pub(crate) fn make(directory: &Directory, id: u64, mode: u32, group: u32) -> Result<Descriptor> {
    let (first, name) = (unnamed(id), named(id));
    let failed = |call| move |errno| failure(call, &directory.path().join(named(id)), errno);
    let make = || fs::mknodat(directory, &first, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    retry_on_intr(make).map_err(failed("mkfifo"))?;
    fault!("doorbell made, not opened");
    let open = || {
        let fifo = Descriptor::open(|| open_new(directory, &first)).map_err(failed("open"))?;
        if fs::fstat(&fifo).is_ok_and(|status| status.st_gid != group) {
            // Not in that group, or not allowed to: then its members are woken by their ticks.
            let _ = fs::fchown(&fifo, None, Some(fs::Gid::from_raw(group)));
        }
        fs::fchmod(&fifo, Mode::from_raw_mode(mode & 0o222 | 0o600)).map_err(failed("fchmod"))?;
        retry_on_intr(|| fs::renameat(directory, &first, directory, &name)).map_err(failed("rename"))?;
        Ok(fifo)
    };
    let opened = open();
    if opened.is_err() {
        let _ = fs::unlinkat(directory, &first, AtFlags::empty());
    }
    fault!("doorbell named");
    opened
}

/// Opens a FIFO that this process has just made, for reading and writing.
fn open_new(directory: &Directory, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match retry_on_intr(|| fs::openat(directory, name, flags | OFlags::NOFOLLOW, Mode::empty())) {
        // An umask that takes rights from the owner. By a descriptor, for the name may be another
        // file's by now.
        Err(Errno::ACCESS) => {
            let path = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let fifo = retry_on_intr(|| fs::openat(directory, name, path, Mode::empty()))?;
            if !is_fifo(&fs::fstat(&fifo)?) {
                return Err(Errno::ACCESS);
            }
            grant_held(fifo.as_fd(), Mode::RUSR | Mode::WUSR)?;
            retry_on_intr(|| fs::open(held(&fifo), flags, Mode::empty()))
        }
        other => other,
    }
}

/// A doorbell that has no name, where none can be made.
pub(crate) fn without_name() -> Result<Descriptor, Errno> {
    Descriptor::open(|| {
        let (reader, _writer) = pipe()?;
        // One descriptor for both, as of a FIFO.
        let both = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        retry_on_intr(|| fs::open(held(&reader), both, Mode::empty())).or_else(|_| {
            // Without /proc nobody could ring it. This is never readable, so its tasks have their
            // ticks.
            rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK | rustix::event::EventfdFlags::CLOEXEC)
        })
    })
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)
}

/// Where the owner of a doorbell has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In its own pid namespace.
    pub(crate) pid: u32,
    /// The number of the descriptor.
    pub(crate) descriptor: u32,
    /// What the pipe or FIFO is known by.
    pub(crate) inode: u64,
}

impl Place {
    /// Where this process has it open.
    pub(crate) fn of(fifo: &OwnedFd) -> Option<Self> {
        let inode = fs::fstat(fifo).ok()?.st_ino;
        let descriptor = u32::try_from(fifo.as_raw_fd()).ok()?;
        Some(Place { pid: std::process::id(), descriptor, inode })
    }

    /// Opens it for writing, if that is possible and it is what it says: a pipe, or a FIFO of
    /// `directory`'s file system.
    fn open(&self, directory: &Directory) -> Option<OwnedFd> {
        let path = PathBuf::from(format!("/proc/{}/fd/{}", self.pid, self.descriptor));
        let found = retry_on_intr(|| fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())).ok()?;
        let status = fs::fstat(&found).ok()?;
        let is_pipe = || fs::fstatfs(&found).is_ok_and(|system| system.f_type as u64 == PIPEFS);
        let is_it =
            status.st_ino == self.inode && is_fifo(&status) && (status.st_dev == directory.device() || is_pipe());
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        is_it.then(|| retry_on_intr(|| fs::open(held(&found), flags, Mode::empty())).ok()).flatten()
    }
}

/// Takes away the FIFO of one who is dead, or is about to close it.
pub(crate) fn remove(directory: &Directory, id: u64) {
    // Where it is gone already, so much the better.
    for name in [named(id), unnamed(id)] {
        let _ = fs::unlinkat(directory, &name, AtFlags::empty());
    }
}

/// Takes away what processes left that died with nobody else in their channels. Whatever goes wrong is left to the next one.
#[cold]
pub(crate) fn sweep(directory: &Directory) {
    let Ok(names) = names_in(directory) else { return };
    for (name, _) in names {
        let Ok(name) = std::str::from_utf8(&name) else { continue };
        let is_stale = if name.starts_with(NAMED) {
            status_of(directory, name).is_ok_and(|status| is_fifo(&status))
                && open_for_writing(directory, name).is_err_and(|errno| errno == Errno::NXIO)
        } else if name.starts_with(UNNAMED) {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
            status_of(directory, name).is_ok_and(|status| is_fifo(&status) && now - status.st_ctime > LONG_AGO)
        } else {
            false
        };
        if is_stale {
            let _ = fs::unlinkat(directory, name, AtFlags::empty());
        }
    }
}

fn open_for_writing(directory: &Directory, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    retry_on_intr(|| fs::openat(directory, name, flags, Mode::empty()))
}

fn is_fifo(status: &fs::Stat) -> bool {
    FileType::from_raw_mode(status.st_mode) == FileType::Fifo
}

/// Reads what was rung into `records`. 0: nothing is left.
pub(crate) fn read(fifo: BorrowedFd<'_>, records: &mut [u8]) -> usize {
    loop {
        match rustix::io::read(fifo, &mut *records) {
            Ok(bytes) => return bytes,
            Err(Errno::INTR) => {}
            // EAGAIN; anything else cannot be with a FIFO that is open for reading and writing.
            Err(_) => return 0,
        }
    }
}

/// The doorbells of others that were rung of late, the latest last.
static OPEN: Mutex<Vec<(u64, Arc<OwnedFd>)>> = Mutex::new(Vec::new());

/// Rings somebody's doorbell, which `place` says more of if it is not found by its name. False if
/// it has no reader: whoever had it is dead, or has closed it; or if this process has no way to it.
pub(crate) fn ring(
    directory: &Directory,
    id: u64,
    record: [u8; RECORD],
    place: impl FnOnce() -> Option<Place>,
) -> bool {
    // Where another thread is at it (or was, when this process was forked), it goes without.
    let kept = OPEN.try_lock().ok().and_then(|mut open| {
        let index = open.iter().position(|(kept, _)| *kept == id)?;
        let found = open.remove(index);
        open.push((id, Arc::clone(&found.1)));
        Some(found.1)
    });
    if let Some(fifo) = kept {
        let reached = write(fifo.as_fd(), &record);
        if !reached && let Ok(mut open) = OPEN.try_lock() {
            open.retain(|(kept, _)| *kept != id);
        }
        return reached;
    }
    let opened = match open_for_writing(directory, &named(id)) {
        // Those that were kept for later are the first that this process can do without.
        Err(Errno::MFILE) => {
            OPEN.try_lock().ok().map(|mut open| std::mem::take(&mut *open));
            open_for_writing(directory, &named(id))
        }
        other => other,
    };
    let fifo = match opened {
        // Nothing but a FIFO is written to, whatever has come to lie there.
        Ok(fifo) if fs::fstat(&fifo).is_ok_and(|status| is_fifo(&status)) => fifo,
        Err(Errno::NOENT) => match place().and_then(|place| place.open(directory)) {
            Some(fifo) => fifo,
            None => return false,
        },
        Ok(_) | Err(_) => return false,
    };
    let reached = write(fifo.as_fd(), &record);
    if reached && let Ok(mut open) = OPEN.try_lock() {
        if open.len() >= KEPT {
            open.remove(0);
        }
        open.push((id, Arc::new(fifo)));
    }
    reached
}

/// Writes to a FIFO. False if nobody reads it. No SIGPIPE comes of it, also in programs that do not ignore that signal.
fn write(fifo: BorrowedFd<'_>, record: &[u8]) -> bool {
    // Linux 6.18: the write says itself that it wants no signal.
    static NOSIGNAL: AtomicBool = AtomicBool::new(true);
    const RWF_NOSIGNAL: u32 = 0x100;
    while NOSIGNAL.load(Ordering::Relaxed) {
        let flags = ReadWriteFlags::from_bits_retain(RWF_NOSIGNAL);
        match pwritev2(fifo, &[IoSlice::new(record)], u64::MAX, flags) {
            Ok(_) | Err(Errno::AGAIN) => return true,
            Err(Errno::PIPE) => return false,
            Err(Errno::INTR) => {}
            // An older system, or a filter of system calls.
            Err(_) => NOSIGNAL.store(false, Ordering::Relaxed),
        }
    }
    write_quietly(fifo, record)
}

fn write_quietly(fifo: BorrowedFd<'_>, record: &[u8]) -> bool {
    let quiet = Quiet::new();
    let written = loop {
        match rustix::io::write(fifo, record) {
            Err(Errno::INTR) => {}
            other => break other,
        }
    };
    match written {
        Err(Errno::PIPE) => {
            quiet.swallow();
            false
        }
        // One that is full is rung enough.
        Ok(_) | Err(Errno::AGAIN) => true,
        Err(_) => false,
    }
}

/// SIGPIPE is blocked in this thread as long as this lives. (Rust programs ignore that signal, but not those of other languages that
/// have mi7 in a library.)
struct Quiet {
    pipe: libc::sigset_t,
    before: Option<libc::sigset_t>,
}

impl Quiet {
    fn new() -> Self {
        // SAFETY: a `sigset_t` is plain words, for which zeros are valid.
        let mut pipe: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: it writes to a set that is there.
        unsafe { libc::sigemptyset(&raw mut pipe) };
        // SAFETY: as above.
        unsafe { libc::sigaddset(&raw mut pipe, libc::SIGPIPE) };
        // SAFETY: both sets are there; other threads are not touched.
        let blocked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before) };
        Quiet { pipe, before: (blocked == 0).then_some(before) }
    }

    /// Takes back the signal that a write to a FIFO without readers has sent to this thread.
    fn swallow(&self) {
        // SAFETY: the set is there.
        let was_blocked =
            self.before.is_some_and(|before| unsafe { libc::sigismember(&raw const before, libc::SIGPIPE) } == 1);
        // One that was blocked by the program itself may be pending for its own reasons.
        if !was_blocked {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: set and time are there, and the place for what is known of the signal may be null.
            unsafe { libc::sigtimedwait(&raw const self.pipe, std::ptr::null_mut(), &raw const now) };
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: the set is there, and the place for the old one may be null.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const *before, std::ptr::null_mut()) };
        }
    }
}

/// A timer that can be waited for like a file.
pub(crate) fn timer() -> io::Result<Descriptor> {
    use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    Ok(Descriptor::open(|| timerfd_create(TimerfdClockId::Monotonic, flags))?)
}

/// Has the timer go off once, after `nanos`.
pub(crate) fn set_timer(timer: BorrowedFd<'_>, after: std::time::Duration) {
    use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    // 0 would be never.
    let after = after.max(std::time::Duration::from_nanos(1));
    let once = Timespec { tv_sec: after.as_secs().min(1 << 40) as i64, tv_nsec: after.subsec_nanos().into() };
    let once = Itimerspec { it_interval: never, it_value: once };
    // It fails only for what is no timer, or no time.
    let _ = timerfd_settime(timer, TimerfdTimerFlags::empty(), &once);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &tempfile::TempDir) -> Arc<Directory> {
        Directory::open(directory.path(), true, false, directory.path()).unwrap()
    }

    fn ring(directory: &Directory, id: u64, record: [u8; RECORD]) -> bool {
        super::ring(directory, id, record, || None)
    }

    #[test]
    fn a_doorbell_is_rung_as_long_as_it_has_an_owner() {
        let directory = tempfile::tempdir().unwrap();
        let place = open(&directory);
        let gid = rustix::process::getegid().as_raw();
        let fifo = make(&place, 7, 0o600, gid).unwrap();
        assert!(ring(&place, 7, *b"one."));
        assert!(ring(&place, 7, *b"two."));
        let mut records = [0; 64];
        assert_eq!(read(fifo.as_fd(), &mut records), 8);
        assert_eq!(&records[..8], b"one.two.");
        assert_eq!(read(fifo.as_fd(), &mut records), 0);
        drop(fifo);
        assert!(!ring(&place, 7, *b"late"), "kept open");
        assert!(!ring(&place, 7, *b"late"), "opened anew");
        assert!(!ring(&place, 8, *b"none"));
        sweep(&place);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_full_doorbell_counts_as_rung_and_one_in_use_is_not_swept() {
        let directory = tempfile::tempdir().unwrap();
        let place = open(&directory);
        let fifo = make(&place, 9, 0o666, rustix::process::getegid().as_raw()).unwrap();
        assert_eq!(fs::fstat(&fifo).unwrap().st_mode & 0o777, 0o622);
        for _ in 0..70_000 {
            assert!(ring(&place, 9, *b"more"));
        }
        sweep(&place);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
        remove(&place, 9);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_write_to_nobody_kills_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let place = open(&directory);
        let fifo = make(&place, 11, 0o600, rustix::process::getegid().as_raw()).unwrap();
        assert!(ring(&place, 11, *b"here"));
        // SAFETY: restoring what a C program has; nothing else in this process writes to broken pipes.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        drop(fifo);
        assert!(!ring(&place, 11, *b"gone"));
        // As on systems before Linux 6.18.
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(write_quietly(writer.as_fd(), b"here"));
        drop(reader);
        assert!(!write_quietly(writer.as_fd(), b"gone"));
        // SAFETY: as Rust programs have it.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    }

    #[test]
    fn a_doorbell_whose_name_is_lost_is_rung_by_where_it_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let held = open(&directory);
        let gid = rustix::process::getegid().as_raw();
        let mut records = [0; 64];
        let fifo = make(&held, 13, 0o600, gid).unwrap();
        std::fs::remove_dir_all(directory.path()).unwrap();
        assert!(held.is_removed());
        assert!(make(&held, 14, 0o600, gid).is_err());
        for (id, bell) in [(13, fifo), (14, without_name().unwrap())] {
            let place = Place::of(&bell).unwrap();
            assert!(!ring(&held, id, *b"none"), "it has no name");
            assert!(super::ring(&held, id, *b"ring", || Some(place)));
            // What else may be open there now, or in another process of that number.
            for wrong in [
                Place { inode: place.inode + 1, ..place },
                Place { descriptor: 1_000_000, ..place },
                Place { pid: u32::MAX, ..place },
            ] {
                assert!(!super::ring(&held, id + 100, *b"none", || Some(wrong)), "{wrong:?}");
            }
            assert_eq!(read(bell.as_fd(), &mut records), 4);
            assert_eq!(&records[..4], b"ring");
            drop(bell);
            assert!(!super::ring(&held, id, *b"late", || Some(place)), "kept open");
            assert!(!super::ring(&held, id, *b"late", || Some(place)), "opened anew");
        }
    }

    #[test]
    fn nothing_but_a_pipe_or_fifo_is_rung_by_where_it_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let held = open(&directory);
        let path = directory.path().join("file");
        let file = OwnedFd::from(std::fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap());
        let place = Place::of(&file).unwrap();
        assert!(!super::ring(&held, 15, *b"none", || Some(place)));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
