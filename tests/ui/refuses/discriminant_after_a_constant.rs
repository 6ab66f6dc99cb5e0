const LAST: u8 = 255;

#[mi7::message]
#[repr(u8)]
enum Side {
    Buy = LAST,
    Sell,
}

fn main() {}
