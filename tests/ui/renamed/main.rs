//! A crate that has mi7 under another name, and no rkyv.

#![deny(warnings)]

use shared::{FixedString, ShmMessage};

#[shared::message(max_size = 64)]
pub struct Order {
    pub id: u64,
    pub symbol: FixedString<8>,
    pub side: Side,
}

#[derive(shared::rkyv::Archive, shared::rkyv::Serialize, shared::rkyv::Deserialize, ShmMessage)]
#[rkyv(crate = shared::rkyv)]
pub enum Side {
    Buy,
    Sell(bool),
}

fn main() {
    const { Order::CHECKED }
    println!("{}", Order::SCHEMA.name);
}
