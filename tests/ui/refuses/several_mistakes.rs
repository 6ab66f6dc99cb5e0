use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(maxsize = 64)]
struct Order {
    name: String,
    #[shm(align = 64)]
    count: usize,
    levels: [Vec<f64>; 2],
}

fn in_use(order: Order) {
    let (tx, rx) = mi7::channel::<Order>("orders").unwrap();
    tx.send(&order).unwrap();
    let _ = rx.recv().unwrap().count;
}

fn main() {}
