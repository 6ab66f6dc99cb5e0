use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(maxsize = 64, align = 64, size::max = 3)]
#[shm(pack)]
struct Order {
    id: u64,
}

fn main() {}
