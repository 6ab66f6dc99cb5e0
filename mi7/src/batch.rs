//! Several messages at a time.
//!
//! A batch costs as many claims as it has messages, since each has to bear its owner's name in case that dies; what it spares is to
//! look, for each, whether somebody sleeps, and to wake somebody for each.

use core::borrow::Borrow;
use core::fmt;
use core::iter::FusedIterator;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::slice;
use std::sync::Arc;
use std::vec;

use mi7_core::Channel;

use crate::payload::Payload;
use crate::received::Received;
use crate::receiver::Receiver;
use crate::sender::{Loan, Sender};
use crate::{Error, Result};

/// After so many messages at the most, [`Sender::send_many`] looks whether a receiver sleeps.
const WAKE_EVERY: usize = 256;

impl<T: Payload> Sender<T> {
    /// Sends messages, waiting for room as often as the channel is full. Returns how many were sent.
    ///
    /// As if each was sent on its own, but that receivers who sleep are woken at most once for 256 messages, and at the end.
    /// Another sender's may come in between. Items may be messages or references to them.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("numbers")?;
    /// # let (tx, rx) = channel.split();
    /// assert_eq!(tx.send_many(0..100)?, 100);
    /// assert_eq!(tx.send_many(&[7, 8, 9])?, 3);
    /// let batch = rx.recv_many(1000)?;
    /// assert_eq!(batch.iter().map(|number| number.to_native()).max(), Some(99));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), if they befall the first message. If they befall a later one, what was sent before is sent, and
    /// its number returned (as `write(2)` does): it is less than the number of messages then, and to send the rest gives the error.
    ///
    /// # Panics
    ///
    /// Where the iterator does. What was sent before is sent.
    pub fn send_many<I>(&self, messages: I) -> Result<usize>
    where
        I: IntoIterator<Item: Borrow<T>>,
    {
        // Whatever ends it, the iterator's panic included.
        let _wake = Wake(self);
        let mut sent = 0usize;
        for message in messages {
            match self.send_quietly(message.borrow()) {
                Ok(()) => sent += 1,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
            if sent.is_multiple_of(WAKE_EVERY) {
                self.parts().0.wake_receivers()?;
            }
        }
        Ok(sent)
    }

    #[inline(always)]
    fn send_quietly(&self, message: &T) -> Result<()> {
        let ready = self.ready(message)?;
        let (channel, memory) = self.parts();
        let grant = match channel.claim_at_once(memory) {
            Some(grant) => grant,
            None => match channel.try_claim_next(memory) {
                Err(Error::Full) => {
                    // For those who are to make room.
                    channel.wake_receivers()?;
                    self.claim(|| None)?
                }
                claimed => claimed?,
            },
        };
        let mut loan = self.loan_of(grant);
        loan.write_ready(message, ready)?;
        loan.send_quietly()
    }

    /// Lends out as many slots as there are now, `most` at the most, waiting for one while the channel is full.
    ///
    /// They are in order: what is sent through the first is received first. So receivers wait for the first of them, and what is sent
    /// after this waits for them all. They are sent together with [`Loans::send`], or one by one.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let channel = mi7::SharedChannel::<[u64; 8]>::options().directory(directory.path()).create("rows")?;
    /// # let (tx, rx) = channel.split();
    /// let mut rows = tx.loan_many(3)?;
    /// for (row, number) in rows.iter_mut().zip(0..) {
    ///     row.write(&[number; 8])?;
    /// }
    /// assert_eq!(rows.send()?, 3);
    /// assert_eq!(rx.recv_many(8)?[2][7].to_native(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Exhausted`].
    pub fn loan_many(&self, most: usize) -> Result<Loans<'_, T>> {
        let mut loans = Vec::new();
        if most > 0 {
            loans.push(self.loan()?);
            let (channel, memory) = self.parts();
            while loans.len() < most
                && let Ok(grant) = channel.try_claim(memory)
            {
                loans.push(self.loan_of(grant));
            }
        }
        Ok(Loans { sender: self, loans })
    }
}

/// Wakes a receiver in the end.
struct Wake<'a, T: Payload>(&'a Sender<T>);

impl<T: Payload> Drop for Wake<'_, T> {
    fn drop(&mut self) {
        let _ = self.0.parts().0.wake_receivers();
    }
}

/// Slots lent to a sender: see [`Sender::loan_many`]. It derefs to a slice of [`Loan`]s, and can be taken apart into them. Those that
/// are dropped unsent go back.
#[must_use = "loans that are dropped send nothing"]
pub struct Loans<'a, T: Payload> {
    sender: &'a Sender<T>,
    loans: Vec<Loan<'a, T>>,
}

impl<T: Payload> Loans<'_, T> {
    /// Sends what was written, and wakes at most one receiver for it. Returns how many messages that were; slots that were not
    /// written go back.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritten`], if none was written. [`Error::Forked`]: the loans are the parent process's.
    pub fn send(mut self) -> Result<usize> {
        let mut sent = 0;
        for loan in self.loans.drain(..) {
            sent += usize::from(loan.send_quietly().is_ok());
        }
        self.sender.parts().0.wake_receivers()?;
        if sent == 0 { Err(Error::Unwritten) } else { Ok(sent) }
    }
}

impl<'a, T: Payload> Deref for Loans<'a, T> {
    type Target = [Loan<'a, T>];

    fn deref(&self) -> &[Loan<'a, T>] {
        &self.loans
    }
}

impl<T: Payload> DerefMut for Loans<'_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.loans
    }
}

impl<'a, T: Payload> IntoIterator for Loans<'a, T> {
    type Item = Loan<'a, T>;
    type IntoIter = vec::IntoIter<Loan<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.loans.into_iter()
    }
}

impl<T: Payload> fmt::Debug for Loans<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.loans).finish()
    }
}

impl<T: Payload> Receiver<T> {
    /// Receives as many messages as there are now, `most` at the most, waiting for one while the channel is empty.
    ///
    /// A sender that waits for room is woken at most once when they are done with all together. With several receivers, a large `most`
    /// leaves the others less: what is in a batch waits for those before it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] once the channel is closed and drained; [`Error::Corrupt`] if all that came was no message. (What is none is
    /// dropped; where there are others, it is left out.)
    pub fn recv_many(&self, most: usize) -> Result<Batch<'_, T>> {
        let (channel, memory) = self.parts();
        let mut messages = self.room_for(most);
        channel.lease_many(memory, None, most, |held| self.put(&mut messages, held))?;
        self.batch(messages)
    }

    fn room_for(&self, most: usize) -> Vec<Received<'_, T>> {
        Vec::with_capacity(most.min(self.channel().capacity()).min(1024))
    }

    #[inline(always)]
    fn put<'a>(&'a self, messages: &mut Vec<Received<'a, T>>, held: mi7_core::Held) {
        if messages.len() == messages.capacity() {
            messages.reserve(64);
        }
        // Not `push`: it would have each of them built elsewhere first (see `Sender::claim`).
        if let Some(room) = messages.spare_capacity_mut().first_mut() {
            room.write(Received::unchecked(self, held));
            // SAFETY: one more is initialized.
            unsafe { messages.set_len(messages.len() + 1) };
        }
    }

    /// A message just leased, and those that are there beside it.
    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub(crate) fn batch_from(&self, first: mi7_core::Held, most: usize) -> Result<Batch<'_, T>> {
        let (channel, memory) = self.parts();
        let mut messages = self.room_for(most);
        channel.lease_more(memory, first, most, |held| self.put(&mut messages, held));
        self.batch(messages)
    }

    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub(crate) fn empty_batch(&self) -> Batch<'_, T> {
        Batch { channel: self.parts().0, messages: Vec::new() }
    }

    /// Leaves out what is no message.
    fn batch<'a>(&'a self, mut messages: Vec<Received<'a, T>>) -> Result<Batch<'a, T>> {
        let mut refused = None;
        messages.retain_mut(|message| message.check(self).map_err(|error| refused = Some(error)).is_ok());
        match refused {
            Some(error) if messages.is_empty() => Err(error),
            _ => Ok(Batch { channel: self.parts().0, messages }),
        }
    }
}

/// Received messages: see [`Receiver::recv_many`]. It derefs to a slice of [`Received`].
///
/// - *Dropping* it says that all its messages are done.
/// - *Unwinding* from a panic while holding it, or [`requeue`](Self::requeue), puts all of them back.
/// - *Iterating* by value takes one after the other out. Those that are not reached, because the loop was left, are put back.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("numbers")?;
/// # let (tx, rx) = channel.split();
/// tx.send_many(0..10)?;
/// for number in rx.recv_many(10)? {
///     if number.to_native() == 6 {
///         break; // and done with it
///     }
/// }
/// assert_eq!(rx.recv_many(10)?.iter().map(|number| number.to_native()).collect::<Vec<_>>(), [7, 8, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batch<'a, T: Payload> {
    channel: &'a Arc<Channel>,
    messages: Vec<Received<'a, T>>,
}

impl<T: Payload> Batch<'_, T> {
    /// Puts all of them back. They are received again, ahead of newer ones.
    pub fn requeue(mut self) {
        self.messages.drain(..).for_each(Received::requeue);
    }
}

impl<T: Payload> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        let mut room = false;
        for message in &mut self.messages {
            room |= message.settle_quietly();
        }
        if room {
            self.channel.wake_senders();
        }
    }
}

impl<'a, T: Payload> Deref for Batch<'a, T> {
    type Target = [Received<'a, T>];

    fn deref(&self) -> &[Received<'a, T>] {
        &self.messages
    }
}

impl<'a, T: Payload> IntoIterator for Batch<'a, T> {
    type Item = Received<'a, T>;
    type IntoIter = BatchIter<'a, T>;

    fn into_iter(mut self) -> BatchIter<'a, T> {
        BatchIter(mem::take(&mut self.messages).into_iter())
    }
}

impl<'a, 'b, T: Payload> IntoIterator for &'b Batch<'a, T> {
    type Item = &'b Received<'a, T>;
    type IntoIter = slice::Iter<'b, Received<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.iter()
    }
}

impl<T: Payload<Target: fmt::Debug>> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.messages).finish()
    }
}

/// The messages of a [`Batch`], one after the other. Those that are left when it is dropped are put back.
pub struct BatchIter<'a, T: Payload>(vec::IntoIter<Received<'a, T>>);

impl<'a, T: Payload> Iterator for BatchIter<'a, T> {
    type Item = Received<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<Received<'a, T>> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T: Payload> ExactSizeIterator for BatchIter<'_, T> {}

impl<T: Payload> FusedIterator for BatchIter<'_, T> {}

impl<T: Payload> Drop for BatchIter<'_, T> {
    fn drop(&mut self) {
        self.0.by_ref().for_each(Received::requeue);
    }
}

impl<T: Payload<Target: fmt::Debug>> fmt::Debug for BatchIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.as_slice()).finish()
    }
}
