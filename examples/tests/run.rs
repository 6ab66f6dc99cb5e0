//! The example programs as real processes: what they print, what they leave behind, and the daemon's totals against totals
//! that are worked out here from what was written, with nothing in common.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
const ENTRY: &str = env!("CARGO_BIN_EXE_entry");
const WORKER: &str = env!("CARGO_BIN_EXE_worker");
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

// Running programs.

/// A program that is killed if the test fails.
struct Running(Option<Child>);

impl Running {
    fn start(command: &mut Command) -> Self {
        Running(Some(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn pid(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    fn is_running(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(self.pid()), signal).unwrap();
    }

    fn output(mut self) -> Output {
        until("the program ends", || !self.is_running());
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid(raw: u32) -> Pid {
    Pid::from_raw(raw as i32).unwrap()
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < LONG, "waited in vain until {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Runs a program to its successful end, and checks that it leaves no channel. Gives stdout and stderr.
fn run(command: &mut Command) -> (String, String) {
    let program = Running::start(command);
    let process = program.pid();
    let output = program.output();
    let (out, err) = text(&output);
    assert!(output.status.success(), "{}: {out}{err}", output.status);
    assert_eq!(channels_of(process), [""; 0]);
    (out, err)
}

fn text(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// The channels with a process's id in their names.
fn channels_of(process: u32) -> Vec<String> {
    let process = process.to_string();
    let names = mi7::list().unwrap().into_iter().map(|listed| listed.name);
    names.filter(|name| name.split('-').any(|part| part == process)).collect()
}

/// The living children of a process.
fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|&process| is_alive(process).is_some_and(|found| found == parent)).collect()
}

/// The parent of a process that is alive.
fn is_alive(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| state != "Z" && state != "X")
}

// Trees, and what is in them.

#[derive(Default)]
struct Totals {
    files: u64,
    bytes: u64,
    lines: u64,
    crc_xor: u32,
    failed: u64,
}

impl Totals {
    fn line(&self) -> String {
        let Totals { files, bytes, lines, crc_xor, failed } = self;
        format!("files={files} bytes={bytes} lines={lines} crc_xor={crc_xor:08x} failed={failed}")
    }
}

/// The CRC-32 of zlib, from its definition.
fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256)
        .map(|byte| (0..8).fold(byte, |rest: u32, _| if rest & 1 == 1 { rest >> 1 ^ 0xEDB8_8320 } else { rest >> 1 }))
        .collect();
    !bytes.iter().fold(!0, |crc, &byte| table[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[test]
fn the_reference_is_the_crc_32_that_all_know() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

/// A tree in the making, with its totals.
struct Tree {
    directory: TempDir,
    totals: Totals,
}

impl Tree {
    fn new() -> Self {
        Tree { directory: tempfile::tempdir().unwrap(), totals: Totals::default() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn add(&mut self, name: impl AsRef<Path>, contents: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        self.totals.files += 1;
        self.totals.bytes += contents.len() as u64;
        self.totals.lines += contents.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.totals.crc_xor ^= crc32(contents);
        path
    }

    /// Small files that are all different.
    fn add_crowd(&mut self, name: &str, files: usize) {
        for file in 0..files {
            let contents = format!("file {file}\n").repeat(1 + file % 50);
            self.add(format!("{name}/{:02}/{file}", file % 37), contents.as_bytes());
        }
    }

    /// One of each kind that could be got wrong.
    fn of_oddities() -> Self {
        let mut tree = Tree::new();
        tree.add("empty", b"");
        tree.add("no newline at the end", b"one\ntwo");
        tree.add("only newlines", b"\n\n\n");
        tree.add(".hidden/.file", b"hidden\n");
        tree.add("-n", b"like an option\n");
        tree.add("a\nnewline", b"in the name\n");
        tree.add(OsStr::from_bytes(b"not \xFF UTF-8/\xC0\xAF"), b"bytes\n");
        tree.add("a/b", b"sorts\n");
        tree.add("a.b/c", b"between\n");
        let big: Vec<u8> = (0..3_000_007_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        tree.add("big", &big);
        tree.add_crowd("crowd", 300);
        // What is no file.
        symlink("big", tree.path().join("link to a file")).unwrap();
        symlink("crowd", tree.path().join("link to a directory")).unwrap();
        symlink("..", tree.path().join("a/loop")).unwrap();
        symlink("nowhere", tree.path().join("link to nothing")).unwrap();
        fs::create_dir(tree.path().join("empty directory")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(tree.path().join("socket")).unwrap());
        assert!(Command::new("mkfifo").arg(tree.path().join("pipe")).status().unwrap().success());
        tree
    }

    /// Adds files that cannot be opened, whoever one is: one path that can be sent and not opened, one that cannot be sent.
    fn add_too_long_paths(&mut self) {
        let mut path = self.path().to_path_buf();
        let mut directory = rustix::fs::open(&path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap();
        while path.as_os_str().len() < 3900 {
            let name = "d".repeat(100);
            mkdirat(&directory, &name, Mode::RWXU).unwrap();
            directory = openat(&directory, &name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap();
            path.push(name);
        }
        let room = 4096 - 1 - path.as_os_str().len();
        for length in [room, room + 1] {
            let file = openat(&directory, "f".repeat(length), OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
            File::from(file).write_all(b"out of reach\n").unwrap();
            self.totals.files += 1;
            self.totals.failed += 1;
        }
    }
}

/// A tree that takes a worker minutes, without taking space.
fn slow_tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    File::create(tree.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    for file in 0..10 {
        fs::write(tree.path().join(file.to_string()), "x\n").unwrap();
    }
    tree
}

fn daemon(path: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(DAEMON);
    command.args(options).arg("--").arg(path);
    command
}

fn last_line(out: &str) -> &str {
    out.lines().last().unwrap_or_default()
}

// The daemon.

#[test]
fn the_totals_are_exact_however_many_workers_there_are_and_however_small_the_channels() {
    let mut tree = Tree::of_oddities();
    tree.add_too_long_paths();
    for workers in ["1", "2", "8"] {
        for capacity in ["1", "7", "1024"] {
            let (out, err) = run(&mut daemon(tree.path(), &["--workers", workers, "--capacity", capacity]));
            assert_eq!(last_line(&out), tree.totals.line(), "{workers} workers, capacity {capacity}: {err}");
            assert!(out.contains("worker1") && out.contains("total"), "{out}");
            let failed: Vec<_> = err.lines().filter(|line| line.starts_with("failed: ")).collect();
            assert_eq!(failed.len(), 2, "{err}");
            assert!(failed.iter().all(|line| line.contains("ffffff")), "{err}");
            assert!(failed.iter().any(|line| line.contains("at most 4096 can be sent")), "{err}");
        }
    }
}

#[test]
fn the_totals_are_exact_while_workers_and_entry_are_killed() {
    let mut tree = Tree::of_oddities();
    tree.add_too_long_paths();
    tree.add_crowd("large crowd", 8000);
    for (workers, capacity) in [("1", "1"), ("2", "1024"), ("8", "3")] {
        let mut daemon =
            Running::start(&mut daemon(tree.path(), &["--json", "--workers", workers, "--capacity", capacity]));
        let mut kills = 0;
        while daemon.is_running() {
            let children = children_of(daemon.pid());
            if !children.is_empty() {
                // A child that has ended meanwhile is a zombie until the daemon looks: its id is nobody else's for now.
                kills += usize::from(kill_process(pid(children[kills % children.len()]), Signal::KILL).is_ok());
            }
            // Ever more slowly, so that the largest file gets done on the slowest machine.
            sleep(Duration::from_millis(20 + 2 * kills as u64));
        }
        let process = daemon.pid();
        let output = daemon.output();
        let (out, err) = text(&output);
        assert!(output.status.success(), "{err}");
        assert_eq!(channels_of(process), [""; 0]);
        let found: serde_json::Value = serde_json::from_str(&out).unwrap();
        let number = |of: &serde_json::Value, key: &str| of[key].as_u64().unwrap();
        let line = Totals {
            files: number(&found, "files"),
            bytes: number(&found, "bytes"),
            lines: number(&found, "lines"),
            crc_xor: u32::from_str_radix(found["crc_xor"].as_str().unwrap(), 16).unwrap(),
            failed: number(&found, "failed"),
        };
        assert_eq!(line.line(), tree.totals.line(), "{workers} workers, capacity {capacity}, {kills} kills: {err}");
        let of_workers = found["workers"].as_array().unwrap().iter().map(|worker| number(worker, "files"));
        assert_eq!(of_workers.sum::<u64>(), tree.totals.files);
        assert!(number(&found, "restarts") > 0, "{kills} kills: {out}");
        assert_eq!(err.lines().filter(|line| line.starts_with("failed: ")).count(), 2, "{err}");
    }
}

#[test]
fn the_path_may_be_a_file_and_a_link_is_not_followed() {
    let mut tree = Tree::new();
    let file = tree.add("file", b"one\n");
    let link = tree.path().join("link");
    symlink(&file, &link).unwrap();
    assert_eq!(last_line(&run(&mut daemon(&file, &[])).0), tree.totals.line());
    assert_eq!(last_line(&run(&mut daemon(&link, &[])).0), Totals::default().line());
    let missing = Running::start(&mut daemon(&tree.path().join("missing"), &[])).output();
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing).1.starts_with("daemon: cannot walk "), "{missing:?}");
}

#[test]
fn the_default_path_is_where_one_is() {
    let mut tree = Tree::new();
    tree.add("file", b"one\ntwo\n");
    assert_eq!(last_line(&run(Command::new(DAEMON).current_dir(tree.path())).0), tree.totals.line());
}

#[test]
fn a_file_whose_bytes_cannot_be_read_is_named_and_counted() {
    // The first page of this process's memory is not mapped.
    let path = PathBuf::from(format!("/proc/{}/mem", std::process::id()));
    let (out, err) = run(&mut daemon(&path, &[]));
    assert_eq!(last_line(&out), Totals { files: 1, failed: 1, ..Totals::default() }.line());
    assert!(err.starts_with(&format!("failed: {path:?}: ")), "{err}");
}

#[test]
fn an_interrupted_daemon_leaves_no_child_and_no_channel() {
    let tree = slow_tree();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let daemon = Running::start(&mut daemon(tree.path(), &["--workers", "3", "--capacity", "1"]));
        let process = daemon.pid();
        until("an entry and three workers are there, or just the workers", || children_of(process).len() >= 3);
        let children = children_of(process);
        assert_eq!(channels_of(process).len(), 2);
        daemon.signal(signal);
        let output = daemon.output();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output).1.contains("interrupted"), "{output:?}");
        assert_eq!(channels_of(process), [""; 0]);
        assert!(children.iter().all(|&child| is_alive(child).is_none()));
    }
}

#[test]
fn a_killed_daemon_takes_its_children_along_and_the_next_one_its_channels() {
    let tree = slow_tree();
    let prefix = format!("killed-{}", std::process::id());
    let options = ["--workers", "3", "--name", &prefix];
    let killed = Running::start(&mut daemon(tree.path(), &options));
    let process = killed.pid();
    until("the workers are there", || children_of(process).len() >= 3);
    let children = children_of(process);
    killed.signal(Signal::KILL);
    killed.output();
    until("the children are dead", || children.iter().all(|&child| is_alive(child).is_none()));
    assert_eq!(channels_of(process).len(), 2);

    let alive = Running::start(&mut daemon(tree.path(), &options));
    until("the next one has cleaned up", || channels_of(process).is_empty());
    until("it has its own channels", || channels_of(alive.pid()).len() == 2);
    // Those are not taken for leftovers by a third.
    let mut small = Tree::new();
    small.add("file", b"one\n");
    assert_eq!(last_line(&run(&mut daemon(small.path(), &options)).0), small.totals.line());
    assert_eq!(channels_of(alive.pid()).len(), 2);
    alive.signal(Signal::TERM);
    assert_eq!(alive.output().status.code(), Some(143));
}

#[test]
fn a_daemon_without_its_channels_gives_up() {
    let tree = slow_tree();
    let daemon = Running::start(&mut daemon(tree.path(), &["--workers", "2"]));
    until("the workers are there", || children_of(daemon.pid()).len() >= 2 && channels_of(daemon.pid()).len() == 2);
    for name in channels_of(daemon.pid()) {
        mi7::remove(&name).unwrap();
    }
    for child in children_of(daemon.pid()) {
        let _ = kill_process(pid(child), Signal::KILL);
    }
    let output = daemon.output();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).1.contains("gave up"), "{output:?}");
}

// By hand.

/// The totals in what workers print.
fn totals_of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Totals {
    let mut totals = Totals::default();
    for line in lines {
        let mut fields = line.split_whitespace();
        totals.crc_xor ^= u32::from_str_radix(fields.next().unwrap(), 16).unwrap();
        totals.bytes += fields.next().unwrap().parse::<u64>().unwrap();
        totals.lines += fields.next().unwrap().parse::<u64>().unwrap();
        totals.files += 1;
    }
    totals
}

fn by_hand(program: &str, argument: impl AsRef<OsStr>, queue: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--queue", queue, "--"]).arg(argument);
    command
}

#[test]
fn workers_may_come_before_the_entry() {
    let tree = Tree::of_oddities();
    let queue = format!("before-{}", std::process::id());
    let workers = ["one", "two"].map(|name| Running::start(&mut by_hand(WORKER, name, &queue)));
    sleep(Duration::from_millis(100));
    let entry =
        Running::start(Command::new(ENTRY).args(["--queue", &queue, "--capacity", "5"]).arg(tree.path())).output();
    assert!(entry.status.success(), "{entry:?}");
    let outputs = workers.map(|worker| text(&worker.output()).0);
    assert_eq!(totals_of_lines(outputs.iter().flat_map(|out| out.lines())).line(), tree.totals.line());
    assert!(mi7::list().unwrap().iter().all(|listed| listed.name != queue));
}

#[test]
fn the_entry_may_be_gone_before_the_worker_comes_and_files_too() {
    let mut tree = Tree::new();
    tree.add("a", b"one\n");
    tree.add("c", b"three\n");
    let gone = tree.path().join("b");
    fs::write(&gone, "two\n").unwrap();
    let queue = format!("after-{}", std::process::id());
    let entry = Running::start(&mut by_hand(ENTRY, tree.path(), &queue)).output();
    assert!(entry.status.success(), "{entry:?}");
    fs::remove_file(&gone).unwrap();
    let worker = Running::start(&mut by_hand(WORKER, "late", &queue)).output();
    let (out, err) = text(&worker);
    assert_eq!(totals_of_lines(out.lines()).line(), tree.totals.line());
    assert!(err.starts_with(&format!("failed: {gone:?}: No such file")), "{err}");
    assert!(mi7::list().unwrap().iter().all(|listed| listed.name != queue));
}

#[test]
fn an_interrupted_entry_takes_its_queue_along() {
    let tree = slow_tree();
    let queue = format!("interrupted-{}", std::process::id());
    let entry = Running::start(Command::new(ENTRY).args(["--queue", &queue, "--capacity", "1"]).arg(tree.path()));
    until("the queue is there", || mi7::list().unwrap().iter().any(|listed| listed.name == queue));
    let second = Running::start(&mut by_hand(ENTRY, tree.path(), &queue)).output();
    assert!(text(&second).1.contains("is filling the queue"), "{second:?}");
    entry.signal(Signal::INT);
    assert_eq!(entry.output().status.code(), Some(130));
    assert!(mi7::list().unwrap().iter().all(|listed| listed.name != queue));
}

#[test]
fn a_worker_killed_by_hand_loses_no_path() {
    let tree = slow_tree();
    let queue = format!("killed-by-hand-{}", std::process::id());
    assert!(Running::start(&mut by_hand(ENTRY, tree.path(), &queue)).output().status.success());
    // It takes the small files, and then the one that it cannot finish.
    let first = Running::start(&mut by_hand(WORKER, "first", &queue));
    let paths = mi7::SharedChannel::<mi7::Message>::open(&queue).unwrap();
    until("it is at the last", || paths.status().waiting == 0 && paths.status().received == 10);
    first.signal(Signal::KILL);
    first.output();
    // The file is small now, so that another can.
    File::create(tree.path().join("sparse")).unwrap().set_len(9).unwrap();
    let (out, _) = text(&Running::start(&mut by_hand(WORKER, "second", &queue)).output());
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains(" 9 ") && out.contains("(again: the worker before died with it)"), "{out}");
}

// The small ones.

macro_rules! small {
    ($($name:ident: $($expected:literal),+;)+) => {
        $(
            #[test]
            fn $name() {
                let (out, err) = run(&mut Command::new(env!(concat!("CARGO_BIN_EXE_", stringify!($name)))));
                $(assert!(out.contains($expected), "no {:?} in {out}", $expected);)+
                assert_eq!(err, "");
            }
        )+
    };
}

small! {
    hello: "order 1: 4 at 2.5\norder 2: 4 at 5\norder 3: 4 at 7.5\n", "worth 60";
    bytes: "2 of 100 messages (2%)", ": any bytes", "refused: the message has 2000 bytes";
    worker_pool: "has job 1, delivery 1", "is dead", "has job 1, delivery 2", "has job 3, delivery 1";
    bincode: "sort [\"-n\", \"numbers\"]", "refused: ";
    loan: "picture 2: 2073600 bytes";
    batch: "100000 samples, whose sum is 4999950000";
    status: "waiting 3 of 16, leased 1", "messages of Order", "limit", "Order.limit";
    fixed: "EURUSD", "refused: found 11 bytes, expected at most 8";
    pipeline: "60 sent", "the sum of 60 squares is 73810", "never more than ";
    async_pool: "after 20 jobs", "since it was asked to", "since all are done", "60 jobs were done, each once";
    async_timeouts: "nothing for 50 ms", "received [\"now\", \"then\", \"late\"]", "had its turns";
    timeouts: "nothing came", "no room", "nothing was lost";
}
