//! A pipeline of three processes, with tokio: numbers, their squares, the sum of those. The last one is slow, and so the first one
//! waits: a full channel makes its sender wait, and nothing piles up.

use std::error::Error;
use std::time::{Duration, Instant};

use mi7::{Error as ChannelError, SharedChannel};
use mi7_examples::{Scratch, again, arguments};

const ITEMS: u64 = 60;
/// Of each channel.
const ROOM: usize = 4;
/// What the last stage takes for an item.
const SLOW: Duration = Duration::from_millis(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match &arguments()?.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["square", numbers, squares] => return Ok(square(numbers, squares).await?),
        ["sum", squares] => return Ok(sum(squares).await?),
        _ => {}
    }
    let names = [Scratch::new("pipeline-numbers"), Scratch::new("pipeline-squares")];
    let numbers = SharedChannel::<u64>::options().capacity(ROOM).create(&names[0])?;
    let squares = SharedChannel::<u64>::options().capacity(ROOM).create(&names[1])?;
    let stage = |arguments: &[&str]| again(arguments)?.spawn();
    let mut stages = [stage(&["square", &names[0], &names[1]])?, stage(&["sum", &names[1]])?];

    let (tx, begun) = (numbers.sender(), Instant::now());
    let (mut waited, mut most) = (Duration::ZERO, 0);
    for item in 1..=ITEMS {
        let asked = Instant::now();
        tx.send_async(&item).await?;
        waited += asked.elapsed();
        let on_the_way: usize =
            [numbers.status(), squares.status()].map(|status| status.waiting + status.leased).iter().sum();
        most = most.max(on_the_way);
        if item % 20 == 0 {
            println!(
                "{item} sent, {on_the_way} on the way, {} ms of {} spent waiting for room",
                waited.as_millis(),
                begun.elapsed().as_millis()
            );
        }
    }
    // The stages take what is left, then see the end, one after the other.
    numbers.close();
    for stage in &mut stages {
        assert!(stage.wait()?.success());
    }
    println!("never more than {most} on the way");
    assert!(most <= 2 * ROOM);
    // All but the first few items had to wait for the slow stage.
    assert!(waited > SLOW * (ITEMS as u32 - 3 * ROOM as u32));
    Ok(())
}

/// The first stage after the source.
async fn square(numbers: &str, squares: &str) -> mi7::Result<()> {
    let (rx, tx) = (mi7::receiver::<u64>(numbers)?, mi7::sender::<u64>(squares)?);
    loop {
        let number = match rx.recv_async().await {
            Err(ChannelError::Closed) => break,
            other => other?,
        };
        tx.send_async(&(number.to_native() * number.to_native())).await?;
        // Only here `number` is done: if this process died before, another one would get it.
    }
    tx.close();
    Ok(())
}

/// The last stage.
async fn sum(squares: &str) -> mi7::Result<()> {
    let rx = mi7::receiver::<u64>(squares)?;
    let (mut sum, mut count) = (0, 0);
    loop {
        match rx.recv_async().await {
            Ok(square) => (sum, count) = (sum + square.to_native(), count + 1),
            Err(ChannelError::Closed) => break,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(SLOW).await;
    }
    println!("the sum of {count} squares is {sum}");
    assert_eq!(sum, ITEMS * (ITEMS + 1) * (2 * ITEMS + 1) / 6);
    Ok(())
}
