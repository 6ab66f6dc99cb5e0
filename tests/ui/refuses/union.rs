#[mi7::message]
union Order {
    id: u64,
    price: f64,
}

fn main() {}
