//! mi7 somewhere else than at `::mi7`.

mod vendor {
    pub mod inner {
        pub use mi7::*;
    }
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, vendor::inner::ShmMessage)]
#[shm(crate = vendor::inner)]
struct Order {
    id: u64,
}

#[vendor::inner::message(crate = crate::vendor::inner)]
enum Side {
    Buy,
    Sell(u8),
}

fn main() {
    const { <Order as mi7::ShmMessage>::CHECKED }
    const { <Side as mi7::ShmMessage>::CHECKED }
}
