//! A POSIX message queue.

use std::any::Any;
use std::ffi::CString;

use crate::contestant::{self, Contestant, Outcome, Place, Work};
use crate::payload::{buffer, bytes, bytes_mut, check, refill};

pub struct Mq;

pub struct End<const N: usize>(libc::mqd_t, Box<[u64; N]>);

/// The kernel's default limit.
const MESSAGES: libc::c_long = 10;

fn name(place: &Place) -> Outcome<CString> {
    Ok(CString::new(format!("/{}", place.name))?)
}

fn open<const N: usize>(place: &Place) -> Outcome<End<N>> {
    let allowed = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the kernel reads a limit there. Where it refuses, so will it the larger queues.
    unsafe { libc::setrlimit(libc::RLIMIT_MSGQUEUE, &allowed) };
    // SAFETY: of all zeroes it is one.
    let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
    attributes.mq_maxmsg = MESSAGES.min(place.capacity as libc::c_long);
    attributes.mq_msgsize = N as libc::c_long * 8;
    // SAFETY: a name that ends with a zero, and attributes, as the flags promise.
    let queue = unsafe { libc::mq_open(name(place)?.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600, &attributes) };
    if queue < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(End(queue, buffer()))
}

impl Contestant for Mq {
    type Sender<const N: usize> = End<N>;
    type Receiver<const N: usize> = End<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        (work == Work::Loan).then_some("copies")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(open::<N>(place)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<End<N>> {
        open(place)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<End<N>> {
        open(place)
    }

    fn remove(place: &Place) {
        if let Ok(name) = name(place) {
            // SAFETY: a name that ends with a zero.
            unsafe { libc::mq_unlink(name.as_ptr()) };
        }
    }
}

impl<const N: usize> Drop for End<N> {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, and closed once.
        unsafe { libc::mq_close(self.0) };
    }
}

impl<const N: usize> contestant::Sender for End<N> {
    fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        let bytes = bytes(&self.1);
        // SAFETY: as many bytes as there are.
        let result = unsafe { libc::mq_send(self.0, bytes.as_ptr().cast(), bytes.len(), 0) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
}

impl<const N: usize> contestant::Receiver for End<N> {
    fn recv(&mut self) -> u64 {
        let bytes = bytes_mut(&mut self.1);
        // SAFETY: as many bytes as there are.
        let received =
            unsafe { libc::mq_receive(self.0, bytes.as_mut_ptr().cast(), bytes.len(), std::ptr::null_mut()) };
        assert_eq!(received, N as isize * 8, "{}", std::io::Error::last_os_error());
        check(&self.1)
    }

    fn recv_parked(&mut self) -> u64 {
        self.recv()
    }
}
