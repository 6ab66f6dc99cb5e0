//! The accounts: what was sent, what was received, and what of it cannot be.

use std::collections::HashMap;

use crate::log::{Entry, Log, State, Times};
use crate::order::{First, Order};
use crate::parcel::parts;
use crate::unwritten::{Death, Gap, unexplained};

/// Details of one kind that are printed; the rest is only counted.
const SHOWN: u64 = 20;
/// From here on `deliveries()` may go back: see [`mi7::Received::deliveries`].
const COUNTED: u32 = 60;

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Killed(Death),
    /// By itself.
    Quit,
}

/// One delivery, by whom.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    entry: Entry,
    holder: u32,
}

/// What a sender's log says.
struct Sent {
    acked: u64,
    /// The last message that may be there: behind `acked` only if the sender was killed while it was sending.
    last: u64,
    killed: Option<Death>,
    times: Vec<Times>,
}

/// Times when something was so, one after the other.
#[derive(Default)]
pub struct Spells {
    past: Vec<(u64, u64)>,
    since: Option<u64>,
}

impl Spells {
    /// Says whether it is so from this time on.
    pub fn note(&mut self, so: bool, time: u64) {
        match (so, self.since) {
            (true, None) => self.since = Some(time),
            (false, Some(since)) => {
                self.past.push((since, time));
                self.since = None;
            }
            _ => {}
        }
    }

    /// How long it was so between two times.
    fn within(&self, from: u64, to: u64) -> u64 {
        let first = self.past.partition_point(|spell| spell.1 <= from);
        let spells = self.past[first..].iter().copied().chain(self.since.map(|since| (since, u64::MAX)));
        spells.take_while(|spell| spell.0 < to).map(|spell| spell.1.min(to).saturating_sub(spell.0.max(from))).sum()
    }
}

/// Everything the logs say.
#[derive(Default)]
pub struct Accounts {
    senders: HashMap<u32, Sent>,
    receivers: HashMap<u32, End>,
    deliveries: Vec<Delivery>,
    /// When no receiver ran: a message that waits then waits for the parent of this all.
    pub deserted: Spells,
    /// When that was so, or somebody was stopped, who keeps what it has.
    pub impeded: Spells,
}

/// What the accounts come to.
#[derive(Default, Debug)]
pub struct Verdict {
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    pub invented: u64,
    /// Delivered again although nobody had put it back.
    pub duplicated: u64,
    pub unexplained: u64,
    /// Recoveries that took too long.
    pub stuck: u64,
    /// Delivered again because somebody had put it back.
    pub put_back: u64,
    /// Leases of which only `deliveries()` tells, because their holder was killed before it wrote them down.
    pub unwritten: u64,
    /// Nanoseconds from the kill of a holder to the message's next delivery, sorted.
    pub again: Vec<u64>,
    /// Nanoseconds from the kill of a sender in the middle of a message to the first delivery of one sent after it, sorted.
    pub moved_on: Vec<u64>,
}

impl Accounts {
    /// Enters the log of a sender that has ended.
    pub fn add_sender(&mut self, incarnation: u32, log: &Log, end: End) {
        let (acked, about) = (log.acked(), log.about());
        let (last, killed) = match end {
            // Refused: that one is not there, though it was begun.
            End::Killed(death) if log.refused() != about => (about, Some(death)),
            _ => (acked, None),
        };
        self.senders.insert(incarnation, Sent { acked, last, killed, times: log.times() });
    }

    /// Enters what the parent has sent itself.
    pub fn add_own(&mut self, incarnation: u32, times: Vec<Times>) {
        let acked = times.len() as u64;
        self.senders.insert(incarnation, Sent { acked, last: acked, killed: None, times });
    }

    /// Enters the log of a receiver that has ended.
    pub fn add_receiver(&mut self, incarnation: u32, log: &Log, end: End) {
        self.receivers.insert(incarnation, end);
        self.deliveries.extend(log.entries().map(|entry| Delivery { entry, holder: incarnation }));
    }

    /// Enters a delivery to the parent, which lives.
    pub fn add_delivery(&mut self, entry: Entry) {
        self.deliveries.push(Delivery { entry, holder: 0 });
    }

    fn end_of(&self, delivery: &Delivery) -> End {
        self.receivers.get(&delivery.holder).copied().unwrap_or(End::Quit)
    }

    /// How long it was from one time to another, without the spells.
    fn took(from: u64, to: u64, spells: &Spells) -> u64 {
        to.saturating_sub(from).saturating_sub(spells.within(from, to))
    }

    /// Draws the balance, and prints what is wrong.
    pub fn settle(mut self) -> Verdict {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        deliveries.sort_unstable_by_key(|delivery| (delivery.entry.id, delivery.entry.end));
        let mut verdict = Verdict { received: deliveries.len() as u64, ..Verdict::default() };
        let mut per_sender: HashMap<u32, Vec<&[Delivery]>> = HashMap::new();
        for group in deliveries.chunk_by(|one, two| one.entry.id == two.entry.id) {
            per_sender.entry(parts(group[0].entry.id).0).or_default().push(group);
        }
        let (mut firsts, mut gaps, mut in_doubt) = (Vec::new(), Vec::new(), Vec::new());
        for (&sender, sent) in &self.senders {
            let groups = per_sender.remove(&sender).unwrap_or_default();
            verdict.sent += sent.acked;
            look_for_the_lost(sender, sent, &groups, &mut verdict);
            for group in &groups {
                self.settle_message(sent, group, &mut gaps, &mut verdict);
                firsts.extend(first_delivery(sent, group));
            }
            if let Some(death) = sent.killed
                && sent.last > sent.acked
                && groups.last().is_none_or(|group| parts(group[0].entry.id).1 <= sent.acked)
            {
                in_doubt.push(death);
            }
        }
        for group in per_sender.values().flatten() {
            count(&mut verdict.invented, || format!("invented: no sender {:?}: {group:?}", parts(group[0].entry.id)));
        }
        self.settle_gaps(&gaps, &mut verdict);
        self.settle_order(firsts, &in_doubt, &mut verdict);
        verdict.again.sort_unstable();
        verdict.moved_on.sort_unstable();
        verdict
    }

    /// Looks at all deliveries of one message.
    fn settle_message(&self, sent: &Sent, group: &[Delivery], gaps: &mut Vec<Gap>, verdict: &mut Verdict) {
        let (_, sequence) = parts(group[0].entry.id);
        if sequence == 0 || sequence > sent.last {
            count(&mut verdict.invented, || format!("invented: the last was {}: {group:?}", sent.last));
        }
        if let Some(delivery) = group.iter().find(|delivery| delivery.entry.torn) {
            count(&mut verdict.invented, || format!("torn: {delivery:?}"));
        }
        let begun = sent.times.get((sequence as usize).wrapping_sub(1)).map_or(0, |times| times.begun);
        let first = &group[0].entry;
        if first.deliveries <= COUNTED {
            gaps.extend(Gap::new(first.deliveries.saturating_sub(1), begun, first));
        }
        for pair in group.windows(2) {
            self.settle_pair(&pair[0], &pair[1], gaps, verdict);
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
    }

    /// Looks at two deliveries of one message, one after the other.
    fn settle_pair(&self, one: &Delivery, two: &Delivery, gaps: &mut Vec<Gap>, verdict: &mut Verdict) {
        let end = self.end_of(one);
        // From when on the next may have it.
        let free = match (one.entry.state, end) {
            (State::Requeued, _) => Some(one.entry.left),
            (State::Leased | State::Releasing, End::Killed(death)) => Some(death.at),
            (State::Done, _) | (_, End::Quit) => None,
        };
        let counted = two.entry.deliveries > one.entry.deliveries || one.entry.deliveries > COUNTED;
        if !counted || free.is_none_or(|free| two.entry.end < free) {
            count(&mut verdict.unexplained, || format!("unexplained: {one:?}, {end:?}, and again: {two:?}"));
        }
        match one.entry.state {
            State::Requeued => verdict.put_back += 1,
            _ => verdict.duplicated += 1,
        }
        let Some(free) = free else { return };
        let took = Self::took(free, two.entry.end, &self.deserted);
        let known = match end {
            End::Killed(death) if one.entry.state != State::Requeued => death.gone,
            _ => free,
        };
        if Self::took(known, two.entry.end, &self.deserted) > SLOW {
            let millis = took / 1_000_000;
            count(&mut verdict.stuck, || format!("stuck: for {millis} ms: {one:?}, {end:?}, and again: {two:?}"));
        }
        let more = two.entry.deliveries.saturating_sub(one.entry.deliveries + 1);
        if one.entry.deliveries <= COUNTED {
            gaps.extend(Gap::new(more, free, &two.entry));
        }
        if more == 0 && one.entry.state != State::Requeued {
            verdict.again.push(took);
        }
    }

    /// Looks who may have had what stands in no entry.
    fn settle_gaps(&self, gaps: &[Gap], verdict: &mut Verdict) {
        let deaths: Vec<Death> = self
            .receivers
            .values()
            .filter_map(|end| match end {
                End::Killed(death) if death.receiving => Some(*death),
                _ => None,
            })
            .collect();
        verdict.unwritten = gaps.len() as u64;
        for gap in unexplained(gaps, &deaths) {
            count(&mut verdict.unexplained, || {
                let (message, deliveries) = (parts(gap.id), gap.deliveries);
                format!("unexplained: {message:?} is at {deliveries}, and nobody died who may have had it: {gap:?}")
            });
        }
    }

    /// Looks at the order of first deliveries, and how long the dead held up what came after them.
    fn settle_order(&self, firsts: Vec<First>, in_doubt: &[Death], verdict: &mut Verdict) {
        let mut order = Order::new(firsts);
        for (earlier, later) in order.violations() {
            count(&mut verdict.unexplained, || {
                let (one, two) = (parts(later.id), parts(earlier.id));
                format!("unexplained: out of order: {one:?} was received before {two:?}: {later:?}, {earlier:?}")
            });
        }
        order.sort_by_end_of_send();
        for death in in_doubt {
            let Some(next) = order.first_received_of_those_sent_after(death.at) else { continue };
            let took = |from: u64| Self::took(from.max(next.begun), next.end, &self.impeded);
            if took(death.gone) > SLOW {
                let millis = took(death.at) / 1_000_000;
                count(&mut verdict.stuck, || format!("stuck: {millis} ms after a sender's {death:?}: {next:?}"));
            }
            verdict.moved_on.push(took(death.at));
        }
    }
}

/// Nanoseconds after which what was put back, or is held up by one who is known to be dead, counts as stuck. Everybody who
/// waits looks around ten times a second.
const SLOW: u64 = 1_000_000_000;

/// Looks for acknowledged messages that nobody received. The groups are in the order of their sequence numbers.
fn look_for_the_lost(sender: u32, sent: &Sent, groups: &[&[Delivery]], verdict: &mut Verdict) {
    let mut groups = groups.iter().peekable();
    for sequence in 1..=sent.acked {
        while groups.next_if(|group| parts(group[0].entry.id).1 < sequence).is_some() {}
        if groups.peek().is_none_or(|group| parts(group[0].entry.id).1 != sequence) {
            count(&mut verdict.lost, || {
                format!("lost: {sequence} of sender {sender}, which sent up to {}: {:?}", sent.acked, sent.killed)
            });
        }
    }
}

/// A message's first delivery, if it was written down.
fn first_delivery(sent: &Sent, group: &[Delivery]) -> Option<First> {
    let entry = &group[0].entry;
    let (_, sequence) = parts(entry.id);
    let times = sent.times.get((sequence as usize).checked_sub(1)?)?;
    (entry.deliveries == 1).then_some(First {
        id: entry.id,
        begun: times.begun,
        ended: if times.ended == 0 { u64::MAX } else { times.ended },
        start: entry.start,
        end: entry.end,
    })
}

/// Counts one more, and says what it is if there were not many.
pub fn count(counter: &mut u64, detail: impl FnOnce() -> String) {
    *counter += 1;
    if *counter <= SHOWN {
        eprintln!("{}", detail());
    }
}

/// The time in milliseconds that `percent` of a hundred of these, which are sorted, do not exceed.
pub fn percentile_ms(sorted: &[u64], percent: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    sorted[(sorted.len() * percent / 100).min(last)] as f64 / 1e6
}

impl Verdict {
    /// The time in milliseconds that `percent` of a hundred recoveries do not exceed, of the slower kind of the two: so
    /// neither makes the other look better.
    pub fn recovery_ms(&self, percent: usize) -> f64 {
        percentile_ms(&self.again, percent).max(percentile_ms(&self.moved_on, percent))
    }
}
