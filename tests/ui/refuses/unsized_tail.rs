#[mi7::message]
struct Order {
    id: u64,
    rest: [u8],
}

#[mi7::message]
struct Text(str);

#[mi7::message]
struct Object(dyn Send);

fn main() {}
