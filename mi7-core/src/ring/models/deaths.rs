//! A thread dies at a fault point, and others find it.

use super::*;

/// Runs a model for a death at each of these points and for capacities 1 and 2, and sees to it that there were deaths.
fn check_deaths(preemptions: usize, points: &[Doom], model: fn(u32, Doom)) {
    for &doom in points {
        DEATHS.set(0);
        for capacity in [1, 2] {
            eprint!("{doom:?}, capacity {capacity}: ");
            check(preemptions, move || model(capacity, doom));
        }
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}

/// The same for a model of one point.
fn check_one(doom: Doom, model: fn()) {
    DEATHS.set(0);
    check(3, model);
    assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
}

const SENDER: &[Doom] = &[
    ("tail recorded", 1),
    ("tail claimed", 1),
    ("tail claimed", 2),
    ("message written, not published", 1),
    ("message written, not published", 2),
    ("message published", 1),
];

#[test]
fn a_sender_may_die_anywhere() {
    check_deaths(2, SENDER, |capacity, doom| {
        let world = World::new(capacity);
        let actors = [
            world.act(A, Some(doom), |hand| hand.try_sends(&[11, 12])),
            world.act(B, None, |hand| {
                hand.try_sends(&[21]);
                hand.reap();
            }),
            world.act(C, None, |hand| {
                hand.reap();
                hand.try_receives(1);
            }),
        ];
        world.settle(join(actors));
    });
}

const RECEIVER: &[Doom] = &[
    ("head recorded", 1),
    ("head claimed", 1),
    ("head claimed", 2),
    ("message read, not released", 1),
    ("message released", 1),
];

#[test]
fn a_receiver_may_die_anywhere() {
    check_deaths(2, RECEIVER, |capacity, doom| {
        let world = World::new(capacity);
        let mut main = world.hand(MAIN);
        (1..=capacity).for_each(|value| main.send(value.into()).unwrap());
        let actors = [
            world.act(A, Some(doom), |hand| hand.try_receives(2)),
            world.act(B, None, |hand| {
                hand.try_sends(&[21]);
                hand.reap();
            }),
            world.act(C, None, |hand| {
                hand.reap();
                hand.try_receives(1);
            }),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

/// The points of giving up and putting back.
const ASIDE: &[Doom] = &[
    ("claim given up, slot not yet free", 1),
    ("claim given up, not yet counted", 1),
    ("message put back, not yet hinted", 1),
    ("redelivery hint seen", 1),
    ("message leased again", 1),
];

#[test]
fn who_gives_up_or_puts_back_may_die_anywhere() {
    check_deaths(2, ASIDE, |capacity, doom| {
        let world = World::new(capacity);
        let mut main = world.hand(MAIN);
        main.send(1).unwrap();
        let actors = [
            world.act(A, Some(doom), |hand| {
                if let Ok(lease) = hand.lease() {
                    hand.put_back(&lease);
                    hand.try_receives(1);
                }
                if let Ok(claim) = hand.claim() {
                    hand.give_up(&claim);
                }
            }),
            world.act(B, None, |hand| {
                hand.reap();
                hand.try_receives(1);
            }),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

const SKIPPING: &[Doom] = &[
    ("gap opened", 1),
    ("gap marked, not yet counted", 1),
    ("tail claimed", 1),
    ("message written, not published", 1),
];

#[test]
fn who_skips_a_leased_slot_may_die_anywhere() {
    for &doom in SKIPPING {
        DEATHS.set(0);
        eprint!("{doom:?}: ");
        check(2, move || {
            let world = World::new(2);
            let mut main = world.hand(MAIN);
            (1..=2).for_each(|value| main.send(value).unwrap());
            let (held, next) = (main.lease().unwrap(), main.lease().unwrap());
            main.release(&next);
            let actors = [
                world.act(A, Some(doom), |hand| hand.try_sends(&[11])),
                world.act(B, None, |hand| {
                    hand.reap();
                    hand.try_receives(1);
                }),
            ];
            let mut logs = join(actors);
            main.release(&held);
            // As whoever comes next does; the position may be claimed only now.
            main.reap();
            main.try_sends(&[2001]);
            logs.push(std::mem::take(&mut main.log));
            world.settle(logs);
        });
        assert_ne!(DEATHS.get(), 0, "nobody ever died at {doom:?}");
    }
}

/// Slot 0 is under a lease, of lap 0, and its lap 1 is a gap; a message waits in slot 1.
fn with_a_gap_behind_a_lease() -> (Arc<World>, Hand, Lease) {
    let world = World::new(2);
    let mut main = world.hand(MAIN);
    (1..=2).for_each(|value| main.send(value).unwrap());
    let (held, next) = (main.lease().unwrap(), main.lease().unwrap());
    main.release(&next);
    main.send(3).unwrap();
    (world, main, held)
}

const BEHIND: Doom = ("tail claimed, a lap or more of whose slot lies in gaps", 1);

#[test]
fn who_claims_a_slot_whose_lap_was_skipped_may_die() {
    check_one(BEHIND, || {
        let (world, mut main, held) = with_a_gap_behind_a_lease();
        main.receive().unwrap();
        main.release(&held);
        let actors = [
            world.act(A, Some(BEHIND), |hand| hand.try_sends(&[11])),
            world.act(B, None, |hand| {
                hand.try_sends(&[21]);
                hand.reap();
                hand.try_receives(1);
            }),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

const STEPPING: Doom = ("head moved across a gap", 1);

#[test]
fn who_steps_across_a_gap_may_die() {
    check_one(STEPPING, || {
        let (world, mut main, held) = with_a_gap_behind_a_lease();
        let actors = [
            world.act(A, Some(STEPPING), |hand| hand.try_receives(1)),
            world.act(B, None, |hand| {
                hand.reap();
                hand.try_receives(1);
            }),
        ];
        main.release(&held);
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

const RECORDING: Doom = ("head recorded by a sender", 1);

#[test]
fn who_records_the_lease_of_another_may_die() {
    check_one(RECORDING, || {
        let world = World::new(1);
        let mut main = world.hand(MAIN);
        main.send(1).unwrap();
        let held = main.lease().unwrap();
        let actors = [
            world.act(A, Some(RECORDING), |hand| hand.try_sends(&[11])),
            world.act(B, None, |hand| {
                hand.reap();
                hand.try_sends(&[21]);
            }),
        ];
        main.release(&held);
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
    });
}

const CLOSING: Doom = ("closed, not yet hinted", 1);

#[test]
fn who_closes_may_die() {
    check_one(CLOSING, || {
        let world = World::new(1);
        let actors = [
            world.act(A, Some(CLOSING), |hand| assert!(hand.world.ring.close())),
            world.act(B, None, |hand| hand.try_sends(&[21])),
            world.act(C, None, |hand| hand.try_receives(1)),
        ];
        world.settle(join(actors));
        assert!(world.ring.is_drained());
    });
}

#[test]
fn at_every_fault_point_of_the_ring_somebody_dies() {
    let lists = [SENDER, RECEIVER, ASIDE, SKIPPING, RECOVERY, &[BEHIND, STEPPING, RECORDING, CLOSING]].concat();
    let biased = ["tail stored", "head stored", "lease recorded by its holder", "head stored in a run"];
    let sources = [include_str!("../../ring.rs"), include_str!("../gaps.rs")];
    for line in sources.iter().flat_map(|source| source.lines()) {
        if let Some(name) = line.trim().strip_prefix("fault!(\"").and_then(|rest| rest.strip_suffix("\");")) {
            let listed = lists.iter().any(|(doom, _)| *doom == name) || biased.contains(&name);
            assert!(listed, "{name:?} is in no list");
        }
    }
}

const RECOVERY: &[Doom] = &[
    ("recovery: tail recorded", 1),
    ("recovery: head recorded", 1),
    ("dead sender's slot freed, not yet counted", 1),
    ("recovery: slot freed", 1),
    ("recovery: lease put back", 1),
    ("recovery: hinted", 1),
];

/// A has died holding a message, and in the middle of sending one; both are known from the counters only.
fn with_a_dead(capacity: u32) -> (Arc<World>, Hand) {
    let world = World::new(capacity);
    let (mut main, mut dead) = (world.hand(MAIN), world.hand(A));
    main.send(1).unwrap();
    let lease = dead.lease().unwrap();
    dead.read(&lease);
    let _ = dead.claim();
    world.dead[0].store(true, Ordering::Release);
    (world, main)
}

#[test]
fn whoever_recovers_may_die_anywhere_while_another_does_the_same() {
    check_deaths(2, RECOVERY, |capacity, doom| {
        let (world, mut main) = with_a_dead(capacity);
        let actors = [
            world.act(B, Some(doom), |hand| hand.reap()),
            world.act(C, None, |hand| {
                hand.reap();
                hand.try_receives(1);
            }),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        logs.push(Log { died: Some("holding"), ..Log::default() });
        world.settle(logs);
    });
}

#[test]
fn two_recover_at_once_and_go_on() {
    for capacity in [1, 2] {
        check(2, move || {
            let (world, mut main) = with_a_dead(capacity);
            let actors = [
                world.act(B, None, |hand| {
                    hand.reap();
                    hand.try_receives(1);
                }),
                world.act(C, None, |hand| {
                    hand.reap();
                    hand.try_sends(&[31]);
                }),
            ];
            let mut logs = join(actors);
            logs.push(std::mem::take(&mut main.log));
            logs.push(Log { died: Some("holding"), ..Log::default() });
            world.settle(logs);
        });
    }
}

#[test]
fn a_name_that_is_taken_anew_keeps_what_its_new_owner_has() {
    check(2, || {
        let (world, mut main) = with_a_dead(2);
        let actors = [
            // Slow in recovering what another has long recovered; it goes on across what it freed.
            world.act(B, None, |hand| {
                hand.recover(A);
                hand.try_receives(2);
            }),
            world.act(C, None, |hand| {
                hand.recover(A);
                // The entry is given back, and taken by a process that lives.
                hand.world.dead[0].store(false, Ordering::Release);
                let mut successor = hand.world.hand(A);
                successor.try_sends(&[11]);
                hand.log.acked.append(&mut successor.log.acked);
                hand.log.got.append(&mut successor.log.got);
            }),
        ];
        let mut logs = join(actors);
        logs.push(std::mem::take(&mut main.log));
        logs.push(Log { died: Some("holding"), ..Log::default() });
        world.settle(logs);
    });
}
