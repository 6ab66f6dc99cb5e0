//! Those that tasks in tokio runtimes send and receive with.

use std::any::Any;
use std::future::poll_fn;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;

use ::ipc_channel::asynch::IpcStream;
use ::ipc_channel::ipc::{self, IpcReceiver, IpcSender};
use ::ringfire::{AsyncRingConsumer, RingProducer};
use futures_core::Stream;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::mi7::{self, Mode as _};
use super::room::{self, Room};
use super::{ipc_channel, ringfire, socket};
use crate::contestant::{Contestant, Outcome, Place, TaskReceiver, TaskSender, Tasks};
use crate::payload::{Message, buffer, bytes, bytes_mut, check, refill};

/// The limit: a FIFO through tokio's own means. It is opened for both directions, so that neither side has to come first.
pub struct Fifo;

pub struct FifoTx<const N: usize>(pipe::Sender, Box<[u64; N]>);

pub struct FifoRx<const N: usize>(pipe::Receiver, Box<[u64; N]>);

fn fifo(path: &Path) -> Outcome<pipe::OpenOptions> {
    match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let mut options = pipe::OpenOptions::new();
    options.read_write(true);
    Ok(options)
}

impl Tasks for Fifo {
    type Sender<const N: usize> = FifoTx<N>;
    type Receiver<const N: usize> = FifoRx<N>;

    fn sender<const N: usize>(place: &Place) -> Outcome<FifoTx<N>> {
        Ok(FifoTx(fifo(&place.path())?.open_sender(place.path())?, buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<FifoRx<N>> {
        Ok(FifoRx(fifo(&place.path())?.open_receiver(place.path())?, buffer()))
    }
}

impl<const N: usize> TaskSender for FifoTx<N> {
    async fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        self.0.write_all(bytes(&self.1)).await.expect("writes");
    }
}

impl<const N: usize> TaskReceiver for FifoRx<N> {
    async fn recv(&mut self) -> u64 {
        self.0.read_exact(bytes_mut(&mut self.1)).await.expect("reads");
        check(&self.1)
    }
}

/// mi7 as it is by default.
pub struct Mi7;

pub struct Mi7Tx<const N: usize>(::mi7::Sender<[u64; N]>);

pub struct Mi7Rx<const N: usize>(::mi7::Receiver<[u64; N]>);

impl Tasks for Mi7 {
    type Sender<const N: usize> = Mi7Tx<N>;
    type Receiver<const N: usize> = Mi7Rx<N>;

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        mi7::Mi7::<mi7::Default>::create::<N>(place)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Mi7Tx<N>> {
        Ok(Mi7Tx(mi7::Default::options(place).open(&place.name)?.sender()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Mi7Rx<N>> {
        Ok(Mi7Rx(mi7::Default::options(place).open(&place.name)?.receiver()))
    }
}

impl<const N: usize> TaskSender for Mi7Tx<N> {
    async fn send(&mut self, number: u64) {
        self.0.send_async(&Message::new(number)).await.expect("sends");
    }
}

impl<const N: usize> TaskReceiver for Mi7Rx<N> {
    async fn recv(&mut self) -> u64 {
        check(mi7::words::<N>(&self.0.recv_async().await.expect("receives")))
    }
}

/// ringfire's broadcast by its `AsyncRingConsumer`, which spins, yields to the runtime, and then sleeps for 50 µs again and again.
pub struct Ringfire;

pub struct RingfireTx<const N: usize>(RingProducer<[u64; N]>);

pub struct RingfireRx<const N: usize>(AsyncRingConsumer<[u64; N]>);

impl Tasks for Ringfire {
    type Sender<const N: usize> = RingfireTx<N>;
    type Receiver<const N: usize> = RingfireRx<N>;

    fn sender<const N: usize>(place: &Place) -> Outcome<RingfireTx<N>> {
        ringfire::producer(place).map(RingfireTx)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<RingfireRx<N>> {
        Ok(RingfireRx(AsyncRingConsumer::from_consumer(ringfire::consumer(place)?)))
    }
}

impl<const N: usize> TaskSender for RingfireTx<N> {
    async fn send(&mut self, number: u64) {
        self.0.push(&Message::new(number));
    }
}

impl<const N: usize> TaskReceiver for RingfireRx<N> {
    async fn recv(&mut self) -> u64 {
        check(&self.0.recv().await)
    }
}

/// ipc-channel's stream, which a thread of its own feeds.
pub struct IpcChannel;

pub struct IpcTx<const N: usize>(IpcSender<ByteBuf>, Box<[u64; N]>);

pub struct IpcRx<const N: usize>(IpcStream<ByteBuf>, Box<[u64; N]>);

impl Tasks for IpcChannel {
    type Sender<const N: usize> = IpcTx<N>;
    type Receiver<const N: usize> = IpcRx<N>;

    fn sender<const N: usize>(place: &Place) -> Outcome<IpcTx<N>> {
        let (tx, rx) = ipc::channel::<ByteBuf>()?;
        ipc_channel::hand_over(place, rx)?;
        Ok(IpcTx(tx, buffer()))
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<IpcRx<N>> {
        let rx: IpcReceiver<ByteBuf> = ipc_channel::take_over(place)?;
        Ok(IpcRx(rx.to_stream(), buffer()))
    }
}

impl<const N: usize> TaskSender for IpcTx<N> {
    async fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        self.0.send(ByteBuf::from(bytes(&self.1))).expect("sends");
    }
}

impl<const N: usize> TaskReceiver for IpcRx<N> {
    async fn recv(&mut self) -> u64 {
        let received = poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx)).await.expect("goes on").expect("receives");
        bytes_mut(&mut self.1).copy_from_slice(&received);
        check(&self.1)
    }
}

/// A unix stream socket.
pub struct Socket;

pub struct SocketEnd<const N: usize>(tokio::net::UnixStream, Box<[u64; N]>);

fn end<const N: usize>(stream: UnixStream) -> Outcome<SocketEnd<N>> {
    stream.set_nonblocking(true)?;
    Ok(SocketEnd(tokio::net::UnixStream::from_std(stream)?, buffer()))
}

impl Tasks for Socket {
    type Sender<const N: usize> = SocketEnd<N>;
    type Receiver<const N: usize> = SocketEnd<N>;

    fn sender<const N: usize>(place: &Place) -> Outcome<SocketEnd<N>> {
        end(socket::connect(place)?)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<SocketEnd<N>> {
        end(socket::accept(place)?)
    }
}

impl<const N: usize> TaskSender for SocketEnd<N> {
    async fn send(&mut self, number: u64) {
        refill(&mut self.1, number);
        self.0.write_all(bytes(&self.1)).await.expect("writes");
    }
}

impl<const N: usize> TaskReceiver for SocketEnd<N> {
    async fn recv(&mut self) -> u64 {
        self.0.read_exact(bytes_mut(&mut self.1)).await.expect("reads");
        check(&self.1)
    }
}

/// tokio's bounded channel within a process. Between two runtimes, in a thread each.
pub struct Mpsc;

pub struct MpscTx<const N: usize>(mpsc::Sender<[u64; N]>);

pub struct MpscRx<const N: usize>(mpsc::Receiver<[u64; N]>);

impl Tasks for Mpsc {
    type Sender<const N: usize> = MpscTx<N>;
    type Receiver<const N: usize> = MpscRx<N>;
    const PROCESSES: bool = false;

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        let (tx, rx) = mpsc::channel::<[u64; N]>(place.capacity);
        Room::put(place, tx, rx)
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<MpscTx<N>> {
        Room::take(place, room::SENDER).map(MpscTx)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<MpscRx<N>> {
        Room::take(place, room::RECEIVER).map(MpscRx)
    }
}

impl<const N: usize> TaskSender for MpscTx<N> {
    async fn send(&mut self, number: u64) {
        self.0.send(Message::new(number)).await.expect("sends");
    }
}

impl<const N: usize> TaskReceiver for MpscRx<N> {
    async fn recv(&mut self) -> u64 {
        check(&self.0.recv().await.expect("is open"))
    }
}
