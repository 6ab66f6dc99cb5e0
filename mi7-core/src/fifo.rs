//! What the kernel does for doorbells: a FIFO that one process reads and anybody who may open the channel writes to.
//!
//! A doorbell's FIFO lies beside the channels, as `.bell-` and sixteen hexadecimal digits drawn at random; no channel's name begins with a
//! dot. Its owner has it open for reading *and* writing, so that it never comes to its end, and so that it has a reader for as long
//! as its owner lives: opening it for writing only is how others tell. It gets its name when it is open already: so one that has the
//! name and no reader is certainly stale, and may be removed by anybody ([`sweep`]).

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

use crate::error::Result;
use crate::fork::Descriptor;
use crate::os::failure;
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

fn named(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{NAMED}{id:016x}"))
}

fn unnamed(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{UNNAMED}{id:016x}"))
}

/// Makes a FIFO and opens it. Those may write to it whom `mode` lets write, and `group` if this process can see to that.
pub(crate) fn make(directory: &Path, id: u64, mode: u32, group: u32) -> Result<Descriptor> {
    let (first, path) = (unnamed(directory, id), named(directory, id));
    let failed = |call| move |errno| failure(call, &named(directory, id), errno);
    fs::mknodat(fs::CWD, &first, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(failed("mkfifo"))?;
    fault!("doorbell made, not opened");
    let open = || {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fifo = Descriptor::open(|| fs::open(&first, flags, Mode::empty())).map_err(failed("open"))?;
        if fs::fstat(&fifo).is_ok_and(|status| status.st_gid != group) {
            // Not in that group, or not allowed to: then its members are woken by their ticks.
            let _ = fs::fchown(&fifo, None, Some(fs::Gid::from_raw(group)));
        }
        fs::fchmod(&fifo, Mode::from_raw_mode(mode & 0o222 | 0o600)).map_err(failed("fchmod"))?;
        fs::rename(&first, &path).map_err(failed("rename"))?;
        Ok(fifo)
    };
    let opened = open();
    if opened.is_err() {
        let _ = fs::unlink(&first);
    }
    fault!("doorbell named");
    opened
}

/// Takes away the FIFO of one who is dead, or is about to close it.
pub(crate) fn remove(directory: &Path, id: u64) {
    // Where it is gone already, so much the better.
    let _ = fs::unlink(named(directory, id));
    let _ = fs::unlink(unnamed(directory, id));
}

/// Takes away what processes left that died with nobody else in their channels. Whatever goes wrong is left to the next one.
#[cold]
pub(crate) fn sweep(directory: &Path) {
    let Ok(files) = directory.read_dir() else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let path = file.path();
        let name = name.as_encoded_bytes();
        if name.starts_with(NAMED.as_bytes()) && is_fifo(&path) {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            if fs::open(&path, flags, Mode::empty()).is_err_and(|errno| errno == Errno::NXIO) {
                let _ = fs::unlink(&path);
            }
        } else if name.starts_with(UNNAMED.as_bytes()) && is_fifo(&path) {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
            if fs::lstat(&path).is_ok_and(|status| now - status.st_ctime > LONG_AGO) {
                let _ = fs::unlink(&path);
            }
        }
    }
}

fn is_fifo(path: &Path) -> bool {
    fs::lstat(path).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo)
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

/// Rings somebody's doorbell. False if it has no reader: whoever had it is dead, or has closed it.
pub(crate) fn ring(directory: &Path, id: u64, record: [u8; RECORD]) -> bool {
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
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(fifo) = fs::open(named(directory, id), flags, Mode::empty()) else { return false };
    // Nothing but a FIFO is written to, whatever has come to lie there.
    if !fs::fstat(&fifo).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo) {
        return false;
    }
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

    #[test]
    fn a_doorbell_is_rung_as_long_as_it_has_an_owner() {
        let directory = tempfile::tempdir().unwrap();
        let gid = rustix::process::getegid().as_raw();
        let fifo = make(directory.path(), 7, 0o600, gid).unwrap();
        assert!(ring(directory.path(), 7, *b"one."));
        assert!(ring(directory.path(), 7, *b"two."));
        let mut records = [0; 64];
        assert_eq!(read(fifo.as_fd(), &mut records), 8);
        assert_eq!(&records[..8], b"one.two.");
        assert_eq!(read(fifo.as_fd(), &mut records), 0);
        drop(fifo);
        assert!(!ring(directory.path(), 7, *b"late"), "kept open");
        assert!(!ring(directory.path(), 7, *b"late"), "opened anew");
        assert!(!ring(directory.path(), 8, *b"none"));
        sweep(directory.path());
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_full_doorbell_counts_as_rung_and_one_in_use_is_not_swept() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = make(directory.path(), 9, 0o666, rustix::process::getegid().as_raw()).unwrap();
        assert_eq!(fs::fstat(&fifo).unwrap().st_mode & 0o777, 0o622);
        for _ in 0..70_000 {
            assert!(ring(directory.path(), 9, *b"more"));
        }
        sweep(directory.path());
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
        remove(directory.path(), 9);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_write_to_nobody_kills_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = make(directory.path(), 11, 0o600, rustix::process::getegid().as_raw()).unwrap();
        assert!(ring(directory.path(), 11, *b"here"));
        // SAFETY: restoring what a C program has; nothing else in this process writes to broken pipes.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        drop(fifo);
        assert!(!ring(directory.path(), 11, *b"gone"));
        // As on systems before Linux 6.18.
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(write_quietly(writer.as_fd(), b"here"));
        drop(reader);
        assert!(!write_quietly(writer.as_fd(), b"gone"));
        // SAFETY: as Rust programs have it.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    }
}
