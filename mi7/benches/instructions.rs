//! How many instructions each call has, on this side of the kernel: a figure that neither neighbours nor the clock can spoil.
//! `cargo bench -p mi7 --bench instructions [-- PART OF A NAME …]`
//!
//! Each case does something so many times in a loop. The program runs itself under `valgrind --tool=callgrind` for two
//! lengths of the loop; what the longer one has more, divided by how much longer it is, is what is printed. Start-up, making
//! the channel and warming up are in both, and so drop out. Without valgrind, the processor's own counter is asked, by `perf stat`.
//!
//! Instructions are not time: a compare-exchange is one, and so is the load that waits for another processor's cache line. A
//! `rep movsb`, with which libc copies much at once, counts as one for each byte. Not counted are those of the kernel, which
//! are most of what `attach` takes.

mod common;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

use common::{ALONE, Channel, EXCLUSIVE, Ends, NAME, Order, SEVERAL, Sample, options};
use mi7::{Bincode, Message};
use rustix::thread::{MembarrierCommand, membarrier};

struct Case {
    name: &'static str,
    /// A loop of so many rounds.
    run: fn(u64),
    /// Rounds of the shorter loop. The longer one has [`LONGER`] times as many more.
    rounds: u64,
}

/// With the shortest loop's rounds a multiple of 1024, what is done once in 64 messages or once a lap is counted in full.
const LONGER: u64 = 8;
const SHORT: u64 = 1024;
/// For what takes thousands of instructions.
const SHORTER: u64 = 32;
const BATCH: usize = 64;

const CASES: &[Case] = &[
    case("send, recv, release: 8 B, exclusive", SHORT, |n| pairs::<1>(EXCLUSIVE, n)),
    case("send, recv, release: 8 B, alone", SHORT, |n| pairs::<1>(ALONE, n)),
    case("send, recv, release: 8 B, several", SHORT, |n| pairs::<1>(SEVERAL, n)),
    case("send, recv, release: 64 B, exclusive", SHORT, |n| pairs::<8>(EXCLUSIVE, n)),
    case("send, recv, release: 64 B, alone", SHORT, |n| pairs::<8>(ALONE, n)),
    case("send, recv, release: 64 B, several", SHORT, |n| pairs::<8>(SEVERAL, n)),
    case("send, recv, release: 1 KiB, alone", SHORT, |n| pairs::<128>(ALONE, n)),
    case("send, recv, release: 64 KiB, alone", SHORT, |n| pairs::<8192>(ALONE, n)),
    case("loan, write, send, recv, release: 64 B, exclusive", SHORT, |n| loans(EXCLUSIVE, n)),
    case("loan, write, send, recv, release: 64 B, alone", SHORT, |n| loans(ALONE, n)),
    case("a message of a batch of 64: 64 B, exclusive", SHORT, |n| batches(EXCLUSIVE, n)),
    case("a message of a batch of 64: 64 B, alone", SHORT, |n| batches(ALONE, n)),
    case("a message of a batch of 64: 64 B, several", SHORT, |n| batches(SEVERAL, n)),
    case("try_recv of an empty channel, alone", SHORT, |n| empty(ALONE, n)),
    case("try_recv of an empty channel, several", SHORT, |n| empty(SEVERAL, n)),
    case("try_send to a full channel, alone", SHORT, |n| full(ALONE, n)),
    case("try_send to a full channel, several", SHORT, |n| full(SEVERAL, n)),
    case("Message of 64 B: send, recv, release", SHORT, messages),
    case("Bincode of a struct: send, recv, release", SHORT, bincode),
    case("clone and drop of a sender", SHORT, clones),
    case("status of 1024 slots", SHORTER, statuses),
    case("attach and detach", SHORTER, attach),
];

const fn case(name: &'static str, rounds: u64, run: fn(u64)) -> Case {
    Case { name, run, rounds }
}

fn pairs<const N: usize>(ends: Ends, rounds: u64)
where
    [u64; N]: Sample,
{
    let message = <[u64; N]>::sample();
    let channel = Channel::new(ends, options(N * 8), &message);
    for _ in 0..rounds {
        channel.tx.try_send(black_box(&message)).expect("room");
        black_box(&*channel.rx.try_recv().expect("a message"));
    }
}

fn loans(ends: Ends, rounds: u64) {
    let message = <[u64; 8]>::sample();
    let channel = Channel::new(ends, options(64), &message);
    for _ in 0..rounds {
        let mut loan = channel.tx.try_loan().expect("room");
        loan.write(black_box(&message)).expect("fits");
        loan.send().expect("written");
        black_box(&*channel.rx.try_recv().expect("a message"));
    }
}

fn batches(ends: Ends, rounds: u64) {
    let messages = [(); BATCH].map(|()| <[u64; 8]>::sample());
    let channel = Channel::new(ends, options(64), &messages[0]);
    for _ in 0..rounds / BATCH as u64 {
        channel.tx.send_many(black_box(&messages)).expect("room");
        assert_eq!(black_box(&*channel.rx.recv_many(BATCH).expect("messages")).len(), BATCH);
    }
}

fn empty(ends: Ends, rounds: u64) {
    let message = <[u64; 8]>::sample();
    let channel = Channel::new(ends, options(64), &message);
    for _ in 0..rounds {
        assert!(black_box(channel.rx.try_recv()).is_err());
    }
}

fn full(ends: Ends, rounds: u64) {
    let message = <[u64; 8]>::sample();
    let channel = Channel::new(ends, options(64), &message);
    while channel.tx.try_send(&message).is_ok() {}
    for _ in 0..rounds {
        assert!(channel.tx.try_send(black_box(&message)).is_err());
    }
}

fn messages(rounds: u64) {
    let message = Message::new([7; 64]);
    let channel = Channel::new(ALONE, options(64), &message);
    for _ in 0..rounds {
        channel.tx.try_send(black_box(&message)).expect("room");
        black_box(channel.rx.try_recv().expect("a message").data());
    }
}

fn bincode(rounds: u64) {
    let message = Bincode(Order::sample());
    let channel = Channel::new(ALONE, options(64), &message);
    for _ in 0..rounds {
        channel.tx.try_send(black_box(&message)).expect("room");
        black_box(&*channel.rx.try_recv().expect("a message"));
    }
}

fn clones(rounds: u64) {
    let channel = Channel::new(ALONE, options(64), &5u64);
    for _ in 0..rounds {
        drop(black_box(channel.tx.clone()));
    }
}

fn statuses(rounds: u64) {
    let channel = Channel::new(ALONE, options(64), &5u64);
    for _ in 0..rounds {
        black_box(channel.tx.status());
    }
}

fn attach(rounds: u64) {
    let channel = Channel::new(ALONE, options(64), &<[u64; 8]>::sample());
    let again = channel.again();
    for _ in 0..rounds {
        black_box(again.open(NAME).expect("opens"));
    }
}

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", name, rounds] => run(name, rounds),
        ref parts => table(parts),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is counted.
fn run(name: &str, rounds: &str) -> Result<(), Box<dyn Error>> {
    let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
    (case.run)(rounds.parse()?);
    // As mi7 asks for it: without, it makes do with real fences, and says so in the channel.
    let asked = [MembarrierCommand::RegisterGlobalExpedited, MembarrierCommand::GlobalExpedited];
    if asked.into_iter().any(|command| membarrier(command).is_err()) {
        println!("{FENCED}");
    }
    Ok(())
}

const FENCED: &str = "fenced";

fn table(parts: &[&str]) -> Result<(), Box<dyn Error>> {
    let counter = Counter::find()?;
    println!("Counted by {}.\n", counter.version);
    println!("| instructions | |\n|---|---:|");
    let mut fenced = false;
    for case in CASES.iter().filter(|case| parts.is_empty() || parts.iter().any(|part| case.name.contains(part))) {
        let (short, _) = counter.count(case, case.rounds)?;
        let (long, without) = counter.count(case, case.rounds * (1 + LONGER))?;
        fenced |= without;
        let each = (long as f64 - short as f64) / (case.rounds * LONGER) as f64;
        println!("| {} | {each:.1} |", case.name);
    }
    if fenced {
        println!(
            "\nThere is no membarrier under {}: these channels are fenced, so whoever is alone at an end has a real fence \
             in each message, and a branch to it, that it does not have elsewhere.",
            counter.version
        );
    }
    Ok(())
}

/// What counts instructions.
struct Counter {
    callgrind: bool,
    version: String,
}

impl Counter {
    fn find() -> Result<Self, Box<dyn Error>> {
        let version = |program: &str| -> Option<String> {
            let output =
                Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
        };
        if let Some(version) = version("valgrind") {
            return Ok(Counter { callgrind: true, version: format!("callgrind of {version}") });
        }
        if let Some(version) = version("perf") {
            let counter = Counter { callgrind: false, version };
            if counter.count(&CASES[0], 1).is_ok() {
                return Ok(counter);
            }
        }
        Err("valgrind is not installed (`apt-get install valgrind`), and `perf stat -e instructions:u` is either missing, not \
             permitted (kernel.perf_event_paranoid), or not supported by this machine"
            .into())
    }

    /// Instructions of a whole run, and whether its channel was fenced.
    fn count(&self, case: &Case, rounds: u64) -> Result<(u64, bool), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("counts");
        let file = path.to_str().ok_or("the directory for temporary files is no UTF-8")?;
        let mut command = if self.callgrind {
            let mut command = Command::new("valgrind");
            command.args(["--tool=callgrind", "-q", &format!("--callgrind-out-file={file}")]);
            command
        } else {
            let mut command = Command::new("perf");
            command.args(["stat", "-x", ",", "-e", "instructions:u", "-o", file]);
            command
        };
        let output = command
            .arg(std::env::current_exe()?)
            .args(["run", case.name, &rounds.to_string()])
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} under {}: {}", case.name, self.version, words.trim()).into());
        }
        let text = fs::read_to_string(&path)?;
        let count = if self.callgrind {
            text.lines().find_map(|line| line.strip_prefix("totals: "))
        } else {
            text.lines().find(|line| line.contains("instructions:u")).and_then(|line| line.split(',').next())
        };
        let count = count.and_then(|count| count.trim().parse().ok());
        let count = count.ok_or_else(|| format!("{} tells no count of instructions", self.version))?;
        Ok((count, String::from_utf8_lossy(&output.stdout).contains(FENCED)))
    }
}
