//! Making, opening and removing channels: who gets which, and what is refused.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use mi7::{Error, Message, SharedChannel};
use mi7_tests::{Actor, Load, Parcel, Stage, variant};
use rustix::fs::{CWD, FileType, Mode, mknodat};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
/// A user with no rights of its own.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

// ---- racing --------------------------------------------------------------------------------------------------------

#[test]
fn of_processes_that_race_to_open_or_create_all_get_one_channel() {
    let stage = Stage::new(ACTOR);
    for racers in [2, 8] {
        let mut actors = stage.actors("parcel", racers);
        for round in 0..25 {
            let name = format!("race-{racers}-{round}");
            actors.iter_mut().for_each(|actor| actor.tell(&format!("attach {name} capacity=16")));
            actors.iter_mut().for_each(|actor| assert_eq!(actor.reply(), "ok"));
            for (actor, sender) in actors.iter_mut().zip(0..) {
                actor.must(&format!("try_send {sender} {round}"));
            }
            // Whoever of them receives, it receives what all have sent.
            let senders: BTreeSet<_> = (0..racers)
                .map(|_| {
                    let reply = actors[round % racers].ask("try_recv");
                    reply.strip_suffix(&format!(" {round} 1")).unwrap_or_else(|| panic!("{name}: {reply}")).to_owned()
                })
                .collect();
            assert_eq!(senders.len(), racers, "{name}: {senders:?}");
        }
    }
    assert_eq!(fs::read_dir(stage.path()).expect("the stage").count(), 50, "no file but the channels'");
}

#[test]
fn of_processes_that_race_to_create_exactly_one_does() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 8);
    for round in 0..25 {
        actors.iter_mut().for_each(|actor| actor.tell(&format!("create race-{round} capacity=16")));
        let replies: Vec<String> = actors.iter_mut().map(Actor::reply).collect();
        let won = replies.iter().filter(|reply| *reply == "ok").count();
        let lost = replies.iter().filter(|reply| reply.starts_with("error AlreadyExists")).count();
        assert_eq!((won, lost), (1, 7), "{replies:?}");
    }
}

#[test]
fn open_or_create_works_while_others_keep_removing_the_name() {
    let stage = Stage::new(ACTOR);
    let mut actors = stage.actors("parcel", 2);
    for _ in 0..200 {
        actors.iter_mut().for_each(|actor| actor.tell("attach fleeting capacity=1"));
        mi7::remove_in(stage.path(), "fleeting").ok();
        actors.iter_mut().for_each(|actor| assert_eq!(actor.reply(), "ok"));
    }
}

// ---- lives ---------------------------------------------------------------------------------------------------------

#[test]
fn a_receiver_may_come_before_its_sender() {
    let stage = Stage::new(ACTOR);
    let mut rx = stage.actor("parcel");
    rx.must("attach parcels");
    rx.tell("recv");
    rx.wait_until_asleep();
    let mut tx = stage.actor("parcel");
    tx.must("attach parcels");
    tx.must("send 1 1");
    assert_eq!(rx.reply(), "got 1 1 1");
}

#[test]
fn unread_messages_wait_and_either_end_may_restart() {
    let stage = Stage::new(ACTOR);
    let mut first = stage.actor("parcel");
    first.must("attach parcels capacity=8");
    first.must("send 1 0");
    first.must("send 1 1");
    first.finish();
    // Nobody has it open now.
    let mut rx = stage.actor("parcel");
    rx.must("open parcels");
    assert_eq!(rx.ask("recv"), "got 1 0 1");
    rx.finish();
    let mut second = stage.actor("parcel");
    second.must("attach parcels");
    second.must("send 2 0");
    second.kill();
    let mut rx = stage.actor("parcel");
    rx.must("open parcels");
    assert_eq!(rx.ask("recv"), "got 1 1 1");
    assert_eq!(rx.ask("recv"), "got 2 0 1");
    // A receiver that waits while its sender restarts.
    rx.tell("recv");
    rx.wait_until_asleep();
    let mut third = stage.actor("parcel");
    third.must("open parcels");
    third.must("send 3 0");
    assert_eq!(rx.reply(), "got 3 0 1");
}

#[test]
fn a_removed_channel_lives_on_for_those_who_have_it_and_its_name_is_free() {
    let stage = Stage::new(ACTOR);
    let old = stage.options::<Parcel>().capacity(4).create("parcels").expect("a channel");
    let mut old_friend = stage.actor("parcel");
    old_friend.must("open parcels");
    assert!(!old.is_removed());
    mi7::remove_in(stage.path(), "parcels").expect("there is one");
    assert!(old.is_removed() && old.status().removed);
    assert!(matches!(mi7::remove_in(stage.path(), "parcels"), Err(Error::NotFound { .. })));
    assert!(matches!(stage.options::<Parcel>().open("parcels"), Err(Error::NotFound { .. })));

    let new = stage.options::<Parcel>().capacity(2).open_or_create("parcels").expect("a channel");
    assert_eq!((new.capacity(), new.is_removed()), (2, false));
    old_friend.must("send 1 1");
    new.sender().send(&Parcel::pack(2, 2)).expect("room");
    let receiver = old.receiver();
    assert_eq!(Parcel::unpack(&receiver.try_recv().expect("the friend's")), Some((1, 1)));
    assert!(matches!(receiver.try_recv(), Err(Error::Empty)), "the two are apart");
    old.sender().send(&Parcel::pack(3, 3)).expect("room");
    assert_eq!(old_friend.ask("recv"), "got 3 3 1");
    assert_eq!(Parcel::unpack(&new.receiver().try_recv().expect("its own")), Some((2, 2)));
}

#[test]
fn create_refuses_a_name_that_is_taken_and_open_one_that_is_not() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Parcel>().capacity(2);
    match options.open("parcels") {
        Err(Error::NotFound { path }) => assert_eq!(path, stage.file("parcels")),
        other => panic!("{other:?}"),
    }
    let _channel = options.create("parcels").expect("a channel");
    match options.create("parcels") {
        Err(Error::AlreadyExists { path }) => assert_eq!(path, stage.file("parcels")),
        other => panic!("{other:?}"),
    }
    assert!(options.open("parcels").is_ok());
}

// ---- names and options ---------------------------------------------------------------------------------------------

#[test]
fn names_that_could_mean_something_to_a_path_are_refused() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<u64>().capacity(1);
    let long = "x".repeat(201);
    let bad = [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "/etc/passwd",
        "../up",
        "a b",
        "naïve",
        "a\0b",
        "tab\t",
        "new\nline",
        "$x",
        &long,
    ];
    for name in bad {
        for result in [options.create(name), options.open(name), options.open_or_create(name)] {
            match result {
                Err(Error::InvalidName { name: said, .. }) => assert_eq!(said, name),
                other => panic!("{name:?}: {other:?}"),
            }
        }
        assert!(matches!(mi7::remove_in(stage.path(), name), Err(Error::InvalidName { .. })), "{name:?}");
        assert!(matches!(mi7::remove(name), Err(Error::InvalidName { .. })), "{name:?}");
    }
    assert_eq!(fs::read_dir(stage.path()).expect("the stage").count(), 0, "nothing was made");
    for name in ["a", "0", "_", "-", "A-Z_0.9", "a..b", &"x".repeat(200)] {
        assert_eq!(options.create(name).expect(name).name(), name);
    }
}

#[test]
fn options_that_no_channel_can_have_are_refused() {
    let stage = Stage::new(ACTOR);
    let invalid = |result: mi7::Result<()>, expected: &str| match result {
        Err(Error::InvalidOption { option, .. }) => assert_eq!(option, expected),
        other => panic!("{expected}: {other:?}"),
    };
    for capacity in [0, (1 << 30) + 1, u32::MAX as usize + 2, usize::MAX] {
        invalid(stage.options::<u64>().capacity(capacity).create("a").map(drop), "capacity");
    }
    for mode in [0o200, 0o400, 0o000, 0o1600, 0o4600, u32::MAX] {
        invalid(stage.options::<u64>().mode(mode).create("a").map(drop), "mode");
    }
    invalid(stage.options::<u64>().max_message_size(8).create("a").map(drop), "max_message_size");
    invalid(stage.options::<Message>().max_message_size((1 << 31) + 1).create("a").map(drop), "max_message_size");
    invalid(stage.options::<Message>().max_message_size(usize::MAX).create("a").map(drop), "max_message_size");
    assert_eq!(fs::read_dir(stage.path()).expect("the stage").count(), 0, "nothing was made");
}

#[test]
fn a_channel_of_another_capacity_or_message_size_is_refused_only_to_who_asks_for_one() {
    let stage = Stage::new(ACTOR);
    let options = || stage.options::<Message>();
    let _channel = options().capacity(3).max_message_size(100).create("sized").expect("a channel");
    let mismatch = |result: mi7::Result<SharedChannel<Message>>| match result {
        Err(Error::Mismatch { what, found, expected, .. }) => (what, found, expected),
        other => panic!("{other:?}"),
    };
    let strings = |(a, b, c): (&str, &str, &str)| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(mismatch(options().capacity(4).open("sized")), strings(("capacity", "3", "4")));
    assert_eq!(mismatch(options().capacity(4).open_or_create("sized")), strings(("capacity", "3", "4")));
    let size = strings(("max_message_size", "100 bytes", "99 bytes"));
    assert_eq!(mismatch(options().max_message_size(99).open("sized")), size);
    let opened = options().open("sized").expect("nothing was asked for");
    assert_eq!((opened.capacity(), opened.max_message_size()), (3, 100));
    assert!(options().capacity(3).max_message_size(100).open("sized").is_ok());
}

#[test]
fn a_channel_for_which_nothing_was_asked_has_the_documented_defaults() {
    let stage = Stage::new(ACTOR);
    let numbers = stage.options::<u64>().create("numbers").expect("a channel");
    assert_eq!(numbers.capacity(), mi7::DEFAULT_CAPACITY as usize);
    let bytes = stage.options::<Message>().create("bytes").expect("a channel");
    assert_eq!(bytes.max_message_size(), mi7::DEFAULT_MAX_MESSAGE_SIZE);
    let large = stage.options::<[u8; 4 << 20]>().create("large").expect("a channel");
    assert_eq!(large.capacity(), 16, "as many as go into {} bytes", mi7::DEFAULT_BYTES);
}

// ---- the file ------------------------------------------------------------------------------------------------------

#[test]
fn the_file_is_there_in_full_and_has_the_mode_asked_for_whatever_the_umask() {
    for umask in ["000", "077", "777"] {
        let stage = Stage::new(ACTOR);
        let mut actor = stage.actor("parcel");
        actor.must(&format!("umask {umask}"));
        for (name, option, mode) in
            [("a", "", 0o600), ("b", " mode=660", 0o660), ("c", " mode=666", 0o666), ("d", " mode=644", 0o644)]
        {
            actor.must(&format!("create {name} capacity=1000{option}"));
            let file = fs::symlink_metadata(stage.file(name)).expect("the file");
            assert!(file.is_file());
            assert_eq!(file.permissions().mode() & 0o7777, mode, "umask {umask}");
            assert!(file.len() > 1000 * size_of::<<Parcel as mi7::rkyv::Archive>::Archived>() as u64);
            assert!(file.blocks() * 512 >= file.len(), "{} blocks of {} bytes", file.blocks(), file.len());
            assert_eq!(file.nlink(), 1);
        }
    }
}

#[test]
fn a_channel_can_lie_on_a_disk() {
    let stage = Stage::in_directory(std::env::temp_dir(), ACTOR);
    let (mut tx, mut rx) = (stage.actor("parcel"), stage.actor("parcel"));
    tx.must("create parcels capacity=7");
    rx.must("open parcels");
    rx.tell("consume");
    tx.must("produce 1 100");
    tx.must("close");
    assert_eq!(rx.reply().split(' ').count(), 101);
    let file = fs::metadata(stage.file("parcels")).expect("the file");
    assert!(file.blocks() * 512 >= file.len());
}

#[test]
fn a_directory_is_made_for_its_owner_alone_but_not_those_above_it() {
    let stage = Stage::new(ACTOR);
    let make = |directory: &Path| SharedChannel::<u64>::options().directory(directory).capacity(1).create("numbers");
    let below = stage.path().join("below");
    assert!(matches!(SharedChannel::<u64>::options().directory(&below).open("numbers"), Err(Error::NotFound { .. })));
    assert!(!below.exists(), "opening makes nothing");
    make(&below).expect("a channel");
    assert_eq!(fs::metadata(&below).expect("the directory").permissions().mode() & 0o7777, 0o700);
    match make(&stage.path().join("far/below")) {
        Err(Error::NoDirectory { path, missing }) => {
            assert_eq!((path, missing), (stage.path().join("far/below/numbers"), stage.path().join("far")));
        }
        other => panic!("{other:?}"),
    }
    fs::write(stage.file("file"), "").expect("a file");
    match make(&stage.file("file")) {
        Err(Error::UnsafeDirectory { path, .. }) => assert_eq!(path, stage.file("file")),
        other => panic!("{other:?}"),
    }
}

// ---- permissions ---------------------------------------------------------------------------------------------------

/// An actor that runs as this user.
fn actor_as(uid: u32, stage: &Stage, program: &Path) -> Actor {
    let mut command = Command::new(program);
    command.arg(stage.path()).arg("parcel").uid(uid).gid(uid);
    Actor::spawn(command)
}

#[test]
fn who_has_no_permission_is_told_so() {
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<Parcel>().capacity(2).create("parcels").expect("a channel");
    if !is_root() {
        fs::set_permissions(stage.file("parcels"), Permissions::from_mode(0o400)).expect("it is ours");
        match stage.options::<Parcel>().open("parcels") {
            Err(Error::PermissionDenied { path, call, .. }) => {
                assert_eq!((path, call), (stage.file("parcels"), "open"))
            }
            other => panic!("{other:?}"),
        }
        return;
    }
    let program = stage.actor_for_everybody();
    let mut stranger = actor_as(NOBODY, &stage, &program);
    for command in ["open parcels", "attach parcels"] {
        let reply = stranger.ask(command);
        assert!(reply.starts_with("error PermissionDenied"), "{command}: {reply}");
        assert!(reply.contains("open") && reply.contains("65534") && reply.contains("/parcels"), "{command}: {reply}");
    }
    let reply = stranger.ask("create others");
    assert!(reply.starts_with("error PermissionDenied") && reply.contains("O_TMPFILE"), "{reply}");
    fs::set_permissions(stage.path(), Permissions::from_mode(0o700)).expect("it is ours");
    let reply = stranger.ask("open parcels");
    assert!(reply.starts_with("error PermissionDenied"), "the directory is closed to it: {reply}");
    assert!(!channel.status().removed);
}

#[test]
fn users_who_are_let_in_talk_to_each_other() {
    if !is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let stage = Stage::new(ACTOR);
    let program = stage.actor_for_everybody();
    let ours = stage.options::<Parcel>().capacity(2).mode(0o666).create("parcels").expect("a channel");
    let mut stranger = actor_as(NOBODY, &stage, &program);
    stranger.must("open parcels");
    stranger.must("send 1 1");
    assert_eq!(Parcel::unpack(&ours.receiver().try_recv().expect("it")), Some((1, 1)));
    ours.sender().send(&Parcel::pack(2, 2)).expect("room");
    assert_eq!(stranger.ask("hold"), "got 2 2 1");
    // The death of one user's process is seen by another's.
    stranger.kill();
    let receiver = ours.receiver();
    let again = receiver.recv_timeout(std::time::Duration::from_secs(5)).expect("it comes back");
    assert_eq!((Parcel::unpack(&again), again.deliveries()), (Some((2, 2)), 2));
}

/// The default directory of a user who has none, gone with this.
struct Home(u32, PathBuf);

impl Home {
    fn of(uid: u32) -> Self {
        Home(uid, format!("/dev/shm/mi7-{uid}").into())
    }

    /// What the user is told who attaches to a channel in it.
    fn attach(&self, stage: &Stage, program: &Path) -> String {
        let mut command = Command::new(program);
        command.arg(stage.path()).arg("home").uid(self.0).gid(self.0);
        let output = command.output().expect("the program starts");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn clear(&self) {
        fs::remove_file(&self.1).or_else(|_| fs::remove_dir_all(&self.1)).ok();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.clear();
    }
}

#[test]
fn a_default_directory_that_others_could_meddle_with_is_refused() {
    if !is_root() {
        eprintln!("skipped: only root can lay traps for another user");
        return;
    }
    let stage = Stage::new(ACTOR);
    let program = stage.actor_for_everybody();
    let home = Home::of(1_000_000 + std::process::id());
    let own = |mode: u32| {
        home.clear();
        fs::create_dir(&home.1).expect("a directory");
        std::os::unix::fs::chown(&home.1, Some(home.0), Some(home.0)).expect("we are root");
        fs::set_permissions(&home.1, Permissions::from_mode(mode)).expect("we are root");
    };
    let refused = |what: &str| {
        let reply = home.attach(&stage, &program);
        assert!(reply.starts_with("error UnsafeDirectory") && reply.contains(what), "{what}: {reply}");
    };

    home.clear();
    assert_eq!(home.attach(&stage, &program), "ok");
    assert_eq!(fs::metadata(&home.1).expect("it was made").permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(home.1.join("home")).expect("it was made").permissions().mode() & 0o7777, 0o600);

    own(0o777);
    refused("mode 0777");
    own(0o730);
    refused("mode 0730");
    own(0o755);
    assert_eq!(home.attach(&stage, &program), "ok", "reading it does no harm");
    home.clear();
    fs::create_dir(&home.1).expect("a directory of root's");
    refused("owner 0");
    home.clear();
    let real = stage.path().join("real");
    fs::create_dir(&real).expect("a directory");
    std::os::unix::fs::chown(&real, Some(home.0), Some(home.0)).expect("we are root");
    symlink(&real, &home.1).expect("a link");
    refused("a directory");
    assert_eq!(fs::read_dir(&real).expect("it is ours").count(), 0, "nothing was made behind the link");
    home.clear();
    File::create(&home.1).expect("a file");
    refused("no directory");
}

// ---- what is no channel --------------------------------------------------------------------------------------------

/// Opens the name in another process, which must not hang, and gives what it says was found instead of a channel.
fn no_channel(stage: &Stage, actor: &mut Actor, name: &str) -> String {
    let mut said = BTreeSet::new();
    for command in ["open", "attach"] {
        let reply = actor.ask(&format!("{command} {name}"));
        assert!(reply.starts_with("error NotAChannel"), "{command} {name}: {reply}");
        assert!(reply.contains(stage.file(name).to_str().expect("a path")), "{reply}");
        said.insert(reply);
    }
    let reply = actor.ask(&format!("create {name}"));
    assert!(reply.starts_with("error AlreadyExists"), "create {name}: {reply}");
    assert_eq!(said.len(), 1, "{said:?}");
    said.pop_first().expect("one")
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let stage = Stage::new(ACTOR);
    let mut actor = stage.actor("parcel");
    actor.must("create real");
    fs::create_dir(stage.file("directory")).expect("a directory");
    symlink(stage.file("real"), stage.file("link")).expect("a link");
    symlink(stage.file("nowhere"), stage.file("dangling")).expect("a link");
    mknodat(CWD, stage.file("fifo"), FileType::Fifo, Mode::RWXU, 0).expect("a fifo");
    let _socket = UnixListener::bind(stage.file("socket")).expect("a socket");
    for (name, kind) in [
        ("directory", "a directory"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("fifo", "something else"),
        ("socket", "a socket"),
    ] {
        let said = no_channel(&stage, &mut actor, name);
        assert!(said.contains("kind of file") && said.contains(kind), "{name}: {said}");
    }
    assert!(!stage.file("nowhere").exists(), "nothing was made at the end of a link");
    assert!(matches!(mi7::remove_in(stage.path(), "directory"), Err(Error::NotAChannel { .. })));
    for name in ["link", "dangling", "fifo", "socket"] {
        mi7::remove_in(stage.path(), name).expect("any file can be removed");
    }
    assert!(stage.file("real").exists(), "only the link was removed");
}

/// A channel's file, and copies of it with something changed.
struct Forgery {
    stage: Stage,
    bytes: Vec<u8>,
}

impl Forgery {
    fn new() -> Self {
        let stage = Stage::new(ACTOR);
        let (tx, _rx) = stage.options::<Parcel>().capacity(5).create("original").expect("a channel").split();
        tx.send(&Parcel::pack(1, 1)).expect("room");
        let bytes = fs::read(stage.file("original")).expect("its bytes");
        Forgery { stage, bytes }
    }

    /// Opens a file of these bytes, which has to be refused as no channel; what of it is said to be wrong, and how.
    #[track_caller]
    fn refused(&self, bytes: &[u8]) -> (&'static str, String) {
        match self.open(bytes) {
            Err(Error::NotAChannel { what, found, expected, path }) => {
                assert_eq!(path, self.stage.file("forged"));
                assert_ne!(found, expected, "{what}");
                (what, found)
            }
            Err(other) => panic!("{}: {other}", variant(&other)),
            Ok(_) => panic!("it was taken for a channel"),
        }
    }

    fn open(&self, bytes: &[u8]) -> mi7::Result<SharedChannel<Parcel>> {
        fs::write(self.stage.file("forged"), bytes).expect("a file");
        self.stage.options().open("forged")
    }

    /// The original with bytes put over it, and the checksum made right again.
    fn with(&self, at: usize, field: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + field.len()].copy_from_slice(field);
        let sum = bytes[..248]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        bytes[248..256].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

#[test]
fn a_copy_that_nothing_was_changed_in_is_a_channel() {
    let forgery = Forgery::new();
    // So that the refusals below are for what was changed.
    let channel = forgery.open(&forgery.bytes).expect("a whole copy");
    assert_eq!(Parcel::unpack(&channel.receiver().try_recv().expect("the message in it")), Some((1, 1)));
    assert!(forgery.open(&forgery.with(0, b"mi7 ring")).is_ok(), "the checksum is computed as it should be");
}

#[test]
fn a_file_of_another_length_is_no_channel() {
    let forgery = Forgery::new();
    let whole = forgery.bytes.len();
    for length in [
        0,
        1,
        7,
        8,
        255,
        256,
        257,
        1023,
        1024,
        4096,
        33_535,
        33_536,
        41_727,
        41_728,
        41_768,
        45_056,
        whole / 2,
        whole - 64,
        whole - 1,
    ] {
        let (what, found) = forgery.refused(&forgery.bytes[..length]);
        assert_eq!((what, found), ("length", format!("{length} bytes")));
    }
    for more in [1, 64, 4096, 1 << 20] {
        let mut grown = forgery.bytes.clone();
        grown.resize(whole + more, 0);
        assert_eq!(forgery.refused(&grown), ("length", format!("{} bytes", whole + more)));
    }
}

#[test]
fn zeros_noise_and_other_peoples_files_are_no_channels() {
    let forgery = Forgery::new();
    let length = forgery.bytes.len();
    assert_eq!(forgery.refused(&vec![0; length]).0, "magic");
    assert_eq!(forgery.refused(&vec![0xFF; length]).0, "magic");
    let mut noise = vec![0; length];
    File::open("/dev/urandom").expect("noise").read_exact_at(&mut noise, 0).expect("enough of it");
    assert_eq!(forgery.refused(&noise).0, "magic");
    noise[..8].copy_from_slice(b"mi7 ring");
    assert!(["layout version", "checksum"].contains(&forgery.refused(&noise).0));
    assert_eq!(forgery.refused(&fs::read(ACTOR).expect("a program")).0, "magic");
    let (what, found) = forgery.refused("Dear channel, ".repeat(100).as_bytes());
    assert_eq!((what, found.as_str()), ("magic", "Dear cha"));
}

#[test]
fn a_change_of_any_single_byte_of_the_preamble_is_found() {
    let forgery = Forgery::new();
    for at in 0..256 {
        for flip in [0x01, 0x80, 0xFF] {
            let mut bytes = forgery.bytes.clone();
            bytes[at] ^= flip;
            let (what, _) = forgery.refused(&bytes);
            let expected = match at {
                0..8 => "magic",
                8..12 => "layout version",
                _ => "checksum",
            };
            assert_eq!(what, expected, "byte {at}");
        }
    }
}

#[test]
fn a_preamble_that_is_wrong_under_a_right_checksum_is_refused_by_name() {
    let forgery = Forgery::new();
    let refused = |at: usize, field: &[u8]| forgery.refused(&forgery.with(at, field)).0;
    let version = u32::from_le_bytes(forgery.bytes[8..12].try_into().expect("four bytes"));
    let (what, found) = forgery.refused(&forgery.with(8, &(version + 1).to_le_bytes()));
    assert_eq!((what, found), ("layout version", (version + 1).to_string()));
    // Capacity.
    for capacity in [0, (1 << 30) + 1, u32::MAX] {
        assert_eq!(refused(12, &capacity.to_le_bytes()), "geometry");
    }
    assert_eq!(refused(12, &6u32.to_le_bytes()), "recorded length");
    // Bytes of a payload.
    assert_eq!(refused(16, &u64::MAX.to_le_bytes()), "geometry");
    assert_eq!(refused(16, &1_000_000u64.to_le_bytes()), "recorded length");
    // Alignment.
    for align in [0u32, 3, 8192, 1 << 31] {
        assert_eq!(refused(24, &align.to_le_bytes()), "geometry");
    }
    // Participants.
    for participants in [0u32, 253, 255, u32::MAX] {
        assert_eq!(refused(28, &participants.to_le_bytes()), "number of participants");
    }
    // Bytes of the schema text.
    assert_eq!(refused(36, &u32::MAX.to_le_bytes()), "geometry");
    // Length of the file.
    assert_eq!(refused(56, &0u64.to_le_bytes()), "recorded length");
}

#[test]
fn a_channel_with_another_schema_under_a_right_checksum_is_a_mismatch() {
    let forgery = Forgery::new();
    let mismatch = |bytes: &[u8]| match forgery.open(bytes) {
        Err(Error::Mismatch { what, .. }) => what,
        Err(other) => panic!("{}: {other}", variant(&other)),
        Ok(_) => panic!("it was taken for the same type"),
    };
    for encoding in [0u32, 2, 3, 4, u32::MAX] {
        assert_eq!(mismatch(&forgery.with(32, &encoding.to_le_bytes())), "the encoding of its messages");
    }
    mismatch(&forgery.with(40, &[0; 16]));
    // The text is not under the checksum, and is checked for itself.
    let schema_at = 41_728 + 5 * 8;
    let length = u32::from_le_bytes(forgery.bytes[36..40].try_into().expect("four bytes")) as usize;
    assert!(forgery.bytes[schema_at..schema_at + length].starts_with(b"mi7") || length > 50);
    for at in 0..length {
        let mut bytes = forgery.bytes.clone();
        bytes[schema_at + at] ^= 0x01;
        mismatch(&bytes);
    }
    let mut bytes = forgery.bytes.clone();
    bytes[schema_at] = 0xFF;
    assert_eq!(forgery.refused(&bytes).0, "schema text");
}

#[test]
fn what_was_refused_is_left_as_it_was() {
    let forgery = Forgery::new();
    let mut bytes = forgery.bytes.clone();
    bytes[100] ^= 1;
    forgery.refused(&bytes);
    assert!(fs::read(forgery.stage.file("forged")).expect("it is there") == bytes);
    assert!(forgery.stage.options::<Parcel>().open_or_create("forged").is_err());
    assert!(fs::read(forgery.stage.file("forged")).expect("it is there") == bytes);
    mi7::remove_in(forgery.stage.path(), "forged").expect("it can be removed");
    assert!(forgery.stage.options::<Parcel>().open_or_create("forged").is_ok());
}
