//! `#[mi7::message]`, and nothing else in Cargo.toml.

#[mi7::message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// Documented.
    pub id: u64,
    pub side: Side,
}

#[mi7::message(max_size = 2, align = 64)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    Buy,
    Sell(bool),
}

#[mi7::message]
#[shm(max_size = 8)]
struct Tick<T: mi7::ShmMessage>(T);

#[mi7::message(crate = ::mi7)]
struct Unit;

fn main() {
    use mi7::ShmMessage;
    const { Order::CHECKED }
    const { Side::CHECKED }
    const { Tick::<u64>::CHECKED }
    const { Unit::CHECKED }
    assert_eq!(Side::ALIGN, 64);
}
