//! A process that does one part of the protocol over and over, to be killed in the middle of it: `victim DIRECTORY PART`.
//!
//! It says on its standard output what it did, a line at a time and unbuffered: `sent N` after a send returned, `got N` when it
//! holds a message, `done N` after it let it go.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mi7::{Error, Received, Receiver, Result, Sender, SharedChannel};
use mi7_tests::faults::{CHANNEL, Numbered, OWN, VICTIM, numbered};

fn main() -> Result<()> {
    // Its judge may be killed, and then nobody ends what it waits for.
    mi7_tests::end_after(Duration::from_secs(60));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, part] = &arguments[..] else { panic!("victim DIRECTORY PART") };
    let options = SharedChannel::<Numbered>::options().directory(directory);
    if part == "create" {
        let (tx, rx) = options.capacity(2).max_deliveries(2).create(OWN)?.split();
        // Alone at both ends, until others come.
        for number in VICTIM..VICTIM + 8 {
            tx.send(&numbered(number))?;
            drop(rx.recv()?);
        }
        tx.clone().send(&numbered(VICTIM + 8))?;
        drop(rx.clone().recv()?);
        return Ok(());
    }
    let channel = options.open(CHANNEL)?;
    let (tx, rx) = channel.split();
    match part.as_str() {
        // Dies holding what it has, without any fault point: work for others' recovery.
        "hold a loan" => {
            let _loan = tx.try_loan();
            die()
        }
        "hold a lease" => {
            let _lease = rx.recv_timeout(Duration::from_secs(2));
            die()
        }
        // Alone at its end, and so holding that end's bias.
        "hold a bias" => {
            for _ in 0..12 {
                rx.recv_timeout(Duration::from_secs(2))?.requeue();
            }
            die()
        }
        // The same, as a task that waits.
        "hold a place" => {
            let _leases: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
            let runtime = runtime();
            polled_and_kept(&runtime, &rx);
            die()
        }
        "receive in tasks" => runtime().block_on(async {
            for _ in 0..20 {
                match rx.recv_timeout_async(Duration::from_millis(20)).await {
                    Ok(message) => done_with(message),
                    Err(Error::Timeout | Error::Closed) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }),
        "send in tasks" => runtime().block_on(async {
            for number in VICTIM..VICTIM + 12 {
                tx.send_async(&numbered(number)).await?;
                say("sent", number);
            }
            Ok(())
        }),
        // Whoever sends rings for a task, which is of this process too.
        "wake tasks" => {
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    runtime().block_on(async {
                        while !stop.load(Ordering::Relaxed) {
                            if let Ok(message) = rx.recv_timeout_async(Duration::from_millis(20)).await {
                                done_with(message);
                            }
                        }
                    });
                });
                let sent = (VICTIM..VICTIM + 12).try_for_each(|number| {
                    std::thread::sleep(Duration::from_millis(1));
                    tx.send_timeout(&numbered(number), Duration::from_secs(2))?;
                    say("sent", number);
                    Ok(())
                });
                stop.store(true, Ordering::Relaxed);
                sent
            })
        }
        "send" => send(&tx),
        "receive" => receive(&rx),
        "send many" => {
            for first in (VICTIM..VICTIM + 24).step_by(3) {
                tx.send_many((first..first + 3).map(numbered))?;
                (first..first + 3).for_each(|number| say("sent", number));
            }
            let mut loans = tx.loan_many(3)?;
            loans[0].write(&numbered(VICTIM + 24))?;
            loans.send()?;
            say("sent", VICTIM + 24);
            Ok(())
        }
        "receive many" => {
            for _ in 0..8 {
                // Until there are some.
                std::thread::sleep(Duration::from_millis(4));
                for message in rx.recv_many(3)? {
                    let number = message[0].to_native();
                    say("got", number);
                    drop(message);
                    say("done", number);
                }
            }
            Ok(())
        }
        // For as long as a message that cannot be moved is left alone, and somewhat longer.
        "bury" | "bury in vain" => (0..4).try_for_each(|_| {
            receive_some(&rx, 12)?;
            std::thread::sleep(Duration::from_millis(35));
            Ok(())
        }),
        "give up" => {
            for _ in 0..10 {
                drop(tx.try_loan());
                receive_some(&rx, 3)?;
            }
            send(&tx)
        }
        "put back" => {
            for _ in 0..4 {
                if let Ok(message) = rx.recv_timeout(Duration::from_millis(20)) {
                    message.requeue();
                }
            }
            receive(&rx)
        }
        // Leases are held while the ring goes round: senders pass them over, and receivers what was passed over.
        "keep leases" => {
            let mut next = VICTIM + 1000;
            for _ in 0..20 {
                let kept = rx.recv_timeout(Duration::from_millis(5));
                if let Ok(kept) = &kept {
                    say("got", kept[0].to_native());
                }
                for _ in 0..8 {
                    next += 1;
                    if let Ok(()) = tx.try_send(&numbered(next)) {
                        say("sent", next);
                    }
                    if channel.capacity() > 1 {
                        receive_some(&rx, 1)?;
                    }
                }
                if let Ok(kept) = kept {
                    let number = kept[0].to_native();
                    drop(kept);
                    say("done", number);
                }
            }
            Ok(())
        }
        "close" => {
            channel.close();
            Ok(())
        }
        _ => panic!("no part {part}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Leaves a task in the runtime that waits, and will never be polled again.
fn polled_and_kept(runtime: &tokio::runtime::Runtime, rx: &Receiver<Numbered>) {
    let rx = rx.clone();
    runtime.spawn(async move { _ = rx.recv_async().await });
    runtime.block_on(tokio::task::yield_now());
}

fn done_with(message: Received<'_, Numbered>) {
    let number = message[0].to_native();
    say("got", number);
    drop(message);
    say("done", number);
}

fn send(tx: &Sender<Numbered>) -> Result<()> {
    for number in VICTIM..VICTIM + 12 {
        tx.send_timeout(&numbered(number), Duration::from_secs(2))?;
        say("sent", number);
    }
    Ok(())
}

fn receive(rx: &Receiver<Numbered>) -> Result<()> {
    receive_some(rx, 12)?;
    // Parks once.
    match rx.recv_timeout(Duration::from_millis(120)) {
        Ok(message) => message.requeue(),
        Err(Error::Timeout) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn receive_some(rx: &Receiver<Numbered>, most: usize) -> Result<()> {
    for _ in 0..most {
        match rx.recv_timeout(Duration::from_millis(2)) {
            Ok(message) => done_with(message),
            Err(Error::Timeout | Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    // The parent reads to the end; if it is gone, nobody is interested.
    let _ = out.write_all(format!("{what} {number}\n").as_bytes());
    let _ = out.flush();
}

fn die() -> ! {
    // Long enough for others to attach beside it, and for the last search for the dead to be over.
    std::thread::sleep(Duration::from_millis(80));
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}
