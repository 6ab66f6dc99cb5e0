#[mi7::message]
#[rkyv(attr(repr(C, u8)))]
enum Side {
    Buy(u64),
    Sell,
}

#[mi7::message]
#[rkyv(attr(repr(packed)))]
struct Order {
    id: u64,
}

fn main() {}
