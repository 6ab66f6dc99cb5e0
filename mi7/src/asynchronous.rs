//! The ends as tasks use them: waiting without a thread, until the kernel says that there is something.
//!
//! What waits is described in `mi7-core` (`tasks`): which task is woken, and why nothing is lost with one that is dropped. Here are the
//! futures and streams ([`receiving`], [`sending`]), and the async runtimes' part in it ([`runtime`]): to say when a doorbell was rung.

mod receiving;
mod runtime;
mod sending;

pub use receiving::{IntoRecvStream, RecvStream};
pub use sending::{IntoSendSink, SendSink};

use core::task::{Context, Poll};

/// Lets other tasks have their turn now and then, in runtimes that keep a budget. The guard says that progress was made, else the
/// budget is as before.
#[cfg(feature = "tokio")]
fn proceed(context: &mut Context<'_>) -> Poll<impl FnOnce() + use<>> {
    tokio::task::coop::poll_proceed(context).map(|budget| move || budget.made_progress())
}

#[cfg(not(feature = "tokio"))]
fn proceed(_: &mut Context<'_>) -> Poll<impl FnOnce() + use<>> {
    Poll::Ready(|| ())
}
