//! The one error type: what was found, what was expected, what to do.

use std::io;
use std::path::PathBuf;

/// Everything that can go wrong with a channel.
///
/// The first group is met when a channel is made or opened, the second in sending and receiving.
#[derive(Debug, thiserror::Error)]
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
    #[error("the option {option} is {found}; it has to be {expected}")]
    InvalidOption {
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
    /// The file system has no room for the channel. Nothing was left behind.
    #[error("no room for the {bytes} bytes of {}; free some space, or lower the capacity or the message size", path.display())]
    NoSpace {
        /// The file that was to be made.
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
    #[error("the channel {} differs from this program in {what}: the channel has {found}, this program expects {expected}; build both sides from one definition, or use another channel name", path.display())]
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
    #[error("the channel {} has all its {participants} participants; close one, or share a handle within a process", path.display())]
    TableFull {
        /// The channel's file.
        path: PathBuf,
        /// How many processes can have a channel open.
        participants: u32,
    },
    /// A system call failed in a way that has no name of its own.
    #[error("{call} failed on {}: {source}", path.display())]
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
    #[error("the time given for waiting is up")]
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
    #[error("the channel is closed")]
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
