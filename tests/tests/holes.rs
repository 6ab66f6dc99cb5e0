//! Files with holes: each way to open one makes it whole, or refuses it. Nobody dies of SIGBUS.

use std::path::Path;
use std::process::Command;

use mi7_tests::{Actor, Namespace, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
/// Where there are slots.
const SLOTS: u32 = 1 << 16;

fn actor(mut command: Command, stage: &Stage) -> Actor {
    command.arg(stage.path()).arg("parcel");
    Actor::spawn(command)
}

/// An actor whose directory is a file system of that kind, if that is permitted here.
fn on(kind: &str, options: &str, stage: &Stage) -> Option<Actor> {
    let Some(namespace) = Namespace::find() else {
        eprintln!("skipped: mounting is not permitted here, neither to this user nor in a user namespace");
        return None;
    };
    Some(actor(namespace.on(kind, options, stage.path(), ACTOR), stage))
}

fn missing(actor: &mut Actor, name: &str) -> u64 {
    actor.ask(&format!("missing {name}")).parse().expect("a number")
}

/// Ways to get holes into the channel `parcels`, or a copy of it: what to do, and the name.
const WAYS: [(&str, &str); 4] = [
    ("copy parcels copied", "copied"),
    ("punch parcels", "parcels"),
    ("cut parcels 70000", "parcels"),
    ("cut parcels 100000", "parcels"),
];

#[test]
fn a_file_with_holes_is_made_whole_when_it_is_opened() {
    for directory in [Path::new("/dev/shm"), &std::env::temp_dir()] {
        for how in ["open", "attach"] {
            for (way, name) in WAYS {
                let stage = Stage::in_directory(directory, ACTOR);
                let mut actor = actor(Command::new(ACTOR), &stage);
                actor.must("create parcels capacity=1000");
                actor.must("detach");
                actor.must(way);
                let case = format!("{way}, {how} on {}", directory.display());
                assert!(missing(&mut actor, name) > 10_000, "{case}");
                actor.must(&format!("{how} {name}"));
                assert_eq!(missing(&mut actor, name), 0, "{case}");
                actor.must("churn 2");
                actor.finish();
            }
        }
    }
}

#[test]
fn on_a_full_file_system_a_file_with_holes_is_refused() {
    for (way, name) in WAYS {
        let stage = Stage::new(ACTOR);
        let Some(mut actor) = on("tmpfs", "size=1024k", &stage) else { return };
        actor.must("create parcels capacity=1000");
        actor.must("detach");
        actor.must(way);
        actor.ask("fill");
        for how in ["open", "attach"] {
            let reply = actor.ask(&format!("{how} {name}"));
            assert!(reply.starts_with("error NoSpace") && reply.contains(name), "{way}, {how}: {reply}");
        }
        assert!(missing(&mut actor, name) > 10_000);
        actor.finish();
    }
}

#[test]
fn a_hole_of_a_single_page_is_found() {
    let stage = Stage::new(ACTOR);
    let Some(mut actor) = on("tmpfs", "size=1024k", &stage) else { return };
    actor.must("create parcels capacity=1000");
    actor.must("detach");
    actor.ask("fill");
    actor.must(&format!("punch parcels {SLOTS} 4096"));
    actor.ask("fill");
    assert_eq!(missing(&mut actor, "parcels"), 4096);
    let reply = actor.ask("open parcels");
    assert!(reply.starts_with("error NoSpace"), "{reply}");
    actor.finish();
}

#[test]
fn dead_letters_are_not_written_into_holes() {
    // Whole when there is room, left where they are when there is none; nobody dies.
    for full in [false, true] {
        let stage = Stage::new(ACTOR);
        let Some(mut actor) = on("tmpfs", "size=2048k", &stage) else { return };
        actor.must("create parcels capacity=1000 deliveries=1");
        actor.must("punch parcels.dead");
        if full {
            actor.ask("fill");
        }
        actor.must("send 1 1");
        assert_eq!(actor.ask("hold"), "got 1 1 1");
        actor.must("requeue");
        let reply = actor.ask("recv_timeout 300");
        assert!(reply.starts_with("error Timeout"), "handed out although it was often enough: {reply}");
        let (waiting, letters) = if full { (1, "error NoSpace") } else { (0, "ok") };
        assert!(actor.ask("count").starts_with(&format!("waiting {waiting} ")), "full: {full}");
        let reply = actor.ask("open parcels.dead");
        assert!(reply.starts_with(letters), "full: {full}, {reply}");
        if !full {
            assert_eq!(actor.ask("recv"), "got 1 1 2");
        }
        actor.finish();
    }
}

#[test]
fn looking_at_a_file_with_holes_takes_no_block() {
    let stage = Stage::new(ACTOR);
    let mut actor = actor(Command::new(ACTOR), &stage);
    actor.must("create parcels capacity=1000");
    actor.must("detach");
    actor.must("copy parcels copied");
    let before = missing(&mut actor, "copied");
    assert_eq!(actor.ask("list"), "copied,parcels");
    // Nor does refusing one.
    let reply = actor.ask("open copied capacity=7");
    assert!(reply.starts_with("error Mismatch"), "{reply}");
    assert_eq!(missing(&mut actor, "copied"), before);
    actor.finish();
}

#[test]
fn where_the_file_system_cannot_fill_holes_a_file_with_holes_is_refused_and_a_whole_one_opened() {
    let stage = Stage::new(ACTOR);
    let Some(mut actor) = on("ramfs", "mode=0700", &stage) else { return };
    // No channel can be made there, so one is brought along.
    let reply = actor.ask("create parcels");
    assert!(reply.starts_with("error Os") && reply.contains("fallocate"), "{reply}");
    assert!(reply.contains("choose a directory on tmpfs"), "{reply}");
    let elsewhere = Stage::new(ACTOR);
    let _channel = elsewhere.options::<mi7_tests::Parcel>().capacity(100).create("parcels").expect("a channel");
    let original = elsewhere.file("parcels").display().to_string();
    actor.must(&format!("copy {original} sparse"));
    actor.must(&format!("copy {original} full"));
    actor.must("solidify full");
    let reply = actor.ask("open sparse");
    assert!(reply.starts_with("error NotAChannel") && reply.contains("holes") && reply.contains("sparse"), "{reply}");
    actor.must("open full");
    actor.must("churn 2");
    actor.finish();
}

#[test]
fn a_copy_that_shares_its_blocks_is_given_its_own_or_refused() {
    for full in [false, true] {
        let (stage, disk) = (Stage::new(ACTOR), tempfile::tempdir().expect("a directory"));
        let image = disk.path().join("image");
        std::fs::File::create(&image).and_then(|file| file.set_len(320 << 20)).expect("a sparse file");
        let made = Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1"]).arg(&image).status();
        let namespace = Namespace::find().filter(|_| made.is_ok_and(|status| status.success()));
        let Some(mut there) = namespace.map(|namespace| actor(namespace.on_image(&image, stage.path(), ACTOR), &stage))
        else {
            eprintln!("skipped: there is no mkfs.xfs, or mounting is not permitted here");
            return;
        };
        there.tell("create parcels capacity=1000");
        let Some(reply) = there.reply_within(std::time::Duration::from_secs(20)) else {
            eprintln!("skipped: this system has no loop devices, or no xfs");
            return;
        };
        assert_eq!(reply, "ok");
        there.must("churn 1");
        there.must("detach");
        there.must("clone parcels cloned");
        if full {
            there.ask("fill");
            let reply = there.ask("open cloned");
            assert!(reply.starts_with("error NoSpace"), "{reply}");
        } else {
            there.must("open cloned");
            there.ask("fill");
            there.must("churn 2");
        }
        there.finish();
    }
}

#[test]
fn a_whole_file_in_memory_is_opened_without_fallocate() {
    let stage = Stage::new(ACTOR);
    let mut maker = actor(Command::new(ACTOR), &stage);
    for capacity in [1, 7, 1000, 100_000] {
        maker.must(&format!("create parcels-{capacity} capacity={capacity}"));
    }
    maker.must("copy parcels-1000 copied");
    let mut command = Command::new(ACTOR);
    command.env("WITHOUT_FALLOCATE", "1");
    let mut other = actor(command, &stage);
    for capacity in [1, 7, 1000, 100_000] {
        other.must(&format!("open parcels-{capacity}"));
    }
    let reply = other.ask("open copied");
    assert!(reply.starts_with("error NotAChannel"), "one with holes needs it: {reply}");
}

#[test]
fn of_processes_that_race_to_open_a_file_with_holes_all_find_it_whole() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 4);
    actors[0].must("create parcels capacity=20000");
    actors[0].must("detach");
    for round in 0..10 {
        actors[0].must(&format!("copy parcels copied-{round}"));
        actors.iter_mut().for_each(|actor| actor.tell(&format!("open copied-{round}")));
        for actor in &mut actors {
            assert_eq!(actor.reply(), "ok");
            assert_eq!(missing(actor, &format!("copied-{round}")), 0);
        }
        actors.iter_mut().for_each(|actor| actor.must("detach"));
        mi7::remove_in(stage.path(), &format!("copied-{round}")).expect("it is there");
    }
}
