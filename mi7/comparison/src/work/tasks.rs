//! What tasks do, on each side in a current-thread tokio runtime.

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::contestant::{Outcome, TaskReceiver, TaskSender, Tasks, Work};
use crate::job::{Job, Line, Peer, Sample, pin, stamp};
use crate::payload::LAST;

/// From one message to the next, where a runtime is to fall asleep between them.
const GAP: Duration = Duration::from_millis(1);
/// Tasks that wait in vain.
const WAITING: usize = 100;

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

pub fn near<C: Tasks, const N: usize>(job: &Job) -> Outcome<Sample> {
    match job.work {
        Work::TaskTrip => near_trip::<C, N>(job),
        Work::TaskWake => near_wake::<C, N>(job),
        Work::TaskIdle => near_idle::<C, N>(job),
        _ => Err("no work of tasks".into()),
    }
}

pub fn far<C: Tasks, const N: usize>(job: &Job, mut line: Line) -> Outcome<()> {
    pin(job.cpus.1)?;
    let to_near = &mut line;
    match job.work {
        Work::TaskTrip => far_trip::<C, N>(job, to_near),
        Work::TaskWake => far_wake::<C, N>(job, to_near),
        Work::TaskIdle => far_idle::<C, N>(job, to_near),
        _ => Err("no work of tasks".into()),
    }?;
    line.finish();
    Ok(())
}

/// Both stamps of a trip are taken on one processor.
fn near_trip<C: Tasks, const N: usize>(job: &Job) -> Outcome<Sample> {
    let (there, back) = (job.place("there"), job.place("back"));
    let _made = (C::create::<N>(&there)?, C::create::<N>(&back)?);
    let mut peer = Peer::start_as(C::PROCESSES, job, far::<C, N>)?;
    pin(job.cpus.0)?;
    let mut histogram = super::histogram()?;
    runtime()?.block_on(async {
        let mut tx = C::sender::<N>(&there)?;
        let mut rx = C::receiver::<N>(&back)?;
        peer.await_ready()?;
        let begun = stamp();
        for number in 0.. {
            let sent = stamp();
            let last = sent - begun > job.ticks();
            let number = if last { number | LAST } else { number };
            tx.send(number).await;
            assert_eq!(rx.recv().await, number);
            let now = stamp();
            if last {
                break;
            }
            // The first ones are slower: buffers grow, pages come.
            if sent - begun > job.ticks() / 8 {
                histogram.record(now - sent)?;
            }
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    super::pingpong::sample(job, peer, &histogram)
}

fn far_trip<C: Tasks, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    runtime()?.block_on(async {
        let mut rx = C::receiver::<N>(&job.place("there"))?;
        let mut tx = C::sender::<N>(&job.place("back"))?;
        line.ready();
        let before = super::idle::switches();
        for trips in 1.. {
            let number = rx.recv().await;
            tx.send(number).await;
            if number & LAST != 0 {
                line.say(&format!("{trips} {}", super::idle::switches() - before));
                // The near side may want to look at this end once more before it is gone.
                tokio::time::sleep(Duration::from_millis(1)).await;
                break;
            }
        }
        Ok(())
    })
}

/// As `wake`, but that the sender is a task as well.
fn near_wake<C: Tasks, const N: usize>(job: &Job) -> Outcome<Sample> {
    let there = job.place("there");
    let _made = C::create::<N>(&there)?;
    let mut peer = Peer::start_as(C::PROCESSES, job, far::<C, N>)?;
    pin(job.cpus.0)?;
    let gap = (GAP.as_nanos() as f64 / job.nanos_per_tick) as u64;
    let trips = (job.budget().as_nanos() / GAP.as_nanos()) as u64;
    let mut sent = Vec::new();
    runtime()?.block_on(async {
        let mut tx = C::sender::<N>(&there)?;
        peer.await_ready()?;
        for number in 0..=trips {
            super::wake::spin_for(gap);
            sent.push(stamp());
            tx.send(if number == trips { number | LAST } else { number }).await;
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    super::wake::sample(job, peer, &sent)
}

fn far_wake<C: Tasks, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    let mut woken = Vec::new();
    runtime()?.block_on(async {
        let mut rx = C::receiver::<N>(&job.place("there"))?;
        line.ready();
        let before = super::idle::switches();
        for expected in 0.. {
            let number = rx.recv().await;
            woken.push(stamp().to_string());
            assert_eq!(number & !LAST, expected);
            if number & LAST != 0 {
                break;
            }
        }
        line.say(&(super::idle::switches() - before).to_string());
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    line.say(&woken.join(" "));
    Ok(())
}

fn near_idle<C: Tasks, const N: usize>(job: &Job) -> Outcome<Sample> {
    let places: Vec<_> = (0..WAITING).map(|number| job.place(&format!("idle-{number}"))).collect();
    let _made = places.iter().map(C::create::<N>).collect::<Outcome<Vec<_>>>()?;
    let mut peer = Peer::start_as(C::PROCESSES, job, far::<C, N>)?;
    pin(job.cpus.0)?;
    runtime()?.block_on(async {
        let mut senders = places.iter().map(C::sender::<N>).collect::<Outcome<Vec<_>>>()?;
        peer.await_ready()?;
        // Nothing is done here meanwhile.
        std::thread::sleep(job.budget());
        for tx in &mut senders {
            tx.send(7).await;
        }
        super::idle::sample(peer)
    })
}

fn far_idle<C: Tasks, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    let told = LocalSet::new().block_on(&runtime()?, async {
        let mut tasks = Vec::new();
        for number in 0..WAITING {
            let mut rx = C::receiver::<N>(&job.place(&format!("idle-{number}")))?;
            tasks.push(tokio::task::spawn_local(async move { rx.recv().await }));
        }
        // All of them wait, and have done so long enough that what is done once is done.
        tokio::time::sleep(Duration::from_millis(300)).await;
        line.ready();
        let who = if C::PROCESSES { libc::RUSAGE_SELF } else { libc::RUSAGE_THREAD };
        let (begun, before) = (Instant::now(), super::idle::usage(who));
        let mut told = None;
        for task in tasks {
            assert_eq!(task.await?, 7);
            // The first that comes is the end of the waiting.
            told.get_or_insert_with(|| (begun.elapsed(), super::idle::usage(who)));
        }
        let (elapsed, after) = told.ok_or("there were no tasks")?;
        Ok::<_, Box<dyn std::error::Error>>((elapsed, after.0 - before.0, after.1 - before.1))
    })?;
    line.say(&format!("{} {} {}", told.0.as_secs_f64(), told.1, told.2));
    Ok(())
}
