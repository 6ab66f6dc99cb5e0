//! System calls a message, counted by strace: of a short session and a long one, so that what a session costs by itself drops out.

use std::fs;
use std::time::Duration;

use crate::cli::Options;
use crate::contestant::{Outcome, Work};
use crate::contestants::{ALL, Entry, Kind};
use crate::job::Job;
use crate::run::{Runner, near};

const MILLIS: [u64; 2] = [20, 300];

pub fn count(options: &Options, runner: &mut Runner) -> Outcome<()> {
    println!("| messages of 64 bytes | | messages more | system calls more | a message | which |");
    println!("|---|---|---:|---:|---:|---|");
    for entry in ALL.iter().filter(|entry| entry.kind != Kind::Limit && options.wants(entry.name)) {
        for work in [Work::Latency, Work::Throughput] {
            if (entry.refuses)(work, 64).is_some() {
                continue;
            }
            match compare(entry, work, runner) {
                Ok((messages, calls, which)) => println!(
                    "| {} | {} | {messages:.0} | {calls} | {:.5} | {which} |",
                    entry.name,
                    if work == Work::Latency { "there and back" } else { "one way" },
                    calls as f64 / messages
                ),
                Err(error) => println!("| {} | {work:?} | | | | {error} |", entry.name),
            }
        }
    }
    Ok(())
}

/// By how many the messages and the calls of the long session exceed the short one's, and of which calls there are more.
fn compare(entry: &Entry, work: Work, runner: &mut Runner) -> Outcome<(f64, i64, String)> {
    let mut messages = [0.0; 2];
    let mut calls: [Vec<(String, i64)>; 2] = Default::default();
    for (index, millis) in MILLIS.into_iter().enumerate() {
        let (directory, name) = runner.place()?;
        let counts = directory.join("strace");
        let job = Job {
            contestant: entry.name.into(),
            work,
            size: 64,
            directory: directory.clone(),
            name,
            cpus: runner.cpus,
            millis,
            nanos_per_tick: runner.nanos_per_tick,
            part: 0,
        };
        let strace = ["strace", "-f", "-c", "-o", counts.to_str().ok_or("no UTF-8")?];
        let sample = near(&strace, &job, Duration::from_secs(60));
        let text = fs::read_to_string(&counts);
        let _ = fs::remove_dir_all(directory);
        let sample = sample?;
        messages[index] = match work {
            // A trip is two messages.
            Work::Latency => 2.0 * sample.get("trips").ok_or("no trips")?,
            _ => *sample.get("messages").ok_or("no messages")?,
        };
        calls[index] = parse(&text?);
    }
    let [short, long] = calls;
    let of = |calls: &[(String, i64)], name: &str| calls.iter().find(|call| call.0 == name).map_or(0, |call| call.1);
    let mut more: Vec<(String, i64)> =
        long.iter().map(|(name, count)| (name.clone(), count - of(&short, name))).filter(|call| call.1 != 0).collect();
    more.sort_by_key(|call| -call.1);
    let total = more.iter().map(|call| call.1).sum();
    let which: Vec<String> = more.iter().take(3).map(|(name, count)| format!("{name} {count}")).collect();
    Ok((messages[1] - messages[0], total, which.join(", ")))
}

/// Names and counts of strace's summary: share, seconds, microseconds a call, calls, perhaps errors, name.
fn parse(text: &str) -> Vec<(String, i64)> {
    text.lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let count = columns.get(3)?.parse().ok()?;
            let name = columns.last()?;
            (*name != "total").then(|| (name.to_string(), count))
        })
        .collect()
}
