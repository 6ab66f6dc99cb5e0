//! Bytes in the file that no honest program writes, while the channel is open: each call ends in time, with an error or a
//! whole message, and nothing panics.
//!
//! Only the length of the file is left alone: who may open a channel may also cut it off, and then SIGBUS is the kernel's
//! answer (see the trust model in the crate's documentation).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use mi7::{Bincode, Error, FixedString, FixedVec, Message, Payload, Receiver, Sender};
use mi7_tests::zoo::{Event, Everything, Specimen};
use mi7_tests::{Letter, Load, Stage};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// Where the parts of a file lie: `mi7-core/src/layout.rs`.
const SHARED: u64 = 256;
const ENTRIES: u64 = 1024;
const MARKS: u64 = 41_728;
/// What tasks wait behind.
const DOORS: u64 = 33_536;
const ENTRY: u64 = 128;
const CAPACITY: u64 = 3;
/// The slots begin on a page, behind marks and a short schema.
const SLOTS: u64 = 45_056;
/// From one slot to the next: a word and twelve bytes, a power of two.
const STRIDE: u64 = 32;

// ---- payloads ------------------------------------------------------------------------------------------------------

/// A channel with one message in it, and where in the file that message's bytes lie.
struct Victim<T: Payload> {
    tx: Sender<T>,
    rx: Receiver<T>,
    file: File,
    at: u64,
    // Last: the file is in it.
    _stage: Stage,
}

impl<T: Payload> Victim<T> {
    fn new() -> Self {
        let stage = Stage::new(ACTOR);
        let (tx, rx) = stage.options::<T>().capacity(1).create("victim").expect("a channel").split();
        let file = File::options().read(true).write(true).open(stage.file("victim")).expect("its file");
        let number = |at| {
            let mut field = [0; 4];
            file.read_exact_at(&mut field, at).expect("it lies in the file");
            u64::from(u32::from_le_bytes(field))
        };
        let (align, schema) = (number(24), number(36));
        let slots = (MARKS + 8 + schema).next_multiple_of(4096);
        let at = slots + 8u64.next_multiple_of(align);
        Victim { tx, rx, file, at, _stage: stage }
    }

    /// Sends the message, puts `bytes` at `offset` of its archive, and receives it.
    fn forged(&self, message: &T, offset: u64, bytes: &[u8]) -> mi7::Result<()> {
        self.tx.try_send(message)?;
        self.file.write_all_at(bytes, self.at + offset).expect("the file takes it");
        self.rx.try_recv().map(drop)
    }

    /// Refused as corrupt, with the reason in words; and the channel goes on.
    #[track_caller]
    fn is_refused(&self, message: &T, offset: u64, bytes: &[u8], reason: &str) {
        match self.forged(message, offset, bytes) {
            Err(error @ Error::Corrupt { .. }) => {
                assert!(error.to_string().contains(reason), "{reason}: {error}");
            }
            other => panic!("{bytes:x?} at {offset}: {other:?}"),
        }
        assert!(matches!(self.rx.try_recv(), Err(Error::Empty)), "it was dropped");
        self.tx.try_send(message).expect("its room is free");
        assert!(self.rx.try_recv().is_ok(), "the channel goes on");
    }

    #[track_caller]
    fn is_taken(&self, message: &T, offset: u64, bytes: &[u8]) {
        self.forged(message, offset, bytes).unwrap_or_else(|error| panic!("{bytes:x?} at {offset}: {error}"));
    }
}

#[test]
fn bytes_that_are_no_bool_char_or_variant_are_refused_and_the_channel_goes_on() {
    let bools = Victim::<bool>::new();
    bools.is_taken(&false, 0, &[1]);
    for byte in [2, 3, 128, 255] {
        bools.is_refused(&true, 0, &[byte], "bool");
    }
    let chars = Victim::<char>::new();
    chars.is_taken(&'a', 0, &0xE000u32.to_le_bytes());
    for code in [0xD800u32, 0xDFFF, 0x11_0000, u32::MAX] {
        chars.is_refused(&'a', 0, &code.to_le_bytes(), "char");
    }
    let events = Victim::<Event>::new();
    for tag in 4..=255 {
        events.is_refused(&Event::Nothing, 0, &[tag], "Event");
    }
    let options = Victim::<Option<u32>>::new();
    options.is_taken(&None, 0, &[1]);
    for tag in 2..=255 {
        options.is_refused(&Some(7), 0, &[tag], "Option");
    }
    let numbers = Victim::<std::num::NonZeroU64>::new();
    numbers.is_refused(&std::num::NonZeroU64::MIN, 0, &[0; 8], "NonZero");
    let waits = Victim::<Duration>::new();
    waits.is_refused(&Duration::ZERO, 8, &1_000_000_000u32.to_le_bytes(), "Duration");
}

#[test]
fn lengths_and_texts_that_cannot_be_are_refused_and_the_channel_goes_on() {
    let texts = Victim::<FixedString<5>>::new();
    let text = FixedString::try_from("abc").expect("it fits");
    texts.is_taken(&text, 0, &5u32.to_le_bytes());
    for length in [6u32, 1000, u32::MAX] {
        texts.is_refused(&text, 0, &length.to_le_bytes(), "FixedString<5>");
    }
    texts.is_refused(&text, 4, &[0xFF], "utf-8");
    let lists = Victim::<FixedVec<bool, 5>>::new();
    let list = FixedVec::try_from(&[true, false][..]).expect("it fits");
    for length in [6u32, u32::MAX] {
        lists.is_refused(&list, 0, &length.to_le_bytes(), "FixedVec<5>");
    }
    lists.is_refused(&list, 5, &[2], "bool");
    lists.is_taken(&list, 6, &[2]);
}

#[test]
fn lengths_and_bytes_that_are_no_message_are_refused_and_the_channel_goes_on() {
    let bytes = Victim::<Message>::new();
    let message = Message { id: 1, data: vec![9; 100], timestamp: 2 };
    for length in [4096 + 28, 1 << 20, u32::MAX] {
        bytes.is_refused(&message, 0, &length.to_le_bytes(), "length of a message");
    }
    // Length 0, a byte too few, a byte too many; a length of data that is longer than all there is.
    for length in [0u32, 102, 104] {
        bytes.is_refused(&message, 0, &length.to_le_bytes(), "message");
    }
    bytes.is_refused(&message, 5, &[253, 255, 255, 255, 255, 255, 255, 255, 255], "message");
    let letters = Victim::<Bincode<Letter>>::new();
    letters.is_refused(&Bincode::pack(1, 1), 4, &[0xFF; 60], "message");
    // Found by the fuzzer: lengths that no memory has room for.
    let texts = Victim::<Bincode<String>>::new();
    for length in [u64::MAX, u64::MAX >> 1, 1 << 40] {
        let bytes: Vec<u8> = [253].into_iter().chain(length.to_le_bytes()).collect();
        texts.is_refused(&Bincode("x".repeat(100)), 4, &bytes, "message");
    }
}

#[test]
fn an_iterator_leaves_out_what_is_no_message() {
    let victim = Victim::<bool>::new();
    victim.tx.send(&true).expect("room");
    victim.file.write_all_at(&[7], victim.at).expect("the file takes it");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            victim.tx.send(&true).expect("open");
            victim.tx.close();
        });
        assert_eq!(victim.rx.iter().count(), 1);
    });
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn random_archives_are_refused_or_whole(bytes in prop::collection::vec(any::<u8>(), size_of::<<Everything as mi7::rkyv::Archive>::Archived>())) {
        whole_or_refused::<Everything>(&bytes)?;
    }

    #[test]
    fn random_variants_are_refused_or_whole(tag in 0u8..6, mut bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], size_of::<<Event as mi7::rkyv::Archive>::Archived>())) {
        bytes[0] = tag;
        whole_or_refused::<Event>(&bytes)?;
    }
}

/// Either an error, or a value that all can be done with.
fn whole_or_refused<T: Specimen + Clone>(bytes: &[u8]) -> TestCaseResult {
    let victim = Victim::<T>::new();
    victim.tx.try_send(&T::specimens()[0]).expect("room");
    victim.file.write_all_at(bytes, victim.at).expect("the file takes it");
    match victim.rx.try_recv() {
        Ok(received) => {
            let shown = format!("{:?}", received.to_owned());
            prop_assert!(!shown.is_empty());
        }
        Err(Error::Corrupt { .. }) => {}
        Err(other) => prop_assert!(false, "{other:?}"),
    }
    prop_assert!(victim.tx.try_send(&T::specimens()[0]).is_ok());
    prop_assert!(victim.rx.try_recv().is_ok());
    Ok(())
}

// ---- words ---------------------------------------------------------------------------------------------------------

/// So many cases, or as many as `PROPTEST_CASES` says: more is better, and takes its time.
fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    config
}

/// One thing done to the channel.
#[derive(Clone, Debug)]
enum Step {
    /// A word of eight bytes is overwritten.
    Word(u64, Value),
    /// Any bytes are.
    Bytes(u64, Vec<u8>),
    Call(Call),
}

/// What a word is overwritten with.
#[derive(Clone, Debug)]
enum Value {
    Plain(u64),
    /// What it was, with bits flipped.
    Flipped(u64),
    /// What it was, and a little more or less.
    Near(i64),
    /// What some other word is.
    CopyOf(u64),
}

#[derive(Clone, Copy, Debug)]
enum Call {
    TrySend,
    SendTimeout,
    TryRecv,
    RecvTimeout,
    Hold,
    Requeue,
    Release,
    Loan,
    Status,
    Open,
    Close,
}

/// The words that decide something, and where they lie.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..7u64).prop_map(|line| SHARED + 128 * line.min(5)),
        1 => (0..3u64).prop_map(|stat| SHARED + 640 + 8 * stat),
        2 => (0..4u64, 0..4u64).prop_map(|(entry, field)| ENTRIES + ENTRY * entry + 8 * field),
        2 => (0..CAPACITY).prop_map(|slot| MARKS + 8 * slot),
        // Whose word it is whether tasks wait, who was rung last, and behind which doors; and whose the doors are.
        1 => (0..2u64, 0..6u64).prop_map(|(end, word)| SHARED + 256 + 128 * end + 8 * word),
        1 => (0..3u64, 0..3u64).prop_map(|(door, field)| DOORS + 32 * door + 8 * field),
        4 => (0..CAPACITY).prop_map(|slot| SLOTS + STRIDE * slot),
        1 => (0..CAPACITY).prop_map(|slot| SLOTS + STRIDE * slot + 8),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    // Laps, phases and owners that look like something, and what does not.
    let slot_word = (0..5u64, 0..64u64, 0..4u64, prop_oneof![0..4u64, 253..256u64])
        .prop_map(|(lap, deliveries, phase, owner)| lap << 16 | deliveries << 10 | phase << 8 | owner);
    let counter = (0..20u64, 0..2u64, prop_oneof![0..4u64, 253..256u64])
        .prop_map(|(position, closed, owner)| position << 9 | closed << 8 | owner);
    prop_oneof![
        3 => slot_word.prop_map(Value::Plain),
        3 => counter.prop_map(Value::Plain),
        1 => any::<u64>().prop_map(Value::Plain),
        1 => prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX << 9), Just(i64::MAX as u64)].prop_map(Value::Plain),
        2 => (0..64u32).prop_map(|bit| Value::Flipped(1 << bit)),
        2 => (-3..4i64).prop_map(Value::Near),
        1 => word().prop_map(Value::CopyOf),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    use Call::*;
    prop_oneof![
        6 => Just(TrySend), 1 => Just(SendTimeout), 6 => Just(TryRecv), 1 => Just(RecvTimeout), 2 => Just(Hold),
        1 => Just(Requeue), 1 => Just(Release), 1 => Just(Loan), 1 => Just(Status), 1 => Just(Open),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (word(), value()).prop_map(|(at, value)| Step::Word(at, value)),
        1 => (SHARED..SLOTS + STRIDE * CAPACITY - 32, prop::collection::vec(any::<u8>(), 1..32))
            .prop_map(|(at, bytes)| Step::Bytes(at, bytes)),
        10 => call().prop_map(Step::Call),
    ];
    (prop::collection::vec(step, 1..60), any::<bool>()).prop_map(|(mut steps, close)| {
        if close {
            steps.push(Step::Call(Call::Close));
            steps.extend([Call::TrySend, Call::TryRecv, Call::RecvTimeout, Call::Status].map(Step::Call));
        }
        steps
    })
}

/// The message of these tests: valid whatever its bytes are, so that what is received says nothing of them.
type Numbers = [u32; 3];

fn endure(steps: &[Step]) -> TestCaseResult {
    // What any call may take that is told to wait 5 ms.
    const LIMIT: Duration = Duration::from_secs(2);
    const WAIT: Duration = Duration::from_millis(5);
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Numbers>().capacity(CAPACITY as usize);
    let (tx, rx) = options.create("victim").expect("a channel").split();
    let file = File::options().read(true).write(true).open(stage.file("victim")).expect("its file");
    let length = file.metadata().expect("its length").len();
    assert_eq!(length, SLOTS + STRIDE * CAPACITY, "the layout that the words are taken from");
    let read = |at| {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).expect("it lies in the file");
        u64::from_le_bytes(word)
    };
    let mut held = Vec::new();
    let mut others = Vec::new();
    for step in steps {
        let began = Instant::now();
        match step {
            Step::Word(at, value) => {
                let value = match value {
                    Value::Plain(value) => *value,
                    Value::Flipped(bits) => read(*at) ^ bits,
                    Value::Near(more) => read(*at).wrapping_add_signed(*more << 9),
                    Value::CopyOf(other) => read(*other),
                };
                file.write_all_at(&value.to_le_bytes(), *at).expect("it lies in the file");
            }
            Step::Bytes(at, bytes) => file.write_all_at(bytes, *at).expect("they lie in the file"),
            Step::Call(call) => {
                let result = match call {
                    Call::TrySend => tx.try_send(&[1, 2, 3]),
                    Call::SendTimeout => tx.send_timeout(&[1, 2, 3], WAIT),
                    Call::TryRecv => rx.try_recv().map(drop),
                    Call::RecvTimeout => rx.recv_timeout(WAIT).map(drop),
                    Call::Hold => rx.try_recv().map(|received| held.push(received)),
                    Call::Requeue => {
                        held.pop().into_iter().for_each(mi7::Received::requeue);
                        Ok(())
                    }
                    Call::Release => {
                        drop(held.pop());
                        Ok(())
                    }
                    Call::Loan => tx.try_loan().map(drop),
                    Call::Status => {
                        let status = tx.status();
                        prop_assert!(status.waiting + status.leased <= status.capacity, "{status:?}");
                        Ok(())
                    }
                    Call::Open => options.open("victim").map(|other| others.push(other)),
                    Call::Close => {
                        tx.close();
                        Ok(())
                    }
                };
                match result {
                    Ok(()) => {}
                    Err(Error::Full | Error::Empty | Error::Timeout | Error::Closed) => {}
                    Err(Error::Corrupt { .. } | Error::Exhausted) => {}
                    // The schema text lies behind the marks, and is overwritten too.
                    Err(Error::TableFull { .. } | Error::Mismatch { .. } | Error::NotAChannel { .. })
                        if matches!(call, Call::Open) => {}
                    Err(other) => prop_assert!(false, "{call:?}: {other:?}"),
                }
            }
        }
        prop_assert!(began.elapsed() < LIMIT, "{step:?} took {:?}", began.elapsed());
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn each_call_ends_in_time_whatever_the_words_say(steps in steps()) {
        endure(&steps)?;
    }
}

#[test]
fn counts_at_the_end_of_their_range_do_not_overflow() {
    // Found by the test above: `tail` says that the last position is to be passed over, and so many were passed over already.
    for (tail, statistic) in [(255, 0), (255, 1), ((1 << 9) | 255, 0), (u64::MAX, 0), (u64::MAX, 1)] {
        let mut steps = vec![
            Step::Word(SHARED, Value::Plain(tail)),
            Step::Word(SHARED + 640 + 8 * statistic, Value::Plain(u64::MAX)),
        ];
        steps.extend(
            [Call::Status, Call::TrySend, Call::TryRecv, Call::Status, Call::Close, Call::Status].map(Step::Call),
        );
        endure(&steps).unwrap_or_else(|error| panic!("{tail:x}, {statistic}: {error}"));
    }
}

#[test]
fn tickets_at_the_end_of_their_range_do_not_overflow() {
    // Found by the fuzzer, in a channel whose end is one's alone.
    const TICKETS: u64 = SHARED + 536;
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().single_receiver().create("victim").expect("a channel");
    let file = File::options().write(true).open(stage.file("victim")).expect("its file");
    file.write_all_at(&[0xff; 8], TICKETS).expect("the file takes it");
    let (tx, rx) = channel.split();
    tx.try_send(&7).expect("there is room");
    assert_eq!(rx.try_recv().expect("a message").to_owned(), 7);
    let mut tickets = [0; 8];
    std::os::unix::fs::FileExt::read_exact_at(
        &File::open(stage.file("victim")).expect("its file"),
        &mut tickets,
        TICKETS,
    )
    .expect("it is there");
    assert_ne!(tickets, [0xff; 8], "a ticket was drawn");
}

#[test]
fn whoever_closes_does_not_wait_for_one_who_never_goes_on() {
    // Found by the fuzzer: the first who opened the channel, and lives, is said to be about to claim.
    const BUSY: u64 = SHARED + 8;
    const TAIL_BIAS: u64 = SHARED + 520;
    let bias = 7 << 16 | 1;
    let stage = Stage::new(ACTOR);
    let channel = stage.options::<u64>().create("victim").expect("a channel");
    let file = File::options().write(true).open(stage.file("victim")).expect("its file");
    let (tx, rx) = channel.split();
    for at in [BUSY, TAIL_BIAS] {
        file.write_all_at(&u64::to_le_bytes(bias), at).expect("the file takes it");
    }
    let begun = Instant::now();
    channel.close();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(channel.is_closed());
    assert!(matches!(tx.try_send(&1), Err(Error::Closed)), "those who can be told are");
    assert!(matches!(rx.recv_timeout(Duration::from_millis(50)), Err(Error::Timeout)), "it may send yet");
    // It goes on.
    file.write_all_at(&[0; 8], BUSY).expect("the file takes it");
    assert!(matches!(rx.recv_timeout(Duration::from_secs(5)), Err(Error::Closed)), "and now it cannot");
}

#[test]
fn a_channel_full_of_noise_answers_every_call() {
    let mut noise = rand_like::Noise(7);
    for round in 0..100 {
        let mut steps = vec![Step::Call(Call::TrySend), Step::Call(Call::Hold)];
        // All of it, or all but the words that the calls begin with.
        let from = if round % 2 == 0 { SHARED } else { SHARED + 256 };
        let bytes = (0..SLOTS + STRIDE * CAPACITY - from).map(|_| noise.byte()).collect();
        steps.push(Step::Bytes(from, bytes));
        for call in [Call::TrySend, Call::TryRecv, Call::SendTimeout, Call::RecvTimeout, Call::Loan, Call::Release] {
            steps.push(Step::Call(call));
        }
        for call in [Call::Status, Call::Open, Call::Close, Call::TryRecv, Call::RecvTimeout] {
            steps.push(Step::Call(call));
        }
        endure(&steps).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[test]
fn each_call_ends_in_time_while_somebody_keeps_scribbling() {
    const WAIT: Duration = Duration::from_millis(2);
    let stage = Stage::new(ACTOR);
    let options = stage.options::<Numbers>().capacity(CAPACITY as usize);
    let (tx, rx) = options.create("victim").expect("a channel").split();
    let file = File::options().write(true).open(stage.file("victim")).expect("its file");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut noise = rand_like::Noise(9);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let [kind, which, lap, phase, owner] = [(); 5].map(|()| u64::from(noise.byte()));
                let (at, word) = match kind % 4 {
                    0 => (SHARED + 128 * (which % 2), ((lap % 16) << 9) | (owner % 4)),
                    1 => (MARKS + 8 * (which % CAPACITY), lap % 16),
                    2 => (ENTRIES + ENTRY * (which % 4), lap),
                    _ => (SLOTS + STRIDE * (which % CAPACITY), ((lap % 5) << 16) | ((phase % 4) << 8) | (owner % 4)),
                };
                file.write_all_at(&word.to_le_bytes(), at).expect("it lies in the file");
            }
        });
        let began = Instant::now();
        let mut seen = [0; 2];
        while began.elapsed() < Duration::from_secs(1) {
            for call in 0..7 {
                let began = Instant::now();
                let result = match call {
                    0 => tx.try_send(&[1; 3]),
                    1 => rx.try_recv().map(drop),
                    2 => tx.send_timeout(&[1; 3], WAIT),
                    3 => rx.recv_timeout(WAIT).map(drop),
                    4 => tx.try_loan().map(drop),
                    5 => rx.try_recv().map(mi7::Received::requeue),
                    _ => {
                        tx.status();
                        Ok(())
                    }
                };
                assert!(began.elapsed() < Duration::from_secs(2), "call {call} took {:?}", began.elapsed());
                seen[usize::from(result.is_ok())] += 1;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(seen[0] > 0 && seen[1] > 0, "some calls fail, some do not: {seen:?}");
    });
}

mod rand_like {
    /// Bytes without a pattern, the same each time (xorshift64, Marsaglia).
    pub struct Noise(pub u64);

    impl Noise {
        pub fn byte(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 as u8
        }
    }
}

#[test]
fn a_process_that_scribbles_does_not_keep_others_from_other_channels() {
    let stage = Stage::new(ACTOR);
    let mut actor = stage.actor("parcel");
    actor.must("create victim capacity=3");
    let length = fs::metadata(stage.file("victim")).expect("its file").len();
    let file = File::options().write(true).open(stage.file("victim")).expect("its file");
    file.write_all_at(&vec![0xA5; (length - SHARED) as usize], SHARED).expect("the file takes it");
    for command in ["try_send 1 1", "try_recv", "send_timeout 1 1 10", "recv_timeout 10"] {
        let reply = actor.ask(command);
        assert!(reply == "ok" || reply == "torn" || reply.starts_with("error "), "{command}: {reply}");
    }
    mi7::remove_in(stage.path(), "victim").expect("it can be removed");
    actor.must("create victim capacity=3");
    actor.must("send 1 1");
    assert_eq!(actor.ask("recv"), "got 1 1 1");
    actor.finish();
}
