//! The whole channel: make, open, close, leave, and recover what others left.

use mi7::{Error, Result, SharedChannel};
use mi7_tests::faults::Numbered;

use super::{Before, Call, Side, call};
use crate::actor::{Actor, CHANNEL, PATIENCE};
use crate::board::Deed;

const SIDE: Side = Side::Both;

/// Those of whom something is left to recover, at each of the points of their calls.
const DEAD: &[Before] = &[
    Before::Nothing,
    Before::Died("send-alone"),
    Before::Died("send-first"),
    Before::Died("send-beside"),
    Before::Died("loan-drop"),
    Before::Died("recv-alone"),
    Before::Died("recv-beside"),
    Before::Died("release"),
    Before::Died("requeue"),
];

pub static CALLS: &[Call] = &[
    Call { after: DEAD, ..call("status", SIDE, &["half", "empty", "full"], status) },
    Call {
        after: &[Before::Nothing, Before::Died("send-alone"), Before::Died("recv-alone")],
        ..call("open", SIDE, &["half", "empty", "full"], open)
    },
    call("create", SIDE, &["none"], create),
    call("create-with-letters", SIDE, &["none"], create_with_letters),
    call("open-or-create", SIDE, &["none"], open_or_create),
    Call {
        after: &[Before::Nothing, Before::Prepared("send-alone"), Before::Died("send-alone")],
        ..call("close", SIDE, &["half", "empty", "full"], close)
    },
    call("drop-sender", Side::Sending, &["half", "one-sender"], drop_sender),
    call("drop-receiver", Side::Receiving, &["half", "one-receiver"], drop_receiver),
    Call { leaves: true, ..call("drop-channel", SIDE, &["half"], drop_channel) },
    Call { leaves: true, ..call("drop-with-lease", SIDE, &["half"], drop_with_lease) },
];

fn status(actor: &Actor<'_>) -> Result<()> {
    let channel = actor.open()?;
    actor.begin();
    let status = channel.status();
    actor.end();
    assert_eq!(status.capacity, channel.capacity());
    actor.rest();
    Ok(())
}

fn open(actor: &Actor<'_>) -> Result<()> {
    actor.begin();
    let channel = actor.open()?;
    actor.end();
    let _ends = channel.split();
    actor.rest();
    Ok(())
}

fn create(actor: &Actor<'_>) -> Result<()> {
    actor.begin();
    made(actor, actor.options().capacity(2).create(CHANNEL))
}

fn create_with_letters(actor: &Actor<'_>) -> Result<()> {
    actor.begin();
    made(actor, actor.options().capacity(2).max_deliveries(2).create(CHANNEL))
}

fn open_or_create(actor: &Actor<'_>) -> Result<()> {
    actor.begin();
    made(actor, actor.options().capacity(2).open_or_create(CHANNEL))
}

#[inline(always)]
fn made(actor: &Actor<'_>, made: Result<SharedChannel<Numbered>>) -> Result<()> {
    let channel = match made {
        Ok(channel) => {
            actor.log.add(Deed::Created, 0);
            Some(channel)
        }
        // Another was first.
        Err(Error::AlreadyExists { .. }) => None,
        Err(error) => return Err(error),
    };
    actor.end();
    let channel = channel.map_or_else(|| actor.open(), Ok)?;
    let _ends = channel.split();
    actor.rest();
    Ok(())
}

fn close(actor: &Actor<'_>) -> Result<()> {
    let channel = actor.open()?;
    actor.begin();
    actor.log.add(Deed::Closing, 0);
    channel.close();
    actor.log.add(Deed::Closed, 0);
    actor.end();
    actor.rest();
    Ok(())
}

fn drop_sender(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    drop(tx);
    actor.end();
    actor.rest();
    Ok(())
}

fn drop_receiver(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    actor.begin();
    drop(rx);
    actor.end();
    actor.rest();
    Ok(())
}

fn drop_channel(actor: &Actor<'_>) -> Result<()> {
    let channel = actor.open()?;
    actor.begin();
    drop(channel);
    actor.end();
    actor.rest();
    Ok(())
}

/// What was forgotten is taken back when its holder leaves.
fn drop_with_lease(actor: &Actor<'_>) -> Result<()> {
    let (channel, rx) = actor.receiver_alone()?;
    if let Some(message) = actor.received(rx.recv_timeout(PATIENCE)) {
        actor.log.add(Deed::Back, message[0].to_native());
        std::mem::forget(message);
    }
    std::mem::forget(channel.sender().try_loan());
    actor.begin();
    drop(rx);
    drop(channel);
    actor.end();
    actor.rest();
    Ok(())
}
