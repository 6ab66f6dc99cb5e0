//! crossfire: many to many, and one to one, within a process.
//!
//! `detect_backoff_cfg` is called first: its documentation promises twice the speed on virtual machines.

use std::any::Any;
use std::marker::PhantomData;

use ::crossfire::{MRx, MTx, Rx, Tx, detect_backoff_cfg, mpmc, spsc};

use super::room::{self, Room};
use crate::contestant::{self, Contestant, Outcome, Place, Work, spin};
use crate::payload::{Carry, Message};

/// Defines a flavour and its ends.
macro_rules! flavour {
    ($name:ident, $flavour:ident, $sender:ident, $tx:ident, $receiver:ident, $rx:ident, $get:ident, $refused:expr) => {
        pub struct $name<K>(PhantomData<K>);

        pub struct $sender<M: Message>($tx<$flavour::Array<M>>);

        pub struct $receiver<M: Message>($rx<$flavour::Array<M>>);

        impl<K: Carry> Contestant for $name<K> {
            type Sender<const N: usize> = $sender<K::Of<N>>;
            type Receiver<const N: usize> = $receiver<K::Of<N>>;
            const PROCESSES: bool = false;

            fn refuses(work: Work, _: usize) -> Option<&'static str> {
                match work {
                    Work::Many => $refused,
                    Work::Loan | Work::Attach => Some(""),
                    _ => None,
                }
            }

            fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
                detect_backoff_cfg();
                let (tx, rx) = $flavour::bounded_blocking::<K::Of<N>>(place.capacity);
                Room::put(place, tx, rx)
            }

            fn sender<const N: usize>(place: &Place) -> Outcome<$sender<K::Of<N>>> {
                Room::$get(place, room::SENDER).map($sender)
            }

            fn receiver<const N: usize>(place: &Place) -> Outcome<$receiver<K::Of<N>>> {
                Room::$get(place, room::RECEIVER).map($receiver)
            }
        }

        impl<M: Message> contestant::Sender for $sender<M> {
            #[inline(always)]
            fn send(&mut self, number: u64) {
                if self.0.send(M::new(number)).is_err() {
                    panic!("closed");
                }
            }
        }

        impl<M: Message> contestant::Receiver for $receiver<M> {
            #[inline(always)]
            fn recv(&mut self) -> u64 {
                spin(|| self.0.try_recv().ok()).number()
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
    };
}

flavour!(Mpmc, mpmc, ManySender, MTx, ManyReceiver, MRx, copy, None);
flavour!(Spsc, spsc, OneSender, Tx, OneReceiver, Rx, take, Some("one sender, one receiver"));
