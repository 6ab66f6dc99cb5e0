//! Time, for calls that have to end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// What one input may take in which the library sleeps for some milliseconds at the most.
pub const LIMIT: Duration = Duration::from_secs(2);

/// The time since an input began, less what this thread waited for a processor: the fuzzer runs beside other work.
#[derive(Debug)]
pub struct Watch {
    began: Instant,
    queued: Duration,
}

impl Watch {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Watch { began: Instant::now(), queued: queued() }
    }

    /// # Panics
    ///
    /// If it has taken too long.
    pub fn check(&self, what: &dyn std::fmt::Debug) {
        let elapsed = self.began.elapsed();
        if elapsed > LIMIT {
            let busy = elapsed.saturating_sub(queued().saturating_sub(self.queued));
            assert!(busy <= LIMIT, "{what:?}: {busy:?} are gone");
        }
    }
}

/// How long this thread has been ready to run and did not (`Documentation/scheduler/sched-stats.rst`); zero if the kernel does
/// not say.
fn queued() -> Duration {
    thread_local! {
        static FILE: Option<File> = File::open("/proc/thread-self/schedstat").ok();
    }
    let mut text = [0; 96];
    let read = FILE.with(|file| file.as_ref()?.read_at(&mut text, 0).ok()).unwrap_or(0);
    let number = std::str::from_utf8(&text[..read]).unwrap_or("").split(' ').nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(number.unwrap_or(0))
}
