#[mi7::message(max_size = 4)]
struct Tick<T: mi7::ShmMessage> {
    value: T,
}

fn main() {
    let _ = mi7::channel::<Tick<u32>>("fits");
    let _ = mi7::channel::<Tick<u64>>("does not fit");
}
