//! Tasks that wait, in several processes that come, go and die.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel as lines};
use std::thread;
use std::time::{Duration, Instant};

use mi7::SharedChannel;
use mi7_tests::Stage;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const TASKS: &str = env!("CARGO_BIN_EXE_tasks");
const LONG: Duration = Duration::from_secs(60);
/// How long a message may lie there that was for one who is dead or stopped. The aim is 200 ms; a loaded machine is given time.
const LIVELY: Duration = Duration::from_millis(1000);

/// A process of the program `tasks`. Killed when dropped.
struct Process {
    child: Child,
    _input: Option<ChildStdin>,
    said: Lines<String>,
}

impl Process {
    fn start(stage: &Stage, part: &str) -> Self {
        let mut child = Command::new(TASKS)
            .arg(stage.path())
            .args(part.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let (to, said) = lines();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| to.send(line)).ok());
        Process { _input: child.stdin.take(), child, said }
    }

    fn says(&self) -> String {
        self.said.recv_timeout(LONG).expect("it says something")
    }

    fn ready(self) -> Self {
        assert_eq!(self.says(), "ready");
        self
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("a signal");
    }

    fn kill(&mut self) {
        self.child.kill().expect("a process to be killed");
        self.child.wait().expect("a process");
    }

    /// How often its threads have gone to sleep of their own accord.
    fn sleeps(&self) -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        threads
            .map(|thread| {
                let status = std::fs::read_to_string(thread.expect("a thread").path().join("status"));
                let status = status.unwrap_or_default();
                let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                count.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
            })
            .sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn numbers(stage: &Stage, capacity: usize) -> SharedChannel<u64> {
    stage.options().capacity(capacity).create("numbers").expect("a channel")
}

fn bells(stage: &Stage) -> usize {
    let names = stage.path().read_dir().expect("the stage").map(|file| file.expect("a file").file_name());
    names.filter(|name| name.to_string_lossy().contains("bell")).count()
}

#[track_caller]
fn until(what: &str, done: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LONG, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
    began.elapsed()
}

/// 100 tasks in 4 processes; `MI7_CROWD` says how many messages, 1,000,000 for the full measure.
#[test]
fn impatient_tasks_of_four_processes_share_all_messages() {
    let count: u32 = std::env::var("MI7_CROWD").map_or(30_000, |count| count.parse().expect("a number"));
    let stage = Stage::new(ACTOR);
    let channel = numbers(&stage, 256);
    let parts = ["share 25", "share 25", "share-on-one 25", "share-on-one 25"];
    let processes: Vec<_> = parts.iter().map(|part| Process::start(&stage, part).ready()).collect();
    let (tx, began) = (channel.sender(), Instant::now());
    for number in 0..count {
        tx.send_timeout(&number.into(), LONG).expect("somebody receives");
        // All at once at times, and then so slowly that all of them wait.
        if number % 3000 > 2900 {
            thread::sleep(Duration::from_micros(200));
        }
    }
    channel.close();
    let cancelled: Vec<u64> = processes
        .iter()
        .map(|process| process.says().strip_prefix("cancelled ").expect("its count").parse().expect("a number"))
        .collect();
    let took = began.elapsed();
    let mut times = vec![0u8; count as usize];
    let mut shares = Vec::new();
    for process in &processes {
        let file = stage.file(&format!("shared-{}", process.child.id()));
        let bytes = std::fs::read(file).expect("what it received");
        shares.push(bytes.len() / 4);
        for number in bytes.chunks_exact(4) {
            times[u32::from_le_bytes([number[0], number[1], number[2], number[3]]) as usize] += 1;
        }
    }
    eprintln!("{count} messages in {took:?}: {shares:?} to each process, {cancelled:?} waits cancelled");
    let wrong: Vec<_> = (0..).zip(&times).filter(|(_, times)| **times != 1).take(10).collect::<Vec<(u32, _)>>();
    assert!(wrong.is_empty(), "did not come once: {wrong:?}");
    assert!(cancelled.iter().all(|cancelled| *cancelled > 0), "{cancelled:?}");
    drop(processes);
    assert_eq!(bells(&stage), 0);
}

#[test]
fn six_parked_processes_share_the_wake_ups_one_each() {
    const MESSAGES: u64 = 600;
    let stage = Stage::new(ACTOR);
    let channel = numbers(&stage, 64);
    let processes: Vec<_> = (0..6).map(|_| Process::start(&stage, "one").ready()).collect();
    let tx = channel.sender();
    thread::sleep(Duration::from_millis(50));
    let sleeps = || processes.iter().map(Process::sleeps).sum::<u64>();
    let (before, began) = (sleeps(), Instant::now());
    for number in 0..MESSAGES {
        tx.send(&number).expect("there is room");
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    let (switches, took) = (sleeps() - before, began.elapsed());
    // Each process gets up at each of its ticks as well.
    let ticks = 6 * took.as_millis() as u64 / 100;
    let each = switches.saturating_sub(ticks) as f64 / MESSAGES as f64;
    eprintln!("{switches} switches for {MESSAGES} messages, {ticks} of them ticks: {each:.2} a message");
    channel.close();
    let shares: Vec<_> = processes.iter().map(|process| process.said.iter().count() as u64).collect();
    assert_eq!(shares.iter().sum::<u64>(), MESSAGES);
    assert!(shares.iter().all(|share| *share >= MESSAGES / 12), "they take turns: {shares:?}");
    assert!(each < 2.0, "{each:.2} context switches for each message: {shares:?}");
}

#[test]
fn threads_and_tasks_of_several_processes_take_turns() {
    const MESSAGES: u64 = 400;
    let stage = Stage::new(ACTOR);
    let channel = numbers(&stage, 64);
    let processes: Vec<_> =
        ["one", "thread", "one", "thread"].iter().map(|part| Process::start(&stage, part).ready()).collect();
    thread::sleep(Duration::from_millis(50));
    let tx = channel.sender();
    for number in 0..MESSAGES {
        tx.send(&number).expect("there is room");
        thread::sleep(Duration::from_millis(1));
    }
    channel.close();
    let shares: Vec<_> = processes.iter().map(|process| process.said.iter().count() as u64).collect();
    assert_eq!(shares.iter().sum::<u64>(), MESSAGES);
    assert!(shares.iter().all(|share| *share >= MESSAGES / 16), "{shares:?}");
}

#[test]
fn what_a_process_was_rung_for_that_is_stopped_or_killed_comes_to_another() {
    for part in ["one", "thread"] {
        let stage = Stage::new(ACTOR);
        let channel = numbers(&stage, 8);
        let mut victims: Vec<_> = (0..3).map(|_| Process::start(&stage, "one").ready()).collect();
        let living = Process::start(&stage, part).ready();
        thread::sleep(Duration::from_millis(30));
        victims.iter().for_each(|victim| victim.signal(rustix::process::Signal::STOP));
        let tx = channel.sender();
        // Some are for those that are stopped. One is killed each time, with the ring in its FIFO.
        for number in 0..6 {
            let sent = Instant::now();
            tx.send(&number).expect("there is room");
            if let Some(mut victim) = victims.pop() {
                victim.kill();
            }
            assert_eq!(living.said.recv_timeout(LONG).as_deref(), Ok(&*number.to_string()), "{part}");
            assert!(sent.elapsed() < LIVELY, "{part}: message {number} took {:?}", sent.elapsed());
        }
        let mine = usize::from(part == "one");
        until("their doorbells are removed", || bells(&stage) == mine);
    }
}

#[test]
fn killed_waiters_leave_no_doorbell_to_those_who_come_after() {
    let stage = Stage::new(ACTOR);
    let channel = numbers(&stage, 1);
    let mut victims: Vec<_> = (0..3).map(|_| Process::start(&stage, "wait").ready()).collect();
    assert_eq!(bells(&stage), 3);
    drop(channel);
    victims.iter_mut().for_each(Process::kill);
    let again: SharedChannel<u64> = stage.options().open("numbers").expect("the channel");
    until("their doorbells are removed", || {
        again.status();
        bells(&stage) == 0
    });
    // With nobody else in their channel, and the channel gone: whoever hangs up the next one sweeps.
    let mut victim = Process::start(&stage, "wait").ready();
    mi7::remove_in(stage.path(), "numbers").expect("the name");
    drop(again);
    victim.kill();
    assert_eq!(bells(&stage), 1);
    let other: SharedChannel<u64> = stage.options().create("other").expect("a channel");
    let watch = other.receiver().watch().expect("a watch");
    assert_eq!(bells(&stage), 1);
    drop(watch);
    assert_eq!(bells(&stage), 0);
}

#[test]
fn fork_and_exec_leave_no_doorbell() {
    for part in ["fork", "exec"] {
        let stage = Stage::new(ACTOR);
        let channel = numbers(&stage, 1);
        let parent = Process::start(&stage, part);
        let child = parent.says();
        let child: i32 = child.strip_prefix("child ").expect("its pid").parse().expect("a number");
        let mut parent = parent.ready();
        assert_eq!(bells(&stage), 1);
        if part == "fork" {
            // The child ends, and leaves its parent what is its parent's.
            thread::sleep(Duration::from_millis(400));
            assert_eq!(bells(&stage), 1);
        }
        for number in 0..3 {
            let sent = Instant::now();
            channel.sender().send(&number).expect("there is room");
            assert_eq!(parent.says(), number.to_string(), "{part}: the parent goes on");
            assert!(sent.elapsed() < Duration::from_millis(60), "{part}: by its ticks only: {:?}", sent.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        parent.kill();
        let took = until("the doorbell is removed", || {
            channel.status();
            bells(&stage) == 0
        });
        assert!(took < Duration::from_secs(2), "{part}: only after the child's end: {took:?}");
        if let Some(child) = rustix::process::Pid::from_raw(child) {
            rustix::process::kill_process(child, rustix::process::Signal::KILL).ok();
        }
    }
}

#[test]
fn a_hundred_idle_tasks_use_hardly_any_processor_time() {
    let stage = Stage::new(ACTOR);
    for (what, channels) in [("on one channel", 1), ("on a channel each", 100)] {
        let channels: Vec<SharedChannel<u64>> = (0..channels)
            .map(|number| stage.options().capacity(4).create(&format!("idle-{channels}-{number}")).expect("a channel"))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for number in 0..100 {
            let rx = channels[number % channels.len()].receiver();
            runtime.spawn(async move { rx.recv_async().await.is_ok() });
        }
        let time = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let share = runtime.block_on(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (before, began) = (time(), Instant::now());
            tokio::time::sleep(Duration::from_secs(2)).await;
            let used = Duration::try_from(time() - before).expect("time goes forward");
            used.as_secs_f64() / began.elapsed().as_secs_f64()
        });
        eprintln!("100 idle tasks {what}: {:.3} % of a core", share * 100.0);
        // Not optimized, and beside other tests: the aim is 0.5 %.
        assert!(share < 0.02, "{what}: {:.3} % of a core", share * 100.0);
    }
}
