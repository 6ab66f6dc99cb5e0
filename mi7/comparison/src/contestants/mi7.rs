//! mi7, in its modes.

use std::any::Any;
use std::marker::PhantomData;

use ::mi7::{Error, Options, SharedChannel};

use crate::contestant::{self, Contestant, Outcome, Place, Work, spin};
use crate::payload::{check, fill};

pub struct Mi7<M>(PhantomData<M>);

/// How a channel is made.
pub trait Mode: 'static {
    const MANY: bool;

    fn options<const N: usize>(place: &Place) -> Options<[u64; N]> {
        SharedChannel::options().capacity(place.capacity).directory(&place.directory)
    }
}

/// Any number of senders and receivers.
pub struct Default;

impl Mode for Default {
    const MANY: bool = true;
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

pub struct Tx<M, const N: usize>(::mi7::Sender<[u64; N]>, PhantomData<M>);

pub struct Rx<M, const N: usize>(::mi7::Receiver<[u64; N]>, PhantomData<M>);

type Archived<const N: usize> = <[u64; N] as ::mi7::rkyv::Archive>::Archived;

/// The archive's words. On this machine they are numbers as they are.
#[inline(always)]
fn words<const N: usize>(archived: &Archived<N>) -> &[u64; N] {
    const { assert!(cfg!(target_endian = "little")) };
    // SAFETY: an archived array of numbers is one of numbers in little-endian order, as aligned as they are.
    unsafe { &*std::ptr::from_ref(archived).cast() }
}

impl<M: Mode> Contestant for Mi7<M> {
    type Sender<const N: usize> = Tx<M, N>;
    type Receiver<const N: usize> = Rx<M, N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        (work == Work::Many && !M::MANY).then_some("one sender, one receiver")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(M::options::<N>(place).create(&place.name)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<M, N>> {
        Ok(Tx(M::options(place).open(&place.name)?.sender(), PhantomData))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<M, N>> {
        Ok(Rx(M::options(place).open(&place.name)?.receiver(), PhantomData))
    }
}

impl<M: Mode, const N: usize> contestant::Sender for Tx<M, N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        if N > IN_PLACE {
            return self.send_loaned(number, &mut || ());
        }
        let mut message = std::mem::MaybeUninit::uninit();
        self.0.send(fill(&mut message, number)).expect("sends");
    }

    #[inline(always)]
    fn send_loaned(&mut self, number: u64, ready: &mut dyn FnMut()) {
        let mut loan = self.0.loan().expect("lends a slot");
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
        spin(|| match self.0.try_recv() {
            Ok(message) => Some(check(words::<N>(&message))),
            Err(Error::Empty) => None,
            Err(error) => panic!("{error}"),
        })
    }

    fn recv_parked(&mut self) -> u64 {
        check(words::<N>(&self.0.recv().expect("receives")))
    }

    fn recv_glimpse(&mut self) -> u64 {
        spin(|| match self.0.try_recv() {
            Ok(message) => Some(words::<N>(&message)[0]),
            Err(Error::Empty) => None,
            Err(error) => panic!("{error}"),
        })
    }
}
