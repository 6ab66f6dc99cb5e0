//! Several messages at a time, between processes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mi7::{Error, Message, Received};
use mi7_tests::{Actor, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

fn numbers(batch: &[Received<'_, u64>]) -> Vec<u64> {
    batch.iter().map(|number| number.to_native()).collect()
}

fn batch(numbers: impl Iterator<Item = u64>, deliveries: u32) -> String {
    numbers.fold("batch".into(), |text, number| format!("{text} 1:{number}:{deliveries}"))
}

#[test]
fn what_is_sent_together_is_received_together_and_in_order() {
    for kind in ["parcel", "message", "bincode"] {
        let stage = Stage::new(ACTOR);
        let mut actors = stage.actors(kind, 2);
        let [tx, rx] = &mut actors[..] else { panic!("two") };
        for actor in [&mut *tx, &mut *rx] {
            actor.must("attach jobs capacity=16");
        }
        // Round and round, alone at both ends, and with batches of other sizes than the ring's.
        for round in 0..40 {
            assert_eq!(tx.ask(&format!("send_many 1 {} 10", 10 * round)), "10", "{kind}");
            assert_eq!(rx.ask("recv_many 3"), batch(10 * round..10 * round + 3, 1), "{kind}");
            assert_eq!(rx.ask("recv_many 100"), batch(10 * round + 3..10 * round + 10, 1), "{kind}");
        }
        assert_eq!(tx.ask("count"), "waiting 0 leased 0 senders 2 receivers 2", "{kind}");
    }
}

#[test]
fn a_batch_larger_than_the_channel_waits_for_room() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 2);
    let [tx, rx] = &mut actors[..] else { panic!("two") };
    tx.must("attach jobs capacity=4");
    rx.must("attach jobs");
    tx.tell("send_many 1 0 1000");
    let mut next = 0;
    while next < 1000 {
        let reply = rx.ask("recv_many 64");
        let got = reply.split(' ').skip(1).count() as u64;
        assert!((1..=4).contains(&got), "{reply}");
        assert_eq!(reply, batch(next..next + got, 1));
        next += got;
    }
    assert_eq!(tx.reply(), "1000");
}

#[test]
fn a_batch_wakes_who_waits_for_it() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 4);
    let (tx, receivers) = actors.split_first_mut().expect("four");
    tx.must("attach jobs capacity=64 wait=park");
    for receiver in receivers.iter_mut() {
        receiver.must("attach jobs wait=park");
        receiver.tell("recv_many 1");
    }
    receivers.iter().for_each(Actor::wait_until_asleep);
    let begun = Instant::now();
    assert_eq!(tx.ask("send_many 1 0 3"), "3");
    let mut got: Vec<String> = receivers.iter_mut().map(Actor::reply).collect();
    got.sort();
    assert_eq!(got, ["batch 1:0:1", "batch 1:1:1", "batch 1:2:1"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // And one who waits for room, by a batch that is let go of together.
    assert_eq!(tx.ask("send_many 1 0 64"), "64");
    let [receiver, waiting, _] = receivers else { panic!("three") };
    let held = receiver.ask("hold_many 64");
    assert_eq!(held, batch(0..64, 1));
    waiting.tell("send 2 7");
    waiting.wait_until_asleep();
    let begun = Instant::now();
    receiver.must("release_many");
    assert_eq!(waiting.reply(), "ok");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_receiver_that_dies_with_a_batch_loses_none_of_it() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 3);
    let [tx, doomed, rx] = &mut actors[..] else { panic!("three") };
    for actor in [&mut *tx, &mut *doomed, &mut *rx] {
        actor.must("attach jobs capacity=32");
    }
    // Alone, and so with plain stores.
    for round in 0..30 {
        tx.ask(&format!("send_many 1 {} 10", 10 * round));
        doomed.ask("recv_many 10");
    }
    assert_eq!(tx.ask("send_many 1 0 20"), "20");
    assert_eq!(doomed.ask("hold_many 12"), batch(0..12, 1));
    let doomed = actors.remove(1);
    doomed.kill();
    let rx = &mut actors[1];
    let mut got = Vec::new();
    while got.len() < 20 {
        let reply = rx.ask("recv_many 32");
        got.extend(reply.split(' ').skip(1).map(str::to_owned));
    }
    got.sort_by_key(|one| one.split(':').nth(1).and_then(|number| number.parse::<u64>().ok()));
    let again = (0..12).map(|number| format!("1:{number}:2"));
    let once = (12..20).map(|number| format!("1:{number}:1"));
    assert_eq!(got, again.chain(once).collect::<Vec<_>>());
}

#[test]
fn a_sender_that_dies_with_loans_leaves_no_gap() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 2);
    let [tx, rx] = &mut actors[..] else { panic!("two") };
    tx.must("attach jobs capacity=8");
    rx.must("attach jobs");
    for _ in 0..3 {
        tx.must("loan");
    }
    assert_eq!(tx.ask("loan_many 10 2 1"), "2 of 5");
    actors.remove(0).kill();
    let rx = &mut actors[0];
    assert_eq!(rx.ask("recv_many 1"), "batch 1:0:1");
    assert_eq!(rx.ask("recv_many 1"), "batch 1:1:1");
    assert_eq!(rx.ask("try_recv").split(' ').nth(1), Some("Empty"));
    assert_eq!(rx.ask("send_many 2 0 8"), "8");
    assert_eq!(rx.ask("try_send 2 8").split(' ').nth(1), Some("Full"));
}

#[test]
fn what_is_left_of_a_batch_is_put_back() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<u64>().capacity(16).create("jobs").expect("a channel").split();
    tx.send_many(0..10).expect("there is room");
    for number in rx.recv_many(5).expect("there are ten") {
        if number.to_native() == 2 {
            break;
        }
    }
    let rest = rx.recv_many(100).expect("there are seven");
    assert_eq!(numbers(&rest), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(rest.iter().map(Received::deliveries).collect::<Vec<_>>(), [2, 2, 1, 1, 1, 1, 1]);
    rest.requeue();
    assert_eq!(rx.status().waiting, 7);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _batch = rx.recv_many(3).expect("there are seven");
        panic!("in the middle of a batch");
    }));
    assert!(panicked.is_err());
    assert_eq!((rx.status().waiting, rx.status().leased), (7, 0));
    let all = rx.recv_many(100).expect("there are seven");
    assert_eq!((numbers(&all), rx.status().leased), ((3..10).collect(), 7));
    drop(all);
    assert_eq!((rx.status().waiting, rx.status().leased), (0, 0));
}

#[test]
fn a_batch_ends_where_a_message_cannot_be_sent() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Message>().capacity(8).max_message_size(64);
    let (tx, rx) = options.create("jobs").expect("a channel").split();
    let [small, large] = [vec![1; 10], vec![2; 1000]].map(|data| Message { id: 1, data, timestamp: 0 });
    let messages = [&small, &small, &large, &small];
    assert_eq!(tx.send_many(messages).expect("two were sent"), 2);
    match tx.send_many(messages[2..].iter().copied()) {
        Err(Error::TooLarge { size: 1000.., max: 64.. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(rx.recv_many(8).expect("two were sent").len(), 2);
    tx.close();
    assert!(matches!(tx.send_many([&small]), Err(Error::Closed)));
    assert!(matches!(rx.recv_many(8), Err(Error::Closed)));
    assert_eq!(tx.send_many(std::iter::empty::<Message>()).expect("there is nothing that could fail"), 0);
    assert!(rx.recv_many(0).expect("nothing was asked for").is_empty());
}

#[test]
fn what_was_sent_before_an_iterator_panicked_is_sent() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<u64>().create("jobs").expect("a channel").split();
    let numbers = (0..10).inspect(|number| assert_ne!(*number, 4, "enough"));
    assert!(catch_unwind(AssertUnwindSafe(|| tx.send_many(numbers))).is_err());
    assert_eq!(self::numbers(&rx.recv_many(10).expect("four were sent")), [0, 1, 2, 3]);
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
}

#[test]
fn loans_that_are_not_written_go_back() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<u64>().capacity(4).create("jobs").expect("a channel").split();
    for _ in 0..10 {
        let mut loans = tx.loan_many(100).expect("there is room");
        assert_eq!(loans.len(), 4);
        loans[1].write(&11).expect("it fits");
        loans[3].write(&13).expect("it fits");
        assert_eq!(loans.send().expect("two were written"), 2);
        assert_eq!(numbers(&rx.recv_many(4).expect("two were sent")), [11, 13]);
        drop(tx.loan_many(3).expect("there is room"));
        assert!(matches!(tx.loan_many(3).expect("there is room").send(), Err(Error::Unwritten)));
        // One by one, and not in order.
        let mut loans: Vec<_> = tx.loan_many(2).expect("there is room").into_iter().collect();
        for number in [1, 0] {
            let mut loan = loans.pop().expect("two");
            loan.write(&number).expect("it fits");
            loan.send().expect("it was written");
        }
        assert_eq!(numbers(&rx.recv_many(4).expect("two were sent")), [0, 1]);
    }
    assert!(tx.loan_many(0).expect("nothing was asked for").is_empty());
}
