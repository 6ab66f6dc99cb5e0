//! A full file system is an error where a channel is made, and nothing at all where messages are sent.

use std::fs;
use std::path::Path;
use std::process::Command;

use mi7::{Error, Message};
use mi7_tests::{Actor, Namespace, Parcel, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// An actor whose directory is a file system of so many KiB, if that is permitted here.
fn on_small_tmpfs(stage: &Stage, kib: u32) -> Option<Actor> {
    let Some(namespace) = Namespace::find() else {
        eprintln!("skipped: mounting is not permitted here, neither to this user nor in a user namespace");
        return None;
    };
    let mut command: Command = namespace.on_small_tmpfs(stage.path(), kib, ACTOR);
    command.arg(stage.path()).arg("parcel");
    Some(Actor::spawn(command))
}

#[test]
fn a_channel_larger_than_the_file_system_is_no_space_and_leaves_nothing_behind() {
    let stage = Stage::new(ACTOR);
    let bytes = rustix::fs::statvfs("/dev/shm").map(|fs| fs.f_blocks * fs.f_frsize).expect("a file system");
    let slots = usize::try_from(bytes >> 31).expect("a number") + 2;
    let options = stage.options::<Message>().capacity(slots).max_message_size(1 << 31);
    for result in [options.create("large"), options.open_or_create("large")] {
        match result {
            Err(Error::NoSpace { path, bytes: asked }) => {
                assert_eq!(path, stage.file("large"));
                assert!(asked > bytes);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read_dir(stage.path()).expect("the stage").count(), 0);
}

#[test]
fn creation_on_a_full_file_system_is_no_space_and_leaves_nothing_behind() {
    let stage = Stage::new(ACTOR);
    let Some(mut actor) = on_small_tmpfs(&stage, 1024) else { return };
    let before = actor.ask("free");
    assert!(before.ends_with(' '), "an empty file system: {before}");
    let reply = actor.ask("create parcels capacity=100000");
    assert!(
        reply.starts_with("error NoSpace") && reply.contains(stage.file("parcels").to_str().expect("a path")),
        "{reply}"
    );
    assert_eq!(actor.ask("free"), before);

    actor.must("create small capacity=16");
    let with_one = actor.ask("free");
    actor.ask("fill");
    let full = actor.ask("free");
    assert_eq!(full, "0 filler,small");
    for command in ["create other capacity=1", "attach other capacity=1"] {
        let reply = actor.ask(command);
        assert!(reply.starts_with("error NoSpace"), "{command}: {reply}");
    }
    assert_eq!(actor.ask("free"), full);
    assert_ne!(with_one, full);
    actor.finish();
}

#[test]
fn nobody_dies_of_sending_on_a_full_file_system() {
    let stage = Stage::new(ACTOR);
    let Some(mut actor) = on_small_tmpfs(&stage, 1024) else { return };
    // Nothing was sent yet: no page of a slot was ever written to.
    actor.must("create parcels capacity=1000");
    let written: u64 = actor.ask("fill").parse().expect("a number");
    assert!(written > 0);
    assert!(actor.ask("free").starts_with("0 "), "there is not a single block left");
    actor.must("churn 3");
    // Nor of leases, loans, recovery and a new handle, which write to the marks and the table.
    actor.must("send 1 1");
    assert_eq!(actor.ask("hold"), "got 1 1 1");
    actor.must("loan");
    actor.must("loan_drop");
    actor.must("again 5");
    actor.must("requeue");
    assert_eq!(actor.ask("recv"), "got 1 1 2");
    actor.must("close");
    // With exit status 0, so not by SIGBUS.
    actor.finish();
}

#[test]
fn a_sparse_file_would_be_seen_here() {
    // The checker checked: an actor that writes to a mapped file with holes does die of SIGBUS on a full file system.
    let stage = Stage::new(ACTOR);
    let Some(mut actor) = on_small_tmpfs(&stage, 1024) else { return };
    actor.must("create parcels capacity=1000");
    actor.must("punch parcels");
    actor.ask("fill");
    actor.tell("churn 1");
    assert_eq!(actor.reply_within(std::time::Duration::from_secs(10)), None);
    let status = actor.end();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(rustix::process::Signal::BUS.as_raw()), "{status}");
}

#[test]
fn every_block_of_a_channels_file_is_there_from_the_start() {
    use std::os::unix::fs::MetadataExt;

    for (directory, name) in [(Path::new("/dev/shm"), "memory"), (&std::env::temp_dir(), "disk")] {
        let stage = Stage::in_directory(directory, ACTOR);
        for capacity in [1, 100, 10_000] {
            let _channel = stage.options::<Parcel>().capacity(capacity).open_or_create(&format!("{name}{capacity}"));
            let file = fs::metadata(stage.file(&format!("{name}{capacity}"))).expect("the file");
            assert!(file.blocks() * 512 >= file.len(), "{name}: {} blocks for {} bytes", file.blocks(), file.len());
        }
    }
}
