//! mi7 beside its rivals. See README.md.

mod cli;
mod contestant;
mod contestants;
mod job;
mod machine;
mod payload;
mod report;
mod run;
mod syscalls;
mod targets;
mod work;

use std::fs;

use clap::Parser;
use rustix::thread::{CpuSet, sched_getaffinity};

use contestant::Outcome;
use job::Job;
use run::{Record, Runner};

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["near", job] => near(serde_json::from_str(job)?),
        ["far", job] => far(serde_json::from_str(job)?),
        _ => compare(&cli::Options::parse()),
    }
}

fn near(job: Job) -> Outcome<()> {
    let entry = contestants::find(&job.contestant)?;
    let sample = job::with_stack(move || (entry.near)(&job).map_err(|error| error.to_string()))?;
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}

fn far(job: Job) -> Outcome<()> {
    let entry = contestants::find(&job.contestant)?;
    job::with_stack(move || (entry.far)(&job, job::stdio()).map_err(|error| error.to_string()))
}

fn compare(options: &cli::Options) -> Outcome<()> {
    let record = match &options.from {
        Some(path) => serde_json::from_str(&fs::read_to_string(path)?)?,
        None => {
            let usable = sched_getaffinity(None)?;
            let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| usable.is_set(*cpu));
            let (Some(here), Some(other)) = (usable.next(), usable.next()) else {
                return Err("two processors are needed, and this process may use only one".into());
            };
            measure(options, (here, other))?
        }
    };
    if options.syscalls {
        return Ok(());
    }
    print!("{}", report::table::tables(&record));
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&record)?)?;
    }
    if let Some(path) = &options.svg {
        report::plot::plot(&record, path)?;
    }
    Ok(())
}

fn measure(options: &cli::Options, cpus: (usize, usize)) -> Outcome<Record> {
    let nanos_per_tick = job::calibrate();
    let mut runner = Runner::new(cpus, nanos_per_tick);
    if options.syscalls {
        syscalls::count(options, &mut runner)?;
        return Ok(Record::default());
    }
    let mut record = Record { machine: machine::describe(cpus), ..Record::default() };
    // In a thread of its own, which it pins.
    let clock = std::thread::spawn(move || machine::clock(cpus, nanos_per_tick).map_err(|error| error.to_string()));
    let (least, most) = clock.join().map_err(|_| "the clocks cannot be compared")??;
    let apart = format!("between {least:.0} and {most:.0} ns");
    record.machine.push(("stamps of the two processors apart by".into(), apart));
    let begun = std::time::Instant::now();
    if !options.targets {
        runner.run(options, &mut record)?;
    }
    if options.measures_targets() {
        targets::measure(options, &mut runner, &mut record)?;
    }
    record.machine.push(("took".into(), format!("{:.0} s", begun.elapsed().as_secs_f64())));
    Ok(record)
}
