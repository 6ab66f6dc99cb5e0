struct Side(u8);

#[mi7::message]
struct Order {
    id: u64,
    side: Option<Side>,
}

fn main() {
    let _ = mi7::channel::<Order>("orders");
}
