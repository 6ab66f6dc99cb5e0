#[mi7::message]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext)))]
struct Order {
    id: u64,
}

#[mi7::message]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext)))]
struct Tick<T> {
    value: T,
}

fn main() {}
