//! A real process is killed at every step of the protocol, and the promise is checked afterwards.
//!
//! The steps are the `fault!` points in mi7-core's source. For each of them, each part of the protocol is played by a victim
//! that kills itself there at the first and at the second passing. A point at which no victim dies fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mi7::{Error, SharedChannel};
use mi7_tests::faults::{CHANNEL, LETTERS, Numbered, OWN, OWN_LETTERS, VICTIM, numbered};

/// Each part of the protocol, and what lies about before it begins.
const PARTS: &[(&str, &[&str])] = &[
    ("create", &[]),
    ("send", &[]),
    ("receive", &[]),
    ("send many", &[]),
    ("receive many", &[]),
    ("give up", &[]),
    ("put back", &[]),
    ("keep leases", &[]),
    ("close", &[]),
    ("bury", &[]),
    ("bury in vain", &[]),
    ("receive", &["hold a lease", "hold a loan"]),
    ("receive", &["hold a bias"]),
    ("receive in tasks", &[]),
    ("send in tasks", &[]),
    ("wake tasks", &[]),
    ("receive", &["hold a place", "hold a place"]),
    ("send", &["hold a loan", "hold a lease", "hold a lease"]),
];

/// At these, the message was let go of already, though the victim had no time to say so.
///
/// A release rings for senders, and so a bell is rung after it too.
const LET_GO: &[&str] = &[
    "message released",
    "senders rung",
    "bell rung, nobody woken",
    "door chosen, not knocked at",
    "task chosen, not woken",
];

/// How long the living may be held up by the dead. The aim is 200 ms; a loaded machine is given time.
const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn death_at_any_step_costs_nothing() {
    let points = points();
    assert!(points.len() > 30, "{points:?}");
    // The cases mostly wait, so several go on at once, each in a directory of its own.
    let (todo, unreached) = (Mutex::new(points.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(point) = { todo.lock().unwrap().next() } {
                    if !kill_at(&point) {
                        unreached.lock().unwrap().push(point);
                    }
                }
            });
        }
    });
    let unreached = unreached.into_inner().unwrap();
    assert!(unreached.is_empty(), "no victim died at {unreached:?}");
}

/// The names of the fault points, out of the source.
fn points() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mi7-core/src");
    let mut points = BTreeSet::new();
    for file in source.read_dir().unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "rs") || path.file_name().is_some_and(|name| name == "fault.rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let calls = text.split("fault!(\"").skip(1);
        points.extend(calls.map(|call| call.split('"').next().unwrap().to_owned()));
    }
    points
}

/// Whether any victim could be killed there.
fn kill_at(point: &str) -> bool {
    let mut reached = false;
    for capacity in [1, 4] {
        for (part, before) in PARTS {
            for passing in [1, 2] {
                let case = format!("{part} after {before:?}, capacity {capacity}, killed at {point:?} #{passing}");
                if !play(point, passing, capacity, part, before, &case) {
                    // Not at the first passing, so neither at the second.
                    break;
                }
                reached = true;
            }
        }
    }
    reached
}

/// What a victim said it did.
#[derive(Default)]
struct Said {
    sent: BTreeSet<u64>,
    got: BTreeMap<u64, u32>,
    done: BTreeSet<u64>,
}

/// Plays one case. True if the victim was killed.
fn play(point: &str, passing: u32, capacity: usize, part: &str, before: &[&str], case: &str) -> bool {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let options = SharedChannel::<Numbered>::options().directory(directory.path());
    let buries = part.starts_with("bury");
    let made = if buries { options.clone().max_deliveries(2) } else { options.clone() };
    let channel = made.capacity(capacity).create(CHANNEL).unwrap();
    let (tx, rx) = channel.split();
    let mut sent = BTreeSet::new();
    let mut next = 0;
    let mut fill = |sent: &mut BTreeSet<u64>, most: usize| {
        for _ in 0..most {
            match tx.try_send(&numbered(next)) {
                Ok(()) => sent.insert(next),
                Err(Error::Full | Error::Closed) => break,
                Err(error) => panic!("{case}: {error}"),
            };
            next += 1;
        }
    };
    fill(&mut sent, capacity.div_ceil(2));
    let letters = buries.then(|| {
        // One message has killed as many as it may. Whoever comes next moves it to the dead letters, if there is room.
        (0..2).for_each(|_| rx.recv().unwrap().requeue());
        let letters = options.open(LETTERS).unwrap();
        if part == "bury in vain" {
            for _ in 0..capacity {
                letters.sender().try_send(&numbered(VICTIM * 2)).unwrap();
            }
        }
        letters.receiver()
    });
    // They live and die beside one another, so that more than one dead is about.
    let roles: Vec<_> = before.iter().map(|role| start(directory.path(), role, None)).collect();
    for role in roles {
        role(&mut || {});
    }

    // The judge receives and sends beside the victim, so that there is always something to do; but not before the victim has
    // had time to find the dead, if there are any.
    let begun = Instant::now();
    let victim = start(directory.path(), part, Some((point, passing)));
    let mut received = BTreeMap::<u64, u32>::new();
    let judge = |wait: Duration, received: &mut BTreeMap<u64, u32>| match rx.recv_timeout(wait) {
        Ok(message) => {
            let values = message.to_owned();
            assert_eq!(values, numbered(values[0]), "{case}: torn");
            *received.entry(values[0]).or_default() += 1;
            true
        }
        Err(Error::Timeout | Error::Closed) => false,
        Err(error) => panic!("{case}: {error}"),
    };
    let (said, killed) = victim(&mut || {
        if !before.is_empty() && begun.elapsed() < Duration::from_millis(100) {
            return;
        }
        // Whoever finds a message that cannot be moved looks again later. That is to be the victim.
        if part != "bury in vain" {
            fill(&mut sent, 1);
        }
        if !part.starts_with("receive") && part != "put back" && !buries {
            judge(Duration::from_millis(1), &mut received);
        }
    });
    let closed = channel.is_closed();
    assert!(!closed || part == "close", "{case}: closed");

    // Whoever comes now finds the channel as good as new.
    let mut buried = Vec::new();
    let dig = |buried: &mut Vec<u32>| {
        for letter in letters.iter().flat_map(|letters| std::iter::from_fn(|| letters.try_recv().ok())) {
            match letter.to_owned() {
                stuffing if stuffing == numbered(VICTIM * 2) => {}
                values => {
                    assert_eq!(values, numbered(0), "{case}: the wrong one was buried");
                    buried.push(letter.deliveries());
                }
            }
        }
    };
    dig(&mut buried);
    let begun = Instant::now();
    while judge(Duration::from_millis(150), &mut received) {}
    let status = channel.status();
    assert_eq!((status.waiting, status.leased), (0, 0), "{case}: {status:?}");
    assert_eq!(status.receivers.len(), 1, "{case}: the dead are not counted: {status:?}");
    if !closed {
        for _ in 0..3 {
            let first = next;
            for number in first..first + capacity as u64 {
                tx.send_timeout(&numbered(number), PATIENCE).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
            next += capacity as u64;
            assert!(matches!(tx.try_send(&numbered(0)), Err(Error::Full)), "{case}: more room than there is");
            for number in first..next {
                let message = rx.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!((message.to_owned(), message.deliveries()), (numbered(number), 1), "{case}");
            }
        }
    }
    assert!(begun.elapsed() < PATIENCE, "{case}: took {:?}", begun.elapsed());

    // Every message that a send returned Ok for reached somebody, once, or again after its holder died.
    let mut acked = sent.clone();
    acked.extend(&said.sent);
    let mut let_go = 0;
    for number in &acked {
        if said.done.contains(number) || received.contains_key(number) || buries && *number == 0 {
            continue;
        }
        // One message at the most: the one that the victim was about to say it was done with.
        let_go += 1;
        let may = LET_GO.contains(&point) && said.got.contains_key(number) && let_go == 1;
        assert!(may, "{case}: lost {number}");
    }
    for (number, times) in &received {
        let attempted = acked.contains(number) || *number >= VICTIM;
        assert!(attempted, "{case}: invented {number}");
        assert_eq!(*times, 1, "{case}: {number} came {times} times to one that lives");
        assert!(!said.done.contains(number), "{case}: {number} was done with, and came again");
    }
    if buries {
        dig(&mut buried);
        // Once; or twice, if the victim was killed while it moved it, and then the second says that somebody else had it.
        assert!(buried.len() == 1 || killed && buried.len() == 2, "{case}: {buried:?}");
        assert!(buried[0] >= 3 && buried.is_sorted_by(|first, second| first < second), "{case}: {buried:?}");
        assert!(!received.contains_key(&0) && !said.got.contains_key(&0), "{case}: handed out again");
    }
    if part == "create" {
        // The channel is whole, or not there.
        match options.clone().open(OWN) {
            Ok(own) => {
                let (tx, rx) = own.split();
                while rx.try_recv().is_ok() {}
                tx.send_timeout(&numbered(1), PATIENCE).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(rx.recv_timeout(PATIENCE).unwrap().to_owned(), numbered(1), "{case}");
            }
            Err(Error::NotFound { .. }) => drop(options.create(OWN).unwrap()),
            Err(error) => panic!("{case}: {error}"),
        }
    }
    let left: Vec<_> = directory.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| [CHANNEL, LETTERS, OWN, OWN_LETTERS].iter().any(|known| name == known)),
        "{case}: left behind {left:?}"
    );
    killed
}

/// Starts a victim. What comes back waits for its end, and calls what it is given meanwhile.
fn start(
    directory: &Path,
    part: &str,
    fault: Option<(&str, u32)>,
) -> impl FnOnce(&mut dyn FnMut()) -> (Said, bool) + use<> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_victim"));
    command.arg(directory).arg(part).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some((point, passing)) = fault {
        command.env("MI7_FAULT", format!("{point}#{passing}"));
    }
    let mut child = command.spawn().unwrap();
    let part = part.to_owned();
    let killed_on_purpose = fault.is_some();
    move |meanwhile| {
        let begun = Instant::now();
        let status = loop {
            meanwhile();
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the victim hangs at {part}");
            std::thread::sleep(Duration::from_micros(200));
        };
        let killed = status.signal() == Some(9);
        assert!(killed || status.success(), "the victim failed at {part}: {status}");
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let mut said = Said::default();
        for line in text.lines() {
            // The last line may be cut off.
            let Some((what, number)) = line.split_once(' ') else { continue };
            let Ok(number) = number.parse() else { continue };
            match what {
                "sent" => _ = said.sent.insert(number),
                "got" => *said.got.entry(number).or_default() += 1,
                _ => _ = said.done.insert(number),
            }
        }
        (said, killed && killed_on_purpose)
    }
}
