//! ipmpsc: many senders to one receiver, through bincode, between processes.
//!
//! Received without a copy, through `zero_copy_context` and serde_bytes, as its README advises. Its receiver spins for a
//! while by itself, then sleeps on a condition variable; there is no other way to wait.

use std::any::Any;

use ::ipmpsc::{Receiver, Sender, SharedRingBuffer};
use serde_bytes::Bytes;

use crate::contestant::{self, Contestant, Outcome, Place, Work, retry};
use crate::payload::{buffer, bytes, bytes_mut, check, refill};

pub struct Ipmpsc;

pub struct Tx<const N: usize>(Sender, Box<[u64; N]>);

pub struct Rx<const N: usize>(Receiver, Box<[u64; N]>);

impl Contestant for Ipmpsc {
    type Sender<const N: usize> = Tx<N>;
    type Receiver<const N: usize> = Rx<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        match work {
            Work::Many => Some("one receiver"),
            Work::Loan => Some("serializes"),
            _ => None,
        }
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        let path = place.path();
        // Two lengths of up to 8 bytes go with each message.
        let size = place.capacity * (N * 8 + 16);
        Ok(Box::new(SharedRingBuffer::create(path.to_str().ok_or("no UTF-8")?, size.try_into()?)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<N>> {
        Ok(Tx(Sender::new(open(place)?), buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        Ok(Rx(Receiver::new(open(place)?), buffer()))
    }
}

fn open(place: &Place) -> Outcome<SharedRingBuffer> {
    let path = place.path();
    let path = path.to_str().ok_or("no UTF-8")?;
    retry(|| SharedRingBuffer::open(path))
}

impl<const N: usize> contestant::Sender for Tx<N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        self.0.send(&Bytes::new(bytes(&self.1))).expect("sends");
    }
}

impl<const N: usize> contestant::Receiver for Rx<N> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        let mut context = self.0.zero_copy_context();
        let received: &Bytes = context.recv().expect("receives");
        // It lies at any address, so it is copied after all to be read as numbers.
        bytes_mut(&mut self.1).copy_from_slice(received);
        check(&self.1)
    }

    fn recv_parked(&mut self) -> u64 {
        self.recv()
    }
}
