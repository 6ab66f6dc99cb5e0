//! In edition 2018 `gen` is a name like any other, and a trait is a type.

#![allow(bare_trait_objects, non_camel_case_types, dead_code)]
#![forbid(unsafe_code)]

trait Marker {}

#[mi7::message]
#[derive(Debug)]
struct gen {
    gen: u8,
    marker: std::marker::PhantomData<Marker + Send + Sync>,
    own: std::marker::PhantomData<fn() -> Self>,
}

#[mi7::message]
struct Order<T> {
    by_name: gen,
    by_path: crate::gen,
    value: T,
    marker: std::marker::PhantomData<fn(Box<Marker>)>,
}

fn main() {
    let () = <Order<gen> as mi7::ShmMessage>::CHECKED;
}
