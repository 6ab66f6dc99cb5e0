struct Theirs {
    id: u64,
}

#[mi7::message]
#[rkyv(remote = Theirs)]
struct Order {
    id: u64,
}

fn main() {}
