#[mi7::message]
struct Order {
    call: fn(u64) -> u64,
}

fn main() {}
