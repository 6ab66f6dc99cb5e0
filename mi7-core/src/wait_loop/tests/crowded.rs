//! More waiters than processors.

use super::*;
use crate::spin::Wait;
use crate::wait_loop::simulation::{Code, Ends, Line, Outcome, Thread, run};

/// So many ping-pongs at once; each end pinned to a processor, the two of a pair to different ones if there are, or none.
fn ping_pongs(processors: usize, prices: Prices, how: Wait, pairs: usize, trips: usize, pinned: bool) -> Outcome {
    let lines: Vec<_> = (0..2 * pairs).map(|index| Line::new(index, 64)).collect();
    let ends: Vec<_> = lines
        .chunks(2)
        .flat_map(|pair| [pair, pair])
        .map(|pair| [Ends::new(&pair[0], how), Ends::new(&pair[1], how)])
        .collect();
    let codes = ends.iter().enumerate().map(|(index, ends)| {
        Code::new(move |thread: Thread<'_>| {
            for _ in 0..trips {
                if index % 2 == 0 {
                    ends[0].send(thread);
                    ends[1].recv(thread);
                } else {
                    ends[0].recv(thread);
                    ends[1].send(thread);
                }
            }
        })
        .on(pinned.then_some(index % processors))
    });
    run(processors, prices, codes.collect())
}

/// So many senders and as many receivers, on one channel.
fn several_to_several(
    processors: usize,
    prices: Prices,
    how: Wait,
    each: usize,
    capacity: u64,
    messages: usize,
) -> Outcome {
    let line = Line::new(0, capacity);
    let ends: Vec<_> = (0..2 * each).map(|_| Ends::new(&line, how)).collect();
    let codes = ends.iter().enumerate().map(|(index, ends)| {
        Code::new(move |thread: Thread<'_>| {
            for _ in 0..messages {
                if index % 2 == 0 {
                    ends.send(thread);
                } else {
                    ends.recv(thread);
                }
            }
        })
    });
    run(processors, prices, codes.collect())
}

/// Machines that take the processor from a thread sooner and later.
fn machines() -> impl Iterator<Item = Prices> {
    let slices = [20 * MICRO, 3 * MILLI];
    [2 * MICRO, 30 * MICRO].into_iter().flat_map(move |wake| slices.map(|slice| Prices { slice, ..prices(wake) }))
}

/// Nearly as fast as with parking; but the credit that there is at first is spent.
fn assert_close(adaptive: u64, park: u64, waiters: usize, what: &str) {
    let most = park * 5 / 4 + waiters as u64 * 700 * MICRO;
    assert!(adaptive < most, "{adaptive}, and {park} with parking: {what}");
}

#[test]
fn more_ping_pongs_than_processors_are_about_as_fast_as_with_parking() {
    for prices in machines() {
        for (processors, pairs) in [(1, 1), (1, 3), (2, 2), (2, 4), (3, 4)] {
            for pinned in [false, true] {
                let took = |how| ping_pongs(processors, prices, how, pairs, 200, pinned).took;
                let (adaptive, park) = (took(Wait::Adaptive), took(Wait::Park));
                assert_close(adaptive, park, 2 * pairs, &format!("{pairs} on {processors}, {pinned}, {prices:?}"));
            }
        }
    }
}

#[test]
fn several_to_several_use_about_as_much_of_the_processors_as_with_parking() {
    for prices in machines() {
        for capacity in [4, 64] {
            for (processors, each) in [(1, 1), (1, 2), (2, 4)] {
                // How long it takes is a matter of luck: of who wakes whom.
                let used = |how| {
                    let outcome = several_to_several(processors, prices, how, each, capacity, 400);
                    outcome.used.iter().sum::<u64>()
                };
                let (adaptive, park) = (used(Wait::Adaptive), used(Wait::Park));
                assert_close(adaptive, park, 2 * each, &format!("{each} on {processors}, {capacity}, {prices:?}"));
            }
        }
    }
}

#[test]
fn a_peer_that_has_to_share_its_processor_is_not_waited_for_in_vain_all_the_time() {
    for prices in machines() {
        let lines = [Line::new(0, 64), Line::new(1, 64)];
        let share = |how| {
            let [near, far] = [(); 2].map(|()| lines.each_ref().map(|line| Ends::new(line, how)));
            let near = move |thread: Thread<'_>| {
                for _ in 0..100 {
                    near[0].send(thread);
                    near[1].recv(thread);
                    // Long enough for the far end to have to sleep and queue again.
                    thread.spend(100 * MICRO);
                }
            };
            let far = move |thread: Thread<'_>| {
                for _ in 0..100 {
                    far[0].recv(thread);
                    far[1].send(thread);
                }
            };
            let hog = |thread: Thread<'_>| thread.spend(SECOND / 2);
            let codes = vec![Code::new(near).on(Some(0)), Code::new(far).on(Some(1)), Code::new(hog).on(Some(1))];
            let outcome = run(2, prices, codes);
            outcome.used[0]
        };
        let (adaptive, park) = (share(Wait::Adaptive), share(Wait::Park));
        assert_close(adaptive, park, 1, &format!("{prices:?}"));
    }
}
