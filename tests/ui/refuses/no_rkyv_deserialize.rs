use mi7::ShmMessage;
use rkyv::{Archive, Serialize};

#[derive(Archive, Serialize, ShmMessage)]
struct Order {
    id: u64,
}

fn main() {}
