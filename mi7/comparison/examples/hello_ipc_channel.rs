//! `hello_ipc_channel` in one terminal first, then `hello_ipc_channel NAME`, with the name that it prints, in another.

use ipc_channel::ipc::{IpcOneShotServer, IpcSender};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    price: f64,
    qty: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(name) = std::env::args().nth(1) {
        IpcSender::connect(name)?.send(Order { id: 1, price: 99.5, qty: 10 })?;
    } else {
        let (server, name) = IpcOneShotServer::<Order>::new()?;
        println!("{name}");
        let (_, order) = server.accept()?;
        println!("{} {} {}", order.id, order.price, order.qty);
    }
    Ok(())
}
