//! Sending and receiving between processes: what arrives, in what order, and what is said when it does not.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mi7::{Bincode, Error, Message, SharedChannel};
use mi7_tests::zoo::Specimen;
use mi7_tests::{Letter, Load, Parcel, Stage, big, for_every_specimen};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// What `consume` replied: sender, number, deliveries.
fn consumed(reply: &str) -> Vec<(u32, u64, u32)> {
    let list = reply.strip_prefix("consumed").unwrap_or_else(|| panic!("{reply}"));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    list.split_whitespace()
        .map(|entry| {
            let parts: Vec<&str> = entry.split(':').collect();
            (number(parts[0]) as u32, number(parts[1]), number(parts[2]) as u32)
        })
        .collect()
}

/// `SENDERS` processes send `count` messages each to as many receiving processes.
fn all_arrive_once_and_in_order(kind: &str, capacity: u64, count: u64) {
    const SENDERS: usize = 3;
    const RECEIVERS: usize = 3;
    let stage = Stage::new(ACTOR);
    let mut senders = stage.actors(kind, SENDERS);
    let mut receivers = stage.actors(kind, RECEIVERS);
    for actor in senders.iter_mut().chain(&mut receivers) {
        actor.must(&format!("attach parcels capacity={capacity}"));
    }
    receivers.iter_mut().for_each(|receiver| receiver.tell("consume"));
    (0..).zip(&mut senders).for_each(|(sender, actor): (u32, _)| actor.tell(&format!("produce {sender} {count}")));
    senders.iter_mut().for_each(|sender| assert_eq!(sender.reply(), "ok"));
    senders[0].must("close");

    let mut times = HashMap::new();
    for receiver in &mut receivers {
        let mut newest = HashMap::new();
        for (sender, number, deliveries) in consumed(&receiver.reply()) {
            assert_eq!(deliveries, 1, "nobody died");
            *times.entry((sender, number)).or_insert(0) += 1;
            if let Some(before) = newest.insert(sender, number) {
                assert!(before < number, "{kind}, capacity {capacity}: {sender} sent {before} before {number}");
            }
        }
    }
    for sender in 0..SENDERS as u32 {
        for number in 0..count {
            let times = times.get(&(sender, number)).copied().unwrap_or(0);
            assert_eq!(times, 1, "{kind}, capacity {capacity}: times that {sender}:{number} arrived");
        }
    }
    assert_eq!(times.len() as u64, SENDERS as u64 * count, "nothing arrived that nobody sent");
    assert_eq!(senders[0].ask("count"), "waiting 0 leased 0 senders 6 receivers 6");
}

#[test]
fn typed_messages_arrive_once_and_in_their_senders_order() {
    for (capacity, count) in [(1, 3000), (2, 3000), (3, 5000), (64, 20_000)] {
        all_arrive_once_and_in_order("parcel", capacity, count);
    }
}

#[test]
fn byte_messages_arrive_once_and_in_their_senders_order() {
    for (capacity, count) in [(1, 1500), (2, 1500), (3, 3000), (64, 8000)] {
        all_arrive_once_and_in_order("message", capacity, count);
    }
}

#[test]
fn bincode_arrives_once_and_in_its_senders_order() {
    for (capacity, count) in [(1, 1500), (2, 1500), (3, 3000), (64, 8000)] {
        all_arrive_once_and_in_order("bincode", capacity, count);
    }
}

#[test]
fn one_sender_and_one_receiver_keep_the_order_of_everything() {
    for capacity in [1, 2, 3, 64] {
        let stage = Stage::new(ACTOR);
        let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
        tx.must(&format!("create parcels capacity={capacity}"));
        rx.must("open parcels");
        rx.tell("consume");
        tx.must("produce 7 5000");
        tx.must("close");
        let expected: Vec<_> = (0..5000).map(|number| (7, number, 1)).collect();
        assert_eq!(consumed(&rx.reply()), expected, "capacity {capacity}");
    }
}

#[test]
fn a_channel_holds_exactly_as_many_messages_as_it_was_made_for() {
    for capacity in [1, 2, 3, 5, 64, 100] {
        let stage = Stage::new(ACTOR);
        let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
        tx.must(&format!("create parcels capacity={capacity}"));
        rx.must("open parcels");
        // The second round meets slots that were used before.
        for round in 0..2 {
            for number in 0..capacity {
                tx.must(&format!("try_send {round} {number}"));
            }
            let full = tx.ask("try_send 9 9");
            assert!(full.starts_with("error Full"), "{full}");
            for number in 0..capacity {
                assert_eq!(rx.ask("try_recv"), format!("got {round} {number} 1"));
            }
            let empty = rx.ask("try_recv");
            assert!(empty.starts_with("error Empty"), "{empty}");
        }
    }
}

// ---- types ---------------------------------------------------------------------------------------------------------

#[test]
fn every_kind_of_type_arrives_as_it_was_sent() {
    fn arrives<T: Specimen>(stage: &Stage) {
        let receiver = T::channel(stage.path()).expect(T::NAME).receiver();
        let specimens = T::specimens();
        assert!(!specimens.is_empty());
        for specimen in &specimens {
            let received = receiver.try_recv().unwrap_or_else(|error| panic!("{}: {error}", T::NAME));
            assert_eq!(&received.to_owned(), specimen, "read in place");
            assert_eq!((&raw const *received).addr() % T::ALIGN, 0, "{} is aligned", T::NAME);
            assert_eq!(&received.into_inner(), specimen, "taken out");
        }
        assert!(matches!(receiver.try_recv(), Err(Error::Empty)));
    }

    let stage = Stage::new(ACTOR);
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_zoo")).arg(stage.path()).status();
    assert!(status.expect("the zoo starts").success());
    for_every_specimen!(arrives(&stage));
}

#[test]
fn what_is_in_place_can_be_read_without_taking_it_out() {
    use mi7::rkyv::Archived;
    use mi7_tests::zoo::{Event, Everything};

    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<Event>().create("events").expect("a channel").split();
    for event in Event::specimens() {
        tx.send(&event).expect("room");
    }
    let Archived::<Event>::Nothing = *rx.recv().expect("the first") else { panic!("not the first") };
    match &*rx.recv().expect("the second") {
        Archived::<Event>::Order(id, price, _) => assert_eq!((id.to_native(), price.to_native()), (u64::MAX, -0.5)),
        _ => panic!("not the second"),
    }
    match &*rx.recv().expect("the third") {
        Archived::<Event>::Quote { symbol, bid, ask } => {
            assert_eq!(symbol.as_str(), "EURUSD");
            assert!(bid.is_none());
            assert_eq!(ask.as_ref().map(|ask| ask.to_native()), Some(f64::MIN_POSITIVE));
        }
        _ => panic!("not the third"),
    }

    let (tx, rx) = stage.options::<Everything>().create("everything").expect("a channel").split();
    tx.send(&Everything::specimens()[1]).expect("room");
    let everything = rx.recv().expect("it");
    assert_eq!(everything.huge.1.to_native(), u128::MAX);
    assert_eq!(everything.addresses.0.as_ipv4(), std::net::Ipv4Addr::BROADCAST);
}

// ---- sizes ---------------------------------------------------------------------------------------------------------

#[test]
fn messages_of_a_mebibyte_arrive_whole() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx) = (stage.actor("message"), stage.actor("message"));
    tx.must(&format!("create large capacity=3 size={}", 1 << 20));
    rx.must("open large");
    for number in 0..10 {
        let number = big(1 << 20, number);
        tx.must(&format!("send 1 {number}"));
        assert_eq!(rx.ask("recv"), format!("got 1 {number} 1"));
    }

    let (mut tx, mut rx) = (stage.actor("slab"), stage.actor("slab"));
    tx.must("create slabs capacity=2");
    rx.must("open slabs");
    rx.tell("consume");
    tx.must("produce 1 5");
    tx.must("close");
    assert_eq!(rx.reply(), "consumed 1:0:1 1:1:1 1:2:1 1:3:1 1:4:1");
}

#[test]
fn a_message_of_exactly_the_largest_size_fits_and_one_byte_more_says_both_sizes() {
    for max in [0, 1, 12, 250, 251, 1000, 70_000] {
        let stage = Stage::new(ACTOR);
        let channel = stage.options::<Message>().capacity(2).max_message_size(max).create("sized").expect("a channel");
        assert_eq!(channel.max_message_size(), max);
        let (tx, rx) = channel.split();
        // The largest numbers take the most room beside the data.
        let fitting = Message { id: u64::MAX, data: vec![7; max], timestamp: u64::MAX };
        let larger = Message { data: vec![7; max + 1], ..fitting.clone() };
        // More often than there are slots: a refused message takes none away.
        for _ in 0..5 {
            match tx.send(&larger) {
                Err(Error::TooLarge { size, max: most }) => assert_eq!((size, most), (max + 1, max)),
                other => panic!("{other:?}"),
            }
            match tx.try_send(&larger) {
                Err(error @ Error::TooLarge { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains(&(max + 1).to_string()) && text.contains(&max.to_string()), "{text}");
                }
                other => panic!("{other:?}"),
            }
            tx.send(&fitting).expect("the queue goes on");
            assert_eq!(rx.try_recv().expect("it").to_owned(), fitting);
        }
    }
}

#[test]
fn a_process_that_sends_too_large_messages_does_not_disturb_the_others() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx) = (stage.actor("message"), stage.actor("message"));
    tx.must("create sized capacity=2 size=500");
    rx.must("open sized");
    rx.tell("recv");
    rx.wait_until_asleep();
    for number in 0..10 {
        let reply = tx.ask(&format!("send 1 {}", big(501, number)));
        assert!(reply.starts_with("error TooLarge") && reply.contains("501") && reply.contains("500"), "{reply}");
    }
    tx.must(&format!("send 1 {}", big(500, 1)));
    assert_eq!(rx.reply(), format!("got 1 {} 1", big(500, 1)));
}

#[test]
fn bincode_of_exactly_the_largest_size_fits_and_one_byte_more_does_not() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Bincode<String>>().capacity(1).max_message_size(100);
    let (tx, rx) = options.create("texts").expect("a channel").split();
    // One byte of bincode says the length.
    let fitting = Bincode("x".repeat(99));
    match tx.send(&Bincode("x".repeat(100))) {
        Err(Error::TooLarge { size, max }) => assert_eq!((size, max), (101, 100)),
        other => panic!("{other:?}"),
    }
    tx.send(&fitting).expect("it fits");
    assert_eq!(*rx.recv().expect("it"), fitting.0);
}

#[test]
fn what_cannot_be_encoded_is_an_error_and_the_channel_goes_on() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Moody(bool);

    impl serde::Serialize for Moody {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 { serializer.serialize_bool(true) } else { Err(serde::ser::Error::custom("not today")) }
        }
    }

    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<Bincode<Moody>>().capacity(1).create("moods").expect("a channel").split();
    for _ in 0..3 {
        match tx.send(&Bincode(Moody(false))) {
            Err(Error::Encoding { why }) => assert!(why.contains("not today"), "{why}"),
            other => panic!("{other:?}"),
        }
        tx.try_send(&Bincode(Moody(true))).expect("room");
        assert_eq!(*rx.try_recv().expect("it"), Moody(true));
    }
}

#[test]
fn the_bytes_of_a_message_can_be_read_where_they_lie() {
    let stage = Stage::new(ACTOR);
    let mut tx = stage.actor("message");
    tx.must("create bytes capacity=4");
    tx.must("send 3 150");
    let rx = stage.options::<Message>().open("bytes").expect("the channel").receiver();
    let received = rx.recv().expect("the message");
    assert_eq!(Message::unpack(&received), Some((3, 150)));
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the maps");
    let at = received.data().as_ptr().addr();
    let map = maps.lines().find(|line| {
        let (range, _) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("two ends");
        let end = |text| usize::from_str_radix(text, 16).expect("an address");
        (end(from)..end(to)).contains(&at)
    });
    let map = map.expect("a map holds the bytes");
    assert!(map.ends_with(stage.file("bytes").to_str().expect("a path")), "in the channel's file: {map}");
}

// ---- loans ---------------------------------------------------------------------------------------------------------

#[test]
fn a_loan_is_sent_when_it_says_so_and_not_before() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut other, mut rx) = (stage.actor("parcel"), stage.actor("parcel"), stage.actor("parcel"));
    for actor in [&mut tx, &mut other, &mut rx] {
        actor.must("attach loans capacity=4");
    }
    tx.must("loan");
    let reply = rx.ask("recv_timeout 50");
    assert!(reply.starts_with("error Timeout"), "{reply}");
    other.must("send 2 2");
    let reply = rx.ask("try_recv");
    assert!(reply.starts_with("error Empty"), "what was sent after the loan is received after it: {reply}");
    rx.tell("recv");
    tx.must("loan_send 1 1");
    assert_eq!(rx.reply(), "got 1 1 1");
    assert_eq!(rx.ask("recv"), "got 2 2 1");
}

#[test]
fn a_loan_that_is_dropped_or_sent_unwritten_goes_back() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
    tx.must("create loans capacity=2");
    rx.must("open loans");
    for number in 0..7 {
        tx.must("loan");
        tx.must("loan_drop");
        tx.must("loan");
        let reply = tx.ask("loan_unwritten");
        assert!(reply.starts_with("error Unwritten"), "{reply}");
        tx.must("loan");
        tx.must("loan");
        tx.must("loan_drop");
        tx.must(&format!("loan_send 1 {number}"));
        assert_eq!(rx.ask("try_recv"), format!("got 1 {number} 1"));
    }
    assert_eq!(rx.ask("count"), "waiting 0 leased 0 senders 2 receivers 2");
    rx.tell("recv");
    rx.wait_until_asleep();
    tx.must("loan");
    tx.must("loan_drop");
    tx.must("send 1 99");
    assert_eq!(rx.reply(), "got 1 99 1");
}

#[test]
fn a_loan_that_is_dropped_makes_room_for_a_sender_that_waits() {
    let stage = Stage::new(ACTOR);
    let (mut holder, mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"), stage.actor("parcel"));
    for actor in [&mut holder, &mut tx, &mut rx] {
        actor.must("attach loans capacity=1");
    }
    holder.must("loan");
    tx.tell("send 1 1");
    tx.wait_until_asleep();
    rx.tell("recv");
    rx.wait_until_asleep();
    holder.must("loan_drop");
    assert_eq!(tx.reply(), "ok");
    assert_eq!(rx.reply(), "got 1 1 1");
}

#[test]
fn a_loan_can_be_written_again_and_filled_in_place() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<[u64; 4]>().capacity(2).create("rows").expect("a channel").split();
    let mut loan = tx.loan().expect("room");
    loan.write(&[1; 4]).expect("archives fit");
    loan.write(&[2; 4]).expect("archives fit");
    loan.send().expect("it was written");
    let mut loan = tx.try_loan().expect("room");
    loan.as_uninit().write([3.into(); 4]);
    // SAFETY: written in the line above.
    let row = unsafe { loan.assume_written() };
    row[3] = 4.into();
    loan.send().expect("it was written");
    assert!(matches!(tx.try_loan(), Err(Error::Full)));
    assert_eq!(rx.recv().expect("the first").to_owned(), [2; 4]);
    assert_eq!(rx.recv().expect("the second").to_owned(), [3, 3, 3, 4]);
}

// ---- leases --------------------------------------------------------------------------------------------------------

#[test]
fn a_message_put_back_is_received_again_ahead_of_newer_ones() {
    for way in ["requeue", "panic"] {
        let stage = Stage::new(ACTOR);
        let (mut one, mut two) = (stage.actor("parcel"), stage.actor("parcel"));
        one.must("create parcels capacity=3");
        two.must("open parcels");
        one.must("send 1 0");
        one.must("send 1 1");
        if way == "panic" {
            one.must("panic");
        } else {
            assert_eq!(one.ask("hold"), "got 1 0 1");
            one.must("requeue");
        }
        one.must("send 1 2");
        assert_eq!(two.ask("hold"), "got 1 0 2", "{way}");
        two.must("requeue");
        assert_eq!(one.ask("recv"), "got 1 0 3", "{way}");
        assert_eq!(two.ask("recv"), "got 1 1 1", "{way}");
        assert_eq!(one.ask("recv"), "got 1 2 1", "{way}");
        assert_eq!(one.ask("count"), "waiting 0 leased 0 senders 2 receivers 2");
    }
}

#[test]
fn a_message_put_back_wakes_a_receiver_that_waits() {
    for way in ["requeue", "panic"] {
        let stage = Stage::new(ACTOR);
        let (mut one, mut two) = (stage.actor("parcel"), stage.actor("parcel"));
        one.must("create parcels capacity=3");
        two.must("open parcels");
        one.must("send 1 0");
        if way == "panic" {
            // Received by the one that panics: the other is not waiting yet.
            one.must("panic");
            two.tell("recv");
        } else {
            assert_eq!(one.ask("hold"), "got 1 0 1");
            two.tell("recv");
            two.wait_until_asleep();
            one.must("requeue");
        }
        assert_eq!(two.reply(), "got 1 0 2", "{way}");
    }
}

#[test]
fn held_leases_block_nobody() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut holder, mut rx) = (stage.actor("parcel"), stage.actor("parcel"), stage.actor("parcel"));
    for actor in [&mut tx, &mut holder, &mut rx] {
        actor.must("attach parcels capacity=4");
    }
    for number in 0..3 {
        tx.must(&format!("send 1 {number}"));
        assert_eq!(holder.ask("hold"), format!("got 1 {number} 1"));
    }
    // One slot is left, and goes round.
    for number in 3..50 {
        tx.must(&format!("send 1 {number}"));
        let full = tx.ask("try_send 9 9");
        assert!(full.starts_with("error Full"), "{full}");
        assert_eq!(rx.ask("try_recv"), format!("got 1 {number} 1"));
    }
    assert_eq!(holder.ask("count"), "waiting 0 leased 3 senders 3 receivers 3");
    for _ in 0..3 {
        holder.must("release");
    }
    for number in 50..54 {
        tx.must(&format!("try_send 1 {number}"));
    }
    for number in 50..54 {
        assert_eq!(rx.ask("try_recv"), format!("got 1 {number} 1"), "the room of released leases is used again");
    }
}

#[test]
fn a_lease_that_ends_makes_room_for_a_sender_that_waits() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut holder) = (stage.actor("parcel"), stage.actor("parcel"));
    tx.must("create parcels capacity=1");
    holder.must("open parcels");
    tx.must("send 1 0");
    assert_eq!(holder.ask("hold"), "got 1 0 1");
    tx.tell("send 1 1");
    tx.wait_until_asleep();
    holder.must("release");
    assert_eq!(tx.reply(), "ok");
    assert_eq!(holder.ask("recv"), "got 1 1 1");
}

#[test]
fn a_detached_lease_outlives_its_receiver_and_can_end_on_another_thread() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().capacity(1).create("numbers").expect("a channel");
    let (tx, rx) = channel.split();
    tx.send(&7).expect("room");
    let received = rx.recv().expect("it").detach();
    drop((rx, channel));
    assert!(matches!(tx.try_send(&8), Err(Error::Full)), "the slot is still held");
    std::thread::spawn(move || assert_eq!(received.to_owned(), 7)).join().expect("the thread");
    tx.try_send(&8).expect("the slot is free");
}

#[test]
fn a_message_of_bytes_is_a_lease_like_any_other() {
    let stage = Stage::new(ACTOR);
    for kind in ["message", "bincode"] {
        let (mut tx, mut rx) = (stage.actor(kind), stage.actor(kind));
        tx.must(&format!("create {kind} capacity=2"));
        rx.must(&format!("open {kind}"));
        tx.must("send 1 44");
        assert_eq!(rx.ask("hold"), "got 1 44 1");
        rx.must("requeue");
        assert_eq!(tx.ask("recv"), "got 1 44 2");
    }
}

// ---- closing -------------------------------------------------------------------------------------------------------

#[test]
fn after_a_close_senders_are_refused_and_receivers_drain() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx, mut third) = (stage.actor("parcel"), stage.actor("parcel"), stage.actor("parcel"));
    for actor in [&mut tx, &mut rx, &mut third] {
        actor.must("attach parcels capacity=4");
    }
    for number in 0..3 {
        tx.must(&format!("send 1 {number}"));
    }
    assert_eq!(third.ask("hold"), "got 1 0 1");
    third.must("close");
    third.must("close");
    for command in ["send 1 9", "try_send 1 9", "send_timeout 1 9 100", "loan"] {
        let reply = tx.ask(command);
        assert!(reply.starts_with("error Closed"), "{command}: {reply}");
    }
    assert_eq!(rx.ask("recv"), "got 1 1 1");
    third.must("requeue");
    assert_eq!(rx.ask("recv"), "got 1 0 2", "what is put back after the close is still received");
    assert_eq!(rx.ask("recv"), "got 1 2 1");
    for command in ["recv", "try_recv", "recv_timeout 1000"] {
        let reply = rx.ask(command);
        assert!(reply.starts_with("error Closed"), "{command}: {reply}");
    }
    assert_eq!(rx.ask("consume"), "consumed");

    let mut late = stage.actor("parcel");
    late.must("open parcels");
    let reply = late.ask("recv");
    assert!(reply.starts_with("error Closed"), "for who comes later too: {reply}");
}

#[test]
fn a_close_wakes_every_receiver_and_every_sender_that_waits() {
    let stage = Stage::new(ACTOR);
    let mut closer = stage.actor("parcel");
    closer.must("create empty capacity=1");
    let mut receivers = stage.actors("parcel", 3);
    for receiver in &mut receivers {
        receiver.must("open empty");
        receiver.tell("recv");
    }
    receivers.iter().for_each(|receiver| receiver.wait_until_asleep());
    closer.must("close");
    for receiver in &mut receivers {
        let reply = receiver.reply();
        assert!(reply.starts_with("error Closed"), "{reply}");
    }

    closer.must("create full capacity=1");
    closer.must("send 1 0");
    let mut senders = stage.actors("parcel", 3);
    for sender in &mut senders {
        sender.must("open full");
        sender.tell("send 1 1");
    }
    senders.iter().for_each(|sender| sender.wait_until_asleep());
    closer.must("close");
    for sender in &mut senders {
        let reply = sender.reply();
        assert!(reply.starts_with("error Closed"), "{reply}");
    }
    assert_eq!(closer.ask("consume"), "consumed 1:0:1", "what was sent before is still there");
}

#[test]
fn a_loan_taken_before_the_close_can_still_be_sent() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
    tx.must("create parcels capacity=2");
    rx.must("open parcels");
    tx.must("loan");
    rx.must("close");
    rx.tell("recv");
    rx.wait_until_asleep();
    tx.must("loan_send 1 1");
    assert_eq!(rx.reply(), "got 1 1 1");
    let reply = rx.ask("recv");
    assert!(reply.starts_with("error Closed"), "{reply}");
}

#[test]
fn a_loan_dropped_after_the_close_ends_the_wait_of_receivers() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
    tx.must("create parcels capacity=2");
    rx.must("open parcels");
    tx.must("loan");
    rx.must("close");
    rx.tell("recv");
    rx.wait_until_asleep();
    tx.must("loan_drop");
    let reply = rx.reply();
    assert!(reply.starts_with("error Closed"), "{reply}");
}

// ---- time ----------------------------------------------------------------------------------------------------------

#[test]
fn timeouts_are_kept() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<Parcel>().capacity(1).create("parcels").expect("a channel").split();
    for millis in [0, 1, 30, 100, 250] {
        let limit = Duration::from_millis(millis);
        let began = Instant::now();
        assert!(matches!(rx.recv_timeout(limit), Err(Error::Timeout)));
        let took = began.elapsed();
        assert!(took >= limit && took < limit + Duration::from_secs(1), "recv_timeout({limit:?}) took {took:?}");
    }
    tx.send(&Parcel::pack(1, 1)).expect("room");
    for millis in [0, 1, 30, 100, 250] {
        let limit = Duration::from_millis(millis);
        let began = Instant::now();
        assert!(matches!(tx.send_timeout(&Parcel::pack(1, 2), limit), Err(Error::Timeout)));
        let took = began.elapsed();
        assert!(took >= limit && took < limit + Duration::from_secs(1), "send_timeout({limit:?}) took {took:?}");
    }
    let received = rx.recv_timeout(Duration::ZERO).expect("what is there needs no time");
    assert_eq!(Parcel::unpack(&received), Some((1, 1)));
    drop(received);
    tx.send_timeout(&Parcel::pack(1, 2), Duration::MAX).expect("room, and a limit past the end of all clocks");
    assert!(rx.recv_timeout(Duration::MAX).is_ok());
}

#[test]
fn a_wait_ends_when_another_process_does_what_it_waits_for() {
    let stage = Stage::new(ACTOR);
    let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
    tx.must("create parcels capacity=1");
    rx.must("open parcels");
    let far = 20_000;
    rx.tell(&format!("recv_timeout {far}"));
    rx.wait_until_asleep();
    tx.must("send 1 1");
    assert_eq!(rx.reply(), "got 1 1 1");
    tx.must("send 1 2");
    tx.tell(&format!("send_timeout 1 3 {far}"));
    tx.wait_until_asleep();
    assert_eq!(rx.ask("recv"), "got 1 2 1");
    assert_eq!(tx.reply(), "ok");
    for actor in [&mut tx, &mut rx] {
        let millis: u64 = actor.ask("millis").parse().expect("a number");
        assert!(millis < far, "it took {millis} ms");
    }
}

#[test]
fn what_nobody_took_is_still_the_senders() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Bincode<Letter>>().capacity(1);
    let (tx, rx) = options.create("letters").expect("a channel").split();
    let (first, second) = (Bincode::<Letter>::pack(1, 1), Bincode::<Letter>::pack(1, 2));
    tx.send(&first).expect("room");
    assert!(matches!(tx.try_send(&second), Err(Error::Full)));
    assert!(matches!(tx.send_timeout(&second, Duration::from_millis(1)), Err(Error::Timeout)));
    assert_eq!(*rx.recv().expect("the first"), first.0);
    tx.send(&second).expect("room");
    assert_eq!(*rx.recv().expect("the second"), second.0);
}

#[test]
fn handles_of_one_process_share_a_channel_between_threads() {
    const EACH: u64 = 2000;
    let stage = Stage::new(ACTOR);
    let channel: SharedChannel<Parcel> = stage.options().capacity(8).create("parcels").expect("a channel");
    let (tx, rx) = channel.split();
    let mut seen = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let tx = tx.clone();
                scope.spawn(move || (0..EACH).for_each(|number| tx.send(&Parcel::pack(sender, number)).expect("open")))
            })
            .collect();
        // One of them shares the other's handle rather than cloning it.
        let receivers = [&rx, &rx].map(|rx| {
            scope.spawn(move || rx.iter().map(|parcel| Parcel::unpack(&parcel).expect("whole")).collect::<Vec<_>>())
        });
        senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
        channel.close();
        receivers.into_iter().flat_map(|receiver| receiver.join().expect("a receiver")).collect::<Vec<_>>()
    });
    seen.sort_unstable();
    let all: Vec<_> = (0..2).flat_map(|sender| (0..EACH).map(move |number| (sender, number))).collect();
    assert_eq!(seen, all);
}
