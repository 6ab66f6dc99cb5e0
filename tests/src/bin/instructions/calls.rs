//! The calls in whose midst actors are killed and held still. A new shape of channel adds its calls here.

mod receiving;
mod sending;
mod tasks;
mod whole;

use mi7::Result;

use crate::actor::Actor;

/// A call, and what it takes to make it.
pub struct Call {
    pub name: &'static str,
    /// The scenes it is made in. In the first one its points are counted for the table.
    pub scenes: &'static [&'static str],
    /// Prepares, begins, calls, ends, settles, rests. Whatever it returns is an error that nothing explains.
    pub play: fn(&Actor<'_>) -> Result<()>,
    /// Whom it meets in the triples: those who use the same end.
    pub side: Side,
    /// What the checker does when the call sleeps, to wake it.
    pub help: Help,
    /// It waits for its time to be over, so that each try takes long.
    pub is_slow: bool,
    /// It waits without end for what others keep from it.
    pub may_hang: bool,
    /// Its process has left the channel afterwards.
    pub leaves: bool,
    /// What others have done before it, each in a case of its own.
    pub after: &'static [Before],
}

/// What another process did before the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    Nothing,
    /// Was killed in this call, or right after it, at a point that varies.
    Died(&'static str),
    /// Is about to make this call, and was prepared for it.
    Prepared(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Sending,
    Receiving,
    Both,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Help {
    No,
    Send,
    Receive,
}

const fn call(
    name: &'static str,
    side: Side,
    scenes: &'static [&'static str],
    play: fn(&Actor<'_>) -> Result<()>,
) -> Call {
    Call {
        name,
        scenes,
        play,
        side,
        help: Help::No,
        is_slow: false,
        may_hang: false,
        leaves: false,
        after: &[Before::Nothing],
    }
}

/// All calls.
pub fn calls() -> impl Iterator<Item = &'static Call> {
    [sending::CALLS, receiving::CALLS, whole::CALLS, tasks::CALLS].into_iter().flatten()
}

/// The call of this name.
pub fn find(name: &str) -> Option<&'static Call> {
    calls().find(|call| call.name == name)
}

/// What a process does that sleeps in a scene while others act. It goes on until it has sent or received one message.
pub fn sleep(actor: &Actor<'_>, what: &str) -> Result<()> {
    match what {
        "receive" => receiving::sleep(actor),
        "send" => sending::sleep(actor),
        _ => tasks::sleep(actor),
    }
}
