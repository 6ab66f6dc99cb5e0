//! `hello_mi7 send` in one terminal and `hello_mi7` in another, in any order.

#[mi7::message]
struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() -> mi7::Result<()> {
    if std::env::args().nth(1).is_some() {
        mi7::sender::<Order>("orders")?.send(&Order { id: 1, price: 99.5, qty: 10 })
    } else {
        let rx = mi7::receiver::<Order>("orders")?;
        let order = rx.recv()?;
        println!("{} {} {}", order.id, order.price, order.qty);
        Ok(())
    }
}
