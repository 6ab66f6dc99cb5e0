//! kanal: bounded, many to many, within a process.

use std::any::Any;
use std::marker::PhantomData;

use ::kanal::{Receiver, Sender, bounded};

use super::room::{self, Room};
use crate::contestant::{self, Contestant, Outcome, Place, Work, spin};
use crate::payload::{Carry, Message};

pub struct Kanal<K>(PhantomData<K>);

pub struct Tx<M>(Sender<M>);

pub struct Rx<M>(Receiver<M>);

impl<K: Carry> Contestant for Kanal<K> {
    type Sender<const N: usize> = Tx<K::Of<N>>;
    type Receiver<const N: usize> = Rx<K::Of<N>>;
    const PROCESSES: bool = false;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        matches!(work, Work::Loan | Work::Attach).then_some("")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        let (tx, rx) = bounded::<K::Of<N>>(place.capacity);
        Room::put(place, tx, rx)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<K::Of<N>>> {
        Room::copy(place, room::SENDER).map(Tx)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<K::Of<N>>> {
        Room::copy(place, room::RECEIVER).map(Rx)
    }
}

impl<M: Message> contestant::Sender for Tx<M> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        if self.0.send(M::new(number)).is_err() {
            panic!("closed");
        }
    }
}

impl<M: Message> contestant::Receiver for Rx<M> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        spin(|| self.0.try_recv().ok().flatten()).number()
    }

    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
        seen(self.recv_parked());
    }

    #[inline(always)]
    fn recv_parked(&mut self) -> u64 {
        self.0.recv().expect("receives").number()
    }
}

/// With `drain_into`, after a `recv` that waits. There is no such thing for sending.
pub struct Batch<K>(PhantomData<K>);

pub struct BatchRx<M>(Receiver<M>, Vec<M>);

impl<K: Carry> Contestant for Batch<K> {
    type Sender<const N: usize> = Tx<K::Of<N>>;
    type Receiver<const N: usize> = BatchRx<K::Of<N>>;
    const PROCESSES: bool = false;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        contestant::only_batches(work, size)
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Kanal::<K>::create::<N>(place)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<K::Of<N>>> {
        Kanal::<K>::sender::<N>(place)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<BatchRx<K::Of<N>>> {
        Room::copy(place, room::RECEIVER).map(|rx| BatchRx(rx, Vec::new()))
    }
}

impl<M: Message> contestant::Receiver for BatchRx<M> {
    fn recv(&mut self) -> u64 {
        self.0.recv().expect("receives").number()
    }

    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
        seen(self.recv());
        self.1.clear();
        self.0.drain_into(&mut self.1).expect("receives");
        for message in &self.1 {
            seen(message.number());
        }
    }
}
