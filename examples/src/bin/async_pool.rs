//! Workers with several tasks each, under `tokio::select!`, one of which is asked to stop: it finishes what it has in hand, and leaves the
//! rest to the others.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Child;
use std::time::Duration;

use mi7::{Error as ChannelError, Receiver, Sender, SharedChannel};
use mi7_examples::{Scratch, again, arguments};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

const JOBS: u64 = 60;
/// Of a worker.
const TASKS: usize = 4;

#[mi7::message]
struct Done {
    job: u64,
    worker: u32,
    deliveries: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if let [jobs, done] = &arguments()?[..] {
        return work(jobs, done).await;
    }
    let names = [Scratch::new("async-pool-jobs"), Scratch::new("async-pool-done")];
    let jobs = SharedChannel::<u64>::create(&names[0])?;
    let done: Receiver<Done> = mi7::receiver(&names[1])?;
    let hire = || -> Result<Child, Box<dyn Error>> { Ok(again([&*names[0], &*names[1]])?.spawn()?) };
    let mut workers = [hire()?, hire()?];
    let tx = jobs.sender();
    for job in 0..JOBS {
        tx.send_async(&job).await?;
    }
    let mut shares = BTreeMap::new();
    for count in 1..=JOBS {
        let done = done.recv_timeout_async(Duration::from_secs(10)).await?.to_owned();
        assert_eq!(done.deliveries, 1, "job {} was done by halves", done.job);
        *shares.entry(done.worker).or_insert(0) += 1;
        if count == JOBS / 3 {
            kill_process(Pid::from_child(&workers[0]), Signal::TERM)?;
            println!("after {count} jobs, worker {} is asked to stop", workers[0].id());
        }
    }
    assert!(workers[0].wait()?.success());
    // The other one sees the end.
    jobs.close();
    assert!(workers[1].wait()?.success());
    assert!(matches!(done.try_recv(), Err(ChannelError::Empty)), "a job was done twice");
    assert!(shares[&workers[1].id()] > JOBS / 3);
    println!("{JOBS} jobs were done, each once");
    Ok(())
}

/// A worker: until it is asked to stop, or there are no more jobs.
async fn work(jobs: &str, done: &str) -> Result<(), Box<dyn Error>> {
    let mut asked = signal(SignalKind::terminate())?;
    let (jobs, done) = (mi7::receiver::<u64>(jobs)?, mi7::sender::<Done>(done)?);
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(do_jobs(jobs.clone(), done.clone(), stopping.clone()));
    }
    let mut count = 0;
    let mut is_asked = false;
    loop {
        tokio::select! {
            _ = asked.recv(), if !is_asked => {
                is_asked = true;
                stop.send(true)?;
            }
            task = tasks.join_next() => match task {
                Some(task) => count += task??,
                None => break,
            }
        }
    }
    let why = if is_asked { "it was asked to" } else { "all are done" };
    println!("worker {} stops, since {why}; it did {count} jobs", std::process::id());
    Ok(())
}

/// Does jobs, and returns how many.
async fn do_jobs(jobs: Receiver<u64>, done: Sender<Done>, mut stopping: watch::Receiver<bool>) -> mi7::Result<u64> {
    let mut count = 0;
    loop {
        // Whichever of the two is dropped here has taken nothing: a message is taken in the poll that returns it.
        let job = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return Ok(count),
            job = jobs.recv_async() => match job {
                Err(ChannelError::Closed) => return Ok(count),
                job => job?,
            },
        };
        // From here on nothing is dropped but by a death: then another worker gets the job.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let report = Done { job: job.to_native(), worker: std::process::id(), deliveries: job.deliveries() };
        done.send_async(&report).await?;
        count += 1;
    }
}
