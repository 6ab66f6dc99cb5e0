#[mi7::message]
struct Order {
    shared: std::rc::Rc<u64>,
    also: std::sync::Arc<u64>,
}

fn main() {}
