#[mi7::message]
struct Order {
    some: impl Send,
}

fn main() {}
