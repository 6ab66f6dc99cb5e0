//! Processor time of a receiver that waits in vain.

use std::time::Instant;

use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Peer, Sample, pin};

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let there = job.place("there");
    let _made = C::create::<N>(&there)?;
    let mut peer = Peer::start::<C>(job, super::far::<C, N>)?;
    pin(job.cpus.0)?;
    let mut tx = C::sender::<N>(&there)?;
    peer.await_ready()?;
    std::thread::sleep(job.budget());
    tx.send_waking(7);
    sample(peer)
}

/// What the far side says in the end.
pub fn sample(mut peer: Peer) -> Outcome<Sample> {
    let told = peer.numbers()?;
    let [seconds, busy, switches] = told[..] else { return Err("three numbers expected".into()) };
    peer.finish()?;
    Ok(Sample::from([("busy".into(), busy / seconds), ("wakes".into(), switches / seconds)]))
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    pin(job.cpus.1)?;
    let mut rx = C::receiver::<N>(&job.place("there"))?;
    line.ready();
    let who = if C::PROCESSES { libc::RUSAGE_SELF } else { libc::RUSAGE_THREAD };
    let (begun, before) = (Instant::now(), usage(who));
    assert_eq!(rx.recv_parked(), 7);
    let (elapsed, after) = (begun.elapsed(), usage(who));
    line.say(&format!("{} {} {}", elapsed.as_secs_f64(), after.0 - before.0, after.1 - before.1));
    Ok(())
}

/// How often this thread has gone to sleep.
pub fn switches() -> u64 {
    rusage(libc::RUSAGE_THREAD).ru_nvcsw as u64
}

/// How often this thread was driven away from its processor.
pub fn driven_away() -> u64 {
    rusage(libc::RUSAGE_THREAD).ru_nivcsw as u64
}

/// Seconds on a processor, and how often it was given up.
pub fn usage(who: libc::c_int) -> (f64, u64) {
    let usage = rusage(who);
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_nvcsw as u64)
}

fn rusage(who: libc::c_int) -> libc::rusage {
    let mut usage = std::mem::MaybeUninit::zeroed();
    // SAFETY: the kernel writes a `rusage` there.
    let result = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
    assert_eq!(result, 0);
    // SAFETY: it has just done so; and zeroes are one as well.
    unsafe { usage.assume_init() }
}
