//! What the fuzz targets share.
//!
//! An input is a *tape* ([`script`]): bytes read from the front, each of which says something, so that what libFuzzer changes in
//! one place means the same in all others, and seeds can be written by hand (`examples/seeds.rs`).
//!
//! Findings are crashes, panics, and time; and three oracles that know nothing of the library's own checks:
//!
//! - [`file`](mod@file) has the layout of a channel's file a second time, and says which file is a channel and which is none.
//! - [`mapping`] finds the channel in memory and, under the address sanitizer, forbids every byte of it that nobody has any
//!   business with: padding, the preamble, what lies behind the end.
//! - [`messages`] reads what was received once more from the file, by the schema's text.

pub mod file;
pub mod mapping;
pub mod messages;
pub mod script;
pub mod stage;
pub mod values;
pub mod watch;
