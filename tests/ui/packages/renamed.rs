//! A crate that has mi7 under another name, and no rkyv.

#![deny(warnings)]
#![forbid(unsafe_code)]

use shared::{FixedString, ShmMessage};

#[shared::message(max_size = 64)]
#[derive(Debug)]
pub struct Order {
    pub id: u64,
    pub symbol: FixedString<8>,
    pub side: Side,
    #[deprecated]
    pub old: u8,
}

#[derive(ShmMessage, shared::rkyv::Archive, shared::rkyv::Serialize, shared::rkyv::Deserialize, Debug)]
#[rkyv(crate = shared::rkyv, derive(Debug))]
pub enum Side {
    Buy,
    Sell(bool),
}

#[shared::message]
#[derive(Debug)]
pub struct Tick<T> {
    pub value: T,
    pub marker: std::marker::PhantomData<Self>,
}

fn main() {
    let () = const { Order::CHECKED };
    let () = const { Tick::<Order>::CHECKED };
    const { assert!(matches!(Order::SCHEMA.name.as_bytes(), b"Order")) };
}
