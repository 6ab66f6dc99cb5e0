use mi7::ShmMessage;

#[derive(ShmMessage)]
struct Tick<T: ShmMessage> {
    value: T,
}

fn main() {}
