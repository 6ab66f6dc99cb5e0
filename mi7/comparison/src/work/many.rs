//! Messages from four senders to four receivers, two of each on either processor; or from one to one, each on its own, with
//! which that is compared: what do six processes too many cost?
//!
//! All wait as one would who does not know how many processors there are: asleep, if it takes long.
//! Content is checked on receipt. That nothing was lost or came twice is checked by count and sum.

use std::time::Instant;

use crate::contestant::{Contestant, Outcome, Receiver, Sender, Work};
use crate::job::{Job, Line, Peer, Sample, pin};
use crate::payload::LAST;

/// Senders, and as many receivers.
fn each(work: Work) -> usize {
    if work == Work::Many { 4 } else { 1 }
}

/// Nanoseconds that all processes agree on.
fn clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let there = job.place("there");
    let each = each(job.work);
    let _made = C::create::<N>(&there)?;
    let mut peers = (0..2 * each)
        .map(|part| Peer::start::<C>(&Job { part, ..job.clone() }, super::far::<C, N>))
        .collect::<Outcome<Vec<_>>>()?;
    let mut tx = C::sender::<N>(&there)?;
    for peer in &mut peers {
        peer.await_ready()?;
    }
    for peer in &mut peers {
        peer.tell("go");
    }
    let mut sent = (0.0, 0.0, f64::MAX);
    for peer in &mut peers[..each] {
        let told = peer.numbers()?;
        sent = (sent.0 + told[0], sent.1 + told[1], sent.2.min(told[2]));
    }
    for _ in 0..each {
        tx.send_waking(LAST);
    }
    let mut received = (0.0, 0.0, 0.0f64);
    for peer in &mut peers[each..] {
        let told = peer.numbers()?;
        received = (received.0 + told[0], received.1 + told[1], received.2.max(told[2]));
    }
    for peer in peers {
        peer.finish()?;
    }
    // Sums of sums that wrapped around.
    let wrapped = |sum: f64| sum as u64 as u32;
    if (sent.0, wrapped(sent.1)) != (received.0, wrapped(received.1)) {
        return Err(format!("{} sent but {} received", sent.0, received.0).into());
    }
    let seconds = (received.2 - sent.2) / 1e9;
    Ok(Sample::from([("rate".into(), received.0 / seconds), ("messages".into(), received.0)]))
}

/// A sender or a receiver. It says how many messages it had, their sum modulo 2³², and when it began or ended.
pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    pin(if job.part.is_multiple_of(2) { job.cpus.0 } else { job.cpus.1 })?;
    let there = job.place("there");
    let (mut count, mut sum) = (0u64, 0u32);
    let moment;
    if job.part < each(job.work) {
        let mut tx = C::sender::<N>(&there)?;
        line.ready();
        line.hear()?;
        let begun = Instant::now();
        moment = clock();
        let base = (job.part as u64) << 32;
        let mut number = base;
        while begun.elapsed() < job.budget() {
            for _ in 0..(1024 / N).clamp(1, 64) {
                tx.send(number);
                sum = sum.wrapping_add(number as u32 ^ (number >> 32) as u32);
                number += 1;
            }
        }
        count = number - base;
        line.say(&format!("{count} {sum} {moment}"));
        // Kept open until all is received: for some, what is in a channel goes with its last sender.
        let _ = line.hear();
    } else {
        let mut rx = C::receiver::<N>(&there)?;
        line.ready();
        line.hear()?;
        let mut end = clock();
        let mut over = false;
        while !over {
            let number = rx.recv_parked();
            if number & LAST != 0 {
                over = true;
            } else {
                count += 1;
                sum = sum.wrapping_add(number as u32 ^ (number >> 32) as u32);
                if N > 128 || count.is_multiple_of(16) {
                    end = clock();
                }
            }
        }
        line.say(&format!("{count} {sum} {end}"));
    }
    Ok(())
}
