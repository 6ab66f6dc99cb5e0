//! The blocks of a channel's file: all of them are there before anybody maps it.
//!
//! A store to a mapped page whose block is missing has the kernel take one, and is SIGBUS where
//! there is none left. So a new file is allocated in full ([`allocate`]), and whoever opens a file
//! sees to it that no block is missing ([`make_whole`]): a copy made by `cp --sparse`, a restored
//! backup, or a file that was truncated and extended again has holes.
//!
//! # Whether a file has holes
//!
//! `fallocate` over the whole file leaves none. But where nothing is missing it takes up to 70 µs a
//! MiB in memory, for it looks at every page, and some file systems refuse it when they are full
//! even then. So what is there is asked first:
//!
//! - tmpfs says how many blocks the file has. It counts the file's own pages and nothing else, so a
//!   file that has exactly as many as its length takes has all of them. The exceptions are pages
//!   *behind* its end: a huge page may reach beyond it (`st_blksize` is its size where the file
//!   system uses huge pages, and the length is rounded up to that); and somebody may have allocated
//!   some there on purpose (`fallocate -n`) to make up for holes, which is not found out: whoever
//!   does that could as well make holes later.
//! - Others count blocks that are not the file's data, but say where each byte lies ([`extents`]).
//!
//! Making whole is idempotent, so any number of processes may open a file at once, and where it
//! fails it takes back only what it added itself.
//!
//! # Copy on write
//!
//! Space that is shared with another file (`cp --reflink`, which is what `cp` does on xfs and
//! btrfs) is not there either: the first store takes a new block. It is given its own
//! (`FALLOC_FL_UNSHARE_RANGE`), or the file is refused. btrfs writes *everything* to a new place,
//! unless a file is marked otherwise while it is empty; a channel's file is, and one that is not is
//! refused.
//!
//! # Limits and signals
//!
//! `fallocate` beyond the limit on file sizes (`ulimit -f`) kills the process by SIGXFSZ, so the
//! limit is looked at before. On older systems it gives up with EINTR at any signal, having taken
//! back what it did: under an interval timer it would never come to the end of a large file. So
//! once it was interrupted it goes on in pieces, ever smaller ones until they fit between two
//! signals.

use std::fs::File;
use std::path::Path;

use rustix::fs::{self, FallocateFlags, SeekFrom};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::{Error, Result, failure};
use crate::extents;

/// The first piece after an interruption, in bytes: some 100 µs in memory.
const PIECE: u64 = 1 << 20;
/// The smallest piece, in bytes: no page is smaller.
const SMALLEST: u64 = 4096;
/// `f_type` of tmpfs, from Linux's `uapi/linux/magic.h`.
const TMPFS: u64 = 0x0102_1994;
/// That of btrfs.
const BTRFS: u64 = 0x9123_683E;

/// Gives a new file its length, with all blocks.
pub(crate) fn allocate(file: &File, len: u64, path: &Path) -> Result<()> {
    let no_space = || Error::NoSpace { path: path.to_owned(), bytes: len };
    if getrlimit(Resource::Fsize).current.is_some_and(|longest| longest < len) || !has_room(file, len) {
        return Err(no_space());
    }
    if kind_of(file) == BTRFS {
        extents::write_in_place(file).map_err(|errno| failure("ioctl(FS_IOC_SETFLAGS)", path, errno))?;
    }
    in_pieces(len, |at, bytes| fs::fallocate(file, FallocateFlags::empty(), at, bytes))
        .map_err(|errno| if is_want_of_space(errno) { no_space() } else { failure("fallocate", path, errno) })
}

/// Sees to it that a file that is about to be mapped has all its blocks.
pub(crate) fn make_whole(file: &File, len: u64, path: &Path) -> Result<()> {
    let status = fs::fstat(file).map_err(|errno| failure("fstat", path, errno))?;
    let present = status.st_blocks as u64 * 512;
    let kind = kind_of(file);
    let flawed = |found: String, expected: String| Error::NotAChannel {
        path: path.to_owned(),
        what: "content",
        found,
        expected,
    };
    if kind == BTRFS && !extents::is_written_in_place(file) {
        let found = "on a btrfs that writes each change to a new place".into();
        return Err(flawed(found, "written in place (`chattr +C` on the directory that it is copied to)".into()));
    }
    let is_whole = match kind {
        TMPFS => present == len.next_multiple_of((status.st_blksize as u64).max(1)),
        _ => extents::cover(file, len) == Ok(true),
    };
    if is_whole {
        return Ok(());
    }
    let no_space = || Error::NoSpace { path: path.to_owned(), bytes: len };
    if !has_room(file, len.saturating_sub(present)) {
        return Err(no_space());
    }
    // Of a file that somebody has just cut off, the length stays what it is: it is found too short
    // by those who use it.
    let fill = |flags| in_pieces(len, |at, bytes| fs::fallocate(file, flags | FallocateFlags::KEEP_SIZE, at, bytes));
    let filled = match fill(FallocateFlags::UNSHARE_RANGE) {
        Err(Errno::OPNOTSUPP | Errno::INVAL) => fill(FallocateFlags::empty()),
        other => other,
    };
    let holes = |why: &str| {
        let found = format!("{present} of {len} bytes and holes, or shared with another file, {why}");
        flawed(found, format!("all {len} bytes, as in a copy made with `cp --sparse=never --reflink=never`"))
    };
    match filled {
        Ok(()) if kind == TMPFS || extents::cover(file, len) != Ok(false) => Ok(()),
        Ok(()) => Err(holes("which its file system does not change")),
        Err(errno) if is_want_of_space(errno) => Err(no_space()),
        // Such a file system knows no blocks that are allocated and unwritten, so a hole is where
        // nothing was written. One that does not know where its holes are says that there are none,
        // so both have to hold.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let first_hole = fs::seek(file, SeekFrom::Hole(0)).unwrap_or(0);
            let is_written = present >= len && first_hole >= len;
            if is_written { Ok(()) } else { Err(holes("which its file system cannot fill (it has no fallocate)")) }
        }
        Err(errno) => Err(failure("fallocate", path, errno)),
    }
}

/// What kind of file system a file is on: its `f_type`.
fn kind_of(file: &File) -> u64 {
    fs::fstatfs(file).map_or(0, |system| system.f_type as u64)
}

/// Whether the file system has so many bytes at all. Asked first, so that what cannot succeed does
/// not use up what others need meanwhile.
fn has_room(file: &File, bytes: u64) -> bool {
    // A tmpfs without a limit says that it has no blocks.
    fs::fstatvfs(file)
        .map_or(true, |system| system.f_blocks == 0 || system.f_bfree.saturating_mul(system.f_frsize) >= bytes)
}

fn is_want_of_space(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::FBIG | Errno::DQUOT | Errno::NOMEM)
}

/// Has `allocate` do all bytes up to `len`, at once or, if it is interrupted, in pieces.
fn in_pieces(len: u64, allocate: impl Fn(u64, u64) -> Result<(), Errno>) -> Result<(), Errno> {
    let (mut at, mut piece) = (0, len);
    while at < len {
        match allocate(at, piece.min(len - at)) {
            Ok(()) => at += piece.min(len - at),
            Err(Errno::INTR) => piece = (piece / 2).clamp(SMALLEST, PIECE),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_interrupted_allocation_covers_every_byte_once() {
        // Interrupted unless it is so small.
        for possible in [SMALLEST, 1 << 16, PIECE, u64::MAX] {
            for len in [1, SMALLEST, SMALLEST + 1, 3 * PIECE + 5, 100 * PIECE] {
                let end = Cell::new(0);
                let outcome = in_pieces(len, |at, bytes| {
                    if bytes > possible {
                        return Err(Errno::INTR);
                    }
                    assert_eq!(at, end.get());
                    assert!(bytes > 0);
                    end.set(at + bytes);
                    Ok(())
                });
                assert_eq!((outcome, end.get()), (Ok(()), len), "pieces of {possible}");
            }
        }
    }

    #[test]
    fn an_allocation_that_fails_is_not_tried_again() {
        let calls = Cell::new(0);
        let outcome = in_pieces(PIECE, |_, _| {
            calls.set(calls.get() + 1);
            Err(Errno::NOSPC)
        });
        assert_eq!((outcome, calls.get()), (Err(Errno::NOSPC), 1));
    }
}
