//! What a channel says of itself: `status`, `list`, `remove`.

use std::fs;
use std::time::{Duration, Instant};

use mi7::{Bincode, End, Error, Message, SharedChannel};
use mi7_tests::{Load, Parcel, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

#[test]
fn counts_are_exact_while_nobody_is_at_work() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(5).create("parcels").expect("a channel");
    let (tx, rx) = channel.split();
    let counts = || {
        let status = channel.status();
        (status.waiting, status.leased, status.sent, status.received, status.peak_depth)
    };
    assert_eq!(counts(), (0, 0, 0, 0, 0));
    // Through laps and positions that are passed over.
    let (mut sent, mut received) = (0, 0);
    for lap in 0..4 {
        for number in 1..=5 {
            tx.send(&Parcel::pack(lap, number as u64)).expect("room");
            sent += 1;
            assert_eq!(counts(), (number, 0, sent, received, if lap == 0 { number } else { 5 }));
        }
        let first = rx.recv().expect("it");
        let second = rx.recv().expect("it");
        assert_eq!(counts(), (3, 2, sent, received, 5));
        first.requeue();
        assert_eq!(counts(), (4, 1, sent, received, 5), "put back: it waits again");
        drop(second);
        received += 1;
        assert_eq!(counts(), (4, 0, sent, received, 5));
        // The slot of a lease that is still held is passed over.
        let held = rx.recv().expect("it");
        for number in 0..7 {
            drop(rx.recv().expect("it"));
            tx.send(&Parcel::pack(lap, number)).expect("room");
            (sent, received) = (sent + 1, received + 1);
        }
        assert_eq!(counts(), (3, 1, sent, received, 5));
        drop(held);
        received += 1;
        assert_eq!(counts(), (3, 0, sent, received, 5));
        let loan = tx.loan().expect("room");
        assert_eq!(counts(), (3, 0, sent, received, 5), "a loan is not sent");
        drop(loan);
        assert_eq!(counts(), (3, 0, sent, received, 5), "nor a loan that was dropped");
        while rx.try_recv().is_ok() {
            received += 1;
        }
        assert_eq!(counts(), (0, 0, sent, received, 5));
    }
    assert_eq!(sent, received);
    // `age` is the one thing that changes while nobody is at work.
    let still = |mut status: mi7::Status| {
        status.age = Duration::ZERO;
        status
    };
    assert_eq!(still(rx.status()), still(tx.status()), "every handle says the same");
    assert_eq!(still(rx.status()), still(channel.status()));
}

#[test]
fn age_bytes_and_flags_are_those_of_the_file() {
    let stage = Stage::new(ACTOR);
    let began = Instant::now();
    let channel = stage.options::<Parcel>().capacity(5).create("parcels").expect("a channel");
    std::thread::sleep(Duration::from_millis(20));
    let status = stage.options::<Parcel>().open("parcels").expect("it").status();
    assert!(status.age >= Duration::from_millis(20) && status.age <= began.elapsed(), "{:?}", status.age);
    assert_eq!(status.bytes, fs::metadata(stage.file("parcels")).expect("the file").len());
    assert_eq!(channel.path(), stage.file("parcels"));
    assert_eq!((status.capacity, status.closed, status.removed), (5, false, false));
    channel.close();
    mi7::remove_in(stage.path(), "parcels").expect("it is there");
    let status = channel.status();
    assert_eq!((status.closed, status.removed), (true, true));
    assert!(channel.is_closed() && channel.is_removed());
}

#[test]
fn the_living_are_listed_with_their_handles_and_the_dead_and_the_gone_are_not() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(5).create("parcels").expect("a channel");
    let me = std::process::id();
    let ends = |channel: &SharedChannel<Parcel>| {
        let status = channel.status();
        let list = |mut ends: Vec<End>| {
            ends.sort_by_key(|end| end.pid);
            ends.into_iter().map(|end| (end.pid, end.handles)).collect::<Vec<_>>()
        };
        (list(status.senders), list(status.receivers))
    };
    assert_eq!(ends(&channel), (vec![], vec![]), "a channel is not an end of it");
    let (tx, rx) = channel.split();
    let more = [tx.clone(), channel.sender()];
    assert_eq!(ends(&channel), (vec![(me, 3)], vec![(me, 1)]));
    drop((rx, more));
    assert_eq!(ends(&channel), (vec![(me, 1)], vec![]));

    let mut actors = stage.actors("parcel", 3);
    actors.iter_mut().for_each(|actor| actor.must("open parcels"));
    let expected = |actors: &[mi7_tests::Actor]| {
        let mut receivers: Vec<_> = actors.iter().map(|actor| (actor.pid(), 1)).collect();
        receivers.sort();
        let mut senders = receivers.clone();
        senders.push((me, 1));
        senders.sort();
        (senders, receivers)
    };
    assert_eq!(ends(&channel), expected(&actors));
    actors.remove(0).kill();
    assert_eq!(ends(&channel), expected(&actors), "at once, once it is dead");
    actors[0].must("detach");
    actors.remove(0).finish();
    assert_eq!(ends(&channel), expected(&actors));
    actors[0].stop();
    assert_eq!(ends(&channel), expected(&actors), "who is stopped is there");
    actors.remove(0).kill();
    assert_eq!(ends(&channel), (vec![(me, 1)], vec![]));
}

#[test]
fn what_the_dead_held_is_counted_as_waiting() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(5).create("parcels").expect("a channel");
    let mut actor = stage.actor("parcel");
    actor.must("open parcels");
    for number in 0..3 {
        actor.must(&format!("send 1 {number}"));
    }
    actor.ask("hold");
    actor.ask("hold");
    actor.must("loan");
    let status = channel.status();
    assert_eq!((status.waiting, status.leased, status.sent, status.received), (1, 2, 3, 0));
    actor.kill();
    let status = channel.status();
    assert_eq!((status.waiting, status.leased, status.sent, status.received), (3, 0, 3, 0));
}

#[test]
fn counts_stay_within_bounds_while_others_are_at_work_and_are_exact_afterwards() {
    const EACH: u64 = 3000;
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(7).create("parcels").expect("a channel");
    let mut actors = stage.actors("parcel", 4);
    actors.iter_mut().for_each(|actor| actor.must("open parcels"));
    for (number, actor) in actors.iter_mut().enumerate() {
        actor.tell(&if number < 2 { format!("produce {number} {EACH}") } else { "consume".into() });
    }
    let mut looks = 0;
    loop {
        let status = channel.status();
        assert!(status.waiting + status.leased <= 7, "{status:?}");
        assert!(status.sent <= 2 * EACH && status.received <= status.sent && status.peak_depth <= 7, "{status:?}");
        assert_eq!((status.senders.len(), status.receivers.len()), (4, 4));
        looks += 1;
        if status.received == 2 * EACH {
            break;
        }
    }
    assert!(looks > 1);
    for actor in &mut actors[..2] {
        assert_eq!(actor.reply(), "ok");
    }
    let status = channel.status();
    assert_eq!((status.waiting, status.leased, status.sent, status.received), (0, 0, 2 * EACH, 2 * EACH));
    assert!((1..=7).contains(&status.peak_depth));
}

// ---- lists ---------------------------------------------------------------------------------------------------------

#[test]
fn a_list_tells_each_channel_by_name_and_what_is_none() {
    let stage = Stage::new(ACTOR);
    let listed = || mi7::list_in(stage.path()).expect("the stage");
    assert_eq!(listed(), []);
    let _parcels = stage.options::<Parcel>().capacity(5).create("parcels").expect("a channel");
    let _bytes = stage.options::<Message>().capacity(3).create("bytes").expect("a channel");
    let _texts = stage.options::<Bincode<Vec<String>>>().capacity(2).create("texts").expect("a channel");
    fs::write(stage.file("letter"), "Dear channel,").expect("a file");
    fs::write(stage.file(".hidden"), "").expect("a file");
    fs::write(stage.file("no channel"), "").expect("a file");
    fs::create_dir(stage.file("directory")).expect("a directory");
    let list = listed();
    let names: Vec<&str> = list.iter().map(|listed| listed.name.as_str()).collect();
    assert_eq!(names, ["bytes", "letter", "parcels", "texts"]);
    assert_eq!(list[1].channel, None);
    assert_eq!(list[1].path, stage.file("letter"));
    let parcels = list[2].channel.as_ref().expect("a channel");
    assert_eq!((parcels.capacity, parcels.message.as_str()), (5, "Parcel"));
    assert_eq!(parcels.bytes, fs::metadata(stage.file("parcels")).expect("the file").len());
    assert!(parcels.age < Duration::from_secs(60));
    assert!(
        ["sender", "number", "fill", "u32", "u64"].iter().all(|word| parcels.schema.contains(word)),
        "{}",
        parcels.schema
    );
    let texts = list[3].channel.as_ref().expect("a channel");
    assert_eq!((texts.capacity, texts.message.as_str()), (2, "Vec<String>"));
    assert_eq!(list[0].channel.as_ref().map(|bytes| bytes.capacity), Some(3));

    for name in ["parcels", "letter"] {
        mi7::remove_in(stage.path(), name).expect("it is there");
    }
    let names: Vec<String> = listed().into_iter().map(|listed| listed.name).collect();
    assert_eq!(names, ["bytes", "texts"]);
    assert_eq!(mi7::list_in(stage.path().join("nowhere")).expect("nothing is no error"), []);
}

#[test]
fn looking_at_a_list_disturbs_nobody() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(2).create("parcels").expect("a channel");
    let before = fs::read(stage.file("parcels")).expect("the file");
    for _ in 0..300 {
        assert_eq!(mi7::list_in(stage.path()).expect("the stage").len(), 1);
    }
    assert!(fs::read(stage.file("parcels")).expect("the file") == before);
    assert_eq!(channel.status().senders, []);
}

#[test]
fn channels_in_the_default_directory_are_found_and_removed_by_name_alone() {
    let _watched = Stage::new(ACTOR);
    let name = format!("observed-{}", std::process::id());
    let (tx, rx) = mi7::channel::<u64>(&name).expect("a channel");
    let path = format!("/dev/shm/mi7-{}/{name}", rustix::process::geteuid().as_raw());
    assert_eq!(tx.channel().path().to_str(), Some(path.as_str()));
    mi7::sender::<u64>(&name).expect("the same").send(&5).expect("room");
    assert_eq!(mi7::receiver::<u64>(&name).expect("the same").recv().expect("it").to_native(), 5);
    assert!(matches!(mi7::sender::<i64>(&name), Err(Error::Mismatch { .. })));
    assert!(mi7::list().expect("the directory").iter().any(|listed| listed.name == name));
    mi7::remove(&name).expect("it is there");
    assert!(mi7::list().expect("the directory").iter().all(|listed| listed.name != name));
    assert!(matches!(mi7::remove(&name), Err(Error::NotFound { .. })));
    assert!(rx.channel().is_removed());
}
