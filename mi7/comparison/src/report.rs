//! What came out: tables and a plot.

pub mod hello;
pub mod plot;
pub mod table;

use crate::contestant::Work;
use crate::contestants::{ALL, Kind};
use crate::run::{Record, figure};

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[count / 2]),
        count => Some((values[count / 2 - 1] + values[count / 2]) / 2.0),
    }
}

pub fn kind(contestant: &str) -> Kind {
    ALL.iter().find(|entry| entry.name == contestant).map_or(Kind::System, |entry| entry.kind)
}

impl Record {
    /// A figure of all rounds.
    pub fn values(&self, contestant: &str, work: Work, size: usize, name: &str) -> Vec<f64> {
        self.turns
            .iter()
            .filter(|turn| turn.contestant == contestant && turn.work == work && turn.size == size)
            .filter_map(|turn| turn.sample.get(name).copied())
            .collect()
    }

    pub fn median(&self, contestant: &str, work: Work, size: usize, name: &str) -> Option<f64> {
        median(self.values(contestant, work, size, name))
    }

    /// The median figure that stands for the work.
    pub fn figure(&self, contestant: &str, work: Work, size: usize) -> Option<f64> {
        self.median(contestant, work, size, figure(work))
    }

    /// To the limit that was measured just before, the median of the rounds' ratios.
    pub fn to_limit(&self, contestant: &str, work: Work, size: usize) -> Option<f64> {
        let ratios = self
            .turns
            .iter()
            .filter(|turn| turn.contestant == contestant && turn.work == work && turn.size == size)
            .filter_map(|turn| Some(turn.sample.get(figure(work))? / turn.limit?));
        median(ratios.collect())
    }

    /// To another contestant's figure of the same round, the median of the rounds' ratios.
    pub fn to(&self, contestant: (&str, Work, usize), other: (&str, Work, usize)) -> Option<f64> {
        let of = |(name, work, size): (&str, Work, usize), round| {
            let rounds = self.turns.iter().filter(|turn| {
                turn.contestant == name && turn.work == work && turn.size == size && turn.round == round
            });
            median(rounds.filter_map(|turn| turn.sample.get(figure(work)).copied()).collect())
        };
        let last = self.turns.iter().map(|turn| turn.round).max()?;
        median((1..=last).filter_map(|round| Some(of(contestant, round)? / of(other, round)?)).collect())
    }

    /// Contestants that have figures of the work, in the order of the list.
    pub fn contestants(&self, work: Work) -> Vec<&'static str> {
        let there = |name: &str| self.turns.iter().any(|turn| turn.work == work && turn.contestant == name);
        ALL.iter().map(|entry| entry.name).filter(|name| there(name)).collect()
    }

    pub fn sizes(&self, work: Work) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.turns.iter().filter(|turn| turn.work == work).map(|turn| turn.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The best of the rivals of some kinds.
    pub fn best(&self, work: Work, size: usize, kinds: &[Kind]) -> Option<&'static str> {
        let rivals = self.contestants(work).into_iter().filter(|name| kinds.contains(&kind(name)));
        let figures = rivals.filter_map(|name| Some((name, self.figure(name, work, size)?)));
        let more_is_better = work.is_rate();
        figures
            .min_by(|left, right| if more_is_better { right.1.total_cmp(&left.1) } else { left.1.total_cmp(&right.1) })
            .map(|best| best.0)
    }
}
