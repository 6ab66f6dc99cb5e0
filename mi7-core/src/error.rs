//! The one error type: what was found, what was expected, what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Everything that can go wrong with a channel.
///
/// The first group is met when a channel is made or opened, the second in sending and receiving.
///
/// `{:?}` shows the name of the variant and then the text, such as
/// `Closed: the channel is closed …`: so a program whose `main` returns [`Result`] tells its user
/// what happened, and so does [`unwrap`](std::result::Result::unwrap).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be the name of a channel.
    #[error("`{name}` is no channel name: {why}; use 1 to 200 of the characters A-Z a-z 0-9 . _ - and no dot first")]
    InvalidName {
        /// The name given.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An option has a value that no channel can have.
    #[error("the channel {} cannot be made: its {option} is {found}, and has to be {expected}", path.display())]
    InvalidOption {
        /// The channel's file.
        path: PathBuf,
        /// The option's name.
        option: &'static str,
        /// The value given.
        found: String,
        /// The values that are possible.
        expected: String,
    },
    /// There is no channel of that name.
    #[error("there is no channel {}; create it first, or use open_or_create", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is no directory for the channel, and mi7 cannot make it.
    #[error("there is no directory {} for the channel {}; {}", missing.display(), path.display(), make_it(missing))]
    NoDirectory {
        /// The channel's file.
        path: PathBuf,
        /// The first directory on the way there that does not exist.
        missing: PathBuf,
    },
    /// There is a channel of that name already.
    #[error("the channel {} exists already; open it, or remove it first", path.display())]
    AlreadyExists {
        /// The channel's file.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("no permission for {}: {call} was refused to user {uid}; ask its owner, or choose another directory", path.display())]
    PermissionDenied {
        /// The file or directory.
        path: PathBuf,
        /// The system call that was refused.
        call: &'static str,
        /// The effective user id of this process.
        uid: u32,
    },
    /// The directory could be meddled with by other users.
    #[error("the directory {} is not safe to keep channels in: found {found}, expected {expected}; mend it or choose another directory", path.display())]
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// There is no room for the channel's file: its file system is full, a quota is used up, or
    /// this process may not make files that long (`ulimit -f`). The text says which. Nothing was
    /// left behind.
    #[error("no room for the {bytes} bytes of {}: {}", path.display(), room(path, *bytes))]
    NoSpace {
        /// The channel's file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The file is not a channel, or not a whole one.
    #[error("{} is not a usable channel: its {what} is {found}, expected {expected}; remove it if nobody needs it", path.display())]
    NotAChannel {
        /// The file.
        path: PathBuf,
        /// The part of the file that is wrong.
        what: &'static str,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// The channel is sound, but not of the kind asked for.
    #[error(
        "the channel {} differs from this program in {what}: the channel has {found}, this program expects {expected}; \
         build all its programs from one definition, use another channel name, or, if nobody needs what is in this channel any more, \
         remove it (mi7::remove)",
        path.display()
    )]
    Mismatch {
        /// The channel's file.
        path: PathBuf,
        /// The first thing that differs, such as `Order.price`.
        what: String,
        /// What the channel has.
        found: String,
        /// What this program expects.
        expected: String,
    },
    /// Every entry of the participant table is held by a live process.
    #[error(
        "the channel {} is open {participants} times, as often as a channel can be; close it somewhere, or clone one handle within a \
         process rather than open the channel again",
        path.display()
    )]
    TableFull {
        /// The channel's file.
        path: PathBuf,
        /// How many processes can have a channel open.
        participants: u32,
    },
    /// Tasks of as many async runtimes as possible wait for the channel (or watches, of which each
    /// counts as one).
    #[error(
        "the channel {} is waited for by the tasks of {runtimes} async runtimes (a watch counts as one), as many as a channel can have; \
         let more tasks share a runtime, or drop a watch",
        path.display()
    )]
    TooManyRuntimes {
        /// The channel's file.
        path: PathBuf,
        /// How many runtimes and watches a channel can have, of all processes together.
        runtimes: u32,
    },
    /// A system call failed in a way that has no name of its own.
    #[error("{call} failed on {}: {source}{}", path.display(), advice(source))]
    Os {
        /// The system call.
        call: &'static str,
        /// The file it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// No room now.
    #[error("the channel is full; receive from it, wait with send, or make it with more capacity")]
    Full,
    /// Nothing to receive now.
    #[error("the channel is empty; wait with recv")]
    Empty,
    /// The time given is up.
    #[error(
        "the time given for waiting is up; wait longer, or look at the channel's status for who is at the other end"
    )]
    Timeout,
    /// This end of the channel is exclusive, and somebody else has it.
    #[error("this end of {} is exclusive, and process {pid} has it; wait until it is dropped or dies, or make the channel without single_sender and single_receiver", path.display())]
    EndTaken {
        /// The channel's file.
        path: PathBuf,
        /// The process that has it, which may be this one.
        pid: u32,
    },
    /// The handle was made before this process was forked. It is the parent's, and reaches nobody from here.
    #[error("this handle of the channel {} is inherited from the parent process, and cannot be used after a fork; open the channel anew in the child", path.display())]
    Forked {
        /// The channel's file.
        path: PathBuf,
    },
    /// There is no async runtime to wait in.
    #[error("there is no async runtime here: call this in a tokio runtime, or build mi7 with the feature async-io")]
    NoRuntime,
    /// The channel was closed: nothing more can be sent, and a receiver has seen the last message.
    #[error("the channel is closed, for good; to go on, remove it and make it anew")]
    Closed,
    /// The message does not fit into a slot.
    #[error(
        "the message takes {size} bytes, but this channel's messages may take {max}; make the channel with a larger max_message_size"
    )]
    TooLarge {
        /// Bytes the message takes.
        size: usize,
        /// Bytes there are.
        max: usize,
    },
    /// A loan was sent before anything was written to it.
    #[error("the loaned slot was sent unwritten; call write first")]
    Unwritten,
    /// The value could not be encoded.
    #[error("the message could not be encoded: {why}")]
    Encoding {
        /// What the encoder said.
        why: String,
    },
    /// What stands in the channel is no message of its type. It was dropped.
    #[error("the {what} in the channel is wrong: found {found}, expected {expected}; {}", cause(what))]
    Corrupt {
        /// The part that is wrong.
        what: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The channel has numbered all the messages it can (after years).
    #[error("the channel has used up its message numbers; remove it and make it anew")]
    Exhausted,
}

/// The likely cause of [`Error::Corrupt`], and what to do.
fn cause(what: &str) -> &'static str {
    match what {
        // Its type is compared by name only when a channel is opened.
        "encoded message" => {
            "the sending program probably has another version of this type: build both programs from one definition \
             (or another program wrote to the file: then remove the channel and make it anew)"
        }
        _ => "another program wrote to the file: remove the channel and make it anew",
    }
}

/// `Result` with mi7's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn variant(&self) -> &'static str {
        match self {
            Error::InvalidName { .. } => "InvalidName",
            Error::InvalidOption { .. } => "InvalidOption",
            Error::NotFound { .. } => "NotFound",
            Error::NoDirectory { .. } => "NoDirectory",
            Error::AlreadyExists { .. } => "AlreadyExists",
            Error::PermissionDenied { .. } => "PermissionDenied",
            Error::UnsafeDirectory { .. } => "UnsafeDirectory",
            Error::NoSpace { .. } => "NoSpace",
            Error::NotAChannel { .. } => "NotAChannel",
            Error::Mismatch { .. } => "Mismatch",
            Error::TableFull { .. } => "TableFull",
            Error::TooManyRuntimes { .. } => "TooManyRuntimes",
            Error::Os { .. } => "Os",
            Error::Full => "Full",
            Error::Empty => "Empty",
            Error::Timeout => "Timeout",
            Error::EndTaken { .. } => "EndTaken",
            Error::Forked { .. } => "Forked",
            Error::NoRuntime => "NoRuntime",
            Error::Closed => "Closed",
            Error::TooLarge { .. } => "TooLarge",
            Error::Unwritten => "Unwritten",
            Error::Encoding { .. } => "Encoding",
            Error::Corrupt { .. } => "Corrupt",
            Error::Exhausted => "Exhausted",
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.variant())
    }
}

/// The error for a failed call: one with a name where there is one.
pub(crate) fn failure(call: &'static str, path: &Path, errno: Errno) -> Error {
    let path = path.to_owned();
    match errno {
        Errno::ACCESS | Errno::PERM => Error::PermissionDenied { path, call, uid: rustix::process::geteuid().as_raw() },
        _ => Error::Os { call, path, source: errno.into() },
    }
}

/// How a directory comes to be that does not exist.
fn make_it(missing: &Path) -> &'static str {
    if missing.starts_with("/proc") {
        "mount the proc file system: a channel's file gets its name by it"
    } else if [Path::new("/dev"), Path::new("/dev/shm")].contains(&missing) {
        "mount a tmpfs there, or choose another directory with options().directory()"
    } else {
        "make it first (of a channel's directory mi7 makes the last part only), or choose another directory"
    }
}

/// What keeps a file from having so many bytes, and what to do. As it stands when the text is made,
/// which is soon after the error.
fn room(path: &Path, bytes: u64) -> String {
    let longest = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if let Some(longest) = longest.filter(|longest| *longest < bytes) {
        return format!(
            "this process may not make files of more than {longest} bytes; raise that limit (ulimit -f), or lower the capacity or the \
             message size"
        );
    }
    let free = path.ancestors().skip(1).find_map(|directory| rustix::fs::statvfs(directory).ok());
    match free.map(|system| system.f_bavail.saturating_mul(system.f_frsize)) {
        Some(free) if free < bytes => format!(
            "its file system has {free} bytes free; free some space, choose another directory, or lower the capacity or the message size"
        ),
        _ => "its file system or a quota refuses them; free some space, raise the quota, or lower the capacity or the message size".into(),
    }
}

/// What to do about an error of the system that is not mi7's to name.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => {
            "; this process has as many files open as it may: close some, or raise that limit (ulimit -n)"
        }
        Some(Errno::NFILE) => "; the whole system has as many files open as it can: close some",
        Some(Errno::NOMEM) => {
            "; give this process more address space (ulimit -v) or mappings (vm.max_map_count), or lower the capacity or the message size"
        }
        Some(Errno::AGAIN) => {
            "; this process locks its memory and may not lock that much: raise that limit (ulimit -l)"
        }
        Some(Errno::ROFS) => "; choose a directory that can be written to",
        Some(Errno::NAMETOOLONG) => {
            "; choose a directory with a shorter path: 4,095 bytes in all, 255 for each of its parts"
        }
        Some(Errno::LOOP) => "; the path has a loop of symbolic links: choose another directory",
        Some(Errno::OPNOTSUPP | Errno::ISDIR) => {
            "; its file system cannot keep channels: choose a directory on tmpfs, ext4, xfs or btrfs"
        }
        _ => "",
    }
}
