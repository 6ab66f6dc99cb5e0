//! The end: whether the channel is as good as new when all are dead, and whether the living leave when it is closed.

use std::time::{Duration, Instant};

use mi7::{Error, Receiver, Sender, SharedChannel};

use crate::log::{Entry, State, Times, now};
use crate::parcel::{Parcel, id};
use crate::run::{Chaos, Outcome};
use crate::{CHANNEL, Plant};

/// How long nothing has to come before the channel is taken to be empty: several times what anybody takes to look for the
/// dead.
const SILENCE: Duration = Duration::from_millis(500);
/// How long children go on between the two ends.
const INTERLUDE: Duration = Duration::from_millis(300);

impl Chaos<'_> {
    pub fn finish(&mut self) -> Outcome {
        self.forget_vacancies();
        if !self.arguments.no_kill {
            self.look_at_what_the_dead_left()?;
            self.start_all()?;
            let end = Instant::now() + INTERLUDE;
            while Instant::now() < end {
                std::thread::sleep(Duration::from_millis(2));
                self.look_after_children(true)?;
            }
        }
        self.close_under_their_hands()
    }

    fn open(&self) -> mi7::Result<SharedChannel<Parcel>> {
        SharedChannel::options().directory(&self.scratch.0).open(CHANNEL)
    }

    /// Kills all at one instant, drains the channel, fills it, and drains it again.
    fn look_at_what_the_dead_left(&mut self) -> Outcome {
        self.put_to_death((0..self.children.len()).collect())?;
        for spells in [&mut self.accounts.deserted, &mut self.accounts.impeded] {
            spells.note(false, now());
        }
        let channel = self.open()?;
        let (tx, rx) = (channel.sender(), channel.receiver());
        self.drain(&rx, SILENCE);
        let status = channel.status();
        if status.waiting + status.leased > 0 {
            self.is_stuck(&format!("all are dead and the channel is drained: {status:?}"));
        }
        self.fill(&tx)?;
        self.drain(&rx, SILENCE);
        Ok(())
    }

    /// Sends as many messages as there is room for, and one more.
    fn fill(&mut self, tx: &Sender<Parcel>) -> Outcome {
        let kept = if self.arguments.plant == Some(Plant::Leak) { Some(tx.try_loan()?) } else { None };
        let incarnation = self.new_incarnation();
        let (mut times, mut full) = (Vec::new(), false);
        while times.len() <= self.arguments.capacity {
            let begun = now();
            match tx.try_send(&Parcel::new(id(incarnation, times.len() as u64 + 1))) {
                Ok(()) => times.push(Times { begun, ended: now() }),
                Err(error) => {
                    full = matches!(error, Error::Full);
                    break;
                }
            }
        }
        drop(kept);
        if !full || times.len() != self.arguments.capacity {
            let room = times.len();
            self.is_stuck(&format!("room for {room} messages of {}: {:?}", self.arguments.capacity, tx.status()));
        }
        self.accounts.add_own(incarnation, times);
        Ok(())
    }

    /// Closes the channel, waits for the children to leave, and receives what is left.
    fn close_under_their_hands(&mut self) -> Outcome {
        self.children.iter_mut().for_each(|child| child.go_on());
        let channel = self.open()?;
        channel.close();
        let begun = Instant::now();
        while !self.children.is_empty() {
            std::thread::sleep(Duration::from_millis(2));
            self.look_after_children(false)?;
            if begun.elapsed() > 2 * self.arguments.patience && !self.children.is_empty() {
                (0..self.children.len()).for_each(|index| self.report_stuck(index));
                self.put_to_death((0..self.children.len()).collect())?;
            }
        }
        let rx = channel.receiver();
        if !matches!(self.drain(&rx, self.arguments.patience), Some(Error::Closed)) {
            self.is_stuck(&format!("closed and left by all, and does not end: {:?}", channel.status()));
        }
        Ok(())
    }

    /// Receives until nothing comes for a while, or there is an end, and says which; `None`: it goes on and on.
    fn drain(&mut self, rx: &Receiver<Parcel>, silence: Duration) -> Option<Error> {
        // Nobody sends any more: besides what the channel holds there is nothing.
        for _ in 0..2 * self.arguments.capacity + 2 {
            let start = now();
            match rx.recv_timeout(silence) {
                Ok(message) => self.accounts.add_delivery(Entry {
                    id: message.id.to_native(),
                    start,
                    end: now(),
                    left: 0,
                    deliveries: message.deliveries(),
                    state: State::Done,
                    torn: !message.is_whole(),
                }),
                Err(error) => return Some(error),
            }
        }
        self.is_stuck("there is no end to what can be drained");
        None
    }

    fn is_stuck(&mut self, how: &str) {
        eprintln!("stuck: {how}");
        self.stuck += 1;
    }
}
