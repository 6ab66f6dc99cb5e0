#[mi7::message]
struct Order {
    name: &'static str,
    values: &'static [u8],
    other: Option<&'static u64>,
}

fn main() {}
