//! One of two differently built programs: `order send|receive DIRECTORY NAME`.

#[path = "../order_program.rs"]
mod program;

/// The original.
#[mi7::message]
pub struct Order {
    id: u64,
    price: f64,
    quantity: f64,
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
    let order = Order { id: 7, price: 99.5, quantity: 3.0, side: Side::Sell };
    program::run(&order, |order| {
        let side = match order.side {
            ArchivedSide::Buy => "Buy",
            ArchivedSide::Sell => "Sell",
        };
        format!("{} {} {} {side}", order.id, order.price, order.quantity)
    });
}
