//! Processes that are killed, or stopped, in the middle of something: what becomes of it, and of those who live on.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use mi7::{Error, SharedChannel};
use mi7_core::PARTICIPANTS;
use mi7_tests::{Actor, Load, Parcel, Stage};
use rustix::process::Signal;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
/// How long recovery may take: the dead are looked for every 100 ms, and machines are busy.
const SOON: Duration = Duration::from_secs(2);

fn attached(stage: &Stage, count: usize, capacity: usize) -> Vec<Actor> {
    let mut actors = stage.actors("parcel", count);
    actors.iter_mut().for_each(|actor| actor.must(&format!("attach parcels capacity={capacity}")));
    actors
}

#[track_caller]
fn replies_soon(actor: &mut Actor, expected: &str) {
    let began = Instant::now();
    assert_eq!(actor.reply(), expected);
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
}

// ---- leases --------------------------------------------------------------------------------------------------------

#[test]
fn a_lease_of_a_killed_process_comes_to_a_receiver_that_waits() {
    for capacity in [1, 2, 64] {
        let stage = Stage::new(ACTOR);
        let [mut tx, mut victim, mut heir] = attached(&stage, 3, capacity).try_into().ok().expect("three");
        tx.must("send 1 1");
        assert_eq!(victim.ask("hold"), "got 1 1 1");
        heir.tell("recv");
        heir.wait_until_asleep();
        victim.kill();
        replies_soon(&mut heir, "got 1 1 2");
        assert_eq!(tx.ask("count"), "waiting 0 leased 0 senders 2 receivers 2");
    }
}

#[test]
fn a_lease_that_kills_one_process_after_the_other_counts_its_deliveries() {
    let stage = Stage::new(ACTOR);
    let [mut tx] = attached(&stage, 1, 4).try_into().ok().expect("one");
    tx.must("send 1 1");
    for delivery in 1..=5 {
        let [mut victim] = attached(&stage, 1, 4).try_into().ok().expect("one");
        victim.tell("hold");
        replies_soon(&mut victim, &format!("got 1 1 {delivery}"));
        victim.kill();
    }
    tx.tell("recv");
    replies_soon(&mut tx, "got 1 1 6");
}

#[test]
fn all_leases_of_a_killed_process_come_back_ahead_of_newer_messages() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut victim, mut heir] = attached(&stage, 3, 8).try_into().ok().expect("three");
    for number in 0..5 {
        tx.must(&format!("send 1 {number}"));
        assert_eq!(victim.ask("hold"), format!("got 1 {number} 1"));
    }
    tx.must("send 1 5");
    victim.kill();
    // Enough for the next look around to fall due.
    std::thread::sleep(Duration::from_millis(200));
    // It is at the first receive that the clock is looked at, and that one may take the newer message.
    let mut replies: Vec<String> = (0..6).map(|_| heir.ask("recv_timeout 2000")).collect();
    assert_ne!(replies[2], "got 1 5 1", "ahead of newer ones: {replies:?}");
    replies.sort();
    assert_eq!(replies, ["got 1 0 2", "got 1 1 2", "got 1 2 2", "got 1 3 2", "got 1 4 2", "got 1 5 1"]);
    assert_eq!(heir.ask("count"), "waiting 0 leased 0 senders 2 receivers 2");
}

#[test]
fn a_lease_of_a_killed_process_is_found_by_one_who_only_polls() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut victim, mut heir] = attached(&stage, 3, 2).try_into().ok().expect("three");
    tx.must("send 1 1");
    assert_eq!(victim.ask("hold"), "got 1 1 1");
    victim.kill();
    let began = Instant::now();
    loop {
        let reply = heir.ask("try_recv");
        if reply == "got 1 1 2" {
            return;
        }
        assert!(reply.starts_with("error Empty"), "{reply}");
        assert!(began.elapsed() < SOON, "it is lost");
    }
}

#[test]
fn a_lease_of_a_killed_process_is_found_on_a_channel_that_is_never_empty() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut victim, mut heir] = attached(&stage, 3, 4).try_into().ok().expect("three");
    tx.must("send 1 0");
    assert_eq!(victim.ask("hold"), "got 1 0 1");
    victim.kill();
    let began = Instant::now();
    tx.must("send 1 1");
    for number in 2.. {
        tx.must(&format!("send 1 {number}"));
        if heir.ask("try_recv") == "got 1 0 2" {
            return;
        }
        assert!(began.elapsed() < SOON, "it is lost");
    }
}

#[test]
fn a_lease_of_a_killed_process_is_found_by_who_attaches_next() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut victim] = attached(&stage, 2, 2).try_into().ok().expect("two");
    tx.must("send 1 1");
    tx.finish();
    assert_eq!(victim.ask("hold"), "got 1 1 1");
    victim.kill();
    // The dead are looked for no more often than this.
    std::thread::sleep(Duration::from_millis(60));
    let [mut heir] = attached(&stage, 1, 2).try_into().ok().expect("one");
    assert_eq!(heir.ask("try_recv"), "got 1 1 2", "nobody else was there to look");
}

#[test]
fn a_killed_process_leaves_its_room_to_a_sender_that_waits() {
    // The leased slot is the only one: its message has to be received again first.
    let stage = Stage::new(ACTOR);
    let [mut tx, mut victim, mut heir] = attached(&stage, 3, 1).try_into().ok().expect("three");
    tx.must("send 1 1");
    assert_eq!(victim.ask("hold"), "got 1 1 1");
    tx.tell("send 1 2");
    tx.wait_until_asleep();
    victim.kill();
    assert_eq!(heir.ask("recv_timeout 2000"), "got 1 1 2");
    replies_soon(&mut tx, "ok");
    assert_eq!(heir.ask("recv"), "got 1 2 1");
}

#[test]
fn a_stopped_process_keeps_its_lease() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut stopped, mut other] = attached(&stage, 3, 2).try_into().ok().expect("three");
    tx.must("send 1 1");
    assert_eq!(stopped.ask("hold"), "got 1 1 1");
    stopped.stop();
    let reply = other.ask("recv_timeout 700");
    assert!(reply.starts_with("error Timeout"), "stopped is not dead: {reply}");
    // Others go on without it meanwhile.
    for number in 2..20 {
        tx.must(&format!("send 1 {number}"));
        assert_eq!(other.ask("recv"), format!("got 1 {number} 1"));
    }
    assert_eq!(other.ask("count"), "waiting 0 leased 1 senders 3 receivers 3");
    stopped.signal(Signal::CONT);
    stopped.must("release");
    let reply = other.ask("recv_timeout 300");
    assert!(reply.starts_with("error Timeout"), "it was done with: {reply}");
    assert_eq!(other.ask("count"), "waiting 0 leased 0 senders 3 receivers 3");
}

// ---- loans ---------------------------------------------------------------------------------------------------------

#[test]
fn a_loan_of_a_killed_process_blocks_nobody() {
    for capacity in [2, 3, 64] {
        let stage = Stage::new(ACTOR);
        let [mut victim, mut tx, mut rx] = attached(&stage, 3, capacity).try_into().ok().expect("three");
        victim.must("loan");
        tx.must("send 2 1");
        rx.tell("recv");
        rx.wait_until_asleep();
        victim.kill();
        replies_soon(&mut rx, "got 2 1 1");
        // And its slot is as good as the others.
        rx.tell("consume");
        tx.must("produce 2 500");
        tx.must("close");
        assert_eq!(rx.reply().split(' ').count(), 501);
        assert_eq!(tx.ask("count"), "waiting 0 leased 0 senders 2 receivers 2");
    }
}

#[test]
fn a_loan_of_a_killed_process_that_nothing_was_sent_after_leaves_its_room() {
    let stage = Stage::new(ACTOR);
    let [mut victim, mut tx, mut rx] = attached(&stage, 3, 1).try_into().ok().expect("three");
    victim.must("loan");
    tx.tell("send 2 1");
    tx.wait_until_asleep();
    victim.kill();
    replies_soon(&mut tx, "ok");
    assert_eq!(rx.ask("recv"), "got 2 1 1");
}

#[test]
fn several_loans_of_a_killed_process_leave_their_room() {
    let stage = Stage::new(ACTOR);
    let [mut victim, mut tx, mut rx] = attached(&stage, 3, 4).try_into().ok().expect("three");
    tx.must("send 2 0");
    for _ in 0..3 {
        victim.must("loan");
    }
    let full = tx.ask("try_send 2 9");
    assert!(full.starts_with("error Full"), "{full}");
    victim.kill();
    assert_eq!(rx.ask("recv"), "got 2 0 1");
    for number in 1..9 {
        assert_eq!(tx.ask(&format!("send_timeout 2 {number} 2000")), "ok");
        assert_eq!(rx.ask("recv_timeout 2000"), format!("got 2 {number} 1"));
    }
}

#[test]
fn a_loan_of_a_killed_process_does_not_keep_a_closed_channel_open() {
    let stage = Stage::new(ACTOR);
    let [mut victim, mut rx] = attached(&stage, 2, 4).try_into().ok().expect("two");
    victim.must("loan");
    rx.must("close");
    rx.tell("recv");
    rx.wait_until_asleep();
    let began = Instant::now();
    victim.kill();
    let reply = rx.reply();
    assert!(reply.starts_with("error Closed"), "{reply}");
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_lease_of_a_killed_process_is_still_received_after_the_close() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut victim, mut rx] = attached(&stage, 3, 4).try_into().ok().expect("three");
    tx.must("send 1 1");
    assert_eq!(victim.ask("hold"), "got 1 1 1");
    tx.must("close");
    victim.kill();
    assert_eq!(rx.ask("recv"), "got 1 1 2", "before it is said to be closed");
    let reply = rx.ask("recv");
    assert!(reply.starts_with("error Closed"), "{reply}");
}

#[test]
fn a_stopped_process_keeps_its_loan() {
    let stage = Stage::new(ACTOR);
    let [mut stopped, mut tx, mut rx] = attached(&stage, 3, 4).try_into().ok().expect("three");
    stopped.must("loan");
    stopped.stop();
    tx.must("send 2 1");
    let reply = rx.ask("recv_timeout 500");
    assert!(reply.starts_with("error Timeout"), "stopped is not dead: {reply}");
    stopped.signal(Signal::CONT);
    stopped.must("loan_send 1 1");
    assert_eq!(rx.ask("recv"), "got 1 1 1");
    assert_eq!(rx.ask("recv"), "got 2 1 1");
}

// ---- waiters -------------------------------------------------------------------------------------------------------

#[test]
fn waiters_that_are_killed_take_no_wake_up_with_them() {
    let stage = Stage::new(ACTOR);
    let [mut tx, mut rx] = attached(&stage, 2, 1).try_into().ok().expect("two");
    for number in 0..20 {
        let mut victims = attached(&stage, 2, 1);
        victims.iter_mut().for_each(|victim| victim.tell("recv"));
        victims.iter().for_each(Actor::wait_until_asleep);
        rx.tell("recv");
        rx.wait_until_asleep();
        victims.into_iter().for_each(Actor::kill);
        tx.must(&format!("send 1 {number}"));
        replies_soon(&mut rx, &format!("got 1 {number} 1"));
    }
    tx.must("send 1 0");
    let mut victims = attached(&stage, 2, 1);
    victims.iter_mut().for_each(|victim| victim.tell("send 9 9"));
    victims.iter().for_each(Actor::wait_until_asleep);
    tx.tell("send 1 1");
    tx.wait_until_asleep();
    victims.into_iter().for_each(Actor::kill);
    assert_eq!(rx.ask("recv"), "got 1 0 1");
    replies_soon(&mut tx, "ok");
    assert_eq!(rx.ask("recv"), "got 1 1 1");
}

#[test]
fn a_receiver_that_lives_gets_each_message_once_while_others_are_killed_at_random() {
    const COUNT: u64 = 3000;
    let stage = Stage::new(ACTOR);
    let [mut tx, mut rx] = attached(&stage, 2, 8).try_into().ok().expect("two");
    let channel: SharedChannel<Parcel> = stage.options().open("parcels").expect("the channel");
    tx.tell(&format!("produce 1 {COUNT}"));
    // Killed after a while of receiving: what it was done with is done; what it held comes back.
    for millis in 0..15 {
        let [mut victim] = attached(&stage, 1, 8).try_into().ok().expect("one");
        victim.tell("consume");
        std::thread::sleep(Duration::from_millis(millis % 5));
        victim.kill();
    }
    rx.tell("consume");
    assert_eq!(tx.reply(), "ok");
    tx.must("close");
    let reply = rx.reply();
    let mut newest = None;
    let mut times = BTreeMap::new();
    for entry in reply.split(' ').skip(1) {
        let parts: Vec<u64> = entry.split(':').map(|part| part.parse().expect("a number")).collect();
        *times.entry(parts[1]).or_insert(0) += 1;
        if parts[2] == 1 {
            assert!(newest < Some(parts[1]), "new ones are in order");
            newest = Some(parts[1]);
        }
    }
    assert!(times.values().all(|times| *times == 1), "a receiver that lives gets none twice");
    let status = channel.status();
    assert_eq!((status.waiting, status.leased, status.sent, status.received), (0, 0, COUNT, COUNT));
}

// ---- the table -----------------------------------------------------------------------------------------------------

#[test]
fn a_full_table_is_an_error_and_has_room_again_when_somebody_leaves_or_dies() {
    let stage = Stage::new(ACTOR);
    let mut actors = attached(&stage, 4, 2);
    let each = (PARTICIPANTS as usize - 4) / 4;
    for actor in &mut actors {
        actor.must(&format!("again {each}"));
    }
    let options = stage.options::<Parcel>();
    let rest = PARTICIPANTS as usize - 4 - 4 * each;
    let mut mine: Vec<_> = (0..rest).map(|_| options.open("parcels").expect("there is room")).collect();
    match options.open("parcels") {
        Err(Error::TableFull { path, participants }) => {
            assert_eq!((path, participants), (stage.file("parcels"), PARTICIPANTS));
        }
        other => panic!("{other:?}"),
    }
    let mut late = stage.actor("parcel");
    for command in ["open parcels", "attach parcels"] {
        let reply = late.ask(command);
        assert!(reply.starts_with("error TableFull") && reply.contains("254"), "{reply}");
    }
    // The full channel works, also for the last in the table.
    actors[0].must("send 1 1");
    assert_eq!(actors[3].ask("recv"), "got 1 1 1");

    actors[1].must("detach");
    late.must("open parcels");
    assert!(matches!(options.open("parcels"), Err(Error::TableFull { .. })));
    mine.push({
        actors.remove(2).kill();
        options.open("parcels").expect("the dead have left their room")
    });
    for _ in 0..each {
        mine.push(options.open("parcels").expect("all of it"));
    }
    assert!(matches!(options.open("parcels"), Err(Error::TableFull { .. })));
    late.must("send 1 2");
    assert_eq!(actors[0].ask("recv"), "got 1 2 1");
}

#[test]
fn a_thousand_processes_that_attach_and_die_leave_nothing_behind() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(4).create("parcels").expect("a channel");
    let (tx, rx) = channel.split();
    tx.send(&Parcel::pack(1, 1)).expect("room");
    for round in 0..1000 {
        let mut victim = stage.actor("parcel");
        victim.must("open parcels");
        // Some die with a message in their hands, some with a loan, some with both, some with nothing.
        if round % 4 > 1 {
            victim.must("loan");
        }
        if round % 2 == 1 {
            let reply = victim.ask("hold");
            assert!(reply.starts_with("got 1 1 "), "round {round}: {reply}");
        }
        victim.tell("die");
        victim.end();
    }
    let status = channel.status();
    assert_eq!((status.waiting, status.leased), (1, 0));
    assert_eq!(status.senders, [mi7::End { pid: std::process::id(), handles: 1 }]);
    assert_eq!(status.receivers, [mi7::End { pid: std::process::id(), handles: 1 }]);
    let received = rx.try_recv().expect("the message has survived them all");
    assert_eq!(Parcel::unpack(&received), Some((1, 1)));
    assert!((33..=64).contains(&received.deliveries()), "{}", received.deliveries());
    drop(received);
    for round in 0..3 {
        for number in 0..4 {
            tx.try_send(&Parcel::pack(round, number)).expect("every slot is free");
        }
        assert!(matches!(tx.try_send(&Parcel::pack(0, 0)), Err(Error::Full)));
        for number in 0..4 {
            assert_eq!(Parcel::unpack(&rx.try_recv().expect("it")), Some((round, number)));
        }
    }
    let more = PARTICIPANTS as usize - 1;
    let others: Vec<_> =
        (0..more).map(|_| stage.options::<Parcel>().open("parcels").expect("every entry is free")).collect();
    assert!(matches!(stage.options::<Parcel>().open("parcels"), Err(Error::TableFull { .. })));
    drop(others);
    assert_eq!(fs::read_dir(stage.path()).expect("the stage").count(), 1);
}

#[test]
fn a_killed_process_does_not_take_the_name_with_it_nor_a_half_made_file() {
    let stage = Stage::new(ACTOR);
    for round in 0..50 {
        let mut actor = stage.actor("parcel");
        actor.tell(&format!("create round-{round} capacity=20000"));
        std::thread::sleep(Duration::from_micros(round * 100));
        actor.kill();
    }
    for file in mi7::list_in(stage.path()).expect("the stage") {
        let channel = file.channel.unwrap_or_else(|| panic!("{} is only half made", file.name));
        assert_eq!(channel.capacity, 20000);
        assert!(stage.options::<Parcel>().open(&file.name).is_ok());
    }
}
