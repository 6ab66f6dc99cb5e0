//! What the daemon is told: the messages of its typed channel, read where they lie.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mi7::{FixedString, FixedVec};

use crate::digest::Digest;
use crate::job::{Job, MAX_PATH};

/// The longest name of a worker, in bytes.
pub const MAX_NAME: usize = 32;

/// A worker's name.
pub type Name = FixedString<MAX_NAME>;

/// A path, as bytes.
pub type PathBytes = FixedVec<u8, MAX_PATH>;

/// What the daemon is told. All but the rare kinds take less than a hundred bytes of a slot; the rest of it is not touched.
#[mi7::message]
#[derive(Clone, Debug)]
pub enum News {
    /// A file was digested, or cannot be.
    File(FileReport),
    /// A directory could not be listed. It has a number, as a file does; what is in it has none.
    Skipped(Skipped),
    /// The walk has come so far.
    Reached(Reached),
    /// The walk is at its end: so many numbers were given.
    Walked(u64),
}

/// A directory that could not be listed.
#[mi7::message]
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Its place in the walk.
    pub number: u64,
    /// Why.
    pub failure: Failure,
}

/// How far a walk has come.
#[mi7::message]
#[derive(Clone, Debug)]
pub struct Reached {
    /// The last file that was sent.
    pub path: PathBytes,
    /// The number of the next.
    pub next: u64,
}

/// What a worker found in a file.
#[mi7::message]
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file's place in the walk.
    pub number: u64,
    /// Its size.
    pub bytes: u64,
    /// Its newlines, as `wc -l` counts them.
    pub lines: u64,
    /// Its CRC-32, as zlib counts it.
    pub crc32: u32,
    /// Who digested it.
    pub worker: Name,
    /// Why it could not be read; the numbers above are 0 then.
    pub failure: Option<Failure>,
}

/// A file or directory that cannot be read, and why.
#[mi7::message]
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its path; of one that is longer, the end.
    pub path: PathBytes,
    /// What the system says.
    pub why: FixedString<160>,
}

impl FileReport {
    /// The report on a job.
    pub fn new(job: Job<'_>, worker: Name, result: Result<Digest, Failure>) -> Self {
        let (Digest { bytes, lines, crc32 }, failure) = match result {
            Ok(digest) => (digest, None),
            Err(failure) => (Digest::default(), Some(failure)),
        };
        FileReport { number: job.number, bytes, lines, crc32, worker, failure }
    }
}

impl Failure {
    /// What does not fit is cut off: the beginning of the path, the end of the reason.
    pub fn new(path: &Path, why: &str) -> Self {
        let mut cut = FixedString::new();
        // Until the first that does not fit.
        let _ = why.chars().try_for_each(|char| cut.try_push(char));
        Failure { path: path_bytes(path), why: cut }
    }
}

/// A path as bytes; of one that is too long, the end.
pub fn path_bytes(path: &Path) -> PathBytes {
    let bytes = path.as_os_str().as_bytes();
    let end = &bytes[bytes.len().saturating_sub(MAX_PATH)..];
    PathBytes::try_from(end).unwrap_or_default()
}

/// The path in received bytes.
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
