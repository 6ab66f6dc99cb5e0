//! From the send to the return of a receiver that was asleep.
//!
//! The near side waits, spinning, until the far one has long been asleep, takes a stamp, and sends. The far side takes its
//! stamp when it has the message. Processors agree on stamps (`clock` checks that before). Whether the receiver really slept
//! is told by the kernel's count of its voluntary switches.

use std::time::Duration;

use super::latency::quantiles;
use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Peer, Sample, pin, stamp};
use crate::payload::LAST;

/// From one message to the next: enough to wake up, to give up spinning, and to fall asleep.
const GAP: Duration = Duration::from_micros(400);

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let there = job.place("there");
    let _made = C::create::<N>(&there)?;
    let mut peer = Peer::start::<C>(job, super::far::<C, N>)?;
    pin(job.cpus.0)?;
    let mut tx = C::sender::<N>(&there)?;
    peer.await_ready()?;
    let gap = (GAP.as_nanos() as f64 / job.nanos_per_tick) as u64;
    let trips = (job.budget().as_nanos() / GAP.as_nanos()) as u64;
    let mut sent = Vec::new();
    for number in 0..=trips {
        spin_for(gap);
        sent.push(stamp());
        tx.send_waking(if number == trips { number | LAST } else { number });
    }
    sample(job, peer, &sent)
}

/// So many ticks. A sender that slept would measure its own waking up as well.
pub fn spin_for(ticks: u64) {
    let begun = stamp();
    while stamp() - begun < ticks {
        std::hint::spin_loop();
    }
}

/// How long each message took, which was sent at that stamp, by the stamps that the far side says in the end.
pub fn sample(job: &Job, mut peer: Peer, sent: &[u64]) -> Outcome<Sample> {
    let asleep = peer.numbers()?[0];
    let woken = peer.hear()?;
    peer.finish()?;
    let mut histogram = super::histogram()?;
    let mut woken = woken.split(' ').map(str::parse::<u64>);
    for sent in sent {
        let woken = woken.next().ok_or("a stamp is missing")??;
        histogram.record(woken.saturating_sub(*sent))?;
    }
    let mut sample = quantiles(&histogram, job.nanos_per_tick);
    sample.insert("asleep".into(), asleep / sent.len() as f64);
    Ok(sample)
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    pin(job.cpus.1)?;
    let mut rx = C::receiver::<N>(&job.place("there"))?;
    line.ready();
    let before = super::idle::switches();
    let mut woken = Vec::new();
    for expected in 0.. {
        let number = rx.recv_parked();
        woken.push(stamp().to_string());
        assert_eq!(number & !LAST, expected);
        if number & LAST != 0 {
            break;
        }
    }
    line.say(&(super::idle::switches() - before).to_string());
    line.say(&woken.join(" "));
    Ok(())
}
