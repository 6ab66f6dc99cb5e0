//! What must be true of the messages, judged by what everybody wrote down.
//!
//! - A message whose send was acknowledged is delivered until somebody is done with it, and not after.
//! - One whose sender was killed in the call may be there or not. One that was refused, or that nobody sent, is not.
//! - One that a killed receiver held is delivered again, and its count of deliveries has grown.
//! - One whose release had begun when its holder was killed may be delivered again or not.

use std::collections::BTreeMap;

use crate::actor::NUMBERS;
use crate::board::{Board, Deed, Entry, LOGS};
use crate::scenes::MAX_DELIVERIES;

/// What one process wrote down, and whether it was killed.
pub struct Account {
    pub entries: Vec<Entry>,
    pub is_dead: bool,
}

/// What is wrong with the messages.
#[derive(Default, Debug)]
pub struct Findings {
    pub lost: Vec<String>,
    pub invented: Vec<String>,
}

/// Everything that was written down about a case.
pub struct Ledger {
    pub accounts: Vec<Account>,
    /// Messages may be moved to the dead letters; one that is killed while it moves one may leave it there twice.
    pub has_letters: bool,
}

/// What is known of one message.
#[derive(Default)]
struct Fate {
    tried: bool,
    acknowledged: bool,
    refused: bool,
    /// How often it had been delivered at each delivery that was written down, and whether its holder was done with it then.
    deliveries: Vec<(u32, bool)>,
    done: u32,
    /// A release had begun when its holder was killed.
    let_go: bool,
    /// Somebody alive holds it.
    held: bool,
}

impl Fate {
    fn is_due(&self) -> bool {
        self.acknowledged && self.done == 0 && !self.let_go && !self.held
    }
}

impl Ledger {
    pub fn read(board: &Board, has_letters: bool) -> Ledger {
        let accounts = board.logs.iter().map(|log| Account { entries: log.read(), is_dead: log.is_dead() });
        Ledger { accounts: accounts.collect(), has_letters }
    }

    fn fates(&self) -> BTreeMap<u64, Fate> {
        let mut fates = BTreeMap::<u64, Fate>::new();
        for account in &self.accounts {
            // Of those it holds: how often they had been delivered, and whether it began to release them.
            let mut holds = BTreeMap::<u64, (u32, bool)>::new();
            for entry in &account.entries {
                let fate = fates.entry(entry.number).or_default();
                match entry.deed {
                    Deed::Trying => fate.tried = true,
                    Deed::Sent => fate.acknowledged = true,
                    Deed::Refused => fate.refused = true,
                    Deed::Got => _ = holds.insert(entry.number, (entry.deliveries, false)),
                    Deed::Letting => _ = holds.entry(entry.number).and_modify(|(_, letting)| *letting = true),
                    Deed::Done => {
                        fate.done += 1;
                        if let Some((deliveries, _)) = holds.remove(&entry.number) {
                            fate.deliveries.push((deliveries, true));
                        }
                    }
                    Deed::Back => {
                        if let Some((deliveries, _)) = holds.remove(&entry.number) {
                            fate.deliveries.push((deliveries, false));
                        }
                    }
                    Deed::Torn | Deed::Closing | Deed::Closed | Deed::Created | Deed::Failed => {}
                }
            }
            for (number, (deliveries, letting)) in holds {
                let fate = fates.entry(number).or_default();
                fate.deliveries.push((deliveries, false));
                fate.let_go |= account.is_dead && letting;
                fate.held |= !account.is_dead;
            }
        }
        fates
    }

    /// How many messages have to be delivered still.
    pub fn due(&self) -> usize {
        self.fates().values().filter(|fate| fate.is_due()).count()
    }

    /// How many slots messages may take, those apart that the sleeper tries to send.
    pub fn occupied(&self) -> usize {
        let sleeper = LOGS as u64 - 1;
        let takes = |(number, fate): &(u64, Fate)| {
            fate.tried && !fate.refused && fate.done == 0 && (fate.acknowledged || number / NUMBERS != sleeper)
        };
        self.fates().into_iter().filter(takes).count()
    }

    pub fn has(&self, deed: Deed) -> bool {
        self.accounts.iter().flat_map(|account| &account.entries).any(|entry| entry.deed == deed)
    }

    /// Judges when the channel has been drained.
    pub fn judge(&self) -> Findings {
        let mut findings = Findings::default();
        let deaths = self.accounts.iter().filter(|account| account.is_dead).count() as u32;
        for (number, mut fate) in self.fates() {
            if fate.is_due() {
                let before = fate.deliveries.len();
                findings.lost.push(format!("{number} was acknowledged and is gone, after {before} deliveries"));
            }
            if fate.deliveries.is_empty() {
                continue;
            }
            let mut invented = |what: &str| {
                findings.invented.push(format!("{number} {what} (deliveries, done: {:?})", fate.deliveries));
            };
            if !fate.tried {
                invented("was sent by nobody");
            } else if fate.refused {
                invented("was refused, and is there");
            }
            fate.deliveries.sort_unstable();
            let mut invented = |what: &str| {
                findings.invented.push(format!("{number} {what} (deliveries, done: {:?})", fate.deliveries));
            };
            let twice = fate.deliveries.windows(2).any(|pair| pair[0].0 == pair[1].0);
            let after =
                fate.deliveries.iter().position(|(_, done)| *done).map_or(0, |at| fate.deliveries.len() - 1 - at);
            // A dead letter that its mover left twice counts on by two at the least the second time.
            let copied = self.has_letters
                && deaths > 0
                && fate.deliveries.last().is_some_and(|(last, _)| *last > MAX_DELIVERIES + 1);
            if twice || (after > 0 && !copied) {
                invented("is there twice");
            }
            // Each delivery that nobody wrote down was to one who died before it could.
            let unwritten =
                fate.deliveries.last().map_or(0, |(last, _)| last.saturating_sub(fate.deliveries.len() as u32));
            let movers = if self.has_letters { 2 * deaths + 1 } else { 0 };
            if unwritten > deaths + movers {
                invented("was delivered to somebody who wrote nothing down and lives");
            }
        }
        for account in &self.accounts {
            for entry in account.entries.iter().filter(|entry| entry.deed == Deed::Torn) {
                findings.invented.push(format!("{} is torn", entry.number));
            }
            // Letters are another channel.
            if !self.has_letters {
                findings.invented.extend(out_of_order(&account.entries));
            }
        }
        findings
    }
}

/// Messages of one sender that came, for the first time, before earlier ones of its.
fn out_of_order(entries: &[Entry]) -> Vec<String> {
    let mut newest = BTreeMap::new();
    let firsts = entries.iter().filter(|entry| entry.deed == Deed::Got && entry.deliveries == 1);
    firsts
        .filter_map(|entry| {
            let before = newest.insert(entry.number / NUMBERS, entry.number)?;
            (before > entry.number).then(|| format!("{} came after {before}", entry.number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(is_dead: bool, entries: &[(Deed, u64, u32)]) -> Account {
        let entry = |&(deed, number, deliveries)| Entry { deed, number, deliveries };
        Account { entries: entries.iter().map(entry).collect(), is_dead }
    }

    /// How many are lost, and how many invented.
    fn judged(accounts: Vec<Account>) -> (usize, usize) {
        let findings = Ledger { accounts, has_letters: false }.judge();
        (findings.lost.len(), findings.invented.len())
    }

    use Deed::{Back, Done, Got, Letting, Refused, Sent, Torn, Trying};

    #[test]
    fn what_was_acknowledged_is_there_once() {
        let sent = || account(true, &[(Trying, 1, 0), (Sent, 1, 0)]);
        let done = |deliveries| account(false, &[(Got, 1, deliveries), (Letting, 1, 0), (Done, 1, 0)]);
        assert_eq!(judged(vec![sent(), done(1)]), (0, 0));
        assert_eq!(judged(vec![sent()]), (1, 0));
        assert_eq!(judged(vec![sent(), done(1), done(1)]), (0, 1));
        assert_eq!(judged(vec![sent(), done(1), done(2)]), (0, 1));
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_or_not() {
        let done = || account(false, &[(Got, 1, 1), (Done, 1, 0)]);
        assert_eq!(judged(vec![account(true, &[(Trying, 1, 0)])]), (0, 0));
        assert_eq!(judged(vec![account(true, &[(Trying, 1, 0)]), done()]), (0, 0));
        assert_eq!(judged(vec![account(false, &[(Trying, 1, 0), (Refused, 1, 0)]), done()]), (0, 1));
        assert_eq!(judged(vec![done()]), (0, 1));
        assert_eq!(judged(vec![account(false, &[(Torn, 1, 0)])]), (0, 1));
    }

    #[test]
    fn messages_of_one_sender_come_in_their_order() {
        let sent = || account(true, &[(Trying, 1, 0), (Sent, 1, 0), (Trying, 2, 0), (Sent, 2, 0)]);
        let done =
            |numbers: [u64; 2]| account(false, &numbers.map(|number| [(Got, number, 1), (Done, number, 0)]).concat());
        assert_eq!(judged(vec![sent(), done([1, 2])]), (0, 0));
        assert_eq!(judged(vec![sent(), done([2, 1])]), (0, 1));
    }

    #[test]
    fn what_the_dead_held_comes_again_and_is_counted() {
        let sent = || account(false, &[(Trying, 1, 0), (Sent, 1, 0)]);
        let done = |deliveries| account(false, &[(Got, 1, deliveries), (Done, 1, 0)]);
        let held = || account(true, &[(Got, 1, 1)]);
        assert_eq!(judged(vec![sent(), held(), done(2)]), (0, 0));
        assert_eq!(judged(vec![sent(), held()]), (1, 0));
        assert_eq!(judged(vec![sent(), held(), done(1)]), (0, 1), "the count has not grown");
        let letting = || account(true, &[(Got, 1, 1), (Letting, 1, 0)]);
        assert_eq!(judged(vec![sent(), letting()]), (0, 0));
        assert_eq!(judged(vec![sent(), letting(), done(2)]), (0, 0));
        assert_eq!(judged(vec![sent(), account(false, &[(Got, 1, 1), (Back, 1, 0)]), done(2)]), (0, 0));
        assert_eq!(judged(vec![sent(), done(2)]), (0, 1), "nobody died who could have had it");
    }
}
