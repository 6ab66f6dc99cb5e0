use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(max_size, align = "64")]
#[shm(max_size = -1)]
#[shm]
#[shm = 64]
struct Order {
    id: u64,
}

fn main() {}
