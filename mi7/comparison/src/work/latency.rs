//! One way of a message: half of a round trip over two channels.
//!
//! A trip begins before its message is filled and ends when the answer has been checked, so each way has one filling and one
//! checking in it. One stamp is both the end of a trip and the beginning of the next; a trip is recorded after the
//! next one's message is on its way, so that recording it delays nothing.

use hdrhistogram::Histogram;

use crate::contestant::{Contestant, Outcome, Receiver, Sender};
use crate::job::{Job, Line, Sample, capacity, stamp};
use crate::payload::LAST;

pub fn near<C: Contestant, const N: usize>(job: &Job) -> Outcome<Sample> {
    let (_made, peer, mut tx, mut rx) = super::begin_trips::<C, N>(job)?;

    // Twice round the ring, or until a quarter of the time is over.
    let warm = 2 * capacity(job.size) as u64;
    let begun = stamp();
    let mut number = 0;
    while number < warm && stamp() - begun < job.ticks() / 4 {
        tx.send(number);
        assert_eq!(rx.recv(), number);
        number += 1;
    }

    let mut histogram = super::histogram()?;
    let begun = stamp();
    let mut sent = begun;
    tx.send(number);
    loop {
        assert_eq!(rx.recv(), number);
        let now = stamp();
        number += 1;
        if now - begun > job.ticks() {
            histogram.record(now - sent)?;
            break;
        }
        tx.send(number);
        histogram.record(now - sent)?;
        sent = now;
    }
    tx.send(number | LAST);
    assert_eq!(rx.recv(), number | LAST);
    let kept = peer.finish()?;
    let mut sample = quantiles(&histogram, job.nanos_per_tick / 2.0);
    sample.insert("kept".into(), kept);
    Ok(sample)
}

pub fn far<C: Contestant, const N: usize>(job: &Job, line: &mut Line) -> Outcome<()> {
    let (mut rx, mut tx) = super::join_trips::<C, N>(job, line)?;
    loop {
        let number = rx.recv();
        tx.send(number);
        if number & LAST != 0 {
            // The near side may want to look at this end once more before it is gone.
            std::thread::sleep(std::time::Duration::from_millis(1));
            return Ok(());
        }
    }
}

/// In nanoseconds, of ticks.
pub fn quantiles(histogram: &Histogram<u64>, nanos: f64) -> Sample {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 * nanos;
    Sample::from(
        [
            ("p50", median(histogram) * nanos),
            ("p99", at(0.99)),
            ("p999", at(0.999)),
            ("max", histogram.max() as f64 * nanos),
            ("trips", histogram.len() as f64),
        ]
        .map(|(name, value)| (name.to_string(), value)),
    )
}

/// The median of grouped data. The stamp counter goes up in steps (of 10 ns on some machines, a third of the shortest trip),
/// at any moment of a trip, so that between two steps the counts of both tell where the median is.
fn median(histogram: &Histogram<u64>) -> f64 {
    let groups: Vec<(f64, f64)> = histogram
        .iter_recorded()
        .map(|group| (group.value_iterated_to() as f64, group.count_at_value() as f64))
        .collect();
    let half = histogram.len() as f64 / 2.0;
    let mut below = 0.0;
    for (index, (value, count)) in groups.iter().enumerate() {
        if below + count >= half {
            let left = index.checked_sub(1).map_or(*value, |before| f64::midpoint(groups[before].0, *value));
            let right = groups.get(index + 1).map_or(*value, |after| f64::midpoint(*value, after.0));
            return left + (right - left) * (half - below) / count;
        }
        below += count;
    }
    f64::NAN
}
