//! What becomes of open handles when names are taken away: of the channel's file, of its directory
//! (as systemd's `RemoveIPC` does at a user's last logout), of the doorbells in it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mi7::{Error, SharedChannel};
use mi7_tests::{Actor, Load, Namespace, Parcel, Stage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::{Builder, Runtime};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const TASKS: &str = env!("CARGO_BIN_EXE_tasks");
/// A user with no rights of its own.
const NOBODY: u32 = 65534;
/// Longer than anything takes that works, shorter than the watchdog.
const LONG: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn readable(watch: &mi7::Watch, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).expect("a time");
    poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&limit)).expect("it can be waited for") > 0
}

/// The doorbells in a directory.
fn bells(directory: &Path) -> usize {
    let names = fs::read_dir(directory).expect("a directory").map(|file| file.expect("a file").file_name());
    names.filter(|name| name.to_string_lossy().contains("bell")).count()
}

/// A directory that may be removed, its channel, and another process that has it open.
fn scene(stage: &Stage) -> (std::path::PathBuf, SharedChannel<Parcel>, Actor) {
    let directory = stage.path().join("session");
    let channel = SharedChannel::options().directory(&directory).capacity(4).create("parcels").expect("a channel");
    let mut command = Command::new(ACTOR);
    command.arg(&directory).arg("parcel");
    let mut friend = Actor::spawn(command);
    friend.must("open parcels");
    (directory, channel, friend)
}

// ---- the directory is removed -------------------------------------------------------------------

#[test]
fn a_task_begins_to_wait_after_the_directory_was_removed() {
    let stage = Stage::new(ACTOR);
    let (directory, channel, mut friend) = scene(&stage);
    fs::remove_dir_all(&directory).expect("it is ours");
    assert!(channel.is_removed());
    let (rx, tx) = (channel.receiver(), channel.sender());
    runtime().block_on(async {
        for number in 0..10 {
            friend.tell(&format!("send 1 {number}"));
            let received = rx.recv_timeout_async(LONG).await.expect("it comes");
            assert_eq!(Parcel::unpack(&received), Some((1, number)));
            assert_eq!(friend.reply(), "ok");
        }
        // The other end.
        for number in 0..4 {
            tx.send_async(&Parcel::pack(2, number)).await.expect("room");
        }
        let fifth = Parcel::pack(2, 4);
        let waiting = tokio::time::timeout(Duration::from_millis(20), tx.send_async(&fifth));
        assert!(waiting.await.is_err(), "it is full");
        friend.tell("recv");
        tx.send_async(&fifth).await.expect("room, after some time");
        assert_eq!(friend.reply(), "got 2 0 1");
    });
    friend.finish();
}

#[test]
fn after_the_directory_was_removed_processes_of_one_user_still_ring() {
    let stage = Stage::new(ACTOR);
    for made_before in [true, false] {
        let (directory, channel, mut friend) = scene(&stage);
        let rx = channel.receiver();
        let before = made_before.then(|| rx.watch().expect("a watch"));
        fs::remove_dir_all(&directory).expect("it is ours");
        let watch = before.unwrap_or_else(|| rx.watch().expect("a watch without a name"));
        // A watch has no tick: it is readable only if it was rung.
        for number in 0..3 {
            assert!(!watch.arm());
            friend.must(&format!("send 1 {number}"));
            assert!(readable(&watch, LONG), "made before: {made_before}");
            watch.arm();
            assert_eq!(Parcel::unpack(&rx.try_recv().expect("it")), Some((1, number)));
        }
        // And the other process by this one.
        friend.tell("watch 20000");
        friend.wait_until_asleep();
        channel.sender().send(&Parcel::pack(2, 2)).expect("room");
        assert_eq!(friend.reply(), "readable");
        friend.finish();
    }
}

#[test]
fn a_task_that_nobody_can_ring_is_woken_by_its_tick() {
    let stage = Stage::new(ACTOR);
    let Some(namespace) = Namespace::find() else {
        eprintln!("skipped: mounting is not permitted here, neither to this user nor in a user namespace");
        return;
    };
    let (directory, channel, _friend) = scene(&stage);
    // As one in another container, that does not see this process.
    let mut command = namespace.without(Path::new("/proc"), ACTOR);
    command.arg(&directory).arg("parcel");
    let mut stranger = Actor::spawn(command);
    stranger.must("open parcels");
    fs::remove_dir_all(&directory).expect("it is ours");
    let rx = channel.receiver();
    let watch = rx.watch().expect("a watch");
    assert!(!watch.arm());
    stranger.must("send 1 1");
    assert!(!readable(&watch, Duration::from_millis(300)), "or else this test tests nothing");
    assert!(watch.arm(), "who looks finds it");
    assert!(rx.try_recv().is_ok());
    drop(watch);
    runtime().block_on(async {
        for number in 0..5 {
            stranger.tell(&format!("send 1 {number}"));
            let received = rx.recv_timeout_async(LONG).await.expect("it comes");
            assert_eq!(Parcel::unpack(&received), Some((1, number)));
            assert_eq!(stranger.reply(), "ok");
        }
    });
    stranger.finish();
}

#[test]
fn who_may_not_make_a_doorbell_waits_all_the_same() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let stage = Stage::new(TASKS);
    let program = stage.actor_for_everybody();
    let channel = stage.options::<u64>().capacity(4).mode(0o666).create("numbers").expect("a channel");
    let mut command = Command::new(program);
    command.arg(stage.path()).arg("wait").uid(NOBODY).gid(NOBODY);
    let mut other = Actor::spawn(command);
    assert_eq!(other.reply(), "ready");
    assert_eq!(bells(stage.path()), 0, "the directory is root's");
    for number in 0..3 {
        channel.sender().send(&number).expect("room");
        assert_eq!(other.reply(), number.to_string());
    }
    other.end();
}

#[test]
fn a_directory_made_anew_under_the_same_path_is_another_one() {
    let stage = Stage::new(ACTOR);
    for waiting_before in [true, false] {
        let (directory, old, mut friend) = scene(&stage);
        let runtime = runtime();
        let rx = old.receiver();
        let wait = |millis| {
            let result = runtime.block_on(rx.recv_timeout_async(Duration::from_millis(millis)));
            result.map(|received| Parcel::unpack(&received))
        };
        if waiting_before {
            assert!(matches!(wait(5), Err(Error::Timeout)));
            assert_eq!(bells(&directory), 1);
        }
        fs::remove_dir_all(&directory).expect("it is ours");
        assert!(matches!(wait(5), Err(Error::Timeout)));
        let new = SharedChannel::<Parcel>::options().directory(&directory).capacity(4).create("parcels");
        let new = new.expect("a channel in a new directory");
        assert_eq!((new.is_removed(), old.is_removed()), (false, true));
        let other = new.receiver();
        let nothing = runtime.block_on(async { other.recv_timeout_async(Duration::from_millis(5)).await.is_err() });
        assert!(nothing);
        assert_eq!(bells(&directory), 1, "a doorbell of its own, which others find there");
        friend.must("send 1 1");
        assert_eq!(wait(20_000).expect("it comes"), Some((1, 1)));
        assert!(matches!(other.try_recv(), Err(Error::Empty)));
        friend.must("open parcels");
        friend.must("send 2 2");
        let received = runtime.block_on(other.recv_timeout_async(LONG)).map(|received| Parcel::unpack(&received));
        assert_eq!(received.expect("it comes"), Some((2, 2)));
        drop((runtime, rx, other, old, new));
        assert_eq!(bells(&directory), 0);
        friend.finish();
        fs::remove_dir_all(&directory).expect("it is ours");
    }
}

#[test]
fn dead_letters_stay_where_they_are_when_the_directory_is_removed() {
    let stage = Stage::new(ACTOR);
    let directory = stage.path().join("session");
    let mut command = Command::new(ACTOR);
    command.arg(&directory).arg("parcel");
    let mut actor = Actor::spawn(command);
    actor.must("create parcels capacity=4 deliveries=1");
    actor.must("send 1 1");
    assert_eq!(actor.ask("hold"), "got 1 1 1");
    actor.must("vanish");
    actor.must("requeue");
    let reply = actor.ask("recv_timeout 300");
    assert!(reply.starts_with("error Timeout"), "{reply}");
    assert!(actor.ask("count").starts_with("waiting 1 "));
    // All else goes on, and nothing is made where the directory was.
    actor.must("send 1 2");
    assert_eq!(actor.ask("recv"), "got 1 2 1");
    assert!(!directory.exists());
    actor.finish();
}

#[test]
fn open_or_create_works_while_others_keep_removing_the_directory() {
    let stage = Stage::new(ACTOR);
    let directory = stage.path().join("session");
    let actor = || {
        let mut command = Command::new(ACTOR);
        command.arg(&directory).arg("parcel");
        Actor::spawn(command)
    };
    let mut actors = [actor(), actor()];
    for _ in 0..200 {
        actors.iter_mut().for_each(|actor| actor.tell("attach fleeting capacity=1"));
        fs::remove_dir_all(&directory).ok();
        actors.iter_mut().for_each(|actor| assert_eq!(actor.reply(), "ok"));
    }
}

// ---- other ways to lose a name ------------------------------------------------------------------

#[test]
fn a_working_directory_that_changes_makes_no_difference() {
    let stage = Stage::new(ACTOR);
    let mut command = Command::new(ACTOR);
    command.arg(".").arg("parcel").current_dir(stage.path());
    let mut actor = Actor::spawn(command);
    actor.must("create parcels capacity=4 deliveries=1");
    mi7::remove_in(stage.path(), "parcels.dead").expect("it was made along");
    actor.must("chdir");
    actor.must("send 1 1");
    assert_eq!(actor.ask("hold"), "got 1 1 1");
    actor.must("requeue");
    assert!(actor.ask("recv_timeout 10").starts_with("error Timeout"));
    let letters = stage.options::<Parcel>().open("parcels.dead").expect("made anew, beside its channel").receiver();
    assert_eq!(Parcel::unpack(&letters.try_recv().expect("the letter")), Some((1, 1)));
    actor.tell("watch 20000");
    actor.wait_until_asleep();
    assert_eq!(bells(stage.path()), 1);
    let other = stage.options::<Parcel>().open("parcels").expect("the channel");
    other.sender().send(&Parcel::pack(2, 2)).expect("room");
    assert_eq!(actor.reply(), "readable");
    actor.finish();
}

#[test]
fn a_directory_that_is_moved_stays_the_channels_directory() {
    let stage = Stage::new(ACTOR);
    let (directory, channel, mut friend) = scene(&stage);
    let moved = stage.path().join("moved");
    fs::rename(&directory, &moved).expect("it is ours");
    assert!(!channel.is_removed(), "it is where it was in its directory");
    let watch = channel.receiver().watch().expect("a watch");
    assert_eq!(bells(&moved), 1);
    assert!(!watch.arm());
    friend.must("send 1 1");
    assert!(readable(&watch, LONG));
    friend.finish();
}

#[test]
fn a_name_that_another_file_has_is_lost() {
    let stage = Stage::new(ACTOR);
    let channel = |name: &str| stage.options::<u64>().capacity(1).create(name).expect("a channel");
    let first = channel("first");
    assert!(!first.is_removed());
    // A second name is no loss.
    fs::hard_link(stage.file("first"), stage.file("also-first")).expect("a link");
    assert!(!first.is_removed());
    fs::rename(stage.file("first"), stage.file("renamed")).expect("it is ours");
    assert!(first.is_removed() && first.status().removed);
    let second = channel("first");
    assert_eq!((first.is_removed(), second.is_removed()), (true, false));
    // As a backup is put back.
    fs::rename(stage.file("renamed"), stage.file("first")).expect("it is ours");
    assert_eq!((first.is_removed(), second.is_removed()), (false, true));
}

#[test]
fn all_channels_in_a_directory_share_its_descriptor() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<u64>().capacity(1);
    let held: Vec<_> = (0..20).map(|number| options.create(&format!("number-{number}")).expect("a channel")).collect();
    let again: Vec<_> = (0..20).map(|number| options.open(&format!("number-{number}")).expect("it")).collect();
    let watches: Vec<_> = held.iter().map(|channel| channel.receiver().watch().expect("a watch")).collect();
    let descriptors = || {
        let links = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
        links.filter(|link| fs::read_link(link.path()).is_ok_and(|path| path == stage.path())).count()
    };
    assert_eq!(descriptors(), 1);
    drop((held, again, watches));
    assert_eq!(descriptors(), 0);
}

#[test]
fn a_doorbell_for_which_there_is_no_room_is_rung_without_a_name() {
    let stage = Stage::new(ACTOR);
    let Some(namespace) = Namespace::find() else {
        eprintln!("skipped: mounting is not permitted here, neither to this user nor in a user namespace");
        return;
    };
    // Two files and directories, of which the root is one.
    let mut command = namespace.on("tmpfs", "nr_inodes=2,mode=0755", stage.path(), ACTOR);
    command.arg(stage.path()).arg("parcel");
    let mut actor = Actor::spawn(command);
    actor.must("create parcels capacity=4");
    assert!(actor.ask("create others capacity=1").starts_with("error NoSpace"), "there is no inode left");
    assert_eq!(actor.ask("watch 10"), "nothing");
    assert!(actor.ask("free").ends_with(" parcels"));
    actor.finish();
}
