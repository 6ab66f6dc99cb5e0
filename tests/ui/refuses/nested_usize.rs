use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order {
    array: [usize; 4],
    option: Option<isize>,
    tuple: (u8, (u16, usize)),
    nonzero: std::num::NonZeroUsize,
}

fn main() {}
