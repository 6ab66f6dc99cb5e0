//! What it ran on, and with which versions.

use std::fs;
use std::process::Command;

use crate::contestant::Outcome;
use crate::job;

/// The versions that were built, from the lock file.
pub fn versions() -> Vec<(String, String)> {
    const RIVALS: [&str; 11] = [
        "mi7",
        "iceoryx2",
        "ringfire",
        "cloudtoid-interprocess",
        "ipmpsc",
        "ipc-channel",
        "rtrb",
        "crossbeam-channel",
        "crossfire",
        "flume",
        "kanal",
    ];
    let mut versions = Vec::new();
    let mut lines = include_str!("../Cargo.lock").lines();
    while let Some(line) = lines.next() {
        let quoted = |line: &str| line.split('"').nth(1).map(str::to_string);
        if line.starts_with("name = ")
            && let Some(name) = quoted(line)
            && RIVALS.contains(&name.as_str())
            && let Some(version) = lines.next().and_then(quoted)
        {
            versions.push((name, version));
        }
    }
    versions
}

pub fn describe(cpus: (usize, usize)) -> Vec<(String, String)> {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_string();
        line.split_once(':').map_or(line.clone(), |(_, value)| value.trim().to_string())
    };
    let count = std::thread::available_parallelism().map_or(0, |count| count.get());
    let rustc = Command::new("rustc").arg("--version").output();
    let mut facts = vec![
        ("processor".to_string(), format!("{}, {count} usable", first("/proc/cpuinfo", "model name"))),
        ("pinned to".into(), format!("{} and {}", cpus.0, cpus.1)),
        ("kernel".into(), first("/proc/sys/kernel/osrelease", "")),
        ("clock source".into(), first("/sys/devices/system/clocksource/clocksource0/current_clocksource", "")),
        ("rustc".into(), rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().into()).unwrap_or_default()),
        ("Boost".into(), if cfg!(boost) { first_define() } else { "not installed".into() }),
    ];
    for (name, version) in versions() {
        facts.push((name, version));
    }
    facts
}

fn first_define() -> String {
    let text = fs::read_to_string("/usr/include/boost/version.hpp").unwrap_or_default();
    let line = text.lines().find(|line| line.contains("define BOOST_LIB_VERSION")).unwrap_or_default();
    line.split('"').nth(1).unwrap_or("installed").replace('_', ".")
}

/// How far the two processors' stamps are apart, in nanoseconds: at least and at most. Each asks the other for its stamp, many
/// times; it was taken between the question and the answer.
pub fn clock(cpus: (usize, usize), nanos_per_tick: f64) -> Outcome<(f64, f64)> {
    use std::sync::atomic::{AtomicU64, Ordering};
    const TRIPS: u64 = 20_000;
    let (question, answer) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut least, mut most) = (f64::MIN, f64::MAX);
    std::thread::scope(|scope| -> Outcome<()> {
        scope.spawn(|| {
            let _ = job::pin(cpus.1);
            let mut last = 0;
            for _ in 0..TRIPS {
                while question.load(Ordering::Acquire) == last {
                    std::hint::spin_loop();
                }
                last = question.load(Ordering::Acquire);
                answer.store(job::fenced_stamp(), Ordering::Release);
            }
        });
        job::pin(cpus.0)?;
        let mut last = 0;
        for trip in 1..=TRIPS {
            let before = job::fenced_stamp();
            question.store(trip, Ordering::Release);
            let there = loop {
                let stamp = answer.load(Ordering::Acquire);
                if stamp != last {
                    break stamp;
                }
                std::hint::spin_loop();
            };
            let after = job::fenced_stamp();
            last = there;
            least = least.max((there as f64 - after as f64) * nanos_per_tick);
            most = most.min((there as f64 - before as f64) * nanos_per_tick);
        }
        Ok(())
    })?;
    Ok((least, most))
}
