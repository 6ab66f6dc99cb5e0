//! The programs of the quick start: `queue entry NAME COUNT`, `queue worker NAME`, `queue poll NAME COUNT`,
//! `queue task NAME`.

use std::time::Duration;

use mi7::{CrossProcessQueue, Message, SharedMemoryError};

fn main() -> Result<(), SharedMemoryError> {
    mi7_tests::end_after(Duration::from_secs(60));
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        // Makes messages.
        ["entry", name, count] => {
            let queue = CrossProcessQueue::connect(name)?;
            for number in 0..count.parse::<u32>().expect("a number") {
                let message = Message::new(format!("Hello, World! {number}"));
                println!("{} {}", message.id, String::from_utf8_lossy(&message.data));
                // By reference or by value.
                if number % 2 == 0 { queue.send(&message)? } else { queue.send(message)? }
            }
        }
        // Takes them until the queue is closed.
        ["worker", name] => {
            let queue = CrossProcessQueue::connect(name)?;
            while let Some(message) = queue.receive()? {
                println!("{} {}", message.id, String::from_utf8_lossy(&message.data));
            }
        }
        // Takes so many, without ever waiting.
        ["poll", name, count] => {
            let queue = CrossProcessQueue::connect(name)?;
            let mut left = count.parse::<u32>().expect("a number");
            while left > 0 {
                match queue.try_receive()? {
                    Some(message) => {
                        println!("{} {}", message.id, String::from_utf8_lossy(&message.data));
                        left -= 1;
                    }
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        }
        // As `worker`, without ever holding up its thread.
        ["task", name] => {
            let queue = CrossProcessQueue::connect(name)?;
            let limit = Duration::from_secs(30);
            while let Some(message) = mi7_tests::block_on(queue.receive_async_with_timeout(limit))? {
                println!("{} {}", message.id, String::from_utf8_lossy(&message.data));
            }
        }
        _ => panic!("queue entry NAME COUNT | worker NAME | poll NAME COUNT | task NAME"),
    }
    Ok(())
}
