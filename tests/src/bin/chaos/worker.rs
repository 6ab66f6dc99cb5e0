//! The children: a sender, or a receiver, that goes on until it is killed, told to quit, or the channel is closed.

use std::error::Error as StdError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use mi7::{Error, Received, Receiver, Sender, SharedChannel};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::forks::{self, Inherited};
use crate::log::{Entry, Log, Stage, State, now};
use crate::parcel::{Dice, Parcel, id};
use crate::{CHANNEL, Child, Plant, Role};

pub type Outcome = Result<(), Box<dyn StdError>>;

/// Every so many messages, a planted fault shows.
const PLANTED_EVERY: u64 = 40;

pub fn run(child: &Child, directory: &Path, plant: Option<Plant>) -> Outcome {
    // No child outlives its parent, whatever ends that.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Pid::from_raw(child.parent) {
        return Ok(());
    }
    if child.lanes > 1 {
        return crate::tasks::run(child, directory, plant);
    }
    let log = Log::open(&Log::path(directory, child.incarnation))?;
    log.set_stage(Stage::Attaching);
    let channel = SharedChannel::<Parcel>::options().directory(directory).open(CHANNEL)?;
    log.set_stage(Stage::Attached);
    if child.forks {
        forks::expect();
    }
    let worker = Worker { log: &log, plant, forks: child.forks, directory };
    worker.work(child.role, child.incarnation, child.rate, &channel, &mut Dice::new(child.seed))?;
    log.set_stage(Stage::Leaving);
    drop(channel);
    Ok(())
}

/// A message that is held, and its index in the log.
pub type Holding<'a> = (Received<'a, Parcel>, usize);

/// One that sends or receives.
pub struct Worker<'a> {
    pub log: &'a Log,
    pub plant: Option<Plant>,
    pub forks: bool,
    pub directory: &'a Path,
}

impl Worker<'_> {
    /// Goes on until it is to quit, or the channel is closed.
    pub fn work(
        &self,
        role: Role,
        incarnation: u32,
        rate: u64,
        channel: &SharedChannel<Parcel>,
        dice: &mut Dice,
    ) -> Outcome {
        match role {
            Role::Sender => self.send(incarnation, rate, &channel.sender(), dice),
            Role::Receiver => self.receive(&channel.receiver(), dice),
        }
    }

    fn send(&self, incarnation: u32, rate: u64, tx: &Sender<Parcel>, dice: &mut Dice) -> Outcome {
        let log = self.log;
        while !log.has_to_quit() {
            let burst = 1 + if dice.percent(50) { dice.below(8) } else { dice.below(600) };
            for _ in 0..burst {
                if log.is_full() {
                    return Ok(());
                }
                if self.plant == Some(Plant::Fail) && self.is_planted() {
                    return Err("planted".into());
                }
                match self.send_next(incarnation, tx, dice) {
                    Ok(()) => {}
                    Err(Error::Closed) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            if self.forks && dice.percent(4) {
                forks::fork(Inherited::Sender(tx), self.directory, self.plant, dice);
            }
            log.beat();
            if let Some(pause) = (burst * 1_000_000).checked_div(rate) {
                std::thread::sleep(Duration::from_micros(pause));
            }
        }
        Ok(())
    }

    /// Whether a planted fault of a sender shows at the next message.
    pub fn is_planted(&self) -> bool {
        (self.log.about() + 1).is_multiple_of(PLANTED_EVERY)
    }

    fn send_next(&self, incarnation: u32, tx: &Sender<Parcel>, dice: &mut Dice) -> mi7::Result<()> {
        let is_planted = self.is_planted();
        if self.plant == Some(Plant::Reorder) && is_planted {
            return self.send_out_of_order(incarnation, tx);
        }
        let sequence = self.log.begin();
        let parcel = Parcel::new(id(incarnation, sequence));
        let sent = match self.plant {
            Some(plant) if is_planted => self.send_wrongly(tx, parcel, plant, dice),
            _ => self.send_one(tx, &parcel, dice),
        };
        match &sent {
            Ok(()) => self.log.ack(sequence),
            Err(Error::Closed) => self.log.set_refused(sequence),
            Err(_) => {}
        }
        sent
    }

    /// Sends one message, in one of the ways there are.
    fn send_one(&self, tx: &Sender<Parcel>, parcel: &Parcel, dice: &mut Dice) -> mi7::Result<()> {
        match dice.below(100) {
            0..5 => {
                let mut loan = tx.loan()?;
                self.log.enter(now());
                work(dice);
                loan.write(parcel)?;
                self.log.leave();
                loan.send()
            }
            5..7 => {
                drop(tx.loan()?);
                tx.send(parcel)
            }
            7..15 => loop {
                match tx.try_send(parcel) {
                    Err(Error::Full) => std::thread::yield_now(),
                    other => return other,
                }
            },
            15..22 => loop {
                match tx.send_timeout(parcel, Duration::from_micros(dice.below(3000))) {
                    Err(Error::Timeout) => {}
                    other => return other,
                }
            },
            _ => tx.send(parcel),
        }
    }

    /// What the accounts must find, and nothing else. Plants that are a receiver's are not seen here.
    fn send_wrongly(&self, tx: &Sender<Parcel>, mut parcel: Parcel, plant: Plant, dice: &mut Dice) -> mi7::Result<()> {
        match plant {
            Plant::Lose => Ok(()),
            Plant::Invent => {
                tx.send(&parcel)?;
                let _ = tx.send(&Parcel::new(parcel.id + (1 << 30)));
                Ok(())
            }
            Plant::Tear => {
                parcel.pattern[7] ^= 1;
                tx.send(&parcel)
            }
            Plant::Double => {
                tx.send(&parcel)?;
                let _ = tx.send(&parcel);
                Ok(())
            }
            Plant::Hang => loop {
                std::thread::park();
            },
            _ => self.send_one(tx, &parcel, dice),
        }
    }

    /// Says that a message was sent, and sends it after the next one. Both have their slots before that, so nothing is lost
    /// where the channel is closed.
    fn send_out_of_order(&self, incarnation: u32, tx: &Sender<Parcel>) -> mi7::Result<()> {
        let (mut one, mut two) = (tx.loan()?, tx.loan()?);
        let earlier = self.log.begin();
        self.log.ack(earlier);
        let later = self.log.begin();
        one.write(&Parcel::new(id(incarnation, later)))?;
        two.write(&Parcel::new(id(incarnation, earlier)))?;
        one.send()?;
        two.send()?;
        self.log.ack(later);
        Ok(())
    }

    fn receive(&self, rx: &Receiver<Parcel>, dice: &mut Dice) -> Outcome {
        let log = self.log;
        // Some wait for ever, some keep looking, some look at the clock.
        let manner = dice.below(3);
        let mut held: Vec<Holding> = Vec::new();
        while !log.has_to_quit() && !log.is_full() {
            let start = now();
            log.enter(start);
            // Who holds something must not wait for ever: that may be what fills the channel.
            let received = match manner {
                _ if !held.is_empty() => rx.recv_timeout(Duration::from_micros(dice.below(2000))),
                0 => rx.recv(),
                1 => rx.recv_timeout(Duration::from_millis(20)),
                _ => rx.try_recv(),
            };
            let message = match received {
                Ok(message) => message,
                Err(error) => {
                    log.leave();
                    match error {
                        Error::Closed => break,
                        Error::Timeout => {}
                        Error::Empty => std::thread::sleep(Duration::from_micros(200)),
                        error => return Err(error.into()),
                    }
                    self.finish_all(&mut held)?;
                    log.beat();
                    continue;
                }
            };
            if self.plant == Some(Plant::Unlogged)
                && message.id.to_native().is_multiple_of(PLANTED_EVERY)
                && dice.percent(50)
            {
                message.requeue();
                continue;
            }
            let holding = self.write_down(message, start, dice);
            if self.forks && dice.below(1000) < 4 {
                held.push(holding);
                forks::fork(Inherited::Receiver(rx, &mut held), self.directory, self.plant, dice);
                continue;
            }
            match dice.below(1000) {
                0..15 => held.push(holding),
                15..18 => self.put_back(holding),
                18..60 => {
                    work(dice);
                    self.finish(holding)?;
                }
                60..68 => {
                    std::thread::sleep(Duration::from_millis(dice.below(20)));
                    self.finish(holding)?;
                }
                _ => self.finish(holding)?,
            }
            if held.len() > 3 {
                self.finish_all(&mut held)?;
            }
        }
        self.finish_all(&mut held)
    }

    /// Writes down that it was received.
    pub fn write_down<'a>(&self, message: Received<'a, Parcel>, start: u64, dice: &mut Dice) -> Holding<'a> {
        let end = now();
        if dice.percent(3) {
            // It has it, and nobody knows.
            work(dice);
        }
        let entry = Entry {
            id: message.id.to_native(),
            start,
            end,
            left: 0,
            deliveries: if self.plant == Some(Plant::Uncounted) { 1 } else { message.deliveries() },
            state: State::Leased,
            torn: !message.is_whole(),
        };
        (message, self.log.push(&entry))
    }

    pub fn put_back(&self, (message, index): Holding) {
        self.log.advance(index, State::Requeued);
        if self.plant != Some(Plant::Swallow) {
            message.requeue();
        }
    }

    pub fn finish_all(&self, held: &mut Vec<Holding>) -> Outcome {
        held.drain(..).try_for_each(|holding| self.finish(holding))
    }

    /// Says that a message is done, having looked whether it is still the same.
    pub fn finish(&self, (message, index): Holding) -> Outcome {
        let now_and_then = (index as u64).is_multiple_of(PLANTED_EVERY);
        if self.plant == Some(Plant::Scribble) && now_and_then {
            scribble(&self.directory.join(CHANNEL), &message)?;
        }
        if !message.is_whole() {
            self.log.tear(index);
        }
        self.log.advance(index, State::Releasing);
        match self.plant {
            Some(Plant::Redo) if now_and_then => message.requeue(),
            _ if index.is_multiple_of(16) => drop(message.into_inner()),
            _ => drop(message),
        }
        self.log.advance(index, State::Done);
        Ok(())
    }
}

/// Changes one bit of a message where it lies, as somebody who writes to a slot that is not his.
fn scribble(channel: &Path, message: &Received<'_, Parcel>) -> io::Result<()> {
    let bytes = std::fs::read(channel)?;
    let words = [message.id.to_native(), message.pattern[0].to_native()].map(u64::to_le_bytes);
    if let Some(at) = bytes.windows(16).position(|window| window == words.as_flattened()) {
        File::options().write(true).open(channel)?.write_all_at(&[bytes[at + 16] ^ 1], at as u64 + 16)?;
    }
    Ok(())
}

/// A time of work, up to some hundred microseconds.
pub fn work(dice: &mut Dice) {
    let until = now() + dice.below(300_000);
    while now() < until {
        std::hint::spin_loop();
    }
}
