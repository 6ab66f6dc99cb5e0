//! A ring holds as many messages as it has slots, whatever was given up before.

use std::collections::VecDeque;

use super::*;

const DEAD: Owner = Owner(9);

impl Heap {
    fn give_up_and_hint(&self, claim: &Claim) {
        self.give_up(claim);
        self.step_across();
        self.hint_given_up(claim.position);
    }

    fn sent(&self) -> u64 {
        let passed = self.shared().stats.0.passed.load(Ordering::Relaxed) + u64::from(self.has_unmarked_gap());
        self.positions.count(self.tail().position()) - passed - self.census().writing
    }

    fn has_hint(&self) -> bool {
        self.has_gaps()
    }
}

#[test]
fn a_slot_given_up_in_the_middle_is_used_while_nothing_is_received() {
    for capacity in [2, 3, 5, 8, 100] {
        let ring = heap(capacity);
        let mut sent = vec![ring.send(A).unwrap()];
        for _ in 0..3 * capacity {
            let loan = ring.claim_as(A).unwrap();
            ring.give_up_and_hint(&loan);
        }
        while let Ok(position) = ring.send(A) {
            sent.push(position);
        }
        assert_eq!(sent.len() as u32, capacity);
        assert_eq!(ring.sent(), u64::from(capacity));
        let received: Vec<_> = std::iter::from_fn(|| ring.receive(B).ok()).collect();
        assert_eq!(received, sent);
        assert_eq!(ring.head().position(), ring.tail().position());
    }
}

#[test]
fn slots_given_up_while_an_older_loan_is_held_are_used() {
    let ring = heap(3);
    let held = ring.claim_as(A).unwrap();
    let [second, third] = [(); 2].map(|()| ring.claim_as(A).unwrap());
    ring.give_up_and_hint(&second);
    ring.give_up_and_hint(&third);
    let sent = [ring.send(A).unwrap(), ring.send(A).unwrap()];
    assert_eq!(ring.send(A), Err(Blocked::Full));
    assert_eq!(ring.receive(B), Err(Blocked::Empty), "the loan comes first");
    ring.publish(&held);
    let received = [(); 3].map(|()| ring.receive(B).unwrap());
    assert_eq!(received, [held.position, sent[0], sent[1]]);
}

#[test]
fn a_full_ring_with_gaps_does_not_use_up_positions() {
    let ring = heap(4);
    ring.send(A).unwrap();
    let loan = ring.claim_as(A).unwrap();
    ring.give_up_and_hint(&loan);
    while ring.send(A).is_ok() {}
    let before = ring.tail();
    for _ in 0..1000 {
        assert_eq!(ring.send(A), Err(Blocked::Full));
    }
    assert_eq!(ring.tail(), before);
}

#[test]
fn a_receiver_crosses_millions_of_given_up_positions_at_once() {
    let ring = heap(4);
    let first = ring.send(A).unwrap();
    let held = ring.claim_as(A).unwrap();
    for _ in 0..1_000_000 {
        let loan = ring.claim_as(A).unwrap();
        ring.give_up_and_hint(&loan);
    }
    ring.publish(&held);
    let last = ring.send(A).unwrap();
    assert!(ring.positions.count(last) > 1_000_000);
    assert_eq!([(); 3].map(|()| ring.receive(B)), [Ok(first), Ok(held.position), Ok(last)]);
    assert_eq!(ring.receive(B), Err(Blocked::Empty));
}

#[test]
fn a_dead_senders_slot_in_the_middle_is_used() {
    let ring = heap(3);
    let first = ring.send(A).unwrap();
    let _dead = ring.claim_as(DEAD).unwrap();
    let last = ring.send(A).unwrap();
    assert_eq!(ring.send(A), Err(Blocked::Full));
    ring.recover(DEAD, &|owner| owner == DEAD).unwrap();
    let more = ring.send(A).unwrap();
    assert_eq!(ring.send(A), Err(Blocked::Full));
    assert_eq!([(); 3].map(|()| ring.receive(B)), [Ok(first), Ok(last), Ok(more)]);
}

#[test]
fn the_hint_is_cleared_once_the_slots_are_in_order_again() {
    for capacity in [3, 64, 100] {
        let ring = heap(capacity);
        ring.send(A).unwrap();
        let loan = ring.claim_as(A).unwrap();
        ring.give_up_and_hint(&loan);
        while ring.send(A).is_ok() {}
        assert!(ring.has_hint(), "slots are out of order");
        while ring.receive(B).is_ok() {}
        for _ in 0..capacity {
            ring.send(A).unwrap();
        }
        assert_eq!(ring.send(A), Err(Blocked::Full));
        assert!(!ring.has_hint());
        assert_eq!(ring.send(A), Err(Blocked::Full));
    }
}

#[test]
fn the_hint_of_slots_that_nobody_can_free_out_of_turn_is_cleared_block_by_block() {
    let ring = heap(1024);
    let _held = {
        ring.send(A).unwrap();
        ring.lease_as(B).unwrap()
    };
    for _ in 0..1023 {
        ring.send(A).unwrap();
        ring.receive(B).unwrap();
    }
    ring.hint_all_room();
    while ring.send(A).is_ok() {}
    assert_eq!(ring.shared().hints.0.room.load(Ordering::Relaxed) as u32, 1, "only the block of the lease");
}

#[test]
fn a_sender_that_waits_for_the_next_slot_ends_the_need_for_gaps() {
    let ring = heap(8);
    ring.send(A).unwrap();
    let loan = ring.claim_as(A).unwrap();
    ring.give_up_and_hint(&loan);
    while ring.send(A).is_ok() {}
    for _ in 0..3 * 8 {
        ring.receive(B).unwrap();
        while let Ok(claim) = ring.claim(A, 0, Room::Next, &nobody) {
            ring.publish(&claim);
        }
    }
    while ring.send(A).is_ok() {}
    let [tail, head] = [ring.tail(), ring.head()].map(|counter| ring.positions.count(counter.position()));
    assert_eq!(tail - head, 8);
    assert_eq!(ring.send(A), Err(Blocked::Full));
    assert!(!ring.has_hint());
}

#[test]
fn a_gap_that_its_sender_left_open_is_ended_by_the_next_claim_and_crossed() {
    for closed in [false, true] {
        let ring = heap(3);
        let first = ring.send(A).unwrap();
        let tail = ring.tail();
        // What a sender leaves that dies after it opened a gap.
        let lap = [(); 2].map(|()| ring.claim_as(A).unwrap());
        lap.iter().for_each(|claim| ring.give_up_and_hint(claim));
        assert!(tail != ring.tail());
        let full = ring.tail();
        assert!(ring.move_tail(full, Counter::new(ring.positions.next(full.position()), Owner::SKIP)));
        assert_eq!(ring.sent(), 1);
        assert_eq!(ring.receive(B), Ok(first));
        assert_eq!(ring.receive(B), Err(Blocked::Empty));
        if closed {
            ring.close();
            ring.is_drained();
            assert_eq!(ring.receive(B), Err(Blocked::Empty));
            assert!(ring.is_drained());
        } else {
            assert!(!ring.has_work());
            let next = ring.send(A).unwrap();
            assert!(ring.has_work());
            assert_eq!(ring.receive(B), Ok(next));
        }
    }
}

/// What a plain queue of so many slots would do.
#[derive(Default)]
struct Plain {
    /// Claims and messages in order; `None`: not published.
    queue: VecDeque<(Position, bool)>,
    claims: Vec<Claim>,
    leases: Vec<Lease>,
    requeued: Vec<Position>,
    sent: u64,
}

#[test]
fn random_doings_of_one_thread_are_those_of_a_plain_queue() {
    let mut state = 3u64;
    let mut random = move |below: usize| {
        // Vigna's splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    };
    for round in 0..if cfg!(miri) { 20 } else { 3000 } {
        let capacity = [1, 2, 3, 4, 7, 40][random(6)];
        let (ring, mut plain) = (heap(capacity), Plain::default());
        // Some rounds receive much, some little.
        let eager = 1 + random(8);
        for step in 0..200 {
            let case = format!("round {round}, step {step}, capacity {capacity}");
            let used = plain.queue.len() + plain.leases.len() + plain.requeued.len();
            let room = if random(4) == 0 { Room::Next } else { Room::Any };
            match random(8 + eager) {
                0..=2 => match ring.claim(A, 0, room, &nobody) {
                    Ok(claim) => {
                        assert!(used < capacity as usize, "{case}: more than fits");
                        plain.queue.push_back((claim.position, false));
                        plain.claims.push(claim);
                    }
                    Err(Blocked::Full) => assert!(room == Room::Next || used == capacity as usize, "{case}: full"),
                    Err(blocked) => panic!("{case}: {blocked:?}"),
                },
                3..=4 if !plain.claims.is_empty() => {
                    let claim = plain.claims.swap_remove(random(plain.claims.len()));
                    ring.publish(&claim);
                    plain.queue.iter_mut().filter(|(at, _)| *at == claim.position).for_each(|(_, sent)| *sent = true);
                    plain.sent += 1;
                }
                5..=6 if !plain.claims.is_empty() => {
                    let claim = plain.claims.swap_remove(random(plain.claims.len()));
                    plain.queue.retain(|(at, _)| *at != claim.position);
                    match random(3) {
                        0 => ring.recover(A, &|owner| owner == A && plain.claims.is_empty()).unwrap(),
                        1 => ring.step_across(),
                        _ => {}
                    }
                    if ring.word(claim.index as usize) != Word::free(ring.positions.lap(claim.position) + 1) {
                        ring.give_up(&claim);
                        ring.step_across();
                        ring.hint_given_up(claim.position);
                    }
                }
                7 if !plain.leases.is_empty() => {
                    let lease = plain.leases.swap_remove(random(plain.leases.len()));
                    if random(3) == 0 {
                        ring.put_back(&lease);
                        plain.requeued.push(ring.positions.at(lease.lap, lease.index));
                    } else {
                        ring.release(&lease);
                    }
                }
                8.. => {
                    let lease = ring.lease_as(B);
                    let got = lease.map(|lease| ring.positions.at(lease.lap, lease.index));
                    if plain.requeued.is_empty() {
                        let next = plain.queue.front().filter(|(_, sent)| *sent).map(|(at, _)| *at);
                        assert_eq!(got, next.ok_or(Blocked::Empty), "{case}");
                        plain.queue.pop_front_if(|_| next.is_some());
                    } else {
                        let got = got.unwrap_or_else(|blocked| panic!("{case}: {blocked:?}"));
                        let at = plain.requeued.iter().position(|requeued| *requeued == got);
                        plain.requeued.swap_remove(at.unwrap_or_else(|| panic!("{case}: not requeued")));
                    }
                    plain.leases.extend(lease);
                }
                _ => {}
            }
            let waiting = plain.queue.iter().filter(|(_, sent)| *sent).count() + plain.requeued.len();
            let census = Census {
                waiting: waiting as u64,
                leased: plain.leases.len() as u64,
                writing: plain.claims.len() as u64,
            };
            assert_eq!((ring.census(), ring.sent()), (census, plain.sent), "{case}");
            let first = plain.queue.front().is_some_and(|(_, sent)| *sent) || !plain.requeued.is_empty();
            assert!(ring.has_work() || !first, "{case}: a message, and nobody is told");
        }
    }
}
