//! A unix stream socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::contestant::{self, Contestant, Outcome, Place, Work, retry};
use crate::payload::{buffer, bytes, bytes_mut, check, refill};

pub struct Socket;

pub struct End<const N: usize>(UnixStream, Box<[u64; N]>);

pub fn connect(place: &Place) -> Outcome<UnixStream> {
    retry(|| UnixStream::connect(place.path()))
}

pub fn accept(place: &Place) -> Outcome<UnixStream> {
    Ok(UnixListener::bind(place.path())?.accept()?.0)
}

impl Contestant for Socket {
    type Sender<const N: usize> = End<N>;
    type Receiver<const N: usize> = End<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        match work {
            Work::Many => Some("one sender, one receiver"),
            Work::Loan => Some("copies"),
            Work::Attach => Some(""),
            _ => None,
        }
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<End<N>> {
        Ok(End(connect(place)?, buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<End<N>> {
        Ok(End(accept(place)?, buffer()))
    }
}

impl<const N: usize> contestant::Sender for End<N> {
    fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        self.0.write_all(bytes(&self.1)).expect("writes");
    }
}

impl<const N: usize> contestant::Receiver for End<N> {
    fn recv(&mut self) -> u64 {
        self.0.read_exact(bytes_mut(&mut self.1)).expect("reads");
        check(&self.1)
    }

    fn recv_parked(&mut self) -> u64 {
        self.recv()
    }
}
