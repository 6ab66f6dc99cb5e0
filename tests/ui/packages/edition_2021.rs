//! In edition 2021 `gen` is a name like any other.

#![allow(non_camel_case_types, dead_code)]
#![forbid(unsafe_code)]

#[mi7::message]
#[derive(Debug)]
struct gen {
    gen: u8,
    own: std::marker::PhantomData<fn() -> Self>,
}

#[mi7::message]
#[derive(Debug)]
enum Event {
    gen { gen: gen, own: std::marker::PhantomData<Self> },
    safe(gen),
}

#[mi7::message]
#[derive(Debug)]
struct Order<gen> {
    value: gen,
    own: std::marker::PhantomData<Self>,
}

fn main() {
    let () = <Order<gen> as mi7::ShmMessage>::CHECKED;
    let () = <Event as mi7::ShmMessage>::CHECKED;
}
