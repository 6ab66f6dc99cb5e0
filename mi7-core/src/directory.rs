//! The directory that a channel lies in, held open for as long as the channel is.
//!
//! A path is looked up once, when a channel is made or opened. All that a process does there later
//! (the dead letters' channel, doorbells, sweeping) goes by the descriptor. So it makes no
//! difference if the process changes its working directory, or if the directory is moved, or
//! removed and made anew, as a service manager does with what lies in `/dev/shm`: what belongs to
//! the old one is looked for in the old one. All channels of a process that lie in one directory
//! share its descriptor, which is inert (`O_PATH`): it only names the directory, and a forked child
//! can do no harm with it.
//!
//! # How a directory is made
//!
//! With mode 0700, whatever the umask. An umask that takes rights from the owner (0777, say) would
//! leave a directory that the others of this user cannot use, until its maker has changed the mode,
//! or for ever if it dies before. So under such an umask the directory is made under another name
//! beside it, and gets its own name when it has its mode, unless somebody else was faster. A maker
//! that dies in between leaves an empty directory `.mi7-` and sixteen hexadecimal digits, which is
//! in nobody's way.

use std::hash::{Hash, Hasher};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::error::{Error, Result, failure};
use crate::os::random;

/// An open directory. Two of them are equal if they are the same directory, whatever their paths.
#[derive(Debug)]
pub(crate) struct Directory {
    file: OwnedFd,
    /// For messages: where it was when it was opened.
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Those that this process has open.
static OPEN: Mutex<Vec<Weak<Directory>>> = Mutex::new(Vec::new());

impl Directory {
    /// Opens a directory, for the channel whose file is `channel`; made first if there is none and
    /// `make` says so.
    ///
    /// One that the user has not `chosen` must be this user's alone.
    pub(crate) fn open(path: &Path, chosen: bool, make: bool, channel: &Path) -> Result<Arc<Self>> {
        let file = find(path, chosen, make, channel)?;
        let status = fs::fstat(&file).map_err(|errno| failure("fstat", path, errno))?;
        if !chosen {
            check_owner(path, &status)?;
        }
        let directory = Directory { file, path: path.to_owned(), device: status.st_dev, inode: status.st_ino };
        // Where another thread is at it (or was, when this process was forked), this channel has a
        // descriptor of its own.
        let Ok(mut open) = OPEN.try_lock() else { return Ok(Arc::new(directory)) };
        open.retain(|known| known.strong_count() > 0);
        if let Some(known) = open.iter().filter_map(Weak::upgrade).find(|known| **known == directory) {
            return Ok(known);
        }
        let directory = Arc::new(directory);
        open.push(Arc::downgrade(&directory));
        Ok(directory)
    }

    /// Where it was when it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of its file system.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// Whether it was removed: nothing can be made in it any more.
    pub(crate) fn is_removed(&self) -> bool {
        fs::fstat(&self.file).is_ok_and(|status| status.st_nlink == 0)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl PartialEq for Directory {
    fn eq(&self, other: &Self) -> bool {
        // Held open, so its number is nobody else's.
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl Eq for Directory {}

impl Hash for Directory {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.device, self.inode).hash(state);
    }
}

fn find(path: &Path, chosen: bool, make: bool, channel: &Path) -> Result<OwnedFd> {
    if path.as_os_str().is_empty() || path.as_os_str().as_bytes().contains(&0) {
        return Err(Error::InvalidOption {
            path: channel.to_owned(),
            option: "directory",
            found: format!("{path:?}"),
            expected: "a path, such as /dev/shm/mine, or . for where the program was started".into(),
        });
    }
    // A link that the user wrote is followed; one that somebody left in /dev/shm is not.
    let follow = if chosen { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    let wrong = |found: &str| Error::UnsafeDirectory {
        path: path.to_owned(),
        found: found.into(),
        expected: "a directory".into(),
    };
    // Others may remove it again just when it has been made; not for ever.
    const ATTEMPTS: usize = 100;
    for attempt in 0..ATTEMPTS {
        match retry_on_intr(|| fs::open(path, flags, Mode::empty())) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR) => match fs::lstat(path).map(|status| FileType::from_raw_mode(status.st_mode)) {
                Ok(FileType::Symlink) => return Err(wrong("a symbolic link")),
                Ok(_) => return Err(wrong("something that is no directory")),
                Err(_) => return Err(is_below_a_file(path)),
            },
            Err(Errno::LOOP) => return Err(wrong("a symbolic link")),
            Err(errno) => return Err(failure("open", path, errno)),
        }
        match first_missing(path) {
            // There it is; or a link that leads nowhere.
            None if attempt + 1 < ATTEMPTS && fs::lstat(path).is_ok_and(|status| !is_link(&status)) => continue,
            None => return Err(wrong("a symbolic link to nothing")),
            Some(missing) if missing != path => {
                return Err(Error::NoDirectory { path: channel.to_owned(), missing: missing.to_owned() });
            }
            // Where there is no directory there is no channel.
            Some(_) if !make => return Err(Error::NotFound { path: channel.to_owned() }),
            Some(_) => {}
        }
        match self::make(path) {
            Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
            Err(errno) => return Err(failure("mkdir", path, errno)),
        }
    }
    Err(Error::NoDirectory { path: channel.to_owned(), missing: path.to_owned() })
}

fn is_link(status: &fs::Stat) -> bool {
    FileType::from_raw_mode(status.st_mode) == FileType::Symlink
}

/// The first part of a path that does not exist. (A link that leads nowhere does.)
fn first_missing(path: &Path) -> Option<&Path> {
    let is_missing = |path: &Path| matches!(fs::lstat(path), Err(Errno::NOENT));
    path.ancestors().take_while(|part| !part.as_os_str().is_empty() && is_missing(part)).last()
}

/// The error for a path of which a part, but not the last, is no directory.
fn is_below_a_file(path: &Path) -> Error {
    let is_no_directory = |part: &&Path| {
        fs::stat(*part).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) != FileType::Directory)
    };
    let part = path.ancestors().find(is_no_directory).unwrap_or(path);
    Error::UnsafeDirectory {
        path: part.to_owned(),
        found: "something that is no directory".into(),
        expected: "a directory".into(),
    }
}

fn check_owner(path: &Path, status: &fs::Stat) -> Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let wrong =
        |found: String, expected: String| Err(Error::UnsafeDirectory { path: path.to_owned(), found, expected });
    if status.st_uid != uid {
        return wrong(format!("owner {}", status.st_uid), format!("owner {uid}, this process's user"));
    }
    if status.st_mode & 0o022 != 0 {
        let expected = "one that nobody else can write to, such as 0700";
        return wrong(format!("mode {:04o}", status.st_mode & 0o7777), expected.into());
    }
    Ok(())
}

/// Makes a directory of mode 0700.
fn make(path: &Path) -> Result<(), Errno> {
    if !umask_takes_from_the_owner() {
        return retry_on_intr(|| fs::mkdir(path, Mode::RWXU));
    }
    let aside = path.with_file_name(format!(".mi7-{:016x}", u64::from_le_bytes(random())));
    retry_on_intr(|| fs::mkdir(&aside, Mode::RWXU))?;
    let named = grant(&aside, Mode::RWXU).and_then(|()| {
        // Never over one that is there: somebody may have it open.
        retry_on_intr(|| fs::renameat_with(CWD, &aside, CWD, path, RenameFlags::NOREPLACE))
    });
    if named.is_err() {
        let _ = fs::rmdir(&aside);
    }
    match named {
        // A file system, or a filter of system calls, that does not let it be done so.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
            retry_on_intr(|| fs::mkdir(path, Mode::RWXU))?;
            grant(path, Mode::RWXU)
        }
        other => other,
    }
}

/// Whether the umask takes rights from the owner of a new file. Asking for it in any other way
/// would change it for a moment, for all threads.
fn umask_takes_from_the_owner() -> bool {
    // A thread may have one of its own. Linux 4.7 has the line.
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    umask.and_then(|umask| u32::from_str_radix(umask.trim(), 8).ok()).is_some_and(|umask| umask & 0o700 != 0)
}

/// Changes the mode of a file or directory that this process has just made and may not open.
fn grant(path: &Path, mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = retry_on_intr(|| fs::open(path, flags, Mode::empty()))?;
    grant_held(file.as_fd(), mode)
}

/// Changes the mode of a file that was opened by `O_PATH`, if it is this user's.
pub(crate) fn grant_held(file: BorrowedFd<'_>, mode: Mode) -> Result<(), Errno> {
    let status = fs::fstat(file)?;
    if is_link(&status) || status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM);
    }
    retry_on_intr(|| fs::chmod(held(file), mode))
}

/// A path by which an open file is opened or linked, whatever has become of its name.
pub(crate) fn held(file: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))
}

/// The names in a directory.
pub(crate) fn names_in(directory: &Directory) -> Result<Vec<(Vec<u8>, FileType)>, Errno> {
    // `Dir::read_from` would take over `O_PATH`, by which nothing can be read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = retry_on_intr(|| fs::openat(directory, ".", flags, Mode::empty()))?;
    let mut names = Vec::new();
    for entry in fs::Dir::new(readable)? {
        let entry = entry?;
        names.push((entry.file_name().to_bytes().to_owned(), entry.file_type()));
    }
    Ok(names)
}

/// The status of what a name in a directory denotes, which may be a link.
pub(crate) fn status_of(directory: &Directory, name: &str) -> Result<fs::Stat, Errno> {
    fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}
