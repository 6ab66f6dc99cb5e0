//! All contestants, one file each.

mod boost;
mod cloudtoid;
mod crossbeam;
mod crossfire;
mod flume;
mod iceoryx2;
mod ipc_channel;
mod ipmpsc;
mod kanal;
mod limit;
mod mi7;
mod mq;
mod pipe;
mod ringfire;
mod room;
mod rtrb;
mod shared;
mod socket;
mod tasks;

use crate::contestant::{Contestant, Outcome, Tasks, Work};
use crate::job::{Job, Line, Sample};
use crate::payload::{Boxed, Inline};
use crate::work;

/// What kind of contestant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Not a channel: what the hardware or the kernel allows.
    Limit,
    Mi7,
    /// Between processes.
    Processes,
    /// Between threads of one process.
    Threads,
    /// Of the operating system.
    System,
}

pub struct Entry {
    pub name: &'static str,
    pub kind: Kind,
    pub refuses: fn(Work, usize) -> Option<&'static str>,
    pub near: fn(&Job) -> Outcome<Sample>,
    pub far: fn(&Job, Line) -> Outcome<()>,
}

pub const SIZES: [usize; 5] = [8, 64, 1 << 10, 64 << 10, 1 << 20];

pub const ALL: &[Entry] = &[
    entry::<limit::Line, limit::Line>("bare line", Kind::Limit),
    entry::<limit::Lines, limit::Lines>("bare lines", Kind::Limit),
    entry::<limit::Memory<limit::Copied>, limit::Memory<limit::Copied>>("bare memory", Kind::Limit),
    entry::<limit::Memory<limit::Filled>, limit::Memory<limit::Filled>>("bare fill", Kind::Limit),
    entry::<limit::Futex, limit::Futex>("bare futex", Kind::Limit),
    entry::<mi7::Mi7<mi7::Default>, mi7::Mi7<mi7::Default>>("mi7", Kind::Mi7),
    entry::<mi7::Mi7<mi7::Exclusive>, mi7::Mi7<mi7::Exclusive>>("mi7 exclusive", Kind::Mi7),
    entry::<mi7::Mi7<mi7::Several>, mi7::Mi7<mi7::Several>>("mi7 several", Kind::Mi7),
    entry::<mi7::Batch<mi7::Default>, mi7::Batch<mi7::Default>>("mi7 batch", Kind::Mi7),
    entry::<mi7::Batch<mi7::Exclusive>, mi7::Batch<mi7::Exclusive>>("mi7 exclusive batch", Kind::Mi7),
    entry::<iceoryx2::Iceoryx2, iceoryx2::Iceoryx2>("iceoryx2", Kind::Processes),
    entry::<ringfire::Ringfire, ringfire::Ringfire>("ringfire", Kind::Processes),
    entry::<ringfire::Batch, ringfire::Batch>("ringfire batch", Kind::Processes),
    entry::<ringfire::Mpmc, ringfire::Mpmc>("ringfire mpmc", Kind::Processes),
    entry::<cloudtoid::Cloudtoid, cloudtoid::Cloudtoid>("cloudtoid", Kind::Processes),
    entry::<cloudtoid::Batch, cloudtoid::Batch>("cloudtoid batch", Kind::Processes),
    entry::<ipmpsc::Ipmpsc, ipmpsc::Ipmpsc>("ipmpsc", Kind::Processes),
    entry::<ipc_channel::IpcChannel, ipc_channel::IpcChannel>("ipc-channel", Kind::Processes),
    entry::<boost::Boost, boost::Boost>("boost mq", Kind::Processes),
    entry::<rtrb::Rtrb<Inline>, rtrb::Rtrb<Boxed>>("rtrb", Kind::Threads),
    entry::<rtrb::Batch<Inline>, rtrb::Batch<Boxed>>("rtrb batch", Kind::Threads),
    entry::<crossbeam::Crossbeam<Inline>, crossbeam::Crossbeam<Boxed>>("crossbeam", Kind::Threads),
    entry::<crossfire::Mpmc<Inline>, crossfire::Mpmc<Boxed>>("crossfire", Kind::Threads),
    entry::<crossfire::Spsc<Inline>, crossfire::Spsc<Boxed>>("crossfire spsc", Kind::Threads),
    entry::<flume::Flume<Inline>, flume::Flume<Boxed>>("flume", Kind::Threads),
    entry::<flume::Batch<Inline>, flume::Batch<Boxed>>("flume batch", Kind::Threads),
    entry::<kanal::Kanal<Inline>, kanal::Kanal<Boxed>>("kanal", Kind::Threads),
    entry::<kanal::Batch<Inline>, kanal::Batch<Boxed>>("kanal batch", Kind::Threads),
    entry::<pipe::Pipe, pipe::Pipe>("pipe", Kind::System),
    entry::<socket::Socket, socket::Socket>("unix socket", Kind::System),
    entry::<mq::Mq, mq::Mq>("posix mq", Kind::System),
    of_tasks::<tasks::Fifo>("tokio FIFO", Kind::Limit),
    of_tasks::<tasks::Mi7>("mi7 tasks", Kind::Mi7),
    of_tasks::<tasks::Ringfire>("ringfire async", Kind::Processes),
    of_tasks::<tasks::IpcChannel>("ipc-channel stream", Kind::Processes),
    of_tasks::<tasks::Socket>("tokio unix socket", Kind::System),
    of_tasks::<tasks::Mpsc>("tokio mpsc", Kind::Threads),
];

pub fn find(name: &str) -> Outcome<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| format!("there is no contestant {name:?}").into())
}

/// `Small` up to 1 KiB, `Large` above.
const fn entry<Small: Contestant, Large: Contestant>(name: &'static str, kind: Kind) -> Entry {
    Entry { name, kind, refuses: refuses::<Small, Large>, near: near::<Small, Large>, far: far::<Small, Large> }
}

fn refuses<Small: Contestant, Large: Contestant>(work: Work, size: usize) -> Option<&'static str> {
    let refuses = |work| if size <= 1 << 10 { Small::refuses(work, size) } else { Large::refuses(work, size) };
    match work {
        work if work.is_of_tasks() => Some(""),
        // There to be compared with: who cannot do the one need not do the other.
        Work::Pair => refuses(Work::Pair).or(refuses(Work::Many)).map(|_| ""),
        work => refuses(work),
    }
}

/// Of tasks, which send messages of 64 bytes.
const fn of_tasks<C: Tasks>(name: &'static str, kind: Kind) -> Entry {
    let refuses = |work: Work, size| (!work.is_of_tasks() || size != 64).then_some("");
    Entry { name, kind, refuses, near: work::tasks::near::<C, 8>, far: work::tasks::far::<C, 8> }
}

fn near<Small: Contestant, Large: Contestant>(job: &Job) -> Outcome<Sample> {
    match job.size {
        8 => work::near::<Small, 1>(job),
        64 => work::near::<Small, 8>(job),
        1024 => work::near::<Small, 128>(job),
        65_536 => work::near::<Large, 8_192>(job),
        1_048_576 => work::near::<Large, 131_072>(job),
        size => Err(format!("no size {size}").into()),
    }
}

fn far<Small: Contestant, Large: Contestant>(job: &Job, line: Line) -> Outcome<()> {
    match job.size {
        8 => work::far::<Small, 1>(job, line),
        64 => work::far::<Small, 8>(job, line),
        1024 => work::far::<Small, 128>(job, line),
        65_536 => work::far::<Large, 8_192>(job, line),
        1_048_576 => work::far::<Large, 131_072>(job, line),
        size => Err(format!("no size {size}").into()),
    }
}
