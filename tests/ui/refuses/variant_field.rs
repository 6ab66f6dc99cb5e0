use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
enum Order {
    Buy,
    Named(u8, String),
    Sized { size: usize },
}

fn main() {
    let _ = mi7::channel::<Order>("orders");
}
