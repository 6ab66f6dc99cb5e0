#[mi7::message]
struct Order {
    at: *mut u8,
    null: std::ptr::NonNull<u8>,
}

fn main() {}
