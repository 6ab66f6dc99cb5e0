//! rtrb: one producer, one consumer, within a process.
//!
//! Its documentation has no way to wait "other than trying repeatedly", and chunks for many at a time.

use std::any::Any;
use std::marker::PhantomData;

use ::rtrb::{Consumer, Producer, RingBuffer};

use super::room::{self, Room};
use crate::contestant::{self, BATCH, Contestant, Outcome, Place, Work, spin};
use crate::payload::{Carry, Message};

pub struct Rtrb<K>(PhantomData<K>);

pub struct Tx<M>(Producer<M>);

pub struct Rx<M>(Consumer<M>);

fn refusal(work: Work) -> Option<&'static str> {
    match work {
        Work::Many => Some("one sender, one receiver"),
        Work::Wake | Work::Pingpong | Work::Idle => Some("cannot sleep"),
        Work::Loan | Work::Attach => Some(""),
        _ => None,
    }
}

impl<K: Carry> Contestant for Rtrb<K> {
    type Sender<const N: usize> = Tx<K::Of<N>>;
    type Receiver<const N: usize> = Rx<K::Of<N>>;
    const PROCESSES: bool = false;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        refusal(work)
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        let (tx, rx) = RingBuffer::<K::Of<N>>::new(place.capacity);
        Room::put(place, Tx(tx), Rx(rx))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<K::Of<N>>> {
        Room::take(place, room::SENDER)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<K::Of<N>>> {
        Room::take(place, room::RECEIVER)
    }
}

impl<M: Message> contestant::Sender for Tx<M> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        spin(|| (!self.0.is_full()).then_some(()));
        if self.0.push(M::new(number)).is_err() {
            unreachable!("there was room");
        }
    }
}

impl<M: Message> contestant::Receiver for Rx<M> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        spin(|| self.0.pop().ok()).number()
    }
}

/// With chunks of up to 64.
pub struct Batch<K>(PhantomData<K>);

pub struct BatchTx<M>(Producer<M>);

pub struct BatchRx<M>(Consumer<M>);

impl<K: Carry> Contestant for Batch<K> {
    type Sender<const N: usize> = BatchTx<K::Of<N>>;
    type Receiver<const N: usize> = BatchRx<K::Of<N>>;
    const PROCESSES: bool = false;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        contestant::only_batches(work, size).or(refusal(work))
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        let (tx, rx) = RingBuffer::<K::Of<N>>::new(place.capacity);
        Room::put(place, BatchTx(tx), BatchRx(rx))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<BatchTx<K::Of<N>>> {
        Room::take(place, room::SENDER)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<BatchRx<K::Of<N>>> {
        Room::take(place, room::RECEIVER)
    }
}

impl<M: Message> contestant::Sender for BatchTx<M> {
    fn send(&mut self, number: u64) {
        self.send_run(number, 1);
    }

    #[inline(always)]
    fn send_run(&mut self, first: u64, count: u64) {
        contestant::in_batches(first, count, |numbers| {
            let some = (numbers.end - numbers.start) as usize;
            while self.0.slots() < some {
                std::hint::spin_loop();
            }
            let chunk = self.0.write_chunk_uninit(some).expect("there was room");
            chunk.fill_from_iter(numbers.map(M::new));
        });
    }
}

impl<M: Message> contestant::Receiver for BatchRx<M> {
    fn recv(&mut self) -> u64 {
        spin(|| self.0.pop().ok()).number()
    }

    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
        let some = spin(|| Some(self.0.slots()).filter(|slots| *slots > 0));
        let chunk = self.0.read_chunk(some.min(BATCH)).expect("as many are there");
        for message in chunk {
            seen(message.number());
        }
    }
}
