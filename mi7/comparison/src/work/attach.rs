//! Opening an existing channel's receiving end, from another process.

use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Peer, Sample, pin, stamp};

const TIMES: usize = 11;

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let there = job.place("there");
    let _made = C::create::<N>(&there)?;
    pin(job.cpus.0)?;
    let mut tx = C::sender::<N>(&there)?;
    let mut peer = Peer::start::<C>(job, super::far::<C, N>)?;
    peer.await_ready()?;
    // The last one opened is really open.
    tx.send(5);
    let nanos = peer.numbers()?[0] * job.nanos_per_tick;
    peer.finish()?;
    Ok(Sample::from([("nanos".into(), nanos)]))
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    pin(job.cpus.1)?;
    let there = job.place("there");
    let mut ticks = Vec::new();
    for _ in 0..TIMES {
        let begun = stamp();
        let rx = C::receiver::<N>(&there)?;
        ticks.push(stamp() - begun);
        drop(rx);
    }
    let mut rx = C::receiver::<N>(&there)?;
    line.ready();
    assert_eq!(rx.recv(), 5);
    ticks.sort_unstable();
    line.say(&ticks[TIMES / 2].to_string());
    Ok(())
}
