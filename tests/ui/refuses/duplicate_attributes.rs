use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(max_size = 64, max_size = 32)]
#[shm(align = 64)]
#[shm(align = 64)]
struct Order {
    id: u64,
}

fn main() {}
