//! Sending: alone at the end, beside others, to a full channel, by loans, many at once.

use mi7::{Error, Result};

use super::{Before, Call, Help, Side, call};
use crate::actor::{Actor, IN_VAIN, PATIENCE, SLEEP};
use crate::board::Deed;
use mi7_tests::faults::numbered;

const SIDE: Side = Side::Sending;

pub static CALLS: &[Call] = &[
    call("send-alone", SIDE, &["half", "empty", "one", "one-sender", "receiver-sleeps", "task-sleeps"], send_alone),
    Call {
        after: &[Before::Nothing, Before::Prepared("send-alone"), Before::Died("send-alone")],
        ..call("send-first", SIDE, &["half", "empty", "one", "one-sender", "receiver-sleeps"], send_first)
    },
    call("send-beside", SIDE, &["half", "empty", "receiver-sleeps"], send_beside),
    call("send-seeks-bias", SIDE, &["half"], send_seeks_bias),
    call("send-past-lease", SIDE, &["empty"], send_past_lease),
    call("send-full", SIDE, &["full", "one-full"], send_full),
    Call { is_slow: true, ..call("send-waits", SIDE, &["full", "one-full"], send_waits) },
    Call { help: Help::Receive, ..call("send-woken", SIDE, &["full", "one-full"], send_woken) },
    call("loan-send", SIDE, &["half", "empty"], loan_send),
    call("loan-drop", SIDE, &["half", "empty", "sender-sleeps"], loan_drop),
    call("loan-first", SIDE, &["half", "one"], loan_first),
    Call { may_hang: true, ..call("send-many", SIDE, &["half", "empty", "receiver-sleeps"], send_many) },
    Call { may_hang: true, ..call("send-many-beside", SIDE, &["half", "empty"], send_many_beside) },
    Call { may_hang: true, ..call("loan-many", SIDE, &["half", "empty"], loan_many) },
    Call { may_hang: true, ..call("loan-many-drop", SIDE, &["half", "empty"], loan_many_drop) },
];

fn send_alone(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    actor.send(1, |message| tx.send_timeout(message, PATIENCE));
    actor.end();
    actor.rest();
    Ok(())
}

fn send_first(actor: &Actor<'_>) -> Result<()> {
    let tx = actor.open()?.sender();
    actor.begin();
    actor.send(1, |message| tx.send_timeout(message, PATIENCE));
    actor.end();
    actor.rest();
    Ok(())
}

fn send_beside(actor: &Actor<'_>) -> Result<()> {
    let (_channel, [tx, _other]) = actor.sender_of_two()?;
    actor.begin();
    actor.send(1, |message| tx.send_timeout(message, PATIENCE));
    actor.end();
    actor.rest();
    Ok(())
}

fn send_seeks_bias(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_that_seeks()?;
    actor.begin();
    for number in 1..4 {
        actor.send(number, |message| tx.send_timeout(message, PATIENCE));
    }
    actor.end();
    actor.rest();
    Ok(())
}

/// The slot whose turn it is is leased, by the actor itself.
fn send_past_lease(actor: &Actor<'_>) -> Result<()> {
    let (channel, tx) = actor.sender_alone()?;
    let rx = channel.receiver();
    actor.send(10, |message| tx.try_send(message));
    let Some(kept) = actor.received(rx.try_recv()) else { return Err(Error::Empty) };
    for number in 11..10 + channel.capacity() as u64 {
        actor.send(number, |message| tx.try_send(message));
        if let Some(message) = actor.received(rx.try_recv()) {
            actor.release(message);
        }
    }
    actor.begin();
    actor.send(20, |message| tx.send_timeout(message, PATIENCE));
    actor.end();
    actor.release(kept);
    actor.rest();
    Ok(())
}

fn send_full(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    actor.send(1, |message| tx.try_send(message));
    actor.end();
    actor.rest();
    Ok(())
}

fn send_waits(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    actor.send(1, |message| tx.send_timeout(message, IN_VAIN));
    actor.end();
    actor.rest();
    Ok(())
}

fn send_woken(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    actor.send(1, |message| tx.send_timeout(message, SLEEP));
    actor.end();
    actor.rest();
    Ok(())
}

fn loan_send(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    actor.send(1, |message| {
        let mut loan = tx.try_loan()?;
        loan.write(message)?;
        loan.send()
    });
    actor.end();
    actor.rest();
    Ok(())
}

/// What it writes is in no log: nobody may ever receive it.
fn loan_drop(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    if let Some(mut loan) = actor.given(tx.try_loan()) {
        loan.write(&numbered(actor.first + 500))?;
        drop(loan);
    }
    actor.end();
    actor.rest();
    Ok(())
}

fn loan_first(actor: &Actor<'_>) -> Result<()> {
    let tx = actor.open()?.sender();
    actor.begin();
    drop(tx.try_loan());
    actor.end();
    actor.rest();
    Ok(())
}

fn send_many(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    send_three(actor, &tx);
    actor.end();
    actor.rest();
    Ok(())
}

fn send_many_beside(actor: &Actor<'_>) -> Result<()> {
    let (_channel, [tx, _other]) = actor.sender_of_two()?;
    actor.begin();
    send_three(actor, &tx);
    actor.end();
    actor.rest();
    Ok(())
}

#[inline(always)]
fn send_three(actor: &Actor<'_>, tx: &mi7::Sender<mi7_tests::faults::Numbered>) {
    let numbers = [1, 2, 3].map(|number| actor.first + number);
    numbers.iter().for_each(|number| actor.log.add(Deed::Trying, *number));
    match tx.send_many(numbers.map(numbered)) {
        Ok(sent) => {
            for (at, number) in numbers.into_iter().enumerate() {
                actor.log.add(if at < sent { Deed::Sent } else { Deed::Refused }, number);
            }
        }
        Err(error) => numbers.iter().for_each(|number| actor.refused(*number, &error)),
    }
}

fn loan_many(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    // Without room it would wait, so it asks first.
    if let Some(first) = actor.given(tx.try_loan()) {
        drop(first);
        if let Some(mut loans) = actor.given(tx.loan_many(2)) {
            let numbers = actor.first + 1..;
            for (loan, number) in loans.iter_mut().zip(numbers.clone()) {
                actor.log.add(Deed::Trying, number);
                loan.write(&numbered(number))?;
            }
            let count = loans.len();
            let sent = loans.send();
            for (at, number) in numbers.enumerate().take(count) {
                let deed = if sent.as_ref().is_ok_and(|sent| at < *sent) { Deed::Sent } else { Deed::Refused };
                actor.log.add(deed, number);
            }
        }
    }
    actor.end();
    actor.rest();
    Ok(())
}

fn loan_many_drop(actor: &Actor<'_>) -> Result<()> {
    let (_channel, tx) = actor.sender_alone()?;
    actor.begin();
    if let Some(first) = actor.given(tx.try_loan()) {
        drop(first);
        if let Some(mut loans) = actor.given(tx.loan_many(2)) {
            loans[0].write(&numbered(actor.first + 500))?;
            drop(loans);
        }
    }
    actor.end();
    actor.rest();
    Ok(())
}

/// Waits until there is room.
pub fn sleep(actor: &Actor<'_>) -> Result<()> {
    let tx = actor.open()?.sender();
    actor.send(1, |message| tx.send_timeout(message, SLEEP));
    actor.rest();
    Ok(())
}
