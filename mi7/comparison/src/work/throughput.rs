//! Messages from one sender to one receiver.
//!
//! The receiver checks content, order and count. The time is its own: from the message that ends the warm-up to the last.

use std::time::Instant;

use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Peer, Sample, capacity, pin};
use crate::payload::{LAST, START};

/// Messages between two looks at the clock: a quarter of a megabyte, but not more than 256.
const fn run(words: usize) -> u64 {
    let run = (1 << 15) / words;
    if run > 256 {
        256
    } else if run == 0 {
        1
    } else {
        run as u64
    }
}

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let there = job.place("there");
    let _made = C::create::<N>(&there)?;
    let mut peer = Peer::start::<C>(job, super::far::<C, N>)?;
    pin(job.cpus.0)?;
    let mut tx = C::sender::<N>(&there)?;
    peer.await_ready()?;

    let begun = Instant::now();
    let warm = 2 * capacity(job.size) as u64;
    let mut number = 0;
    while number < warm && begun.elapsed() < job.budget() / 4 {
        tx.send(number);
        number += 1;
    }
    tx.send(number | START);
    number += 1;
    let begun = Instant::now();
    while begun.elapsed() < job.budget() {
        tx.send_run(number, run(N));
        number += run(N);
    }
    tx.send(number | LAST);
    let told = peer.numbers()?;
    let [messages, seconds] = told[..] else { return Err("two numbers expected".into()) };
    let kept = peer.finish()?;
    Ok(Sample::from([("kept".into(), kept), ("rate".into(), messages / seconds), ("messages".into(), number as f64)]))
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    pin(job.cpus.1)?;
    let mut rx = C::receiver::<N>(&job.place("there"))?;
    line.ready();
    let mut expected = 0;
    let mut first = (0, Instant::now());
    let mut last = None;
    while last.is_none() {
        rx.recv_run(&mut |number| {
            if number != expected {
                assert_eq!(number & !(START | LAST), expected, "out of order, lost or twice");
                if number & START != 0 {
                    first = (expected, Instant::now());
                } else {
                    last = Some(Instant::now());
                }
            }
            expected += 1;
        });
    }
    let elapsed = last.map_or(0.0, |last| (last - first.1).as_secs_f64());
    line.say(&format!("{} {elapsed}", expected - 1 - first.0));
    Ok(())
}
