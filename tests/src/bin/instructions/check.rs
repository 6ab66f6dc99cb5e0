//! The check of one case: is the channel as good as new?

use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mi7::{Error, Receiver, Sender, SharedChannel};
use mi7_tests::faults::{Numbered, numbered};

use crate::Outcome;
use crate::actor::{CHANNEL, LETTERS};
use crate::board::{Deed, LOGS};
use crate::checker::Service;
use crate::ledger::Ledger;
use crate::scenes::Letters;

/// So long may the living be held up by the dead. The aim is 0.2 s; a loaded machine is given time.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks again.
const GLANCE: Duration = Duration::from_millis(10);

pub struct Check<'a> {
    service: &'a mut Service,
    /// Entries that others have.
    living: usize,
    slow: bool,
    begun: Instant,
    stuck: Vec<String>,
}

impl<'a> Check<'a> {
    pub fn new(service: &'a mut Service, living: usize, slow: bool) -> Self {
        Check { service, living, slow, begun: Instant::now(), stuck: Vec::new() }
    }

    pub fn run(mut self) -> Outcome {
        let checked = self.run_all();
        if let Err(error) = checked {
            self.stuck.push(error.to_string());
        }
        let board = self.service.board;
        let ledger = self.ledger();
        let findings = ledger.judge();
        for (log, account) in board.logs.iter().zip(&ledger.accounts) {
            if account.entries.iter().any(|entry| entry.deed == Deed::Failed) {
                self.stuck.push(format!("an error that nothing explains: {}", log.text()));
            }
            if log.is_overfull() {
                self.stuck.push("a log is full".into());
            }
        }
        let report = &board.report;
        report.lost.store(findings.lost.len() as u32, Ordering::Relaxed);
        report.invented.store(findings.invented.len() as u32, Ordering::Relaxed);
        report.stuck.store(self.stuck.len() as u32, Ordering::Relaxed);
        let lines = [("lost", &findings.lost), ("invented", &findings.invented), ("stuck", &self.stuck)];
        let lines =
            lines.iter().flat_map(|(what, texts)| texts.iter().map(move |text| format!("    {what}: {text}\n")));
        report.text.set(&lines.collect::<String>());
        Ok(())
    }

    fn ledger(&self) -> Ledger {
        Ledger::read(self.service.board, self.service.scene.letters != Letters::No)
    }

    fn open(&self) -> Outcome<SharedChannel<Numbered>> {
        match self.service.options().open(CHANNEL) {
            Err(Error::NotFound { .. }) if self.service.scene.is_fresh && !self.ledger().has(Deed::Created) => {
                Ok(self.service.options().capacity(self.service.scene.capacity).open_or_create(CHANNEL)?)
            }
            opened => Ok(opened?),
        }
    }

    fn run_all(&mut self) -> Outcome {
        // One that takes the entry of a dead one, perhaps, and lives.
        let idle = self.open()?;
        let channel = self.open()?;
        if !self.slow {
            channel.status();
        }
        let (tx, rx) = channel.split();
        let letters = match self.service.options().open(LETTERS) {
            Ok(letters) => Some(letters.receiver()),
            Err(_) => None,
        };
        self.get_through(&channel, &tx, &rx, letters.as_ref())?;
        let micros = self.begun.elapsed().as_micros();
        self.service.board.report.micros.store(u32::try_from(micros).unwrap_or(u32::MAX), Ordering::Relaxed);

        // Nothing more is there than there may be, which the ledger knows.
        channel.status();
        while self.service.receive(&rx, Duration::ZERO)?.is_some() {}
        self.count_entries(&channel)?;
        let closed = channel.is_closed();
        if closed && !self.ledger().has(Deed::Closing) {
            return Err("closed by nobody".into());
        }
        if !closed && self.ledger().has(Deed::Closed) {
            return Err("`close` returned, and the channel is open".into());
        }
        if !closed {
            self.fill(&channel, &tx, &rx)?;
        }
        if letters.is_some() {
            let letters = self.service.options().open(LETTERS)?;
            letters.status();
            while self.service.receive(&letters.receiver(), Duration::ZERO)?.is_some() {}
        }
        self.close(&channel, &tx, &rx)?;
        drop(idle);
        Ok(())
    }

    /// The process that slept has its message.
    fn sleeper_is_done(&self) -> bool {
        let log = self.service.board.logs[LOGS - 1].read();
        self.service.scene.sleeper.is_none()
            || log.iter().any(|entry| matches!(entry.deed, Deed::Done | Deed::Sent | Deed::Refused | Deed::Failed))
    }

    /// All that has to be there comes, one more message goes through, and the sleeper is woken.
    fn get_through(
        &mut self,
        channel: &SharedChannel<Numbered>,
        tx: &Sender<Numbered>,
        rx: &Receiver<Numbered>,
        letters: Option<&Receiver<Numbered>>,
    ) -> Outcome {
        let (mut sent, probe) = (false, self.service.number());
        self.service.board.logs[0].add(Deed::Trying, probe);
        loop {
            let late = self.begun.elapsed() > PATIENCE;
            // The sleeper first: to receive or to send here would do its work.
            if !late && self.sleeper_is_served() && !self.sleeper_is_done() {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
            if !sent && !channel.is_closed() {
                match tx.try_send(&numbered(probe)) {
                    Ok(()) => {
                        self.service.board.logs[0].add(Deed::Sent, probe);
                        sent = true;
                        continue;
                    }
                    Err(Error::Full | Error::Closed) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let limit = if self.ledger().due() == 0 { Duration::ZERO } else { GLANCE };
            let mut received = self.service.receive(rx, limit)?;
            if let (None, Some(letters)) = (received, letters) {
                received = self.service.receive(letters, Duration::ZERO)?;
            }
            let (due, woken) = (self.ledger().due(), self.sleeper_is_done());
            if due == 0 && (sent || channel.is_closed()) && woken {
                return Ok(());
            }
            if received.is_none() && late {
                let what = format!("{due} messages not received; sent one: {sent}; sleeper woken: {woken}");
                self.stuck.push(format!("after {PATIENCE:?}: {what}; {:?}", channel.status()));
                return Ok(());
            }
            std::thread::yield_now();
        }
    }

    /// Whether there is what the sleeper waits for, so that nobody needs to do anything but wait.
    fn sleeper_is_served(&self) -> bool {
        match self.service.scene.sleeper {
            None => false,
            Some("send") => self.ledger().occupied() < self.service.scene.capacity,
            Some(_) => self.ledger().due() > 0,
        }
    }

    /// The channel holds as many messages as it is made for, and they come in their order.
    fn fill(&mut self, channel: &SharedChannel<Numbered>, tx: &Sender<Numbered>, rx: &Receiver<Numbered>) -> Outcome {
        for sent in 0..channel.capacity() {
            if !self.service.send(tx)? {
                return Err(format!(
                    "{sent} messages fill a channel for {}: {:?}",
                    channel.capacity(),
                    channel.status()
                )
                .into());
            }
        }
        if self.service.send(tx)? {
            return Err(format!("more than {} messages are in the channel", channel.capacity()).into());
        }
        for received in 0..channel.capacity() {
            if self.service.receive(rx, Duration::ZERO)?.is_none() {
                return Err(format!("{received} of {} messages came", channel.capacity()).into());
            }
        }
        let status = channel.status();
        if status.waiting + status.leased > 0 {
            return Err(format!("something is left: {status:?}").into());
        }
        Ok(())
    }

    /// The channel can be closed, and ends.
    fn close(&mut self, channel: &SharedChannel<Numbered>, tx: &Sender<Numbered>, rx: &Receiver<Numbered>) -> Outcome {
        let begun = Instant::now();
        self.service.board.logs[0].add(Deed::Closing, 0);
        channel.close();
        match rx.recv_timeout(PATIENCE) {
            Err(Error::Closed) => {}
            other => return Err(format!("received after the close: {other:?}, {:?}", channel.status()).into()),
        }
        if self.service.send(tx)? {
            return Err("sent after the close".into());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("closing took {:?}", begun.elapsed()).into());
        }
        Ok(())
    }

    /// No entry of the table of participants is taken but those of the living.
    fn count_entries(&self, channel: &SharedChannel<Numbered>) -> Outcome {
        let taken = taken_entries(&channel.path())?;
        // This process has opened the channel twice.
        let living = self.living + 2;
        if taken != living {
            return Err(
                format!("{taken} entries are taken, and {living} participants live: {:?}", channel.status()).into()
            );
        }
        Ok(())
    }
}

/// Where the table of participants lies in the file; see `layout` in mi7-core, which keeps it to itself.
const ENTRIES_AT: u64 = 1024;
const ENTRY_BYTES: usize = 128;
/// Entries are taken from the first one on, so others are not looked at.
const LOOKED_AT: usize = 16;

/// How many entries are taken.
fn taken_entries(path: &std::path::Path) -> Outcome<usize> {
    let mut bytes = [0; LOOKED_AT * ENTRY_BYTES];
    std::fs::File::open(path)?.read_exact_at(&mut bytes, ENTRIES_AT)?;
    Ok(bytes.chunks(ENTRY_BYTES).filter(|entry| entry[0] & 1 != 0).count())
}
