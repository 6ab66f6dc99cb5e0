//! Boost.Interprocess's `message_queue`, of Debian's libboost, through a few lines of C++.
//!
//! Without its headers at build time it refuses everything. `try_receive` is spun on for latency; `send` and `receive`, which
//! sleep on a condition variable in shared memory, are used for the rest.

use std::any::Any;

use crate::contestant::{Contestant, Outcome, Place, Work};

pub struct Boost;

#[cfg(not(boost))]
mod queue {
    use super::*;
    use crate::contestant;

    pub struct End<const N: usize>;

    pub fn open<const N: usize>(_: &Place) -> Outcome<End<N>> {
        Err("without Boost's headers".into())
    }

    pub fn remove(_: &Place) {}

    impl<const N: usize> contestant::Sender for End<N> {
        fn send(&mut self, _: u64) {
            unimplemented!("refused")
        }
    }

    impl<const N: usize> contestant::Receiver for End<N> {
        fn recv(&mut self) -> u64 {
            unimplemented!("refused")
        }
    }
}

#[cfg(boost)]
mod queue {
    use std::ffi::{CString, c_char, c_int, c_void};
    use std::ptr::NonNull;

    use super::*;
    use crate::contestant::{self, spin};
    use crate::payload::{buffer, bytes, bytes_mut, check, refill};

    unsafe extern "C" {
        fn comparison_boost_open(name: *const c_char, messages: usize, bytes: usize) -> *mut c_void;
        fn comparison_boost_close(queue: *mut c_void);
        fn comparison_boost_remove(name: *const c_char);
        fn comparison_boost_send(queue: *mut c_void, bytes: *const u8, length: usize) -> c_int;
        fn comparison_boost_receive(queue: *mut c_void, bytes: *mut u8, length: usize) -> c_int;
        fn comparison_boost_try_receive(queue: *mut c_void, bytes: *mut u8, length: usize) -> c_int;
    }

    pub struct End<const N: usize>(NonNull<c_void>, Box<[u64; N]>);

    pub fn open<const N: usize>(place: &Place) -> Outcome<End<N>> {
        let name = CString::new(place.name.as_str())?;
        // SAFETY: a name that ends with a zero.
        let queue = unsafe { comparison_boost_open(name.as_ptr(), place.capacity, N * 8) };
        Ok(End(NonNull::new(queue).ok_or("cannot be opened")?, buffer()))
    }

    pub fn remove(place: &Place) {
        if let Ok(name) = CString::new(place.name.as_str()) {
            // SAFETY: a name that ends with a zero.
            unsafe { comparison_boost_remove(name.as_ptr()) };
        }
    }

    impl<const N: usize> Drop for End<N> {
        fn drop(&mut self) {
            // SAFETY: opened in `open`, and closed once.
            unsafe { comparison_boost_close(self.0.as_ptr()) };
        }
    }

    impl<const N: usize> contestant::Sender for End<N> {
        fn send(&mut self, number: u64) {
            refill(&mut self.1, number);
            let bytes = bytes(&self.1);
            // SAFETY: an open queue, and as many bytes as there are.
            let sent = unsafe { comparison_boost_send(self.0.as_ptr(), bytes.as_ptr(), bytes.len()) };
            assert_eq!(sent, 1);
        }
    }

    impl<const N: usize> contestant::Receiver for End<N> {
        fn recv(&mut self) -> u64 {
            let bytes = bytes_mut(&mut self.1);
            spin(|| {
                // SAFETY: an open queue, and as many bytes as there are.
                match unsafe { comparison_boost_try_receive(self.0.as_ptr(), bytes.as_mut_ptr(), bytes.len()) } {
                    1 => Some(()),
                    0 => None,
                    _ => panic!("cannot receive"),
                }
            });
            check(&self.1)
        }

        fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
            seen(self.recv_parked());
        }

        fn recv_parked(&mut self) -> u64 {
            let bytes = bytes_mut(&mut self.1);
            // SAFETY: an open queue, and as many bytes as there are.
            let received = unsafe { comparison_boost_receive(self.0.as_ptr(), bytes.as_mut_ptr(), bytes.len()) };
            assert_eq!(received, 1);
            check(&self.1)
        }
    }
}

impl Contestant for Boost {
    type Sender<const N: usize> = queue::End<N>;
    type Receiver<const N: usize> = queue::End<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        match work {
            _ if !cfg!(boost) => Some("libboost-dev is not installed"),
            Work::Loan => Some("copies"),
            _ => None,
        }
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(queue::open::<N>(place)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<queue::End<N>> {
        queue::open(place)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<queue::End<N>> {
        queue::open(place)
    }

    fn remove(place: &Place) {
        queue::remove(place);
    }
}
