//! What the tests of mi7 share: a stage in shared memory, actors on it, and messages that prove themselves.
//!
//! A [`Stage`] is a directory of its own, so that no run meets another. An [`Actor`] is a real process that does what it is
//! told, line by line (`src/bin/actor.rs` has the commands), so that a test reads as a script of what several processes do.
//! A [`Load`] is a message whose bytes all follow from two numbers, so that whoever receives it sees if it is torn.
//!
//! Nothing hangs: a reply that does not come in time fails the test, actors end by themselves, and so does the whole program.

mod actor;
pub mod faults;
mod load;
mod namespace;
pub mod seccomp;
mod stage;
pub mod zoo;

pub use actor::Actor;
pub use load::{Letter, Load, Parcel, Slab, big};
pub use namespace::Namespace;
pub use stage::{Stage, block_on, end_after, variant};
