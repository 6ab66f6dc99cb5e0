//! Reading a file: its size, its newlines, its CRC-32.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// What is in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Its size.
    pub bytes: u64,
    /// Its newlines.
    pub lines: u64,
    /// Its CRC-32.
    pub crc32: u32,
}

/// Reads a file to its end, through `buffer`: files of any size, in the memory of one buffer.
///
/// # Errors
///
/// What the system says; or that it is not a file any more.
pub fn digest(path: &Path, buffer: &mut [u8]) -> io::Result<Digest> {
    // What was a file when it was found may have become a link or a pipe, which must neither be followed nor waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file any more"));
    }
    let mut digest = Digest::default();
    let mut crc32 = crc32fast::Hasher::new();
    loop {
        let read = match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.bytes += read.len() as u64;
        digest.lines += memchr::memchr_iter(b'\n', read).count() as u64;
        crc32.update(read);
    }
    digest.crc32 = crc32.finalize();
    Ok(digest)
}
