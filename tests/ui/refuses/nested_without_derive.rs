use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

enum Side {
    Buy,
    Sell,
}

#[derive(ShmMessage, Archive, Serialize, Deserialize)]
struct Order {
    id: u64,
    side: Side,
}

fn main() {}
