//! From one thread to another.

struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() {
    let (mut tx, mut rx) = rtrb::RingBuffer::new(1024);
    std::thread::spawn(move || tx.push(Order { id: 1, price: 99.5, qty: 10 }));
    let order = loop {
        match rx.pop() {
            Ok(order) => break order,
            Err(_) => std::hint::spin_loop(),
        }
    };
    println!("{} {} {}", order.id, order.price, order.qty);
}
