use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    id: u64,
    levels: Vec<f64>,
    names: std::collections::HashMap<u8, String>,
}

fn main() {}
