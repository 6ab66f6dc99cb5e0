//! For programs with an event loop of their own: [`Watch`].

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use crate::Result;
use crate::payload::Payload;
use crate::{Receiver, Sender};

/// A descriptor that becomes readable when there is something to receive, or room to send, for `poll`, `epoll` and event loops built on
/// them. Needs no async runtime.
///
/// Waiting with it goes like this:
///
/// 1. [`arm`](Self::arm) it. True: there is something already, so do not wait.
/// 2. Wait until the descriptor is readable. It then stays so until it is armed again.
/// 3. Arm it again, *at once*, and then receive until the channel is empty (or send until it is full). Others who wait are not woken until
///    it is armed, and one that takes what it was rung for and leaves more is to look whether arming said true.
///
/// *Readable* means that this watch was chosen among all who wait, for something that was there then; another may have been faster.
/// *Not readable* means that nothing came since it was armed, with one exception: if a process dies that was chosen, or that held
/// what comes free by its death, watches are not rung for it. Who has to notice that arms every 100 ms or so, as all other waiters do of
/// their own accord.
///
/// The descriptor is a FIFO of this watch alone, which is removed with it. What is in it is
/// nobody's business: do not read from it. Where no FIFO can be made beside the channel, because
/// the directory was removed, is full or may not be written to, it is a pipe. That one is reached
/// by processes of the same user and pid namespace only: who has to hear of others arms every 100
/// ms as well. Dropped, a watch passes on what it was rung for.
///
/// ```
/// use std::os::fd::AsFd;
/// # use rustix::event::{PollFd, PollFlags, poll};
///
/// # let directory = tempfile::tempdir()?;
/// # let channel = mi7::SharedChannel::<u64>::options().directory(directory.path()).create("numbers")?;
/// # let (tx, rx) = channel.split();
/// let watch = rx.watch()?;
/// assert!(!watch.arm());
/// tx.send(&7)?;
/// // Meanwhile, in the event loop:
/// poll(&mut [PollFd::new(&watch, PollFlags::IN)], None)?;
/// watch.arm();
/// while let Ok(number) = rx.try_recv() {
///     assert_eq!(number.to_native(), 7);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watch(mi7_core::Watch);

impl Watch {
    /// Asks to be rung from now on, and makes the descriptor unreadable. True if there is something to be had already, or never will be
    /// again because the channel is closed.
    pub fn arm(&self) -> bool {
        self.0.arm()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.as_fd()).finish()
    }
}

impl<T: Payload> Receiver<T> {
    /// A descriptor that becomes readable when there is something to receive.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRuntimes`](crate::Error::TooManyRuntimes) if there are 256 of those,
    /// [`Error::Os`](crate::Error::Os) if the process has no descriptor left.
    pub fn watch(&self) -> Result<Watch> {
        mi7_core::Watch::for_messages(self.channel().core()).map(Watch)
    }
}

impl<T: Payload> Sender<T> {
    /// A descriptor that becomes readable when there is room to send.
    ///
    /// # Errors
    ///
    /// As [`Receiver::watch`].
    pub fn watch(&self) -> Result<Watch> {
        mi7_core::Watch::for_room(self.channel().core()).map(Watch)
    }
}
