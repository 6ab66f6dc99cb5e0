//! Children in which tasks send and receive (`--async`).
//!
//! A child has [`LANES`]. Each keeps a log of its own under an incarnation of its own, so to the accounts it is a child like others;
//! they only die together. Most are tasks, of one runtime or several; now and then one is a thread.
//!
//! # What is cancelled
//!
//! - Single calls, under `select!` with up to 2 ms, by their own timeouts, after one poll, or long after it, when the task was rung
//!   perhaps.
//! - Everything, at the end of an *era*: the lane's future is dropped wherever it stands, then its runtime is, with leases held, and
//!   the lane goes on in another one.
//!
//! A message whose send was cancelled is sent again under the same number: so one that was sent all the same is there twice.

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use mi7::{Error, Received, Receiver, Sender, SharedChannel};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::log::{Log, Stage, now};
use crate::parcel::{Dice, Parcel, id};
use crate::worker::{Holding, Outcome, Worker, work};
use crate::{CHANNEL, Child, Plant, Role};

/// How many send or receive in a child.
pub const LANES: u32 = 4;
/// Every so many messages, a planted fault shows.
const PLANTED_EVERY: u64 = 40;

pub fn run(child: &Child, directory: &Path, plant: Option<Plant>) -> Outcome {
    let mut dice = Dice::new(child.seed);
    let incarnations = child.incarnation..child.incarnation + child.lanes;
    let open = |incarnation| Log::open(&Log::path(directory, incarnation)).map(Arc::new);
    let logs: Vec<Arc<Log>> = incarnations.clone().map(open).collect::<Result<_, _>>()?;
    let set_stage = |stage| logs.iter().for_each(|log| log.set_stage(stage));
    set_stage(Stage::Attaching);
    let channel = SharedChannel::<Parcel>::options().directory(directory).open(CHANNEL)?;
    set_stage(Stage::Attached);
    let lanes = incarnations.zip(&logs).map(|(incarnation, log)| Lane {
        role: child.role,
        incarnation,
        rate: child.rate,
        log: Arc::clone(log),
        plant,
        directory: directory.to_owned(),
        channel: channel.clone(),
        tx: channel.sender(),
        rx: channel.receiver(),
        dice: Dice::new(dice.roll()),
        held: Vec::new(),
        pending: None,
    });
    drive(lanes.collect(), &logs, &mut dice)?;
    set_stage(Stage::Leaving);
    drop(channel);
    Ok(())
}

/// Has the lanes go on until all are at their end; one that is has the others quit.
fn drive(mut lanes: Vec<Lane>, logs: &[Arc<Log>], dice: &mut Dice) -> Result<(), String> {
    let quit = || logs.iter().for_each(|log| log.ask_to_quit());
    let mut parties: Vec<(Party, Vec<Lane>)> = Vec::new();
    if dice.percent(25) {
        parties.push((Party::Thread, lanes.split_off(lanes.len() - 1)));
    }
    match dice.below(3) {
        0 => parties.push((Party::Current, lanes)),
        1 => parties.push((Party::Multi, lanes)),
        _ => {
            let half = lanes.split_off(lanes.len() / 2);
            parties.extend([(Party::Current, lanes), (Party::Current, half)]);
        }
    }
    thread::scope(|scope| {
        let threads: Vec<_> = parties
            .into_iter()
            .map(|(party, lanes)| {
                let mut dice = Dice::new(dice.roll());
                scope.spawn(move || {
                    let outcome = party.drive(lanes, &mut dice);
                    quit();
                    outcome
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a panic".to_owned())?)
    })
}

/// What drives some of the lanes.
enum Party {
    Thread,
    Current,
    Multi,
}

impl Party {
    fn runtime(&self) -> Result<Runtime, String> {
        let mut builder =
            if let Party::Multi = self { Builder::new_multi_thread() } else { Builder::new_current_thread() };
        builder.worker_threads(2).enable_all().build().map_err(|error| error.to_string())
    }

    fn drive(&self, mut lanes: Vec<Lane>, dice: &mut Dice) -> Result<(), String> {
        if let Party::Thread = self {
            return lanes.iter_mut().try_for_each(Lane::go_on_as_a_thread);
        }
        loop {
            let runtime = self.runtime()?;
            let era = Duration::from_millis(20 + dice.below(1500));
            let tasks: Vec<_> = lanes.drain(..).map(|lane| runtime.spawn(lane.go_on_for(era))).collect();
            let mut is_over = false;
            for task in tasks {
                let (lane, outcome) = runtime.block_on(task).map_err(|error| error.to_string())?;
                is_over |= outcome.map_err(|error| error.to_string())?;
                lanes.push(lane);
            }
            if dice.percent(50) {
                runtime.shutdown_background();
            }
            if is_over {
                let mut rest = lanes.iter_mut();
                return rest.try_for_each(|lane| lane.finish_all().map_err(|error| error.to_string()));
            }
        }
    }
}

struct Lane {
    role: Role,
    incarnation: u32,
    rate: u64,
    log: Arc<Log>,
    plant: Option<Plant>,
    directory: PathBuf,
    channel: SharedChannel<Parcel>,
    tx: Sender<Parcel>,
    rx: Receiver<Parcel>,
    dice: Dice,
    /// Here and not in its futures: those are dropped.
    held: Vec<Holding<'static>>,
    /// The message that was about to be sent.
    pending: Option<u64>,
}

impl Lane {
    fn worker(&self) -> Worker<'_> {
        Worker { log: &self.log, plant: self.plant, forks: false, directory: &self.directory }
    }

    fn go_on_as_a_thread(&mut self) -> Result<(), String> {
        let worker = Worker { log: &self.log, plant: self.plant, forks: false, directory: &self.directory };
        let outcome = worker.work(self.role, self.incarnation, self.rate, &self.channel, &mut self.dice);
        outcome.map_err(|error| error.to_string())
    }

    /// Goes on, and stops dead after that time. True: it is at its end.
    async fn go_on_for(mut self, era: Duration) -> (Self, mi7::Result<bool>) {
        let outcome = tokio::select! {
            outcome = self.go_on() => outcome.map(|()| true),
            () = sleep(era) => Ok(false),
        };
        // It has nothing in hand but what it holds.
        self.log.leave();
        (self, outcome)
    }

    async fn go_on(&mut self) -> mi7::Result<()> {
        match self.role {
            Role::Sender => self.send().await,
            Role::Receiver => self.receive().await,
        }
    }

    fn patience(&mut self) -> Duration {
        Duration::from_micros(self.dice.below(2000))
    }

    // ---- sending ---------------------------------------------------------------------------------------------------

    async fn send(&mut self) -> mi7::Result<()> {
        while !self.log.has_to_quit() && !self.log.is_full() {
            let burst = 1 + if self.dice.percent(50) { self.dice.below(8) } else { self.dice.below(200) };
            for _ in 0..burst {
                if self.log.is_full() {
                    return Ok(());
                }
                match self.send_next().await {
                    Ok(()) => {}
                    Err(Error::Closed) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            self.log.beat();
            if let Some(pause) = (burst * 1_000_000).checked_div(self.rate) {
                sleep(Duration::from_micros(pause)).await;
            }
        }
        Ok(())
    }

    async fn send_next(&mut self) -> mi7::Result<()> {
        let sequence = self.pending.unwrap_or_else(|| self.log.begin());
        self.pending = Some(sequence);
        let parcel = Parcel::new(id(self.incarnation, sequence));
        let sent = match self.plant {
            Some(plant) if sequence.is_multiple_of(PLANTED_EVERY) => self.send_wrongly(&parcel, plant).await,
            _ => self.send_one(&parcel).await,
        };
        match &sent {
            Ok(()) => self.log.ack(sequence),
            Err(Error::Closed) => self.log.set_refused(sequence),
            Err(_) => {}
        }
        self.pending = None;
        sent
    }

    /// Sends one message, in one of the ways there are.
    async fn send_one(&mut self, parcel: &Parcel) -> mi7::Result<()> {
        let way = self.dice.below(100);
        loop {
            let patience = self.patience();
            let sent = match way {
                0..5 => return self.send_loan(parcel).await,
                5..8 => {
                    drop(self.tx.loan_async().await?);
                    self.tx.send_async(parcel).await
                }
                8..15 => self.tx.try_send(parcel),
                15..45 => {
                    tokio::select! {
                        sent = self.tx.send_async(parcel) => sent,
                        () = sleep(patience) => Err(Error::Timeout),
                    }
                }
                45..50 => self.tx.send_async(parcel).now_or_never().unwrap_or(Err(Error::Timeout)),
                50..58 => neglect(self.tx.send_async(parcel), patience).await.unwrap_or(Err(Error::Timeout)),
                58..65 => return self.send_by_sink(parcel).await,
                _ => self.tx.send_async(parcel).await,
            };
            match sent {
                Err(Error::Timeout | Error::Full) => yield_now().await,
                other => return other,
            }
        }
    }

    async fn send_loan(&mut self, parcel: &Parcel) -> mi7::Result<()> {
        let mut loan = self.tx.loan_async().await?;
        self.log.enter(now());
        work(&mut self.dice);
        if self.dice.percent(20) {
            // Where it may be lost, with its era.
            yield_now().await;
        }
        loan.write(parcel)?;
        self.log.leave();
        loan.send()
    }

    /// What a sink was given is sent, however often waiting for it is cancelled.
    async fn send_by_sink(&mut self, parcel: &Parcel) -> mi7::Result<()> {
        let mut sink = self.tx.sink::<&Parcel>();
        sink.feed(parcel).await?;
        loop {
            tokio::select! {
                sent = sink.flush() => return sent,
                () = sleep(Duration::from_micros(self.dice.below(2000))) => {}
            }
        }
    }

    /// What the accounts must find. Plants that are a receiver's are not seen here.
    async fn send_wrongly(&mut self, parcel: &Parcel, plant: Plant) -> mi7::Result<()> {
        match plant {
            Plant::Lose => Ok(()),
            Plant::Hang => std::future::pending().await,
            Plant::Resend => loop {
                let patience = self.patience();
                let unsafely = async {
                    let sent = self.tx.send_async(parcel).await;
                    sleep(Duration::from_millis(1)).await;
                    sent
                };
                tokio::select! {
                    sent = unsafely => return sent,
                    () = sleep(patience) => {}
                }
            },
            _ => self.send_one(parcel).await,
        }
    }

    // ---- receiving -------------------------------------------------------------------------------------------------

    async fn receive(&mut self) -> mi7::Result<()> {
        self.finish_all()?;
        while !self.log.has_to_quit() && !self.log.is_full() {
            let (start, patience, way) = (now(), self.patience(), self.dice.below(100));
            self.log.enter(start);
            let received = if self.plant == Some(Plant::Cancel) && self.dice.below(PLANTED_EVERY) == 0 {
                receive_unsafely(&self.rx, patience).await.map(Received::detach)
            } else {
                // Who holds something must not wait for ever: that may be what fills the channel.
                receive_one(&self.rx, if self.held.is_empty() { way } else { way % 70 }, patience)
                    .await
                    .map(Received::detach)
            };
            let message = match received {
                Ok(message) => message,
                Err(error) => {
                    self.log.leave();
                    match error {
                        Error::Closed => break,
                        Error::Timeout => {}
                        Error::Empty => sleep(Duration::from_micros(200)).await,
                        error => return Err(error),
                    }
                    self.finish_all()?;
                    self.log.beat();
                    continue;
                }
            };
            let worker = Worker { log: &self.log, plant: self.plant, forks: false, directory: &self.directory };
            let holding = worker.write_down(message, start, &mut self.dice);
            self.deal_with(holding).await?;
        }
        self.finish_all()
    }

    async fn deal_with(&mut self, holding: Holding<'static>) -> mi7::Result<()> {
        match self.dice.below(1000) {
            0..15 => self.held.push(holding),
            15..18 => self.worker().put_back(holding),
            18..60 => {
                work(&mut self.dice);
                self.finish(holding)?;
            }
            60..75 => {
                self.held.push(holding);
                sleep(Duration::from_millis(self.dice.below(20))).await;
                self.finish_all()?;
            }
            75..100 => {
                self.held.push(holding);
                yield_now().await;
                self.finish_all()?;
            }
            _ => self.finish(holding)?,
        }
        if self.held.len() > 3 {
            self.finish_all()?;
        }
        Ok(())
    }

    fn finish(&self, holding: Holding<'_>) -> mi7::Result<()> {
        self.worker().finish(holding).map_err(|error| panic!("{error}"))
    }

    fn finish_all(&mut self) -> mi7::Result<()> {
        let mut held = std::mem::take(&mut self.held);
        held.drain(..).try_for_each(|holding| self.finish(holding))
    }
}

/// Receives one message, in one of the ways there are; from 70 on, it waits for as long as it takes.
async fn receive_one(rx: &Receiver<Parcel>, way: u64, patience: Duration) -> mi7::Result<Received<'_, Parcel>> {
    match way {
        0..25 => {
            tokio::select! {
                received = rx.recv_async() => received,
                () = sleep(patience) => Err(Error::Timeout),
            }
        }
        25..45 => rx.recv_timeout_async(patience).await,
        45..50 => rx.recv_async().now_or_never().unwrap_or(Err(Error::Empty)),
        50..60 => neglect(rx.recv_async(), patience).await.unwrap_or(Err(Error::Timeout)),
        60..67 => {
            let mut stream = rx.stream();
            tokio::select! {
                received = stream.next() => received.unwrap_or(Err(Error::Closed)),
                () = sleep(patience) => Err(Error::Timeout),
            }
        }
        67..70 => rx.try_recv(),
        _ => rx.recv_async().await,
    }
}

/// What no future may do that is dropped: takes a message, and gives it at a later poll.
async fn receive_unsafely(rx: &Receiver<Parcel>, patience: Duration) -> mi7::Result<Received<'_, Parcel>> {
    let unsafely = async {
        let received = rx.recv_async().await;
        sleep(Duration::from_millis(1)).await;
        received
    };
    tokio::select! {
        received = unsafely => received,
        () = sleep(patience) => Err(Error::Timeout),
    }
}

/// Polls a future, forgets about it for a while, and then polls it once more or not: its task may have been rung, and is the only one
/// that was.
async fn neglect<F: Future>(future: F, time: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut poll = async || {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        match poll.await {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    };
    let output = poll().await;
    if output.is_some() {
        return output;
    }
    sleep(time).await;
    if time.as_micros().is_multiple_of(2) { poll().await } else { None }
}
