//! What the kernel does not let a process do is an error that says so, and what it does in between
//! (signals, umask) makes no difference.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use mi7::{Error, SharedChannel};
use mi7_tests::{Actor, Namespace, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
/// A user with no rights of its own.
const NOBODY: u32 = 65534;

fn namespace() -> Option<Namespace> {
    let namespace = Namespace::find();
    if namespace.is_none() {
        eprintln!("skipped: mounting is not permitted here, neither to this user nor in a user namespace");
    }
    namespace
}

fn files(stage: &Stage) -> usize {
    fs::read_dir(stage.path()).expect("the stage").count()
}

// ---- the limit on file sizes --------------------------------------------------------------------

#[test]
fn a_channel_beyond_the_limit_on_file_sizes_is_no_space_and_kills_nobody() {
    for command in ["create", "attach"] {
        let stage = Stage::new(ACTOR);
        let mut actor = stage.actor("parcel");
        actor.must("limit fsize 100000");
        for options in ["capacity=1000", "capacity=1000 deliveries=2", "capacity=100000000"] {
            let reply = actor.ask(&format!("{command} parcels {options}"));
            assert!(reply.starts_with("error NoSpace"), "{command} {options}: {reply}");
            let named = stage.file("parcels").display().to_string();
            assert!(reply.contains(&named), "{reply}");
            assert!(
                reply.contains("not make files of more than 100000 bytes") && reply.contains("ulimit -f"),
                "{reply}"
            );
            assert_eq!(files(&stage), 0, "left behind");
        }
        // What is within the limit goes on.
        actor.must(&format!("{command} parcels capacity=1"));
        actor.must("churn 2");
        actor.finish();
    }
}

#[test]
fn a_dead_letter_for_which_no_channel_can_be_made_stays_and_kills_nobody() {
    let stage = Stage::new(ACTOR);
    let mut actor = stage.actor("parcel");
    actor.must("create parcels capacity=1000 deliveries=1");
    mi7::remove_in(stage.path(), "parcels.dead").expect("it was made along");
    actor.must("limit fsize 100000");
    actor.must("send 1 1");
    assert_eq!(actor.ask("hold"), "got 1 1 1");
    actor.must("requeue");
    let reply = actor.ask("recv_timeout 300");
    assert!(reply.starts_with("error Timeout"), "{reply}");
    assert!(actor.ask("count").starts_with("waiting 1 "));
    actor.finish();
}

#[test]
fn a_channel_that_is_there_is_opened_whatever_the_limit() {
    let stage = Stage::new(ACTOR);
    let mut maker = stage.actor("parcel");
    maker.must("create parcels capacity=1000");
    maker.must("copy parcels copied");
    let mut actor = stage.actor("parcel");
    actor.must("limit fsize 0");
    for name in ["parcels", "copied"] {
        actor.must(&format!("open {name}"));
        actor.must("churn 1");
        assert_eq!(actor.ask("watch 0"), "nothing", "a doorbell is no file that grows");
    }
    actor.finish();
}

// ---- signals ------------------------------------------------------------------------------------

#[test]
fn an_interval_timer_hinders_nothing() {
    for directory in [Path::new("/dev/shm"), &std::env::temp_dir()] {
        let stage = Stage::in_directory(directory, ACTOR);
        let mut actor = stage.actor("parcel");
        // So often that no large file is allocated in between.
        actor.must("interrupt 500");
        for round in 0..3 {
            actor.must(&format!("create large-{round} capacity=300000 deliveries=1"));
            assert_eq!(actor.ask(&format!("missing large-{round}")), "0");
            actor.must("detach");
            actor.must(&format!("punch large-{round} 8000000 40000000"));
            actor.must(&format!("attach large-{round}"));
            assert_eq!(actor.ask(&format!("missing large-{round}")), "0", "made whole");
            assert!(actor.ask("try_recv").starts_with("error Empty"));
            assert_eq!(actor.ask("watch 0"), "nothing");
            actor.must("send 1 1");
            assert_eq!(actor.ask("recv"), "got 1 1 1");
            mi7::remove_in(stage.path(), &format!("large-{round}")).expect("it is there");
        }
        actor.must("interrupt 0");
        actor.finish();
    }
}

#[test]
fn an_allocation_that_is_interrupted_goes_on_in_pieces() {
    let stage = Stage::new(ACTOR);
    let mut command = Command::new(ACTOR);
    command.arg(stage.path()).arg("parcel").env("WITH_SIGNALS", "1");
    let mut actor = Actor::spawn(command);
    actor.must("create parcels capacity=20000 deliveries=1");
    for name in ["parcels", "parcels.dead"] {
        assert_eq!(actor.ask(&format!("missing {name}")), "0");
    }
    actor.must("detach");
    actor.must("copy parcels copied");
    actor.must("open copied");
    assert_eq!(actor.ask("missing copied"), "0", "made whole");
    actor.must("churn 1");
    actor.finish();
}

// ---- the umask ----------------------------------------------------------------------------------

/// Actors that are not root, whose rights are then those that the modes give them, in a directory
/// that is still to be made.
fn actors_without_rights(program: &Path, directory: &Path, count: usize) -> Vec<Actor> {
    let is_root = rustix::process::geteuid().is_root();
    let actor = || {
        let mut command = Command::new(program);
        command.arg(directory).arg("parcel");
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Actor::spawn(command)
    };
    (0..count).map(|_| actor()).collect()
}

/// A stage on which all may make directories, and the program that they can run there.
fn stage_for_everybody() -> (Stage, PathBuf) {
    let stage = Stage::new(ACTOR);
    let program = stage.actor_for_everybody();
    fs::set_permissions(stage.path(), Permissions::from_mode(0o777)).expect("it is ours");
    (stage, program)
}

#[test]
fn an_umask_that_takes_rights_from_the_owner_takes_none_from_a_channels_owner() {
    let (stage, program) = stage_for_everybody();
    for umask in ["777", "700", "400", "200", "100", "277"] {
        let directory = stage.path().join(format!("under-{umask}"));
        let mut actors = actors_without_rights(&program, &directory, 2);
        for actor in &mut actors {
            actor.must(&format!("umask {umask}"));
        }
        actors[0].must("create parcels capacity=4 deliveries=1");
        let mode = |path: &Path| fs::metadata(path).expect("it was made").permissions().mode() & 0o7777;
        assert_eq!(mode(&directory), 0o700, "umask {umask}");
        assert_eq!(mode(&directory.join("parcels")), 0o600, "umask {umask}");
        assert_eq!(mode(&directory.join("parcels.dead")), 0o600, "umask {umask}");
        actors[1].must("open parcels");
        // The channel was looked through for dead letters: a watch has nothing more to be readable
        // for.
        assert!(actors[1].ask("try_recv").starts_with("error Empty"));
        actors[1].tell("watch 20000");
        let began = std::time::Instant::now();
        let bell = loop {
            let mut files = fs::read_dir(&directory).expect("the directory").map(|file| file.expect("a file"));
            match files.find(|file| file.file_name().to_string_lossy().starts_with(".bell-")) {
                Some(bell) => break bell.path(),
                None => assert!(began.elapsed().as_secs() < 20, "umask {umask}: the doorbell has no name"),
            }
        };
        assert_eq!(mode(&bell), 0o600, "umask {umask}");
        actors[1].wait_until_asleep();
        actors[0].must("send 1 1");
        assert_eq!(actors[1].reply(), "readable");
        assert_eq!(actors[1].ask("recv"), "got 1 1 1");
        actors.into_iter().for_each(Actor::finish);
    }
    let left = fs::read_dir(stage.path()).expect("the stage").map(|file| file.expect("a file").file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn of_processes_that_race_to_make_the_directory_under_such_an_umask_all_get_one_channel() {
    let (stage, program) = stage_for_everybody();
    for round in 0..20 {
        let directory = stage.path().join(format!("race-{round}"));
        let mut actors = actors_without_rights(&program, &directory, 4);
        for (actor, umask) in actors.iter_mut().zip(["777", "077", "777", "777"]) {
            actor.must(&format!("umask {umask}"));
        }
        actors.iter_mut().for_each(|actor| actor.tell("attach parcels capacity=8"));
        actors.iter_mut().for_each(|actor| assert_eq!(actor.reply(), "ok"));
        for actor in &mut actors {
            actor.must("send 1 1");
        }
        assert!(actors[0].ask("count").starts_with("waiting 4 "), "they have one channel");
    }
}

#[test]
fn a_directory_that_its_owner_has_closed_stays_closed() {
    let (stage, program) = stage_for_everybody();
    for mode in [0o000, 0o500] {
        let directory = stage.path().join(format!("closed-{mode:o}"));
        let mut actors = actors_without_rights(&program, &directory, 1);
        actors[0].must("umask 777");
        actors[0].must("create parcels");
        actors[0].must("detach");
        fs::set_permissions(&directory, Permissions::from_mode(mode)).expect("it is there");
        let reply = actors[0].ask("create others");
        assert!(reply.starts_with("error PermissionDenied"), "{reply}");
        assert!(reply.contains(directory.to_str().expect("a path")), "{reply}");
        assert_eq!(fs::metadata(&directory).expect("it is there").permissions().mode() & 0o7777, mode);
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).expect("it is there");
    }
}

// ---- other limits -------------------------------------------------------------------------------

#[test]
fn who_has_no_descriptor_left_is_told_of_that_limit() {
    let stage = Stage::new(ACTOR);
    let mut actor = stage.actor("parcel");
    actor.must("create parcels capacity=4");
    actor.must("limit nofile 3");
    for command in ["open parcels", "attach parcels", "create others", "attach others"] {
        let reply = actor.ask(command);
        assert!(reply.starts_with("error Os") && reply.contains("ulimit -n"), "{command}: {reply}");
        assert!(reply.contains(stage.path().to_str().expect("a path")), "{command}: {reply}");
    }
    let reply = actor.ask("watch 0");
    assert!(reply.starts_with("error Os") && reply.contains("ulimit -n"), "{reply}");
    // What is open goes on.
    actor.must("churn 3");
    actor.finish();
    assert_eq!(files(&stage), 1);
}

#[test]
fn who_has_no_address_space_left_is_told_of_that_limit() {
    let stage = Stage::new(ACTOR);
    let mut actor = stage.actor("slab");
    actor.must("limit as 400000000");
    let reply = actor.ask("create slabs capacity=400");
    assert!(reply.starts_with("error Os") && reply.contains("mmap"), "{reply}");
    assert!(reply.contains("ulimit -v") && reply.contains("capacity"), "{reply}");
    assert!(reply.contains(stage.file("slabs").to_str().expect("a path")), "{reply}");
    assert_eq!(files(&stage), 0, "left behind");
    actor.finish();
}

#[test]
fn a_file_system_that_cannot_be_written_to_is_an_error_that_says_so() {
    let stage = Stage::new(ACTOR);
    let Some(namespace) = namespace() else { return };
    let mut command = namespace.without(stage.path(), ACTOR);
    command.arg(stage.path()).arg("parcel");
    let mut actor = Actor::spawn(command);
    for command in ["create parcels", "attach parcels"] {
        let reply = actor.ask(command);
        assert!(reply.starts_with("error Os") && reply.contains("Read-only"), "{reply}");
        assert!(reply.contains("choose a directory that can be written to"), "{reply}");
    }
    let reply = actor.ask("open parcels");
    assert!(reply.starts_with("error NotFound"), "{reply}");
    actor.finish();
}

#[test]
fn a_path_that_is_too_long_is_an_error_that_says_so() {
    let stage = Stage::new(ACTOR);
    let part = stage.path().join("x".repeat(256));
    let whole = stage.path().join("x/".repeat(2100));
    for directory in [part, whole] {
        let options = SharedChannel::<u64>::options().directory(&directory).capacity(1);
        for result in [options.create("numbers"), options.open_or_create("numbers")] {
            match result {
                Err(error @ Error::Os { .. }) => {
                    assert!(error.to_string().contains("a directory with a shorter path"), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn without_proc_a_channel_is_made_or_the_error_names_it() {
    let stage = Stage::new(ACTOR);
    let Some(namespace) = namespace() else { return };
    let mut command = namespace.without(Path::new("/proc"), ACTOR);
    command.arg(stage.path()).arg("parcel");
    let mut actor = Actor::spawn(command);
    let reply = actor.ask("attach parcels capacity=4");
    if reply == "ok" {
        // Since Linux 6.10, and for root.
        actor.must("churn 1");
    } else {
        assert!(reply.starts_with("error NoDirectory") && reply.contains("mount the proc file system"), "{reply}");
        assert_eq!(files(&stage), 0);
    }
    actor.finish();
}

#[test]
fn without_a_place_for_shared_memory_the_error_says_what_is_to_be_mounted() {
    let stage = Stage::new(ACTOR);
    let Some(namespace) = namespace() else { return };
    let mut command = namespace.without(Path::new("/dev"), ACTOR);
    let output = command.arg(stage.path()).arg("home").output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.starts_with("error NoDirectory there is no directory /dev/shm for the channel /dev/shm/mi7-"),
        "{said}"
    );
    assert!(said.contains("mount a tmpfs there") && !said.contains("open_or_create"), "{said}");
}

#[test]
fn a_missing_directory_is_named_whoever_misses_it() {
    let stage = Stage::new(ACTOR);
    let far = stage.path().join("far/away/below");
    let options = SharedChannel::<u64>::options().directory(&far).capacity(1);
    let results = [
        options.create("numbers").map(drop),
        options.open("numbers").map(drop),
        options.open_or_create("numbers").map(drop),
        mi7::remove_in(&far, "numbers"),
    ];
    for result in results {
        match result {
            Err(error @ Error::NoDirectory { .. }) => {
                let text = error.to_string();
                let missing = format!("there is no directory {} for", stage.path().join("far").display());
                assert!(text.starts_with(&missing) && !text.contains("open_or_create"), "{text}");
                assert!(text.contains(far.join("numbers").to_str().expect("a path")), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(files(&stage), 0);
    assert!(mi7::list_in(&far).expect("no channels").is_empty());
    // Links and files on the way.
    std::os::unix::fs::symlink(stage.path().join("nowhere"), stage.file("dangling")).expect("a link");
    fs::write(stage.file("file"), "").expect("a file");
    for (directory, found, named) in [
        ("dangling", "a symbolic link to nothing", "dangling"),
        ("file", "something that is no directory", "file"),
        ("file/below", "something that is no directory", "file"),
    ] {
        let options = SharedChannel::<u64>::options().directory(stage.path().join(directory)).capacity(1);
        match options.open_or_create("numbers") {
            Err(Error::UnsafeDirectory { path, found: said, .. }) => {
                assert_eq!((path, &*said), (stage.file(named), found), "{directory}");
            }
            other => panic!("{directory}: {other:?}"),
        }
    }
    for directory in ["", "a\0b"] {
        match SharedChannel::<u64>::options().directory(directory).open_or_create("numbers") {
            Err(Error::InvalidOption { option, .. }) => assert_eq!(option, "directory"),
            other => panic!("{directory:?}: {other:?}"),
        }
    }
}
