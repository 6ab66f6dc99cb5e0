//! Nobody dies.

use super::*;

fn is_sorted_per_sender(values: &[u64]) {
    for sender in [1, 2] {
        let of_sender: Vec<_> = values.iter().filter(|value| **value / 10 == sender).collect();
        assert!(of_sender.is_sorted(), "{values:?}");
    }
}

#[test]
fn two_senders_and_a_receiver_keep_the_order_of_each() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let actors = [
                world.act(A, None, |hand| hand.try_sends(&[11, 12])),
                world.act(B, None, |hand| hand.try_sends(&[21, 22])),
                world.act(C, None, |hand| hand.try_receives(2)),
            ];
            let logs = join(actors);
            let mut received = logs[2].got.clone();
            received.extend(world.settle(logs));
            is_sorted_per_sender(&received);
        });
    }
}

#[test]
fn a_sender_and_two_receivers_share_what_there_is() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let actors = [
                world.act(A, None, |hand| hand.try_sends(&[11, 12, 13])),
                world.act(B, None, |hand| hand.try_receives(2)),
                world.act(C, None, |hand| hand.try_receives(2)),
            ];
            let logs = join(actors);
            logs.iter().for_each(|log| assert!(log.got.is_sorted()));
            world.settle(logs);
        });
    }
}

#[test]
fn a_full_ring_has_room_once_a_message_was_received() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let mut main = world.hand(MAIN);
            (1..=capacity).for_each(|value| main.send(value.into()).unwrap());
            let actors = [
                world.act(A, None, |hand| hand.try_sends(&[11])),
                world.act(B, None, |hand| hand.try_sends(&[21])),
                world.act(C, None, |hand| hand.try_receives(2)),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            world.settle(logs);
        });
    }
}

#[test]
fn a_leased_slot_is_skipped() {
    check(3, || {
        let world = World::new(2);
        let mut main = world.hand(MAIN);
        (1..=2).for_each(|value| main.send(value).unwrap());
        let (held, next) = (main.lease().unwrap(), main.lease().unwrap());
        main.release(&next);
        let actors =
            [world.act(A, None, |hand| hand.try_sends(&[11, 12])), world.act(B, None, |hand| hand.try_receives(1))];
        main.release(&held);
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

#[test]
fn two_senders_skip_a_leased_slot_at_once() {
    check(3, || {
        let world = World::new(2);
        let mut main = world.hand(MAIN);
        (1..=2).for_each(|value| main.send(value).unwrap());
        let (held, next) = (main.lease().unwrap(), main.lease().unwrap());
        main.release(&next);
        let actors = [
            world.act(A, None, |hand| hand.try_sends(&[11])),
            world.act(B, None, |hand| hand.try_sends(&[21])),
            world.act(C, None, |hand| hand.try_receives(1)),
        ];
        let mut logs = join(actors);
        main.release(&held);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

#[test]
fn what_is_given_up_is_passed_over_and_what_comes_after_it_is_not() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let actors = [
                world.act(A, None, |hand| {
                    if let Ok(claim) = hand.claim() {
                        hand.give_up(&claim);
                    }
                    hand.try_sends(&[11]);
                }),
                world.act(B, None, |hand| hand.try_sends(&[21])),
                world.act(C, None, |hand| hand.try_receives(2)),
            ];
            let logs = join(actors);
            world.settle(logs);
        });
    }
}

#[test]
fn what_is_put_back_is_received_again() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let mut main = world.hand(MAIN);
            main.send(1).unwrap();
            let actors = [
                world.act(A, None, |hand| hand.try_sends(&[11])),
                world.act(B, None, |hand| {
                    if let Ok(lease) = hand.lease() {
                        hand.put_back(&lease);
                    }
                }),
                world.act(C, None, |hand| hand.try_receives(2)),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            world.settle(logs);
        });
    }
}

#[test]
fn what_two_put_back_at_once_is_received_again() {
    check(2, || {
        let world = World::new(2);
        let mut main = world.hand(MAIN);
        (1..=2).for_each(|value| main.send(value).unwrap());
        let (one, two) = (main.lease().unwrap(), main.lease().unwrap());
        let actors = [
            world.act(A, None, move |hand| hand.put_back(&one)),
            world.act(B, None, move |hand| hand.put_back(&two)),
            world.act(C, None, |hand| hand.try_receives(2)),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

#[test]
fn what_was_sent_is_received_before_the_end_is_seen() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let ended = Arc::new(AtomicUsize::new(0));
            let says = Arc::clone(&ended);
            let actors = [
                world.act(A, None, |hand| hand.try_sends(&[11, 12])),
                world.act(B, None, |hand| assert!(hand.world.ring.close())),
                world.act(C, None, move |hand| {
                    for _ in 0..3 {
                        if hand.receive().is_err() && hand.world.ring.is_drained() {
                            says.store(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                }),
            ];
            let logs = join(actors);
            let rest = world.settle(logs);
            let ended = ended.load(std::sync::atomic::Ordering::Relaxed) == 1;
            assert!(world.ring.is_drained() && (!ended || rest.is_empty()), "{rest:?}");
        });
    }
}
