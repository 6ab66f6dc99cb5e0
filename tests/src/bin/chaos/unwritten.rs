//! Leases that stand in no entry, because their holder was killed before it wrote them down.
//!
//! `deliveries()` tells of them: a message that nobody wrote down before is said to be handed out for the second time. Each
//! needs a receiver of its own that was killed in a call that may have given it the message, after it could be had and
//! before it was delivered again. So it is a matching that is looked for, not a mere number: counts that rise for no reason
//! are found however many receivers have died in their calls at other times.

use crate::log::Entry;

/// When a child was killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Death {
    /// It was not killed before this time.
    pub at: u64,
    /// It was dead at this time.
    pub gone: u64,
    /// A receiver, in a call that may have given it a message.
    pub receiving: bool,
}

/// A delivery that nobody wrote down: between these times somebody had the message, and died.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    from: u64,
    to: u64,
    /// The message.
    pub id: u64,
    /// What the next delivery counted to.
    pub deliveries: u32,
}

impl Gap {
    /// So many deliveries that nobody wrote down, from this time on and before the next one.
    pub fn new(missing: u32, from: u64, next: &Entry) -> impl Iterator<Item = Gap> + use<> {
        let gap = Gap { from, to: next.end, id: next.id, deliveries: next.deliveries };
        (0..missing).map(move |_| gap)
    }

    fn fits(&self, death: &Death) -> bool {
        death.at <= self.to && death.gone >= self.from
    }
}

/// The gaps for which no death is left.
pub fn unexplained<'a>(gaps: &'a [Gap], deaths: &[Death]) -> Vec<&'a Gap> {
    let mut taken_by = vec![None; deaths.len()];
    let gaps = gaps.iter().enumerate();
    let all: Vec<&Gap> = gaps.clone().map(|(_, gap)| gap).collect();
    gaps.filter(|(index, _)| !find_death(*index, &all, deaths, &mut taken_by, &mut vec![false; deaths.len()]))
        .map(|(_, gap)| gap)
        .collect()
}

/// Finds a death for this gap, if need be by finding another for the gap that has it (Kuhn's algorithm).
fn find_death(gap: usize, gaps: &[&Gap], deaths: &[Death], taken_by: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for (index, death) in deaths.iter().enumerate() {
        if seen[index] || !gaps[gap].fits(death) {
            continue;
        }
        seen[index] = true;
        if taken_by[index].is_none_or(|other| find_death(other, gaps, deaths, taken_by, seen)) {
            taken_by[index] = Some(gap);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: u64, to: u64) -> Gap {
        Gap { from, to, id: 0, deliveries: 2 }
    }

    fn death(at: u64) -> Death {
        Death { at, gone: at + 1, receiving: true }
    }

    #[test]
    fn a_death_explains_one_gap_only_and_only_in_its_time() {
        assert_eq!(unexplained(&[gap(10, 20), gap(10, 20)], &[death(15)]).len(), 1);
        assert_eq!(unexplained(&[gap(10, 20)], &[death(21), death(8)]).len(), 1);
    }

    #[test]
    fn gaps_share_the_deaths_out_among_themselves() {
        assert_eq!(unexplained(&[gap(10, 40), gap(10, 20), gap(30, 40)], &[death(15), death(25), death(35)]).len(), 0);
        assert_eq!(unexplained(&[gap(10, 40), gap(10, 20)], &[death(15), death(25)]).len(), 0);
    }
}
