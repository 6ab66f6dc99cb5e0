use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(align = 4)]
struct Order {
    id: u64,
}

fn main() {}
