//! One process sends orders, another one receives them. This one starts itself once more to be the other.

use std::error::Error;

use mi7_examples::{Scratch, again, arguments};

#[mi7::message]
struct Order {
    id: u64,
    price: f64,
    quantity: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let [name] = &arguments()?[..] {
        return sell(name);
    }
    let name = Scratch::new("hello");
    let orders = mi7::receiver::<Order>(&name)?;
    let mut seller = again([&*name])?.spawn()?;
    // Until the channel is closed. Each order is read where it lies in shared memory.
    let mut value = 0.0;
    for order in &orders {
        println!("order {}: {} at {}", order.id, order.quantity, order.price);
        value += order.price.to_native() * f64::from(order.quantity.to_native());
    }
    assert!(seller.wait()?.success());
    assert_eq!(value, 60.0);
    println!("worth {value}");
    Ok(())
}

/// The other process.
fn sell(name: &str) -> Result<(), Box<dyn Error>> {
    let orders = mi7::sender::<Order>(name)?;
    for id in 1..=3 {
        orders.send(&Order { id, price: 2.5 * id as f64, quantity: 4 })?;
    }
    orders.close();
    Ok(())
}
