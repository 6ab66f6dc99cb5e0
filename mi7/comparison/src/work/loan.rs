//! One way of a message that was filled where it will be read, before the clock starts, and of which only the first cache
//! line is read: what remains of the size. Half of a round trip in which the far side has its answer filled beforehand, too.

use super::latency::quantiles;
use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Sample, stamp};
use crate::payload::LAST;

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let (_made, peer, mut tx, mut rx) = super::begin_trips::<C, N>(job)?;

    let mut histogram = super::histogram()?;
    let begun = stamp();
    for number in 1.. {
        let last = stamp() - begun > job.ticks();
        let number = if last { number | LAST } else { number };
        let mut sent = 0;
        tx.send_loaned(number, &mut || {
            // The far side fills its answer meanwhile, and is to be through with it.
            let filled = stamp();
            while stamp() - filled < (N as u64) {
                std::hint::spin_loop();
            }
            sent = stamp();
        });
        assert_eq!(rx.recv_glimpse(), number & !LAST);
        let now = stamp();
        if last {
            break;
        }
        // The first rounds meet new memory.
        if now - begun > job.ticks() / 4 {
            histogram.record(now - sent)?;
        }
    }
    let kept = peer.finish()?;
    let mut sample = quantiles(&histogram, job.nanos_per_tick / 2.0);
    sample.insert("kept".into(), kept);
    Ok(sample)
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    let (mut rx, mut tx) = super::join_trips::<C, N>(job, line)?;
    for expected in 1.. {
        let mut number = 0;
        // Filled before the question has come, with the number that it will have. The last one's has a bit more.
        tx.send_loaned(expected, &mut || number = rx.recv_glimpse());
        if number & LAST != 0 {
            return Ok(());
        }
        assert_eq!(number, expected);
    }
    Ok(())
}
