//! `hello_ipmpsc` in one terminal first, then `hello_ipmpsc send` in another.

use ipmpsc::{Receiver, Sender, SharedRingBuffer};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).is_some() {
        let sender = Sender::new(SharedRingBuffer::open("/dev/shm/orders-ipmpsc")?);
        sender.send(&Order { id: 1, price: 99.5, qty: 10 })?;
    } else {
        let receiver = Receiver::new(SharedRingBuffer::create("/dev/shm/orders-ipmpsc", 32 * 1024)?);
        let order: Order = receiver.recv()?;
        println!("{} {} {}", order.id, order.price, order.qty);
    }
    Ok(())
}
