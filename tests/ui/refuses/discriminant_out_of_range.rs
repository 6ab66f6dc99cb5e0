#[mi7::message]
#[repr(i32)]
enum Side {
    Buy = -1,
    Sell = 256,
}

#[mi7::message]
enum Code {
    Last = 0xFF,
    Next,
}

#[mi7::message]
enum Bits {
    Low = 1 << 7,
    High = 1 << 8,
    Sum = 200 + 100,
}

fn main() {
    let _ = mi7::channel::<Side>("sides");
}
