//! What waking costs: `waking [ROUND TRIPS]`, to be built with `--release`.
//!
//! - *Round trips* between two processes in which one task each waits in a current-thread tokio runtime: through two channels, and, for
//!   comparison, eight bytes through two bare FIFOs by tokio's own means. On one core and on two, at once and after a millisecond's pause.
//! - *Context switches* for each message with six parked processes on one channel; their ticks are not counted.
//! - *Processor time* of a hundred tasks that wait, and of one thread that does.

use std::env;
use std::error::Error;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mi7::{Receiver, Sender, SharedChannel};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Runtime};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Blocks of round trips of each kind, in turns.
const BLOCKS: usize = 15;

fn main() -> Outcome {
    mi7_tests::end_after(Duration::from_secs(600));
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["echo", kind, core, directory] => echo(kind, core.parse()?, Path::new(directory)),
        ["receive", directory] => receive(Path::new(directory)),
        rest => measure(rest.first().map_or(Ok(2000), |trips| trips.parse())?),
    }
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn open(directory: &Path, name: &str) -> Outcome<SharedChannel<u64>> {
    Ok(SharedChannel::options().directory(directory).open(name)?)
}

/// Another of these processes; it has said that it is ready.
fn start(arguments: &[&str], directory: &Path) -> Outcome<Child> {
    let mut child = Command::new(env::current_exe()?).args(arguments).arg(directory).stdout(Stdio::piped()).spawn()?;
    child.stdout.as_mut().ok_or("no output")?.read_exact(&mut [0; 6])?;
    Ok(child)
}

fn say_ready() -> Outcome {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    std::io::stdout().write_all(b"ready\n")?;
    Ok(std::io::stdout().flush()?)
}

// ---- round trips -----------------------------------------------------------------------------------------------------

/// How a number goes out and comes back.
enum Way {
    Channels(Sender<u64>, Receiver<u64>),
    Fifos(pipe::Sender, pipe::Receiver),
}

impl Way {
    fn new(kind: &str, directory: &Path, ends: [&str; 2]) -> Outcome<Way> {
        let [out, back] = ends.map(|end| format!("{kind}-{end}"));
        Ok(match kind {
            "channel" => Way::Channels(open(directory, &out)?.sender(), open(directory, &back)?.receiver()),
            _ => {
                let mut options = pipe::OpenOptions::new();
                let options = options.read_write(true);
                let path = |end: &str| directory.join(end);
                Way::Fifos(options.open_sender(path(&out))?, options.open_receiver(path(&back))?)
            }
        })
    }

    async fn give(&self, number: u64) -> Outcome {
        match self {
            Way::Channels(tx, _) => tx.send_async(&number).await?,
            Way::Fifos(tx, _) => {
                // There is room: only one is on its way. Without tokio, which would ask its reactor first.
                rustix::io::write(tx, &number.to_le_bytes())?;
            }
        }
        Ok(())
    }

    async fn take(&self) -> Outcome<u64> {
        match self {
            Way::Channels(_, rx) => Ok(rx.recv_async().await?.to_native()),
            Way::Fifos(_, rx) => {
                let mut number = [0; 8];
                loop {
                    rx.readable().await?;
                    match rx.try_read(&mut number) {
                        Ok(_) => return Ok(u64::from_le_bytes(number)),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
    }
}

/// Has this thread run on that core only.
fn pin(core: usize) -> Outcome {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}

fn echo(kind: &str, core: usize, directory: &Path) -> Outcome {
    pin(core)?;
    runtime()?.block_on(async {
        let way = Way::new(kind, directory, ["back", "out"])?;
        say_ready()?;
        loop {
            let number = way.take().await?;
            way.give(number).await?;
        }
    })
}

/// The microseconds of each of so many round trips.
async fn round_trips(way: &Way, trips: usize, pause: Duration) -> Outcome<Vec<f64>> {
    let mut times = Vec::with_capacity(trips);
    for number in 0..trips as u64 {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let begun = Instant::now();
        way.give(number).await?;
        let came = way.take().await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        if came != number {
            return Err(format!("{came} came back for {number}").into());
        }
    }
    Ok(times)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure_round_trips(directory: &Path, trips: usize) -> Outcome {
    for end in ["out", "back"] {
        SharedChannel::<u64>::options().capacity(8).directory(directory).create(&format!("channel-{end}"))?;
        mknodat(CWD, directory.join(format!("fifo-{end}")), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    }
    let before = rustix::thread::sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| before.is_set(*core)).take(2).collect();
    pin(cores[0])?;
    for (what, core) in [("on one core", Some(cores[0])), ("on two cores", cores.get(1).copied())] {
        let Some(core) = core else { continue };
        let core = core.to_string();
        let mut children = Vec::new();
        for kind in KINDS {
            children.push(start(&["echo", kind, &core], directory)?);
        }
        for (when, pause, trips) in
            [("at once", Duration::ZERO, trips), ("after 1 ms", Duration::from_millis(1), trips / 10)]
        {
            runtime()?.block_on(compare(directory, &format!("{what}, {when}"), pause, trips))?;
        }
        for child in &mut children {
            child.kill()?;
            child.wait()?;
        }
    }
    Ok(rustix::thread::sched_setaffinity(None, &before)?)
}

const KINDS: [&str; 2] = ["fifo", "channel"];

async fn compare(directory: &Path, what: &str, pause: Duration, trips: usize) -> Outcome {
    let ways = [Way::new(KINDS[0], directory, ["out", "back"])?, Way::new(KINDS[1], directory, ["out", "back"])?];
    let (mut medians, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..BLOCKS {
        for (way, medians) in ways.iter().zip(&mut medians) {
            medians.push(median(&mut round_trips(way, trips / BLOCKS, pause).await?));
        }
        ratios.push(medians[1][medians[1].len() - 1] / medians[0][medians[0].len() - 1]);
    }
    let [fifo, channel] = medians.each_mut().map(|medians| median(medians));
    let ratio = median(&mut ratios);
    println!(
        "round trip {what}: FIFO {fifo:.1} us, channel {channel:.1} us, ratio {ratio:.2} (the median of {BLOCKS} blocks')"
    );
    Ok(())
}

// ---- switches --------------------------------------------------------------------------------------------------------

fn receive(directory: &Path) -> Outcome {
    runtime()?.block_on(async {
        let rx = open(directory, "work")?.receiver();
        say_ready()?;
        while rx.recv_async().await.is_ok() {}
        Ok(())
    })
}

/// How often the only thread of that process, which is ours, has gone to sleep of its own accord.
fn sleeps(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

fn measure_switches(directory: &Path) -> Outcome {
    const MESSAGES: u64 = 2000;
    let channel = SharedChannel::<u64>::options().capacity(64).directory(directory).create("work")?;
    let mut processes = (0..6).map(|_| start(&["receive"], directory)).collect::<Outcome<Vec<_>>>()?;
    thread::sleep(Duration::from_millis(50));
    let switches = || processes.iter().map(sleeps).sum::<u64>();
    let idle = {
        let (before, begun) = (switches(), Instant::now());
        thread::sleep(Duration::from_secs(2));
        (switches() - before) as f64 / begun.elapsed().as_secs_f64()
    };
    let (before, begun) = (switches(), Instant::now());
    for number in 0..MESSAGES {
        channel.sender().send(&number)?;
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    let all = (switches() - before) as f64;
    let ticks = idle * begun.elapsed().as_secs_f64();
    println!(
        "six parked processes: {:.2} context switches a message ({all} for {MESSAGES}, {ticks:.0} of them ticks)",
        (all - ticks) / MESSAGES as f64
    );
    channel.close();
    for process in &mut processes {
        process.wait()?;
    }
    Ok(())
}

// ---- idling ----------------------------------------------------------------------------------------------------------

fn measure_idling(directory: &Path) -> Outcome {
    for (what, count) in [("one channel", 1), ("a channel each", 100)] {
        let options = || SharedChannel::<u64>::options().capacity(4).directory(directory);
        let channels = (0..count).map(|number| options().create(&format!("idle-{count}-{number}")));
        let channels = channels.collect::<mi7::Result<Vec<_>>>()?;
        let runtime = runtime()?;
        for number in 0..100 {
            let rx = channels[number % channels.len()].receiver();
            runtime.spawn(async move { rx.recv_async().await.is_ok() });
        }
        let time = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let share = runtime.block_on(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (before, begun) = (time(), Instant::now());
            tokio::time::sleep(Duration::from_secs(5)).await;
            let used = Duration::try_from(time() - before).unwrap_or_default();
            used.as_secs_f64() / begun.elapsed().as_secs_f64()
        });
        println!("a hundred idle tasks on {what}: {:.3} % of a core", share * 100.0);
    }
    Ok(())
}

fn measure(trips: usize) -> Outcome {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let place: PathBuf = directory.path().into();
    measure_round_trips(&place, trips)?;
    measure_switches(&place)?;
    measure_idling(&place)
}
