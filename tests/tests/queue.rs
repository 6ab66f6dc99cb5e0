//! `CrossProcessQueue`: every call of it, with real processes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mi7::{CrossProcessQueue, Message, SharedMemoryError};
use mi7_tests::{block_on, end_after};

const QUEUE: &str = env!("CARGO_BIN_EXE_queue");

/// A queue's name in the default directory, which is the only one queues have. Gone with its test.
struct Name(String);

impl Name {
    fn new(purpose: &str) -> Self {
        static WATCHDOG: std::sync::Once = std::sync::Once::new();
        WATCHDOG.call_once(|| end_after(Duration::from_secs(100)));
        Name(format!("test-{purpose}-{}", std::process::id()))
    }

    fn path(&self) -> PathBuf {
        format!("/dev/shm/mi7-{}/{}", rustix::process::geteuid().as_raw(), self.0).into()
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        std::fs::remove_file(self.path()).ok();
    }
}

fn start(arguments: &[&str]) -> Child {
    Command::new(QUEUE).args(arguments).stdout(Stdio::piped()).spawn().expect("the program starts")
}

/// The lines the program wrote: of messages, their id and text.
fn lines(child: Child) -> Vec<String> {
    let output = child.wait_with_output().expect("a child can be waited for");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn entries_and_workers_in_processes_of_their_own_share_one_queue() {
    let name = Name::new("shared");
    let queue = CrossProcessQueue::create(&name, 10, 256).expect("a queue");
    let entries = [start(&["entry", &name, "300"]), start(&["entry", &name, "300"])];
    // Sees the queue empty and full; the workers, who would take everything away, come later.
    let mut received = lines(start(&["poll", &name, "100"]));
    assert_eq!(received.len(), 100);
    let workers = [start(&["worker", &name]), start(&["worker", &name])];
    let sent: Vec<String> = entries.into_iter().flat_map(lines).collect();
    queue.close();
    received.extend(workers.into_iter().flat_map(lines));
    assert_eq!((sent.len(), received.len()), (600, 600));
    let set = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&sent), set(&received));
    let ids: BTreeSet<_> = sent.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(ids.len(), 600, "ids are unique across processes");
    assert_eq!(queue.status().message_count, 0);
}

#[test]
fn a_message_arrives_with_its_id_its_data_and_its_time() {
    let name = Name::new("whole");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let queue = CrossProcessQueue::create(&name, 4, 64).expect("a queue");
    let before = now();
    let message = Message::new("Hello, World!".to_string());
    assert!((before..=now()).contains(&message.timestamp), "nanoseconds since 1970: {}", message.timestamp);
    queue.send(message.clone()).expect("room");
    queue.send(&message).expect("room");
    queue.send(Message::new(vec![0, 255, 128])).expect("room");
    queue.send(Message::new(&b""[..])).expect("room");
    let other = CrossProcessQueue::connect(&name).expect("the queue");
    assert_eq!(other.receive().expect("open"), Some(message.clone()));
    assert_eq!(other.try_receive().expect("open"), Some(message));
    let bytes = other.receive_timeout(Duration::ZERO).expect("open").expect("a message");
    assert_eq!(bytes.data, [0, 255, 128]);
    assert_eq!(other.receive().expect("open").expect("a message").data, []);
    assert_eq!(other.try_receive().expect("open"), None);
}

#[test]
fn status_tells_how_full_the_queue_is() {
    let name = Name::new("status");
    let queue = CrossProcessQueue::create(&name, 8, 100).expect("a queue");
    for count in 0..=8 {
        let status = CrossProcessQueue::connect(&name).expect("the queue").status();
        assert_eq!((status.message_count, status.max_messages, status.max_message_size), (count, 8, 100));
        assert_eq!(status.usage_percentage(), count as f64 / 8.0 * 100.0);
        assert_eq!(status.channel.sent, count as u64);
        if count < 8 {
            queue.send(Message::new("x")).expect("room");
        }
    }
}

#[test]
fn a_full_queue_an_empty_one_and_a_closed_one_say_so() {
    let name = Name::new("limits");
    let queue = CrossProcessQueue::create(&name, 2, 10).expect("a queue");
    let limit = Duration::from_millis(30);
    assert_eq!(queue.try_receive().expect("open"), None);
    let began = Instant::now();
    assert_eq!(queue.receive_timeout(limit).expect("open"), None);
    assert!(began.elapsed() >= limit);
    match queue.send(Message::new("eleven long")) {
        Err(SharedMemoryError::MessageTooLarge { size, max }) => assert_eq!((size, max), (11, 10)),
        other => panic!("{other:?}"),
    }
    queue.send(Message::new("ten longer")).expect("room");
    queue.try_send(Message::new("ten longer")).expect("room");
    assert!(matches!(queue.try_send(Message::new("")), Err(SharedMemoryError::QueueFull)));
    let began = Instant::now();
    assert!(matches!(queue.send_timeout(Message::new(""), limit), Err(SharedMemoryError::Timeout)));
    assert!(began.elapsed() >= limit);
    queue.close();
    for result in
        [queue.send(Message::new("")), queue.try_send(Message::new("")), queue.send_timeout(Message::new(""), limit)]
    {
        assert!(matches!(result, Err(SharedMemoryError::QueueClosed)), "{result:?}");
    }
    assert!(queue.receive().expect("what is left").is_some());
    assert!(queue.receive_timeout(limit).expect("what is left").is_some());
    assert_eq!(queue.receive().expect("closed and drained is no error"), None);
    assert_eq!(queue.try_receive().expect("closed and drained is no error"), None);
    assert_eq!(queue.receive_timeout(limit).expect("closed and drained is no error"), None);
}

#[test]
fn making_finding_and_removing_queues_fails_by_name() {
    let name = Name::new("names");
    assert!(matches!(CrossProcessQueue::connect(&name), Err(SharedMemoryError::AccessFailed(_))));
    assert!(matches!(CrossProcessQueue::remove(&name), Err(SharedMemoryError::AccessFailed(_))));
    for bad in ["", "a/b", ".."] {
        assert!(matches!(CrossProcessQueue::create(bad, 1, 1), Err(SharedMemoryError::CreationFailed(_))));
        assert!(matches!(CrossProcessQueue::connect(bad), Err(SharedMemoryError::AccessFailed(_))));
    }
    for (messages, size) in [(0, 1), (usize::MAX, 1), (1, usize::MAX), (1 << 30, 1 << 31)] {
        match CrossProcessQueue::create(&name, messages, size) {
            Err(SharedMemoryError::CreationFailed(why)) => assert!(!why.is_empty()),
            other => panic!("{other:?}"),
        }
    }
    let queue = CrossProcessQueue::create(&name, 3, 32).expect("a queue");
    match CrossProcessQueue::create(&name, 3, 32) {
        Err(SharedMemoryError::CreationFailed(why)) => {
            assert!(why.contains(name.path().to_str().expect("a path")), "{why}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(CrossProcessQueue::open_or_create(&name).expect("the same").status().max_messages, 3);
    CrossProcessQueue::remove(&name).expect("it is there");
    assert!(queue.status().channel.removed);
    let defaults = CrossProcessQueue::open_or_create(&name).expect("a new one").status();
    assert_eq!(defaults.max_messages, mi7::DEFAULT_CAPACITY as usize);
    assert_eq!(defaults.max_message_size, mi7::DEFAULT_MAX_MESSAGE_SIZE);
}

#[test]
fn a_typed_channel_is_no_queue() {
    let name = Name::new("typed");
    let _typed = mi7::channel::<u64>(&name).expect("a channel");
    match CrossProcessQueue::connect(&name) {
        Err(SharedMemoryError::AccessFailed(why)) => assert!(why.contains("u64"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_that_waits_is_woken_from_another_process() {
    let name = Name::new("waiting");
    let queue = CrossProcessQueue::create(&name, 3, 64).expect("a queue");
    let worker = start(&["worker", &name]);
    while queue.status().channel.receivers.len() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    let message = Message::new("up!");
    queue.send(&message).expect("room");
    queue.close();
    assert_eq!(lines(worker), [format!("{} up!", message.id)]);
}

#[test]
fn the_message_a_worker_reads_in_place_goes_back_if_the_worker_says_so() {
    let name = Name::new("in-place");
    let queue = CrossProcessQueue::create(&name, 3, 64).expect("a queue");
    queue.send(Message::new("in place")).expect("room");
    let received = queue.receiver().recv().expect("it");
    assert_eq!((received.data(), received.deliveries()), (&b"in place"[..], 1));
    received.requeue();
    let again = lines(start(&["poll", &name, "1"]));
    assert!(again[0].ends_with(" in place"), "{again:?}");
    queue.sender().send(&Message::new("by the end")).expect("room");
    assert_eq!(queue.receive().expect("open").expect("it").data, b"by the end");
}

// ---- tasks ---------------------------------------------------------------------------------------------------------

#[test]
fn workers_that_are_tasks_share_a_queue_with_workers_that_are_not() {
    let name = Name::new("tasks");
    let queue = CrossProcessQueue::create(&name, 4, 64).expect("a queue");
    let workers = [start(&["task", &name]), start(&["task", &name]), start(&["worker", &name])];
    let sent: BTreeSet<String> = lines(start(&["entry", &name, "600"])).into_iter().collect();
    queue.close();
    let received: Vec<String> = workers.into_iter().flat_map(lines).collect();
    assert_eq!((sent.len(), received.len()), (600, 600));
    assert_eq!(sent, received.into_iter().collect());
}

#[test]
fn a_task_that_waits_is_woken_from_another_process() {
    let name = Name::new("woken");
    let queue = CrossProcessQueue::create(&name, 4, 64).expect("a queue");
    let limit = Duration::from_secs(20);
    let began = Instant::now();
    let entry = start(&["entry", &name, "1"]);
    let message = block_on(queue.receive_async_with_timeout(limit)).expect("open").expect("in time");
    assert_eq!(lines(entry), [format!("{} Hello, World! 0", message.id)]);
    assert!(began.elapsed() < limit / 2, "it took {:?}", began.elapsed());
}

#[test]
fn a_task_waits_no_longer_than_it_was_told_to_and_not_for_a_closed_queue() {
    let name = Name::new("patience");
    let queue = CrossProcessQueue::create(&name, 4, 64).expect("a queue");
    for millis in [0, 20, 150] {
        let limit = Duration::from_millis(millis);
        let began = Instant::now();
        assert_eq!(block_on(queue.receive_async_with_timeout(limit)).expect("open"), None);
        let took = began.elapsed();
        assert!(took >= limit && took < limit + Duration::from_secs(1), "{limit:?} took {took:?}");
    }
    queue.send(Message::new("left")).expect("room");
    let far = Duration::MAX;
    assert_eq!(block_on(queue.receive_async_with_timeout(far)).expect("open").expect("it").data, b"left");
    let closing = CrossProcessQueue::connect(&name).expect("the queue");
    let closer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        closing.close();
    });
    assert_eq!(block_on(queue.receive_async_with_timeout(far)).expect("no error"), None);
    closer.join().expect("the closer");
}

#[test]
fn a_future_that_is_dropped_takes_no_message_with_it() {
    let name = Name::new("dropped");
    let queue = CrossProcessQueue::create(&name, 4, 64).expect("a queue");
    let limit = Duration::from_secs(20);
    for number in 0..20 {
        let mut futures: Vec<_> = (0..4).map(|_| Box::pin(queue.receive_async_with_timeout(limit))).collect();
        let polled = block_on(std::future::poll_fn(|context| {
            let pending = futures.iter_mut().map(|future| usize::from(future.as_mut().poll(context).is_pending()));
            std::task::Poll::Ready(pending.sum::<usize>())
        }));
        assert_eq!(polled, 4);
        let kept = futures.pop().expect("one");
        drop(futures);
        let message = Message::new(format!("{number}"));
        queue.send(&message).expect("room");
        assert_eq!(block_on(kept).expect("open"), Some(message));
    }
}
