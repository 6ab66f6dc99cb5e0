use mi7::ShmMessage;
use rkyv::{Archive, Deserialize};

#[derive(Archive, Deserialize, ShmMessage)]
struct Order {
    id: u64,
}

fn main() {}
