//! The end that receives.

use core::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mi7_core::{Channel, Held, Memory};

use crate::Result;
use crate::channel::{SharedChannel, Status};
use crate::payload::Payload;
use crate::received::Received;

/// The end of a channel that receives. Each message goes to one receiver only, however many there are.
pub struct Receiver<T: Payload> {
    channel: SharedChannel<T>,
    memory: Memory,
    /// Where `poll_recv` waits.
    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub(crate) polled: std::sync::Mutex<mi7_core::Waiting>,
}

impl<T: Payload> Receiver<T> {
    pub(crate) fn new(channel: SharedChannel<T>) -> Self {
        channel.core().count_receiver(true);
        Receiver {
            channel,
            memory: Memory::default(),
            #[cfg(any(feature = "tokio", feature = "async-io"))]
            polled: std::sync::Mutex::default(),
        }
    }

    /// Receives the next message, waiting for one while the channel is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`](crate::Error::Closed) once the channel is closed and drained; [`Error::Corrupt`](crate::Error::Corrupt) for a message that is none (it is
    /// dropped, and the next call goes on).
    #[inline(always)]
    pub fn recv(&self) -> Result<Received<'_, T>> {
        let held = match self.core().lease_at_once(&self.memory) {
            Some(held) => held,
            None => self.core().lease_until(&self.memory, None)?,
        };
        self.check(held)
    }

    /// Receives the next message if there is one now.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`](crate::Error::Empty), and those of [`recv`](Self::recv).
    #[inline(always)]
    pub fn try_recv(&self) -> Result<Received<'_, T>> {
        let held = match self.core().lease_at_once(&self.memory) {
            Some(held) => held,
            None => self.core().try_lease(&self.memory)?,
        };
        self.check(held)
    }

    /// Receives the next message, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`](crate::Error::Timeout), and those of [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Received<'_, T>> {
        self.check(self.core().lease_until(&self.memory, Instant::now().checked_add(timeout))?)
    }

    /// The messages, one after the other, until the channel is closed and drained. What is no message is left out.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Checks a leased message; one that is none is dropped.
    #[inline(always)]
    pub(crate) fn check(&self, held: Held) -> Result<Received<'_, T>> {
        Received::new(self, held)
    }

    #[inline]
    fn core(&self) -> &Arc<Channel> {
        self.channel.core()
    }

    #[inline]
    pub(crate) fn parts(&self) -> (&Arc<Channel>, &Memory) {
        (self.core(), &self.memory)
    }

    /// The channel this is an end of.
    pub fn channel(&self) -> &SharedChannel<T> {
        &self.channel
    }

    /// Ends the channel: see [`SharedChannel::close`].
    pub fn close(&self) {
        self.channel.close();
    }

    /// How the channel is doing: see [`SharedChannel::status`].
    pub fn status(&self) -> Status {
        self.channel.status()
    }
}

impl<T: Payload> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver::new(self.channel.clone())
    }
}

impl<T: Payload> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.core().retire_receiver(&self.memory);
        self.core().count_receiver(false);
    }
}

impl<T: Payload> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.channel.name()).finish()
    }
}

impl<'a, T: Payload> IntoIterator for &'a Receiver<T> {
    type Item = Received<'a, T>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The messages of a channel: see [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T: Payload> {
    receiver: &'a Receiver<T>,
}

impl<'a, T: Payload> Iterator for Iter<'a, T> {
    type Item = Received<'a, T>;

    fn next(&mut self) -> Option<Received<'a, T>> {
        loop {
            match self.receiver.core().lease_until(&self.receiver.memory, None) {
                Ok(held) => match self.receiver.check(held) {
                    Ok(received) => return Some(received),
                    // A message that is none: it was dropped.
                    Err(_) => continue,
                },
                // Closed and drained, or a channel that is no longer one.
                Err(_) => return None,
            }
        }
    }
}
