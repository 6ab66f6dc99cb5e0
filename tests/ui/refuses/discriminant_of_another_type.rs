const BUY: isize = 3;

#[mi7::message]
enum Side {
    Buy = BUY,
    Sell,
}

fn main() {}
