//! Receiving: alone at the end, beside others, from an empty channel, many at once; releasing and putting back; dead letters.

use mi7::{Batch, Error, Receiver, Result};
use mi7_tests::faults::Numbered;

use super::{Before, Call, Help, Side, call};
use crate::actor::{Actor, IN_VAIN, PATIENCE, SLEEP};
use crate::board::Deed;

const SIDE: Side = Side::Receiving;

pub static CALLS: &[Call] = &[
    call("recv-alone", SIDE, &["half", "full", "one-full", "one-receiver"], recv_alone),
    Call {
        after: &[
            Before::Nothing,
            Before::Prepared("recv-alone"),
            Before::Died("recv-alone"),
            Before::Died("send-alone"),
        ],
        ..call("recv-first", SIDE, &["half", "full", "one-full", "one-receiver"], recv_first)
    },
    call("recv-beside", SIDE, &["half", "full"], recv_beside),
    call("recv-seeks-bias", SIDE, &["half"], recv_seeks_bias),
    call("recv-past-skip", SIDE, &["empty"], recv_past_skip),
    call("recv-again", SIDE, &["half", "full"], recv_again),
    call("recv-empty", SIDE, &["empty", "one"], recv_empty),
    Call { is_slow: true, ..call("recv-waits", SIDE, &["empty"], recv_waits) },
    Call {
        is_slow: true,
        after: &[Before::Died("send-alone")],
        ..call("recv-recovers", SIDE, &["empty"], recv_recovers)
    },
    Call { help: Help::Send, ..call("recv-woken", SIDE, &["empty", "one"], recv_woken) },
    call("recv-dead-letter", SIDE, &["letters", "letters-full"], recv_first),
    call("release", SIDE, &["half", "full", "one-full", "sender-sleeps"], release),
    call("release-beside", SIDE, &["half", "full"], release_beside),
    Call { leaves: true, ..call("release-detached", SIDE, &["half"], release_detached) },
    call("requeue", SIDE, &["half", "full", "one-full"], requeue),
    Call { may_hang: true, ..call("recv-many", SIDE, &["half", "full"], recv_many) },
    Call { may_hang: true, ..call("recv-many-beside", SIDE, &["half"], recv_many_beside) },
    Call { may_hang: true, ..call("batch-release", SIDE, &["half", "full", "sender-sleeps"], batch_release) },
    Call { may_hang: true, ..call("batch-requeue", SIDE, &["half", "full"], batch_requeue) },
];

fn recv_alone(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    receive(actor, &rx)
}

fn recv_first(actor: &Actor<'_>) -> Result<()> {
    let rx = actor.open()?.receiver();
    receive(actor, &rx)
}

fn recv_beside(actor: &Actor<'_>) -> Result<()> {
    let (_channel, [rx, _other]) = actor.receiver_of_two()?;
    receive(actor, &rx)
}

#[inline(always)]
fn receive(actor: &Actor<'_>, rx: &Receiver<Numbered>) -> Result<()> {
    actor.begin();
    let message = actor.received(rx.recv_timeout(PATIENCE));
    actor.end();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}

fn recv_seeks_bias(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_that_seeks()?;
    actor.begin();
    for _ in 0..3 {
        if let Some(message) = actor.received(rx.try_recv()) {
            actor.release(message);
        }
    }
    actor.end();
    actor.rest();
    Ok(())
}

/// A position was passed over: its sender gave up while the one before it was being written.
fn recv_past_skip(actor: &Actor<'_>) -> Result<()> {
    let (channel, rx) = actor.receiver_alone()?;
    let tx = channel.sender();
    actor.send(10, |message| {
        let mut before = tx.try_loan()?;
        before.write(message)?;
        drop(tx.try_loan()?);
        actor.send(11, |message| tx.try_send(message));
        before.send()
    });
    let Some(message) = actor.received(rx.try_recv()) else { return Err(Error::Empty) };
    actor.release(message);
    actor.begin();
    let message = actor.received(rx.try_recv());
    actor.end();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}

/// What was put back comes again.
fn recv_again(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    if let Some(message) = actor.received(rx.try_recv()) {
        let number = message[0].to_native();
        message.requeue();
        actor.log.add(Deed::Back, number);
    }
    receive(actor, &rx)
}

fn recv_empty(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    actor.begin();
    let message = actor.received(rx.try_recv());
    actor.end();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}

fn recv_waits(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    actor.begin();
    let message = actor.received(rx.recv_timeout(IN_VAIN));
    actor.end();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}

/// It waits until it looks for the dead by itself.
fn recv_recovers(actor: &Actor<'_>) -> Result<()> {
    let rx = actor.open()?.receiver();
    actor.begin();
    let message = actor.received(rx.recv_timeout(IN_VAIN + mi7_tick()));
    actor.end();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}

/// Who waits looks around so often.
fn mi7_tick() -> std::time::Duration {
    std::time::Duration::from_millis(100)
}

fn recv_woken(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    actor.begin();
    let message = actor.received(rx.recv_timeout(SLEEP));
    actor.end();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}

fn release(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    let message = actor.received(rx.recv_timeout(PATIENCE));
    actor.begin();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.end();
    actor.rest();
    Ok(())
}

fn release_beside(actor: &Actor<'_>) -> Result<()> {
    let (_channel, [rx, _other]) = actor.receiver_of_two()?;
    let message = actor.received(rx.recv_timeout(PATIENCE));
    actor.begin();
    if let Some(message) = message {
        actor.release(message);
    }
    actor.end();
    actor.rest();
    Ok(())
}

/// The receiver goes first, and what it received keeps the channel open.
fn release_detached(actor: &Actor<'_>) -> Result<()> {
    let (channel, rx) = actor.receiver_alone()?;
    let message = actor.received(rx.recv_timeout(PATIENCE)).map(mi7::Received::detach);
    drop(channel);
    actor.begin();
    drop(rx);
    if let Some(message) = message {
        actor.release(message);
    }
    actor.end();
    actor.rest();
    Ok(())
}

fn requeue(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    let message = actor.received(rx.recv_timeout(PATIENCE));
    actor.begin();
    if let Some(message) = message {
        let number = message[0].to_native();
        message.requeue();
        actor.log.add(Deed::Back, number);
    }
    actor.end();
    actor.rest();
    Ok(())
}

fn recv_many(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    receive_three(actor, &rx)
}

fn recv_many_beside(actor: &Actor<'_>) -> Result<()> {
    let (_channel, [rx, _other]) = actor.receiver_of_two()?;
    receive_three(actor, &rx)
}

#[inline(always)]
fn receive_three(actor: &Actor<'_>, rx: &Receiver<Numbered>) -> Result<()> {
    actor.begin();
    let batch = actor.given(rx.recv_many(3));
    batch.iter().flat_map(|batch| batch.iter()).for_each(|message| _ = actor.got(message));
    actor.end();
    if let Some(batch) = batch {
        release_all(actor, batch);
    }
    actor.rest();
    Ok(())
}

#[inline(always)]
fn release_all(actor: &Actor<'_>, batch: Batch<'_, Numbered>) {
    let numbers: Vec<u64> = batch.iter().map(|message| message[0].to_native()).collect();
    numbers.iter().for_each(|number| actor.log.add(Deed::Letting, *number));
    drop(batch);
    numbers.iter().for_each(|number| actor.log.add(Deed::Done, *number));
}

/// Three messages; fewer if there are fewer, but not none.
fn batch<'a>(actor: &Actor<'_>, rx: &'a Receiver<Numbered>) -> Result<Batch<'a, Numbered>> {
    // Where there is none, `recv_many` would wait for others who are not there yet.
    let first = rx.try_recv()?;
    let number = actor.got(&first).unwrap_or(0);
    first.requeue();
    actor.log.add(Deed::Back, number);
    rx.recv_many(3)
}

fn batch_release(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    let batch = batch(actor, &rx)?;
    batch.iter().for_each(|message| _ = actor.got(message));
    actor.begin();
    release_all(actor, batch);
    actor.end();
    actor.rest();
    Ok(())
}

fn batch_requeue(actor: &Actor<'_>) -> Result<()> {
    let (_channel, rx) = actor.receiver_alone()?;
    let batch = batch(actor, &rx)?;
    let numbers: Vec<u64> = batch.iter().filter_map(|message| actor.got(message)).collect();
    actor.begin();
    batch.requeue();
    numbers.iter().for_each(|number| actor.log.add(Deed::Back, *number));
    actor.end();
    actor.rest();
    Ok(())
}

/// Waits until there is a message.
pub fn sleep(actor: &Actor<'_>) -> Result<()> {
    let rx = actor.open()?.receiver();
    if let Some(message) = actor.received(rx.recv_timeout(SLEEP)) {
        actor.release(message);
    }
    actor.rest();
    Ok(())
}
