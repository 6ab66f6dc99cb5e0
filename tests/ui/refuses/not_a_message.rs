use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize)]
struct Side(u8);

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    id: u64,
    side: Side,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Tick<T> {
    value: T,
    side: Side,
}

fn main() {}
