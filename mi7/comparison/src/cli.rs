//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::contestant::Work;
use crate::contestants::SIZES;

/// mi7 beside its rivals. Prints tables; every figure is the median of interleaved rounds.
#[derive(Parser, Clone)]
#[command(version)]
pub struct Options {
    /// Three rounds of fewer sizes and shorter sessions.
    #[arg(long)]
    pub quick: bool,

    /// Contestants whose names begin so; the limits are measured in any case.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,

    /// Only what issue 4 asks: each ratio by runs of the two that are compared, one right after the other. Without this, that
    /// comes last, where nothing else was left out.
    #[arg(long)]
    pub targets: bool,

    /// What is measured; all of it by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub work: Vec<Work>,

    /// Bytes of a message: 8, 64, 1024, 65536, 1048576.
    #[arg(long, value_delimiter = ',', value_parser = size)]
    pub sizes: Vec<usize>,

    /// How often each contestant has its turn.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=999))]
    pub rounds: Option<u32>,

    /// Where all figures of all rounds are written.
    #[arg(long)]
    pub json: Option<PathBuf>,

    /// Where the plot is written.
    #[arg(long)]
    pub svg: Option<PathBuf>,

    /// Counts system calls a message under strace instead.
    #[arg(long)]
    pub syscalls: bool,

    /// Prints tables and plot of an earlier run's JSON instead of measuring.
    #[arg(long)]
    pub from: Option<PathBuf>,
}

fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().map_err(|_| "not a number")?;
    if SIZES.contains(&size) { Ok(size) } else { Err(format!("none of {SIZES:?}")) }
}

impl Options {
    /// Whether what issue 4 asks is measured.
    pub fn measures_targets(&self) -> bool {
        self.targets || self.only.is_empty() && self.work.is_empty() && self.sizes.is_empty()
    }

    pub fn works(&self) -> Vec<Work> {
        if self.work.is_empty() {
            return Work::ALL.to_vec();
        }
        Work::ALL.into_iter().filter(|work| self.work.contains(work)).collect()
    }

    /// The sizes that a kind of work is done at.
    pub fn sizes(&self, work: Work) -> Vec<usize> {
        let all: &[usize] = match work {
            Work::Latency | Work::Throughput if self.quick => &[64, 1 << 10, 1 << 20],
            Work::Many | Work::Pair if self.quick => &[64],
            Work::Latency | Work::Throughput | Work::Many => &SIZES,
            Work::Loan => &[64, 1 << 20],
            _ => return vec![64],
        };
        all.iter().copied().filter(|size| self.sizes.is_empty() || self.sizes.contains(size)).collect()
    }

    pub fn rounds(&self, work: Work) -> u32 {
        let rounds = self.rounds.unwrap_or(if self.quick { 3 } else { 9 });
        // It takes a second, and is not a matter of luck.
        if matches!(work, Work::Idle | Work::TaskIdle) { rounds.min(3) } else { rounds }
    }

    pub fn millis(&self, work: Work) -> u64 {
        let millis = match work {
            Work::Latency | Work::Wake | Work::Pingpong | Work::TaskTrip => 60,
            Work::TaskWake => 100,
            Work::Loan => 40,
            Work::Throughput => 80,
            Work::Many | Work::Pair => 200,
            Work::Idle | Work::TaskIdle => 1000,
            Work::Attach => 1,
        };
        if self.quick && !work.wakes() { millis / 2 } else { millis }
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| name.starts_with(wanted.as_str()))
    }
}
