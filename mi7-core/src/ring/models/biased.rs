//! One who is alone at its end claims with plain stores, and others come.
//!
//! Who is counted in, and who may seek a bias, is decided in `ends.rs`, on handles of a channel in a file. [`Party`] does the
//! same on the model's ring, step by step and ordering by ordering.
//!
//! Two things are weaker here than on a processor, and neither finds bugs of its own: loom knows no light fence, so `fence_light` is a
//! whole one; and a store of a counter is an exchange ([`crate::sync`]).

use super::*;
use crate::sync::{AtomicU32, fence};

mod reused;

/// One end of a channel, and who is counted in at it.
struct End {
    world: Arc<World>,
    sending: bool,
    exclusive: bool,
    counted: [AtomicU32; 4],
}

impl End {
    fn of_senders(world: &Arc<World>) -> Arc<End> {
        Self::new(world, true, false)
    }

    fn of_receivers(world: &Arc<World>) -> Arc<End> {
        Self::new(world, false, false)
    }

    fn new(world: &Arc<World>, sending: bool, exclusive: bool) -> Arc<End> {
        let counted = [(); 4].map(|()| AtomicU32::new(0));
        Arc::new(End { world: Arc::clone(world), sending, exclusive, counted })
    }

    fn bias(&self) -> Bias<'_> {
        if self.sending { self.world.ring.tail_bias() } else { self.world.ring.head_bias() }
    }

    fn counted(&self, owner: Owner) -> &AtomicU32 {
        &self.counted[usize::from(owner.0) - 1]
    }

    /// Acquire, partner: the release of one who leaves. Then also the last of its claims is seen.
    fn is_alone(&self) -> bool {
        self.counted.iter().map(|count| count.load(Ordering::Acquire)).sum::<u32>() == 1
    }

    /// As `Channel::unbiased`.
    fn unbiased(&self, me: Owner, act: impl FnOnce()) {
        self.count_in(me);
        assert!(self.bias().revoke(self.exclusive, &|owner| self.world.is_dead(owner)), "nobody is stopped");
        act();
        self.counted(me).fetch_sub(1, Ordering::Release);
    }

    fn count_in(&self, me: Owner) {
        self.counted(me).fetch_add(1, Ordering::Relaxed);
        // Partner: the fence in `Bias::take`.
        fence(Ordering::SeqCst);
    }
}

/// A handle: what `ends.rs` and `Channel::claim` do with one.
struct Party<'a> {
    end: Arc<End>,
    hand: &'a mut Hand,
    adopted: bool,
    bias: u64,
}

impl<'a> Party<'a> {
    fn new(end: &Arc<End>, hand: &'a mut Hand) -> Self {
        Party { end: Arc::clone(end), hand, adopted: false, bias: 0 }
    }

    /// One that has claimed before, and holds this bias.
    fn with(end: &Arc<End>, hand: &'a mut Hand, bias: u64) -> Self {
        Party { end: Arc::clone(end), hand, adopted: true, bias }
    }

    fn adopt(&mut self) {
        if !self.adopted {
            self.end.count_in(self.hand.me);
            let world = &self.hand.world;
            assert!(self.end.bias().revoke(false, &|owner| world.is_dead(owner)), "nobody is stopped");
            self.adopted = true;
        }
    }

    fn seek(&mut self) {
        let end = Arc::clone(&self.end);
        let (bias, keep) = (end.bias(), end.exclusive);
        if !end.is_alone() || (self.bias != 0 && bias.is_held(self.bias)) {
            return;
        }
        assert!(bias.revoke(keep, &|owner| end.world.is_dead(owner)), "nobody is stopped");
        let ticket = bias.ticket(self.hand.me);
        let taken = if keep { bias.renew(self.bias, ticket) } else { bias.take(ticket) };
        if !taken {
            return;
        }
        if keep || end.is_alone() {
            self.bias = ticket;
        }
        if !end.is_alone() {
            if keep {
                bias.revoke(true, &|_| false);
            } else {
                self.bias = 0;
                bias.give_back(ticket);
            }
        }
    }

    fn send(&mut self, value: u64) {
        if self.bias != 0
            && let Some(claim) = self.hand.world.ring.claim_biased(self.hand.me, self.hand.sent, self.bias)
        {
            self.hand.publish(&claim, value);
            return;
        }
        self.adopt();
        let _ = self.hand.send(value);
    }

    fn receive(&mut self) {
        if self.bias != 0
            && let Some(lease) = self.hand.world.ring.lease_biased(self.hand.me, self.hand.received, self.bias)
        {
            self.hand.release(&lease);
            return;
        }
        self.adopt();
        let _ = self.hand.receive();
    }

    /// Takes two at once, if there are two and it is alone.
    fn receive_two(&mut self) {
        let ring = &self.hand.world.ring;
        if self.bias != 0
            && let Some(first) = ring.lease_biased(self.hand.me, self.hand.received, self.bias)
        {
            let mut second = None;
            ring.lease_run_biased(self.hand.me, self.bias, &first, 1, |lease| second = Some(lease));
            self.hand.release(&first);
            if let Some(second) = second {
                self.hand.release(&second);
            }
            return;
        }
        self.receive();
    }

    fn retire(self) {
        if self.bias != 0 {
            self.end.bias().give_back(self.bias);
        }
        if self.adopted {
            self.end.counted(self.hand.me).fetch_sub(1, Ordering::Release);
        }
    }
}

/// Has A counted in and holding the bias.
fn biased(end: &Arc<End>) -> u64 {
    end.count_in(A);
    let bias = end.bias().ticket(A);
    assert!(end.bias().take(bias));
    bias
}

/// What comes in the end is a newcomer too.
fn settle(world: &Arc<World>, logs: Vec<Log>) {
    for bias in [world.ring.tail_bias(), world.ring.head_bias()] {
        assert!(bias.revoke(false, &|owner| world.is_dead(owner)), "all have ended");
    }
    world.settle(logs);
}

#[test]
fn a_lone_sender_is_joined_by_another() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let end = End::of_senders(&world);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, None, move |hand| {
                    let mut party = Party::with(&ours, hand, bias);
                    (11..=12).for_each(|value| party.send(value));
                }),
                world.act(B, None, move |hand| {
                    let mut party = Party::new(&theirs, hand);
                    (21..=22).for_each(|value| party.send(value));
                }),
                world.act(C, None, |hand| hand.try_receives(1)),
            ];
            settle(&world, join(actors));
        });
    }
}

#[test]
fn a_lone_receiver_is_joined_by_another() {
    for capacity in [1, 2] {
        check(2, move || {
            let world = World::new(capacity);
            let mut main = world.hand(MAIN);
            (1..=capacity).for_each(|value| main.send(value.into()).unwrap());
            let end = End::of_receivers(&world);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, None, move |hand| {
                    let mut party = Party::with(&ours, hand, bias);
                    (0..2).for_each(|_| party.receive());
                }),
                world.act(B, None, move |hand| Party::new(&theirs, hand).receive()),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            settle(&world, logs);
        });
    }
}

#[test]
fn a_bias_is_sought_while_another_comes_and_goes() {
    check(3, || {
        let world = World::new(2);
        let end = End::of_senders(&world);
        let (ours, theirs) = (Arc::clone(&end), end);
        let actors = [
            world.act(A, None, move |hand| {
                let mut party = Party::new(&ours, hand);
                party.adopt();
                party.seek();
                (11..=12).for_each(|value| party.send(value));
                party.retire();
            }),
            world.act(B, None, move |hand| {
                let mut party = Party::new(&theirs, hand);
                party.send(21);
                party.retire();
            }),
        ];
        settle(&world, join(actors));
    });
}

#[test]
fn two_seek_the_bias_at_once() {
    check(3, || {
        let world = World::new(2);
        let end = End::of_senders(&world);
        let actors = [(A, 10), (B, 20)].map(|(me, value)| {
            let end = Arc::clone(&end);
            world.act(me, None, move |hand| {
                let mut party = Party::new(&end, hand);
                party.adopt();
                party.seek();
                party.send(value);
                party.retire();
            })
        });
        settle(&world, join(actors));
    });
}

#[test]
fn what_is_closed_stays_closed_whoever_takes_the_bias() {
    for exclusive in [false, true] {
        check(3, move || {
            let world = World::new(2);
            let end = End::new(&world, true, exclusive);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, None, move |hand| {
                    let mut party = Party::with(&ours, hand, bias);
                    party.send(11);
                    party.seek();
                    party.send(12);
                }),
                world.act(B, None, move |hand| theirs.unbiased(B, || assert!(hand.world.ring.close()))),
            ];
            settle(&world, join(actors));
            assert!(world.ring.is_drained());
        });
    }
}

/// Where the holder of a bias dies. The last is in a destructor, from which nothing is left to be done.
const HOLDER: &[Doom] = &[("tail stored", 1), ("tail stored", 2), ("counter moved, still busy", 1)];

#[test]
fn a_lone_sender_may_die_while_another_comes() {
    for &doom in HOLDER {
        DEATHS.set(0);
        check(2, move || {
            let world = World::new(2);
            let end = End::of_senders(&world);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, Some(doom), move |hand| {
                    let mut party = Party::with(&ours, hand, bias);
                    (11..=12).for_each(|value| party.send(value));
                }),
                world.act(B, None, move |hand| {
                    Party::new(&theirs, hand).send(21);
                    hand.reap();
                    hand.try_receives(1);
                }),
            ];
            settle(&world, join(actors));
        });
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}

#[test]
fn a_lone_receiver_may_die_while_another_comes() {
    for doom in [("head stored", 1), ("head stored", 2), ("counter moved, still busy", 1)] {
        DEATHS.set(0);
        check(2, move || {
            let world = World::new(2);
            let mut main = world.hand(MAIN);
            (1..=2).for_each(|value| main.send(value).unwrap());
            let end = End::of_receivers(&world);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, Some(doom), move |hand| {
                    let mut party = Party::with(&ours, hand, bias);
                    (0..2).for_each(|_| party.receive());
                }),
                world.act(B, None, move |hand| {
                    Party::new(&theirs, hand).receive();
                    hand.reap();
                }),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            settle(&world, logs);
        });
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}

#[test]
fn a_lone_receiver_that_takes_two_at_once_may_die_while_another_comes() {
    let dooms = [None, Some(("lease recorded by its holder", 1)), Some(("head stored in a run", 1))];
    for doom in dooms {
        DEATHS.set(0);
        check(2, move || {
            let world = World::new(2);
            let mut main = world.hand(MAIN);
            (1..=2).for_each(|value| main.send(value).unwrap());
            let end = End::of_receivers(&world);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, doom, move |hand| Party::with(&ours, hand, bias).receive_two()),
                world.act(B, None, move |hand| {
                    Party::new(&theirs, hand).receive();
                    hand.reap();
                }),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            settle(&world, logs);
        });
        assert_eq!(DEATHS.get() != 0, doom.is_some(), "nobody ever died at {doom:?}");
    }
}

#[test]
fn what_two_at_once_are_taken_of_is_sent_meanwhile() {
    check(2, || {
        let world = World::new(2);
        let mut main = world.hand(MAIN);
        main.send(1).unwrap();
        let end = End::of_receivers(&world);
        let bias = biased(&end);
        let actors = [
            world.act(A, None, move |hand| Party::with(&end, hand, bias).receive_two()),
            world.act(B, None, |hand| (11..=12).for_each(|value| _ = hand.send(value))),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        settle(&world, logs);
    });
}

const REVOKER: &[Doom] = &[("bias revoked, holder not waited for", 1), ("bias revoked, not cleared", 1)];

#[test]
fn whoever_revokes_may_die_while_the_holder_claims() {
    for &doom in REVOKER {
        DEATHS.set(0);
        check(3, move || {
            let world = World::new(2);
            let end = End::of_senders(&world);
            let (bias, ours, theirs) = (biased(&end), Arc::clone(&end), end);
            let actors = [
                world.act(A, None, move |hand| {
                    let mut party = Party::with(&ours, hand, bias);
                    (11..=12).for_each(|value| party.send(value));
                }),
                world.act(B, Some(doom), move |hand| Party::new(&theirs, hand).send(21)),
            ];
            settle(&world, join(actors));
        });
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}

#[test]
fn whoever_revokes_may_die_while_another_does_the_same() {
    for &doom in REVOKER {
        DEATHS.set(0);
        check(2, move || {
            let world = World::new(2);
            let end = End::of_senders(&world);
            biased(&end);
            let (ours, theirs) = (Arc::clone(&end), end);
            let actors = [
                world.act(B, Some(doom), move |hand| Party::new(&ours, hand).send(21)),
                world.act(C, None, move |hand| Party::new(&theirs, hand).send(31)),
            ];
            settle(&world, join(actors));
        });
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}
