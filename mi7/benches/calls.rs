//! What each call costs by itself: one thread, one process, nobody waits. `cargo bench -p mi7 --bench calls`
//!
//! What a message costs between two processors, which is mostly the bouncing of cache lines, is measured by
//! `mi7/comparison`; how many instructions a call has, whatever the machine's mood, by the benchmark `instructions`.

mod common;

use common::{ALONE, Channel, EXCLUSIVE, Ends, NAME, Order, SEVERAL, Sample, options};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mi7::{Bincode, Message};

fn main() {
    divan::main();
}

type Word = [u64; 1];
type Line = [u64; 8];
type KiB1 = [u64; 128];
type KiB64 = [u64; 8192];

const BATCH: usize = 64;

/// Sent, received and released, by value: the copy into the slot is in it, reading the message is not.
#[divan::bench(types = [Word, Line, KiB1, KiB64], args = [EXCLUSIVE, ALONE, SEVERAL])]
fn send_recv_release<T: Sample>(bencher: Bencher, ends: Ends) {
    let message = T::sample();
    let channel = Channel::new(ends, options(size_of::<T>()), &message);
    bencher.bench_local(|| {
        channel.tx.try_send(black_box(&message)).expect("room");
        black_box(&*channel.rx.try_recv().expect("a message"));
    });
}

/// The same through a loan.
#[divan::bench(types = [Word, Line, KiB1, KiB64], args = [EXCLUSIVE, ALONE, SEVERAL])]
fn loan_write_send_recv_release<T: Sample>(bencher: Bencher, ends: Ends) {
    let message = T::sample();
    let channel = Channel::new(ends, options(size_of::<T>()), &message);
    bencher.bench_local(|| {
        let mut loan = channel.tx.try_loan().expect("room");
        loan.write(black_box(&message)).expect("fits");
        loan.send().expect("written");
        black_box(&*channel.rx.try_recv().expect("a message"));
    });
}

/// 64 messages; the figures are for all of them, the rate is that of the messages.
#[divan::bench(types = [Word, Line, KiB1], args = [EXCLUSIVE, ALONE, SEVERAL])]
fn send_many_recv_many_of_64<T: Sample>(bencher: Bencher, ends: Ends) {
    let messages = [(); BATCH].map(|()| T::sample());
    let channel = Channel::new(ends, options(size_of::<T>()), &messages[0]);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        assert_eq!(channel.tx.send_many(black_box(&messages)).expect("room"), BATCH);
        let batch = channel.rx.recv_many(BATCH).expect("messages");
        assert_eq!(batch.len(), BATCH);
        black_box(&*batch);
    });
}

/// The same one by one, to compare with.
#[divan::bench(types = [Word, Line, KiB1], args = [EXCLUSIVE, ALONE, SEVERAL])]
fn send_and_recv_64<T: Sample>(bencher: Bencher, ends: Ends) {
    let messages = [(); BATCH].map(|()| T::sample());
    let channel = Channel::new(ends, options(size_of::<T>()), &messages[0]);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for message in black_box(&messages) {
            channel.tx.try_send(message).expect("room");
        }
        for _ in 0..BATCH {
            black_box(&*channel.rx.try_recv().expect("a message"));
        }
    });
}

/// A [`Message`], which is read where it lies.
#[divan::bench(consts = [8, 64, 1024, 65536])]
fn message<const N: usize>(bencher: Bencher) {
    let message = Message::new(vec![7; N]);
    let channel = Channel::new(ALONE, options(N).max_message_size(N), &message);
    bencher.bench_local(|| {
        channel.tx.try_send(black_box(&message)).expect("room");
        black_box(channel.rx.try_recv().expect("a message").data());
    });
}

/// A struct with a string in it: encoded, and decoded on receipt.
#[divan::bench]
fn bincode(bencher: Bencher) {
    let message = Bincode(Order::sample());
    let channel = Channel::new(ALONE, options(64), &message);
    bencher.bench_local(|| {
        channel.tx.try_send(black_box(&message)).expect("room");
        black_box(&*channel.rx.try_recv().expect("a message"));
    });
}

#[divan::bench(args = [EXCLUSIVE, ALONE, SEVERAL])]
fn try_recv_of_an_empty_channel(bencher: Bencher, ends: Ends) {
    let channel = Channel::new(ends, options(64), &Line::sample());
    bencher.bench_local(|| black_box(channel.rx.try_recv()).is_err());
}

#[divan::bench(args = [EXCLUSIVE, ALONE, SEVERAL])]
fn try_send_to_a_full_channel(bencher: Bencher, ends: Ends) {
    let message = Line::sample();
    let channel = Channel::new(ends, options(64), &message);
    while channel.tx.try_send(&message).is_ok() {}
    bencher.bench_local(|| channel.tx.try_send(black_box(&message)).is_err());
}

/// A message that is put back and received again.
#[divan::bench(args = [EXCLUSIVE, ALONE, SEVERAL])]
fn recv_requeue(bencher: Bencher, ends: Ends) {
    let message = Line::sample();
    let channel = Channel::new(ends, options(64), &message);
    channel.tx.send(&message).expect("sends");
    bencher.bench_local(|| channel.rx.try_recv().expect("a message").requeue());
}

/// An existing channel is opened, its file checked and mapped, and closed again.
#[divan::bench]
fn attach(bencher: Bencher) {
    let channel = Channel::new(ALONE, options(64), &Line::sample());
    let again = channel.again();
    bencher.bench_local(|| again.open(NAME).expect("opens"));
}

/// Looks at every slot, 1024 of them.
#[divan::bench]
fn status(bencher: Bencher) {
    let channel = Channel::new(ALONE, options(64), &Line::sample());
    bencher.bench_local(|| channel.tx.status());
}

/// A handle that has been used for nothing, and its drop.
#[divan::bench]
fn clone_sender(bencher: Bencher) {
    let channel = Channel::new(ALONE, options(64), &Line::sample());
    bencher.bench_local(|| channel.tx.clone());
}

#[divan::bench]
fn clone_receiver(bencher: Bencher) {
    let channel = Channel::new(ALONE, options(64), &Line::sample());
    bencher.bench_local(|| channel.rx.clone());
}
