//! A process that dumps core is dead when the dump is written, and until then holds what it held.

use std::time::{Duration, Instant};

use mi7_tests::Stage;
use rustix::process::Signal;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

#[test]
fn while_a_process_dumps_core_others_go_on_and_what_it_held_comes_back_after() {
    let stage = Stage::new(ACTOR);
    let mut other = stage.actor("parcel");
    other.must("create parcels capacity=4");
    let mut victim = stage.actor("parcel");
    victim.must("open parcels");
    other.must("send 1 1");
    assert_eq!(victim.ask("hold"), "got 1 1 1");
    victim.tell("crash 64");
    // Whether or not it is still at it: what it holds is one slot of four.
    let mut again = None;
    let began = Instant::now();
    for number in 2.. {
        assert!(began.elapsed() < Duration::from_secs(60), "message 1 never comes back");
        other.must(&format!("try_send 1 {number}"));
        match &*other.ask("recv") {
            "got 1 1 2" => {
                // Ahead of what was sent after it.
                assert_eq!(other.ask("recv"), format!("got 1 {number} 1"));
                again = Some(began.elapsed());
                break;
            }
            reply => assert_eq!(reply, format!("got 1 {number} 1")),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = victim.end();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(Signal::ABORT.as_raw()));
    let dumped = std::os::unix::process::ExitStatusExt::core_dumped(&status);
    eprintln!("core dumped: {dumped}; message 1 came back after {again:?}");
    assert_eq!(other.ask("count"), "waiting 0 leased 0 senders 1 receivers 1");
    other.finish();
}
