//! Children of children: with `--fork`, those that send and receive fork now and then. What was forked drops, uses and
//! unwinds past the handles it inherited, and opens the channel anew. Nothing of it may be found in the accounts.
//!
//! It lives on for a while, most of the time longer than its parent may be found dead late, and writes to no log.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;

use mi7::{Error, Receiver, Sender, SharedChannel};

use crate::parcel::{Dice, Parcel};
use crate::worker::Holding;
use crate::{CHANNEL, Plant};

/// Has the kernel reap whatever is forked.
pub fn expect() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// What a sender or a receiver has in its hands, for a forked child to do something with.
pub enum Inherited<'a, 'b> {
    Sender(&'b Sender<Parcel>),
    Receiver(&'b Receiver<Parcel>, &'b mut Vec<Holding<'a>>),
}

/// Forks. The child does something with its copies, and ends.
pub fn fork(inherited: Inherited<'_, '_>, directory: &Path, plant: Option<Plant>, dice: &mut Dice) {
    let parent = std::process::id();
    let (deed, longer) = (dice.below(4), Duration::from_millis(dice.below(400)));
    // SAFETY: the child does what a forked child of one thread may, and ends with `_exit`.
    if unsafe { libc::fork() } != 0 {
        return;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let done = catch_unwind(AssertUnwindSafe(|| act(inherited, deed, directory, plant)));
    if let Err(why) = done.unwrap_or_else(|_| Err("it panicked".into())) {
        eprintln!("a forked child: {why}");
        // The parent's end is seen by whoever draws the balance.
        // SAFETY: it takes no pointers.
        if unsafe { libc::getppid() } == parent as i32 {
            // SAFETY: as above.
            unsafe { libc::kill(parent as i32, libc::SIGABRT) };
        }
    }
    std::thread::sleep(longer);
    // SAFETY: it ends the process.
    unsafe { libc::_exit(0) }
}

fn act(inherited: Inherited<'_, '_>, deed: u64, directory: &Path, plant: Option<Plant>) -> Result<(), String> {
    if plant == Some(Plant::Inherit) {
        // As if a copy reached the channel.
        let channel = SharedChannel::<Parcel>::options().directory(directory).open(CHANNEL);
        drop(channel.map(|channel| channel.receiver().try_recv().map(drop)));
    }
    match inherited {
        Inherited::Sender(tx) => match deed {
            0 => is_forked("send", tx.send(&Parcel::new(0))),
            1 => is_forked("loan", tx.loan().map(drop)),
            // As a drop would: the handle itself is the caller's.
            2 => is_forked("a clone's send", tx.clone().try_send(&Parcel::new(0))),
            _ => anew(directory),
        },
        Inherited::Receiver(rx, held) => match deed {
            0 => {
                if held.iter().any(|(message, _)| !message.is_whole()) {
                    return Err("what it inherited is torn".into());
                }
                held.clear();
                is_forked("recv", rx.recv().map(drop))
            }
            1 => {
                let held = std::mem::take(held);
                let unwound = catch_unwind(AssertUnwindSafe(move || {
                    let _held = held;
                    resume_unwind(Box::new(()));
                }));
                if unwound.is_ok() { Err("it did not unwind".into()) } else { Ok(()) }
            }
            2 => {
                held.drain(..).for_each(|(message, _)| message.requeue());
                is_forked("recv_many", rx.recv_many(4).map(drop))
            }
            _ => anew(directory),
        },
    }
}

fn is_forked(call: &str, result: mi7::Result<()>) -> Result<(), String> {
    match result {
        Err(Error::Forked { .. }) => Ok(()),
        other => Err(format!("{call} gives {other:?}")),
    }
}

/// Opens the channel, looks, and leaves again.
fn anew(directory: &Path) -> Result<(), String> {
    match SharedChannel::<Parcel>::options().directory(directory).open(CHANNEL) {
        Ok(channel) => {
            let loan = channel.sender().try_loan().map(drop);
            match loan {
                Ok(()) | Err(Error::Full | Error::Closed) => Ok(()),
                Err(error) => Err(format!("try_loan on a handle of its own: {error}")),
            }
        }
        Err(error) => Err(format!("open: {error}")),
    }
}
