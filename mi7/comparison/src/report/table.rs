//! The tables, in Markdown.

use std::fmt::Write;

use super::{hello, kind, median};
use crate::contestant::Work;
use crate::contestants::{ALL, Kind};
use crate::run::Record;
use crate::targets::{Bound, TARGETS};

/// Between processes.
const PROCESSES: &[Kind] = &[Kind::Processes, Kind::System];
/// Between threads.
const THREADS: &[Kind] = &[Kind::Threads];

pub fn tables(record: &Record) -> String {
    let mut text = String::new();
    machine(&mut text, record);
    summary(&mut text, record);
    by_size(&mut text, record, Work::Latency, "One way of a message: half a round trip, median");
    tails(&mut text, record);
    by_size(&mut text, record, Work::Loan, "One way of a message filled beforehand, of which one cache line is read");
    by_size(&mut text, record, Work::Throughput, "One sender to one receiver, messages a second");
    by_size(&mut text, record, Work::Many, "Four senders to four receivers on two processors, messages a second");
    by_size(&mut text, record, Work::Pair, "One to one by the same program, messages a second");
    best(&mut text, record);
    wake(&mut text, record, Work::Wake, "Waking a receiver that has long been asleep: from the send to its return");
    wake(&mut text, record, Work::Pingpong, "Half a round trip between two that fall asleep each time");
    idle(&mut text, record, Work::Idle, "A receiver that waits in vain");
    attach(&mut text, record);
    wake(&mut text, record, Work::TaskTrip, "Half a round trip between two tasks, each in a tokio runtime of its own");
    wake(
        &mut text,
        record,
        Work::TaskWake,
        "Waking a task whose tokio runtime has long been asleep: from the send to its return",
    );
    idle(&mut text, record, Work::TaskIdle, "A hundred tasks that wait in vain, each on a channel of its own");
    targets(&mut text, record);
    lines(&mut text);
    text
}

macro_rules! line {
    ($to:expr) => { line!($to, "") };
    ($to:expr, $($what:tt)*) => {
        // Writing to a string cannot fail.
        let _ = writeln!($to, $($what)*);
    };
}

fn machine(text: &mut String, record: &Record) {
    line!(text, "### The machine\n");
    line!(text, "| | |\n|---|---|");
    for (name, value) in &record.machine {
        line!(text, "| {name} | {value} |");
    }
    line!(text, "| sessions repeated, because others had the processor | {} |", record.repeated);
}

/// What the README shows: who comes between processes, and the limits.
fn summary(text: &mut String, record: &Record) {
    const COLUMNS: [(&str, Work, usize, &str); 6] = [
        ("64 B one way", Work::Latency, 64, "p50"),
        ("its p99.9", Work::Latency, 64, "p999"),
        ("1 MiB one way", Work::Latency, 1 << 20, "p50"),
        ("64 B, 1 to 1", Work::Throughput, 64, "rate"),
        ("64 B, 4 to 4", Work::Many, 64, "rate"),
        ("asleep, one way", Work::Pingpong, 64, "p50"),
    ];
    if COLUMNS.iter().any(|column| !record.sizes(column.1).contains(&column.2)) {
        return;
    }
    line!(text, "\n### In short\n");
    line!(text, "| | {} |", COLUMNS.map(|column| column.0).join(" | "));
    line!(text, "|---|{}", "---:|".repeat(COLUMNS.len()));
    for entry in ALL.iter().filter(|entry| entry.kind != Kind::Threads) {
        let cells = COLUMNS.map(|(_, work, size, name)| match record.median(entry.name, work, size, name) {
            Some(figure) if work.is_rate() => format!("{}/s", rate(figure)),
            Some(figure) => nanos(figure),
            None => String::new(),
        });
        if cells.iter().filter(|cell| !cell.is_empty()).count() > 1 {
            line!(text, "| {} | {} |", title_of(entry.name), cells.join(" | "));
        }
    }
}

/// Contestants that have something to say about a work, refusals included.
fn rows(record: &Record, work: Work) -> Vec<&'static str> {
    let measured = record.contestants(work);
    let refused = |name: &str| record.refusals.iter().any(|refusal| refusal.work == work && refusal.contestant == name);
    ALL.iter().map(|entry| entry.name).filter(|name| measured.contains(name) || refused(name)).collect()
}

fn refusal<'a>(record: &'a Record, name: &str, work: Work, size: usize) -> &'a str {
    let refusals = &record.refusals;
    let found = refusals.iter().find(|one| one.contestant == name && one.work == work && one.size == size);
    found.map_or("", |refusal| if refusal.failed { "**fails**" } else { refusal.why.as_str() })
}

fn by_size(text: &mut String, record: &Record, work: Work, title: &str) {
    let sizes = record.sizes(work);
    if sizes.is_empty() {
        return;
    }
    line!(text, "\n### {title}\n");
    let limit = record.contestants(work).iter().any(|name| kind(name) == Kind::Limit);
    if limit {
        line!(text, "In brackets, the ratio to the limit measured just before.\n");
    }
    let heads: Vec<String> = sizes.iter().map(|size| bytes(*size)).collect();
    line!(text, "| | {} |", heads.join(" | "));
    line!(text, "|---|{}", "---:|".repeat(sizes.len()));
    for name in rows(record, work) {
        let cells = sizes.iter().map(|size| match record.figure(name, work, *size) {
            Some(figure) => match record.to_limit(name, work, *size) {
                Some(ratio) if kind(name) != Kind::Limit => format!("{} ({})", show(work, figure), ratio_of(ratio)),
                _ => show(work, figure),
            },
            None => refusal(record, name, work, *size).to_string(),
        });
        line!(text, "| {} | {} |", title_of(name), cells.collect::<Vec<_>>().join(" | "));
    }
}

fn tails(text: &mut String, record: &Record) {
    for size in record.sizes(Work::Latency) {
        line!(text, "\n### Latency of {}: the tails\n", bytes(size));
        line!(text, "Medians of the rounds; the maximum is that of all rounds.\n");
        line!(text, "| | median | from | to | p99 | p99.9 | max |");
        line!(text, "|---|---:|---:|---:|---:|---:|---:|");
        for name in record.contestants(Work::Latency) {
            let of = |figure| record.values(name, Work::Latency, size, figure);
            let Some(middle) = median(of("p50")) else { continue };
            let least = of("p50").into_iter().fold(f64::MAX, f64::min);
            let most = of("p50").into_iter().fold(0.0, f64::max);
            let cells = [
                middle,
                least,
                most,
                median(of("p99")).unwrap_or(f64::NAN),
                median(of("p999")).unwrap_or(f64::NAN),
                of("max").into_iter().fold(0.0, f64::max),
            ];
            line!(text, "| {} | {} |", title_of(name), cells.map(nanos).join(" | "));
        }
    }
}

/// mi7's modes beside the best rivals.
fn best(text: &mut String, record: &Record) {
    let works = [Work::Latency, Work::Throughput, Work::Many];
    if works.iter().all(|work| record.best(*work, 64, PROCESSES).is_none()) {
        return;
    }
    line!(text, "\n### mi7 to the best rival\n");
    line!(text, "Medians of the rounds' ratios: of latencies, where less is better, and of rates, where more is.\n");
    line!(text, "| | | between processes | | within a process | |");
    line!(text, "|---|---|---|---:|---|---:|");
    for work in works {
        for size in record.sizes(work) {
            let rivals = [PROCESSES, THREADS].map(|kinds| record.best(work, size, kinds));
            for name in record.contestants(work).into_iter().filter(|name| kind(name) == Kind::Mi7) {
                let cells = rivals.map(|rival| {
                    let ratio = rival.and_then(|rival| record.to((name, work, size), (rival, work, size)));
                    format!("{} | {}", rival.unwrap_or("–"), ratio.map_or("–".into(), ratio_of))
                });
                line!(text, "| {} {} | {} | {} |", word(work), bytes(size), title_of(name), cells.join(" | "));
            }
        }
    }
}

fn wake(text: &mut String, record: &Record, work: Work, title: &str) {
    let rows = rows(record, work);
    if record.contestants(work).is_empty() {
        return;
    }
    line!(text, "\n### {title}\n");
    let limit = if work.is_of_tasks() { "FIFO through tokio" } else { "bare futex" };
    line!(text, "| | median | from | to | p99 | to the {limit} | asleep |");
    line!(text, "|---|---:|---:|---:|---:|---:|---:|");
    for name in rows {
        let of = |figure| record.values(name, work, 64, figure);
        let Some(middle) = median(of("p50")) else {
            line!(text, "| {} | {} | | | | | |", title_of(name), refusal(record, name, work, 64));
            continue;
        };
        let least = of("p50").into_iter().fold(f64::MAX, f64::min);
        let most = of("p50").into_iter().fold(0.0, f64::max);
        let p99 = median(of("p99")).unwrap_or(f64::NAN);
        let ratio = record.to_limit(name, work, 64).map_or("".into(), ratio_of);
        let asleep = median(of("asleep")).unwrap_or(0.0).min(1.0) * 100.0;
        let cells = [middle, least, most, p99].map(nanos).join(" | ");
        line!(text, "| {} | {cells} | {ratio} | {asleep:.0} % |", title_of(name));
    }
}

fn idle(text: &mut String, record: &Record, work: Work, title: &str) {
    if record.contestants(work).is_empty() {
        return;
    }
    line!(text, "\n### {title}\n");
    line!(text, "| | of a processor | wakes a second |");
    line!(text, "|---|---:|---:|");
    for name in rows(record, work) {
        match (record.figure(name, work, 64), record.median(name, work, 64, "wakes")) {
            (Some(busy), Some(wakes)) => {
                line!(text, "| {} | {:.3} % | {wakes:.0} |", title_of(name), busy * 100.0);
            }
            _ => {
                line!(text, "| {} | {} | |", title_of(name), refusal(record, name, work, 64));
            }
        }
    }
}

fn attach(text: &mut String, record: &Record) {
    if record.contestants(Work::Attach).is_empty() {
        return;
    }
    line!(text, "\n### Opening the receiving end of an existing channel of 64-byte messages\n");
    line!(text, "| | |\n|---|---:|");
    for name in rows(record, Work::Attach) {
        match record.figure(name, Work::Attach, 64) {
            Some(figure) => {
                line!(text, "| {} | {} |", title_of(name), nanos(figure));
            }
            None => {
                line!(text, "| {} | {} |", title_of(name), refusal(record, name, Work::Attach, 64));
            }
        }
    }
}

/// What mi7 is to be judged by.
fn targets(text: &mut String, record: &Record) {
    if record.judged.is_empty() {
        return;
    }
    line!(text, "\n### What mi7 is to be judged by\n");
    line!(text, "Medians of the ratios of two runs, one right after the other, in turns.\n");
    line!(text, "| | | to | figures | ratio | asked for | |\n|---|---|---|---|---:|---:|---|");
    for judged in &record.judged {
        let Some(target) = TARGETS.get(judged.target) else { continue };
        let other = target.other.map_or("", |other| other.0);
        let (is_share, work) = (target.other.is_none(), target.one.1);
        let shown = |value: f64| if is_share { format!("{:.3} %", value * 100.0) } else { ratio_of(value) };
        let figures = match judged.figures() {
            (Some(one), Some(other)) => format!("{}, {}", show(work, one), show(work, other)),
            _ => String::new(),
        };
        let value = judged.value();
        let met = match (target.bound, value) {
            (Bound::Nothing, _) => "",
            (bound, Some(value)) if bound.is_met(value) => "yes",
            (_, Some(_)) => "**no**",
            (_, None) => "not measured",
        };
        let asked = match target.bound {
            Bound::AtMost(most) => format!("≤ {}", shown(most)),
            Bound::AtLeast(least) => format!("≥ {}", shown(least)),
            Bound::Nothing => String::new(),
        };
        let value = value.map_or(String::new(), shown);
        line!(text, "| {} | {} | {other} | {figures} | {value} | {asked} | {met} |", target.what, target.one.0);
    }
}

fn lines(text: &mut String) {
    line!(text, "\n### Lines of code of a hello world\n");
    line!(text, "| | |\n|---|---:|");
    for (name, lines) in hello::lines() {
        line!(text, "| {name} | {lines} |");
    }
}

fn title_of(name: &str) -> String {
    match kind(name) {
        Kind::Limit => format!("*{name}*"),
        Kind::Mi7 => format!("**{name}**"),
        Kind::Threads => format!("{name} (threads)"),
        Kind::Processes | Kind::System => name.to_string(),
    }
}

fn word(work: Work) -> &'static str {
    match work {
        Work::Latency => "one way",
        Work::Throughput => "1:1",
        Work::Many => "4:4",
        Work::Pair => "1:1",
        _ => "",
    }
}

pub fn bytes(size: usize) -> String {
    match size {
        1_048_576.. => format!("{} MiB", size >> 20),
        1024.. => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

fn show(work: Work, figure: f64) -> String {
    if work.is_rate() { rate(figure) } else { nanos(figure) }
}

fn nanos(figure: f64) -> String {
    match figure {
        1e6.. => format!("{:.1} ms", figure / 1e6),
        1e4.. => format!("{:.1} µs", figure / 1e3),
        _ => format!("{figure:.0} ns"),
    }
}

fn rate(figure: f64) -> String {
    match figure {
        1e8.. => format!("{:.0} M", figure / 1e6),
        1e6.. => format!("{:.1} M", figure / 1e6),
        1e5.. => format!("{:.0} k", figure / 1e3),
        1e3.. => format!("{:.1} k", figure / 1e3),
        _ => format!("{figure:.0}"),
    }
}

fn ratio_of(ratio: f64) -> String {
    match ratio {
        10.0.. => format!("{ratio:.0}×"),
        1.0.. => format!("{ratio:.2}×"),
        _ => format!("{ratio:.2}×"),
    }
}
