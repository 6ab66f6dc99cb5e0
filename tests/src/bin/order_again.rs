//! `order` once more: the same definition in another crate, in a module, in another order of items.

#[path = "../order_program.rs"]
mod program;

mod somewhere {
    pub mod else_ {
        /// The same, with derives of its own.
        #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, mi7::ShmMessage)]
        pub enum Side {
            /// In.
            Buy,
            /// Out.
            Sell,
        }
    }

    /// The same.
    #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, mi7::ShmMessage)]
    pub struct Order {
        pub id: u64,
        pub price: f64,
        pub quantity: f64,
        pub side: else_::Side,
    }
}

fn main() {
    use somewhere::else_::{ArchivedSide, Side};
    let order = somewhere::Order { id: 7, price: 99.5, quantity: 3.0, side: Side::Sell };
    program::run(&order, |order| {
        let side = match order.side {
            ArchivedSide::Buy => "Buy",
            ArchivedSide::Sell => "Sell",
        };
        format!("{} {} {} {side}", order.id, order.price, order.quantity)
    });
}
