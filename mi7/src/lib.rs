//! Typed channels between processes, on shared memory.

// So that the derive's `::mi7` paths work inside this crate too.
extern crate self as mi7;

mod archive;
mod channel;
mod dynamic;
pub mod fixed;
pub mod message;
mod payload;
mod queue;
mod received;
mod receiver;
pub mod schema;
mod sender;

use std::path::Path;

pub use channel::{
    DEFAULT_BYTES, DEFAULT_CAPACITY, DEFAULT_MAX_MESSAGE_SIZE, End, Listed, ListedChannel, Options, SharedChannel, Status,
};
pub use dynamic::{Bincode, Message, MessageView};
pub use fixed::{FixedString, FixedVec};
pub use message::ShmMessage;
pub use mi7_core::{Error, Result};
pub use mi7_derive::{ShmMessage, message};
pub use payload::Payload;
pub use queue::{CrossProcessQueue, QueueStatus, SharedMemoryError};
pub use received::Received;
pub use receiver::{Iter, Receiver};
#[doc(no_inline)]
pub use rkyv;
pub use sender::{Loan, Sender};

/// Both ends of the channel `name`, which is made with defaults if there is none.
///
/// ```
/// # let name = format!("doc-channel-{}", std::process::id());
/// # let name = name.as_str();
/// let (tx, rx) = mi7::channel::<(u64, f64)>(name)?;
/// tx.send(&(1, 99.5))?;
/// assert_eq!(rx.recv()?.1.to_native(), 99.5);
/// # mi7::remove(name)?;
/// # Ok::<(), mi7::Error>(())
/// ```
///
/// # Errors
///
/// As [`Options::open_or_create`].
pub fn channel<T: Payload>(name: &str) -> Result<(Sender<T>, Receiver<T>)> {
    Ok(SharedChannel::open_or_create(name)?.split())
}

/// The sending end of the channel `name`, which is made with defaults if there is none.
///
/// # Errors
///
/// As [`Options::open_or_create`].
pub fn sender<T: Payload>(name: &str) -> Result<Sender<T>> {
    Ok(SharedChannel::open_or_create(name)?.sender())
}

/// The receiving end of the channel `name`, which is made with defaults if there is none.
///
/// # Errors
///
/// As [`Options::open_or_create`].
pub fn receiver<T: Payload>(name: &str) -> Result<Receiver<T>> {
    Ok(SharedChannel::open_or_create(name)?.receiver())
}

/// Takes the name of a channel in the default directory away. Who has it open keeps it; who opens the name from now on gets
/// another channel, or none. Works for a file that is no channel too.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::InvalidName`], [`Error::PermissionDenied`].
pub fn remove(name: &str) -> Result<()> {
    channel::remove(None, name)
}

/// [`remove`], for a directory of one's own.
///
/// # Errors
///
/// As [`remove`].
pub fn remove_in(directory: impl AsRef<Path>, name: &str) -> Result<()> {
    channel::remove(Some(directory.as_ref()), name)
}

/// The channels in the default directory, by name.
///
/// ```
/// for channel in mi7::list()? {
///     println!("{}", channel.name);
/// }
/// # Ok::<(), mi7::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::PermissionDenied`], [`Error::UnsafeDirectory`].
pub fn list() -> Result<Vec<Listed>> {
    channel::list(None)
}

/// [`list`], for a directory of one's own.
///
/// # Errors
///
/// As [`list`].
pub fn list_in(directory: impl AsRef<Path>) -> Result<Vec<Listed>> {
    channel::list(Some(directory.as_ref()))
}

/// What the derive's expansion names. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::message::private::*;
    pub use {core, rkyv, static_assertions};
}
