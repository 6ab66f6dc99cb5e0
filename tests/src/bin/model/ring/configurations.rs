//! What is searched, and which planted mistakes have to be found.

use super::*;
use crate::search::{Case, check};

pub fn cases() -> Vec<Case> {
    let case = |c: Config| Case {
        name: c.name,
        quick: c.quick,
        planted: c.plant != Nothing,
        check: Box::new(move || check(&c)),
    };
    configurations().into_iter().map(case).collect()
}

fn configurations() -> Vec<Config> {
    let one_to_one = Config { each: 3, deaths: 1, end: 8, give_ups: 1, put_backs: 1, ..PLAIN };
    let leases = Config { slots: 2, receivers: 2, names: 3, each: 3, end: 6, look_around: false, ..PLAIN };
    let two_senders = Config { senders: 2, names: 3, slots: 2, each: 1, deaths: 1, end: 4, ..PLAIN };
    let two_receivers = Config { receivers: 2, names: 3, each: 2, deaths: 1, end: 4, put_backs: 1, ..PLAIN };
    let two_of_each = Config { receivers: 2, names: 4, ..two_senders };
    let new_sender = Config { late_senders: 1, reapers: 1, deaths: 1, end: 5, look_around: false, ..PLAIN };
    let new_receiver =
        Config { late_receivers: 1, reapers: 1, deaths: 1, end: 4, each: 2, look_around: false, ..PLAIN };
    let recoverers =
        Config { reapers: 2, deaths: 2, receivers: 2, names: 3, each: 1, end: 3, look_around: false, ..PLAIN };
    let leaving =
        Config { late_senders: 1, reapers: 1, each: 1, end: 5, leave: true, give_ups: 1, look_around: false, ..PLAIN };
    let forgetting = Config { forget: true, senders: 2, slots: 2, names: 3, end: 4, late_senders: 1, ..PLAIN };
    let closing =
        Config { closer: true, slots: 2, receivers: 2, names: 3, each: 3, end: 6, look_around: false, ..PLAIN };
    let ending = Config { each: 2, end: 3, put_backs: 1, hint: HintRule::Count, ..closing };
    // Somebody gives a slot up while older messages and loans are there, so that gaps come about.
    let gaps = Config { slots: 3, filled: 1, senders: 2, names: 3, end: 9, give_ups: 1, look_around: false, ..PLAIN };
    let held = Config { filled: 0, ..gaps };
    let dying = Config { deaths: 1, look_around: true, ..gaps };
    let leased = Config { filled: 0, senders: 1, receivers: 2, each: 4, give_ups: 0, ..gaps };
    let closed = Config { closer: true, ..gaps };
    let q = |c: Config, name| Config { quick: true, name, ..c };
    let l = |c: Config, name| Config { name, ..c };
    let plant = |c: Config, plant, name| Config { plant, name, quick: true, ..c };
    vec![
        l(Config { give_ups: 1, end: 5, ..two_of_each }, "capacity 2, 2:2, 1 message each, giving up, 1 death"),
        l(
            Config { deaths: 1, look_around: true, ..leases },
            "capacity 2, 1:2, 3 messages, leases passed over, 1 death",
        ),
        l(
            Config { deaths: 1, put_backs: 1, hint: HintRule::Count, ..closing },
            "capacity 2, 1:2, 3 messages, putting back, closing, 1 death",
        ),
        l(
            Config { deaths: 2, put_backs: 1, each: 2, ..new_receiver },
            "capacity 1, receivers die, putting back, a new one takes the name, 2 deaths",
        ),
        l(
            Config { deaths: 2, slots: 2, senders: 2, names: 3, ..new_sender },
            "capacity 2, 2:1, senders die, a new one takes the name, 2 deaths",
        ),
        l(Config { put_backs: 1, ..recoverers }, "capacity 1, 1:2, putting back, two recoverers, 2 deaths"),
        l(
            Config { deaths: 1, ..forgetting },
            "capacity 2, 2:1, a sender forgets a claim and leaves, a new one takes its name, 1 death",
        ),
        q(gaps, "gaps: 3 slots, a message there, 2 senders, one gives up"),
        q(Config { filled: 2, ..gaps }, "gaps: 3 slots, 2 messages there, 2 senders, one gives up"),
        q(
            Config { filled: 2, give_ups: 2, senders: 1, names: 2, ..gaps },
            "gaps: 3 slots, 2 messages there, a sender gives up twice",
        ),
        q(
            Config { filled: 1, each: 2, senders: 1, receivers: 2, ..gaps },
            "gaps: 3 slots, a message there, 1:2, a sender gives up",
        ),
        q(held, "gaps: 3 slots, nothing there, 2 senders, one gives up"),
        q(dying, "gaps: 3 slots, a message there, 2 senders, one gives up, 1 death"),
        q(leased, "gaps: 3 slots, 1:2, 4 messages, leases passed over"),
        q(closed, "gaps: 3 slots, a message there, one gives up, closing"),
        q(Config { slots: 2, ..gaps }, "gaps: 2 slots, a message there, 2 senders, one gives up"),
        q(one_to_one, "capacity 1, 1:1, 3 messages, giving up, putting back, 1 death"),
        q(Config { slots: 2, ..one_to_one }, "capacity 2, 1:1, the same"),
        q(two_receivers, "capacity 1, 1:2, 2 messages, putting back, 1 death"),
        q(leases, "capacity 2, 1:2, 3 messages, leases passed over, no death"),
        q(Config { give_ups: 1, ..two_senders }, "capacity 2, 2:1, 1 message each, giving up, 1 death"),
        q(two_of_each, "capacity 2, 2:2, 1 message each, 1 death"),
        q(new_sender, "capacity 1, a sender dies, a new one takes its name, a recoverer lags behind"),
        q(new_receiver, "capacity 1, a receiver dies, a new one takes its name, a recoverer lags behind"),
        q(recoverers, "capacity 1, 1:2, two recoverers, 2 deaths"),
        q(leaving, "capacity 1, a sender gives up, sends and leaves, a new one takes its name"),
        q(forgetting, "capacity 2, 2:1, a sender forgets a claim and leaves, a new one takes its name"),
        q(closing, "capacity 2, 1:2, 3 messages, closing, leases passed over"),
        q(ending, "capacity 2, 1:2, closing, putting back, the hint counted"),
        plant(two_senders, Plant::TailNotRecorded, "planted: sender's claim not recorded"),
        plant(Config { slots: 2, ..two_receivers }, Plant::HeadNotRecorded, "planted: receiver's claim not recorded"),
        plant(leases, Plant::GapNotMarked, "planted: the mark of a gap left out"),
        plant(
            new_sender,
            Plant::RecoverDoesNotAskAgain,
            "planted: recover does not ask again whether the owner is dead",
        ),
        plant(
            new_sender,
            Plant::RecoverRecordsNothing,
            "planted: entry given away before the counters are recorded (sender)",
        ),
        plant(
            new_receiver,
            Plant::RecoverRecordsNothing,
            "planted: entry given away before the counters are recorded (receiver)",
        ),
        plant(recoverers, Plant::RecoverHintsOnlyItsOwn, "planted: recover hints only what it put back itself"),
        plant(
            Config { deaths: 2, ..new_receiver },
            Plant::EntryFreedByStore,
            "planted: entry given back without looking at its generation",
        ),
        plant(two_receivers, Plant::HintClearedAfterScan, "planted: hint cleared after the scan"),
        plant(
            two_of_each,
            Plant::FreeByStore,
            "planted: a slot freed whose word changed before its owner was found dead",
        ),
        plant(
            new_sender,
            Plant::EntryFreedThoughSpared,
            "b74d367: a newcomer's lock makes a recoverer leave a slot out (sender)",
        ),
        plant(
            new_receiver,
            Plant::EntryFreedThoughSpared,
            "b74d367: a newcomer's lock makes a recoverer leave a slot out (receiver)",
        ),
        plant(
            forgetting,
            Plant::LeftWithClaims,
            "b74d367: who leaves with a forgotten claim gives its name away with it",
        ),
        plant(closing, Plant::ClosedBeforeRecord, "b74d367: Closed before the last passed-over position is marked"),
        plant(
            Config { hint: HintRule::Swap, ..ending },
            Plant::HintTakenWhileScanning,
            "b74d367: hint 0 while somebody scans, another is told of the end",
        ),
    ]
}
