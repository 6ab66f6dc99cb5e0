//! Not waiting, waiting for some time, and the end of a channel.

use std::time::{Duration, Instant};

use mi7::{Error, SharedChannel};
use mi7_examples::Scratch;

const MOMENT: Duration = Duration::from_millis(50);

fn main() -> Result<(), Error> {
    let name = Scratch::new("timeouts");
    let (tx, rx) = SharedChannel::<u32>::options().capacity(2).create(&name)?.split();

    // Empty.
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    let started = Instant::now();
    assert!(matches!(rx.recv_timeout(MOMENT), Err(Error::Timeout)));
    assert!(started.elapsed() >= MOMENT);
    println!("nothing came within {MOMENT:?}");

    // Full. The capacity is exactly what was asked for, and nothing is ever overwritten.
    tx.send(&1)?;
    tx.try_send(&2)?;
    assert!(matches!(tx.try_send(&3), Err(Error::Full)));
    let started = Instant::now();
    assert!(matches!(tx.send_timeout(&3, MOMENT), Err(Error::Timeout)));
    assert!(started.elapsed() >= MOMENT);
    println!("there was no room within {MOMENT:?}");

    // Room comes while the sender waits.
    let waiter = tx.clone();
    let sent = std::thread::scope(|scope| {
        let sent = scope.spawn(move || waiter.send_timeout(&3, Duration::from_secs(10)));
        std::thread::sleep(MOMENT);
        let first = rx.recv().map(|first| first.to_native());
        sent.join().map(|sent| (first, sent))
    });
    let Ok((first, sent)) = sent else { unreachable!("sending does not panic") };
    assert_eq!(first?, 1);
    sent?;

    // The end: senders are told, receivers get what is left first.
    tx.close();
    assert!(matches!(tx.send(&4), Err(Error::Closed)));
    assert_eq!(rx.iter().map(|number| number.to_native()).collect::<Vec<_>>(), [2, 3]);
    assert!(matches!(rx.recv(), Err(Error::Closed)));
    println!("closed, and nothing was lost");
    Ok(())
}
