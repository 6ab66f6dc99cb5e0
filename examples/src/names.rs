//! The names of a daemon's channels, and the removal of those that a killed daemon left.
//!
//! A daemon's channels are `<prefix>-<pid>-paths` and `<prefix>-<pid>-reports`, so that many can run at once. They are removed
//! at the end of the run, whatever ends it, unless that is SIGKILL: then the next daemon of that prefix does it.

use std::time::Duration;

use mi7::{Message, SharedChannel};
use rustix::process::{Pid, test_kill_process};

/// The two kinds of channels.
const KINDS: [&str; 2] = ["paths", "reports"];

/// A daemon's channels, which exist no longer than this.
#[derive(Debug)]
pub struct Names {
    /// The queue of paths.
    pub paths: String,
    /// The channel of [`News`](crate::news::News).
    pub reports: String,
}

impl Names {
    /// The names for this process.
    pub fn new(prefix: &str) -> Self {
        let [paths, reports] = KINDS.map(|kind| format!("{prefix}-{}-{kind}", std::process::id()));
        Names { paths, reports }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for name in [&self.paths, &self.reports] {
            // One that was never made, or that somebody has removed.
            let _ = mi7::remove(name);
        }
    }
}

/// Removes what killed daemons left. Returns the names.
///
/// A channel is a leftover if no process has an end of it, and its daemon's pid is that of no other process. (The pid may
/// have been given to somebody else meanwhile: then age tells.)
///
/// # Errors
///
/// As [`mi7::list`].
pub fn sweep(prefix: &str) -> mi7::Result<Vec<String>> {
    let mut removed = Vec::new();
    for listed in mi7::list()? {
        let Some(pid) = daemon_of(&listed.name, prefix) else { continue };
        let age = listed.channel.map_or(Duration::MAX, |channel| channel.age);
        let paths = format!("{prefix}-{pid}-{}", KINDS[0]);
        if (!is_another_process(pid) || age > Duration::from_secs(60))
            && !is_in_use(&paths)
            && mi7::remove(&listed.name).is_ok()
        {
            removed.push(listed.name);
        }
    }
    Ok(removed)
}

/// The pid in the name of a daemon's channel.
fn daemon_of(name: &str, prefix: &str) -> Option<u32> {
    let (pid, kind) = name.strip_prefix(prefix)?.strip_prefix('-')?.split_once('-')?;
    pid.parse().ok().filter(|_| KINDS.contains(&kind))
}

fn is_another_process(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    // A process of another user is one too.
    pid != rustix::process::getpid() && test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

fn is_in_use(paths: &str) -> bool {
    SharedChannel::<Message>::open(paths).is_ok_and(|channel| {
        let status = channel.status();
        !status.senders.is_empty() || !status.receivers.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_daemons_channels_have_a_daemon() {
        assert_eq!(daemon_of("a-b-12-paths", "a-b"), Some(12));
        assert_eq!(daemon_of("a-b-12-reports", "a-b"), Some(12));
        for name in ["a-b-12", "a-b-x-paths", "a-b-12-other", "a-12-paths", "a-bc-12-paths", ""] {
            assert_eq!(daemon_of(name, "a-b"), None, "{name}");
        }
    }
}
