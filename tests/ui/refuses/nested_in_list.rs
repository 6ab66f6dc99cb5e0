#[mi7::message]
struct Order {
    list: mi7::FixedVec<usize, 4>,
    texts: mi7::FixedVec<Option<String>, 4>,
}

fn main() {}
