//! Receiving in tasks.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use futures_core::{FusedStream, Stream};
use mi7_core::{Held, Waiting};

use super::{proceed, runtime};
use crate::payload::Payload;
use crate::{Batch, Error, Received, Receiver, Result};

/// In tasks: with the feature `tokio` or `async-io`.
///
/// All of these may be used at once with those that hold up the thread, and by any number of tasks; each message goes to one.
impl<T: Payload> Receiver<T> {
    /// Receives the next message, waiting for one while the channel is empty, as a task does: without holding up the thread. While
    /// there is something to receive, it is a [`try_recv`](Self::try_recv).
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// # let directory = tempfile::tempdir()?;
    /// # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("numbers")?;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let (tx, rx) = channel.split();
    /// let sending = tokio::spawn(async move { tx.send_async(&7).await });
    /// assert_eq!(rx.recv_async().await?.to_native(), 7);
    /// # sending.await.unwrap()
    /// # })?; }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// A message is taken in the very poll that returns it, so with a future that is dropped none is lost; and if it was dropped after it
    /// was woken for a message, the next one who waits is woken, in whatever process. `tokio::select!` in a loop is what this is for.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv); and if it has to wait: [`Error::NoRuntime`],
    /// [`Error::TooManyRuntimes`] if tasks of 256 runtimes wait already, [`Error::Os`] if the
    /// process has no descriptor left.
    ///
    /// # Panics
    ///
    /// In a tokio runtime without I/O (`enable_io`), as everything that waits for I/O there.
    pub async fn recv_async(&self) -> Result<Received<'_, T>> {
        self.check(self.lease_async(None).await?)
    }

    /// Receives the next message, waiting no longer than `timeout`.
    ///
    /// The time is kept by the doorbell, not the runtime: it needs no timer of tokio's, nor does it heed `tokio::time::pause`.
    ///
    /// # Cancel safety
    ///
    /// As [`recv_async`](Self::recv_async).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], and those of [`recv_async`](Self::recv_async).
    ///
    /// # Panics
    ///
    /// As [`recv_async`](Self::recv_async).
    pub async fn recv_timeout_async(&self, timeout: Duration) -> Result<Received<'_, T>> {
        self.check(self.lease_async(Instant::now().checked_add(timeout)).await?)
    }

    /// Receives as many messages as there are now, `most` at the most, waiting for one while the channel is empty: see
    /// [`recv_many`](Self::recv_many).
    ///
    /// # Cancel safety
    ///
    /// As [`recv_async`](Self::recv_async): all are taken in the poll that returns them.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if all that came was no message, and those of [`recv_async`](Self::recv_async).
    ///
    /// # Panics
    ///
    /// As [`recv_async`](Self::recv_async).
    pub async fn recv_many_async(&self, most: usize) -> Result<Batch<'_, T>> {
        if most == 0 {
            return Ok(self.empty_batch());
        }
        self.batch_from(self.lease_async(None).await?, most)
    }

    async fn lease_async(&self, deadline: Option<Instant>) -> Result<Held> {
        let mut waiting = Waiting::default();
        poll_fn(|context| self.poll_lease(&mut waiting, context, deadline)).await
    }

    fn poll_lease(
        &self,
        waiting: &mut Waiting,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
    ) -> Poll<Result<Held>> {
        let progress = ready!(proceed(context));
        let (channel, memory) = self.parts();
        let polled = channel.poll_lease(memory, waiting, context, deadline, || runtime::desk(channel));
        if polled.is_ready() {
            progress();
        }
        polled
    }

    /// [`recv_async`](Self::recv_async) by hand: *pending* means that the task will be woken when it is worth another poll.
    ///
    /// Of several tasks that poll the same handle, only the last is woken: use a clone for each. A handle that was polled in vain keeps
    /// its place among those who wait, and what it is woken for is its own to receive, until it is polled again or dropped: so poll
    /// until it is *ready*, or drop it.
    ///
    /// # Errors
    ///
    /// Those of [`recv_async`](Self::recv_async).
    ///
    /// # Panics
    ///
    /// As [`recv_async`](Self::recv_async).
    pub fn poll_recv(&self, context: &mut Context<'_>) -> Poll<Result<Received<'_, T>>> {
        // In a forked child the lock may be held by a thread that was not forked along.
        self.parts().0.check_process()?;
        let mut waiting = self.polled.lock().unwrap_or_else(PoisonError::into_inner);
        self.poll_lease(&mut waiting, context, None).map(|held| self.check(held?))
    }

    /// The messages as a [`Stream`], until the channel is closed and drained.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// # let directory = tempfile::tempdir()?;
    /// # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("numbers")?;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use futures_util::TryStreamExt;
    ///
    /// let (tx, rx) = channel.split();
    /// tx.send_many(1..=4)?;
    /// tx.close();
    /// let sum: u64 = rx.stream().try_fold(0, async |sum, number| Ok(sum + number.to_native())).await?;
    /// assert_eq!(sum, 10);
    /// # Ok::<(), mi7::Error>(())
    /// # })?; }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// That of [`recv_async`](Self::recv_async), for each of its items, and for the stream itself.
    pub fn stream(&self) -> RecvStream<'_, T> {
        RecvStream { receiver: self, waiting: Waiting::default(), ended: false }
    }

    /// The messages as a [`Stream`] that borrows nothing: see [`stream`](Self::stream). Its items keep the channel open themselves.
    pub fn into_stream(self) -> IntoRecvStream<T> {
        IntoRecvStream { receiver: self, waiting: Waiting::default(), ended: false }
    }
}

/// The next item of a stream, and whether it was the last.
fn item<'a, T: Payload>(
    receiver: &'a Receiver<T>,
    waiting: &mut Waiting,
    ended: &mut bool,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Received<'a, T>>>> {
    if *ended {
        return Poll::Ready(None);
    }
    Poll::Ready(match ready!(receiver.poll_lease(waiting, context, None)) {
        Ok(held) => Some(receiver.check(held)),
        Err(error) => {
            *ended = true;
            (!matches!(error, Error::Closed)).then_some(Err(error))
        }
    })
}

/// The messages of a channel: see [`Receiver::stream`].
///
/// An item is an error where what came is no message ([`Error::Corrupt`]), and where there is nothing to wait in; the latter is the last.
#[must_use = "streams do nothing unless polled"]
pub struct RecvStream<'a, T: Payload> {
    receiver: &'a Receiver<T>,
    waiting: Waiting,
    ended: bool,
}

impl<'a, T: Payload> Stream for RecvStream<'a, T> {
    type Item = Result<Received<'a, T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        item(this.receiver, &mut this.waiting, &mut this.ended, context)
    }
}

impl<T: Payload> FusedStream for RecvStream<'_, T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<T: Payload> fmt::Debug for RecvStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecvStream").field(&self.receiver).finish()
    }
}

/// The messages of a channel: see [`Receiver::into_stream`] and [`RecvStream`].
#[must_use = "streams do nothing unless polled"]
pub struct IntoRecvStream<T: Payload> {
    receiver: Receiver<T>,
    waiting: Waiting,
    ended: bool,
}

impl<T: Payload> IntoRecvStream<T> {
    /// The receiver again.
    pub fn into_inner(self) -> Receiver<T> {
        self.receiver
    }
}

// It is never borrowed from but for the moment of a poll.
impl<T: Payload> Unpin for IntoRecvStream<T> {}

impl<T: Payload> Stream for IntoRecvStream<T> {
    type Item = Result<Received<'static, T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        item(&this.receiver, &mut this.waiting, &mut this.ended, context)
            .map(|item| item.map(|received| received.map(Received::detach)))
    }
}

impl<T: Payload> FusedStream for IntoRecvStream<T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<T: Payload> fmt::Debug for IntoRecvStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IntoRecvStream").field(&self.receiver).finish()
    }
}
