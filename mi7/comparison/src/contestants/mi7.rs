//! mi7, in its modes: with the ends as they are by default, with exclusive ends, and either with batches of 64.
//!
//! It spins where latency is measured, as the rivals do, parks at once where both sides are to fall asleep each time,
//! and has its default elsewhere.

use std::any::Any;
use std::marker::PhantomData;

use ::mi7::{Options, SharedChannel, Wait};

use crate::contestant::{self, BATCH, Contestant, Outcome, Place, Work};
use crate::payload::{Message, check, fill};

pub struct Mi7<M>(PhantomData<M>);

/// How a channel is made.
pub trait Mode: 'static {
    const MANY: bool;
    /// Whether each end has a second handle that has been used, but is not any more: nobody is alone then.
    const SEVERAL: bool = false;

    fn options<const N: usize>(place: &Place) -> Options<[u64; N]> {
        let wait = match place.work {
            Work::Latency | Work::Loan => Wait::Spin,
            Work::Pingpong => Wait::Park,
            _ => Wait::Adaptive,
        };
        SharedChannel::options().capacity(place.capacity).directory(&place.directory).wait(wait)
    }
}

/// Any number of senders and receivers.
pub struct Default;

impl Mode for Default {
    const MANY: bool = true;
}

/// As by default, but that nobody is alone at an end: what four to four come to when nobody has to wait for a processor.
pub struct Several;

impl Mode for Several {
    const MANY: bool = true;
    const SEVERAL: bool = true;
}

/// One sender and one receiver, as the options promise.
pub struct Exclusive;

impl Mode for Exclusive {
    const MANY: bool = false;

    fn options<const N: usize>(place: &Place) -> Options<[u64; N]> {
        Default::options(place).single_sender().single_receiver()
    }
}

/// Messages of more words are written and read where they lie; smaller ones handed over.
const IN_PLACE: usize = 128;

pub struct Tx<M, const N: usize> {
    tx: ::mi7::Sender<[u64; N]>,
    _second: Option<::mi7::Sender<[u64; N]>>,
    mode: PhantomData<M>,
}

pub struct Rx<M, const N: usize> {
    rx: ::mi7::Receiver<[u64; N]>,
    _second: Option<::mi7::Receiver<[u64; N]>>,
    mode: PhantomData<M>,
}

type Archived<const N: usize> = <[u64; N] as ::mi7::rkyv::Archive>::Archived;

/// The archive's words. On this machine they are numbers as they are.
#[inline(always)]
pub fn words<const N: usize>(archived: &Archived<N>) -> &[u64; N] {
    const { assert!(cfg!(target_endian = "little")) };
    // SAFETY: an archived array of numbers is one of numbers in little-endian order, as aligned as they are.
    unsafe { &*std::ptr::from_ref(archived).cast() }
}

impl<M: Mode> Contestant for Mi7<M> {
    type Sender<const N: usize> = Tx<M, N>;
    type Receiver<const N: usize> = Rx<M, N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        if M::SEVERAL {
            return (!matches!(work, Work::Pair | Work::Many)).then_some("");
        }
        (work == Work::Many && !M::MANY).then_some("one sender, one receiver")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(M::options::<N>(place).create(&place.name)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<M, N>> {
        let channel = M::options(place).open(&place.name)?;
        let second = M::SEVERAL.then(|| channel.sender());
        if let Some(second) = &second {
            // A position that is passed over.
            drop(second.try_loan()?);
        }
        Ok(Tx { tx: channel.sender(), _second: second, mode: PhantomData })
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<M, N>> {
        let channel = M::options(place).open(&place.name)?;
        let second = M::SEVERAL.then(|| channel.receiver());
        if let Some(second) = &second
            && let Ok(message) = second.try_recv()
        {
            message.requeue();
        }
        Ok(Rx { rx: channel.receiver(), _second: second, mode: PhantomData })
    }
}

impl<M: Mode, const N: usize> contestant::Sender for Tx<M, N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        if N > IN_PLACE {
            return self.send_loaned(number, &mut || ());
        }
        let mut message = std::mem::MaybeUninit::uninit();
        self.tx.send(fill(&mut message, number)).expect("sends");
    }

    #[inline(always)]
    fn send_loaned(&mut self, number: u64, ready: &mut dyn FnMut()) {
        let mut loan = self.tx.loan().expect("lends a slot");
        let archived = std::ptr::from_mut(loan.as_uninit());
        // SAFETY: the words of the archive, as in `words`; the loan is held until it is sent.
        fill::<N>(unsafe { &mut *archived.cast() }, number);
        // SAFETY: all of its words have just been written.
        unsafe { loan.assume_written() };
        ready();
        loan.send().expect("sends");
    }
}

impl<M: Mode, const N: usize> contestant::Receiver for Rx<M, N> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        check(words::<N>(&self.rx.recv().expect("receives")))
    }

    #[inline(always)]
    fn recv_parked(&mut self) -> u64 {
        self.recv()
    }

    #[inline(always)]
    fn recv_glimpse(&mut self) -> u64 {
        words::<N>(&self.rx.recv().expect("receives"))[0]
    }
}

/// With `send_many` and `recv_many` of 64.
pub struct Batch<M>(PhantomData<M>);

pub struct BatchTx<const N: usize>(::mi7::Sender<[u64; N]>);

pub struct BatchRx<const N: usize>(::mi7::Receiver<[u64; N]>);

impl<M: Mode> Contestant for Batch<M> {
    type Sender<const N: usize> = BatchTx<N>;
    type Receiver<const N: usize> = BatchRx<N>;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        contestant::only_batches(work, size)
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Mi7::<M>::create::<N>(place)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<BatchTx<N>> {
        Ok(BatchTx(M::options(place).open(&place.name)?.sender()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<BatchRx<N>> {
        Ok(BatchRx(M::options(place).open(&place.name)?.receiver()))
    }
}

impl<const N: usize> contestant::Sender for BatchTx<N> {
    fn send(&mut self, number: u64) {
        self.send_run(number, 1);
    }

    #[inline(always)]
    fn send_run(&mut self, first: u64, count: u64) {
        contestant::in_batches(first, count, |numbers| {
            let some = (numbers.end - numbers.start) as usize;
            assert_eq!(self.0.send_many(numbers.map(<[u64; N]>::new)).expect("sends"), some);
        });
    }
}

impl<const N: usize> contestant::Receiver for BatchRx<N> {
    fn recv(&mut self) -> u64 {
        check(words::<N>(&self.0.recv().expect("receives")))
    }

    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
        let batch = self.0.recv_many(BATCH).expect("receives");
        for message in &batch {
            seen(check(words::<N>(message)));
        }
    }
}
