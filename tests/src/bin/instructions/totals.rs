//! What all jobs have found, in memory that they share.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

use crate::Outcome;
use crate::director::Played;

/// Of each doubling of the time, so many steps are told apart.
const STEPS: u64 = 8;
const BUCKETS: usize = 32 * STEPS as usize;

/// Counts of a run. Each is written by all jobs.
#[repr(C)]
pub struct Totals {
    /// The next case of the phase.
    next: AtomicU64,
    pub played: AtomicU64,
    pub kills: AtomicU64,
    pub landed: AtomicU64,
    /// Actors that were to stop somewhere.
    pub parts: AtomicU64,
    pub lost: AtomicU64,
    pub invented: AtomicU64,
    pub stuck: AtomicU64,
    /// Cases in which something was wrong.
    pub wrong: AtomicU64,
    /// Times until the channel was as good as new, of cases in which nobody looked for the dead on purpose.
    times: [AtomicU64; BUCKETS],
    longest: AtomicU64,
}

impl Totals {
    pub fn new() -> Outcome<&'static Totals> {
        let file = File::from(rustix::fs::memfd_create("totals", rustix::fs::MemfdFlags::CLOEXEC)?);
        file.set_len(size_of::<Totals>() as u64)?;
        let map = Box::leak(Box::new(MmapRaw::map_raw(&file)?));
        // SAFETY: the map is as long as the totals, begins on a page, is never unmapped, and they are made of atomics only, for which
        // all bytes are valid.
        Ok(unsafe { &*map.as_mut_ptr().cast::<Totals>() })
    }

    /// The index of the next case of this phase.
    pub fn take(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) as usize
    }

    pub fn begin_phase(&self) {
        for count in [&self.next, &self.played, &self.landed, &self.parts] {
            count.store(0, Ordering::Relaxed);
        }
    }

    pub fn add(&self, played: &Played, parts: usize, slow: bool) {
        for (count, more) in [
            (&self.played, 1),
            (&self.kills, u64::from(played.kills)),
            (&self.landed, u64::from(played.landed)),
            (&self.parts, parts as u64),
            (&self.lost, u64::from(played.lost)),
            (&self.invented, u64::from(played.invented)),
            (&self.stuck, u64::from(played.stuck)),
            (&self.wrong, u64::from(!played.is_good())),
        ] {
            count.fetch_add(more, Ordering::Relaxed);
        }
        if slow {
            self.times[bucket(played.micros.into())].fetch_add(1, Ordering::Relaxed);
            self.longest.fetch_max(played.micros.into(), Ordering::Relaxed);
        }
    }

    /// Milliseconds that `percent` of a hundred did not exceed, to within an eighth; and the longest.
    pub fn times(&self, percent: u64) -> (f64, f64) {
        let counts = self.times.each_ref().map(|count| count.load(Ordering::Relaxed));
        let wanted = counts.iter().sum::<u64>() * percent / 100;
        let mut so_far = 0;
        let at = counts.iter().position(|count| {
            so_far += count;
            so_far > wanted
        });
        let longest = self.longest.load(Ordering::Relaxed) as f64 / 1e3;
        (at.map_or(0.0, |at| end_of(at) as f64 / 1e3).min(longest), longest)
    }
}

fn bucket(micros: u64) -> usize {
    let doublings = u64::from((micros / STEPS).checked_ilog2().map_or(0, |log| log + 1));
    let step = if doublings == 0 { micros } else { (micros >> (doublings - 1)) - STEPS };
    ((doublings * STEPS + step) as usize).min(BUCKETS - 1)
}

fn end_of(bucket: usize) -> u64 {
    let (doublings, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if doublings == 0 { step + 1 } else { (STEPS + step + 1) << (doublings - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bucket_that_ends_behind_it() {
        for micros in (0..5000).chain([99_999, 1 << 20, 3_000_000]) {
            let at = bucket(micros);
            assert!(end_of(at) > micros && (at == 0 || end_of(at - 1) <= micros), "{micros} in {at}");
        }
    }
}
