//! Which async runtime a task is in, and what waits there for its doorbell.
//!
//! No task and no thread does so: the reactor is given a waker of its own for the doorbell's FIFO and timer ([`Call`]), and in waking it
//! reads them right there and wakes the tasks they are for. So one ring is one hop, whatever else the runtime's tasks are busy with, and
//! all that a runtime keeps is two descriptors for each directory its channels lie in.

use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Wake;

use mi7_core::{Channel, Descriptor, Desk, Doorbell, PerProcess};

use crate::{Error, Result};

/// An async runtime.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runtime {
    #[cfg(feature = "tokio")]
    Tokio(tokio::runtime::Id),
    /// There is one reactor in a process.
    #[cfg(feature = "async-io")]
    AsyncIo,
}

impl Runtime {
    /// The one of the task that is being polled.
    fn here() -> Option<Self> {
        #[cfg(feature = "tokio")]
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            return Some(Runtime::Tokio(handle.id()));
        }
        #[cfg(feature = "async-io")]
        return Some(Runtime::AsyncIo);
        #[cfg(not(feature = "async-io"))]
        None
    }
}

/// The doorbells of this process.
static BELLS: PerProcess<Mutex<Vec<Weak<Doorbell>>>> = PerProcess::new(|| Mutex::new(Vec::new()));

/// Where a task waits for this channel that is being polled now.
///
/// # Errors
///
/// [`Error::NoRuntime`]; those of [`Channel::desk`].
pub(super) fn desk(channel: &Arc<Channel>) -> Result<Arc<Desk>> {
    let here = Runtime::here().ok_or(Error::NoRuntime)?;
    let is_here = |bell: &Doorbell| {
        bell.keeper().and_then(|keeper| keeper.downcast_ref::<Porter>()).is_some_and(|porter| porter.runtime == here)
    };
    if let Some(desk) = channel.find_desk(is_here) {
        return Ok(desk);
    }
    let surroundings = channel.surroundings();
    let mut bells = BELLS.get().lock().unwrap_or_else(PoisonError::into_inner);
    bells.retain(|bell| bell.strong_count() > 0);
    let known = bells
        .iter()
        .filter_map(Weak::upgrade)
        .find(|bell| !bell.is_closed() && is_here(bell) && *bell.surroundings() == surroundings);
    if let Some(bell) = known {
        return channel.desk(&bell);
    }
    let bell = Arc::new(Doorbell::new(surroundings)?);
    let desk = channel.desk(&bell)?;
    match Porter::engage(&bell, here) {
        Ok(()) => {
            bells.push(Arc::downgrade(&bell));
            Ok(desk)
        }
        Err(source) => {
            bell.close();
            Err(Error::Os { call: "epoll_ctl", path: channel.location().path(), source })
        }
    }
}

/// Who watches a doorbell for one runtime. The doorbell keeps it.
struct Porter {
    runtime: Runtime,
    /// [`mi7_core::forks`] in the process whose runtime it is.
    forks: u32,
    bell: Weak<Doorbell>,
    fifo: Watched,
    timer: Watched,
}

#[derive(Clone, Copy)]
enum Which {
    Fifo,
    Timer,
}

struct Watched {
    /// There until the drop.
    file: Option<Readiness>,
    waker: Waker,
    /// How often it was called since it was last found idle.
    calls: AtomicUsize,
}

impl Porter {
    fn engage(bell: &Arc<Doorbell>, runtime: Runtime) -> io::Result<()> {
        let fifo = bell.fifo().ok_or(io::ErrorKind::NotConnected)?;
        let files = [runtime.watch(fifo)?, runtime.watch(bell.timer())?];
        let porter = Arc::new_cyclic(|porter| {
            let [fifo, timer] = files;
            let watched = |file, which| Watched {
                file: Some(file),
                waker: Waker::from(Arc::new(Call { porter: Weak::clone(porter), which })),
                calls: AtomicUsize::new(0),
            };
            Porter {
                runtime,
                forks: mi7_core::forks(),
                bell: Arc::downgrade(bell),
                fifo: watched(fifo, Which::Fifo),
                timer: watched(timer, Which::Timer),
            }
        });
        bell.keep(Arc::clone(&porter) as _);
        porter.come(Which::Fifo);
        porter.come(Which::Timer);
        Ok(())
    }

    /// Does what is to be done, and leaves word to be called again. One at a time: whoever is called meanwhile has the first one go
    /// round again.
    fn come(&self, which: Which) {
        let watched = match which {
            Which::Fifo => &self.fifo,
            Which::Timer => &self.timer,
        };
        // AcqRel: who goes round again does so for what the caller saw.
        if watched.calls.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        loop {
            let calls = watched.calls.load(Ordering::Acquire);
            self.attend(watched, which);
            if watched.calls.compare_exchange(calls, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    fn attend(&self, watched: &Watched, which: Which) {
        let Some(bell) = self.bell.upgrade() else { return };
        let mut context = Context::from_waker(&watched.waker);
        let act = || match which {
            Which::Fifo => bell.answer(),
            Which::Timer => bell.tick(),
        };
        loop {
            match watched.file.as_ref().map(|file| file.poll(&mut context, act)) {
                Some(Poll::Ready(Ok(()))) => {}
                // The runtime is being shut down.
                Some(Poll::Ready(Err(_))) => return bell.close(),
                Some(Poll::Pending) | None => return,
            }
        }
    }
}

impl Drop for Porter {
    fn drop(&mut self) {
        if self.forks != mi7_core::forks() {
            // The locks of the runtime may be held by threads that were not forked along.
            std::mem::forget((self.fifo.file.take(), self.timer.file.take()));
        }
    }
}

/// How a reactor calls a porter.
struct Call {
    porter: Weak<Porter>,
    which: Which,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(porter) = self.porter.upgrade() {
            porter.come(self.which);
        }
    }
}

/// A descriptor that a reactor watches.
enum Readiness {
    #[cfg(feature = "tokio")]
    Tokio(tokio::io::unix::AsyncFd<Arc<Descriptor>>),
    #[cfg(feature = "async-io")]
    AsyncIo(async_io::Async<Arc<Descriptor>>),
}

impl Runtime {
    fn watch(self, file: &Arc<Descriptor>) -> io::Result<Readiness> {
        let file = Arc::clone(file);
        match self {
            #[cfg(feature = "tokio")]
            Runtime::Tokio(_) => {
                use tokio::io::{Interest, unix::AsyncFd};
                // SAFETY: a `Descriptor` that is shared is open, and the same, until the last of its sharers is dropped; this is one.
                let registered = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) };
                Ok(Readiness::Tokio(registered.map_err(|error| error.into_parts().1)?))
            }
            // Both kinds of descriptors do not block already.
            #[cfg(feature = "async-io")]
            Runtime::AsyncIo => Ok(Readiness::AsyncIo(async_io::Async::new_nonblocking(file)?)),
        }
    }
}

impl Readiness {
    /// Calls `act`, which reads all there is, if there may be anything; or has the context's waker called when there is.
    fn poll(&self, context: &mut Context<'_>, act: impl Fn()) -> Poll<io::Result<()>> {
        match self {
            #[cfg(feature = "tokio")]
            Readiness::Tokio(file) => {
                // Without the budget of the task that happens to be polled now: once that is used up, this would be told to come
                // again, and again.
                let poll = core::future::poll_fn(|context| file.poll_read_ready(context));
                let poll = core::pin::pin!(tokio::task::coop::unconstrained(poll));
                poll.poll(context).map_ok(|mut ready| {
                    act();
                    // What was rung after that has made it ready again, which this does not take back.
                    ready.clear_ready();
                })
            }
            #[cfg(feature = "async-io")]
            Readiness::AsyncIo(file) => file.poll_readable(context).map_ok(|()| act()),
        }
    }
}
