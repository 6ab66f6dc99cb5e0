//! The accounts: what was sent, what was received, and what of it cannot be.

use std::collections::HashMap;

use crate::log::{Entry, Log, State};
use crate::parcel::parts;

/// Details of one kind that are printed; the rest is only counted.
const SHOWN: u64 = 20;

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Killed, at the latest some moments after this time, and not before.
    Killed(u64),
    /// By itself.
    Quit,
}

/// One delivery, by whom.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    entry: Entry,
    holder: u32,
}

#[derive(Clone, Copy)]
struct Sent {
    about: u64,
    acked: u64,
    refused: u64,
}

/// Everything the logs say.
#[derive(Default)]
pub struct Accounts {
    senders: HashMap<u32, Sent>,
    ends: HashMap<u32, End>,
    deliveries: Vec<Delivery>,
    receivers_killed: u64,
}

/// What the accounts come to.
#[derive(Default, Debug)]
pub struct Verdict {
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    pub invented: u64,
    pub duplicated: u64,
    pub unexplained: u64,
    /// Nanoseconds from the kill of a holder to the message's next delivery, sorted.
    pub recovery: Vec<u64>,
}

impl Accounts {
    /// Enters the log of a sender that has ended.
    pub fn add_sender(&mut self, incarnation: u32, log: &Log) {
        let sent = Sent { about: log.about(), acked: log.acked(), refused: log.refused() };
        self.senders.insert(incarnation, sent);
    }

    /// Enters the log of a receiver that has ended.
    pub fn add_receiver(&mut self, incarnation: u32, log: &Log, end: End) {
        self.receivers_killed += u64::from(end != End::Quit);
        self.ends.insert(incarnation, end);
        self.deliveries.extend(log.entries().map(|entry| Delivery { entry, holder: incarnation }));
    }

    /// Enters a delivery to the parent, which lives.
    pub fn add_delivery(&mut self, entry: Entry) {
        self.deliveries.push(Delivery { entry, holder: 0 });
    }

    fn end_of(&self, delivery: &Delivery) -> End {
        self.ends.get(&delivery.holder).copied().unwrap_or(End::Quit)
    }

    /// Draws the balance, and prints what is wrong.
    pub fn settle(mut self) -> Verdict {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        deliveries.sort_by_key(|delivery| (delivery.entry.id, delivery.entry.end));
        let mut verdict = Verdict { received: deliveries.len() as u64, ..Verdict::default() };
        let mut per_sender: HashMap<u32, Vec<&[Delivery]>> = HashMap::new();
        for group in deliveries.chunk_by(|one, two| one.entry.id == two.entry.id) {
            per_sender.entry(parts(group[0].entry.id).0).or_default().push(group);
        }
        let mut unlogged = 0;
        for (&sender, &sent) in &self.senders {
            let groups = per_sender.remove(&sender).unwrap_or_default();
            verdict.sent += sent.acked;
            self.settle_sender(sender, sent, &groups, &mut verdict);
            for group in groups {
                unlogged += self.settle_message(sent, group, &mut verdict);
            }
        }
        for group in per_sender.values().flatten() {
            count(&mut verdict.invented, || format!("invented: no sender {:?}: {group:?}", parts(group[0].entry.id)));
        }
        // Who was killed between receiving and writing it down held one message of which nobody knows.
        if unlogged > self.receivers_killed {
            let killed = self.receivers_killed;
            count(&mut verdict.unexplained, || {
                format!("unexplained: {unlogged} deliveries that nobody wrote down, {killed} receivers killed")
            });
        }
        verdict.recovery.sort_unstable();
        verdict
    }

    /// Looks for what is missing, and at the order.
    fn settle_sender(&self, sender: u32, sent: Sent, groups: &[&[Delivery]], verdict: &mut Verdict) {
        let mut groups_left = groups.iter().peekable();
        for sequence in 1..=sent.acked {
            while groups_left.next_if(|group| parts(group[0].entry.id).1 < sequence).is_some() {}
            if groups_left.peek().is_none_or(|group| parts(group[0].entry.id).1 != sequence) {
                count(&mut verdict.lost, || {
                    format!("lost: {sequence} of sender {sender}, which sent up to {}", sent.acked)
                });
            }
        }
        // First deliveries are in order: none ends before one of an earlier message begins.
        let mut earliest: Option<&Delivery> = None;
        for first in groups.iter().rev().map(|group| &group[0]).filter(|first| first.entry.deliveries == 1) {
            if let Some(later) = earliest
                && later.entry.end < first.entry.start
            {
                count(&mut verdict.unexplained, || format!("unexplained: out of order: {later:?} before {first:?}"));
            }
            if earliest.is_none_or(|later| first.entry.end < later.entry.end) {
                earliest = Some(first);
            }
        }
    }

    /// Looks at all deliveries of one message. Gives the number of those that nobody wrote down.
    fn settle_message(&self, sent: Sent, group: &[Delivery], verdict: &mut Verdict) -> u64 {
        let (_, sequence) = parts(group[0].entry.id);
        if sequence == 0 || sequence > sent.about || sequence == sent.refused {
            count(&mut verdict.invented, || {
                format!("invented: about {}, acked {}, refused {}: {group:?}", sent.about, sent.acked, sent.refused)
            });
        }
        for delivery in group.iter().filter(|delivery| delivery.entry.torn) {
            count(&mut verdict.invented, || format!("torn: {delivery:?}"));
        }
        verdict.duplicated += group.len() as u64 - 1;
        for pair in group.windows(2) {
            self.settle_pair(&pair[0], &pair[1], verdict);
        }
        let last = &group[group.len() - 1];
        match (last.entry.state, self.end_of(last)) {
            (State::Done, _) | (State::Releasing, End::Killed(_)) => {}
            (_, End::Killed(_)) | (State::Requeued, _) => {
                count(&mut verdict.lost, || format!("lost: not delivered again: {group:?}, {:?}", self.end_of(last)));
            }
            (_, End::Quit) => {
                count(&mut verdict.unexplained, || format!("unexplained: dropped by a holder that lived: {group:?}"));
            }
        }
        let counted: u64 = last.entry.deliveries.into();
        if counted > 60 { 0 } else { counted.saturating_sub(group.len() as u64) }
    }

    /// Looks at two deliveries of one message, one after the other.
    fn settle_pair(&self, one: &Delivery, two: &Delivery, verdict: &mut Verdict) {
        let end = self.end_of(one);
        let explained = match (one.entry.state, end) {
            (State::Done, _) => false,
            (State::Requeued, _) => true,
            (_, End::Killed(at)) => two.entry.end >= at,
            (_, End::Quit) => false,
        };
        let counted = two.entry.deliveries > one.entry.deliveries || one.entry.deliveries > 60;
        if !explained || !counted {
            count(&mut verdict.unexplained, || format!("unexplained: {one:?}, {end:?}, and again: {two:?}"));
        }
        if let End::Killed(at) = end
            && matches!(one.entry.state, State::Leased | State::Releasing)
            && two.entry.deliveries == one.entry.deliveries + 1
        {
            let took = two.entry.end.saturating_sub(at);
            if took > 200_000_000 {
                eprintln!("slow: {} ms after {at}: {one:?}, and again: {two:?}", took / 1_000_000);
            }
            verdict.recovery.push(took);
        }
    }
}

fn count(counter: &mut u64, detail: impl FnOnce() -> String) {
    *counter += 1;
    if *counter <= SHOWN {
        eprintln!("{}", detail());
    }
}

impl Verdict {
    /// The recovery time that `percent` of a hundred do not exceed, in milliseconds.
    pub fn recovery_ms(&self, percent: usize) -> f64 {
        let Some(last) = self.recovery.len().checked_sub(1) else { return 0.0 };
        self.recovery[(self.recovery.len() * percent / 100).min(last)] as f64 / 1e6
    }
}
