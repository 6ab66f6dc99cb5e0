//! Messages that come at a pace of their own.

use super::*;
use crate::spin::Wait;
use crate::wait_loop::simulation::{Code, Ends, Line, Thread, run};

/// What came of it at the receiver.
struct Received {
    /// How long each message was on its way.
    late: Vec<u64>,
    /// Its processor time, and how long the whole took.
    used: u64,
    took: u64,
    sleeps: u64,
}

impl Received {
    /// How much of a core, in thousandths.
    fn share(&self) -> f64 {
        self.used as f64 * 1000.0 / self.took as f64
    }
}

/// A sender that sends a message after each of these pauses, and a receiver that waits for each.
fn receive(prices: Prices, how: Wait, pauses: &[u64]) -> Received {
    let line = Line::new(0, 64);
    let mut late = Vec::new();
    let outcome = {
        // The sender finds room whenever it looks.
        let (tx, rx) = (Ends::new(&line, Wait::Park), Ends::new(&line, how));
        let late = &mut late;
        let send = move |thread: Thread<'_>| {
            let mut due = thread.time();
            for pause in pauses {
                due += pause;
                match due.saturating_sub(thread.time()) {
                    left if left > 10 * MICRO => thread.doze(left),
                    left => thread.spend(left),
                }
                tx.send(thread);
            }
        };
        let receive = move |thread: Thread<'_>| {
            for _ in pauses {
                let sent = rx.recv(thread);
                late.push(thread.time() - sent);
            }
        };
        run(2, prices, vec![Code::new(send), Code::new(receive)])
    };
    Received { late, used: outcome.used[1], took: outcome.took, sleeps: outcome.sleeps[1] }
}

#[test]
fn a_receiver_of_nothing_uses_next_to_nothing() {
    for wake in WAKES {
        let received = receive(prices(wake), Wait::Adaptive, &[10 * SECOND]);
        assert!(received.share() < 1.0, "{} of 1000: {wake}", received.share());
    }
}

#[test]
fn one_who_asks_for_messages_in_vain_spins_for_a_thousandth_of_a_core_or_so() {
    for wake in WAKES {
        for poll in [300 * MICRO, MILLI, 10 * MILLI, 100 * MILLI] {
            let used = |how| {
                let line = Line::new(0, 64);
                let rx = Ends::new(&line, how);
                let vain = |thread: Thread<'_>| {
                    for _ in 0..SECOND / poll {
                        assert!(rx.recv_within(thread, Some(poll)).is_err());
                    }
                };
                run(2, prices(wake), vec![Code::new(vain)]).used[0]
            };
            let (adaptive, park) = (used(Wait::Adaptive), used(Wait::Park));
            let more = (adaptive - park) as f64 / MILLI as f64;
            assert!(more < 2.0, "{more} of 1000 more than with parking: {wake}, {poll}");
        }
    }
}

#[test]
fn a_thousand_messages_a_second_cost_little_and_come_as_early_as_with_parking() {
    let mut dice = Dice(1);
    let even = vec![MILLI; 1000];
    let uneven: Vec<u64> = (0..1000).map(|_| MILLI / 2 + dice.below(MILLI)).collect();
    for wake in WAKES {
        for pauses in [&even, &uneven] {
            let [adaptive, park] = [Wait::Adaptive, Wait::Park].map(|how| receive(prices(wake), how, pauses));
            assert!(adaptive.share() < 10.0, "{} of 1000: {wake}", adaptive.share());
            assert!(adaptive.share() < park.share() + 3.0, "{} and {}: {wake}", adaptive.share(), park.share());
            let [late, parked] = [&adaptive, &park].map(|received| mean(&received.late));
            assert!(late <= parked * 11 / 10 + 50, "{late} and {parked}: {wake}");
        }
    }
}

#[test]
fn in_a_burst_only_the_first_message_wakes_the_receiver() {
    for wake in WAKES {
        // 50 messages every 10 ms, further apart than it takes to receive one, and closer than it takes to wake up.
        let apart = (wake / 2).min(5 * MICRO);
        let burst = |index| if index % 50 == 0 { 10 * MILLI } else { apart };
        let pauses: Vec<u64> = (0..50 * 40).map(burst).collect();
        let received = receive(prices(wake), Wait::Adaptive, &pauses);
        assert!(received.sleeps < 60, "{} sleeps for 40 bursts: {wake}", received.sleeps);
        // Of each burst: the messages themselves, and two prices.
        let most = 40 * (50 * apart.max(500) + 4 * wake);
        assert!(received.used < most + 10 * MILLI, "{} instead of {most}: {wake}", received.used);
        let late = mean(&received.late[500..]);
        assert!(late < 600 + wake * 50 / 50, "{late} late on average: {wake}");
    }
}

#[test]
fn whatever_the_pace_waiting_costs_no_more_than_twice_what_it_costs_who_knows_the_future() {
    const MESSAGES: usize = 400;
    for wake in [MICRO, 7 * MICRO, 200 * MICRO] {
        let price = 2 * wake;
        let mut dice = Dice(7);
        // Evenly spaced, from much too fast for parking to much too slow for spinning; and mixtures of all kinds.
        let mut paces: Vec<(String, Vec<u64>)> = [10, 30, 60, 90, 110, 150, 300, 1000, 10_000]
            .map(|percent| (format!("every {percent} %"), vec![price * percent / 100; MESSAGES]))
            .into();
        for (short, long, one_in) in [(10, 500, 2), (50, 500, 2), (90, 120, 2), (5, 2000, 10), (50, 200, 5)] {
            let mixed = |_| price * if dice.below(one_in) == 0 { long } else { short } / 100;
            paces.push((format!("{short} % or {long} %, one in {one_in}"), (0..MESSAGES).map(mixed).collect()));
        }
        // Heavy tails.
        let tail = |_| price * 1000 / (1 + dice.below(100_000));
        paces.push(("a trickle".into(), (0..MESSAGES).map(tail).collect()));
        for (name, pauses) in paces {
            let prices = prices(wake);
            let received = receive(prices, Wait::Adaptive, &pauses);
            // Processor time, and for each sleep what messages are later for it. A message itself takes some time too.
            let own = pauses.len() as u64 * (prices.work + 2 * prices.line + 300);
            let cost = (received.used + received.sleeps * wake).saturating_sub(own);
            let call = 3 * prices.call;
            let best: u64 = pauses.iter().map(|pause| (*pause).min(wake + call)).sum();
            // With all the credit there is spent first, and before anything was measured.
            let most = 2 * best.max(pauses.len() as u64 * 100) + 16 * price + 200 * MICRO;
            assert!(cost < most, "{cost} instead of {best}: {wake}, {name}");
        }
    }
}

#[test]
fn a_receiver_follows_a_pace_that_changes() {
    for wake in WAKES {
        let fast = wake.min(20 * MICRO);
        let pauses: Vec<u64> = (0..1500).map(|index| if index / 250 % 2 == 0 { 3 * MILLI } else { fast }).collect();
        let received = receive(prices(wake), Wait::Adaptive, &pauses);
        for part in [1, 3, 5] {
            let late = &received.late[part * 250..][..250];
            let slow = late.iter().filter(|late| **late > 1000).count();
            assert!(slow < 30, "{slow} of 250 were late: {wake}, part {part}");
        }
        assert!(received.sleeps < 750 + 75, "{}", received.sleeps);
    }
}
