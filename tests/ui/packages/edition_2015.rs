//! In edition 2015 a path that begins with `::` begins in this crate, and a trait is a type.

#![allow(bare_trait_objects, dead_code)]
#![forbid(unsafe_code)]

extern crate mi7;

trait Marker {}

mod inner {
    #[::mi7::message]
    #[derive(Debug)]
    pub struct Side {
        pub code: u8,
    }
}

#[mi7::message]
struct Order<T> {
    side: ::inner::Side,
    sides: [Option<::inner::Side>; 2],
    value: T,
    marker: std::marker::PhantomData<Marker + Send + Sync>,
    own: std::marker::PhantomData<fn() -> Self>,
}

#[mi7::message]
#[derive(Debug)]
enum Event {
    Side(::inner::Side),
    Marked { marker: std::marker::PhantomData<fn(Box<Marker>) -> Self> },
}

fn main() {
    let () = <Order<u8> as mi7::ShmMessage>::CHECKED;
    let () = <Event as mi7::ShmMessage>::CHECKED;
}
