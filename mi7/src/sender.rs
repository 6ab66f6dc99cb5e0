//! The end that sends.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mi7_core::{Channel, Grant, Memory};

use crate::archive;
use crate::channel::{SharedChannel, Status};
use crate::message::ShmMessage;
use crate::payload::{Payload, Slot};
use crate::{Error, Result};

/// The end of a channel that sends. Cheap to clone; a clone for each thread is fastest.
pub struct Sender<T: Payload> {
    channel: SharedChannel<T>,
    memory: Memory,
    /// Where `poll_send` waits.
    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub(crate) polled: std::sync::Mutex<mi7_core::Waiting>,
}

impl<T: Payload> Sender<T> {
    pub(crate) fn new(channel: SharedChannel<T>) -> Self {
        channel.core().count_sender(true);
        Sender {
            channel,
            memory: Memory::default(),
            #[cfg(any(feature = "tokio", feature = "async-io"))]
            polled: std::sync::Mutex::default(),
        }
    }

    /// Sends a message, waiting for room while the channel is full.
    ///
    /// The archive is built in the slot itself. `Ok` means that the message will be received even if this process dies now.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]; for [`Message`](crate::Message) and [`Bincode`](crate::Bincode) also [`Error::TooLarge`] and
    /// [`Error::Encoding`]; [`Error::Exhausted`] after years. Nothing was sent then.
    #[inline(always)]
    pub fn send(&self, message: &T) -> Result<()> {
        let ready = self.ready(message)?;
        self.write(self.claim(|| None)?, message, ready)
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], and those of [`send`](Self::send). The message is still the caller's.
    #[inline(always)]
    pub fn try_send(&self, message: &T) -> Result<()> {
        let ready = self.ready(message)?;
        let grant = match self.core().claim_at_once(&self.memory) {
            Some(grant) => grant,
            None => self.core().try_claim(&self.memory)?,
        };
        self.write(grant, message, ready)
    }

    /// Sends a message, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], and those of [`send`](Self::send). The message is still the caller's.
    #[inline(always)]
    pub fn send_timeout(&self, message: &T, timeout: Duration) -> Result<()> {
        let ready = self.ready(message)?;
        self.write(self.claim(|| Instant::now().checked_add(timeout))?, message, ready)
    }

    /// Lends out the next slot, to write the message into it bit by bit, waiting for room while the channel is full.
    ///
    /// What is sent after the loan is received after it: receivers wait for the loan to be sent or dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Exhausted`].
    pub fn loan(&self) -> Result<Loan<'_, T>> {
        Ok(self.loan_of(self.core().claim_until(&self.memory, None)?))
    }

    /// Lends out the next slot if there is room now.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], and those of [`loan`](Self::loan).
    pub fn try_loan(&self) -> Result<Loan<'_, T>> {
        Ok(self.loan_of(self.core().try_claim(&self.memory)?))
    }

    /// Makes a message ready to be written to a slot. What cannot be is refused here, before it takes one.
    #[inline(always)]
    pub(crate) fn ready(&self, message: &T) -> Result<T::Ready> {
        message.ready(self.core().info().geometry.payload as usize)
    }

    /// Claims a slot.
    ///
    /// What is called out of line is not given the message. So where it has just been built, it need never have been in memory before it is
    /// in the slot; and need not be loaded from where it was stored in other pieces, for which the processor would first wait until
    /// all that was stored before has reached the cache, the last message in its slot included.
    #[inline(always)]
    pub(crate) fn claim(&self, deadline: impl FnOnce() -> Option<Instant>) -> Result<Grant> {
        if let Some(grant) = self.core().claim_at_once(&self.memory) {
            return Ok(grant);
        }
        match self.core().try_claim_next(&self.memory) {
            Err(Error::Full) => self.core().claim_until(&self.memory, deadline()),
            other => other,
        }
    }

    #[inline(always)]
    pub(crate) fn write(&self, grant: Grant, message: &T, ready: T::Ready) -> Result<()> {
        let mut loan = self.loan_of(grant);
        loan.write_ready(message, ready)?;
        loan.send()
    }

    #[inline(always)]
    pub(crate) fn loan_of(&self, grant: Grant) -> Loan<'_, T> {
        Loan { sender: self, grant: Some(grant), written: false, message: PhantomData }
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

impl<T: Payload> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender::new(self.channel.clone())
    }
}

impl<T: Payload> Drop for Sender<T> {
    fn drop(&mut self) {
        self.core().retire_sender(&self.memory);
        self.core().count_sender(false);
    }
}

impl<T: Payload> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.channel.name()).finish()
    }
}

/// A slot lent to a sender: [`write`](Self::write) to it, then [`send`](Self::send) it. Dropped unsent, it goes back.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let channel = mi7::SharedChannel::<[u64; 8]>::options().directory(directory.path()).create("rows")?;
/// # let (tx, rx) = channel.split();
/// let mut slot = tx.loan()?;
/// slot.write(&[1; 8])?;
/// slot.send()?;
/// assert_eq!(rx.recv()?[7].to_native(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a loan that is dropped sends nothing"]
pub struct Loan<'a, T: Payload> {
    sender: &'a Sender<T>,
    /// Always there until it is sent or dropped.
    grant: Option<Grant>,
    written: bool,
    message: PhantomData<fn(&T)>,
}

impl<T: Payload> Loan<'_, T> {
    #[inline]
    fn slot(&self) -> Slot {
        match &self.grant {
            Some(grant) => self.sender.channel.slot(self.sender.core().slot(grant)),
            None => unreachable!("the grant is there until the loan is gone"),
        }
    }

    /// Builds the message in the slot. May be repeated: the last one counts.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::Encoding`], never for a [`ShmMessage`]. The slot counts as unwritten then.
    #[inline(always)]
    pub fn write(&mut self, message: &T) -> Result<()> {
        self.written = false;
        let ready = self.sender.ready(message)?;
        self.write_ready(message, ready)
    }

    #[inline(always)]
    pub(crate) fn write_ready(&mut self, message: &T, ready: T::Ready) -> Result<()> {
        // SAFETY: the channel was made or opened for this type, and a granted slot is nobody else's.
        unsafe { message.write(ready, self.slot()) }?;
        self.written = true;
        Ok(())
    }

    /// Sends what was written.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritten`]: nothing was sent, the slot went back. [`Error::Forked`]: the loan is the parent process's.
    #[inline(always)]
    pub fn send(self) -> Result<()> {
        let channel = self.sender.core();
        self.send_quietly()?;
        channel.wake_receivers()
    }

    /// Sends what was written, and wakes nobody.
    #[inline(always)]
    pub(crate) fn send_quietly(mut self) -> Result<()> {
        if !self.written {
            return Err(Error::Unwritten);
        }
        self.sender.core().publish_quietly(&self.sender.memory, &mut self.grant);
        Ok(())
    }
}

impl<T: ShmMessage> Loan<'_, T> {
    /// Fills the slot with zeros, and gives access to the archive that this makes: numbers are 0, options are `None`, texts and
    /// lists are empty. It counts as written, and can be filled in: a large message need not be anywhere else.
    ///
    /// ```
    /// use mi7::FixedVec;
    ///
    /// #[mi7::message]
    /// struct Frame {
    ///     number: u64,
    ///     pixels: FixedVec<u32, 1_000_000>,
    /// }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let options = mi7::SharedChannel::<Frame>::options().directory(directory.path()).capacity(1);
    /// # let (tx, rx) = options.create("frames")?.split();
    /// let mut loan = tx.loan()?;
    /// let frame = loan.zeroed()?;
    /// frame.number = 7.into();
    /// for brightness in 0..640 * 480_u32 {
    ///     frame.pixels.try_push(&brightness)?;
    /// }
    /// loan.send()?;
    /// assert_eq!(rx.recv()?.pixels[9], 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Encoding`] if zeros are not a valid archive of the type, as with `NonZero` numbers, and enums whose variants all
    /// have other discriminants. The slot counts as unwritten then.
    pub fn zeroed(&mut self) -> Result<&mut T::Archived> {
        self.written = false;
        let at = self.slot().at;
        // SAFETY: the slot has the archive's size, and while the loan lasts it is nobody else's.
        unsafe { at.write_bytes(0, size_of::<T::Archived>()) };
        // SAFETY: the same, and it has the archive's alignment; the bytes are initialized.
        if let Err(invalid) = unsafe { archive::check::<T>(at) } {
            let why = format!("zeros are not a valid archive of `{}`: {invalid}; write a value", T::SCHEMA.name);
            return Err(Error::Encoding { why });
        }
        self.written = true;
        // SAFETY: it has just been found to be valid, and while the loan lasts it is nobody else's.
        Ok(unsafe { at.cast::<T::Archived>().as_mut() })
    }

    /// The place of the archive, which counts as unwritten from now on, to be filled in without a native value (a frame straight from a camera, say). It holds
    /// whatever bytes an earlier message left.
    pub fn as_uninit(&mut self) -> &mut MaybeUninit<T::Archived> {
        // Safe code can put anything there.
        self.written = false;
        // SAFETY: the slot has the archive's size and alignment, and while the loan lasts it is nobody else's.
        unsafe { self.slot().at.cast::<MaybeUninit<T::Archived>>().as_mut() }
    }

    /// Says that the place of the archive has been filled in.
    ///
    /// # Safety
    ///
    /// [`as_uninit`](Self::as_uninit) holds a valid archive of `T`. (A receiver would refuse it otherwise: the promise
    /// concerns this process, which may reach it by reference.)
    pub unsafe fn assume_written(&mut self) -> &mut T::Archived {
        // SAFETY: the slot is this loan's, of the archive's size and alignment, and by the caller's promise valid.
        let archived = unsafe { self.slot().at.cast::<T::Archived>().as_mut() };
        self.written = true;
        archived
    }
}

impl<T: Payload> Drop for Loan<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            self.sender.core().give_up(&self.sender.memory, grant);
        }
    }
}

impl<T: Payload> fmt::Debug for Loan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").field("channel", &self.sender.channel.name()).field("written", &self.written).finish()
    }
}
