//! The untyped part of mi7: slots in shared memory, participants, recovery, waiting.
//!
//! This crate knows bytes, processes and the kernel. It never names an encoding or an async runtime; types are
//! the business of the crate `mi7`, which is what programs use. Its own interface follows that crate's needs and may change
//! with any version.
//!
//! # Floors
//!
//! Each module uses those above it only.
//!
//! | floor | modules |
//! |---|---|
//! | nothing below | `sync` (std's atomics, or loom's), [`Error`], `position` (positions and the words) |
//! | the kernel | `directory`, `extents` → `blocks`, `fork` (what a forked child inherits), `os` (files, locks, clocks), `fifo` (doorbells) |
//! | every byte of the file | `layout` → `region` (the mapping; the only casts) |
//! | the protocol | `wait`, `bias` → `ring` → `recovery` |
//! | how threads wait | `spin` (for how long they spin), `wait_loop` |
//! | all together | [`Channel`], with `burial` (messages that kill their receivers) and `tasks` (wakers, not whose they are) |

// Under loom there is no kernel: what needs one is left out, and so much is unused.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[macro_use]
mod fault;

mod bias;
mod error;
mod layout;
mod position;
mod ring;
mod sync;
mod wait;

#[cfg(not(loom))]
mod blocks;
#[cfg(not(loom))]
mod burial;
#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod directory;
#[cfg(not(loom))]
mod ends;
#[cfg(not(loom))]
mod extents;
#[cfg(not(loom))]
mod fifo;
#[cfg(not(loom))]
mod fork;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod recovery;
#[cfg(not(loom))]
mod region;
#[cfg(not(loom))]
mod spin;
#[cfg(not(loom))]
mod tasks;
#[cfg(not(loom))]
mod wait_loop;

#[cfg(not(loom))]
pub use channel::{Channel, Grant, Held, Info, Snapshot, Spec};
#[cfg(not(loom))]
pub use ends::Memory;
pub use error::{Error, Result};
#[cfg(not(loom))]
pub use fork::{Descriptor, PerProcess, count as forks};
pub use layout::{Geometry, MAX_ALIGN, MAX_DELIVERIES, MAX_SCHEMA, PARTICIPANTS};
#[cfg(not(loom))]
pub use os::{Location, default_directory, names, random, unix_nanos};
#[cfg(not(loom))]
pub use recovery::Participant;
#[cfg(not(loom))]
pub use spin::Wait;
#[cfg(not(loom))]
pub use tasks::{Desk, Doorbell, Surroundings, Waiting, Watch};
