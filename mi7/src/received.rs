//! A message in the hands of a receiver.

use core::fmt;
use core::ops::Deref;
use std::sync::Arc;
use std::thread;

use mi7_core::{Channel, Held, Memory};

use crate::Result;
use crate::dynamic::{Bincode, Message};
use crate::message::ShmMessage;
use crate::payload::{Payload, View};
use crate::receiver::Receiver;

/// A received message: a lease of the slot it lies in.
///
/// It derefs to the message in place: to the archive of a [`ShmMessage`], to a [`MessageView`](crate::MessageView) of a
/// [`Message`], to the decoded value of a [`Bincode`].
///
/// - *Dropping* it says that the message is done, and frees the slot.
/// - *Unwinding* from a panic while holding it, or [`requeue`](Self::requeue), puts the message back: it is received again,
///   ahead of newer ones.
/// - *Dying* while holding it gives the message to another receiver, for whom [`deliveries`](Self::deliveries) says 2.
///
/// So a message is received at least once, and exactly once where nobody dies, panics or puts it back. A lease blocks nobody,
/// however long it is held: the other slots go round without this one. One that is forgotten (`mem::forget`) lasts until
/// the process ends.
///
/// The lifetime is that of the [`Receiver`]; [`detach`](Self::detach) does without it.
pub struct Received<'a, T: Payload> {
    hold: Hold<'a>,
    /// There until the drop.
    held: Option<Held>,
    /// There from the check until the drop. Whatever it is, it owns nothing of the slot.
    view: Option<T::View>,
    /// Whether it was received while unwinding already: then its drop is no sign of a panic in its handling.
    unwinding: bool,
}

/// What keeps the channel open.
enum Hold<'a> {
    Receiver(&'a Arc<Channel>, &'a Memory),
    Channel(Arc<Channel>),
}

impl Hold<'_> {
    #[inline]
    fn channel(&self) -> (&Channel, Option<&Memory>) {
        match self {
            Hold::Receiver(channel, memory) => (channel, Some(memory)),
            Hold::Channel(channel) => (channel, None),
        }
    }
}

impl<'a, T: Payload> Received<'a, T> {
    #[inline(always)]
    pub(crate) fn new(receiver: &'a Receiver<T>, held: Held) -> Result<Self> {
        // From here on the drop settles the lease: it frees the slot if the message turns out to be none, and puts it back
        // if decoding panics.
        let mut received = Self::unchecked(receiver, held);
        received.check(receiver)?;
        Ok(received)
    }

    /// One that has to be [checked](Self::check) before anybody gets it.
    #[inline(always)]
    pub(crate) fn unchecked(receiver: &'a Receiver<T>, held: Held) -> Self {
        let (channel, memory) = receiver.parts();
        Received { hold: Hold::Receiver(channel, memory), held: Some(held), view: None, unwinding: thread::panicking() }
    }

    #[inline(always)]
    pub(crate) fn check(&mut self, receiver: &Receiver<T>) -> Result<()> {
        if let Some(held) = &self.held {
            let slot = receiver.channel().slot(receiver.parts().0.message(held));
            // SAFETY: the channel was made or opened for this type, and nobody writes to a leased slot.
            self.view = Some(unsafe { T::view(slot) }?);
        }
        Ok(())
    }

    /// Ends the lease as a drop would, but wakes nobody. True if that is left to do: there is room.
    #[inline(always)]
    pub(crate) fn settle_quietly(&mut self) -> bool {
        if self.held.is_none() {
            return false;
        }
        let (channel, memory) = self.hold.channel();
        if thread::panicking() && !self.unwinding {
            if let Some(held) = self.held.take() {
                channel.put_back(held);
            }
            return false;
        }
        channel.release_quietly(memory, &mut self.held);
        true
    }

    /// How often this message has been handed out, this time included: 1, unless a receiver died or panicked with it or put
    /// it back. Counts to 64, and from there on stays between 33 and 64.
    pub fn deliveries(&self) -> u32 {
        self.held.as_ref().map_or(0, Held::deliveries)
    }

    /// Puts the message back. It is received again, ahead of newer ones.
    pub fn requeue(mut self) {
        self.view = None;
        if let Some(held) = self.held.take() {
            self.hold.channel().0.put_back(held);
        }
    }

    /// Takes the message out as a value of its own and frees the slot.
    pub fn into_inner(mut self) -> T {
        match self.view.take() {
            Some(view) => T::take(view),
            None => unreachable!("the view is there until the drop"),
        }
    }

    /// Makes the lease independent of the [`Receiver`]'s borrow, to be sent to another thread or kept in a struct.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("numbers")?;
    /// # let (tx, rx) = channel.split();
    /// tx.send(&7)?;
    /// let number = rx.recv()?.detach();
    /// drop(rx);
    /// assert_eq!(std::thread::spawn(move || number.to_owned()).join().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(mut self) -> Received<'static, T> {
        let hold = match &self.hold {
            Hold::Receiver(channel, _) => Hold::Channel(Arc::clone(channel)),
            Hold::Channel(channel) => Hold::Channel(Arc::clone(channel)),
        };
        Received { hold, held: self.held.take(), view: self.view.take(), unwinding: self.unwinding }
    }
}

impl<T: ShmMessage> Received<'_, T> {
    /// The native value; the message stays where it is.
    pub fn to_owned(&self) -> T {
        crate::archive::native(&**self)
    }

    /// The native value, built on the heap: for messages that are too large for the stack. The message stays where it is.
    ///
    /// It is built field by field and element by element in the box. Only enums and options are built on the stack first; if
    /// one of them is large, on the stack of a thread that is made for it and ended again.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// type Frame = [Option<u8>; 8 << 20];
    /// # let channel = mi7::SharedChannel::<Frame>::options().directory(directory.path()).capacity(1).create("frames")?;
    /// # let (tx, rx) = channel.split();
    /// let frame: Box<Frame> = vec![Some(7); 8 << 20].try_into().expect("so many pixels");
    /// tx.send(&frame)?;
    /// let received = rx.recv()?.to_boxed();
    /// assert_eq!(received[4 << 20], Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the system has no memory for that thread.
    pub fn to_boxed(&self) -> Box<T> {
        crate::archive::boxed(&**self)
    }
}

impl Received<'_, Message> {
    /// A copy; the message stays where it is.
    pub fn to_owned(&self) -> Message {
        self.to_message()
    }
}

impl<T> Received<'_, Bincode<T>>
where
    T: Clone,
    Bincode<T>: Payload<Target = T>,
{
    /// A copy of the decoded value; the message stays where it is.
    pub fn to_owned(&self) -> T {
        T::clone(self)
    }
}

impl<T: Payload> Deref for Received<'_, T> {
    type Target = T::Target;

    #[inline]
    fn deref(&self) -> &T::Target {
        match &self.view {
            Some(view) => view.target(),
            None => unreachable!("the view is there until the drop"),
        }
    }
}

impl<T: Payload<Target: fmt::Debug>> fmt::Debug for Received<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: Payload> Drop for Received<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.settle_quietly() {
            self.hold.channel().0.wake_senders();
        }
    }
}
