//! Counting: each file once, however often it is reported.

use std::collections::BTreeSet;

use crate::news::{ArchivedFileReport, ArchivedSkipped};

/// What some files come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Files, failed ones too.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their newlines.
    pub lines: u64,
    /// Their CRC-32s, combined by exclusive or.
    pub crc_xor: u32,
    /// Files that could not be read, and directories that could not be listed.
    pub failed: u64,
}

impl Share {
    fn add(&mut self, report: &ArchivedFileReport) {
        self.files += 1;
        self.bytes += report.bytes.to_native();
        self.lines += report.lines.to_native();
        self.crc_xor ^= report.crc32.to_native();
        self.failed += u64::from(report.failure.is_some());
    }
}

/// Whole numbers that have been seen: all below some number, and a few above.
#[derive(Debug, Default)]
struct Seen {
    below: u64,
    above: BTreeSet<u64>,
}

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, number: u64) -> bool {
        if number < self.below || !self.above.insert(number) {
            return false;
        }
        while self.above.remove(&self.below) {
            self.below += 1;
        }
        true
    }

    /// How many there are.
    fn len(&self) -> u64 {
        self.below + self.above.len() as u64
    }

    /// One more than the highest.
    fn end(&self) -> u64 {
        self.above.last().map_or(self.below, |highest| highest.saturating_add(1))
    }
}

/// The reports so far.
#[derive(Debug, Default)]
pub struct Tally {
    seen: Seen,
    places: Option<u64>,
    total: Share,
    workers: Vec<(String, Share)>,
    repeated: u64,
}

impl Tally {
    /// A tally that lists these workers first, in this order.
    pub fn of<'a>(workers: impl Iterator<Item = &'a str>) -> Self {
        Tally { workers: workers.map(|name| (name.to_owned(), Share::default())).collect(), ..Tally::default() }
    }

    /// Counts a report, unless its file has been counted. Says whether it was.
    pub fn count(&mut self, report: &ArchivedFileReport) -> bool {
        if !self.seen.insert(report.number.to_native()) {
            self.repeated += 1;
            return false;
        }
        self.total.add(report);
        let name = report.worker.as_str();
        match self.workers.iter_mut().find(|(known, _)| known == name) {
            Some((_, share)) => share.add(report),
            None => {
                let mut share = Share::default();
                share.add(report);
                self.workers.push((name.to_owned(), share));
            }
        }
        true
    }

    /// Counts a directory that could not be listed, unless it has been counted. Says whether it was.
    pub fn count_skipped(&mut self, skipped: &ArchivedSkipped) -> bool {
        let is_new = self.seen.insert(skipped.number.to_native());
        self.total.failed += u64::from(is_new);
        is_new
    }

    /// Notes how many places the walk has: files, and directories that could not be listed.
    pub fn expect(&mut self, places: u64) {
        self.places = Some(places);
    }

    /// How many places the walk has, once that is known.
    pub fn expected(&self) -> Option<u64> {
        self.places
    }

    /// How many of them have been reported.
    pub fn reported(&self) -> u64 {
        self.seen.len()
    }

    /// Whether all have been reported.
    pub fn is_complete(&self) -> bool {
        self.places.is_some_and(|places| self.seen.below >= places)
    }

    /// A number below which all paths have been sent: they are sent in order.
    pub fn sent(&self) -> u64 {
        self.seen.end()
    }

    /// All files.
    pub fn total(&self) -> &Share {
        &self.total
    }

    /// The files of each worker.
    pub fn workers(&self) -> &[(String, Share)] {
        &self.workers
    }

    /// Reports on files that had been counted.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once() {
        let mut seen = Seen::default();
        for number in [2, 0, 5, 1] {
            assert!(seen.insert(number));
            assert!(!seen.insert(number));
        }
        assert_eq!((seen.below, seen.end()), (3, 6));
        assert!(seen.insert(u64::MAX));
        assert_eq!((seen.below, seen.end()), (3, u64::MAX));
    }
}
