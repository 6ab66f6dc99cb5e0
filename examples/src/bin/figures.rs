//! Figures in some seconds: mi7 between two processes, beside the bare limit and a pipe. (`mi7/comparison` has all of it.)
//!
//! ```sh
//! cargo run --release --bin figures
//! ```
//!
//! Two processes, pinned to the first two processors this one may use. Every message of 56 bytes (which with the slot's word
//! fill a cache line) is written and checked. The rounds of all that is measured are interleaved, so that a machine in a bad
//! phase is bad to all alike, and the median of them is printed. The limit is one cache line that two threads hand to and fro.

use std::error::Error;
use std::hint::spin_loop;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use mi7::{Options, Receiver, Sender, SharedChannel, Wait};
use mi7_examples::{again, arguments};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

type Row = [u64; 7];
type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 9;
const TRIPS: u64 = 50_000;
const PIPE_TRIPS: u64 = 2_000;
const MESSAGES: u64 = 2_000_000;

/// What is to be done with a row is its first number.
const PING: u64 = 0;
const STREAM: u64 = 1;
const LAST: u64 = 2;

fn main() -> Outcome<()> {
    match arguments()?.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure(),
        ["echo", cpu, there, back] => {
            pin(cpu.parse()?)?;
            echo(&options().open(there)?.receiver(), &options().open(back)?.sender())
        }
        ["pipe", cpu] => {
            pin(cpu.parse()?)?;
            let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
            let mut row = [0; size_of::<Row>()];
            while input.read_exact(&mut row).is_ok() {
                output.write_all(&row)?;
                output.flush()?;
            }
            Ok(())
        }
        _ => Err("figures takes no arguments".into()),
    }
}

fn measure() -> Outcome<()> {
    let usable = sched_getaffinity(None)?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| usable.is_set(*cpu));
    let (Some(here), Some(other)) = (usable.next(), usable.next()) else {
        return Err("two processors are needed, and this process may use only one".into());
    };
    let cpu = other.to_string();
    let name = |what: &str| format!("figures-{}-{what}", std::process::id());
    let (there, back) = (name("there"), name("back"));
    let channels = (options().create(&there)?, options().create(&back)?);
    let mut children = [start(&["echo", &cpu, &there, &back])?, start(&["pipe", &cpu])?];
    pin(here)?;
    let (tx, rx) = (channels.0.sender(), channels.1.receiver());
    let (mut to_pipe, mut from_pipe) =
        (children[1].stdin.take().ok_or("no pipe")?, children[1].stdout.take().ok_or("no pipe")?);

    let mut rounds: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(bounce(other));
        rounds[1].push(ping(&tx, &rx)?);
        rounds[2].push(stream(&tx, &rx)?);
        rounds[3].push(ping_pipe(&mut to_pipe, &mut from_pipe)?);
    }
    let [limit, latency, rate, pipe] = rounds.map(median);
    println!("56-byte messages, medians of {ROUNDS} interleaved rounds");
    println!("the limit: a bare cache line, one way  {limit:8.0} ns");
    println!("mi7, one way                           {latency:8.0} ns   {:.1} x the limit", latency / limit);
    println!("a pipe, one way                        {pipe:8.0} ns   {:.0} x mi7", pipe / latency);
    println!("mi7, there and counted, one to one     {rate:8.1} million messages a second");

    channels.0.close();
    drop(to_pipe);
    for mut child in children {
        child.wait()?;
    }
    mi7::remove(&there)?;
    Ok(mi7::remove(&back)?)
}

/// Each process has a processor to itself.
fn options() -> Options<Row> {
    SharedChannel::options().wait(Wait::Spin)
}

/// One way of a message, in nanoseconds.
fn ping(tx: &Sender<Row>, rx: &Receiver<Row>) -> Outcome<f64> {
    let begun = Instant::now();
    for trip in 1..=TRIPS {
        let sent = [PING, trip, trip, trip, trip, trip, trip];
        tx.send(&sent)?;
        let row = rx.recv()?;
        assert!(row.iter().zip(sent).all(|(got, sent)| got.to_native() == sent), "{row:?} instead of {sent:?}");
    }
    Ok(begun.elapsed().as_nanos() as f64 / TRIPS as f64 / 2.0)
}

/// Millions of messages a second that one process sends and another receives: it answers the last one.
fn stream(tx: &Sender<Row>, rx: &Receiver<Row>) -> Outcome<f64> {
    let begun = Instant::now();
    for number in 0..MESSAGES {
        let kind = if number + 1 < MESSAGES { STREAM } else { LAST };
        tx.send(&[kind, number, number, number, number, number, number])?;
    }
    rx.recv()?;
    Ok(MESSAGES as f64 / begun.elapsed().as_secs_f64() / 1e6)
}

/// The other process: checks what comes, and answers pings and the last of a stream.
fn echo(rx: &Receiver<Row>, tx: &Sender<Row>) -> Outcome<()> {
    let mut count = 0;
    loop {
        let row = match rx.recv() {
            Ok(row) => row,
            Err(mi7::Error::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let kind = row[0].to_native();
        if kind != PING {
            assert!(row[1..].iter().all(|number| number.to_native() == count), "{row:?} instead of {count}");
            count = if kind == LAST { 0 } else { count + 1 };
        }
        if kind != STREAM {
            tx.send(&row.to_owned())?;
        }
    }
}

fn ping_pipe(to: &mut impl Write, from: &mut impl Read) -> Outcome<f64> {
    let mut row = [0; size_of::<Row>()];
    let begun = Instant::now();
    for trip in 0..PIPE_TRIPS {
        row.fill(trip as u8);
        to.write_all(&row)?;
        to.flush()?;
        from.read_exact(&mut row)?;
        assert!(row.iter().all(|byte| *byte == trip as u8), "{row:?} instead of {trip}");
    }
    Ok(begun.elapsed().as_nanos() as f64 / PIPE_TRIPS as f64 / 2.0)
}

/// One way of a bare cache line between two threads on the two processors.
fn bounce(other: usize) -> f64 {
    #[repr(align(128))]
    struct Line(AtomicU64);
    let line = Line(AtomicU64::new(0));
    let wait_for = |number| {
        // Partner: the release stores below.
        while line.0.load(Ordering::Acquire) != number {
            spin_loop();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            // Where it cannot be pinned, the limit comes out higher: nobody is flattered by more than that.
            let _ = pin(other);
            for trip in 0..TRIPS {
                wait_for(2 * trip + 1);
                line.0.store(2 * trip + 2, Ordering::Release);
            }
        });
        line.0.store(1, Ordering::Release);
        wait_for(2);
        let begun = Instant::now();
        for trip in 1..TRIPS {
            line.0.store(2 * trip + 1, Ordering::Release);
            wait_for(2 * trip + 2);
        }
        begun.elapsed().as_nanos() as f64 / (TRIPS - 1) as f64 / 2.0
    })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn start(arguments: &[&str]) -> Outcome<Child> {
    let piped = arguments[0] == "pipe";
    let stdio = || if piped { Stdio::piped() } else { Stdio::inherit() };
    Ok(again(arguments)?.stdin(stdio()).stdout(stdio()).spawn()?)
}

/// Pins this thread to a processor.
fn pin(cpu: usize) -> Outcome<()> {
    let mut one = CpuSet::new();
    one.set(cpu);
    Ok(sched_setaffinity(None, &one)?)
}
