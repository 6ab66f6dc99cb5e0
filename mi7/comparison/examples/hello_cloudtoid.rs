//! `hello_cloudtoid` in one terminal first, then `hello_cloudtoid send` in another. It knows bytes only.

use cloudtoid_interprocess::{Options, Publisher, Subscriber};

struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::new("orders", 65536);
    if std::env::args().nth(1).is_some() {
        let order = Order { id: 1, price: 99.5, qty: 10 };
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&order.id.to_le_bytes());
        bytes.extend_from_slice(&order.price.to_le_bytes());
        bytes.extend_from_slice(&order.qty.to_le_bytes());
        Publisher::open(&options)?.try_send(&bytes)?;
    } else {
        let bytes = Subscriber::open(&options)?.recv()?;
        let order = Order {
            id: u64::from_le_bytes(bytes[..8].try_into()?),
            price: f64::from_le_bytes(bytes[8..16].try_into()?),
            qty: u32::from_le_bytes(bytes[16..].try_into()?),
        };
        println!("{} {} {}", order.id, order.price, order.qty);
    }
    Ok(())
}
