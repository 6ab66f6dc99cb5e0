//! What the daemon cannot read is counted as failed: the files, and the directories, each once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const DAEMON: &str = env!("CARGO_BIN_EXE_daemon");
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A directory that everybody can read.
fn tree() -> TempDir {
    let tree = tempfile::tempdir_in("/dev/shm").expect("a directory");
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    tree
}

fn add(path: &Path) {
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory");
    fs::write(path, "one\n").expect("a file");
}

/// The program where a user without rights can run it, and that user, who is nobody else's.
struct Program(TempDir, u32);

impl Program {
    fn new() -> Self {
        let directory = tree();
        // By another process: a child that is forked while this one writes to it could not run it.
        let copied = Command::new("cp").arg(DAEMON).arg(directory.path().join("daemon")).status();
        assert!(copied.expect("cp").success());
        static USERS: AtomicU32 = AtomicU32::new(0);
        let user = 2_000_000 + std::process::id() % 100_000 * 10 + USERS.fetch_add(1, Ordering::Relaxed);
        Program(directory, user)
    }

    fn command(&self, program: &str) -> Command {
        let copy = self.0.path().join("daemon");
        let mut command = Command::new(if program == "daemon" { copy.as_path() } else { Path::new(program) });
        if rustix::process::geteuid().is_root() {
            command.uid(self.1).gid(self.1);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The files that `find` finds, and the directories that it complains of.
    fn find(&self, path: &Path) -> (usize, usize) {
        let output = self.command("find").arg(path).args(["-type", "f"]).output().expect("find");
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().count();
        (lines(&output.stdout), lines(&output.stderr))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where the user's channels were.
        let _ = fs::remove_dir(format!("/dev/shm/mi7-{}", self.1));
    }
}

/// The last line, and the complaints.
fn run(command: &mut Command, mut meanwhile: impl FnMut(u32)) -> (String, Vec<String>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let started = Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        meanwhile(child.id());
        if started.elapsed() > LONG {
            let _ = child.kill();
            panic!("the daemon does not end");
        }
        sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("what it said");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let line = out.lines().last().unwrap_or_default().to_owned();
    (line, err.lines().filter(|line| line.starts_with("cannot list: ")).map(str::to_owned).collect())
}

fn totals(files: usize, failed: usize) -> String {
    format!("files={files} bytes={} lines={files} crc_xor=", files * 4) + "*" + &format!(" failed={failed}")
}

#[track_caller]
fn assert_totals(line: &str, files: usize, failed: usize) {
    let (before, after) = line.split_once("crc_xor=").expect("the totals");
    let found = format!("{before}crc_xor=*{}", &after[8..]);
    assert_eq!(found, totals(files, failed));
}

#[test]
fn a_directory_that_cannot_be_listed_is_counted_as_failed() {
    let (program, tree) = (Program::new(), tree());
    for path in ["a/1", "b/closed/2", "b/open/3", "c-closed/4/5", "d/6"] {
        add(&tree.path().join(path));
    }
    for (closed, mode) in [("b/closed", 0o000), ("c-closed", 0o311)] {
        fs::set_permissions(tree.path().join(closed), fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let (files, failed) = program.find(tree.path());
    assert_eq!((files, failed), (3, 2), "or else this test tests nothing");
    for workers in ["1", "3"] {
        let mut command = program.command("daemon");
        command.args(["--workers", workers, "--capacity", "1", "--"]).arg(tree.path());
        let (line, complaints) = run(&mut command, |_| {});
        assert_totals(&line, files, failed);
        assert_eq!(complaints.len(), failed, "{complaints:?}");
        assert!(complaints[0].contains("b/closed") && complaints[1].contains("c-closed"), "{complaints:?}");
    }
    fs::set_permissions(tree.path().join("b/closed"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(tree.path().join("c-closed"), fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_directory_whose_path_is_too_long_is_counted_as_failed() {
    let tree = tree();
    add(&tree.path().join("a"));
    add(&tree.path().join("z"));
    let mut directory = rustix::fs::open(tree.path(), OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("it");
    // Longer than any system call takes, by pieces.
    for _ in 0..45 {
        let name = "d".repeat(100);
        mkdirat(&directory, &name, Mode::RWXU).expect("a directory");
        directory = openat(&directory, &name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).expect("it");
    }
    let (line, complaints) = run(Command::new(DAEMON).arg("--").arg(tree.path()), |_| {});
    assert_totals(&line, 2, 1);
    assert!(complaints.len() == 1 && complaints[0].contains("dddd"), "{complaints:?}");
    // `remove_dir_all` of older versions cannot go so deep.
    Command::new("rm").arg("-rf").arg(tree.path()).status().expect("rm");
}

#[test]
fn a_root_that_cannot_be_listed_is_counted_as_failed() {
    let (program, tree) = (Program::new(), tree());
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o000)).expect("it is ours");
    let (line, complaints) = run(program.command("daemon").arg("--").arg(tree.path()), |_| {});
    assert_totals(&line, 0, 1);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn each_is_counted_once_however_often_the_entry_dies() {
    let (program, tree) = (Program::new(), tree());
    let closed: Vec<PathBuf> = (0..150).map(|number| tree.path().join(format!("{number:03}-closed"))).collect();
    for closed in &closed {
        fs::create_dir(closed).expect("a directory");
        fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).expect("it is ours");
    }
    for number in 0..3000 {
        add(&tree.path().join(format!("{:03}-open/{number}", number % 150)));
    }
    let mut command = program.command("daemon");
    command.args(["--workers", "1", "--capacity", "3", "--"]).arg(tree.path());
    let mut kills = 0;
    let mut last = Instant::now();
    let (line, complaints) = run(&mut command, |daemon| {
        // Ever more slowly, so that it comes to its end.
        if last.elapsed() < Duration::from_millis(20 + 2 * kills) {
            return;
        }
        last = Instant::now();
        let children = fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            let comm = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if comm.trim() == "entry" && Pid::from_raw(child).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
            {
                kills += 1;
            }
        }
    });
    assert!(kills > 0, "or else this test tests nothing");
    assert_totals(&line, 3000, 150);
    assert_eq!(complaints.len(), 150);
}
