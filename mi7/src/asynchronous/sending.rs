//! Sending in tasks.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::borrow::Borrow;
use std::sync::PoisonError;

use futures_sink::Sink;
use mi7_core::{Grant, Waiting};

use super::{proceed, runtime};
use crate::payload::Payload;
use crate::{Error, Loan, Result, Sender};

/// In tasks: with the feature `tokio` or `async-io`.
///
/// All of these may be used at once with those that hold up the thread, and by any number of tasks.
impl<T: Payload> Sender<T> {
    /// Sends a message, waiting for room while the channel is full, as a task does: without holding up the thread. While there is
    /// room, it is a [`try_send`](Self::try_send).
    ///
    /// # Cancel safety
    ///
    /// The message is sent in the poll that says so, or not at all: with a future that is dropped before, nothing was sent, and no slot
    /// was taken. If it was dropped after it was woken for some room, the next one who waits for that is woken.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send); and if it has to wait, those of [`Receiver::recv_async`](crate::Receiver::recv_async).
    ///
    /// # Panics
    ///
    /// As [`Receiver::recv_async`](crate::Receiver::recv_async).
    pub async fn send_async(&self, message: &T) -> Result<()> {
        let ready = self.ready(message)?;
        let mut waiting = Waiting::default();
        let grant = poll_fn(|context| self.poll_claim(&mut waiting, context)).await?;
        self.write(grant, message, ready)
    }

    /// Lends out the next slot, waiting for room while the channel is full: see [`loan`](Self::loan).
    ///
    /// Receivers wait for the loan to be sent or dropped, so do not keep it over an `.await`.
    ///
    /// # Cancel safety
    ///
    /// As [`send_async`](Self::send_async): a future that is dropped has no slot.
    ///
    /// # Errors
    ///
    /// Those of [`loan`](Self::loan); and if it has to wait, those of [`Receiver::recv_async`](crate::Receiver::recv_async).
    ///
    /// # Panics
    ///
    /// As [`Receiver::recv_async`](crate::Receiver::recv_async).
    pub async fn loan_async(&self) -> Result<Loan<'_, T>> {
        let mut waiting = Waiting::default();
        Ok(self.loan_of(poll_fn(|context| self.poll_claim(&mut waiting, context)).await?))
    }

    /// Claims a slot.
    fn poll_claim(&self, waiting: &mut Waiting, context: &mut Context<'_>) -> Poll<Result<Grant>> {
        let progress = ready!(proceed(context));
        let (channel, memory) = self.parts();
        let polled = channel.poll_claim(memory, waiting, context, None, || runtime::desk(channel));
        if polled.is_ready() {
            progress();
        }
        polled
    }

    /// [`send_async`](Self::send_async) by hand: *pending* means that nothing was sent, and that the task will be woken when it is worth
    /// another poll.
    ///
    /// Of several tasks that poll the same handle, only the last is woken: use a clone for each. A handle that was polled in vain keeps
    /// its place among those who wait, until it is polled again or dropped: so poll until it is *ready*, or drop it.
    ///
    /// A [`Bincode`](crate::Bincode) is encoded anew in each poll.
    ///
    /// # Errors
    ///
    /// Those of [`send_async`](Self::send_async).
    ///
    /// # Panics
    ///
    /// As [`Receiver::recv_async`](crate::Receiver::recv_async).
    pub fn poll_send(&self, context: &mut Context<'_>, message: &T) -> Poll<Result<()>> {
        // In a forked child the lock may be held by a thread that was not forked along.
        self.parts().0.check_process()?;
        let ready = self.ready(message);
        let mut waiting = self.polled.lock().unwrap_or_else(PoisonError::into_inner);
        match ready {
            Ok(ready) => self.poll_claim(&mut waiting, context).map(|grant| self.write(grant?, message, ready)),
            Err(error) => {
                // The place that an earlier message may have waited in.
                *waiting = Waiting::default();
                Poll::Ready(Err(error))
            }
        }
    }

    /// The end as a [`Sink`] of messages (or of references to them).
    ///
    /// It takes one message more than the channel has room for, and is ready for the next when that one is in the channel: so a claimed
    /// slot is never kept from the receivers, however long the next message takes. Closing the sink flushes it; the channel stays open
    /// ([`close`](Self::close) ends that).
    ///
    /// # Cancel safety
    ///
    /// A message that was given to the sink is in the sink until it is in the channel; it is lost only with the sink.
    pub fn sink<M: Borrow<T>>(&self) -> SendSink<'_, T, M> {
        SendSink { sender: self, outbox: Outbox::default() }
    }

    /// The end as a [`Sink`] that borrows nothing: see [`sink`](Self::sink).
    pub fn into_sink<M: Borrow<T>>(self) -> IntoSendSink<T, M> {
        IntoSendSink { sender: self, outbox: Outbox::default() }
    }
}

/// The message that there was no room for, ready to be written.
struct Outbox<T: Payload, M> {
    message: Option<(M, T::Ready)>,
    waiting: Waiting,
}

impl<T: Payload, M> Default for Outbox<T, M> {
    fn default() -> Self {
        Outbox { message: None, waiting: Waiting::default() }
    }
}

impl<T: Payload, M: Borrow<T>> Outbox<T, M> {
    fn flush(&mut self, sender: &Sender<T>, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.message.is_none() {
            return Poll::Ready(Ok(()));
        }
        let grant = ready!(sender.poll_claim(&mut self.waiting, context));
        // Sent, or never to be.
        match self.message.take() {
            Some((message, ready)) => Poll::Ready(grant.and_then(|grant| sender.write(grant, message.borrow(), ready))),
            None => unreachable!("there is one"),
        }
    }

    fn put(&mut self, sender: &Sender<T>, message: M) -> Result<()> {
        let ready = sender.ready(message.borrow())?;
        let (channel, memory) = sender.parts();
        match channel.try_claim(memory) {
            Ok(grant) => sender.write(grant, message.borrow(), ready),
            // Whoever did not ask whether the sink is ready is told so.
            Err(Error::Full) if self.message.is_none() => {
                self.message = Some((message, ready));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// A sending end as a [`Sink`]: see [`Sender::sink`].
#[must_use = "sinks do nothing unless polled"]
pub struct SendSink<'a, T: Payload, M: Borrow<T> = T> {
    sender: &'a Sender<T>,
    outbox: Outbox<T, M>,
}

/// A sending end as a [`Sink`] that borrows nothing: see [`Sender::into_sink`].
#[must_use = "sinks do nothing unless polled"]
pub struct IntoSendSink<T: Payload, M: Borrow<T> = T> {
    sender: Sender<T>,
    outbox: Outbox<T, M>,
}

impl<T: Payload, M: Borrow<T>> IntoSendSink<T, M> {
    /// The sender again, and the message that there was no room for as yet.
    pub fn into_inner(self) -> (Sender<T>, Option<M>) {
        (self.sender, self.outbox.message.map(|(message, _)| message))
    }
}

macro_rules! sink {
    ($name:ident $($lifetime:lifetime)?) => {
        // The message is moved in and out, and never pinned.
        impl<$($lifetime,)? T: Payload, M: Borrow<T>> Unpin for $name<$($lifetime,)? T, M> {}

        impl<$($lifetime,)? T: Payload, M: Borrow<T>> Sink<M> for $name<$($lifetime,)? T, M> {
            type Error = Error;

            fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
                let this = &mut *self;
                this.outbox.flush(&this.sender, context)
            }

            fn start_send(mut self: Pin<&mut Self>, message: M) -> Result<()> {
                let this = &mut *self;
                this.outbox.put(&this.sender, message)
            }

            fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
                let this = &mut *self;
                this.outbox.flush(&this.sender, context)
            }

            fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
                self.poll_flush(context)
            }
        }

        impl<$($lifetime,)? T: Payload, M: Borrow<T>> fmt::Debug for $name<$($lifetime,)? T, M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let waits = self.outbox.message.is_some();
                f.debug_struct(stringify!($name)).field("sender", &self.sender).field("waits", &waits).finish()
            }
        }
    };
}

sink!(SendSink 'a);
sink!(IntoSendSink);
