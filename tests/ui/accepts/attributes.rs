//! What `#[shm(…)]` and rkyv's own attributes may say.

use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(max_size = 64, align = 64)]
struct Limited {
    bytes: [u8; 64],
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(max_size = 0x10)]
#[shm(align = 4096)]
struct Twice(u128);

#[derive(Archive, Serialize, Deserialize, ShmMessage, PartialEq)]
#[rkyv(archived = Stored, resolver = Resolved, derive(Debug), compare(PartialEq), attr(allow(dead_code)))]
struct Renamed {
    #[rkyv(attr(allow(missing_docs)))]
    id: u64,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[rkyv(attr(repr(align(32))))]
struct Aligned(u8);

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(crate = ::mi7)]
struct There(u8);

fn main() {
    const { Limited::CHECKED }
    const { Twice::CHECKED }
    const { There::CHECKED }
    assert_eq!((Limited::ALIGN, Twice::ALIGN, Aligned::ALIGN), (64, 4096, 32));
    fn archived(_: <Renamed as Archive>::Archived) -> Option<Stored> {
        None
    }
    let _ = archived;
}
