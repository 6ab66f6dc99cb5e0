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

use crate::contestant::{Contestant, Outcome, Work};
use crate::job::{Job, Line, Sample};

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
