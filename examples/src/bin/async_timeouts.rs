//! A task that receives with timeouts, and one that goes on meanwhile in the same thread.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use mi7::{CrossProcessQueue, Message};
use mi7_examples::{Scratch, again, arguments};
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if let [name] = &arguments()?[..] {
        // The other process.
        let queue = CrossProcessQueue::connect(name)?;
        for word in ["now", "then", "late"] {
            sleep(Duration::from_millis(120)).await;
            queue.send_async(Message::new(word)).await?;
        }
        queue.close();
        return Ok(());
    }
    let name = Scratch::new("async-timeouts");
    let queue = CrossProcessQueue::create(&name, 10, 100)?;
    let mut sender = again([&*name])?.spawn()?;
    let rounds = Cell::new(0);
    let other = async {
        loop {
            sleep(Duration::from_millis(1)).await;
            rounds.set(rounds.get() + 1);
        }
    };
    let received = tokio::select! {
        received = receive(&queue) => received?,
        () = other => unreachable!("it has no end"),
    };
    assert!(sender.wait()?.success());
    println!("received {received:?}");
    assert_eq!(received, ["now", "then", "late"]);
    assert!(rounds.get() > 50);
    println!("the other task had its turns meanwhile");
    Ok(())
}

async fn receive(queue: &CrossProcessQueue) -> Result<Vec<String>, mi7::SharedMemoryError> {
    let mut words = Vec::new();
    loop {
        match queue.receive_async_with_timeout(Duration::from_millis(50)).await? {
            Some(message) => words.push(String::from_utf8_lossy(&message.data).into_owned()),
            // Nothing in time, or nothing ever again.
            None => {
                let status = queue.status();
                if status.channel.closed && status.message_count == 0 {
                    return Ok(words);
                }
                println!("nothing for 50 ms");
            }
        }
    }
}
