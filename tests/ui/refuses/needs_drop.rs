use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    id: u64,
}

impl Drop for Order {
    fn drop(&mut self) {}
}

fn main() {}
