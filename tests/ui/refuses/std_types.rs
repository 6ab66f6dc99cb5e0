#[mi7::message]
struct Order {
    path: std::path::PathBuf,
    cow: std::borrow::Cow<'static, str>,
    cell: std::cell::RefCell<u8>,
    time: std::time::Instant,
    set: std::collections::BTreeSet<u8>,
    queue: std::collections::VecDeque<u8>,
}

fn main() {}
