//! Tasks that wait and are woken.

use std::pin::pin;
use std::time::Duration;

use mi7::Result;

use super::{Call, Help, Side, call};
use crate::actor::{Actor, PATIENCE, SLEEP};

pub static CALLS: &[Call] = &[
    call("recv-task", Side::Receiving, &["half"], recv_task),
    Call { help: Help::Send, ..call("recv-task-woken", Side::Receiving, &["empty"], recv_task_woken) },
    Call { may_hang: true, ..call("recv-task-dropped", Side::Receiving, &["empty"], recv_task_dropped) },
    Call { help: Help::Receive, ..call("send-task-woken", Side::Sending, &["full"], send_task_woken) },
];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn recv_task(actor: &Actor<'_>) -> Result<()> {
    let (runtime, rx) = (runtime(), actor.open()?.receiver());
    runtime.block_on(async {
        actor.begin();
        let message = actor.received(rx.recv_timeout_async(PATIENCE).await);
        actor.end();
        if let Some(message) = message {
            actor.release(message);
        }
    });
    actor.rest();
    Ok(())
}

fn recv_task_woken(actor: &Actor<'_>) -> Result<()> {
    let (runtime, rx) = (runtime(), actor.open()?.receiver());
    runtime.block_on(async {
        actor.begin();
        let message = actor.received(rx.recv_timeout_async(SLEEP).await);
        actor.end();
        if let Some(message) = message {
            actor.release(message);
        }
    });
    actor.rest();
    Ok(())
}

/// The future is dropped after it was polled once.
fn recv_task_dropped(actor: &Actor<'_>) -> Result<()> {
    let (runtime, rx) = (runtime(), actor.open()?.receiver());
    runtime.block_on(async {
        actor.begin();
        {
            let mut receiving = pin!(rx.recv_async());
            let polled = std::future::poll_fn(|context| std::task::Poll::Ready(receiving.as_mut().poll(context))).await;
            if let std::task::Poll::Ready(received) = polled
                && let Some(message) = actor.received(received)
            {
                actor.release(message);
            }
        }
        actor.end();
    });
    actor.rest();
    Ok(())
}

fn send_task_woken(actor: &Actor<'_>) -> Result<()> {
    let (runtime, tx) = (runtime(), actor.open()?.sender());
    runtime.block_on(async {
        actor.begin();
        actor.log.add(crate::board::Deed::Trying, actor.first + 1);
        let message = mi7_tests::faults::numbered(actor.first + 1);
        let sent = tx.send_async(&message).await;
        actor.sent(actor.first + 1, sent);
        actor.end();
    });
    actor.rest();
    Ok(())
}

/// Waits as a task until there is a message.
pub fn sleep(actor: &Actor<'_>) -> Result<()> {
    let (runtime, rx) = (runtime(), actor.open()?.receiver());
    runtime.block_on(async {
        if let Some(message) = actor.received(rx.recv_timeout_async(SLEEP + Duration::from_millis(1)).await) {
            actor.release(message);
        }
    });
    actor.rest();
    Ok(())
}
