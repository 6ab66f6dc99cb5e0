//! Structs of every shape, with a field of every kind.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroI128, NonZeroU8};
use std::time::Duration;

use mi7::{FixedString, FixedVec, ShmMessage};
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Named {
    integers: (i8, i16, i32, i64, i128, u8, u16, u32, u64, u128),
    floats: [f64; 3],
    small: f32,
    flag: bool,
    letter: char,
    nothing: (),
    nonzero: Option<NonZeroU8>,
    wide: NonZeroI128,
    wait: Duration,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    ip: IpAddr,
    socket: Option<SocketAddr>,
    name: FixedString<12>,
    list: FixedVec<(u8, FixedString<3>), 4>,
    marker: PhantomData<fn(*const str)>,
    tuple: Tuple,
    unit: Unit,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Tuple(u32, [Option<bool>; 2]);

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Unit;

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct NoFields {}

fn main() {
    fn is_message<T: ShmMessage>() {
        const { T::CHECKED }
    }
    is_message::<Named>();
    is_message::<Unit>();
    is_message::<NoFields>();
    assert_eq!(Named::SCHEMA.name, "Named");
}
