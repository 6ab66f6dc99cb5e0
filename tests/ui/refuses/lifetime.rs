use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Order<'a> {
    id: std::marker::PhantomData<&'a u8>,
}

fn main() {}
