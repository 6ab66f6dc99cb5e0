//! Two that wait for one another.

use super::*;
use crate::spin::Wait;
use crate::wait_loop::simulation::{Code, Ends, Line, Outcome, Thread, run};

/// What an end does before the ping-pong: it has the channel on which it is going to receive, and 0 is the one that begins.
type Before<'a> = &'a (dyn Fn(Thread<'_>, &Ends<'_>, usize) + Sync);

/// A ping-pong between two processes, over two channels.
struct PingPong<'a> {
    prices: Prices,
    processors: usize,
    pinned: [Option<usize>; 2],
    skew: u64,
    trips: usize,
    /// How long the far end works on its answer.
    work: u64,
    before: Before<'a>,
}

impl PingPong<'_> {
    fn new(prices: Prices) -> Self {
        let pinned = [None; 2];
        PingPong { prices, processors: 2, pinned, skew: 0, trips: 100, work: 0, before: &|_, _, _| () }
    }

    /// How long each trip took, and what came of it all.
    fn run(&self, how: Wait) -> (Vec<u64>, Outcome) {
        let lines = [Line::new(0, 64), Line::new(1, 64)];
        let mut times = Vec::new();
        let outcome = {
            // Each process opens both channels.
            let [near, far] = [(); 2].map(|()| lines.each_ref().map(|line| Ends::new(line, how)));
            let times = &mut times;
            let near = move |thread: Thread<'_>| {
                (self.before)(thread, &near[1], 0);
                for _ in 0..self.trips {
                    let begun = thread.time();
                    near[0].send(thread);
                    near[1].recv(thread);
                    times.push(thread.time() - begun);
                }
            };
            let far = move |thread: Thread<'_>| {
                (self.before)(thread, &far[0], 1);
                for _ in 0..self.trips {
                    far[0].recv(thread);
                    thread.spend(self.work);
                    far[1].send(thread);
                }
            };
            let codes =
                vec![Code::new(near).on(self.pinned[0]), Code::new(far).on(self.pinned[1]).with_skew(self.skew)];
            run(self.processors, self.prices, codes)
        };
        (times, outcome)
    }

    /// How long the trips take in the long run that are spun for.
    fn best(&self) -> u64 {
        PingPong { before: &|_, _, _| (), trips: 50, ..*self }.run(Wait::Spin).0[49]
    }
}

/// The far end is parked when the near one begins.
fn idle(thread: Thread<'_>, _: &Ends<'_>, side: usize) {
    if side == 0 {
        thread.doze(50 * MILLI);
    }
}

#[test]
fn a_cold_ping_pong_reaches_the_speed_of_spinning_within_a_few_trips() {
    for wake in WAKES {
        for line in [60, 140, 400] {
            for look in [10, 25, 60] {
                let prices = Prices { line, look, ..prices(wake) };
                let pingpong = PingPong { before: &idle, ..PingPong::new(prices) };
                let (best, (times, _)) = (pingpong.best(), pingpong.run(Wait::Adaptive));
                let slow = times[4..].iter().filter(|trip| **trip > best * 13 / 10).count();
                assert!(slow <= 3, "{slow} slow trips, not {best}: {prices:?}");
                let first: u64 = times[..4].iter().sum();
                assert!(first < 5 * wake + 4 * best, "{first}: {prices:?}");
            }
        }
    }
}

#[test]
fn one_that_begins_after_long_waiting_in_vain_does_so_too() {
    for wake in WAKES {
        for poll in [200 * MICRO, MILLI, 20 * MILLI] {
            // Whatever credit there was is spent.
            let vain = |thread: Thread<'_>, ends: &Ends<'_>, _| {
                for _ in 0..400 * MILLI / poll {
                    assert!(ends.recv_within(thread, Some(poll)).is_err());
                }
            };
            let pingpong = PingPong { before: &vain, ..PingPong::new(prices(wake)) };
            let (best, (times, _)) = (pingpong.best(), pingpong.run(Wait::Adaptive));
            let slow = times.iter().filter(|trip| **trip > best * 13 / 10).count();
            assert!(slow < 60, "{slow} slow trips, not {best}: {wake}, {poll}");
        }
    }
}

#[test]
fn where_both_ends_share_a_processor_they_are_nearly_as_fast_as_with_parking() {
    for wake in WAKES {
        let pinned = [Some(0); 2];
        let pingpong = PingPong { pinned, trips: 1000, ..PingPong::new(prices(wake)) };
        let [(adaptive, _), (park, _)] = [Wait::Adaptive, Wait::Park].map(|how| pingpong.run(how));
        // The first ones find out.
        let (adaptive, park) = (mean(&adaptive[100..]), mean(&park[100..]));
        assert!(adaptive < park * 5 / 4, "{adaptive}, and {park} with parking: {wake}");
    }
}

#[test]
fn clocks_that_differ_do_no_harm() {
    for wake in [2 * MICRO, 30 * MICRO] {
        for skew in [30 * MICRO, 0u64.wrapping_sub(30 * MICRO), 500 * MICRO, 1 << 40 | 123_456_789] {
            let pingpong = PingPong { before: &idle, skew, ..PingPong::new(prices(wake)) };
            let (best, (times, outcome)) = (pingpong.best(), pingpong.run(Wait::Adaptive));
            let slow = times[8..].iter().filter(|trip| **trip > best * 13 / 10).count();
            assert!(slow <= 3, "{slow} slow trips, not {best}: {wake}, {skew}");
            assert!(outcome.used.iter().all(|used| *used < MILLI), "{outcome:?}: {wake}, {skew}");
        }
    }
}

#[test]
fn answers_that_take_long_cost_no_more_than_twice_the_best_way_of_waiting() {
    for wake in WAKES {
        for tenths in [5, 10, 15, 25, 50, 200] {
            let work = wake * tenths / 10;
            let pingpong = PingPong { work, ..PingPong::new(prices(wake)) };
            // Time that both ends take, and the processors that they use: of either end, how much is due to waiting.
            let cost = |how| {
                let (times, outcome) = pingpong.run(how);
                times.iter().sum::<u64>() + outcome.used.iter().sum::<u64>() - pingpong.trips as u64 * 2 * work
            };
            let [spin, adaptive, park] = [Wait::Spin, Wait::Adaptive, Wait::Park].map(cost);
            let best = spin.min(park);
            assert!(adaptive < best * 2 + 20 * wake, "{adaptive}, {spin}, {park}: {wake}, {work}");
        }
    }
}
