//! Messages of many megabytes, in threads with little stack: none of their bytes is ever on it.

use std::borrow::Borrow;
use std::mem::size_of;
use std::thread;
use std::time::Duration;

use mi7::rkyv::{Archive, Deserialize, Serialize};
use mi7::schema::{Kind, Schema};
use mi7::{FixedString, FixedVec, Received, ShmMessage};
use mi7_tests::{Stage, block_on};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
/// Bytes of stack. The messages here have many times as many.
const STACK: usize = 256 << 10;

/// Runs a test in a thread with little stack.
fn with_little_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK).spawn(test).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Fills a message in, in its slot; takes it out into a box; and sends the box in every way that there is.
#[track_caller]
fn goes_every_way<T: ShmMessage>(fill: impl FnOnce(&mut T::Archived) + Send + 'static) {
    assert!(size_of::<T::Archived>() >= 3 * STACK, "{} bytes are not large", size_of::<T::Archived>());
    with_little_stack(move || {
        let stage = Stage::new(ACTOR);
        let (tx, rx) = stage.options::<T>().capacity(1).create("large").expect("a channel").split();
        let mut loan = tx.loan().expect("room");
        fill(loan.zeroed().expect("zeros are a value of it"));
        loan.send().expect("it was filled in");
        let received = rx.recv().expect("what was filled in");
        let bytes = bytes(&received).to_vec();
        let message = received.to_boxed();
        // One that was received, and put back.
        received.requeue();
        let again = |way: &str| {
            let received = rx.try_recv().unwrap_or_else(|error| panic!("{way}: {error}"));
            assert!(self::bytes(&received) == bytes, "{way} sends something else");
            drop(received);
        };
        again("requeue");
        tx.send(&message).expect("room");
        again("send");
        tx.try_send(&message).expect("room");
        again("try_send");
        tx.send_timeout(&message, Duration::from_secs(9)).expect("room");
        again("send_timeout");
        assert_eq!(tx.send_many([&*message]).expect("room"), 1);
        again("send_many of references");
        block_on(tx.send_async(&message)).expect("room");
        again("send_async");
        let mut loan = tx.loan().expect("room");
        loan.write(&message).expect("archives fit");
        loan.send().expect("it was written");
        again("loan");
        let mut loans = tx.loan_many(1).expect("room");
        loans[0].write(&message).expect("archives fit");
        loans.send().expect("it was written");
        let batch = rx.recv_many(9).expect("what was lent");
        assert!(self::bytes(&batch[0]) == bytes, "loan_many sends something else");
        drop(batch);
        assert_eq!(send_boxes(&tx, [message]), 1);
        let detached = rx.recv().expect("the box").detach();
        assert!(self::bytes(&detached) == bytes, "send_many of boxes sends something else");
    });
}

fn send_boxes<T: ShmMessage, M: Borrow<T>>(tx: &mi7::Sender<T>, messages: [M; 1]) -> usize {
    tx.send_many(messages).expect("room")
}

/// The bytes of a message. They are all initialized, since they were zeros once: padding is never written.
fn bytes<'a, T: ShmMessage>(received: &'a Received<'_, T>) -> &'a [u8] {
    let at = std::ptr::from_ref::<T::Archived>(received).cast::<u8>();
    // SAFETY: shared memory is always initialized, and a leased slot is not written to.
    unsafe { std::slice::from_raw_parts(at, size_of::<T::Archived>()) }
}

const MANY: usize = 1 << 18;

#[mi7::message]
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Low,
    Middle,
    High,
}

#[mi7::message]
#[derive(Debug)]
enum Reading {
    None,
    Level(Level, Option<u32>),
    Named { level: Option<Level>, at: u64 },
}

fn level(i: usize) -> ArchivedLevel {
    [ArchivedLevel::High, ArchivedLevel::Low, ArchivedLevel::Middle][i % 3]
}

impl Clone for ArchivedLevel {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for ArchivedLevel {}

type ArchivedMaybe<A> = <Option<A> as Archive>::Archived;

#[test]
fn arrays_of_options_and_of_enums() {
    goes_every_way::<[Level; 4 * MANY]>(|levels| {
        levels.iter_mut().enumerate().for_each(|(i, to)| *to = level(i));
    });
    goes_every_way::<[Option<u64>; MANY]>(|numbers| {
        for (i, number) in (0..).zip(numbers).step_by(3) {
            *number = ArchivedMaybe::<u64>::Some(u64::from_ne_bytes([i as u8; 8]).into());
        }
    });
    goes_every_way::<[Reading; MANY]>(|readings| {
        for (i, reading) in readings.iter_mut().enumerate() {
            *reading = match i % 3 {
                0 => ArchivedReading::None,
                1 => ArchivedReading::Level(level(i), ArchivedMaybe::<u32>::Some((i as u32).into())),
                _ => ArchivedReading::Named { level: ArchivedMaybe::<Level>::Some(level(i)), at: (i as u64).into() },
            };
        }
    });
}

#[test]
fn nested_arrays_and_tuples_of_arrays() {
    goes_every_way::<[[[Option<u8>; 64]; 64]; 256]>(|cube| {
        let cells = cube.iter_mut().flatten().flatten();
        cells.zip(0u8..=255).for_each(|(cell, i)| *cell = ArchivedMaybe::<u8>::Some(i));
        cube[255][63][63] = ArchivedMaybe::<u8>::Some(3);
    });
    goes_every_way::<([Level; MANY], u8, [(bool, Option<u32>); MANY], [[Reading; 300]; 300])>(|all| {
        all.0[MANY - 1] = ArchivedLevel::High;
        all.1 = 5;
        all.2[MANY - 1].0 = true;
        all.2[MANY - 2].1 = ArchivedMaybe::<u32>::Some(7.into());
        all.3[299][299] = ArchivedReading::Named { level: ArchivedMaybe::<Level>::None, at: 9.into() };
    });
}

#[mi7::message]
struct Deep {
    first: Option<u16>,
    levels: [Level; 1000],
}

#[mi7::message]
struct Survey {
    name: FixedString<{ 4 * MANY }>,
    options: [Option<u16>; MANY],
    list: FixedVec<Option<u64>, { MANY / 2 }>,
    rows: [Deep; 500],
    rest: Rest,
}

#[mi7::message]
struct Rest([Level; MANY], u8);

#[test]
fn structs_with_arrays_texts_and_lists() {
    goes_every_way::<Survey>(|survey| {
        survey.name.push_str("a long name: ").expect("room");
        survey.name.push_str(&"ß".repeat(MANY)).expect("room");
        survey.options[MANY - 1] = ArchivedMaybe::<u16>::Some(8.into());
        for i in 0..MANY as u64 / 2 {
            survey.list.try_push(&(i % 3 > 0).then_some(i)).expect("room");
        }
        survey.list.try_push(&None::<u64>).expect_err("no room");
        survey.rows[499].levels[999] = ArchivedLevel::High;
        survey.rows[499].first = ArchivedMaybe::<u16>::Some(1.into());
        survey.rest.0[MANY - 1] = ArchivedLevel::Middle;
        survey.rest.1 = 17;
    });
}

#[mi7::message]
struct Wrapper<T: ShmMessage> {
    before: u8,
    inner: T,
    after: Option<T>,
}

#[test]
fn generic_wrappers() {
    goes_every_way::<Wrapper<Wrapper<[Level; 3 * MANY]>>>(|outer| {
        outer.before = 1;
        outer.inner.before = 2;
        outer.inner.inner[3 * MANY - 1] = ArchivedLevel::High;
    });
}

#[mi7::message]
#[allow(clippy::large_enum_variant)] // that is the point
enum Frame {
    Empty,
    Pixels { number: u64, pixels: [Option<u8>; 2 * MANY] },
    Lists(FixedVec<[Level; MANY], 2>, Level),
}

#[test]
fn enums_and_options_with_large_variants() {
    goes_every_way::<Frame>(|_| ());
    // The native value of such an enum cannot be built in a box: it takes a thread with enough stack, here as there.
    let sent = |frame: fn() -> Frame, is_received: fn(&ArchivedFrame) -> bool| {
        let frame = thread::Builder::new().stack_size(64 << 20).spawn(move || Box::new(frame())).expect("a thread");
        let frame = frame.join().expect("a frame");
        with_little_stack(move || {
            let stage = Stage::new(ACTOR);
            let (tx, rx) = stage.options::<Frame>().capacity(1).create("frames").expect("a channel").split();
            for _ in 0..3 {
                tx.send(&frame).expect("room");
                assert!(is_received(&rx.recv().expect("it")));
            }
            tx.send(&frame).expect("room");
            let boxed = rx.recv().expect("it").to_boxed();
            tx.send(&boxed).expect("room");
            assert!(is_received(&rx.recv().expect("it")));
        });
    };
    sent(
        || Frame::Pixels { number: 7, pixels: [Some(9); 2 * MANY] },
        |frame| match frame {
            ArchivedFrame::Pixels { number, pixels } => {
                *number == 7 && pixels.iter().all(|pixel| *pixel == ArchivedMaybe::<u8>::Some(9))
            }
            _ => false,
        },
    );
    sent(
        || {
            let mut list = FixedVec::new();
            assert!(list.try_push([Level::Middle; MANY]).is_ok());
            Frame::Lists(list, Level::High)
        },
        |frame| match frame {
            ArchivedFrame::Lists(list, ArchivedLevel::High) => {
                list.len() == 1 && list[0].iter().all(|level| matches!(level, ArchivedLevel::Middle))
            }
            _ => false,
        },
    );
    goes_every_way::<Option<[Level; 4 * MANY]>>(|_| ());
    goes_every_way::<[Option<[Option<u64>; MANY / 8]>; 3]>(|_| ());
}

#[test]
fn lists_and_texts_of_large_capacity_are_made_on_the_heap() {
    with_little_stack(|| {
        let stage = Stage::new(ACTOR);
        type List = FixedVec<Option<u32>, { 4 * MANY }>;
        let (tx, rx) = stage.options::<List>().capacity(1).create("lists").expect("a channel").split();
        let mut list = List::boxed();
        assert!(list.is_empty());
        for i in 0..MANY as u32 {
            list.try_push(Some(i)).expect("room");
        }
        tx.send(&list).expect("room");
        let received = rx.recv().expect("it");
        assert_eq!(received.len(), MANY);
        assert!(*received == *list);
        assert!(*received.to_boxed() == *list);

        type Text = FixedString<{ 16 * MANY }>;
        let (tx, rx) = stage.options::<Text>().capacity(1).create("texts").expect("a channel").split();
        let mut text = Text::boxed();
        assert_eq!(*text, "");
        (0..MANY).for_each(|_| text.push_str("tick, tock, ").expect("room"));
        tx.send(&text).expect("room");
        let received = rx.recv().expect("it");
        assert!(*received == *text);
        assert!(*received.to_boxed() == *text);
    });
}

/// By hand, and so without what the derive adds: the resolver of the whole is an array of options.
#[derive(Archive, Serialize, Deserialize)]
#[rkyv(crate = mi7::rkyv)]
struct ByHand {
    numbers: [Option<u64>; MANY],
}

// SAFETY: it is an array of messages, and nobody has to understand it.
unsafe impl ShmMessage for ByHand {
    const SCHEMA: Schema = Schema {
        name: "ByHand",
        size: size_of::<ArchivedByHand>(),
        align: align_of::<ArchivedByHand>(),
        kind: Kind::Opaque,
    };
}

#[test]
fn messages_implemented_by_hand() {
    goes_every_way::<ByHand>(|by_hand| by_hand.numbers[MANY - 1] = ArchivedMaybe::<u64>::Some(4.into()));
}

#[mi7::message]
#[derive(Debug, PartialEq)]
struct Checked {
    before: u64,
    divisor: std::num::NonZeroU32,
}

#[test]
fn zeros_that_are_no_value_are_refused() {
    let stage = Stage::new(ACTOR);
    let (tx, rx) = stage.options().capacity(2).create("checked").expect("a channel").split();
    let value = Checked { before: 1, divisor: std::num::NonZeroU32::MIN };
    let mut loan = tx.loan().expect("room");
    loan.write(&value).expect("archives fit");
    let Err(error) = loan.zeroed() else { panic!("zeros are no such message") };
    assert!(error.to_string().contains("`Checked`") && error.to_string().contains("divisor"), "{error}");
    assert!(matches!(loan.send(), Err(mi7::Error::Unwritten)), "what was written before is gone");
    tx.send(&value).expect("room");
    assert_eq!(rx.recv().expect("it").to_boxed().as_ref(), &value);
}
