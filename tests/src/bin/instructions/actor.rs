//! What an actor has at hand: the channel's options, its log, and the marks.

use std::path::Path;
use std::time::Duration;

use mi7::{Error, Options, Received, Receiver, Result, Sender, SharedChannel, Wait};
use mi7_tests::faults::{Numbered, numbered};

use crate::board::{Deed, Log};
use crate::director::Plant;
use crate::marks;

/// The channel of every scene.
pub const CHANNEL: &str = "c";
/// Where its messages go that were handed out too often.
pub const LETTERS: &str = "c.dead";
/// The longest an actor waits for room or a message that others keep from it.
pub const PATIENCE: Duration = Duration::from_millis(10);
/// So long does one wait that is meant to wait in vain.
pub const IN_VAIN: Duration = Duration::from_millis(2);
/// So long does an actor wait that is meant to be woken.
pub const SLEEP: Duration = Duration::from_secs(4);
/// Each process has so many numbers for its messages.
pub const NUMBERS: u64 = 1000;
/// Numbers from here on are used while nobody is stepped, and are gone before.
const WARMING: u64 = 1 << 40;
/// More claims than a handle makes before it seeks the bias, and a multiple of all counts of messages that scenes have.
const ROUNDS: u64 = 72;
/// After so many claims, the next two seek the bias. A multiple of the messages in the scene in which this is used.
const ROUNDS_BEFORE: u64 = 63;

/// An actor in its own process.
pub struct Actor<'a> {
    pub log: &'a Log,
    pub directory: &'a Path,
    /// What its first message is called.
    pub first: u64,
    /// Whether it stops at the marks.
    pub stepped: bool,
    pub plant: Option<Plant>,
}

impl Actor<'_> {
    pub fn options(&self) -> Options<Numbered> {
        SharedChannel::options().directory(self.directory).wait(Wait::Park)
    }

    pub fn open(&self) -> Result<SharedChannel<Numbered>> {
        self.options().open(CHANNEL)
    }

    /// A sender that is alone at its end, and holds the bias.
    pub fn sender_alone(&self) -> Result<(SharedChannel<Numbered>, Sender<Numbered>)> {
        let channel = self.open()?;
        let tx = channel.sender();
        turn(&tx, &channel.receiver(), ROUNDS)?;
        self.warm();
        Ok((channel, tx))
    }

    /// A sender that has sent, beside another that has.
    pub fn sender_of_two(&self) -> Result<(SharedChannel<Numbered>, [Sender<Numbered>; 2])> {
        let channel = self.open()?;
        let senders = [channel.sender(), channel.sender()];
        // An even number of each, so that the messages keep their order.
        senders.iter().try_for_each(|tx| turn(tx, &channel.receiver(), ROUNDS / 2))?;
        self.warm();
        Ok((channel, senders))
    }

    /// A sender that is about to seek the bias.
    pub fn sender_that_seeks(&self) -> Result<(SharedChannel<Numbered>, Sender<Numbered>)> {
        let channel = self.open()?;
        let tx = channel.sender();
        turn(&tx, &channel.receiver(), ROUNDS_BEFORE)?;
        self.warm();
        Ok((channel, tx))
    }

    /// A receiver that is alone at its end, and holds the bias.
    pub fn receiver_alone(&self) -> Result<(SharedChannel<Numbered>, Receiver<Numbered>)> {
        let channel = self.open()?;
        let rx = channel.receiver();
        turn(&channel.sender(), &rx, ROUNDS)?;
        self.warm();
        Ok((channel, rx))
    }

    /// A receiver that has received, beside another that has.
    pub fn receiver_of_two(&self) -> Result<(SharedChannel<Numbered>, [Receiver<Numbered>; 2])> {
        let channel = self.open()?;
        let receivers = [channel.receiver(), channel.receiver()];
        receivers.iter().try_for_each(|rx| turn(&channel.sender(), rx, ROUNDS / 2))?;
        self.warm();
        Ok((channel, receivers))
    }

    /// A receiver that is about to seek the bias.
    pub fn receiver_that_seeks(&self) -> Result<(SharedChannel<Numbered>, Receiver<Numbered>)> {
        let channel = self.open()?;
        let rx = channel.receiver();
        turn(&channel.sender(), &rx, ROUNDS_BEFORE)?;
        self.warm();
        Ok((channel, rx))
    }

    /// Waits until all actors are warm: their receivers take messages and send them again, as if for the first time.
    fn warm(&self) {
        if self.stepped {
            marks::warm();
        }
    }

    #[inline(always)]
    pub fn begin(&self) {
        if self.stepped {
            marks::begin();
        }
    }

    #[inline(always)]
    pub fn end(&self) {
        if self.stepped {
            marks::end();
        }
    }

    /// To be called while everything is still open, and nothing is held.
    pub fn rest(&self) {
        if self.stepped {
            marks::rest();
        } else {
            loop {
                std::thread::park();
            }
        }
    }

    /// Sends its message of this number as `send` does.
    #[inline(always)]
    pub fn send(&self, number: u64, send: impl Fn(&Numbered) -> Result<()>) {
        let number = self.first + number;
        self.log.add(Deed::Trying, number);
        if self.plant.is_some() {
            return self.send_wrong(number, &send);
        }
        let sent = send(&numbered(number));
        self.sent(number, sent);
    }

    /// The same with a planted fault.
    #[cold]
    fn send_wrong(&self, number: u64, send: &dyn Fn(&Numbered) -> Result<()>) {
        let mut message = numbered(number);
        let sent = match self.plant {
            Some(Plant::Lose) => Ok(()),
            Some(Plant::Double) => send(&message).and_then(|()| send(&message)),
            Some(Plant::Tear) => {
                message[1] ^= 1;
                send(&message)
            }
            Some(Plant::Keep) | None => send(&message),
        };
        self.sent(number, sent);
    }

    /// Writes down what came of sending.
    #[inline(always)]
    pub fn sent(&self, number: u64, sent: Result<()>) {
        match sent {
            Ok(()) => self.log.add(Deed::Sent, number),
            Err(error) => self.refused(number, &error),
        }
    }

    #[cold]
    pub fn refused(&self, number: u64, error: &Error) {
        match error {
            // The end is taken only where it belongs to one handle.
            Error::Full | Error::Timeout | Error::Closed | Error::EndTaken { .. } => {
                self.log.add(Deed::Refused, number);
            }
            error => self.log.fail(error),
        }
    }

    /// Writes down that it holds a message. Its number, unless it is torn.
    #[inline(always)]
    pub fn got(&self, message: &Received<'_, Numbered>) -> Option<u64> {
        let number = message[0].to_native();
        let whole = numbered(number);
        if message.iter().zip(whole).any(|(word, expected)| word.to_native() != expected) {
            self.log.add(Deed::Torn, number);
            return None;
        }
        self.log.add_delivery(Deed::Got, number, message.deliveries());
        Some(number)
    }

    /// What a call gave; none if there was no room, or no message, which is no fault.
    #[inline(always)]
    pub fn given<V>(&self, given: Result<V>) -> Option<V> {
        match given {
            Ok(value) => Some(value),
            Err(Error::Full | Error::Empty | Error::Timeout | Error::Closed | Error::EndTaken { .. }) => None,
            Err(error) => {
                self.log.fail(&error);
                None
            }
        }
    }

    /// Holds what was received; none if nothing was, which is no fault.
    #[inline(always)]
    pub fn received<'m>(&self, received: Result<Received<'m, Numbered>>) -> Option<Received<'m, Numbered>> {
        let message = self.given(received)?;
        self.got(&message);
        Some(message)
    }

    /// Releases a message.
    #[inline(always)]
    pub fn release(&self, message: Received<'_, Numbered>) {
        let number = message[0].to_native();
        self.log.add(Deed::Letting, number);
        drop(message);
        self.log.add(Deed::Done, number);
    }
}

/// Sends and receives so often. The messages that are there stay there, in their order.
fn turn(tx: &Sender<Numbered>, rx: &Receiver<Numbered>, rounds: u64) -> Result<()> {
    for round in 0..rounds {
        match rx.try_recv() {
            Ok(message) => {
                let values = message.to_owned();
                drop(message);
                tx.try_send(&values)?;
            }
            Err(Error::Empty) => {
                tx.try_send(&numbered(WARMING + round))?;
                drop(rx.try_recv()?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
