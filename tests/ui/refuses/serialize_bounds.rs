#[mi7::message]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer))]
struct Order {
    id: u64,
}

#[mi7::message]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer))]
struct Tick<T> {
    value: T,
}

fn main() {}
