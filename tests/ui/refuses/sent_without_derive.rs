struct Order {
    id: u64,
}

fn main() {
    let _ = mi7::channel::<Order>("orders");
    let _ = mi7::channel::<String>("names");
    let _: mi7::FixedVec<usize, 4> = mi7::FixedVec::new();
}
