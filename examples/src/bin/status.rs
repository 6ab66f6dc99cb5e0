//! What can be seen of channels: how they are doing, which there are, what is in their messages.

use std::error::Error;

use mi7::SharedChannel;
use mi7_examples::Scratch;

#[mi7::message]
struct Order {
    id: u64,
    price: f64,
    limit: Option<f64>,
}

/// The same, as another program may have it.
mod elsewhere {
    #[mi7::message]
    pub struct Order {
        pub id: u64,
        pub limit: Option<f64>,
        pub price: f64,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = Scratch::new("status");
    let channel = SharedChannel::<Order>::options().capacity(16).create(&name)?;
    let (tx, rx) = channel.split();
    for id in 0..5 {
        tx.send(&Order { id, price: 1.0, limit: None })?;
    }
    drop(rx.recv()?);
    let held = rx.recv()?;

    let status = channel.status();
    println!("waiting {} of {}, leased {}", status.waiting, status.capacity, status.leased);
    println!("sent {}, received {}, at most {} at once", status.sent, status.received, status.peak_depth);
    println!("{} bytes, {:?} old", status.bytes, status.age);
    println!("senders {:?}, receivers {:?}", status.senders, status.receivers);
    assert_eq!((status.waiting, status.capacity, status.leased), (3, 16, 1));
    assert_eq!((status.sent, status.received), (5, 1));
    assert_eq!(status.senders[0].pid, std::process::id());
    drop(held);

    // Who does not know the type can still say what it is: the channel has it in words.
    let listed = mi7::list()?.into_iter().find(|listed| listed.name == *name).ok_or("it is not listed")?;
    let found = listed.channel.ok_or("it is no channel")?;
    println!("{} has messages of {}:\n{}", listed.path.display(), found.message, found.schema);
    assert_eq!(found.message, "Order");
    assert!(found.schema.contains("limit"));

    // Another type is refused, and the error names the field.
    let refused = SharedChannel::<elsewhere::Order>::open(&name).expect_err("it has another type");
    println!("refused: {refused}");
    assert!(refused.to_string().contains("Order"));

    mi7::remove(&name)?;
    assert!(channel.is_removed());
    assert!(mi7::list()?.iter().all(|listed| listed.name != *name));
    // Those who have it open still reach each other.
    tx.send(&Order { id: 5, price: 1.0, limit: Some(0.5) })?;
    assert_eq!(rx.iter().nth(3).ok_or("it is closed")?.limit.as_ref().map(|limit| limit.to_native()), Some(0.5));
    Ok(())
}
