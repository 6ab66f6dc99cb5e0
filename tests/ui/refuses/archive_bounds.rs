trait Priced {}

#[mi7::message]
#[rkyv(archive_bounds(T: Priced))]
struct Tick<T> {
    value: T,
}

fn main() {
    let _ = mi7::channel::<Tick<u64>>("ticks");
}
