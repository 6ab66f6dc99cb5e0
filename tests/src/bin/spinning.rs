//! What the ways of waiting come to on this machine: `spinning [RUNS [WHAT]]`, to be built with `--release`. What: `pingpong`,
//! `idle`, `paced`, `stream`; or all.
//!
//! - *Ping-pong* between two processes, each pinned to a processor of its own, both of them new, and idle for 50 ms first: with the
//!   default and with [`Wait::Spin`], in turns.
//! - *Processor time* of a receiver of nothing, and of one of a thousand messages a second; and how late those are, by default
//!   and with [`Wait::Park`].
//! - *Throughput* of a stream of 64 bytes a message, by default and with `Spin`.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mi7::{Receiver, Sender, SharedChannel, Wait};
use rustix::time::{ClockId, clock_gettime};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
type Message = [u64; 8];

const TRIPS: u64 = 20_000;
const PACED: u64 = 2_000;
const STREAM: u64 = 3_000_000;

fn main() -> Outcome {
    mi7_tests::end_after(Duration::from_secs(900));
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        [role, how, core, directory] => {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            pin(core.parse()?)?;
            act(role, way(how), Path::new(directory))
        }
        rest => {
            let runs = rest.first().map_or(Ok(15), |runs| runs.parse())?;
            measure(runs, rest.get(1).copied().unwrap_or("all"))
        }
    }
}

fn way(how: &str) -> Wait {
    match how {
        "spin" => Wait::Spin,
        "park" => Wait::Park,
        _ => Wait::Adaptive,
    }
}

/// Has this thread run on that core only.
fn pin(core: usize) -> Outcome {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}

/// Nanoseconds of a clock.
fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn open(directory: &Path, name: &str, how: Wait) -> Outcome<(Sender<Message>, Receiver<Message>)> {
    let options = SharedChannel::<Message>::options().directory(directory).capacity(1024).wait(how);
    Ok(options.open_or_create(name)?.split())
}

// ---- what the children do ------------------------------------------------------------------------------------------

fn say(text: &str) -> Outcome {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(std::io::stdout().flush()?)
}

fn act(role: &str, how: Wait, directory: &Path) -> Outcome {
    let ((out, out_rx), (back_tx, back)) = (open(directory, "out", how)?, open(directory, "back", how)?);
    say("ready")?;
    match role {
        "near" => {
            std::io::stdin().read_line(&mut String::new())?;
            thread::sleep(Duration::from_millis(50));
            let mut times = Vec::with_capacity(TRIPS as usize);
            let mut before = nanos(ClockId::Monotonic);
            for number in 0..TRIPS {
                out.send(&[number; 8])?;
                assert_eq!(back.recv()?[7].to_native(), number);
                let now = nanos(ClockId::Monotonic);
                times.push(now - before);
                before = now;
            }
            let mean = times.iter().sum::<u64>() / TRIPS;
            let first: u64 = times[..10].iter().sum();
            times.sort_unstable();
            say(&format!("{} {mean} {first} {}", times[times.len() / 2], times[times.len() * 9 / 10]))
        }
        "far" => {
            for _ in 0..TRIPS {
                let message = out_rx.recv()?;
                back_tx.send(&[message[7].to_native(); 8])?;
            }
            thread::sleep(Duration::from_millis(1));
            Ok(())
        }
        "wait" | "late" => {
            let mut late = Vec::new();
            let (begun, used) = (nanos(ClockId::Monotonic), nanos(ClockId::ProcessCPUTime));
            loop {
                let sent = out_rx.recv()?[0].to_native();
                if sent == 0 {
                    break;
                }
                late.push(nanos(ClockId::Monotonic) - sent);
            }
            let took = (nanos(ClockId::Monotonic) - begun) as f64;
            let used = (nanos(ClockId::ProcessCPUTime) - used) as f64;
            late.sort_unstable();
            say(&format!("{} {}", used / took * 100.0, late.get(late.len() / 2).copied().unwrap_or(0)))
        }
        "send" => {
            std::io::stdin().read_line(&mut String::new())?;
            let begun = Instant::now();
            for number in 0..STREAM {
                out.send(&[number; 8])?;
            }
            // The receiver says when it has all.
            back.recv()?;
            say(&format!("{}", STREAM as f64 / begun.elapsed().as_secs_f64() / 1e6))
        }
        "receive" => {
            for number in 0..STREAM {
                assert_eq!(out_rx.recv()?[7].to_native(), number);
            }
            back_tx.send(&[0; 8])?;
            thread::sleep(Duration::from_millis(1));
            Ok(())
        }
        other => Err(format!("no such role: {other}").into()),
    }
}

// ---- measuring -----------------------------------------------------------------------------------------------------

struct Actor {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Actor {
    fn start(role: &str, how: &str, core: usize, directory: &Path) -> Outcome<Actor> {
        let mut command = Command::new(env::current_exe()?);
        command.args([role, how, &core.to_string()]).arg(directory);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut actor = Actor { child, output };
        actor.line()?;
        Ok(actor)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() { Err("the process has ended".into()) } else { Ok(line) }
    }

    fn go(&mut self) -> Outcome {
        Ok(writeln!(self.child.stdin.as_mut().ok_or("no input")?)?)
    }

    fn numbers(mut self) -> Outcome<Vec<f64>> {
        let line = self.line()?;
        self.child.wait()?;
        Ok(line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cores() -> Outcome<[usize; 2]> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    Ok([cores.next(), cores.next()].map(|core| core.unwrap_or(0)))
}

fn place() -> Outcome<tempfile::TempDir> {
    Ok(tempfile::tempdir_in("/dev/shm")?)
}

fn pair(near: &str, far: &str, how: &str) -> Outcome<Vec<f64>> {
    let (cores, place) = (cores()?, place()?);
    let mut far = Actor::start(far, how, cores[1], place.path())?;
    let mut near = Actor::start(near, how, cores[0], place.path())?;
    near.go()?;
    let numbers = near.numbers()?;
    far.child.wait()?;
    Ok(numbers)
}

fn receiver(how: &str, sends: u64) -> Outcome<Vec<f64>> {
    let (cores, place) = (cores()?, place()?);
    pin(cores[0])?;
    let receiver = Actor::start("wait", how, cores[1], place.path())?;
    let (tx, _rx) = open(place.path(), "out", Wait::Park)?;
    if sends == 0 {
        thread::sleep(Duration::from_secs(3));
    }
    for _ in 0..sends {
        thread::sleep(Duration::from_micros(1_000 - 55));
        tx.send(&[nanos(ClockId::Monotonic); 8])?;
    }
    tx.send(&[0; 8])?;
    receiver.numbers()
}

fn measure(runs: usize, what: &str) -> Outcome {
    let is = |name| what == name || what == "all";
    let mut close = 0;
    for run in 0..if is("pingpong") { runs } else { 0 } {
        let [spin, default] = [pair("near", "far", "spin")?, pair("near", "far", "default")?];
        close += usize::from(default[0] <= spin[0] * 1.3);
        println!(
            "ping-pong {run}: median {} and {} ns ({:.2}), mean {} and {}, 90 % {} and {}, the first ten {:.0} and {:.0} us",
            spin[0],
            default[0],
            default[0] / spin[0],
            spin[1],
            default[1],
            spin[3],
            default[3],
            spin[2] / 1e3,
            default[2] / 1e3
        );
    }
    if is("pingpong") {
        println!("ping-pong: {close} of {runs} within 1.3 times of spinning");
    }
    if is("idle") {
        println!("a receiver of nothing: {:.3} % of a core", receiver("default", 0)?[0]);
    }
    if is("paced") {
        for _ in 0..3 {
            for how in ["default", "park"] {
                let numbers = receiver(how, PACED)?;
                println!("1,000 a second, {how}: {:.2} % of a core, {:.1} us late", numbers[0], numbers[1] / 1e3);
            }
        }
    }
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..if is("stream") { runs } else { 0 } {
        for (how, rates) in ["spin", "default"].iter().zip(&mut rates) {
            rates.push(pair("send", "receive", how)?[0]);
        }
    }
    if is("stream") {
        println!("stream: {:.1} million a second spinning, {:.1} by default", median(&rates[0]), median(&rates[1]));
        println!("{rates:.1?}");
    }
    Ok(())
}
