//! The ways of waiting: each ends when it has to, whoever dies.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

use mi7_tests::{Actor, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const WAYS: [&str; 3] = ["spin", "adaptive", "park"];
/// A loaded machine is given time.
const SOON: Duration = Duration::from_secs(3);

/// Nanoseconds for which the process has been on a core.
fn time_on_core(actor: &Actor) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/schedstat", actor.pid())).expect("the actor lives");
    text.split(' ').next().and_then(|time| time.parse().ok()).expect("a number")
}

#[test]
fn each_way_of_waiting_ends_at_its_deadline() {
    for way in WAYS {
        let stage = Stage::new(ACTOR);
        let mut actor = stage.actor("parcel");
        actor.must(&format!("attach jobs capacity=1 wait={way}"));
        for millis in [0, 1, 30] {
            for full in [false, true] {
                if full {
                    actor.must("send 1 1");
                }
                let command = if full { "send_timeout 1 2" } else { "recv_timeout" };
                let begun = Instant::now();
                assert_eq!(actor.ask(&format!("{command} {millis}")).split(' ').nth(1), Some("Timeout"), "{way}");
                let took = begun.elapsed();
                let asked = Duration::from_millis(millis);
                assert!(took >= asked && took < asked + SOON, "{way}: {took:?} for {asked:?}");
                if full {
                    assert_eq!(actor.ask("recv_timeout 0"), "got 1 1 1", "{way}: what is there is received in no time");
                }
            }
        }
    }
}

#[test]
fn each_way_of_waiting_ends_when_another_process_sends_receives_or_closes() {
    for way in WAYS {
        let stage = Stage::new(ACTOR);
        let mut actors = stage.actors("parcel", 2);
        let [waiting, other] = &mut actors[..] else { panic!("two") };
        waiting.must(&format!("attach jobs capacity=1 wait={way}"));
        other.must("attach jobs");
        for _ in 0..3 {
            for (wait, reply, act, answer) in
                [("recv", "got 1 7 1", "send 1 7", "ok"), ("send 2 8", "ok", "recv", "got 3 9 1")]
            {
                if wait != "recv" {
                    waiting.must("send 3 9");
                }
                waiting.tell(wait);
                std::thread::sleep(Duration::from_millis(15));
                let begun = Instant::now();
                assert_eq!(other.ask(act), answer, "{way}");
                assert_eq!(waiting.reply_within(SOON).as_deref(), Some(reply), "{way}: {wait}");
                assert!(begun.elapsed() < SOON, "{way}: {wait}");
            }
            assert_eq!(other.ask("recv"), "got 2 8 1");
        }
        waiting.tell("recv");
        std::thread::sleep(Duration::from_millis(15));
        other.must("close");
        let reply = waiting.reply_within(SOON).expect("it learns of the end");
        assert_eq!(reply.split(' ').nth(1), Some("Closed"), "{way}");
    }
}

#[test]
fn no_way_of_waiting_waits_for_the_dead() {
    for way in WAYS {
        let stage = Stage::new(ACTOR);
        let mut actors = stage.actors("parcel", 3);
        let [waiting, other, _] = &mut actors[..] else { panic!("three") };
        waiting.must(&format!("attach jobs capacity=2 wait={way}"));
        other.must("attach jobs");
        // A receiver behind a loan, and behind a lease.
        actors[2].must("attach jobs");
        actors[2].must("loan");
        actors[1].must("send 1 1");
        actors[0].tell("recv");
        std::thread::sleep(Duration::from_millis(15));
        actors.pop().expect("three").kill();
        assert_eq!(actors[0].reply_within(SOON).as_deref(), Some("got 1 1 1"), "{way}");
        let mut holder = stage.actor("parcel");
        holder.must("attach jobs");
        actors[1].must("send 1 2");
        assert_eq!(holder.ask("hold"), "got 1 2 1");
        actors[0].tell("recv");
        std::thread::sleep(Duration::from_millis(15));
        holder.kill();
        assert_eq!(actors[0].reply_within(SOON).as_deref(), Some("got 1 2 2"), "{way}");
        // A sender behind loans.
        let mut holder = stage.actor("parcel");
        holder.must("attach jobs");
        holder.must("loan");
        holder.must("loan");
        actors[0].tell("send 1 3");
        std::thread::sleep(Duration::from_millis(15));
        holder.kill();
        assert_eq!(actors[0].reply_within(SOON).as_deref(), Some("ok"), "{way}");
        assert_eq!(actors[1].ask("recv"), "got 1 3 1", "{way}");
    }
}

#[test]
fn only_who_is_told_to_spin_does_so_for_long() {
    const WAIT: Duration = Duration::from_millis(600);
    for way in WAYS {
        let stage = Stage::new(ACTOR);
        let mut actor = stage.actor("parcel");
        actor.must(&format!("attach jobs wait={way}"));
        let (before, millis) = (time_on_core(&actor), WAIT.as_millis());
        assert_eq!(actor.ask(&format!("recv_timeout {millis}")).split(' ').nth(1), Some("Timeout"));
        let share = (time_on_core(&actor) - before) as f64 / WAIT.as_nanos() as f64;
        // Other processes may be at work beside it.
        if way == "spin" {
            assert!(share > 0.1, "it used {:.1} % of a core", share * 100.0);
        } else {
            assert!(share < 0.03, "{way}: it used {:.1} % of a core", share * 100.0);
        }
    }
}

#[test]
fn who_waits_in_vain_again_and_again_stops_spinning() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<u64>();
    let rx = options.create("empty").expect("a channel").receiver();
    let time = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = |from: rustix::time::Timespec, to: rustix::time::Timespec| {
        (to.tv_sec - from.tv_sec) * 1_000_000_000 + to.tv_nsec - from.tv_nsec
    };
    let wait = |times: u32| {
        let before = time();
        for _ in 0..times {
            assert!(rx.recv_timeout(Duration::from_micros(300)).is_err());
        }
        nanos(before, time()) / i64::from(times)
    };
    let first = wait(1);
    wait(50);
    let later = (0..5).map(|_| wait(31)).min().expect("five");
    assert!(later < first, "a wait took {later} ns of a core, and the first {first}");
}

#[test]
fn where_one_has_no_membarrier_all_use_fences_and_nobody_sleeps_through() {
    let stage = Stage::new(ACTOR);
    let mut with = stage.actor("parcel");
    with.must("attach there capacity=2 wait=park");
    let file = File::open(stage.file("there")).expect("the channel's file");
    let fenced = || {
        // Where `mi7-core/src/layout.rs` has the hint.
        let mut word = [0; 4];
        file.read_exact_at(&mut word, 800).expect("it lies in the file");
        // Always; other bits come and go.
        u32::from_le_bytes(word) & 1
    };
    assert_eq!(fenced(), 0, "Linux 4.16 or later, and no filter");
    // Alone at both ends, with plain stores.
    for number in 0..300 {
        with.must(&format!("send 1 {number}"));
        assert_eq!(with.ask("recv"), format!("got 1 {number} 1"));
    }
    let mut command = Command::new(ACTOR);
    command.arg(stage.path()).arg("parcel").env("WITHOUT_MEMBARRIER", "1");
    let mut without = Actor::spawn(command);
    without.must("attach there wait=park");
    assert_ne!(fenced(), 0, "it says so for all");
    let begun = Instant::now();
    for number in 0..200 {
        let (sender, receiver) = if number % 2 == 0 { (&mut with, &mut without) } else { (&mut without, &mut with) };
        receiver.tell("recv");
        if number % 10 < 2 {
            receiver.wait_until_asleep();
        }
        sender.must(&format!("send 2 {number}"));
        assert_eq!(receiver.reply_within(SOON), Some(format!("got 2 {number} 1")));
    }
    // One who is slept through gets up at its tick, after 100 ms.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_membarrier_that_is_refused_after_the_opening_is_done_without() {
    let stage = Stage::new(ACTOR);
    let mut other = stage.actor("parcel");
    other.must("attach there capacity=2 wait=park");
    let file = File::open(stage.file("there")).expect("the channel's file");
    let fenced = || {
        let mut word = [0; 4];
        file.read_exact_at(&mut word, 800).expect("it lies in the file");
        u32::from_le_bytes(word) & 1
    };
    for number in 0..300 {
        other.must(&format!("send 1 {number}"));
        assert_eq!(other.ask("recv"), format!("got 1 {number} 1"));
    }
    let mut sandboxed = stage.actor("parcel");
    sandboxed.must("attach there wait=park");
    sandboxed.must("refuse membarrier");
    assert_eq!(fenced(), 0, "nobody has needed it since");
    // To send, it has to take the other's bias away, which takes a fence on the other's processor.
    sandboxed.must("send 2 1");
    assert_ne!(fenced(), 0, "it says so for all");
    assert_eq!(other.ask("recv"), "got 2 1 1");
    let begun = Instant::now();
    for number in 0..100 {
        let (sender, receiver) =
            if number % 2 == 0 { (&mut other, &mut sandboxed) } else { (&mut sandboxed, &mut other) };
        receiver.tell("recv");
        if number % 10 < 2 {
            receiver.wait_until_asleep();
        }
        sender.must(&format!("send 3 {number}"));
        assert_eq!(receiver.reply_within(SOON), Some(format!("got 3 {number} 1")));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "slept through: {:?}", begun.elapsed());
}
