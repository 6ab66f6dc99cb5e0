//! ipc-channel: one receiver, between processes, over unix sockets and, for large messages, shared memory.
//!
//! Bytes are sent through its bytes channel, without serde, as its documentation advises for plain data. Ends are handed over through its
//! one-shot server.

use ::ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contestant::{self, Contestant, Outcome, Place, Work, retry};
use crate::payload::{buffer, bytes, bytes_mut, check, refill};

pub struct IpcChannel;

pub struct Tx<const N: usize>(IpcBytesSender, Box<[u64; N]>);

pub struct Rx<const N: usize>(IpcBytesReceiver, Box<[u64; N]>);

/// Gives the receiving end to the side that receives.
pub fn hand_over<T: Serialize>(place: &Place, rx: T) -> Outcome<()> {
    let name = retry(|| std::fs::read_to_string(place.path()))?;
    Ok(IpcSender::connect(name)?.send(rx)?)
}

/// Waits for it there.
pub fn take_over<T: Serialize + DeserializeOwned>(place: &Place) -> Outcome<T> {
    let (server, name) = IpcOneShotServer::<T>::new()?;
    let path = place.path();
    std::fs::write(path.with_extension("new"), name)?;
    std::fs::rename(path.with_extension("new"), path)?;
    Ok(server.accept()?.1)
}

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
        let (tx, rx) = ipc::bytes_channel()?;
        hand_over(place, rx)?;
        Ok(Tx(tx, buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Rx<N>> {
        Ok(Rx(take_over(place)?, buffer()))
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
