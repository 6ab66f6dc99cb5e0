use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

trait Database {}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[rkyv(deserialize_bounds(__D: Database))]
struct Order {
    id: u64,
}

#[mi7::message]
#[rkyv(deserialize_bounds(__D: Database))]
struct Tick<T> {
    value: T,
}

fn main() {}
