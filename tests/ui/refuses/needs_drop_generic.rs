use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Tick<T: ShmMessage> {
    value: T,
}

impl<T: ShmMessage> Drop for Tick<T> {
    fn drop(&mut self) {}
}

fn main() {
    let _ = mi7::channel::<Tick<u64>>("ticks");
}
