//! The queue of dynamically sized messages: [`CrossProcessQueue`].

use core::borrow::Borrow;
use core::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arrival::Arrivals;
use crate::channel::SharedChannel;
use crate::dynamic::Message;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::{Error, Received};

/// What can go wrong with a [`CrossProcessQueue`]. The texts are those of [`Error`], and `{:?}`
/// shows the variant and the text, as there.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SharedMemoryError {
    /// The queue could not be made.
    #[error("creating the queue failed: {0}")]
    CreationFailed(String),
    /// The queue could not be opened, removed or asked.
    #[error("access to the queue failed: {0}")]
    AccessFailed(String),
    /// No entry in the queue's table of participants could be locked.
    #[error("joining the queue failed: {0}")]
    LockFailed(String),
    /// No room now.
    #[error("the queue is full; receive from it, wait with send, or make it with more max_messages")]
    QueueFull,
    /// Nothing to receive now.
    #[error("the queue is empty; wait with receive")]
    QueueEmpty,
    /// The queue was closed: nothing more can be sent.
    #[error("the queue is closed, for good; to go on, remove it and make it anew")]
    QueueClosed,
    /// The time given is up.
    #[error("the time given for waiting is up; wait longer, or look at the queue's status for who is at the other end")]
    Timeout,
    /// The message is larger than the queue takes.
    #[error(
        "the message has {size} bytes, but this queue's messages may have {max}; make the queue with a larger max_message_size"
    )]
    MessageTooLarge {
        /// Bytes of the message's data.
        size: usize,
        /// Bytes there may be.
        max: usize,
    },
    /// The message could not be encoded, or what was received is no message.
    #[error("encoding or decoding the message failed: {0}")]
    SerializationFailed(String),
}

impl From<Error> for SharedMemoryError {
    fn from(error: Error) -> Self {
        match error {
            Error::Full => SharedMemoryError::QueueFull,
            Error::Empty => SharedMemoryError::QueueEmpty,
            Error::Closed => SharedMemoryError::QueueClosed,
            Error::Timeout => SharedMemoryError::Timeout,
            Error::TooLarge { size, max } => SharedMemoryError::MessageTooLarge { size, max },
            Error::TableFull { .. } => SharedMemoryError::LockFailed(error.to_string()),
            Error::Encoding { .. } | Error::Corrupt { .. } => SharedMemoryError::SerializationFailed(error.to_string()),
            other => SharedMemoryError::AccessFailed(other.to_string()),
        }
    }
}

impl fmt::Debug for SharedMemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            SharedMemoryError::CreationFailed(_) => "CreationFailed",
            SharedMemoryError::AccessFailed(_) => "AccessFailed",
            SharedMemoryError::LockFailed(_) => "LockFailed",
            SharedMemoryError::QueueFull => "QueueFull",
            SharedMemoryError::QueueEmpty => "QueueEmpty",
            SharedMemoryError::QueueClosed => "QueueClosed",
            SharedMemoryError::Timeout => "Timeout",
            SharedMemoryError::MessageTooLarge { .. } => "MessageTooLarge",
            SharedMemoryError::SerializationFailed(_) => "SerializationFailed",
        };
        write!(f, "{variant}: {self}")
    }
}

/// As [`From`], for what goes wrong in making a queue.
fn creation(error: Error) -> SharedMemoryError {
    let error = match error {
        // What it is called here.
        Error::InvalidOption { path, option: "capacity", found, expected } => {
            Error::InvalidOption { path, option: "max_messages", found, expected }
        }
        other => other,
    };
    match SharedMemoryError::from(error) {
        SharedMemoryError::AccessFailed(text) => SharedMemoryError::CreationFailed(text),
        other => other,
    }
}

type Result<T, E = SharedMemoryError> = core::result::Result<T, E>;

/// How a queue is doing, counted while others go on: exact when nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStatus {
    /// Messages that wait to be received.
    pub message_count: usize,
    /// The most that can wait.
    pub max_messages: usize,
    /// The most bytes a message's data may have.
    pub max_message_size: usize,
    /// The rest: [`Status`](crate::Status).
    pub channel: crate::Status,
}

impl QueueStatus {
    /// How full the queue is, in percent.
    pub fn usage_percentage(&self) -> f64 {
        self.message_count as f64 / self.max_messages as f64 * 100.0
    }
}

/// A queue of byte messages between any number of processes: a [`SharedChannel`] of [`Message`]s with both its ends in one.
///
/// ```
/// use mi7::{CrossProcessQueue, Message};
///
/// # let name = format!("doc-queue-{}", std::process::id());
/// # let name = name.as_str();
/// let queue = CrossProcessQueue::create(name, 100, 1024)?;
/// queue.send(Message::new("Hello, World!".to_string()))?;
///
/// // In another process:
/// let queue = CrossProcessQueue::connect(name)?;
/// while let Some(message) = queue.try_receive()? {
///     println!("message {}: {}", message.id, String::from_utf8_lossy(&message.data));
/// }
/// # CrossProcessQueue::remove(name)?;
/// # Ok::<(), mi7::SharedMemoryError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossProcessQueue {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    arrivals: Arc<Arrivals>,
}

impl From<SharedChannel<Message>> for CrossProcessQueue {
    fn from(channel: SharedChannel<Message>) -> Self {
        let (sender, receiver) = channel.split();
        let arrivals = Arrivals::new(channel.core());
        CrossProcessQueue { sender, receiver, arrivals }
    }
}

impl CrossProcessQueue {
    /// Makes a queue for `max_messages` messages of at most `max_message_size` bytes of data each. For more options, make a
    /// [`SharedChannel<Message>`](SharedChannel::options) and convert it.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::CreationFailed`]: there is one of that name, the name or a number is not possible, there is no
    /// room for it. Nothing was made then.
    pub fn create(name: &str, max_messages: usize, max_message_size: usize) -> Result<Self> {
        let options = SharedChannel::options().capacity(max_messages).max_message_size(max_message_size);
        options.create(name).map(Self::from).map_err(creation)
    }

    /// Opens a queue.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::AccessFailed`]: there is none, or none of this kind. [`SharedMemoryError::LockFailed`]: as many
    /// processes as possible have it open.
    pub fn connect(name: &str) -> Result<Self> {
        Ok(SharedChannel::open(name)?.into())
    }

    /// Opens a queue, or makes one with [`DEFAULT_CAPACITY`](crate::DEFAULT_CAPACITY) and
    /// [`DEFAULT_MAX_MESSAGE_SIZE`](crate::DEFAULT_MAX_MESSAGE_SIZE).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect) and [`create`](Self::create).
    pub fn open_or_create(name: &str) -> Result<Self> {
        SharedChannel::open_or_create(name).map(Self::from).map_err(creation)
    }

    /// Takes the queue's name away. Who has it open keeps it.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::AccessFailed`]: there is none, or it is not this user's.
    pub fn remove(name: &str) -> Result<()> {
        Ok(crate::remove(name)?)
    }

    /// Sends a message, waiting for room while the queue is full.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::QueueClosed`], [`SharedMemoryError::MessageTooLarge`]. Nothing was sent then, and the queue goes
    /// on.
    pub fn send(&self, message: impl Borrow<Message>) -> Result<()> {
        Ok(self.sender.send(message.borrow())?)
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::QueueFull`], and those of [`send`](Self::send).
    pub fn try_send(&self, message: impl Borrow<Message>) -> Result<()> {
        Ok(self.sender.try_send(message.borrow())?)
    }

    /// Sends a message, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::Timeout`], and those of [`send`](Self::send).
    pub fn send_timeout(&self, message: impl Borrow<Message>, timeout: Duration) -> Result<()> {
        Ok(self.sender.send_timeout(message.borrow(), timeout)?)
    }

    /// Receives a message, waiting for one. `None` only once the queue is closed and drained.
    ///
    /// # Errors
    ///
    /// [`SharedMemoryError::SerializationFailed`] for what is no message.
    pub fn receive(&self) -> Result<Option<Message>> {
        taken(self.receiver.recv())
    }

    /// Receives a message if there is one now.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn try_receive(&self) -> Result<Option<Message>> {
        taken(self.receiver.try_recv())
    }

    /// Receives a message, waiting no longer than `timeout`. `None` when the time is up, or once the queue is closed and
    /// drained.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Option<Message>> {
        taken(self.receiver.recv_timeout(timeout))
    }

    /// Receives a message, waiting no longer than `timeout` without holding up the thread. `None` when the time is up, or
    /// once the queue is closed and drained.
    ///
    /// Works under any executor. With the feature `tokio` in a tokio runtime, or with `async-io`, the task is woken by the kernel, as
    /// `Receiver::recv_timeout_async` has it. Otherwise all the futures of one queue (and its clones) share one thread that waits for
    /// them; it ends when none has waited for a second.
    ///
    /// # Cancel safety
    ///
    /// A message is taken only in the poll that returns it, so a future that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    ///
    /// # Panics
    ///
    /// With the feature `tokio`, in a tokio runtime without I/O (`enable_io`).
    pub async fn receive_async_with_timeout(&self, timeout: Duration) -> Result<Option<Message>> {
        let deadline = Instant::now().checked_add(timeout);
        #[cfg(any(feature = "tokio", feature = "async-io"))]
        match self.receiver.recv_timeout_async(timeout).await {
            Err(Error::NoRuntime) => {}
            other => return taken(other),
        }
        loop {
            match self.receiver.try_recv() {
                Err(Error::Empty) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => return Ok(None),
                Err(Error::Empty) => {}
                other => return taken(other),
            }
            Arrivals::next(&self.arrivals, deadline).await;
        }
    }

    /// Receives a message, waiting for one without holding up the thread. `None` only once the queue is closed and drained. With the
    /// feature `tokio` or `async-io`.
    ///
    /// # Cancel safety
    ///
    /// That of [`Receiver::recv_async`]: a future that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive); [`SharedMemoryError::AccessFailed`] where there is no runtime to wait in.
    ///
    /// # Panics
    ///
    /// As [`Receiver::recv_async`].
    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub async fn receive_async(&self) -> Result<Option<Message>> {
        taken(self.receiver.recv_async().await)
    }

    /// Sends a message, waiting for room without holding up the thread. With the feature `tokio` or `async-io`.
    ///
    /// # Cancel safety
    ///
    /// That of [`Sender::send_async`]: a future that is dropped has sent nothing.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SharedMemoryError::AccessFailed`] where there is no runtime to wait in.
    ///
    /// # Panics
    ///
    /// As [`Sender::send_async`].
    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub async fn send_async(&self, message: impl Borrow<Message>) -> Result<()> {
        Ok(self.sender.send_async(message.borrow()).await?)
    }

    /// How the queue is doing.
    pub fn status(&self) -> QueueStatus {
        let channel = self.sender.status();
        QueueStatus {
            message_count: channel.waiting,
            max_messages: channel.capacity,
            max_message_size: self.sender.channel().max_message_size(),
            channel,
        }
    }

    /// Ends the queue, for all processes and for good: see [`SharedChannel::close`].
    pub fn close(&self) {
        self.sender.close();
    }

    /// The sending end.
    pub fn sender(&self) -> &Sender<Message> {
        &self.sender
    }

    /// The receiving end: to read messages in place, without a copy, and to put them back.
    pub fn receiver(&self) -> &Receiver<Message> {
        &self.receiver
    }
}

fn taken(received: crate::Result<Received<'_, Message>>) -> Result<Option<Message>> {
    match received {
        Ok(message) => Ok(Some(message.into_inner())),
        Err(Error::Empty | Error::Timeout | Error::Closed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
