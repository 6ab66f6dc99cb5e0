#[mi7::message]
struct Side(u8);

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Side")
    }
}

#[mi7::message]
#[derive(Debug)]
struct Order {
    id: u64,
    side: Side,
}

fn main() {
    let (_, sides) = mi7::channel::<Side>("sides").unwrap();
    println!("{:?}", sides.recv());
    let (_, orders) = mi7::channel::<Order>("orders").unwrap();
    println!("{:?}", *orders.recv().unwrap());
}
