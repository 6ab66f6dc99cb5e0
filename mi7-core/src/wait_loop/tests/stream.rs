//! Messages as fast as they can be sent.

use super::*;
use crate::spin::Wait;
use crate::wait_loop::simulation::{Code, Ends, Line, Thread, run};

/// How long so many messages take, one after the other, where the sender and the receiver have work to do for each.
fn stream(prices: Prices, how: Wait, capacity: u64, work: [u64; 2]) -> u64 {
    const MESSAGES: usize = 2000;
    let line = Line::new(0, capacity);
    let (tx, rx) = (Ends::new(&line, how), Ends::new(&line, how));
    let send = |thread: Thread<'_>| {
        for _ in 0..MESSAGES {
            thread.spend(work[0]);
            tx.send(thread);
        }
    };
    let receive = |thread: Thread<'_>| {
        for _ in 0..MESSAGES {
            rx.recv(thread);
            thread.spend(work[1]);
        }
    };
    run(2, prices, vec![Code::new(send), Code::new(receive)]).took
}

#[test]
fn a_receiver_that_is_faster_than_its_sender_gives_it_a_head_start_however_slow_lines_are() {
    // Unless it does, each message takes the time of a line longer.
    for (line, look, work) in [(60, 25, 200), (60, 60, 200), (400, 25, 200), (400, 60, 200), (400, 60, 1000)] {
        let prices = Prices { line, look, ..prices(7 * MICRO) };
        let [adaptive, spin] = [Wait::Adaptive, Wait::Spin].map(|how| stream(prices, how, 1024, [work, 0]));
        assert!(adaptive < spin * 9 / 10, "{adaptive}, and {spin} on its heels: {line}, {look}, {work}");
    }
}

#[test]
fn no_stream_is_slower_for_it() {
    for line in [60, 140, 400] {
        for (look, capacity) in [(10, 1024), (60, 1024), (25, 16)] {
            for work in [[0, 0], [50, 0], [200, 0], [2000, 0], [0, 300], [0, 2000]] {
                let prices = Prices { line, look, ..prices(7 * MICRO) };
                let [adaptive, spin] = [Wait::Adaptive, Wait::Spin].map(|how| stream(prices, how, capacity, work));
                let most = spin * 103 / 100 + 100 * MICRO;
                assert!(adaptive < most, "{adaptive}, and {spin} without: {line}, {look}, {capacity}, {work:?}");
            }
        }
    }
}
