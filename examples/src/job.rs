//! A file to be digested, as the bytes of a [`Message`](mi7::Message).
//!
//! ```text
//! ┌──────────────────────────────┬──────────────────────────────┐
//! │ number: u64, little-endian   │ path: raw bytes, to the end  │
//! └──────────────────────────────┴──────────────────────────────┘
//! ```
//!
//! Paths on Linux are bytes and need not be UTF-8. A [`Job`] borrows its path from where it lies in shared memory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest path that is sent, in bytes: no system call takes a longer one.
pub const MAX_PATH: usize = 4096;
/// The largest message, in bytes.
pub const MAX_MESSAGE: usize = NUMBER + MAX_PATH;

const NUMBER: usize = size_of::<u64>();

/// A file to be digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job<'a> {
    /// The file's place in the sorted walk, from 0.
    pub number: u64,
    /// The file.
    pub path: &'a Path,
}

impl<'a> Job<'a> {
    /// The bytes of the message, or `None` if the path is longer than [`MAX_PATH`].
    pub fn encode(&self) -> Option<Vec<u8>> {
        let path = self.path.as_os_str().as_bytes();
        (path.len() <= MAX_PATH).then(|| [&self.number.to_le_bytes(), path].concat())
    }

    /// What the bytes of a message say, or `None` if they are too few.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (number, path) = bytes.split_first_chunk::<NUMBER>()?;
        Some(Job { number: u64::from_le_bytes(*number), path: Path::new(OsStr::from_bytes(path)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_comes_back_from_its_bytes() {
        let job = Job { number: u64::MAX - 1, path: Path::new(OsStr::from_bytes(b"a/\xFF\n/b")) };
        assert_eq!(Job::decode(&job.encode().unwrap()), Some(job));
        assert_eq!(Job::decode(b"1234567"), None);
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let path = "x".repeat(MAX_PATH + 1);
        assert_eq!(Job { number: 0, path: Path::new(&path) }.encode(), None);
        assert_eq!(Job { number: 0, path: Path::new(&path[1..]) }.encode().unwrap().len(), MAX_MESSAGE);
    }
}
