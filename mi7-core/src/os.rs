//! What the kernel does for a channel: files that get their names when they are complete, OFD locks, clocks.
//!
//! Nothing here knows what is in a file. Futexes are in [`crate::wait`], the mapping in [`crate::region`].

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::blocks;
use crate::directory::{Directory, held, names_in};
use crate::error::{Error, Result, failure};
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
    /// Open: names are looked up there, and not by the path.
    held: Option<Arc<Directory>>,
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
                held: None,
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

    /// Where the messages of this channel go that were handed out too often.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`]: the name is too long to be made longer.
    pub fn dead_letters(&self) -> Result<Self> {
        self.with_suffix(crate::burial::SUFFIX)
    }

    /// The file beside this one whose name is longer by `suffix`.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Result<Self> {
        let beside = Location::new(None, &format!("{}{suffix}", self.name))?;
        Ok(Location { name: beside.name, ..self.clone() })
    }

    /// The same, with its directory open; made (mode 0700) where `make` says so.
    pub(crate) fn hold(mut self, make: bool) -> Result<Self> {
        self.held = Some(self.directory(make)?);
        Ok(self)
    }

    /// The directory, which is opened if it is not held.
    pub(crate) fn directory(&self, make: bool) -> Result<Arc<Directory>> {
        match &self.held {
            Some(directory) => Ok(Arc::clone(directory)),
            None => Directory::open(&self.directory, self.chosen, make, &self.path()),
        }
    }

    /// Makes a file that has no name yet, of `len` bytes that are really there.
    pub(crate) fn create_unnamed(&self, len: u64, mode: u32) -> Result<Unnamed> {
        let directory = self.directory(true)?;
        // It could be made there, but not be given a name.
        if directory.is_removed() {
            return Err(self.no_directory());
        }
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let open = || retry_on_intr(|| fs::openat(&directory, ".", flags, mode));
        let file = Descriptor::open(open).map_err(|errno| match errno {
            Errno::NOENT => self.no_directory(),
            Errno::NOSPC | Errno::DQUOT => Error::NoSpace { path: self.path(), bytes: len },
            _ => failure("open(O_TMPFILE)", &self.directory, errno),
        })?;
        retry_on_intr(|| fs::fchmod(&file, mode)).map_err(|errno| failure("fchmod", &self.path(), errno))?;
        let file = file.into_file();
        blocks::allocate(&file, len, &self.path())?;
        Ok(Unnamed { file, directory })
    }

    /// Gives a file made by [`create_unnamed`](Self::create_unnamed) its name, if nobody has it.
    pub(crate) fn give_name(&self, file: &File, directory: &Directory) -> Result<()> {
        let name = self.name.as_str();
        let link = || fs::linkat(fs::CWD, held(file), directory, name, AtFlags::SYMLINK_FOLLOW);
        let linked = match retry_on_intr(link) {
            // No /proc. Since Linux 6.10 it can be done without.
            Err(Errno::NOENT | Errno::NOTDIR) if !directory.is_removed() => {
                match retry_on_intr(|| fs::linkat(file, "", directory, name, AtFlags::EMPTY_PATH)) {
                    Err(Errno::NOENT | Errno::PERM | Errno::INVAL) if !directory.is_removed() => {
                        return Err(Error::NoDirectory { path: self.path(), missing: "/proc/self/fd".into() });
                    }
                    other => other,
                }
            }
            other => other,
        };
        linked.map_err(|errno| match errno {
            Errno::EXIST => Error::AlreadyExists { path: self.path() },
            Errno::NOENT => self.no_directory(),
            Errno::NOSPC | Errno::DQUOT => {
                Error::NoSpace { path: self.path(), bytes: file.metadata().map_or(0, |status| status.len()) }
            }
            _ => failure("linkat", &self.path(), errno),
        })
    }

    /// Opens the file, without following links.
    pub(crate) fn open(&self) -> Result<Descriptor<File>> {
        let directory = self.directory(false)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || retry_on_intr(|| fs::openat(&directory, self.name.as_str(), flags, Mode::empty()));
        Descriptor::open(open).map(Descriptor::into_file).map_err(|errno| {
            let kind = match errno {
                Errno::LOOP => "a symbolic link",
                Errno::ISDIR => "a directory",
                Errno::NXIO => "a socket or a device without a driver",
                Errno::NOENT => return Error::NotFound { path: self.path() },
                _ => return failure("open", &self.path(), errno),
            };
            self.not_a_file(kind)
        })
    }

    fn no_directory(&self) -> Error {
        Error::NoDirectory { path: self.path(), missing: self.directory.clone() }
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
        let directory = self.directory(false)?;
        let unlink = || fs::unlinkat(&directory, self.name.as_str(), AtFlags::empty());
        retry_on_intr(unlink).map_err(|errno| match errno {
            Errno::ISDIR => self.not_a_file("a directory"),
            Errno::NOENT => Error::NotFound { path: self.path() },
            _ => failure("unlink", &self.path(), errno),
        })
    }
}

/// A file without a name: it is gone with its last descriptor, whatever happens.
pub(crate) struct Unnamed {
    pub(crate) file: Descriptor<File>,
    /// Where it will get its name.
    pub(crate) directory: Arc<Directory>,
}

/// `/dev/shm/mi7-<uid>`: on a file system in memory, and of this user alone.
pub fn default_directory() -> PathBuf {
    PathBuf::from(format!("/dev/shm/mi7-{}", rustix::process::geteuid().as_raw()))
}

/// The names of the regular files in a directory that could be channels, sorted. None where there is no directory.
///
/// # Errors
///
/// [`Error::PermissionDenied`], [`Error::UnsafeDirectory`].
pub fn names(directory: Option<&Path>) -> Result<Vec<String>> {
    let path = directory.map_or_else(default_directory, Path::to_path_buf);
    let open = match Directory::open(&path, directory.is_some(), false, &path) {
        Err(Error::NotFound { .. } | Error::NoDirectory { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let entries = names_in(&open).map_err(|errno| failure("readdir", &path, errno))?;
    let mut names: Vec<String> = entries
        .into_iter()
        .filter(|(_, kind)| matches!(kind, fs::FileType::RegularFile | fs::FileType::Unknown))
        .filter_map(|(name, _)| String::from_utf8(name).ok())
        .filter(|name| Location::new(directory, name).is_ok())
        .collect();
    names.sort();
    Ok(names)
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
