//! Where the data of a file on a disk lies (`FIEMAP`): whether each of its bytes has a place of its
//! own.
//!
//! The system call is described in Linux's `Documentation/filesystems/fiemap.rst`, its structures
//! are in `uapi/linux/fiemap.h`.

use std::fs::File;
use std::mem::{offset_of, size_of};

use rustix::fs::IFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// How many extents are asked for at a time.
const EXTENTS: usize = 32;

/// `struct fiemap`, with room for some extents.
#[repr(C)]
struct Map {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [Extent; EXTENTS],
}

/// `struct fiemap_extent`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved: [u64; 2],
    flags: u32,
    also_reserved: [u32; 3],
}

const _: () = assert!(size_of::<Extent>() == 56 && offset_of!(Map, extents) == 32);

/// `FS_IOC_FIEMAP`, whose number has the size of the structure without the extents.
const FIEMAP: Opcode = opcode::read_write::<[u64; 4]>(b'f', 11);
/// The data is compressed or encrypted, lies within the metadata, or is another file's as well:
/// writing to it takes new space.
const NOT_ITS_OWN: u32 = 0x0008 | 0x0200 | 0x2000;

/// Whether each of the first `len` bytes has a place of its own, written to or not. An error where
/// the file system cannot tell.
pub(crate) fn cover(file: &File, len: u64) -> Result<bool, Errno> {
    let mut covered = 0;
    while covered < len {
        let mut map = Map {
            start: covered,
            length: len - covered,
            flags: 0,
            mapped_extents: 0,
            extent_count: EXTENTS as u32,
            reserved: 0,
            extents: [Extent::default(); EXTENTS],
        };
        retry_on_intr(|| {
            // SAFETY: the call reads and writes a `struct fiemap` with as many extents as it says,
            // which `Map` is.
            let request = unsafe { Updater::<FIEMAP, Map>::new(&mut map) };
            // SAFETY: as above; it changes nothing but what it is given.
            unsafe { ioctl(file, request) }
        })?;
        let before = covered;
        for extent in map.extents.iter().take(map.mapped_extents as usize) {
            if extent.logical > covered || extent.flags & NOT_ITS_OWN != 0 {
                return Ok(false);
            }
            covered = covered.max(extent.logical.saturating_add(extent.length));
        }
        if covered == before {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Has the file system write to the file's data where it lies, rather than elsewhere. Of a file
/// that has none yet.
pub(crate) fn write_in_place(file: &File) -> Result<(), Errno> {
    let flags = rustix::fs::ioctl_getflags(file)?;
    rustix::fs::ioctl_setflags(file, flags | IFlags::NOCOW)
}

/// Whether the file system does.
pub(crate) fn is_written_in_place(file: &File) -> bool {
    rustix::fs::ioctl_getflags(file).is_ok_and(|flags| flags.contains(IFlags::NOCOW))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use rustix::fs::{FallocateFlags, fallocate};

    use super::*;

    #[test]
    fn holes_are_told_from_what_is_allocated_or_written() {
        let file = tempfile::tempfile().unwrap();
        let page = 4096;
        if cover(&file, page) == Err(Errno::OPNOTSUPP) {
            eprintln!("skipped: the file system of {} cannot tell", std::env::temp_dir().display());
            return;
        }
        file.set_len(100 * page).unwrap();
        assert_eq!(cover(&file, 100 * page), Ok(false));
        fallocate(&file, FallocateFlags::empty(), 0, 100 * page).unwrap();
        assert_eq!(cover(&file, 100 * page), Ok(true));
        assert_eq!(cover(&file, 100 * page - 1), Ok(true));
        for written in (0..100).step_by(2) {
            file.write_all_at(&[1], written * page).unwrap();
            file.sync_data().unwrap();
        }
        assert_eq!(cover(&file, 100 * page), Ok(true), "in many extents");
        for hole in [99, 0, 50] {
            fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, hole * page, page).unwrap();
            assert_eq!(cover(&file, 100 * page), Ok(false), "a hole at page {hole}");
            fallocate(&file, FallocateFlags::empty(), hole * page, page).unwrap();
            assert_eq!(cover(&file, 100 * page), Ok(true));
        }
    }
}
