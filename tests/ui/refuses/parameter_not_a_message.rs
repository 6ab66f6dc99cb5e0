use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Tick<T> {
    value: T,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    tick: Tick<usize>,
}

fn main() {}
