//! A queue of byte messages between two processes, and how full it is.

use std::error::Error;

use mi7::{CrossProcessQueue, Message};
use mi7_examples::{Scratch, again, arguments};

fn main() -> Result<(), Box<dyn Error>> {
    if let [name] = &arguments()?[..] {
        // The other process.
        let queue = CrossProcessQueue::connect(name)?;
        queue.send(Message::new("Hello, World!".to_string()))?;
        return Ok(queue.send(Message::new(&b"any bytes: \xFF"[..]))?);
    }
    let name = Scratch::new("bytes");
    let queue = CrossProcessQueue::create(&name, 100, 1024)?;
    // A message waits until it is received, also when its sender has ended.
    assert!(again([&*name])?.status()?.success());

    let status = queue.status();
    println!("{} of {} messages ({}%)", status.message_count, status.max_messages, status.usage_percentage());
    assert_eq!((status.message_count, status.max_messages), (2, 100));

    // In place, without a copy: the message is done with when `first` is dropped.
    let first = queue.receiver().recv()?;
    assert_eq!(first.data(), b"Hello, World!");
    drop(first);
    // Or as one's own.
    while let Some(message) = queue.try_receive()? {
        println!("message {:016x}: {}", message.id, String::from_utf8_lossy(&message.data));
    }
    assert_eq!(queue.status().message_count, 0);

    let refused = queue.send(Message::new(vec![0; 2000])).expect_err("it is too large");
    println!("refused: {refused}");
    assert!(refused.to_string().contains("2000 bytes"));
    Ok(())
}
