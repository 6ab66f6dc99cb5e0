//! The value written never passes through the heap: nothing is allocated where messages are sent and received.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use mi7::{Error, Message};
use mi7_tests::zoo::{Everything, Specimen};
use mi7_tests::{Load, Parcel, Stage};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends may allocate when its variables are gone.
    ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).ok();
}

// SAFETY: all is passed on to the system's allocator as it comes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often this thread allocates while it does this, a hundred times over.
fn allocations(mut work: impl FnMut()) -> u64 {
    let before = ALLOCATIONS.get();
    (0..100).for_each(|_| work());
    ALLOCATIONS.get() - before
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 100);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn typed_messages_are_sent_and_received_without_an_allocation() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<Everything>().capacity(3).create("everything").expect("a channel").split();
    let specimen = Everything::specimens().remove(1);
    let none = |what: &str, work: &mut dyn FnMut()| assert_eq!(allocations(work), 0, "{what}");
    none("send, recv", &mut || {
        tx.send(&specimen).expect("room");
        assert!(rx.recv().expect("it").flag);
    });
    none("try_send, try_recv", &mut || {
        tx.try_send(&specimen).expect("room");
        assert!(rx.try_recv().expect("it").flag);
    });
    none("send_timeout, recv_timeout", &mut || {
        tx.send_timeout(&specimen, Duration::from_secs(1)).expect("room");
        assert!(rx.recv_timeout(Duration::from_secs(1)).expect("it").flag);
    });
    none("loan, to_owned", &mut || {
        let mut loan = tx.loan().expect("room");
        loan.write(&specimen).expect("archives fit");
        loan.send().expect("it was written");
        let received = rx.recv().expect("it");
        assert_eq!(received.to_owned(), specimen);
        assert_eq!(received.into_inner(), specimen);
    });
    none("loans that go back", &mut || {
        drop(tx.loan().expect("room"));
        assert!(matches!(tx.try_loan().expect("room").send(), Err(Error::Unwritten)));
    });
    none("leases that go back", &mut || {
        tx.send(&specimen).expect("room");
        rx.recv().expect("it").requeue();
        drop(rx.recv().expect("it").detach());
    });
    none("full, empty", &mut || {
        (0..3).for_each(|_| tx.try_send(&specimen).expect("room"));
        assert!(matches!(tx.try_send(&specimen), Err(Error::Full)));
        (0..3).for_each(|_| drop(rx.try_recv().expect("it")));
        assert!(matches!(rx.try_recv(), Err(Error::Empty)));
    });
}

#[test]
fn a_wait_that_parks_does_not_allocate() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options::<Parcel>().capacity(1).create("parcels").expect("a channel").split();
    let parcel = Parcel::pack(1, 1);
    let before = ALLOCATIONS.get();
    assert!(matches!(rx.recv_timeout(Duration::from_millis(250)), Err(Error::Timeout)));
    tx.send(&parcel).expect("room");
    assert!(matches!(tx.send_timeout(&parcel, Duration::from_millis(250)), Err(Error::Timeout)));
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn byte_messages_are_sent_and_read_in_place_without_an_allocation() {
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Message>().capacity(3).max_message_size(100_000);
    let (tx, rx) = options.create("bytes").expect("a channel").split();
    let messages = [Message::new(vec![1; 10]), Message::new(vec![2; 100_000])];
    for message in &messages {
        let count = allocations(|| {
            tx.send(message).expect("room");
            let received = rx.recv().expect("it");
            assert_eq!(received.data(), message.data);
        });
        assert_eq!(count, 0);
        let count = allocations(|| {
            tx.send(message).expect("room");
            drop(rx.recv().expect("it").into_inner());
        });
        assert_eq!(count, 100, "a message of one's own is one allocation, of its data");
    }
}
