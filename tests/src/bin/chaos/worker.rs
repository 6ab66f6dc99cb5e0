//! The children: a sender, or a receiver, that goes on until it is killed, told to quit, or the channel is closed.

use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

use mi7::{Error, Received, Receiver, Sender, SharedChannel};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::log::{Entry, Log, State, now};
use crate::parcel::{Dice, Parcel, id};
use crate::{CHANNEL, Child, Plant, Role};

type Outcome = Result<(), Box<dyn StdError>>;

/// The sequence number at which a planted fault shows.
const PLANTED_AT: u64 = 40;

pub fn run(child: &Child, directory: &Path, plant: Option<Plant>) -> Outcome {
    // No child outlives its parent, whatever ends that.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Pid::from_raw(child.parent) {
        return Ok(());
    }
    let log = Log::open(&child.log)?;
    let channel = SharedChannel::<Parcel>::options().directory(directory).open(CHANNEL)?;
    let mut dice = Dice::new(child.seed);
    match child.role {
        Role::Sender => send(child, &channel.sender(), &log, &mut dice, plant),
        Role::Receiver => receive(&channel.receiver(), &log, &mut dice),
    }
}

fn send(child: &Child, tx: &Sender<Parcel>, log: &Log, dice: &mut Dice, plant: Option<Plant>) -> Outcome {
    while !log.has_to_quit() {
        let burst = 1 + if dice.percent(50) { dice.below(8) } else { dice.below(600) };
        for _ in 0..burst {
            let sequence = log.about() + 1;
            log.set_about(sequence);
            let parcel = Parcel::new(id(child.incarnation, sequence));
            let sent = match plant {
                Some(plant) if sequence == PLANTED_AT => send_wrongly(tx, parcel, plant),
                Some(Plant::Reorder) if sequence == PLANTED_AT + 1 => tx.send(&Parcel::new(parcel.id - 1)),
                _ => send_one(tx, &parcel, dice),
            };
            match sent {
                Ok(()) => log.set_acked(sequence),
                Err(Error::Closed) => {
                    log.set_refused(sequence);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        log.beat();
        if let Some(pause) = (burst * 1_000_000).checked_div(child.rate) {
            std::thread::sleep(Duration::from_micros(pause));
        }
    }
    Ok(())
}

/// Sends one message, in one of the ways there are.
fn send_one(tx: &Sender<Parcel>, parcel: &Parcel, dice: &mut Dice) -> mi7::Result<()> {
    match dice.below(100) {
        0..2 => {
            let mut loan = tx.loan()?;
            work(dice);
            loan.write(parcel)?;
            loan.send()
        }
        2..4 => {
            drop(tx.loan()?);
            tx.send(parcel)
        }
        4..12 => loop {
            match tx.try_send(parcel) {
                Err(Error::Full) => std::thread::yield_now(),
                other => return other,
            }
        },
        12..20 => loop {
            match tx.send_timeout(parcel, Duration::from_micros(dice.below(3000))) {
                Err(Error::Timeout) => {}
                other => return other,
            }
        },
        _ => tx.send(parcel),
    }
}

/// What the accounts must find.
fn send_wrongly(tx: &Sender<Parcel>, mut parcel: Parcel, plant: Plant) -> mi7::Result<()> {
    match plant {
        Plant::Lose => Ok(()),
        Plant::Invent => {
            tx.send(&parcel)?;
            tx.send(&Parcel::new(parcel.id + (1 << 30)))
        }
        Plant::Tear => {
            parcel.pattern[7] ^= 1;
            tx.send(&parcel)
        }
        Plant::Duplicate => {
            tx.send(&parcel)?;
            tx.send(&parcel)
        }
        // And this one in place of the next: see `send`.
        Plant::Reorder => tx.send(&Parcel::new(parcel.id + 1)),
        Plant::Stick => loop {
            std::thread::park();
        },
    }
}

/// A message that is held, and its index in the log.
type Holding<'a> = (Received<'a, Parcel>, usize);

fn receive(rx: &Receiver<Parcel>, log: &Log, dice: &mut Dice) -> Outcome {
    // Some wait for ever, some keep looking, some look at the clock.
    let manner = dice.below(3);
    let mut held: Vec<Holding> = Vec::new();
    while !log.has_to_quit() && !log.is_full() {
        let start = now();
        // Who holds something must not wait for ever: that may be what fills the channel.
        let received = match manner {
            _ if !held.is_empty() => rx.recv_timeout(Duration::from_micros(dice.below(2000))),
            0 => rx.recv(),
            1 => rx.recv_timeout(Duration::from_millis(20)),
            _ => rx.try_recv().inspect_err(|_| std::thread::sleep(Duration::from_micros(200))),
        };
        let message = match received {
            Ok(message) => message,
            Err(Error::Closed) => break,
            Err(Error::Timeout | Error::Empty) => {
                held.drain(..).for_each(|holding| finish(holding, log));
                log.beat();
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let entry = Entry {
            id: message.id.to_native(),
            start,
            end: now(),
            deliveries: message.deliveries(),
            state: State::Leased,
            torn: !message.is_whole(),
        };
        let holding = (message, log.push(&entry));
        match dice.below(1000) {
            0..15 => held.push(holding),
            15..18 => {
                log.advance(holding.1, State::Requeued);
                holding.0.requeue();
            }
            18..60 => {
                work(dice);
                finish(holding, log);
            }
            60..68 => {
                std::thread::sleep(Duration::from_millis(dice.below(20)));
                finish(holding, log);
            }
            _ => finish(holding, log),
        }
        if held.len() > 3 {
            held.drain(..).for_each(|holding| finish(holding, log));
        }
    }
    held.drain(..).for_each(|holding| finish(holding, log));
    Ok(())
}

/// Says that a message is done, having looked whether it is still the same.
fn finish((message, index): Holding, log: &Log) {
    if !message.is_whole() {
        log.tear(index);
    }
    log.advance(index, State::Releasing);
    drop(message);
    log.advance(index, State::Done);
}

/// A time of work, up to some hundred microseconds.
fn work(dice: &mut Dice) {
    let until = now() + dice.below(300_000);
    while now() < until {
        std::hint::spin_loop();
    }
}
