//! Half a round trip over two channels between two that wait asleep: each message wakes somebody up, and then its sender falls
//! asleep. Both stamps are taken on one processor.

use hdrhistogram::Histogram;

use super::latency::quantiles;
use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Peer, Sample, stamp};
use crate::payload::LAST;

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let (_made, peer, mut tx, mut rx) = super::begin_trips::<C, N>(job)?;

    let mut histogram = super::histogram()?;
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
    sample(job, peer, &histogram)
}

/// What the far side says in the end, and the trips of this side.
pub fn sample(job: &Job, mut peer: Peer, histogram: &Histogram<u64>) -> Outcome<Sample> {
    let told = peer.numbers()?;
    let [trips, asleep] = told[..] else { return Err("two numbers expected".into()) };
    peer.finish()?;
    let mut sample = quantiles(histogram, job.nanos_per_tick / 2.0);
    sample.insert("asleep".into(), asleep / trips);
    Ok(sample)
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    let (mut rx, mut tx) = super::join_trips::<C, N>(job, line)?;
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
