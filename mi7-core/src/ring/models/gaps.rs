//! Slots that were given up are used before their turn, and receivers cross the gaps.

use super::*;

impl World {
    /// Sees to it that there is room for as many messages as fit beside those that wait, and ends.
    fn fill_and_settle(self: &Arc<World>, mut logs: Vec<Log>) {
        let mut main = self.hand(MAIN);
        main.reap();
        let census = self.ring.census();
        assert_eq!((census.leased, census.writing), (0, 0), "{logs:?}, {self:?}");
        for more in census.waiting..u64::from(self.ring.positions.capacity()) {
            assert_eq!(main.send(3001 + more), Ok(()), "{census:?}, {logs:?}, {self:?}");
        }
        assert_eq!(main.send(0), Err(Blocked::Full), "{census:?}, {logs:?}, {self:?}");
        let counted = self.ring.positions.count(self.ring.tail().position())
            - self.ring.shared().stats.0.passed.load(Ordering::Relaxed);
        logs.push(std::mem::take(&mut main.log));
        if logs.iter().all(|log| log.died.is_none()) {
            assert_eq!(counted as usize, logs.iter().flat_map(|log| &log.acked).count(), "{logs:?}");
        }
        self.settle(logs);
    }
}

/// A message waits in slot 0, and a loan of slot 1 is held.
fn with_a_message_and_a_loan(capacity: u32) -> (Arc<World>, Hand, Claim) {
    let world = World::new(capacity);
    let mut main = world.hand(MAIN);
    main.send(1).unwrap();
    let loan = main.claim().unwrap();
    (world, main, loan)
}

#[test]
fn what_is_given_up_is_used_while_others_send_and_receive() {
    for capacity in [2, 3] {
        check(2, move || {
            let (world, mut main, loan) = with_a_message_and_a_loan(capacity);
            let actors = [
                world.act(A, None, move |hand| hand.give_up(&loan)),
                world.act(B, None, |hand| hand.try_sends(&[21])),
                world.act(C, None, |hand| hand.try_receives(1)),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            world.fill_and_settle(logs);
        });
    }
}

#[test]
fn two_senders_make_for_the_same_free_slot() {
    for capacity in [2, 3] {
        check(2, move || {
            let (world, mut main, loan) = with_a_message_and_a_loan(capacity);
            main.give_up(&loan);
            let actors = [
                world.act(A, None, |hand| hand.try_sends(&[11])),
                world.act(B, None, |hand| hand.try_sends(&[21])),
                world.act(C, None, |hand| hand.try_receives(1)),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            world.fill_and_settle(logs);
        });
    }
}

#[test]
fn a_receiver_follows_a_sender_across_a_gap() {
    check(2, || {
        let (world, mut main, loan) = with_a_message_and_a_loan(2);
        main.give_up(&loan);
        let actors =
            [world.act(A, None, |hand| hand.try_sends(&[11, 12])), world.act(B, None, |hand| hand.try_receives(2))];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.fill_and_settle(logs);
    });
}

#[test]
fn two_receivers_cross_a_gap_at_once() {
    check(2, || {
        let (world, mut main, loan) = with_a_message_and_a_loan(2);
        main.give_up(&loan);
        main.send(2).unwrap();
        let actors = [world.act(B, None, |hand| hand.try_receives(2)), world.act(C, None, |hand| hand.try_receives(2))];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.fill_and_settle(logs);
    });
}

/// The hint is set, and a sender that finds nothing clears it while somebody gives up.
#[test]
fn a_sender_that_finds_no_room_hides_none() {
    for capacity in [2, 3] {
        check(3, move || {
            let (world, mut main, loan) = with_a_message_and_a_loan(capacity);
            (2..capacity).for_each(|value| main.send(value.into()).unwrap());
            world.ring.recover(MAIN, &|_| false).unwrap();
            assert!(world.ring.has_gaps());
            let actors = [
                world.act(A, None, move |hand| hand.give_up(&loan)),
                world.act(B, None, |hand| hand.try_sends(&[21, 22])),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            world.fill_and_settle(logs);
        });
    }
}

#[test]
fn a_lease_that_was_skipped_frees_a_slot_that_is_used() {
    check(2, || {
        let world = World::new(3);
        let mut main = world.hand(MAIN);
        (1..=3).for_each(|value| main.send(value).unwrap());
        let [held, next] = [(); 2].map(|()| main.lease().unwrap());
        main.release(&next);
        let actors = [
            world.act(A, None, |hand| hand.try_sends(&[11, 12])),
            world.act(B, None, move |hand| _ = hand.release(&held)),
            world.act(C, None, |hand| hand.try_receives(1)),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.fill_and_settle(logs);
    });
}

#[test]
fn a_gap_is_opened_while_the_channel_is_closed() {
    check(3, || {
        let (world, mut main, loan) = with_a_message_and_a_loan(2);
        main.give_up(&loan);
        let actors = [
            world.act(A, None, |hand| hand.try_sends(&[11])),
            world.act(B, None, |hand| assert!(hand.world.ring.close())),
            world.act(C, None, |hand| hand.try_receives(2)),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.ring.is_drained();
        world.settle(logs);
        assert!(world.ring.is_drained());
    });
}

pub(super) const OPENER: &[Doom] = &[
    ("gap opened", 1),
    ("gap marked, not yet counted", 1),
    ("tail claimed behind a gap", 1),
    ("claim given up, slot not yet free", 1),
    ("claim given up, not yet counted", 1),
];

#[test]
fn who_makes_a_gap_may_die_anywhere() {
    for &doom in OPENER {
        DEATHS.set(0);
        eprint!("{doom:?}: ");
        check(2, move || {
            // Messages wait in slots 0 and 1, and slot 2 was given up.
            let world = World::new(3);
            let mut main = world.hand(MAIN);
            (1..=2).for_each(|value| main.send(value).unwrap());
            let loan = main.claim().unwrap();
            main.give_up(&loan);
            let actors = [
                world.act(A, Some(doom), |hand| {
                    if let Ok(loan) = hand.claim() {
                        hand.give_up(&loan);
                    }
                    hand.try_sends(&[11]);
                }),
                world.act(B, None, |hand| {
                    hand.reap();
                    hand.try_sends(&[21]);
                    hand.try_receives(1);
                }),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            world.fill_and_settle(logs);
        });
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}
