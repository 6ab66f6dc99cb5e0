use mi7::ShmMessage;
use rkyv::bytecheck::CheckBytes;
use rkyv::rend::u64_le;
use rkyv::{Archive, Deserialize, Portable, Serialize};

#[derive(Portable, CheckBytes)]
#[bytecheck(crate = rkyv::bytecheck)]
#[repr(C)]
struct Stored {
    id: u64_le,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[rkyv(as = Stored)]
struct Order {
    id: u64,
}

fn main() {}
