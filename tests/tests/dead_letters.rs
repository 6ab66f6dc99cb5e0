//! Messages that kill their receivers: they are handed out so often and no more, and are never lost.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mi7::{Bincode, Error, Message, Receiver, SharedChannel};
use mi7_tests::{Actor, Stage};
use serde::{Deserialize, Serialize};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const SOON: Duration = Duration::from_secs(2);

fn attached(stage: &Stage, options: &str) -> Actor {
    let mut actor = stage.actor("parcel");
    actor.must(&format!("attach parcels {options}"));
    actor
}

fn letters(stage: &Stage) -> Actor {
    let mut actor = stage.actor("parcel");
    actor.must("open parcels.dead");
    actor
}

/// The number received within some time.
fn number(rx: &Receiver<u64>) -> Option<(u64, u32)> {
    rx.recv_timeout(SOON).ok().map(|number| (number.to_native(), number.deliveries()))
}

#[test]
fn a_message_that_killed_its_receivers_goes_to_the_dead_letters() {
    for capacity in [1, 4] {
        let stage = Stage::new(ACTOR);
        let options = format!("capacity={capacity} deliveries=3");
        let mut tx = attached(&stage, &options);
        tx.must("send 1 1");
        for delivery in 1..=3 {
            let mut victim = attached(&stage, &options);
            assert_eq!(victim.ask("hold"), format!("got 1 1 {delivery}"));
            victim.kill();
        }
        let mut rx = attached(&stage, &options);
        rx.tell("recv");
        let mut undertaker = letters(&stage);
        assert_eq!(undertaker.ask("recv_timeout 2000"), "got 1 1 4");
        // What comes after it is received as ever.
        tx.must("send 1 2");
        assert_eq!(rx.reply(), "got 1 2 1");
        assert_eq!(tx.ask("count"), "waiting 0 leased 0 senders 2 receivers 2");
    }
}

#[test]
fn requeueing_and_panicking_count_as_dying_does() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().max_deliveries(3).create("numbers").unwrap();
    let (tx, rx) = channel.split();
    tx.send(&7).unwrap();
    rx.recv().unwrap().requeue();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _received = rx.recv().unwrap();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    rx.recv().unwrap().requeue();
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    let dead = stage.options::<u64>().open("numbers.dead").unwrap().receiver();
    assert_eq!(number(&dead), Some((7, 4)));
    let status = channel.status();
    assert_eq!((status.waiting, status.sent, status.received, status.dead_letters), (0, 1, 0, 1));
}

#[test]
fn what_was_done_with_in_time_is_no_dead_letter() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().capacity(1).max_deliveries(2).create("numbers").unwrap();
    let (tx, rx) = channel.split();
    for round in 0..5 {
        tx.send(&round).unwrap();
        rx.recv().unwrap().requeue();
        assert_eq!(number(&rx), Some((round, 2)));
    }
    assert_eq!(channel.status().dead_letters, 0);
}

#[test]
fn a_message_whose_decoding_panics_does_not_come_for_ever() {
    thread_local! {
        /// A sender decodes what it sends, and that has to go well.
        static SENT: Cell<bool> = const { Cell::new(false) };
    }

    #[derive(Serialize)]
    struct Poison;

    impl<'de> Deserialize<'de> for Poison {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            if SENT.get() { std::panic::resume_unwind(Box::new("cannot be decoded")) } else { Ok(Poison) }
        }
    }

    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Bincode<Poison>>().max_deliveries(5).create("poison").unwrap();
    let (tx, rx) = channel.split();
    tx.send(&Bincode(Poison)).unwrap();
    SENT.set(true);
    for _ in 0..5 {
        assert!(catch_unwind(AssertUnwindSafe(|| drop(rx.try_recv()))).is_err());
    }
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    assert_eq!(channel.status().dead_letters, 1);
}

#[test]
fn while_the_dead_letters_are_full_nothing_is_lost_and_nobody_held_up() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().capacity(4).max_deliveries(1).create("numbers").unwrap();
    let (tx, rx) = channel.split();
    let dead = stage.options::<u64>().open("numbers.dead").unwrap();
    (100..104).for_each(|number| dead.sender().try_send(&number).unwrap());
    for poison in [1, 2] {
        tx.send(&poison).unwrap();
        rx.recv().unwrap().requeue();
        assert!(matches!(rx.try_recv(), Err(Error::Empty)), "handed out although it was often enough");
    }
    // Two of four slots are taken. The others go round.
    for message in 10..40 {
        tx.try_send(&message).unwrap();
        assert_eq!(number(&rx), Some((message, 1)));
    }
    let status = channel.status();
    assert_eq!((status.waiting, status.dead_letters), (2, 0), "{status:?}");
    let undertaker = dead.receiver();
    let mut got = Vec::new();
    while got.len() < 6 {
        // Somebody has to come by for them to be moved.
        assert!(matches!(rx.recv_timeout(Duration::from_millis(120)), Err(Error::Timeout)));
        got.extend(std::iter::from_fn(|| undertaker.try_recv().ok().map(|letter| letter.to_native())));
        assert!(channel.status().age < Duration::from_secs(20), "{got:?}");
    }
    assert_eq!(got, [100, 101, 102, 103, 1, 2]);
    assert_eq!((channel.status().waiting, channel.status().dead_letters), (0, 2));
}

#[test]
fn a_receiver_that_sleeps_moves_what_could_not_be_moved_before() {
    let stage = Stage::new(ACTOR);
    let mut tx = attached(&stage, "capacity=1 deliveries=1");
    let mut undertaker = letters(&stage);
    undertaker.must("send 9 9");
    tx.must("send 1 1");
    assert_eq!(tx.ask("hold"), "got 1 1 1");
    tx.must("requeue");
    let mut rx = attached(&stage, "capacity=1");
    rx.tell("recv");
    rx.wait_until_asleep();
    assert_eq!(undertaker.ask("recv"), "got 9 9 1");
    let began = Instant::now();
    // Each attempt to move it has counted.
    let reply = undertaker.ask("recv");
    assert!(reply.starts_with("got 1 1 "), "{reply}");
    assert!(began.elapsed() < SOON);
    tx.must("send_timeout 1 2 2000");
    assert_eq!(rx.reply(), "got 1 2 1");
}

#[test]
fn dead_letters_that_were_removed_are_made_anew() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<u64>();
    let (tx, rx) = options.clone().capacity(2).mode(0o640).max_deliveries(1).create("numbers").unwrap().split();
    let old = options.open("numbers.dead").unwrap();
    std::fs::remove_file(stage.file("numbers.dead")).unwrap();
    tx.send(&5).unwrap();
    rx.recv().unwrap().requeue();
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    assert_eq!(old.status().waiting, 0, "nothing goes where nobody can find it");
    let new = options.open("numbers.dead").unwrap();
    assert_eq!((new.capacity(), number(&new.receiver())), (2, Some((5, 2))));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(stage.file("numbers.dead").metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn letters_of_another_type_in_the_way_are_found_when_the_channel_is_made() {
    let stage = Stage::new(ACTOR);
    stage.options::<u32>().create("numbers.dead").unwrap();
    let refused = stage.options::<u64>().max_deliveries(1).create("numbers").unwrap_err();
    assert!(matches!(&refused, Error::Mismatch { path, .. } if path.ends_with("numbers.dead")), "{refused}");
    assert!(!stage.file("numbers").exists());

    stage.options::<Message>().max_message_size(10).create("messages.dead").unwrap();
    let refused = stage.options::<Message>().max_deliveries(1).create("messages").unwrap_err();
    assert!(refused.to_string().contains("size"), "{refused}");
    stage.options::<Message>().max_message_size(10).max_deliveries(1).create("messages").unwrap();

    std::fs::write(stage.file("other.dead"), "no channel").unwrap();
    let refused = stage.options::<u64>().max_deliveries(1).create("other").unwrap_err();
    assert!(matches!(refused, Error::NotAChannel { .. }), "{refused}");
}

#[test]
fn letters_that_came_to_be_of_another_type_lose_nothing() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().max_deliveries(1).create("numbers").unwrap();
    let (tx, rx) = channel.split();
    mi7::remove_in(stage.path(), "numbers.dead").unwrap();
    stage.options::<[u8; 3]>().create("numbers.dead").unwrap();
    tx.send(&5).unwrap();
    rx.recv().unwrap().requeue();
    assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    assert_eq!((channel.status().waiting, channel.status().dead_letters), (1, 0));
    mi7::remove_in(stage.path(), "numbers.dead").unwrap();
    assert!(matches!(rx.recv_timeout(Duration::from_millis(300)), Err(Error::Timeout)));
    assert_eq!((channel.status().waiting, channel.status().dead_letters), (0, 1));
}

#[test]
fn a_message_that_one_process_could_not_move_is_moved_by_another_when_there_is_room() {
    let stage = Stage::new(ACTOR);
    let first: SharedChannel<u64> = stage.options().capacity(2).max_deliveries(1).create("numbers").unwrap();
    let dead = stage.options::<u64>().open("numbers.dead").unwrap();
    for stuffing in [100, 101] {
        dead.sender().send(&stuffing).unwrap();
    }
    let (tx, rx) = first.split();
    tx.send(&13).unwrap();
    rx.recv().unwrap().requeue();
    assert!(matches!(rx.try_recv(), Err(Error::Empty)), "there is no room for it");
    // Whoever found that out is idle from here on. Those who wait, and those who only poll, see to it.
    for polls in [false, true] {
        let other = stage.options::<u64>().open("numbers").unwrap().receiver();
        if polls {
            tx.send(&14).unwrap();
            rx.recv().unwrap().requeue();
            assert!(matches!(rx.try_recv(), Err(Error::Empty)), "there is no room for it");
        }
        let mut letters = Vec::new();
        let begun = Instant::now();
        while letters.last().is_none_or(|letter| *letter >= 100) {
            assert!(begun.elapsed() < SOON, "stranded: {letters:?}, {:?}", first.status());
            if let Ok(letter) = dead.receiver().try_recv() {
                letters.push(letter.to_native());
            }
            let got = if polls { other.try_recv() } else { other.recv_timeout(Duration::from_millis(20)) };
            assert!(matches!(got, Err(Error::Empty | Error::Timeout)));
        }
        assert_eq!(letters.last(), Some(&if polls { 14 } else { 13 }));
        for stuffing in [100, 101] {
            dead.sender().send(&stuffing).unwrap();
        }
    }
    assert_eq!((first.status().waiting, first.status().dead_letters), (0, 2));
}

#[test]
fn limits_no_channel_can_have_are_refused() {
    let stage = Stage::new(ACTOR);
    for times in [0, 33, u32::MAX] {
        let refused = stage.options::<u64>().max_deliveries(times).create("numbers").unwrap_err();
        assert!(matches!(refused, Error::InvalidOption { option: "max_deliveries", .. }), "{refused}");
    }
    let long = "n".repeat(196);
    assert!(matches!(stage.options::<u64>().max_deliveries(1).create(&long), Err(Error::InvalidName { .. })));
    assert_eq!(stage.path().read_dir().unwrap().count(), 0, "something was made");
    assert!(stage.options::<u64>().max_deliveries(32).create(&long[1..]).is_ok());
}

#[test]
fn a_channel_is_opened_with_the_limit_it_has_or_without_naming_one() {
    let stage = Stage::new(ACTOR);
    stage.options::<u64>().max_deliveries(3).create("limited").unwrap();
    stage.options::<u64>().create("endless").unwrap();
    let open = |name: &str, times: u32| stage.options::<u64>().max_deliveries(times).open(name);
    assert!(open("limited", 3).is_ok());
    assert!(stage.options::<u64>().open("limited").is_ok());
    let refused = open("limited", 4).unwrap_err().to_string();
    assert!(refused.contains("max_deliveries") && refused.contains('3') && refused.contains('4'), "{refused}");
    let refused = open("endless", 4).unwrap_err().to_string();
    assert!(refused.contains("no limit"), "{refused}");
}

#[test]
fn many_poisonous_messages_at_once_all_become_letters_once() {
    let stage = Stage::new(ACTOR);
    let channel: SharedChannel<u64> = stage.options().capacity(64).max_deliveries(1).create("numbers").unwrap();
    let (tx, rx) = channel.split();
    for number in 0..64 {
        tx.send(&number).unwrap();
    }
    let all: Vec<_> = (0..64).map(|_| rx.recv().unwrap().detach()).collect();
    all.into_iter().for_each(|received| received.requeue());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(matches!(channel.receiver().recv_timeout(SOON / 10), Err(Error::Timeout))));
        }
    });
    let dead = stage.options::<u64>().open("numbers.dead").unwrap().receiver();
    let mut buried: Vec<u64> = std::iter::from_fn(|| dead.try_recv().ok().map(|letter| letter.to_native())).collect();
    buried.sort_unstable();
    assert!(buried.iter().copied().eq(0..64), "{buried:?}");
    assert_eq!(channel.status().dead_letters, 64);
}
