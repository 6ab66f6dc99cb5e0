use mi7::ShmMessage;

#[derive(ShmMessage)]
#[shm(max_size = 8, align = 64)]
struct Order {
    id: u64,
    price: f64,
}

#[derive(ShmMessage)]
enum Side {
    Buy,
    Sell(u8),
}

fn main() {}
