use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    #[shm(max_size = 64)]
    id: u64,
}

#[mi7::message]
enum Side {
    #[shm(align = 64)]
    Buy,
    Sell(#[shm(max_size)] u8),
}

fn main() {}
