//! What waiting costs, and what sending costs while nobody waits.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mi7_tests::{Actor, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const QUIET: &str = env!("CARGO_BIN_EXE_quiet");

/// Nanoseconds for which the main thread of the process has been on a core.
fn time_on_core(actor: &Actor) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/schedstat", actor.pid())).ok()?;
    text.split(' ').next()?.parse().ok()
}

/// How often its main thread has gone to sleep of its own accord.
fn sleeps(actor: &Actor) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", actor.pid())).expect("the actor lives");
    let count = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("Linux counts it");
    count.trim().parse().expect("a number")
}

#[test]
fn who_waits_uses_hardly_any_processor_time() {
    const WAIT: Duration = Duration::from_secs(2);
    let stage = Stage::new(ACTOR);
    let mut waiters = stage.actors("parcel", 6);
    let (receivers, senders) = waiters.split_at_mut(3);
    for receiver in receivers {
        receiver.must("attach empty capacity=4");
        receiver.tell("recv");
    }
    for (sender, first) in senders.iter_mut().zip([true, false, false]) {
        sender.must("attach full capacity=1");
        if first {
            sender.must("send 1 1");
        }
        sender.tell("send 1 2");
    }
    waiters.iter().for_each(Actor::wait_until_asleep);
    if time_on_core(&waiters[0]).is_none() {
        eprintln!("skipped: this kernel keeps no /proc/PID/schedstat");
        return;
    }
    let measure =
        || waiters.iter().map(|waiter| (time_on_core(waiter).unwrap_or(0), sleeps(waiter))).collect::<Vec<_>>();
    let (began, before) = (Instant::now(), measure());
    std::thread::sleep(WAIT);
    let (after, took) = (measure(), began.elapsed());
    for (number, ((time, slept), (time_before, slept_before))) in after.into_iter().zip(before).enumerate() {
        let share = (time - time_before) as f64 / took.as_nanos() as f64;
        assert!(share < 0.005, "waiter {number} used {:.2} % of a core", share * 100.0);
        // It gets up to look for the dead, about ten times a second, and not more often.
        let a_second = (slept - slept_before) as f64 / took.as_secs_f64();
        assert!((1.0..20.0).contains(&a_second), "waiter {number} got up {a_second} times a second");
    }
}

fn quiet(stage: &Stage, what: &str) -> Child {
    let mut command = Command::new(QUIET);
    command.arg(stage.path()).arg(what).stdout(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn output(child: Child) -> Output {
    child.wait_with_output().expect("a child can be waited for")
}

fn is_done(output: &Output) -> bool {
    output.status.success() && output.stdout == b"done\n"
}

#[test]
fn a_hundred_thousand_messages_take_no_system_call_at_all() {
    let stage = Stage::new(ACTOR);
    let output = output(quiet(&stage, "both"));
    assert!(is_done(&output), "{output:?}: killed for a system call");
}

#[test]
fn two_processes_that_never_park_make_no_call_but_to_look_for_the_dead() {
    let stage = Stage::new(ACTOR);
    let (sender, receiver) = (quiet(&stage, "send"), quiet(&stage, "receive"));
    for output in [output(sender), output(receiver)] {
        assert!(is_done(&output), "{output:?}: killed for a system call");
    }
}

#[test]
fn a_process_that_did_make_a_system_call_would_be_seen() {
    let stage = Stage::new(ACTOR);
    let output = output(quiet(&stage, "park"));
    assert_eq!(output.status.signal(), Some(rustix::process::Signal::SYS.as_raw()), "{output:?}");
}
