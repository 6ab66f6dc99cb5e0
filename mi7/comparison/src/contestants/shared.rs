//! Memory that two processes map, for the limits.

use std::fs::OpenOptions;
use std::path::Path;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::contestant::Outcome;

/// Maps a file of so many bytes, which is made if there is none. It stays mapped.
pub fn map(path: &Path, bytes: usize) -> Outcome<NonNull<u8>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    file.set_len(bytes as u64)?;
    // SAFETY: a new mapping, of a file that nobody truncates.
    let at =
        unsafe { mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &file, 0) }?;
    Ok(NonNull::new(at.cast()).ok_or("mapped at zero")?)
}
