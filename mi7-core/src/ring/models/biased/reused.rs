//! Entries are given back and taken again while others revoke and recover the bias of the one who had them.

use super::*;

/// A has died holding the bias, and was about to move the counter.
fn with_a_dead_holder() -> (Arc<World>, Arc<End>) {
    let world = World::new(2);
    let end = End::of_senders(&world);
    let bias = biased(&end);
    world.ring.shared().tail.0.busy.store(bias, Ordering::Release);
    world.dead[0].store(true, Ordering::Release);
    (world, end)
}

impl Hand {
    /// As `Table::recover`: all that A had, and then its entry is given back.
    fn recover_entry_of_a(&mut self, end: &End) {
        self.recover(A);
        let spared = std::cell::Cell::new(false);
        let dead = |owner: Owner| {
            let dead = self.world.is_dead(owner);
            spared.set(spared.get() || !dead);
            dead
        };
        end.bias().recover(A, &dead);
        if !spared.get() {
            end.counted(A).store(0, Ordering::Relaxed);
            self.world.dead[0].store(false, Ordering::Release);
        }
    }

    /// Takes A's entry, if it is free, and sends with it.
    fn send_as_a(&mut self, end: &Arc<End>, value: u64) {
        if !self.world.is_dead(A) {
            let mut successor = self.world.hand(A);
            Party::new(end, &mut successor).send(value);
            self.log.acked.append(&mut successor.log.acked);
        }
    }
}

#[test]
fn an_entry_is_taken_again_while_its_bias_is_revoked() {
    for doom in [None, Some(REVOKER[0]), Some(REVOKER[1])] {
        DEATHS.set(0);
        check(3, move || {
            let (world, end) = with_a_dead_holder();
            let (ours, theirs) = (Arc::clone(&end), end);
            let actors = [
                world.act(B, doom, move |hand| Party::new(&ours, hand).send(21)),
                world.act(C, None, move |hand| {
                    hand.recover_entry_of_a(&theirs);
                    hand.send_as_a(&theirs, 11);
                }),
            ];
            settle(&world, join(actors));
        });
        assert_eq!(DEATHS.get() != 0, doom.is_some(), "nobody ever died at {doom:?}");
    }
}

#[test]
fn a_slow_recoverer_takes_no_bias_from_who_has_the_entry_now() {
    check(3, || {
        let (world, end) = with_a_dead_holder();
        let (ours, theirs) = (Arc::clone(&end), end);
        let actors = [
            world.act(B, None, move |hand| ours.bias().recover(A, &|owner| hand.world.is_dead(owner))),
            world.act(C, None, move |hand| {
                hand.recover_entry_of_a(&theirs);
                let mut successor = hand.world.hand(A);
                let mut party = Party::new(&theirs, &mut successor);
                party.adopt();
                party.seek();
                party.send(11);
                party.send(12);
                assert!(party.bias == 0 || theirs.bias().is_held(party.bias), "nobody else is there");
                hand.log.acked.append(&mut successor.log.acked);
            }),
        ];
        settle(&world, join(actors));
    });
}
