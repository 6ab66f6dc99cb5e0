//! A forked child inherits handles. Whatever it does with them reaches nobody; it opens channels anew.

use std::future::Future;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, Stream, StreamExt};
use mi7::{CrossProcessQueue, Error, Message, Options, Received, Receiver, Sender, SharedChannel};

type Row = [u64; 4];

const SOON: Duration = Duration::from_secs(5);

/// Runs `body` in a forked child. A panic in it, or a child that hangs, fails the test.
fn in_child(what: &str, body: impl FnOnce()) {
    finish(what, fork(body));
}

/// Starts `body` in a forked child.
fn fork(body: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child runs `body` and ends there. The C library keeps its own locks usable in a child of several threads.
    match unsafe { libc::fork() } {
        0 => {
            let sound = catch_unwind(AssertUnwindSafe(body)).is_ok();
            // SAFETY: it ends the process.
            unsafe { libc::_exit(i32::from(!sound)) }
        }
        pid => {
            assert!(pid > 0);
            pid
        }
    }
}

fn finish(what: &str, pid: libc::pid_t) {
    let begun = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: the child is this process's, and the status is there.
        match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } {
            0 if begun.elapsed() > Duration::from_secs(20) => {
                kill(pid);
                panic!("the child hangs: {what}");
            }
            0 => std::thread::sleep(Duration::from_millis(1)),
            _ => return assert_eq!(status, 0, "the child failed: {what}"),
        }
    }
}

fn kill(pid: libc::pid_t) {
    // SAFETY: it takes no pointers; the child is this process's.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

struct Stage {
    _directory: tempfile::TempDir,
    path: PathBuf,
    options: Options<Row>,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = directory.path().to_owned();
        let options = SharedChannel::options().directory(&path);
        Stage { _directory: directory, path, options }
    }

    fn ends(&self, capacity: usize) -> (Sender<Row>, Receiver<Row>) {
        self.options.clone().capacity(capacity).create("c").unwrap().split()
    }
}

fn says_forked<T>(what: &str, result: Result<T, Error>) {
    match result {
        Err(error @ Error::Forked { .. }) => assert!(error.to_string().contains("open the channel anew"), "{error}"),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what} went through"),
    }
}

/// Receives all there is, in order.
fn rest(rx: &Receiver<Row>) -> Vec<u64> {
    std::iter::from_fn(|| rx.try_recv().ok().map(|row| row[3].to_native())).collect()
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn every_call_on_an_inherited_handle_says_so() {
    let stage = Stage::new();
    for used in [false, true] {
        let (tx, rx) = stage.ends(4);
        let channel = tx.channel().clone();
        if used {
            // Long enough for both ends to have a bias.
            for n in 0..500 {
                tx.send(&[n; 4]).unwrap();
                rx.recv().unwrap();
            }
            tx.send(&[7; 4]).unwrap();
        }
        in_child(&format!("used: {used}"), || {
            let short = Duration::from_millis(20);
            says_forked("send", tx.send(&[1; 4]));
            says_forked("try_send", tx.try_send(&[1; 4]));
            says_forked("send_timeout", tx.send_timeout(&[1; 4], short));
            says_forked("loan", tx.loan());
            says_forked("try_loan", tx.try_loan());
            says_forked("loan_many", tx.loan_many(2));
            says_forked("send_many", tx.send_many([[1; 4]]));
            says_forked("recv", rx.recv());
            says_forked("try_recv", rx.try_recv());
            says_forked("recv_timeout", rx.recv_timeout(short));
            says_forked("recv_many", rx.recv_many(2));
            says_forked("clone of a sender", tx.clone().send(&[1; 4]));
            says_forked("new sender", channel.sender().send(&[1; 4]));
            says_forked("new receiver", channel.receiver().recv());
            says_forked("tx.watch", tx.watch());
            says_forked("rx.watch", rx.watch());
            assert_eq!(rx.iter().count(), 0);
            let mut context = Context::from_waker(Waker::noop());
            for (what, polled) in [
                ("poll_send", tx.poll_send(&mut context, &[1; 4])),
                ("send_async", poll_once(Box::pin(tx.send_async(&[1; 4])).as_mut())),
                ("sink", poll_once(Box::pin(tx.sink().send([1; 4])).as_mut())),
                ("loan_async", poll_once(Box::pin(tx.loan_async()).as_mut()).map_ok(drop)),
                ("poll_recv", rx.poll_recv(&mut context).map_ok(drop)),
                ("recv_async", poll_once(Box::pin(rx.recv_async()).as_mut()).map_ok(drop)),
                ("recv_timeout_async", poll_once(Box::pin(rx.recv_timeout_async(short)).as_mut()).map_ok(drop)),
                ("recv_many_async", poll_once(Box::pin(rx.recv_many_async(3)).as_mut()).map_ok(drop)),
            ] {
                match polled {
                    Poll::Ready(result) => says_forked(what, result),
                    Poll::Pending => panic!("{what} waits"),
                }
            }
            let mut stream = Box::pin(rx.stream());
            match stream.as_mut().poll_next(&mut context) {
                Poll::Ready(Some(result)) => says_forked("stream", result),
                _ => panic!("the stream ends or waits"),
            }
            channel.close();
            tx.status();
            assert!(stage.options.open("c").is_ok_and(|anew| !anew.is_closed()), "the close went through");
        });
        assert!(!channel.is_closed());
        tx.try_send(&[8; 4]).unwrap();
        assert_eq!(rest(&rx), if used { vec![7, 8] } else { vec![8] });
        assert_eq!(tx.status().receivers.len(), 1);
        mi7::remove_in(&stage.path, "c").unwrap();
    }
}

/// What a child does with it.
type Deed = fn(Everything<'_>);

/// All that a thread can hold of a channel.
struct Everything<'a> {
    held: Option<Received<'a, Row>>,
    detached: Option<Received<'static, Row>>,
    batch: Option<mi7::Batch<'a, Row>>,
    loan: Option<mi7::Loan<'a, Row>>,
    loans: Option<mi7::Loans<'a, Row>>,
}

impl<'a> Everything<'a> {
    /// The numbers 0 to 3 are received, 4 waits, 5 to 8 are to be sent.
    fn new(tx: &'a Sender<Row>, rx: &'a Receiver<Row>) -> Self {
        for n in 0..5 {
            tx.send(&[n; 4]).unwrap();
        }
        let held = rx.recv().unwrap();
        let detached = rx.recv().unwrap().detach();
        let batch = rx.recv_many(2).unwrap();
        let mut loan = tx.loan().unwrap();
        loan.write(&[5; 4]).unwrap();
        let mut loans = tx.loan_many(3).unwrap();
        for (loan, n) in loans.iter_mut().zip(6..) {
            loan.write(&[n; 4]).unwrap();
        }
        Everything {
            held: Some(held),
            detached: Some(detached),
            batch: Some(batch),
            loan: Some(loan),
            loans: Some(loans),
        }
    }

    fn check(&self) {
        assert_eq!(self.held.as_ref().unwrap()[2].to_native(), 0);
        assert_eq!(self.detached.as_ref().unwrap()[2].to_native(), 1);
        let numbers: Vec<_> = self.batch.as_ref().unwrap().iter().map(|row| row[1].to_native()).collect();
        assert_eq!(numbers, [2, 3]);
    }
}

#[test]
fn what_a_child_does_with_what_it_holds_reaches_nobody() {
    let deeds: &[(&str, Deed)] = &[
        ("drop", |everything| drop(everything)),
        ("unwind past", |everything| {
            let unwound = catch_unwind(AssertUnwindSafe(move || {
                let _everything = everything;
                std::panic::resume_unwind(Box::new(()));
            }));
            assert!(unwound.is_err());
        }),
        ("use", |mut everything| {
            everything.check();
            everything.held.take().unwrap().requeue();
            assert_eq!(everything.detached.take().unwrap().into_inner(), [1; 4]);
            says_forked("loan.send", everything.loan.take().unwrap().send());
            says_forked("loans.send", everything.loans.take().unwrap().send());
            for row in everything.batch.take().unwrap() {
                row.requeue();
            }
        }),
        ("write and drop", |mut everything| {
            everything.loan.as_mut().unwrap().write(&[99; 4]).unwrap();
            everything.loans.as_mut().unwrap()[1].write(&[99; 4]).unwrap();
        }),
        ("fork again", |everything| {
            in_child("grandchild", || {
                everything.check();
                drop(everything);
            });
        }),
        ("end without a drop", |everything| std::mem::forget(everything)),
    ];
    for (what, deed) in deeds {
        let stage = Stage::new();
        let (tx, rx) = stage.ends(9);
        let mut everything = Some(Everything::new(&tx, &rx));
        in_child(what, || deed(everything.take().unwrap()));
        let mut everything = everything.take().unwrap();
        everything.check();
        assert!(matches!(tx.try_send(&[9; 4]), Err(Error::Full)), "{what}: a slot was freed");
        everything.loan.take().unwrap().send().unwrap();
        assert_eq!(everything.loans.take().unwrap().send().unwrap(), 3);
        everything.check();
        drop(everything);
        assert_eq!(rest(&rx), [4, 5, 6, 7, 8], "{what}");
        for round in 0..3 {
            (0..9).for_each(|n| tx.try_send(&[round * 9 + n; 4]).unwrap());
            assert_eq!(rest(&rx), (round * 9..round * 9 + 9).collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn a_child_reads_what_it_inherited_though_the_parent_has_sent_something_else_since() {
    let stage = Stage::new();
    let (tx, rx) = stage.ends(1);
    tx.send(&[1; 4]).unwrap();
    let mut held = Some(rx.recv().unwrap());
    let (mut told, mut tell) = std::io::pipe().unwrap();
    let child = fork(|| {
        told.read_exact(&mut [0]).unwrap();
        assert_eq!(held.as_ref().unwrap().iter().map(|n| n.to_native()).collect::<Vec<_>>(), [1; 4]);
        assert_eq!(held.take().unwrap().deliveries(), 1);
    });
    drop(held.take());
    tx.send(&[2; 4]).unwrap();
    tell.write_all(b"x").unwrap();
    finish("reads", child);
    assert_eq!(rest(&rx), [2]);
}

#[test]
fn parent_and_child_send_side_by_side_when_the_child_has_opened_the_channel_anew() {
    const COUNT: u64 = 100_000;
    let stage = Stage::new();
    let (tx, rx) = stage.ends(64);
    tx.send(&[0; 4]).unwrap();
    assert_eq!(rest(&rx), [0]);
    let mut inherited = Some((tx.clone(), tx.channel().clone()));
    let child = fork(|| {
        drop(inherited.take());
        let tx = stage.options.open("c").unwrap().sender();
        (0..COUNT).for_each(|n| tx.send_timeout(&[1 << 40 | n; 4], SOON).unwrap());
    });
    let receiving = std::thread::spawn({
        let rx = stage.options.open("c").unwrap().receiver();
        move || {
            let mut next = [0, 0];
            while next != [COUNT; 2] {
                let n = rx.recv_timeout(SOON).unwrap()[0].to_native();
                let (who, n) = ((n >> 40) as usize, n & 0xff_ffff_ffff);
                assert_eq!(n, next[who], "of {who}");
                next[who] += 1;
            }
        }
    });
    (0..COUNT).for_each(|n| tx.send_timeout(&[n; 4], SOON).unwrap());
    receiving.join().unwrap();
    finish("sends", child);
    assert!(rest(&rx).is_empty());
}

#[test]
fn a_parent_is_found_dead_though_its_child_lives() {
    let stage = Stage::new();
    let (tx, rx) = stage.ends(4);
    tx.send(&[7; 4]).unwrap();
    let (mut held, tell) = std::io::pipe().unwrap();
    let (mut alive, living) = std::io::pipe().unwrap();
    let parent = fork(|| {
        let rx = stage.options.open("c").unwrap().receiver();
        let (lease, mut tell, living) = (rx.recv().unwrap(), tell, living);
        let _watch = rx.watch().unwrap();
        fork(|| {
            let _living = living;
            std::thread::sleep(Duration::from_secs(60));
        });
        tell.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_secs(60));
        drop(lease);
    });
    held.read_exact(&mut [0]).unwrap();
    kill(parent);
    let row = rx.recv_timeout(SOON).unwrap();
    assert_eq!((row[0].to_native(), row.deliveries()), (7, 2));
    assert_eq!(tx.status().receivers.len(), 1);
    // The grandchild lives still: its end of the pipe is open.
    rustix::io::ioctl_fionbio(&alive, true).unwrap();
    assert_eq!(alive.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // SAFETY: it takes no pointers, and the child is this process's.
    unsafe { libc::waitpid(parent, std::ptr::null_mut(), 0) };
}

#[test]
fn forks_among_busy_threads_disturb_nobody() {
    let stage = Stage::new();
    let (tx, rx) = stage.ends(8);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                tx.send(&[n; 4]).unwrap();
                n += 1;
            }
            tx.close();
        });
        scope.spawn(|| {
            for (n, row) in rx.iter().enumerate() {
                assert_eq!(row[0].to_native(), n as u64);
            }
        });
        // Opens and closes all the time, and asks for ids.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let other = stage.options.clone().create("other").unwrap();
                other.sender().send(&[1; 4]).unwrap();
                drop(other);
                mi7::remove_in(&stage.path, "other").unwrap();
                Message::new("x");
            }
        });
        for _ in 0..150 {
            in_child("among threads", || {
                says_forked("recv", rx.recv());
                says_forked("send", tx.send(&[1; 4]));
                let anew = SharedChannel::<Row>::options().directory(&stage.path).create("own").unwrap();
                anew.sender().send(&[2; 4]).unwrap();
                assert_eq!(rest(&anew.receiver()), [2]);
                Message::new("x");
            });
            mi7::remove_in(&stage.path, "own").unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn tasks_of_the_parent_are_woken_whatever_a_child_does_with_copies_of_them() {
    let stage = Stage::new();
    let (tx, rx) = stage.ends(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let watch = rx.watch().unwrap();
        let mut receiving = Some(Box::pin(rx.recv_async()));
        let mut stream = Some(rx.stream());
        assert!(futures_util::poll!(receiving.as_mut().unwrap()).is_pending());
        assert!(futures_util::poll!(stream.as_mut().unwrap().next()).is_pending());
        let mut watching = Some(watch);
        in_child("polls, uses and drops", || {
            match poll_once(receiving.as_mut().unwrap().as_mut()) {
                Poll::Ready(result) => says_forked("recv_async", result),
                Poll::Pending => panic!("the future waits"),
            }
            let watch = watching.take().unwrap();
            assert!(watch.arm(), "there is an error to be had");
            drop((receiving.take(), stream.take(), watch));
        });
        in_child("unwinds past", || {
            let all = (receiving.take(), stream.take(), watching.take());
            let unwound = catch_unwind(AssertUnwindSafe(move || {
                let _all = all;
                std::panic::resume_unwind(Box::new(()));
            }));
            assert!(unwound.is_err());
        });
        assert!(!watching.as_ref().unwrap().arm());
        tx.send(&[3; 4]).unwrap();
        let row = tokio::time::timeout(SOON, receiving.take().unwrap()).await.unwrap().unwrap();
        assert_eq!(row[0].to_native(), 3);
        drop(row);
        tx.send(&[4; 4]).unwrap();
        let row = tokio::time::timeout(SOON, stream.as_mut().unwrap().next()).await.unwrap().unwrap().unwrap();
        assert_eq!(row[0].to_native(), 4);
    });
}

#[test]
fn a_queue_of_bytes_says_so_too() {
    let stage = Stage::new();
    let channel = SharedChannel::<Message>::options().directory(&stage.path).capacity(2).create("q").unwrap();
    let queue = CrossProcessQueue::from(channel);
    queue.send(Message::new("kept")).unwrap();
    let mut held = Some(queue.receiver().recv().unwrap());
    in_child("queue", || {
        let text = |result: Result<(), mi7::SharedMemoryError>| result.unwrap_err().to_string();
        assert!(text(queue.send(Message::new("x"))).contains("open the channel anew"));
        assert!(text(queue.try_receive().map(drop)).contains("open the channel anew"));
        let mut receiving = Box::pin(queue.receive_async_with_timeout(SOON));
        match poll_once(receiving.as_mut()) {
            Poll::Ready(result) => assert!(text(result.map(drop)).contains("open the channel anew")),
            Poll::Pending => panic!("the future waits"),
        }
        assert_eq!(held.as_ref().unwrap().data(), b"kept");
        drop(held.take());
    });
    drop(held);
    assert_eq!(queue.status().message_count, 0);
}

#[test]
fn a_child_without_descriptors_left_is_cut_off_as_well() {
    let stage = Stage::new();
    let (tx, rx) = stage.ends(2);
    tx.send(&[1; 4]).unwrap();
    let held = rx.recv().unwrap();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is there.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    in_child("in a process of its own, to lower the limit", || {
        let rx = stage.options.open("c").unwrap().receiver();
        let none = libc::rlimit { rlim_cur: 3, ..limit };
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) };
        in_child("child", || says_forked("recv", rx.recv()));
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    });
    drop(held);
    assert!(rest(&rx).is_empty());
    tx.send(&[2; 4]).unwrap();
    assert_eq!(rest(&rx), [2]);
}
