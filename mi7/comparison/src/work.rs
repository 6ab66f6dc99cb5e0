//! What the two sides do in each kind of work.

pub mod attach;
pub mod idle;
pub mod latency;
pub mod loan;
pub mod many;
pub mod pingpong;
pub mod tasks;
pub mod throughput;
pub mod wake;

use std::any::Any;

use hdrhistogram::Histogram;

use crate::contestant::{Contestant, Outcome, Work};
use crate::job::{Job, Line, Peer, Sample, pin};

/// What has been made, the far side, and the near side's ends of the two channels of a round trip.
type Near<C, const N: usize> = ([Box<dyn Any>; 2], Peer, <C as Contestant>::Sender<N>, <C as Contestant>::Receiver<N>);

/// Makes both channels, starts the far side, and waits for it.
fn begin_trips<C: Contestant, const N: usize>(job: &Job) -> Outcome<Near<C, N>> {
    let (there, back) = (job.place("there"), job.place("back"));
    let made = [C::create::<N>(&there)?, C::create::<N>(&back)?];
    let mut peer = Peer::start::<C>(job, far::<C, N>)?;
    pin(job.cpus.0)?;
    let (tx, rx) = (C::sender::<N>(&there)?, C::receiver::<N>(&back)?);
    peer.await_ready()?;
    Ok((made, peer, tx, rx))
}

/// The far side's ends of the same.
fn join_trips<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<(C::Receiver<N>, C::Sender<N>)> {
    pin(job.cpus.1)?;
    let rx = C::receiver::<N>(&job.place("there"))?;
    let tx = C::sender::<N>(&job.place("back"))?;
    line.ready();
    Ok((rx, tx))
}

/// Of ticks.
fn histogram() -> Outcome<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 1 << 40, 3)?)
}

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let sample = match job.work {
        Work::Latency => latency::near::<C, N>(job),
        Work::Loan => loan::near::<C, N>(job),
        Work::Throughput => throughput::near::<C, N>(job),
        Work::Many | Work::Pair => many::near::<C, N>(job),
        Work::Wake => wake::near::<C, N>(job),
        Work::Pingpong => pingpong::near::<C, N>(job),
        Work::Idle => idle::near::<C, N>(job),
        Work::Attach => attach::near::<C, N>(job),
        Work::TaskTrip | Work::TaskWake | Work::TaskIdle => Err("it has no tasks".into()),
    };
    for end in ["there", "back"] {
        C::remove(&job.place(end));
    }
    sample
}

pub fn far<C: Contestant, const N: usize>(job: &Job, mut line: Line) -> Outcome<()> {
    let to_near = &mut line;
    match job.work {
        Work::Latency => latency::far::<C, N>(job, to_near),
        Work::Loan => loan::far::<C, N>(job, to_near),
        Work::Throughput => throughput::far::<C, N>(job, to_near),
        Work::Many | Work::Pair => many::far::<C, N>(job, to_near),
        Work::Wake => wake::far::<C, N>(job, to_near),
        Work::Pingpong => pingpong::far::<C, N>(job, to_near),
        Work::Idle => idle::far::<C, N>(job, to_near),
        Work::Attach => attach::far::<C, N>(job, to_near),
        Work::TaskTrip | Work::TaskWake | Work::TaskIdle => Err("it has no tasks".into()),
    }?;
    line.finish();
    Ok(())
}
