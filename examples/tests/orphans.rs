//! No example leaves a child behind, whatever becomes of the process that started it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Each example that starts children, and how many it has at once.
const PROGRAMS: [(&str, &str, usize); 7] = [
    ("hello", env!("CARGO_BIN_EXE_hello"), 1),
    ("bytes", env!("CARGO_BIN_EXE_bytes"), 1),
    ("worker_pool", env!("CARGO_BIN_EXE_worker_pool"), 1),
    ("pipeline", env!("CARGO_BIN_EXE_pipeline"), 2),
    ("async_pool", env!("CARGO_BIN_EXE_async_pool"), 2),
    ("async_timeouts", env!("CARGO_BIN_EXE_async_timeouts"), 1),
    ("figures", env!("CARGO_BIN_EXE_figures"), 2),
];
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// The state and the parent of a process.
fn stat(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| stat(*process).is_some_and(|(state, of)| of == parent && state != 'Z')).collect()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it was not waited for yet");
}

/// Starts a program, kills it as soon as it has so many children, and gives those.
fn orphans(program: &str, count: usize) -> Vec<u32> {
    let mut command = Command::new(program);
    let mut parent = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let started = Instant::now();
    let children = loop {
        let children = children_of(parent.id());
        if children.len() >= count || stat(parent.id()).is_none_or(|(state, _)| state == 'Z') {
            break children;
        }
        assert!(started.elapsed() < LONG, "{program} has {} children", children.len());
    };
    signal(&parent, Signal::KILL);
    parent.wait().expect("it can be waited for");
    let pid = parent.id().to_string();
    for listed in mi7::list().expect("the channels") {
        if listed.name.split('-').any(|part| part == pid) {
            // Another one may be at it.
            let _ = mi7::remove(&listed.name);
        }
    }
    children
}

#[test]
fn when_an_example_is_killed_its_children_end() {
    for (name, program, most) in PROGRAMS {
        // Also before it has started them all, and while they are just starting.
        for count in 1..=most {
            for _ in 0..3 {
                let children = orphans(program, count);
                let killed = Instant::now();
                while let Some(child) = children.iter().find(|child| is_alive(**child)) {
                    if killed.elapsed() > LONG / 3 {
                        let _ = Pid::from_raw(*child as i32).map(|pid| kill_process(pid, Signal::KILL));
                        panic!("{name}: the child {child} of a dead parent runs on");
                    }
                    sleep(Duration::from_millis(2));
                }
            }
        }
    }
}
