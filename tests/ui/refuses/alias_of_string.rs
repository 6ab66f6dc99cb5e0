use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

type Name = String;
type Index = usize;

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    name: Name,
    indices: [Index; 2],
}

fn main() {}
