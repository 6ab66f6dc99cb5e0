//! What mi7 is to be judged by: each ratio by runs of the two that are compared, one right after the other, in turns.

use serde::{Deserialize, Serialize};

use crate::cli::Options;
use crate::contestant::{Outcome, Work};
use crate::contestants::find;
use crate::report::median;
use crate::run::{Record, Runner, figure};

const MIB: usize = 1 << 20;

/// Whose figure, of what.
type Of = (&'static str, Work, usize);

/// What the ratio, or the figure itself where there is nothing to compare it with, has to be.
#[derive(Clone, Copy, Serialize)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Beside the point, but it explains others.
    Nothing,
}

impl Bound {
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
            Bound::Nothing => true,
        }
    }
}

pub struct Target {
    pub what: &'static str,
    pub one: Of,
    pub other: Option<Of>,
    pub bound: Bound,
}

const fn to(what: &'static str, one: Of, other: Of, bound: Bound) -> Target {
    Target { what, one, other: Some(other), bound }
}

use Bound::{AtLeast, AtMost, Nothing};
use Work::{Idle, Latency, Loan, Many, Pair, Pingpong, Throughput};

pub const TARGETS: &[Target] = &[
    to("64 B one way", ("mi7 exclusive", Latency, 64), ("bare line", Latency, 64), AtMost(1.15)),
    to("64 B one way", ("mi7 exclusive", Latency, 64), ("ringfire", Latency, 64), AtMost(1.0)),
    to("64 B one way", ("mi7", Latency, 64), ("bare line", Latency, 64), AtMost(1.5)),
    to("64 B one way", ("mi7", Latency, 64), ("iceoryx2", Latency, 64), AtMost(1.0 / 3.0)),
    to("64 B one way", ("mi7", Latency, 64), ("bare lines", Latency, 64), Nothing),
    to("8 B one way", ("mi7", Latency, 8), ("bare line", Latency, 8), Nothing),
    to("64 B 1:1", ("mi7 exclusive", Throughput, 64), ("rtrb", Throughput, 64), AtLeast(1.0)),
    to("64 B 1:1", ("mi7", Throughput, 64), ("crossfire", Throughput, 64), AtLeast(1.0)),
    to("64 B 1:1", ("mi7", Throughput, 64), ("crossbeam", Throughput, 64), AtLeast(1.0)),
    to("64 B 1:1", ("mi7", Throughput, 64), ("iceoryx2", Throughput, 64), AtLeast(8.0)),
    to("64 B 1:1", ("mi7 batch", Throughput, 64), ("mi7", Throughput, 64), AtLeast(2.0)),
    to("8 B 1:1", ("mi7 batch", Throughput, 8), ("mi7", Throughput, 8), Nothing),
    to("64 B 1:1", ("mi7", Throughput, 64), ("bare memory", Throughput, 64), Nothing),
    to("64 B 1:1", ("mi7", Throughput, 64), ("bare fill", Throughput, 64), Nothing),
    to("64 B 4:4", ("mi7", Many, 64), ("crossbeam", Many, 64), AtLeast(1.0)),
    to("64 B 4:4, to 1:1", ("mi7", Many, 64), ("mi7", Pair, 64), AtLeast(2.0 / 3.0)),
    to("64 B 4:4, to 1:1", ("mi7", Many, 64), ("mi7 several", Pair, 64), Nothing),
    to("1 MiB 1:1", ("mi7", Throughput, MIB), ("bare memory", Throughput, MIB), AtLeast(0.9)),
    to("1 MiB 1:1", ("mi7", Throughput, MIB), ("bare fill", Throughput, MIB), Nothing),
    to("1 MiB of which a line is read, to 64 B", ("mi7", Loan, MIB), ("mi7", Loan, 64), AtMost(2.0)),
    to("woken", ("mi7", Pingpong, 64), ("bare futex", Pingpong, 64), AtMost(1.2)),
    Target { what: "idle, share of a core", one: ("mi7", Idle, 64), other: None, bound: AtMost(0.002) },
];

/// What came out for one of them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Judged {
    /// Its place in [`TARGETS`].
    pub target: usize,
    /// The two figures of each round.
    pub rounds: Vec<(f64, Option<f64>)>,
}

impl Judged {
    /// The median of the rounds' ratios, or figures.
    pub fn value(&self) -> Option<f64> {
        median(self.rounds.iter().map(|(one, other)| one / other.unwrap_or(1.0)).collect())
    }

    /// The two medians.
    pub fn figures(&self) -> (Option<f64>, Option<f64>) {
        let one = self.rounds.iter().map(|round| round.0).collect();
        (median(one), median(self.rounds.iter().filter_map(|round| round.1).collect()))
    }
}

pub fn measure(options: &Options, runner: &mut Runner, record: &mut Record) -> Outcome<()> {
    for (index, target) in TARGETS.iter().enumerate() {
        let rounds = match options.rounds {
            _ if target.one.1 == Idle => 3,
            Some(rounds) => rounds,
            None if options.quick => 5,
            None => 21,
        };
        let mut judged = Judged { target: index, rounds: Vec::new() };
        // Round 0 is the verification.
        for round in 0..=rounds {
            let mut run = |(name, work, size): Of| -> Outcome<Option<f64>> {
                let millis = if round == 0 { 20 } else { options.millis(work) };
                let sample = runner.sample(find(name)?, work, size, round, millis, record);
                Ok(sample.and_then(|sample| sample.get(figure(work)).copied()))
            };
            // Who is first in one round is second in the next.
            let (one, other) = match target.other {
                Some(other) if round % 2 == 0 => {
                    let other = run(other)?;
                    (run(target.one)?, other)
                }
                Some(other) => (run(target.one)?, run(other)?),
                None => (run(target.one)?, None),
            };
            if let (Some(one), true, true) = (one, round > 0, target.other.is_none() || other.is_some()) {
                judged.rounds.push((one, other));
            }
        }
        eprintln!("{}: {} to {:?}: {:?}", target.what, target.one.0, target.other.map(|other| other.0), judged.value());
        record.judged.push(judged);
    }
    Ok(())
}
