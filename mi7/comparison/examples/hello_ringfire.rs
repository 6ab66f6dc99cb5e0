//! `hello_ringfire send` in one terminal first, then `hello_ringfire` in another while it lasts: the ring goes with its producer.

use std::time::Duration;

use ringfire::{FutexWait, RingConsumer, RingProducer};

#[repr(C)]
#[derive(Clone, Copy)]
struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).is_some() {
        let mut producer = RingProducer::<Order>::create("/dev/shm/orders", 1024)?;
        producer.push(&Order { id: 1, price: 99.5, qty: 10 });
        std::thread::sleep(Duration::from_secs(5));
    } else {
        let mut consumer = RingConsumer::<Order>::attach("/dev/shm/orders")?;
        let order = consumer.recv_blocking(&mut FutexWait::default());
        println!("{} {} {}", order.id, order.price, order.qty);
    }
    Ok(())
}
