//! Fault points: places in the protocol where a test can have the process killed.
//!
//! `fault!("name")` is nothing at all unless the crate is built with the feature `fault`. With it, a process in whose
//! environment `MI7_FAULT` is `name` (or `name#3`: at the third passing) kills itself with SIGKILL there.

/// Marks a step of the protocol at which a process may be made to die.
macro_rules! fault {
    ($name:literal) => {
        #[cfg(feature = "fault")]
        $crate::fault::reached($name);
    };
}

#[cfg(feature = "fault")]
pub(crate) fn reached(_name: &str) {}
