//! `order` as somebody else built it: with two fields swapped, whose types are the same.

#[path = "../order_program.rs"]
mod program;

/// With `quantity` before `price`.
#[mi7::message]
pub struct Order {
    id: u64,
    quantity: f64,
    price: f64,
    side: Side,
}

/// Which side.
#[mi7::message]
pub enum Side {
    /// In.
    Buy,
    /// Out.
    Sell,
}

fn main() {
    let order = Order { id: 7, price: 99.5, quantity: 3.0, side: Side::Buy };
    program::run(&order, |order| {
        let side = match order.side {
            ArchivedSide::Buy => "Buy",
            ArchivedSide::Sell => "Sell",
        };
        format!("{} {} {} {side}", order.id, order.price, order.quantity)
    });
}
