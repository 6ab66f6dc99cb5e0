//! Tasks that wait: in one process, under several runtimes.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use mi7::{CrossProcessQueue, Error, Message, Receiver, Sender, SharedChannel};
use mi7_tests::{Stage, block_on};
use tokio::runtime::{Builder, Runtime};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
/// Longer than anything takes that works, shorter than the watchdog.
const LONG: Duration = Duration::from_secs(20);
/// Before the next tick: whoever comes away with something by then was woken for it.
const PROMPT: Duration = Duration::from_millis(60);

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

/// Both kinds, each with its name.
fn runtimes() -> [(&'static str, Runtime); 2] {
    [("current-thread", current()), ("multi-thread", multi(3))]
}

fn numbers(stage: &Stage, capacity: usize) -> SharedChannel<u64> {
    stage.options().capacity(capacity).create("numbers").unwrap()
}

/// The doorbells that lie on the stage.
fn bells(stage: &Stage) -> Vec<String> {
    let names = stage.path().read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("bell")).collect()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Lets everybody who is on the way to sleep get there.
fn settle() {
    thread::sleep(Duration::from_millis(20));
}

/// A waker that counts.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_is_woken_by_a_thread_and_a_thread_by_a_task() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let there = numbers(&stage, 4);
        let back: SharedChannel<u64> = stage.options().capacity(4).create("back").unwrap();
        let (tx, rx) = (there.sender(), back.receiver());
        let echo = {
            let (rx, tx) = (there.receiver(), back.sender());
            runtime.spawn(async move {
                while let Ok(number) = rx.recv_async().await.map(|number| number.to_owned()) {
                    tx.send_async(&number).await.unwrap();
                }
            })
        };
        let began = Instant::now();
        let driven = thread::spawn(move || runtime.block_on(echo).unwrap());
        let mut slowest = Duration::ZERO;
        for number in 0..200 {
            if number % 20 == 0 {
                settle();
            }
            let began = Instant::now();
            tx.send(&number).unwrap();
            assert_eq!(rx.recv_timeout(LONG).unwrap().to_native(), number, "{kind}");
            slowest = slowest.max(began.elapsed());
        }
        assert!(began.elapsed() < LONG / 2, "{kind}: {:?}", began.elapsed());
        eprintln!("{kind}: slowest {slowest:?}");
        there.close();
        driven.join().unwrap();
    }
}

#[test]
fn a_full_channel_makes_a_task_wait_and_room_wakes_it() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let (tx, rx) = numbers(&stage, 2).split();
        let sent = Arc::new(AtomicU64::new(0));
        let sending = {
            let sent = Arc::clone(&sent);
            runtime.spawn(async move {
                for number in 0..100 {
                    if number % 2 == 0 {
                        tx.send_async(&number).await.unwrap();
                    } else {
                        let mut loan = tx.loan_async().await.unwrap();
                        loan.write(&number).unwrap();
                        loan.send().unwrap();
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let driven = thread::spawn(move || runtime.block_on(sending).unwrap());
        settle();
        assert_eq!(sent.load(Ordering::SeqCst), 2, "{kind}: it waits");
        for number in 0..100 {
            assert_eq!(rx.recv_timeout(LONG).unwrap().to_native(), number, "{kind}");
        }
        driven.join().unwrap();
    }
}

#[test]
fn a_wait_ends_when_its_time_is_up_and_not_before() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 2).split();
    for (kind, runtime) in runtimes() {
        for millis in [0, 1, 30, 250] {
            let timeout = Duration::from_millis(millis);
            let began = Instant::now();
            let result = runtime.block_on(rx.recv_timeout_async(timeout)).map(|number| number.to_native());
            assert!(matches!(result, Err(Error::Timeout)), "{kind}: {result:?}");
            assert!(
                began.elapsed() >= timeout && began.elapsed() < timeout + LONG / 4,
                "{kind}: {:?}",
                began.elapsed()
            );
        }
        // Two of them, with the earlier one coming later.
        let began = Instant::now();
        runtime.block_on(async {
            let late = rx.recv_timeout_async(Duration::from_secs(5));
            let early = rx.recv_timeout_async(Duration::from_millis(20));
            tokio::select! {
                _ = late => panic!("{kind}: the late one was first"),
                result = early => assert!(matches!(result, Err(Error::Timeout))),
            }
        });
        assert!(began.elapsed() < Duration::from_secs(4), "{kind}");
        tx.send(&1).unwrap();
        assert_eq!(runtime.block_on(rx.recv_timeout_async(Duration::ZERO)).unwrap().to_native(), 1);
    }
}

#[test]
fn closing_ends_the_wait_of_all() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let channel = numbers(&stage, 1);
        let full: SharedChannel<u64> = stage.options().capacity(1).create("full").unwrap();
        full.sender().send(&0).unwrap();
        let mut tasks = Vec::new();
        for _ in 0..10 {
            let (rx, tx) = (channel.receiver(), full.sender());
            tasks.push(runtime.spawn(async move { rx.recv_async().await.map(|_| ()) }));
            tasks.push(runtime.spawn(async move { tx.send_async(&1).await }));
        }
        let closing = thread::spawn(move || {
            settle();
            channel.close();
            full.close();
        });
        runtime.block_on(async {
            for task in tasks {
                let result = tokio::time::timeout(LONG, task).await.expect("it ends").unwrap();
                assert!(matches!(result, Err(Error::Closed)), "{kind}: {result:?}");
            }
        });
        closing.join().unwrap();
    }
}

#[test]
fn select_in_a_loop_loses_nothing() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let (tx, rx) = numbers(&stage, 8).split();
        let sending = thread::spawn(move || {
            for number in 0..5000 {
                tx.send(&number).unwrap();
                if number % 50 == 0 {
                    thread::sleep(Duration::from_micros(1500));
                }
            }
            tx.close();
        });
        let (got, cancelled) = runtime.block_on(async {
            let (mut got, mut cancelled) = (Vec::new(), 0);
            loop {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(Duration::from_millis(1)) => cancelled += 1,
                    number = rx.recv_async() => match number {
                        Ok(number) => got.push(number.to_native()),
                        Err(Error::Closed) => break,
                        Err(error) => panic!("{error}"),
                    },
                }
            }
            (got, cancelled)
        });
        sending.join().unwrap();
        assert!(got.iter().copied().eq(0..5000), "{kind}: {} came", got.len());
        assert!(cancelled > 0, "{kind}: nothing was cancelled");
    }
}

/// A future polled once, which then waits.
macro_rules! polled {
    ($name:ident = $future:expr, $woken:ident) => {
        let $woken = Arc::new(Woken::default());
        let mut $name = Box::pin($future);
        let waker = Waker::from(Arc::clone(&$woken));
        assert!($name.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    };
}

/// Drives the runtime until that is so.
fn drive_until(runtime: &Runtime, what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LONG, "never: {what}");
        runtime.block_on(async { tokio::time::sleep(Duration::from_micros(200)).await });
    }
}

#[test]
fn a_task_that_was_woken_and_dropped_passes_it_on_to_the_next() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 4).split();
    let runtime = current();
    let _inside = runtime.enter();
    polled!(first = rx.recv_async(), first_woken);
    polled!(second = rx.recv_async(), second_woken);
    tx.send(&7).unwrap();
    drive_until(&runtime, "the first is woken", || first_woken.0.load(Ordering::SeqCst) == 1);
    assert_eq!(second_woken.0.load(Ordering::SeqCst), 0, "one message wakes one task");
    let dropped = Instant::now();
    drop(first);
    drive_until(&runtime, "the second is woken", || second_woken.0.load(Ordering::SeqCst) == 1);
    assert!(dropped.elapsed() < PROMPT, "woken by its tick only: {:?}", dropped.elapsed());
    let waker = Waker::noop();
    assert!(matches!(second.as_mut().poll(&mut Context::from_waker(waker)), Poll::Ready(Ok(number)) if *number == 7));
}

#[test]
fn a_task_that_was_woken_and_dropped_passes_it_on_to_a_thread_and_a_thread_is_woken_in_its_turn() {
    let stage = Stage::new(ACTOR);
    let channel = numbers(&stage, 4);
    let (tx, rx) = channel.clone().split();
    let runtime = current();
    let _inside = runtime.enter();
    let thread = thread::spawn(move || {
        let rx = channel.receiver();
        [(); 2].map(|()| rx.recv_timeout(LONG).map(|number| number.to_native()))
    });
    settle();
    polled!(task = rx.recv_async(), woken);
    // The one, and then the other.
    tx.send(&1).unwrap();
    settle();
    tx.send(&2).unwrap();
    let sent = Instant::now();
    drive_until(&runtime, "the task is woken", || woken.0.load(Ordering::SeqCst) == 1);
    assert!(sent.elapsed() < PROMPT, "woken by its tick only: {:?}", sent.elapsed());
    drop(task);
    assert_eq!(thread.join().unwrap().map(Result::ok), [Some(1), Some(2)]);
    assert!(sent.elapsed() < PROMPT, "the thread was woken by its tick only: {:?}", sent.elapsed());
}

#[test]
fn a_message_wakes_one_task_and_not_all() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 16).split();
    let runtime = current();
    let _inside = runtime.enter();
    let wakers: Vec<_> = (0..20).map(|_| Arc::new(Woken::default())).collect();
    let mut futures: Vec<_> = wakers.iter().map(|_| Box::pin(rx.recv_async())).collect();
    for (future, woken) in futures.iter_mut().zip(&wakers) {
        let waker = Waker::from(Arc::clone(woken));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let count = || wakers.iter().map(|woken| woken.0.load(Ordering::SeqCst)).sum::<usize>();
    for sent in 1..=5 {
        tx.send(&1).unwrap();
        drive_until(&runtime, "one more is woken", || count() >= sent);
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
        // Those that were woken are not polled, so a tick may wake another in vain; but no herd.
        assert!(count() <= sent + 2, "{} were woken for {sent}", count());
    }
    // In the order they came.
    assert!(wakers[..5].iter().all(|woken| woken.0.load(Ordering::SeqCst) == 1));
}

#[test]
fn poll_recv_and_poll_send_wake_whoever_polled_last() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 1).split();
    let runtime = current();
    let _inside = runtime.enter();
    let wakers = [(); 2].map(|()| Arc::new(Woken::default()));
    for woken in &wakers {
        let waker = Waker::from(Arc::clone(woken));
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    }
    let waker = Waker::noop();
    let mut context = Context::from_waker(waker);
    assert!(matches!(tx.poll_send(&mut context, &1), Poll::Ready(Ok(()))));
    assert!(tx.poll_send(&mut context, &2).is_pending());
    drive_until(&runtime, "the second is woken", || wakers[1].0.load(Ordering::SeqCst) == 1);
    assert_eq!(wakers[0].0.load(Ordering::SeqCst), 0);
    assert!(matches!(rx.poll_recv(&mut context), Poll::Ready(Ok(number)) if *number == 1));
    assert!(matches!(tx.poll_send(&mut context, &2), Poll::Ready(Ok(()))));
}

#[test]
fn streams_and_sinks_carry_everything_and_end() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let (tx, rx) = numbers(&stage, 3).split();
        let (later, relay) = stage.options::<u64>().capacity(2).create("later").unwrap().split();
        let relaying = runtime.spawn(async move {
            // Owned ends, one after the other.
            let (mut numbers, mut sink) = (rx.into_stream(), later.clone().into_sink());
            while let Some(number) = numbers.next().await {
                sink.send(number?.to_owned()).await?;
            }
            sink.close().await?;
            later.close();
            Ok::<(), Error>(())
        });
        let sending = runtime.spawn(async move {
            let mut sink = tx.sink();
            for number in 0..1000u64 {
                sink.send(number).await?;
            }
            sink.close().await?;
            tx.close();
            Ok::<(), Error>(())
        });
        let got: Vec<u64> =
            runtime.block_on(relay.stream().map(|number| number.unwrap().to_native()).collect::<Vec<_>>());
        assert!(got.iter().copied().eq(0..1000), "{kind}: {} came", got.len());
        runtime.block_on(async { (sending.await.unwrap().unwrap(), relaying.await.unwrap().unwrap()) });
    }
}

#[test]
fn batches_are_received_in_tasks() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 100).split();
    let runtime = multi(2);
    let sending = thread::spawn(move || {
        settle();
        tx.send_many(0..1000).unwrap();
        tx.close();
    });
    let got = runtime.block_on(async {
        let mut got = Vec::new();
        assert!(rx.recv_many_async(0).await.unwrap().is_empty());
        while let Ok(batch) = rx.recv_many_async(30).await {
            assert!((1..=30).contains(&batch.len()));
            got.extend(batch.iter().map(|number| number.to_native()));
        }
        got
    });
    sending.join().unwrap();
    assert!(got.iter().copied().eq(0..1000));
}

#[test]
fn several_runtimes_in_one_process_share_a_channel() {
    let stage = Stage::new(ACTOR);
    let channel = numbers(&stage, 8);
    let got = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for (_, runtime) in runtimes().into_iter().chain(runtimes()) {
        let (rx, got) = (channel.receiver(), Arc::clone(&got));
        threads.push(thread::spawn(move || {
            runtime.block_on(async {
                let mut mine = 0u64;
                while let Ok(number) = rx.recv_async().await {
                    got.fetch_add(number.to_native(), Ordering::SeqCst);
                    mine += 1;
                }
                mine
            })
        }));
    }
    // One that uses no tokio, and a thread.
    let (rx, also) = (channel.receiver(), Arc::clone(&got));
    threads.push(thread::spawn(move || {
        block_on(async {
            let mut mine = 0;
            while let Ok(number) = rx.recv_async().await {
                also.fetch_add(number.to_native(), Ordering::SeqCst);
                mine += 1;
            }
            mine
        })
    }));
    let (rx, also) = (channel.receiver(), Arc::clone(&got));
    threads.push(thread::spawn(move || {
        rx.iter().inspect(|number| _ = also.fetch_add(number.to_native(), Ordering::SeqCst)).count() as u64
    }));
    settle();
    let tx = channel.sender();
    // Slowly, so that all of them wait most of the time.
    for number in 1..=600 {
        tx.send(&number).unwrap();
        thread::sleep(Duration::from_micros(300));
    }
    channel.close();
    let shares: Vec<u64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(shares.iter().sum::<u64>(), 600);
    assert_eq!(got.load(Ordering::SeqCst), 600 * 601 / 2);
    // Each gets its turn.
    assert!(shares.iter().all(|share| *share >= 20), "{shares:?}");
    drop(channel);
    drop(tx);
    assert!(bells(&stage).is_empty(), "{:?}", bells(&stage));
}

#[test]
fn a_runtime_that_nobody_drives_holds_up_the_others_for_a_tick_at_the_most() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 8).split();
    let idle = current();
    {
        let _inside = idle.enter();
        polled!(forgotten = rx.recv_async(), woken);
        let driven = current();
        let receiving = rx.clone();
        let task = driven.spawn(async move {
            let mut got = Vec::new();
            while let Ok(number) = receiving.recv_async().await {
                got.push((number.to_native(), Instant::now()));
            }
            got
        });
        let thread = thread::spawn(move || driven.block_on(task).unwrap());
        settle();
        let mut sent = Vec::new();
        for number in 0..5 {
            tx.send(&number).unwrap();
            sent.push(Instant::now());
            thread::sleep(Duration::from_millis(150));
        }
        tx.close();
        let got = thread.join().unwrap();
        assert_eq!(got.len(), 5);
        let slow = got.iter().zip(&sent).filter(|((_, got), sent)| got.saturating_duration_since(**sent) > PROMPT);
        assert!(slow.count() <= 1, "more than the one that was for the idle runtime");
        // It is of this process, and so woken without its runtime's help; it is never polled, and so not woken again.
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        drop(forgotten);
    }
}

#[test]
fn a_runtime_that_ends_with_leases_held_gives_them_back_and_leaves_no_doorbell() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let (tx, rx) = numbers(&stage, 8).split();
        tx.send_many(0..4).unwrap();
        let held = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let (rx, held) = (rx.clone(), Arc::clone(&held));
            runtime.spawn(async move {
                let _kept = rx.recv_async().await.unwrap();
                held.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            });
        }
        // And one that outlives its runtime, in the hands of somebody else.
        let kept = runtime.block_on(rx.recv_async()).unwrap().detach();
        drive_until(&runtime, "both hold one", || held.load(Ordering::SeqCst) == 2);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let rx = rx.clone();
                runtime.spawn(async move { rx.clone().into_stream().skip(10).next().await.is_some() })
            })
            .collect();
        drive_until(&runtime, "the rest is received", || rx.status().waiting == 0);
        assert_eq!(rx.status().leased, 3, "{kind}");
        assert_eq!(bells(&stage).len(), 1, "{kind}: {:?}", bells(&stage));
        drop(waiting);
        drop(runtime);
        assert!(bells(&stage).is_empty(), "{kind}: {:?}", bells(&stage));
        assert_eq!(rx.status().leased, 1, "{kind}: done with when they were dropped");
        drop(kept);
        // The channel is as good as new, in another runtime too.
        tx.send(&9).unwrap();
        assert_eq!(current().block_on(rx.recv_async()).unwrap().to_native(), 9, "{kind}");
        let again = current();
        let result = again.block_on(rx.recv_timeout_async(Duration::from_millis(5)));
        assert!(matches!(result, Err(Error::Timeout)), "{kind}");
    }
}

#[test]
fn a_future_may_change_its_runtime() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 8).split();
    let mut future = pin!(rx.recv_async());
    let mut poll_once = |runtime: &Runtime| {
        runtime.block_on(std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())))
    };
    let (first, second, third) = (current(), current(), current());
    assert!(!poll_once(&first));
    assert!(!poll_once(&second));
    drop(second);
    assert!(!poll_once(&first));
    drop(first);
    let sending = thread::spawn(move || {
        settle();
        tx.send(&5).unwrap();
    });
    let began = Instant::now();
    assert_eq!(third.block_on(future).unwrap().to_native(), 5);
    assert!(began.elapsed() < PROMPT + Duration::from_millis(20), "{:?}", began.elapsed());
    sending.join().unwrap();
}

#[test]
fn a_hundred_channels_need_two_descriptors_and_no_thread() {
    let stage = Stage::new(ACTOR);
    let runtime = current();
    let (before, threads) = (descriptors(), std::fs::read_dir("/proc/self/task").unwrap().count());
    let channels: Vec<SharedChannel<u64>> =
        (0..100).map(|number| stage.options().capacity(2).create(&format!("channel-{number}")).unwrap()).collect();
    let open = descriptors();
    let tasks: Vec<_> = channels
        .iter()
        .map(|channel| {
            let rx = channel.receiver();
            runtime.spawn(async move { rx.recv_async().await.unwrap().to_native() })
        })
        .collect();
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    // Other tests of this program come and go meanwhile, so not to the last one.
    let more = descriptors() as isize - open as isize;
    assert!(more < 60, "{more} descriptors more for 100 channels on which a task waits");
    assert!(std::fs::read_dir("/proc/self/task").unwrap().count() < threads + 60);
    assert_eq!(bells(&stage).len(), 1);
    for (number, channel) in (0..).zip(&channels) {
        channel.sender().send(&number).unwrap();
    }
    runtime.block_on(async {
        for (number, task) in (0..).zip(tasks) {
            assert_eq!(tokio::time::timeout(LONG, task).await.unwrap().unwrap(), number);
        }
    });
    drop(channels);
    assert!(bells(&stage).is_empty());
    assert!(descriptors() < before + 60);
}

#[test]
fn a_watch_is_readable_when_there_is_something() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 1).split();
    let readable = |watch: &mi7::Watch, limit: Duration| {
        let limit = Timespec::try_from(limit).unwrap();
        poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&limit)).unwrap() > 0
    };
    let (messages, room) = (rx.watch().unwrap(), tx.watch().unwrap());
    assert!(!messages.arm() && room.arm());
    assert!(!readable(&messages, Duration::from_millis(10)));
    tx.send(&1).unwrap();
    assert!(readable(&messages, LONG) && readable(&messages, Duration::ZERO), "it stays so");
    assert!(!room.arm());
    assert!(messages.arm(), "it is still there");
    assert_eq!(rx.try_recv().unwrap().to_native(), 1);
    assert!(readable(&room, LONG));
    assert!(!messages.arm());
    assert!(!readable(&messages, Duration::ZERO), "armed, and nothing came");
    rx.close();
    assert!(readable(&messages, LONG));
    assert!(messages.arm() && room.arm(), "never again");
    drop((messages, room));
    assert!(bells(&stage).is_empty());
}

#[test]
fn a_watch_that_is_dropped_passes_on_what_it_was_rung_for() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 4).split();
    let watch = rx.watch().unwrap();
    assert!(!watch.arm());
    tx.send(&3).unwrap();
    // It was rung; and now somebody else comes, who finds nothing when the other is faster.
    let runtime = current();
    let _inside = runtime.enter();
    assert_eq!(rx.try_recv().unwrap().to_native(), 3);
    polled!(task = rx.recv_async(), woken);
    watch.arm();
    tx.send(&4).unwrap();
    drop(watch);
    let dropped = Instant::now();
    drive_until(&runtime, "the task is woken", || woken.0.load(Ordering::SeqCst) > 0);
    assert!(dropped.elapsed() < PROMPT, "{:?}", dropped.elapsed());
    drop(task);
}

#[test]
fn a_queue_is_used_by_tasks() {
    for (kind, runtime) in runtimes() {
        let stage = Stage::new(ACTOR);
        let queue: CrossProcessQueue = stage.options::<Message>().capacity(1).create("queue").unwrap().into();
        let sending = {
            let queue = queue.clone();
            runtime.spawn(async move {
                for text in ["one", "two", "three"] {
                    queue.send_async(Message::new(text)).await.unwrap();
                }
                queue.close();
            })
        };
        runtime.block_on(async {
            assert_eq!(queue.receive_async().await.unwrap().unwrap().data, b"one", "{kind}");
            let more = queue.receive_async_with_timeout(LONG).await.unwrap().unwrap();
            assert_eq!(more.data, b"two", "{kind}");
            assert_eq!(queue.receive_async().await.unwrap().unwrap().data, b"three", "{kind}");
            assert_eq!(queue.receive_async_with_timeout(LONG).await.unwrap(), None, "{kind}");
            sending.await.unwrap();
        });
    }
}

#[test]
fn futures_may_be_sent_between_threads() {
    fn is_send<T: Send>(_: T) {}
    fn check(rx: &Receiver<u64>, tx: &Sender<u64>) {
        is_send(rx.recv_async());
        is_send(rx.recv_many_async(2));
        is_send(rx.recv_timeout_async(LONG));
        is_send(tx.send_async(&1));
        is_send(tx.loan_async());
        is_send(rx.stream());
        is_send(tx.sink::<u64>());
    }
    let stage = Stage::new(ACTOR);
    let (tx, rx) = numbers(&stage, 1).split();
    check(&rx, &tx);
}
