//! Types with parameters, of types and constants, with bounds here and there.

use std::marker::PhantomData;

use mi7::{FixedVec, ShmMessage};
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage, Clone)]
struct Tick<T: ShmMessage> {
    value: T,
    others: [Option<T>; 2],
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Unbounded<T>(T);

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Arrays<const N: usize, const M: usize> {
    values: [u32; N],
    more: FixedVec<u8, M>,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[shm(max_size = 16, align = 64)]
enum Either<A, B = u8>
where
    A: ShmMessage + Clone,
    B: Clone,
{
    Left(A),
    Right { b: B },
    Neither,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
struct Id<T: Send + Sync + 'static>(u64, PhantomData<T>);

struct Thing;

fn in_generic_code<T: ShmMessage + Clone>() -> usize {
    const { Either::<Tick<T>, T>::CHECKED }
    Either::<Tick<T>, T>::SCHEMA.size
}

fn main() {
    const { Tick::<Tick<u16>>::CHECKED }
    const { Unbounded::<f64>::CHECKED }
    const { Arrays::<3, 5>::CHECKED }
    const { Id::<Thing>::CHECKED }
    assert_eq!(Either::<u8>::ALIGN, 64);
    assert_eq!(in_generic_code::<u8>(), 6);
}
