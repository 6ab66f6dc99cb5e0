use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[rkyv(
    bytecheck(bounds(__C: rkyv::validation::ArchiveContext)),
    serialize_bounds(__S: rkyv::ser::Writer),
    deserialize_bounds(__D::Error: rkyv::rancor::Source)
)]
enum Node {
    Nil,
    Cons(#[rkyv(omit_bounds)] Box<Node>),
}

fn main() {}
