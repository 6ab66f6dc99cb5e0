//! ringfire: one writer to many readers that all see everything, here lossless and with one reader; and its work queue.
//!
//! Busy spinning for dedicated cores and its futex strategy for sleeping, as its README says.

use std::any::Any;

use ::ringfire::{
    BusySpin, FlowControl, FutexWait, MpmcProducer, MpmcQueueConsumer, RingConsumer, RingProducer, RingProducerBuilder,
    YieldBackoff,
};

use crate::contestant::{self, BATCH, Contestant, Outcome, Place, Work, retry, spin};
use crate::payload::{Message, check};

pub struct Ringfire;

pub struct Tx<const N: usize>(RingProducer<[u64; N]>);

pub struct Rx<const N: usize>(RingConsumer<[u64; N]>);

pub fn producer<const N: usize>(place: &Place) -> Outcome<RingProducer<[u64; N]>> {
    let builder = RingProducerBuilder::new(place.capacity as u64).flow_control(FlowControl::LosslessBackpressure);
    Ok(builder.build(place.path())?)
}

pub fn consumer<const N: usize>(place: &Place) -> Outcome<RingConsumer<[u64; N]>> {
    retry(|| RingConsumer::builder().start_from_oldest().attach(place.path()))
}

impl Contestant for Ringfire {
    type Sender<const N: usize> = Tx<N>;
    type Receiver<const N: usize> = Rx<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        match work {
            Work::Many => Some("one sender, broadcast"),
            Work::Loan => Some("copies"),
            _ => None,
        }
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<N>> {
        producer(place).map(Tx)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        consumer(place).map(Rx)
    }
}

impl<const N: usize> contestant::Sender for Tx<N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        self.0.push(&Message::new(number));
    }
}

impl<const N: usize> contestant::Receiver for Rx<N> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        check(&self.0.recv_blocking(&mut BusySpin::new()))
    }

    fn recv_parked(&mut self) -> u64 {
        check(&self.0.recv_blocking(&mut FutexWait::default()))
    }
}

/// With `push_batch` and `recv_batch` of 64.
pub struct Batch;

pub struct BatchTx<const N: usize>(RingProducer<[u64; N]>, Vec<[u64; N]>);

pub struct BatchRx<const N: usize>(RingConsumer<[u64; N]>, Vec<[u64; N]>);

impl Contestant for Batch {
    type Sender<const N: usize> = BatchTx<N>;
    type Receiver<const N: usize> = BatchRx<N>;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        contestant::only_batches(work, size)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<BatchTx<N>> {
        Ok(BatchTx(producer(place)?, Vec::with_capacity(BATCH)))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<BatchRx<N>> {
        Ok(BatchRx(consumer(place)?, vec![[0; N]; BATCH]))
    }
}

impl<const N: usize> contestant::Sender for BatchTx<N> {
    fn send(&mut self, number: u64) {
        self.0.push(&Message::new(number));
    }

    #[inline(always)]
    fn send_run(&mut self, first: u64, count: u64) {
        contestant::in_batches(first, count, |numbers| {
            self.1.clear();
            self.1.extend(numbers.map(<[u64; N]>::new));
            self.0.push_batch(&self.1);
        });
    }
}

impl<const N: usize> contestant::Receiver for BatchRx<N> {
    fn recv(&mut self) -> u64 {
        check(&self.0.recv_blocking(&mut BusySpin::new()))
    }

    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
        let some = spin(|| Some(self.0.recv_batch(&mut self.1)).filter(|some| *some > 0));
        for message in &self.1[..some] {
            seen(check(message));
        }
    }
}

/// The work queue: any number of writers, any number of readers that compete.
pub struct Mpmc;

pub struct ManyTx<const N: usize>(MpmcProducer<[u64; N]>);

pub struct ManyRx<const N: usize>(MpmcQueueConsumer<[u64; N]>, Work);

impl Contestant for Mpmc {
    type Sender<const N: usize> = ManyTx<N>;
    type Receiver<const N: usize> = ManyRx<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        match work {
            Work::Throughput | Work::Many => Some("overwrites what was not read yet"),
            Work::Loan => Some("copies"),
            _ => None,
        }
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(MpmcProducer::<[u64; N]>::create(place.path(), place.capacity as u64)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<ManyTx<N>> {
        Ok(ManyTx(retry(|| MpmcProducer::attach(place.path()))?))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<ManyRx<N>> {
        Ok(ManyRx(retry(|| MpmcQueueConsumer::attach(place.path()))?, place.work))
    }
}

impl<const N: usize> contestant::Sender for ManyTx<N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        self.0.push(&Message::new(number));
    }
}

impl<const N: usize> contestant::Receiver for ManyRx<N> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        check(&self.0.recv_blocking(&mut BusySpin::new()))
    }

    fn recv_parked(&mut self) -> u64 {
        if self.1 == Work::Many {
            return check(&self.0.recv_blocking(&mut YieldBackoff::new(64)));
        }
        check(&self.0.recv_blocking(&mut FutexWait::default()))
    }
}
