//! cloudtoid-interprocess: many-to-many byte queues between processes.
//!
//! It has no way to busy-wait but trying again; `try_recv_into` copies into a buffer without allocating, as its benchmark does.

use cloudtoid_interprocess::{Error, Options, Publisher, Subscriber};

use crate::contestant::{self, BATCH, Contestant, Outcome, Place, Work, spin, spin_politely};
use crate::payload::{Message, buffer, bytes, bytes_mut, check, refill};

pub struct Cloudtoid;

pub struct Tx<const N: usize>(Publisher, Box<[u64; N]>, bool);

pub struct Rx<const N: usize>(Subscriber, Box<[u64; N]>);

/// Each message takes a header of 8 bytes.
fn options<const N: usize>(place: &Place) -> Options {
    Options::new(&place.name, place.capacity * (N + 1) * 8).with_path(&place.directory)
}

impl Contestant for Cloudtoid {
    type Sender<const N: usize> = Tx<N>;
    type Receiver<const N: usize> = Rx<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        (work == Work::Loan).then_some("copies")
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<N>> {
        Ok(Tx(Publisher::open(&options::<N>(place))?, buffer(), matches!(place.work, Work::Many | Work::Pair)))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        Ok(Rx(Subscriber::open(&options::<N>(place))?, buffer()))
    }
}

impl<const N: usize> contestant::Sender for Tx<N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        let attempt = |bytes: &[u8]| match self.0.try_send(bytes) {
            Ok(()) => Some(()),
            Err(Error::Full) => None,
            Err(error) => panic!("{error}"),
        };
        if N <= 128 {
            let message = <[u64; N]>::new(number);
            return if self.2 { spin_politely(|| attempt(bytes(&message))) } else { spin(|| attempt(bytes(&message))) };
        }
        refill(&mut self.1, number);
        spin_politely(|| attempt(bytes(&self.1)));
    }
}

impl<const N: usize> contestant::Receiver for Rx<N> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        let bytes = spin(|| self.0.try_recv_into(bytes_mut(&mut self.1)).expect("receives"));
        assert_eq!(bytes, N * 8);
        check(&self.1)
    }

    fn recv_parked(&mut self) -> u64 {
        let received = self.0.recv().expect("receives");
        bytes_mut(&mut self.1).copy_from_slice(&received);
        check(&self.1)
    }
}

/// With `try_send_batch` of 64. There is no such thing for receiving.
pub struct Batch;

pub struct BatchTx<const N: usize>(Publisher, Vec<[u64; N]>);

impl Contestant for Batch {
    type Sender<const N: usize> = BatchTx<N>;
    type Receiver<const N: usize> = Rx<N>;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        contestant::only_batches(work, size)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<BatchTx<N>> {
        Ok(BatchTx(Publisher::open(&options::<N>(place))?, Vec::with_capacity(BATCH)))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        Cloudtoid::receiver(place)
    }
}

impl<const N: usize> contestant::Sender for BatchTx<N> {
    fn send(&mut self, number: u64) {
        self.send_run(number, 1);
    }

    #[inline(always)]
    fn send_run(&mut self, first: u64, count: u64) {
        contestant::in_batches(first, count, |numbers| {
            self.1.clear();
            self.1.extend(numbers.map(<[u64; N]>::new));
            let mut slices: [&[u8]; BATCH] = [&[]; BATCH];
            for (slice, message) in slices.iter_mut().zip(&self.1) {
                *slice = bytes(message);
            }
            let mut left = &slices[..self.1.len()];
            while !left.is_empty() {
                let sent = spin(|| Some(self.0.try_send_batch(left).expect("sends")).filter(|sent| *sent > 0));
                left = &left[sent..];
            }
        });
    }
}
