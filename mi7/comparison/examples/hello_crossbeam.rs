//! From one thread to another.

struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tx, rx) = crossbeam_channel::bounded(1024);
    std::thread::spawn(move || tx.send(Order { id: 1, price: 99.5, qty: 10 }));
    let order = rx.recv()?;
    println!("{} {} {}", order.id, order.price, order.qty);
    Ok(())
}
