//! ipc-channel: one receiver, between processes, over unix sockets and, for large messages, shared memory.
//!
//! Bytes are sent through its bytes channel, without serde, as its documentation advises for plain data. Ends are handed over through its
//! one-shot server.

use ::ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};

use crate::contestant::{self, Contestant, Outcome, Place, Work, retry};
use crate::payload::{buffer, bytes, bytes_mut, check, refill};

pub struct IpcChannel;

pub struct Tx<const N: usize>(IpcBytesSender, Box<[u64; N]>);

pub struct Rx<const N: usize>(IpcBytesReceiver, Box<[u64; N]>);

impl Contestant for IpcChannel {
    type Sender<const N: usize> = Tx<N>;
    type Receiver<const N: usize> = Rx<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        match work {
            Work::Many => Some("one receiver"),
            Work::Loan => Some("copies"),
            Work::Attach => Some("the receiver is not opened but handed over"),
            _ => None,
        }
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Tx<N>> {
        let name = retry(|| std::fs::read_to_string(place.path()))?;
        let (tx, rx) = ipc::bytes_channel()?;
        IpcSender::connect(name)?.send(rx)?;
        Ok(Tx(tx, buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        let (server, name) = IpcOneShotServer::<IpcBytesReceiver>::new()?;
        let path = place.path();
        std::fs::write(path.with_extension("new"), name)?;
        std::fs::rename(path.with_extension("new"), path)?;
        let (_, rx) = server.accept()?;
        Ok(Rx(rx, buffer()))
    }
}

impl<const N: usize> contestant::Sender for Tx<N> {
    fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        self.0.send(bytes(&self.1)).expect("sends");
    }
}

impl<const N: usize> contestant::Receiver for Rx<N> {
    fn recv(&mut self) -> u64 {
        let received = self.0.recv().expect("receives");
        bytes_mut(&mut self.1).copy_from_slice(&received);
        check(&self.1)
    }

    fn recv_parked(&mut self) -> u64 {
        self.recv()
    }
}
