//! A worker is killed in the middle of its job, and another one gets the job.
//!
//! A received message is a lease: it is done with when it is dropped. The kernel tells when a process is dead, so no time has
//! to be given after which a worker is given up.

use std::error::Error;
use std::process::Child;
use std::thread;
use std::time::Duration;

use mi7::{Receiver, SharedChannel};
use mi7_examples::{Scratch, again, arguments};

/// What a worker says when it has taken a job.
#[mi7::message]
#[derive(Debug)]
struct Taken {
    job: u64,
    worker: u32,
    deliveries: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let [jobs, taken] = &arguments()?[..] {
        return work(jobs, taken);
    }
    let names = [Scratch::new("worker-pool-jobs"), Scratch::new("worker-pool-taken")];
    let jobs = SharedChannel::<u64>::create(&names[0])?;
    let taken: Receiver<Taken> = mi7::receiver(&names[1])?;
    let hire = || -> Result<Child, Box<dyn Error>> { Ok(again([&*names[0], &*names[1]])?.spawn()?) };
    let hear = || -> Result<Taken, mi7::Error> {
        let taken = taken.recv_timeout(Duration::from_secs(10))?.to_owned();
        println!("worker {} has job {}, delivery {}", taken.worker, taken.job, taken.deliveries);
        Ok(taken)
    };

    for job in 1..=3 {
        jobs.sender().send(&job)?;
    }
    let mut first = hire()?;
    let before = hear()?;
    assert_eq!((before.job, before.worker, before.deliveries), (1, first.id(), 1));
    assert_eq!(jobs.status().leased, 1);
    first.kill()?; // SIGKILL: it has no chance to give the job back
    first.wait()?;
    println!("worker {} is dead", first.id());

    let mut second = hire()?;
    for (job, deliveries) in [(1, 2), (2, 1), (3, 1)] {
        let after = hear()?;
        assert_eq!((after.job, after.worker, after.deliveries), (job, second.id(), deliveries));
    }
    jobs.close();
    assert!(second.wait()?.success());
    assert_eq!(jobs.status().received, 3);
    Ok(())
}

/// A worker. The first job takes it a minute, unless somebody died of it before.
fn work(jobs: &str, taken: &str) -> Result<(), Box<dyn Error>> {
    let (jobs, taken) = (mi7::receiver::<u64>(jobs)?, mi7::sender(taken)?);
    for job in &jobs {
        let (number, deliveries) = (job.to_native(), job.deliveries());
        taken.send(&Taken { job: number, worker: std::process::id(), deliveries })?;
        if deliveries == 1 && number == 1 {
            thread::sleep(Duration::from_secs(60));
        }
        // Here `job` is dropped, and only now it is done.
    }
    Ok(())
}
