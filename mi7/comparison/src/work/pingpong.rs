//! Half a round trip over two channels between two that wait asleep: each message wakes somebody up, and then its sender falls
//! asleep. Both stamps are taken on one processor.

use hdrhistogram::Histogram;

use super::latency::quantiles;
use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Peer, Sample, pin, stamp};
use crate::payload::LAST;

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let (there, back) = (job.place("there"), job.place("back"));
    let _made = (C::create::<N>(&there)?, C::create::<N>(&back)?);
    let mut peer = Peer::start::<C>(job, super::far::<C, N>)?;
    pin(job.cpus.0)?;
    let mut tx = C::sender::<N>(&there)?;
    let mut rx = C::receiver::<N>(&back)?;
    peer.await_ready()?;

    let mut histogram = Histogram::<u64>::new_with_bounds(1, 1 << 40, 3)?;
    let begun = stamp();
    for number in 0.. {
        let sent = stamp();
        let last = sent - begun > job.ticks();
        let number = if last { number | LAST } else { number };
        tx.send_waking(number);
        assert_eq!(rx.recv_parked(), number);
        let now = stamp();
        if last {
            break;
        }
        // The first ones wait as one does who does not know yet.
        if sent - begun > job.ticks() / 8 {
            histogram.record(now - sent)?;
        }
    }
    let told = peer.numbers()?;
    let [trips, asleep] = told[..] else { return Err("two numbers expected".into()) };
    peer.finish()?;
    let mut sample = quantiles(&histogram, job.nanos_per_tick / 2.0);
    sample.insert("asleep".into(), asleep / trips);
    Ok(sample)
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    pin(job.cpus.1)?;
    let mut rx = C::receiver::<N>(&job.place("there"))?;
    let mut tx = C::sender::<N>(&job.place("back"))?;
    line.ready();
    let before = super::idle::switches();
    for trips in 1.. {
        let number = rx.recv_parked();
        tx.send_waking(number);
        if number & LAST != 0 {
            line.say(&format!("{trips} {}", super::idle::switches() - before));
            // The near side may want to look at this end once more before it is gone.
            std::thread::sleep(std::time::Duration::from_millis(1));
            break;
        }
    }
    Ok(())
}
