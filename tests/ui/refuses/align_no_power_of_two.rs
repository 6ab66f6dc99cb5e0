use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(align = 48)]
struct Order {
    id: u64,
}

#[mi7::message(align = 8192)]
struct Trade {
    id: u64,
}

fn main() {}
