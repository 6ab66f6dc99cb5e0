//! A process in which tasks wait, for tests of what several such processes do with one channel: `tasks DIRECTORY PART [NUMBER]`.
//!
//! It says `ready` when it has begun, and what came of it at its end; its standard input is closed by whoever wants it to end.
//!
//! | part | |
//! |---|---|
//! | `share N` | N tasks receive until the channel is closed, and give up after 0 to 2 ms again and again. What they received is in the file `shared-PID`. `share-on-one N`: in a current-thread runtime |
//! | `one` | one task receives, until the channel is closed, and says each number |
//! | `thread` | the same by a thread |
//! | `wait` | two tasks receive, for as long as its standard input is open, and say each number |
//! | `fork` | the same, and a forked child goes on for a while after its parent is dead; `exec`: and executes another program |

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mi7::{Error, Receiver, SharedChannel};
use tokio::runtime::{Builder, Runtime};

/// Messages that are received, wherever they are.
static RECEIVED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static CANCELLED: AtomicU64 = AtomicU64::new(0);

fn main() {
    mi7_tests::end_after(Duration::from_secs(600));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (directory, part) = (&arguments[0], &*arguments[1]);
    let number = arguments.get(2).map_or(1, |number| number.parse().expect("a number"));
    let channel = SharedChannel::<u64>::options().directory(directory).open("numbers").expect("the channel");
    let (current, multi) = (Builder::new_current_thread, Builder::new_multi_thread);
    let runtime = |mut builder: Builder| builder.worker_threads(2).enable_all().build().expect("a runtime");
    match part {
        "share" | "share-on-one" => {
            share(&runtime(if part == "share" { multi() } else { current() }), &channel, number);
            let bytes: Vec<u8> = RECEIVED.lock().unwrap().iter().flat_map(|number| number.to_le_bytes()).collect();
            std::fs::write(format!("{directory}/shared-{}", std::process::id()), bytes).expect("a file");
            say(&format!("cancelled {}", CANCELLED.load(Ordering::Relaxed)));
        }
        "one" => runtime(current()).block_on(async {
            let rx = channel.receiver();
            say("ready");
            while let Ok(number) = rx.recv_async().await {
                say(&number.to_native().to_string());
            }
        }),
        "thread" => {
            let rx = channel.receiver();
            say("ready");
            rx.iter().for_each(|number| say(&number.to_native().to_string()));
        }
        "wait" | "fork" | "exec" => wait(&runtime(current()), &channel, part),
        other => panic!("no such part: {other}"),
    }
}

fn say(what: &str) {
    // Whoever is not interested is gone.
    let _ = writeln!(std::io::stdout().lock(), "{what}");
}

fn share(runtime: &Runtime, channel: &SharedChannel<u64>, tasks: usize) {
    let tasks: Vec<_> = (0..tasks as u64)
        .map(|seed| {
            let rx = channel.receiver();
            runtime
                .spawn(async move { receive_impatiently(&rx, seed + 1 + u64::from(std::process::id()) * 1000).await })
        })
        .collect();
    say("ready");
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("a task that does not panic").expect("a channel that is closed in the end");
        }
    });
}

async fn receive_impatiently(rx: &Receiver<u64>, mut seed: u64) -> mi7::Result<()> {
    loop {
        // Marsaglia's xorshift64.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let patience = Duration::from_micros(seed % 2000);
        // The timeout by its own means, and by those of tokio.
        let result = if seed & 1 << 20 == 0 {
            rx.recv_timeout_async(patience).await
        } else {
            tokio::select! {
                result = rx.recv_async() => result,
                () = tokio::time::sleep(patience) => Err(Error::Timeout),
            }
        };
        match result {
            Ok(number) => RECEIVED.lock().unwrap().push(number.to_native() as u32),
            Err(Error::Timeout) => _ = CANCELLED.fetch_add(1, Ordering::Relaxed),
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn wait(runtime: &Runtime, channel: &SharedChannel<u64>, part: &str) {
    for _ in 0..2 {
        let rx = channel.receiver();
        runtime.spawn(async move {
            while let Ok(number) = rx.recv_async().await {
                say(&number.to_native().to_string());
            }
        });
    }
    // Both wait now.
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    if part == "fork" || part == "exec" {
        // SAFETY: this thread is the only one but for the watchdog; the child does nothing that needs another.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            if part == "exec" {
                let error = std::os::unix::process::CommandExt::exec(std::process::Command::new("sleep").arg("3"));
                panic!("{error}");
            }
            std::thread::sleep(Duration::from_millis(200));
            // With all its destructors: what it has is its parent's.
            return;
        }
        say(&format!("child {pid}"));
    }
    say("ready");
    let mut end = String::new();
    let input = std::thread::spawn(move || std::io::stdin().read_to_string(&mut end));
    runtime.block_on(async {
        while !input.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
