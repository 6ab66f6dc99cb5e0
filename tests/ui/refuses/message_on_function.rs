#[mi7::message]
fn order() {}

#[mi7::message(max_size = 64, maxsize = 64)]
struct Order {
    name: String,
}

fn main() {
    order();
    let _ = mi7::channel::<Order>("orders");
}
