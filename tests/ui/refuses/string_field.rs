use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    id: u64,
    name: String,
}

fn main() {
    let _ = mi7::channel::<Order>("orders");
}
