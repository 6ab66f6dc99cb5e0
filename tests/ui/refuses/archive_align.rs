use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[rkyv(attr(repr(align(8192))))]
struct Order {
    id: u64,
}

fn main() {}
