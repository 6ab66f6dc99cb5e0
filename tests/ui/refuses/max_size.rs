use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(max_size = 64)]
struct Order {
    bytes: [u8; 65],
}

#[mi7::message(max_size = 4)]
enum Side {
    Buy,
    Sell(u32),
}

fn main() {}
