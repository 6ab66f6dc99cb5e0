//! What the kernel does for a channel: files that get their names when they are complete, OFD locks, clocks.
//!
//! Nothing here knows what is in a file. Futexes are in [`crate::wait`], the mapping in [`crate::region`].

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fork::Descriptor;

/// The longest name of a channel, in bytes: 255 is the most a file system takes, the rest is left for suffixes.
const MAX_NAME: usize = 200;

/// Where a channel's file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    directory: PathBuf,
    /// The directory was chosen by the user, who then answers for who else can write to it.
    chosen: bool,
    name: String,
}

impl Location {
    /// The file of channel `name` in `directory`, by default [`default_directory`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`].
    pub fn new(directory: Option<&Path>, name: &str) -> Result<Self> {
        let why = if name.is_empty() {
            "it is empty"
        } else if name.len() > MAX_NAME {
            "it is too long"
        } else if name.starts_with('.') {
            "it begins with a dot"
        } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            "it has a character that is not allowed"
        } else {
            return Ok(Location {
                directory: directory.map_or_else(default_directory, Path::to_path_buf),
                chosen: directory.is_some(),
                name: name.to_owned(),
            });
        };
        Err(Error::InvalidName { name: name.to_owned(), why })
    }

    /// The channel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's path.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file beside this one whose name is longer by `suffix`.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Result<Self> {
        let beside = Location::new(None, &format!("{}{suffix}", self.name))?;
        Ok(Location { directory: self.directory.clone(), chosen: self.chosen, ..beside })
    }

    /// Opens the directory, making it (mode 0700) where `make` says so.
    fn open_directory(&self, make: bool) -> Result<OwnedFd> {
        open_directory(&self.directory, self.chosen, make)
    }

    /// Makes a file that has no name yet, of `len` bytes that are really there.
    pub(crate) fn create_unnamed(&self, len: u64, mode: u32) -> Result<Unnamed> {
        let directory = self.open_directory(true)?;
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let file = Descriptor::open(|| fs::openat(&directory, ".", flags, mode))
            .map_err(|errno| failure("open(O_TMPFILE)", &self.directory, errno))?;
        fs::fchmod(&file, mode).map_err(|errno| failure("fchmod", &self.path(), errno))?;
        fs::fallocate(&file, FallocateFlags::empty(), 0, len).map_err(|errno| match errno {
            Errno::NOSPC | Errno::FBIG | Errno::DQUOT | Errno::NOMEM => {
                Error::NoSpace { path: self.path(), bytes: len }
            }
            _ => failure("fallocate", &self.path(), errno),
        })?;
        Ok(Unnamed { file: file.into_file(), directory })
    }

    /// Gives a file made by [`create_unnamed`](Self::create_unnamed) its name, if nobody has it.
    pub(crate) fn give_name(&self, file: &File, directory: &OwnedFd) -> Result<()> {
        let from = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::linkat(fs::CWD, from, directory, self.name.as_str(), AtFlags::SYMLINK_FOLLOW).map_err(|errno| match errno {
            Errno::EXIST => Error::AlreadyExists { path: self.path() },
            _ => failure("linkat", &self.path(), errno),
        })
    }

    /// Opens the file, without following links.
    pub(crate) fn open(&self) -> Result<Descriptor<File>> {
        let directory = self.open_directory(false).map_err(|error| match error {
            // Where there is no directory there is no channel.
            Error::NotFound { .. } => Error::NotFound { path: self.path() },
            other => other,
        })?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || fs::openat(&directory, self.name.as_str(), flags, Mode::empty());
        Descriptor::open(open).map(Descriptor::into_file).map_err(|errno| {
            let kind = match errno {
                Errno::LOOP => "a symbolic link",
                Errno::ISDIR => "a directory",
                Errno::NXIO => "a socket or a device without a driver",
                _ => return failure("open", &self.path(), errno),
            };
            self.not_a_file(kind)
        })
    }

    pub(crate) fn not_a_file(&self, found: &str) -> Error {
        Error::NotAChannel {
            path: self.path(),
            what: "kind of file",
            found: found.into(),
            expected: "a regular file".into(),
        }
    }

    /// Takes the name away. Whoever has the channel open keeps it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is none, [`Error::PermissionDenied`], [`Error::NotAChannel`] for a directory.
    pub fn remove(&self) -> Result<()> {
        let directory = self.open_directory(false).map_err(|error| match error {
            Error::NotFound { .. } => Error::NotFound { path: self.path() },
            other => other,
        })?;
        fs::unlinkat(&directory, self.name.as_str(), AtFlags::empty()).map_err(|errno| match errno {
            Errno::ISDIR => self.not_a_file("a directory"),
            _ => failure("unlink", &self.path(), errno),
        })
    }
}

/// A file without a name: it is gone with its last descriptor, whatever happens.
pub(crate) struct Unnamed {
    pub(crate) file: Descriptor<File>,
    /// Where it will get its name.
    pub(crate) directory: OwnedFd,
}

/// `/dev/shm/mi7-<uid>`: on a file system in memory, and of this user alone.
pub fn default_directory() -> PathBuf {
    PathBuf::from(format!("/dev/shm/mi7-{}", rustix::process::geteuid().as_raw()))
}

fn open_directory(path: &Path, chosen: bool, make: bool) -> Result<OwnedFd> {
    if make {
        match fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failure("mkdir", path, errno)),
        }
    }
    // A link that the user wrote is followed; one that somebody left in /dev/shm is not.
    let follow = if chosen { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    let wrong = |found: String, expected: &str| Error::UnsafeDirectory {
        path: path.to_owned(),
        found,
        expected: expected.into(),
    };
    let directory = fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP => wrong("a symbolic link".into(), "a directory"),
        Errno::NOTDIR => wrong("something that is no directory".into(), "a directory"),
        _ => failure("open", path, errno),
    })?;
    if !chosen {
        let status = fs::fstat(&directory).map_err(|errno| failure("fstat", path, errno))?;
        let uid = rustix::process::geteuid().as_raw();
        if status.st_uid != uid {
            return Err(wrong(format!("owner {}", status.st_uid), &format!("owner {uid}, this process's user")));
        }
        if status.st_mode & 0o022 != 0 {
            let found = format!("mode {:04o}", status.st_mode & 0o7777);
            return Err(wrong(found, "one that nobody else can write to, such as 0700"));
        }
    }
    Ok(directory)
}

/// The names of the regular files in a directory that could be channels, sorted. None where there is no directory.
///
/// # Errors
///
/// [`Error::PermissionDenied`], [`Error::UnsafeDirectory`].
pub fn names(directory: Option<&Path>) -> Result<Vec<String>> {
    let path = directory.map_or_else(default_directory, Path::to_path_buf);
    let open = match open_directory(&path, directory.is_some(), false) {
        Err(Error::NotFound { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let entries = fs::Dir::new(open).map_err(|errno| failure("readdir", &path, errno))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|errno| failure("readdir", &path, errno))?;
        if let Ok(name) = entry.file_name().to_str()
            && matches!(entry.file_type(), fs::FileType::RegularFile | fs::FileType::Unknown)
            && Location::new(directory, name).is_ok()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The error for a failed call: one with a name where there is one.
pub(crate) fn failure(call: &'static str, path: &Path, errno: Errno) -> Error {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => Error::NotFound { path },
        Errno::ACCESS | Errno::PERM => Error::PermissionDenied { path, call, uid: rustix::process::geteuid().as_raw() },
        _ => Error::Os { call, path, source: io::Error::from_raw_os_error(errno.raw_os_error()) },
    }
}

/// Takes the write lock on one byte of the file, for as long as the file is open. False: somebody else has it.
///
/// An *open file description* lock: the kernel lets go of it when the last descriptor of this opening of the file is
/// closed, so at the latest at death, after the last thread has ceased to write to memory. Unlike the classic POSIX
/// lock it is not lost when another descriptor of the same file is closed.
pub(crate) fn try_lock(file: &File, at: u64) -> io::Result<bool> {
    let mut lock = byte_lock(at);
    match fcntl(file, libc::F_OFD_SETLK, &mut lock) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets go of the lock on one byte.
pub(crate) fn unlock(file: &File, at: u64) -> io::Result<()> {
    let mut lock = byte_lock(at);
    lock.l_type = libc::F_UNLCK as libc::c_short;
    fcntl(file, libc::F_OFD_SETLK, &mut lock)
}

/// Whether anybody has the lock on one byte, apart from this opening of the file, which does not see its own.
pub(crate) fn is_locked(file: &File, at: u64) -> io::Result<bool> {
    let mut lock = byte_lock(at);
    fcntl(file, libc::F_OFD_GETLK, &mut lock)?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

fn byte_lock(at: u64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: at as libc::off_t,
        l_len: 1,
        // The kernel insists on 0 for locks of this kind.
        l_pid: 0,
    }
}

fn fcntl(file: &File, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    loop {
        // SAFETY: the descriptor is open, and the commands used here read and write one `flock`, which `lock` is.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut *lock) };
        if result != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Milliseconds of the monotonic clock, to within a scheduler tick; some nanoseconds to read. All processes see one clock.
pub(crate) fn coarse_millis() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Bytes from the kernel's generator of random numbers.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(some) => filled += some,
            Err(Errno::INTR) => {}
            // A kernel without it is older than all else that is needed; ids are then told apart by time alone.
            Err(_) => {
                let clock = unix_nanos().to_le_bytes();
                bytes.iter_mut().zip(clock.iter().cycle()).for_each(|(byte, tick)| *byte = *tick);
                break;
            }
        }
    }
    bytes
}

/// How many processors the machine has; not how many this process may use: who waits spins for another process, which may well
/// be pinned elsewhere.
pub(crate) fn processors() -> usize {
    static PROCESSORS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    // SAFETY: it takes no pointers.
    *PROCESSORS.get_or_init(|| usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_limited_to_what_is_safe_in_a_path() {
        for good in ["a", "orders", "A-Z_0.9", &"x".repeat(200)] {
            assert!(Location::new(None, good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "ä", "a\0", "a\n", &"x".repeat(201)] {
            assert!(matches!(Location::new(None, bad), Err(Error::InvalidName { .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_lock_is_seen_by_another_opening_of_the_file_and_not_by_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let (one, two) = (open(), open());
        assert!(try_lock(&one, 7).unwrap());
        assert!(!try_lock(&two, 7).unwrap());
        assert!(try_lock(&two, 8).unwrap(), "locks are of single bytes");
        assert!(is_locked(&two, 7).unwrap());
        assert!(!is_locked(&one, 7).unwrap());
        drop(open());
        assert!(is_locked(&two, 7).unwrap(), "closing some other descriptor changes nothing");
        drop(one);
        assert!(!is_locked(&two, 7).unwrap());
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<16>(), random::<16>());
    }
}
