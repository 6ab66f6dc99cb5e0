//! The ring on the heap, one thread at a time: each row of the rules. The orders that threads can make of them are the
//! model checker's.

use super::*;

mod gaps;

const A: Owner = Owner(1);
const B: Owner = Owner(2);

/// A ring in memory of its own.
struct Heap {
    ring: Ring,
    // What the ring points to.
    _shared: Box<Shared>,
    marks: Box<[AtomicU64]>,
    slots: Box<[AtomicU64]>,
}

fn heap(capacity: u32) -> Heap {
    heap_at(capacity, 0)
}

/// A ring that has gone round `lap` times.
fn heap_at(capacity: u32, lap: u64) -> Heap {
    let positions = Positions::new(capacity);
    let start = Counter::new(positions.at(lap, 0), Owner::NOBODY);
    let shared = Shared::starting_at(start.0);
    let marks: Box<[_]> = (0..capacity).map(|_| AtomicU64::new(0)).collect();
    let slots: Box<[_]> = (0..capacity).map(|_| AtomicU64::new(Word::free(lap).0)).collect();
    // SAFETY: all of it lives as long as the ring, and is made of atomics.
    let ring = unsafe {
        Ring::new(
            NonNull::from(&*shared),
            NonNull::from(&marks[0]),
            NonNull::from(&slots[0]).cast(),
            size_of::<AtomicU64>(),
            positions,
        )
    };
    Heap { ring, _shared: shared, marks, slots }
}

impl std::ops::Deref for Heap {
    type Target = Ring;
    fn deref(&self) -> &Ring {
        &self.ring
    }
}

fn nobody(_: Owner) -> bool {
    false
}

impl Heap {
    fn claim_as(&self, me: Owner) -> Result<Claim, Blocked> {
        self.claim(me, 0, Room::Any, &nobody)
    }
    fn send(&self, me: Owner) -> Result<Position, Blocked> {
        let claim = self.claim_as(me)?;
        self.publish(&claim);
        Ok(claim.position)
    }
    fn lease_as(&self, me: Owner) -> Result<Lease, Blocked> {
        self.lease(me, 0, &nobody)
    }
    /// The position of the message received.
    fn receive(&self, me: Owner) -> Result<Position, Blocked> {
        let lease = self.lease_as(me)?;
        self.release(&lease);
        Ok(self.positions.at(lease.lap, lease.index))
    }
    fn word(&self, index: usize) -> Word {
        Word(self.slots[index].load(Ordering::Relaxed))
    }
}

#[test]
fn messages_come_out_in_the_order_they_went_in() {
    for capacity in [1, 2, 3, 7] {
        let ring = heap(capacity);
        for _ in 0..5 {
            let sent: Vec<_> = (0..capacity).map(|_| ring.send(A).unwrap()).collect();
            assert_eq!(ring.send(A), Err(Blocked::Full));
            let received: Vec<_> = (0..capacity).map(|_| ring.receive(B).unwrap()).collect();
            assert_eq!(sent, received);
            assert_eq!(ring.receive(B), Err(Blocked::Empty));
        }
    }
}

#[test]
fn held_leases_take_their_room_and_no_more() {
    let ring = heap(4);
    for _ in 0..4 {
        ring.send(A).unwrap();
    }
    let held: Vec<_> = (0..3).map(|_| ring.lease_as(B).unwrap()).collect();
    let last = ring.lease_as(B).unwrap();
    assert_eq!(ring.send(A), Err(Blocked::Full));
    ring.release(&last);
    // One slot goes round while three are held.
    for _ in 0..100 {
        ring.send(A).unwrap();
        assert_eq!(ring.send(A), Err(Blocked::Full));
        ring.receive(B).unwrap();
        assert_eq!(ring.receive(B), Err(Blocked::Empty));
    }
    held.iter().for_each(|lease| ring.release(lease));
    for _ in 0..4 {
        ring.send(A).unwrap();
    }
    assert_eq!(ring.send(A), Err(Blocked::Full));
}

#[test]
fn a_channel_full_of_leases_does_not_run_up_positions() {
    let ring = heap(2);
    let held = [(); 2].map(|()| {
        ring.send(A).unwrap();
        ring.lease_as(B).unwrap()
    });
    let before = ring.tail();
    for _ in 0..1000 {
        assert_eq!(ring.send(A), Err(Blocked::Full));
    }
    assert_eq!(ring.tail(), before);
    held.iter().for_each(|lease| ring.release(lease));
    ring.send(A).unwrap();
    ring.receive(B).unwrap();
}

#[test]
fn a_loan_given_back_is_passed_over() {
    for capacity in [1, 2, 3] {
        let ring = heap(capacity);
        for _ in 0..10 {
            let claim = ring.claim_as(A).unwrap();
            ring.give_up(&claim);
            ring.step_across();
        }
        assert_eq!(ring.head().position(), ring.tail().position(), "receivers have no way to go");
        let sent = ring.send(A).unwrap();
        assert_eq!(ring.receive(B), Ok(sent));
    }
}

#[test]
fn what_is_sent_behind_a_loan_waits_for_it() {
    let ring = heap(4);
    let loan = ring.claim_as(A).unwrap();
    let behind = ring.send(B).unwrap();
    assert_eq!(ring.receive(B), Err(Blocked::Empty));
    ring.give_up(&loan);
    assert_eq!(ring.receive(B), Ok(behind));
}

#[test]
fn the_next_claimer_records_the_one_before() {
    let ring = heap(2);
    let first = ring.claim_as(A).unwrap();
    assert_eq!(ring.word(0), Word::free(0), "a claim leaves the slot alone");
    let second = ring.claim_as(B).unwrap();
    assert_eq!(ring.word(0), Word::writing(0, A));
    ring.publish(&first);
    ring.publish(&second);
    let one = ring.lease_as(A).unwrap();
    assert_eq!(ring.word(0), Word::ready(0));
    let two = ring.lease_as(B).unwrap();
    assert_eq!(ring.word(0), Word::leased(0, A, 0));
    ring.release(&two);
    ring.release(&one);
    assert_eq!((ring.word(0), ring.word(1)), (Word::free(1), Word::free(1)));
}

#[test]
fn a_dead_sender_is_passed_over_wherever_it_died() {
    // Recorded or not; met by a receiver, by a sender that came round, or by recovery.
    for recorded in [false, true] {
        for finder in 0..3 {
            let ring = heap(2);
            let _dead = ring.claim_as(A).unwrap();
            if recorded {
                ring.send(B).unwrap();
            }
            let dead = |owner| owner == A;
            match finder {
                0 => ring.recover(A, &dead).unwrap(),
                1 => {
                    let before = ring.lease(B, 0, &dead).map(|lease| ring.release(&lease));
                    assert_eq!(before.is_ok(), recorded);
                }
                _ => {
                    for _ in 0..if recorded { 1 } else { 2 } {
                        let claim = ring.claim(B, 0, Room::Any, &dead).unwrap();
                        ring.publish(&claim);
                    }
                }
            }
            ring.recover(A, &dead).unwrap();
            let mut received = 0;
            while let Ok(lease) = ring.lease(B, 0, &dead) {
                ring.release(&lease);
                received += 1;
            }
            let expected = [u32::from(recorded), 0, 2][finder];
            assert_eq!(received, expected, "recorded {recorded}, finder {finder}");
            assert!((0..2).all(|slot| ring.word(slot).phase() == Phase::Free));
        }
    }
}

#[test]
fn a_dead_receivers_messages_are_handed_out_again_before_newer_ones() {
    for recorded in [false, true] {
        let ring = heap(3);
        let first = ring.send(A).unwrap();
        let second = ring.send(A).unwrap();
        let _dead = ring.lease_as(A).unwrap();
        if recorded {
            // Another one's lease records it.
            let lease = ring.lease_as(B).unwrap();
            ring.put_back(&lease);
        }
        ring.recover(A, &|owner| owner == A).unwrap();
        let again = ring.lease_as(B).unwrap();
        assert_eq!((ring.positions.at(again.lap, again.index), again.deliveries), (first, 1));
        let next = ring.lease_as(B).unwrap();
        assert_eq!((ring.positions.at(next.lap, next.index), next.deliveries), (second, u32::from(recorded)));
        ring.release(&again);
        ring.release(&next);
        assert_eq!(ring.receive(B), Err(Blocked::Empty));
    }
}

#[test]
fn recovery_leaves_the_living_alone() {
    let ring = heap(4);
    ring.send(A).unwrap();
    let lease = ring.lease_as(A).unwrap();
    let claim = ring.claim_as(A).unwrap();
    // The table's entry was found dead, but its slots belong to a living successor of the same name.
    ring.recover(A, &nobody).unwrap();
    assert_eq!(ring.word(0), Word::leased(0, A, 0));
    assert_eq!(ring.word(1), Word::writing(0, A));
    ring.publish(&claim);
    ring.release(&lease);
    ring.receive(B).unwrap();
    assert_eq!(ring.receive(B), Err(Blocked::Empty));
}

#[test]
fn a_sender_that_publishes_and_dies_while_it_is_asked_for_loses_nothing() {
    let ring = heap(2);
    let first = ring.claim_as(A).unwrap();
    let second = ring.claim_as(B).unwrap();
    assert_eq!(ring.word(0), Word::writing(0, A));
    // Another sender finds that word in its way; by the time it has the answer, A has published and is gone.
    let first = std::cell::Cell::new(Some(first));
    let dead = |_| {
        if let Some(first) = first.take() {
            ring.publish(&first);
        }
        true
    };
    assert_eq!(ring.claim(Owner(3), 0, Room::Any, &dead).map(|claim| claim.index), Err(Blocked::Full));
    // This one goes by the marks.
    ring.give_up(&second);
    assert_eq!(ring.lease_as(B).map(|lease| lease.index), Ok(0));
}

#[test]
fn a_channel_closed_at_an_open_gap_is_drained() {
    let ring = heap(2);
    ring.send(A).unwrap();
    let held = ring.lease_as(B).unwrap();
    ring.send(A).unwrap();
    ring.receive(B).unwrap();
    // A sender has opened a gap at the lease when somebody closes the channel.
    let tail = ring.tail();
    assert!(ring.move_tail(tail, Counter::new(ring.positions.next(tail.position()), Owner::SKIP)));
    ring.close();
    assert_eq!(ring.send(A), Err(Blocked::Closed));
    ring.release(&held);
    ring.is_drained();
    assert_eq!(ring.receive(B), Err(Blocked::Empty));
    assert!(ring.is_drained());
}

#[test]
fn a_receiver_that_stops_while_it_looks_for_what_was_put_back_hides_nothing() {
    let ring = heap(4);
    for _ in 0..2 {
        ring.send(A).unwrap();
    }
    let leases = [ring.lease_as(B).unwrap(), ring.lease_as(B).unwrap()];
    leases.iter().for_each(|lease| ring.put_back(lease));
    let _one = ring.lease_as(A).unwrap();
    assert!(ring.may_redeliver(), "there is another");
    assert_eq!(ring.lease_as(B).unwrap().deliveries, 1);
    assert_eq!(ring.receive(B), Err(Blocked::Empty));
    assert!(!ring.may_redeliver());
}

#[test]
fn a_message_put_back_comes_first_and_counts_its_deliveries() {
    let ring = heap(4);
    let (first, second) = (ring.send(A).unwrap(), ring.send(A).unwrap());
    for deliveries in 0..5 {
        let lease = ring.lease_as(B).unwrap();
        assert_eq!((ring.positions.at(lease.lap, lease.index), lease.deliveries), (first, deliveries));
        ring.put_back(&lease);
    }
    assert_eq!(ring.receive(B), Ok(first));
    assert_eq!(ring.receive(B), Ok(second));
}

#[test]
fn no_word_of_a_message_comes_again_soon() {
    let ring = heap(1);
    ring.send(A).unwrap();
    let mut words = Vec::new();
    for _ in 0..200 {
        let lease = ring.lease_as(B).unwrap();
        words.push(Word::leased(lease.lap, B, lease.deliveries).0);
        ring.put_back(&lease);
    }
    for window in words.windows(32) {
        assert!(window[1..].iter().all(|word| *word != window[0]));
    }
}

#[test]
fn a_closed_ring_gives_out_what_it_has_and_takes_nothing() {
    let ring = heap(2);
    let claim = ring.claim_as(A).unwrap();
    assert!(ring.close());
    assert!(!ring.close());
    assert_eq!(ring.send(A), Err(Blocked::Closed));
    assert!(!ring.is_drained(), "a message is being written");
    ring.publish(&claim);
    assert!(!ring.is_drained());
    ring.receive(B).unwrap();
    assert!(ring.is_drained());
}

#[test]
fn the_last_positions_are_used_and_then_it_says_so() {
    for capacity in [1, 2, 3] {
        let last_lap = {
            let positions = Positions::new(capacity);
            positions.lap(positions.last())
        };
        let ring = heap_at(capacity, last_lap - 1);
        for _ in 0..2 * capacity {
            ring.send(A).unwrap();
            ring.receive(B).unwrap();
        }
        assert_eq!(ring.send(A), Err(Blocked::Exhausted));
        assert_eq!(ring.receive(B), Err(Blocked::Empty));
    }
}

#[test]
fn a_census_counts_what_is_there() {
    let ring = heap(8);
    for _ in 0..4 {
        ring.send(A).unwrap();
    }
    let _claim = ring.claim_as(A).unwrap();
    let lease = ring.lease_as(B).unwrap();
    assert_eq!(ring.census(), Census { waiting: 3, leased: 1, writing: 1 });
    let _recorded = (ring.claim_as(A).unwrap(), ring.lease_as(B).unwrap());
    assert_eq!(ring.census(), Census { waiting: 2, leased: 2, writing: 2 });
    ring.put_back(&lease);
    assert_eq!(ring.census(), Census { waiting: 3, leased: 1, writing: 2 });
}

#[test]
fn no_words_whatever_make_a_call_panic_or_hang() {
    // A generator small enough to be seen through (Vigna's splitmix64).
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for round in 0..20_000 {
        let capacity = 1 + (random() % 5) as u32;
        let ring = heap(capacity);
        // All bits at random, or small numbers, which are more often nearly right.
        let mut word = |shift: u64| if round % 2 == 0 { random() } else { ((random() % 4) << shift) | (random() % 4) };
        ring.shared().tail.0.counter.store(word(9), Ordering::Relaxed);
        ring.shared().head.0.counter.store(word(9), Ordering::Relaxed);
        ring.shared().hints.0.redeliver.store(word(0) as u32 & 1, Ordering::Relaxed);
        ring.shared().hints.0.room.store(word(0), Ordering::Relaxed);
        for slot in &ring.slots {
            slot.store(word(16) | (word(8) & 0x300), Ordering::Relaxed);
        }
        for mark in &ring.marks {
            mark.store(word(1), Ordering::Relaxed);
        }
        let dead = |owner: Owner| owner.0.is_multiple_of(2);
        for _ in 0..4 {
            match ring.claim(A, 0, Room::Any, &dead) {
                Ok(claim) if round % 3 == 0 => ring.give_up(&claim),
                Ok(claim) => ring.publish(&claim),
                Err(_) => {}
            }
            match ring.lease(B, 0, &dead) {
                Ok(lease) if round % 5 == 0 => ring.put_back(&lease),
                Ok(lease) => ring.release(&lease),
                Err(_) => {}
            }
            let _ = ring.recover(Owner(2), &dead);
            ring.census();
            ring.is_drained();
        }
    }
}
