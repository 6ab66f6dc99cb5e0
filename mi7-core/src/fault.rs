//! Fault points: places in the protocol where a test can have the process killed.
//!
//! `fault!("name")` is nothing at all unless the crate is built with the feature `fault`, which only tests do. With it, a
//! process in whose environment `MI7_FAULT` is `name#3` kills itself with SIGKILL when it passes there the third time. The
//! package of the tests (`tests/faults.rs`) finds the names in this crate's source, and fails if there is one at which
//! no process dies.
//!
//! In the models (`ring/models.rs`) it is a thread that dies there.

/// Marks a step of the protocol at which a process may be made to die.
macro_rules! fault {
    ($name:literal) => {
        #[cfg(feature = "fault")]
        $crate::fault::reached($name);
        #[cfg(all(test, loom))]
        $crate::ring::models::reached($name);
    };
}

#[cfg(feature = "fault")]
pub(crate) fn reached(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("MI7_FAULT").ok()?;
        let (name, passing) = wanted.rsplit_once('#')?;
        Some((name.to_owned(), AtomicU32::new(passing.parse().ok()?)))
    });
    if let Some((wanted, passing)) = wanted
        && wanted == name
        && passing.fetch_sub(1, Ordering::Relaxed) == 1
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}
