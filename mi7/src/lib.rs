//! Typed channels between processes, on shared memory.
//!
//! A channel is a named, bounded queue in shared memory. Any number of processes send, any number receive, each message reaches
//! exactly one of them, in first-in-first-out order, and a process that is killed at whatever moment loses nothing, blocks
//! nobody and corrupts nothing. Linux only (WSL2 included).
//!
//! # Hello world
//!
//! ```
//! use mi7::rkyv::{Archive, Deserialize, Serialize};
//! use mi7::ShmMessage;
//!
//! #[derive(Archive, Serialize, Deserialize, ShmMessage)]
//! # #[rkyv(crate = mi7::rkyv)]
//! struct Order { id: u64, price: f64, qty: u32 }
//!
//! # let name = format!("doc-hello-{}", std::process::id());
//! # let name = name.as_str();
//! // One process …
//! let tx = mi7::sender::<Order>(name)?;
//! tx.send(&Order { id: 1, price: 99.5, qty: 10 })?;
//!
//! // … and another.
//! let rx = mi7::receiver::<Order>(name)?;
//! let order = rx.recv()?;
//! assert_eq!(order.price.to_native(), 99.5);
//! # mi7::remove(name)?;
//! # Ok::<(), mi7::Error>(())
//! ```
//!
//! Which of them comes first does not matter, and either may restart: the channel stays, with what is in it, until it is
//! [`remove`]d or the machine restarts.
//!
//! # What can be sent
//!
//! - A [`ShmMessage`]: a type of fixed size without pointers, which the derive checks at compile time. Its
//!   [rkyv] archive is built in the ring and read there, in place. See [`message`](mod@message).
//! - Bytes, as a [`Message`], which [`CrossProcessQueue`] is made for. They are read in place as well.
//! - Anything else that serde knows, as [`Bincode<T>`](Bincode), which is decoded when it is received.
//!
//! Both ends compare the message type when they attach, field by field: a program in which two fields of `Order` have
//! changed places gets [`Error::Mismatch`], which names the first of them.
//!
//! # A received message is a lease
//!
//! [`Received`] holds the slot that the message lies in. Dropping it frees the slot; a panic or [`Received::requeue`] puts the
//! message back; if the process dies, another one receives it, and [`Received::deliveries`] says 2 there. So do the work
//! first and drop afterwards, and no work is lost:
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("jobs")?;
//! # let (tx, rx) = channel.split();
//! # fn work(_: u64) {}
//! # tx.send(&5)?;
//! # channel.close();
//! for job in rx.iter() {
//!     work(job.to_native());
//! } // done with it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Waiting
//!
//! | | now | as long as it takes | not longer than |
//! |---|---|---|---|
//! | send | [`try_send`](Sender::try_send) | [`send`](Sender::send) | [`send_timeout`](Sender::send_timeout) |
//! | receive | [`try_recv`](Receiver::try_recv) | [`recv`](Receiver::recv) | [`recv_timeout`](Receiver::recv_timeout) |
//!
//! Who waits looks for as long as that has been paying, some microseconds at the most, and then sleeps on a futex; [`Options::wait`]
//! has other ways. While nobody sleeps, nobody makes a system call.
//! [`close`](SharedChannel::close) wakes everybody.
//!
//! # Tasks
//!
//! With the feature `tokio` (in tokio's runtimes) or `async-io` (under any executor), the same ends are for tasks as well; without,
//! neither crate is built.
//!
#![cfg_attr(any(feature = "tokio", feature = "async-io"), doc = "| | one | with a timeout | many | in place |")]
#![cfg_attr(any(feature = "tokio", feature = "async-io"), doc = "|---|---|---|---|---|")]
#![cfg_attr(
    any(feature = "tokio", feature = "async-io"),
    doc = "| send | [`send_async`](Sender::send_async) | `select!` | [`sink`](Sender::sink) | [`loan_async`](Sender::loan_async) |"
)]
#![cfg_attr(
    any(feature = "tokio", feature = "async-io"),
    doc = "| receive | [`recv_async`](Receiver::recv_async) | [`recv_timeout_async`](Receiver::recv_timeout_async) | [`recv_many_async`](Receiver::recv_many_async), [`stream`](Receiver::stream) | |"
)]
//!
//! - *Nothing is lost with a future that is dropped*, at whatever `.await`: a message or a slot is taken in the poll that returns it,
//!   and who was woken and then dropped wakes the next one who waits. `tokio::select!` in a loop is the normal use.
//! - *One is woken for each message*, in turn: tasks, threads and processes that wait on one channel do not starve each other.
//! - *Waiting costs nothing.* The kernel wakes the runtime, by a FIFO beside the channel and a
//!   timer that goes off ten times a second to look for the dead: two descriptors for each runtime
//!   and directory of channels, however many channels there are, and no thread. (Where no FIFO can
//!   be made, because the directory was removed, is full or may not be written to, it is a pipe,
//!   and processes of other users are not able to wake the runtime: it then looks by its timer.)
//! - A runtime may end with leases held: they are dropped with their futures, as at any other time. Handles may be used in several
//!   runtimes, and a future may change its runtime.
//! - For other event loops, without any feature, [`Receiver::watch`] and [`Sender::watch`] give a descriptor.
//!
//! # What is promised
//!
//! 1. What [`Sender::send`] returned `Ok` for is received, whatever happens to the sender then.
//! 2. No message is torn or made up; what is received was checked, down to the last `bool`.
//! 3. A message is received once, and again only if the one who had it died, panicked or put it back; then
//!    [`Received::deliveries`] tells.
//!    With [`Options::max_deliveries`] one that was received so often in vain goes to the channel `<name>.dead`.
//! 4. A process that dies, however and wherever, holds nobody up for longer than about 0.2 s. (One
//!    that dumps core is dead when the dump is written.) One that is merely stopped loses nothing.
//! 5. A full channel makes the sender wait. Nothing is ever overwritten.
//!
//! And what is not:
//!
//! - A restart of the machine empties all channels.
//! - Order is that of the claims: what is sent while another sender is at it, or behind a [`Loan`], is received after it. A
//!   process that is *stopped* in the middle of a send holds up those behind it until it goes on or dies.
//! - Handles stay the parent's after a `fork`. In the child, every call on an inherited handle returns [`Error::Forked`],
//!   whatever the child does with it reaches nobody, and inherited messages can still be read. The child opens the channel
//!   anew. (`Command`, `posix_spawn` and `vfork` are not concerned. A child of a bare `clone` or `_Fork` system call must not
//!   touch what it inherited: the C library does not tell mi7 of it.)
//! - A process that *dumps core* keeps what it holds until the dump is written, which takes seconds
//!   for each GiB of its memory: the message that it had received comes to another one then, and
//!   one that it was in the middle of sending holds up those behind it until then. Processes for
//!   which that is too long do without a dump (`prctl(PR_SET_DUMPABLE, 0)`; `ulimit -c 0` is enough
//!   where `/proc/sys/kernel/core_pattern` names a file), or keep large memory out of it (`madvise`
//!   with `MADV_DONTDUMP`).
//! - At most 254 handles opened apart (of which a process needs one) can have a channel open at once, and tasks of at most 256
//!   runtimes wait on it.
//!
//! # Trust
//!
//! Processes that may open a channel, which by default are those of one user, are trusted in this: that they leave alone
//! what others are reading or writing at that moment. Rust has no way to read memory safely that another process scribbles
//! on. Nothing beyond that is taken on trust. Whatever the bytes of the file are, when attaching or later, wrong ones are
//! refused with an error and never used as an index, a length, a `bool` or an address. A file that is *truncated* while it
//! is mapped cannot be survived by loads and stores: the kernel answers with SIGBUS. mi7 itself never truncates or reuses a
//! file: removing and making a channel again gives a new one.
//!
//! # Where channels lie
//!
//! A channel is a file, by default in `/dev/shm/mi7-<uid>`; [`Options::directory`] chooses another
//! directory. Handles that are open do not need the name: they go on if the file is removed, or the
//! directory with all that is in it, or if either is moved. Who opens the name from then on gets
//! another channel, or none; [`SharedChannel::is_removed`] tells. In a directory that was removed,
//! a task that waits is woken as usual by processes of its user and pid namespace, by others within
//! 0.1 s; and what was to go to `<name>.dead` stays in its slot.
//!
//! **systemd removes names.** When the last session of a user ends, `systemd-logind` removes all
//! that this user has in `/dev/shm` (`RemoveIPC=yes`, the default; root and system users are
//! spared). So a program that runs on after its user has logged out finds its channels gone by
//! name. To keep them, do one of these:
//!
//! - run it as a system user (a service with `User=` and a uid below 1000);
//! - `loginctl enable-linger USER`, so that the user counts as logged in;
//! - `RemoveIPC=no` in `/etc/systemd/logind.conf`;
//! - choose a directory on another tmpfs, such as one below `/run` that the service is given
//!   (`RuntimeDirectory=`).
//!
//! The file has all its blocks when it is made, and whoever opens a copy of it (`cp`, a backup put
//! back) gives it those it lacks, or is refused ([`Error::NoSpace`], [`Error::NotAChannel`]):
//! nobody dies of SIGBUS when the file system is full.
//!
//! # What a call costs
//!
//! In instructions, which depend on no machine's mood (`cargo bench -p mi7 --bench instructions`: callgrind, x86-64, Rust 1.95). *Alone*: one
//! handle at each end, or exclusive ends; *several*: others are in use as well.
//!
//! | for one message | alone | several |
//! |---|---:|---:|
//! | send, receive and release 8 bytes | 264 | 511 |
//! | the same of 64 bytes | 270 | 517 |
//! | in batches of 64 | 264 | 488 |
//! | loan, write, send, receive, release | 327 | |
//! | a [`Message`] of 64 bytes | 681 | |
//! | `try_recv` of an empty channel | 329 | 267 |
//! | `try_send` to a full one | 383 | 303 |
//!
//! No memory is allocated for a message, but for batches, and for what bincode decodes. Time is another matter: see
//! `mi7/comparison/RESULTS.md` in the repository.
//!
//! # How it is built
//!
//! ```text
//!  app            mi7::channel::<Order>("orders")            mi7::CrossProcessQueue
//!                         │                                          │
//!  mi7            Sender<T> ── SharedChannel<T> ── Receiver<T>   Message (bincode)
//!                         │   encoding: archive in place | bincode   │
//!                         ▼                                          ▼
//!  mi7-core       untyped slots: claim → write → publish  ·  lease → read → release
//!                 one mapped file per channel  ·  participants  ·  recovery  ·  parking
//!                         ▼
//!  Linux          /dev/shm/mi7-<uid>/<name>   ·   OFD locks   ·   futex   ·   FIFO doorbells
//! ```
//!
//! `mi7-core` knows bytes, processes and the kernel; this crate knows types and encodings; `mi7-derive` knows syntax. The
//! modules here, each using those above it only:
//!
//! | floor | modules |
//! |---|---|
//! | what can be sent | [`message`](mod@message), [`schema`], [`fixed`] |
//! | how | `archive` (in place), `dynamic` (bincode, and nothing else knows it) → `payload` |
//! | ends | `received` → `sender`, `receiver` → `channel` |
//! | for tasks | `asynchronous`: `runtime` (who watches a doorbell) → `receiving`, `sending`; `watch` |
//! | on top | `arrival` (for tasks where there is no runtime) → `queue` |
//!
//! The protocol, with its states and the races it handles, is described in `mi7-core`: in `ring` the slots, in `recovery`
//! the dead, in `wait` sleeping and waking, in `tasks` and `fifo` the tasks' part of it, in `layout` every byte of the file
//! (`cargo doc --document-private-items -p mi7-core`).
//!
//! Deliberately absent: a daemon, a broker, a lock, a thread of its own (but for [`CrossProcessQueue::receive_async_with_timeout`] where there is no runtime), a heap allocation in sending
//! or receiving a [`ShmMessage`], configuration files, environment variables.

// So that the derive's `::mi7` paths work inside this crate too.
extern crate self as mi7;

mod archive;
mod arrival;
#[cfg(any(feature = "tokio", feature = "async-io"))]
mod asynchronous;
mod batch;
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
mod watch;

use std::path::Path;

#[cfg(any(feature = "tokio", feature = "async-io"))]
pub use asynchronous::{IntoRecvStream, IntoSendSink, RecvStream, SendSink};
pub use batch::{Batch, BatchIter, Loans};
pub use channel::{
    DEFAULT_BYTES, DEFAULT_CAPACITY, DEFAULT_MAX_MESSAGE_SIZE, End, Listed, ListedChannel, Options, SharedChannel,
    Status,
};
pub use dynamic::{Bincode, Message, MessageView};
pub use fixed::{FixedString, FixedVec};
pub use message::ShmMessage;
pub use mi7_core::{Error, Result, Wait};
pub use mi7_derive::{ShmMessage, message};
pub use payload::Payload;
pub use queue::{CrossProcessQueue, QueueStatus, SharedMemoryError};
pub use received::Received;
pub use receiver::{Iter, Receiver};
#[doc(no_inline)]
pub use rkyv;
pub use sender::{Loan, Sender};
pub use watch::Watch;

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
/// [`Error::NotFound`], [`Error::NoDirectory`], [`Error::InvalidName`],
/// [`Error::PermissionDenied`].
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

/// The README's snippets, run as tests.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../../README.md")]
struct Readme;
