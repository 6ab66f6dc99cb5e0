//! A pipe with a name.

use std::any::Any;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use crate::contestant::{self, Contestant, Outcome, Place, Work};
use crate::payload::{buffer, bytes, bytes_mut, check, refill};

pub struct Pipe;

pub struct End<const N: usize>(File, Box<[u64; N]>);

/// As much as anybody may ask for without privileges.
const ROOM: libc::c_int = 1 << 20;

/// Up to so many bytes, a write is in one piece.
const ATOMIC: usize = 4096;

impl Contestant for Pipe {
    type Sender<const N: usize> = End<N>;
    type Receiver<const N: usize> = End<N>;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        match work {
            Work::Many if size > ATOMIC => Some("in one piece only up to 4 KiB"),
            Work::Loan => Some("copies"),
            Work::Attach => Some(""),
            _ => None,
        }
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        rustix::fs::mknodat(rustix::fs::CWD, place.path(), rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
        Ok(Box::new(()))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<End<N>> {
        let file = OpenOptions::new().write(true).open(place.path())?;
        // SAFETY: a call on an open file, of numbers alone.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETPIPE_SZ, ROOM) };
        Ok(End(file, buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<End<N>> {
        Ok(End(File::open(place.path())?, buffer()))
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
