use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    #[rkyv(with = rkyv::with::AsBox)]
    id: u64,
}

fn main() {}
