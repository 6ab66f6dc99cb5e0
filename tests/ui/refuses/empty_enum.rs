#[mi7::message]
enum Order {}

fn main() {}
