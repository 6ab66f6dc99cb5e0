//! `hello_iceoryx2` in one terminal first, then `hello_iceoryx2 send` in another: late subscribers get nothing.

use core::time::Duration;
use iceoryx2::prelude::*;

#[derive(Debug, Clone, Copy, ZeroCopySend)]
#[repr(C)]
struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

const CYCLE: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let service = node.service_builder(&"orders".try_into()?).publish_subscribe::<Order>().open_or_create()?;
    if std::env::args().nth(1).is_some() {
        let publisher = service.publisher_builder().create()?;
        let sample = publisher.loan_uninit()?;
        let sample = sample.write_payload(Order { id: 1, price: 99.5, qty: 10 });
        sample.send()?;
        // The memory is the publisher's: it has to live until the sample is taken.
        node.wait(10 * CYCLE)?;
    } else {
        let subscriber = service.subscriber_builder().create()?;
        while node.wait(CYCLE).is_ok() {
            if let Some(order) = subscriber.receive()? {
                println!("{} {} {}", order.id, order.price, order.qty);
                break;
            }
        }
    }
    Ok(())
}
