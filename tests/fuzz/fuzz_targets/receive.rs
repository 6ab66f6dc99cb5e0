//! A channel whose words and messages are overwritten, before it is attached to and between the calls.
//!
//! In `tests/`, where cargo-fuzz finds this package:
//!
//! ```text
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run receive fuzz/corpus/receive fuzz/seeds/receive -- -timeout=10 -rss_limit_mb=4096
//! ```
//!
//! `RUSTC_BOOTSTRAP=1` is for the address sanitizer on a stable compiler; without it, `cargo fuzz run -s none receive …`.
//!
//! # An input
//!
//! The kind of message, the capacity, how often a message may be handed out, whether there is one sender or receiver at a time, a
//! file of dead letters, and then steps ([`mi7_fuzz::script::Step`]). The
//! channel is opened at the first step that is a call, so that what comes before is there when it is attached to.
//!
//! # What has to hold
//!
//! Each call ends in time and with an error that it may have, and what is received is a whole message that lies in a slot. Of a
//! message that was kept only the lease is looked at later: whoever scribbles on what others read is beyond the promise (see
//! "Trust" in the crate's documentation). Nobody but the fuzzer's own thread has the channel open, so `recv` and `iter`
//! without an end are only called where a message has to be there.

#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mi7::{Error, Loan, Received, Receiver, Sender, SharedChannel};
use mi7_fuzz::file::{LIMIT, PREAMBLE, SINGLE, Shape, Spot, put, seal};
use mi7_fuzz::for_kind;
use mi7_fuzz::mapping::Mapping;
use mi7_fuzz::messages::Specimen;
use mi7_fuzz::script::{Call, Recorded, Step, Tape};
use mi7_fuzz::stage::{Place, Stage, Template, View};
use mi7_fuzz::watch::Watch;

const NAME: &str = "channel";
const WAIT: Duration = Duration::from_micros(300);
/// The most that is kept of messages, loans, and openings.
const KEPT: usize = 8;

fuzz_target!(|input: &[u8]| {
    let mut tape = Tape::new(input);
    let kind = tape.byte();
    for_kind!(kind, endure(&mut tape));
});

fn endure<T: Specimen>(tape: &mut Tape<'_>) {
    let stage = Stage::new();
    let template = Template::of::<T>(&stage, 1 + tape.byte() % 5);
    // Before it is opened, the preamble is an honest one.
    let mut bytes = template.bytes.clone();
    let limits = tape.byte();
    put(&mut bytes, LIMIT, 4, u64::from(limits % 4));
    put(&mut bytes, SINGLE, 2, u64::from(limits >> 6 & 1) | u64::from(limits >> 7) << 8);
    seal(&mut bytes);
    let file = stage.file(NAME);
    let place = Place { file, shape: template.shape, len: bytes.len() as u64 };
    place.write(0, &bytes);
    match limits >> 2 & 3 {
        // Dead letters of another kind, or of another shape, or of this one.
        1 => for_kind!(limits >> 4, dead_letters(&stage)),
        2 => dead_letters::<T>(&stage),
        _ => {}
    }
    let steps = Step::read_all(tape);
    let watch = Watch::start();
    let mut steps =
        Steps { left: steps.iter(), stage: &stage, place: &place, next: None, meddled: false, watch: &watch };
    // Each round is one opening of the channel.
    while steps.find_call() && session::<T>(&mut steps) {}
    watch.check(&"the end");
}

fn dead_letters<T: Specimen>(stage: &Stage) {
    let template = Template::of::<T>(stage, 2);
    let file = stage.file(&format!("{NAME}.dead"));
    Place { file, shape: template.shape, len: u64::MAX }.write(0, &template.bytes);
}

/// The channel of dead letters, which the library may also have made.
fn letters(stage: &Stage) -> Option<Place> {
    let path = stage.path().join(format!("{NAME}.dead"));
    let file = File::options().read(true).write(true).open(path).ok()?;
    let mut preamble = [0; PREAMBLE];
    file.read_exact_at(&mut preamble, 0).expect("a channel");
    let len = file.metadata().expect("its length").len();
    Some(Place { file, shape: Shape::of(&preamble), len })
}

/// What is to be done, of which the file's part is done on the way.
struct Steps<'a> {
    left: std::slice::Iter<'a, Step>,
    stage: &'a Stage,
    place: &'a Place,
    next: Option<(Call, u8)>,
    /// Anything was overwritten but messages, or locked.
    meddled: bool,
    watch: &'a Watch,
}

impl Steps<'_> {
    /// Goes on until a call is next; false at the end.
    fn find_call(&mut self) -> bool {
        while self.next.is_none() {
            let Some(step) = self.left.next() else { return false };
            match step {
                Step::Poke(spot, value) => {
                    self.meddled |= !spot.is_in_message(&self.place.shape);
                    self.place.poke(*spot, *value);
                }
                Step::Bytes(at, bytes) => {
                    self.meddled = true;
                    let behind = self.place.len - PREAMBLE as u64;
                    self.place.write(PREAMBLE as u64 + u64::from(*at) % behind, bytes);
                }
                Step::Message(slot, at, bytes) => {
                    let begin = Spot::Payload(*slot, 0).at(&self.place.shape);
                    let at = u64::from(*at) % self.place.shape.payload;
                    let len = bytes.len().min((self.place.shape.payload - at) as usize);
                    self.place.write(begin + at, &bytes[..len]);
                }
                Step::Dead(spot, value) => {
                    if let Some(letters) = letters(self.stage) {
                        letters.poke(*spot, *value);
                    }
                }
                Step::Lock(entry) => {
                    self.meddled = true;
                    self.place.lock((*entry != 255).then_some(*entry));
                }
                Step::Unlock => self.place.unlock(),
                Step::Call(call, number) => self.next = Some((*call, *number)),
            }
        }
        true
    }

    fn call(&mut self) -> Option<(Call, u8)> {
        self.find_call();
        self.next.take()
    }
}

/// Opens the channel and does what is to be done with it. True where it is to be opened once more.
fn session<T: Specimen>(steps: &mut Steps<'_>) -> bool {
    let (stage, place) = (steps.stage, steps.place);
    let open = |mapping: &mut Mapping| match T::options().directory(stage.path()).open(NAME) {
        Ok(channel) => {
            mapping.find(&stage.path().join(NAME), &place.shape);
            Some(channel)
        }
        // The schema text may have been overwritten, and the name be gone.
        Err(Error::TableFull { .. } | Error::Mismatch { .. } | Error::NotAChannel { .. } | Error::NotFound { .. }) => {
            None
        }
        Err(error) => panic!("{error:?}"),
    };
    // Dropped last.
    let mut mappings = [(); KEPT].map(|()| Mapping::default());
    let (mapping, mappings) = mappings.split_first_mut().expect("there are some");
    let mut others: Vec<SharedChannel<T>> = Vec::new();
    let Some(channel) = open(mapping) else { return false };
    let view = View { place, mapping };
    let (tx, rx) = channel.split();
    let mut loans: Vec<Loan<'_, T>> = Vec::new();
    let mut held: Vec<Received<'_, T>> = Vec::new();
    while let Some((call, number)) = steps.call() {
        match call {
            Call::TrySend => sent(tx.try_send(&T::specimen(number))),
            Call::SendTimeout => sent(tx.send_timeout(&T::specimen(number), WAIT)),
            Call::TryRecv => {
                // With one slot it is known which message was refused.
                let payload = (place.shape.capacity == 1).then(|| payload(place));
                match rx.try_recv() {
                    Err(Error::Corrupt { what, .. }) if what.contains("message") => {
                        let valid = payload.and_then(|payload| T::is_valid(&payload));
                        assert_ne!(valid, Some(true), "a sound message was refused");
                    }
                    other => drop(received(other, view)),
                }
            }
            Call::RecvTimeout => drop(received(rx.recv_timeout(WAIT), view)),
            Call::Hold if held.len() < KEPT => held.extend(received(rx.try_recv(), view)),
            Call::Detach if held.len() < KEPT => held.extend(received(rx.try_recv(), view).map(Received::detach)),
            Call::Hold | Call::Detach => {}
            Call::Requeue => {
                if !held.is_empty() {
                    held.remove(usize::from(number) % held.len()).requeue();
                }
            }
            Call::Release => {
                if !held.is_empty() {
                    drop(held.remove(usize::from(number) % held.len()));
                }
            }
            Call::Take => {
                if let Some(message) = received(rx.try_recv(), view) {
                    T::examine_value(&message.into_inner());
                }
            }
            Call::Iterate => iterate(&rx, view),
            Call::Loan => {
                if loans.len() < KEPT {
                    loans.extend(lent(tx.try_loan()));
                }
            }
            Call::SendLoan => {
                if let Some(mut loan) = loans.pop() {
                    match loan.write(&T::specimen(number)) {
                        Ok(()) => loan.send().expect("it was written"),
                        Err(Error::TooLarge { .. }) => {
                            assert!(matches!(loan.send(), Err(Error::Unwritten)));
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
            Call::DropLoan => drop(loans.pop()),
            Call::Status => {
                let status = tx.status();
                assert!(status.waiting + status.leased <= status.capacity, "{status:?}");
                assert!(!format!("{status:?} {channel:?} {tx:?} {rx:?} {}", channel.schema()).is_empty());
            }
            Call::Open => {
                if let Some(mapping) = mappings.get_mut(others.len()) {
                    others.extend(open(mapping));
                }
            }
            Call::Other => {
                if !others.is_empty() {
                    let which = usize::from(number) % others.len();
                    let view = View { place, mapping: &mappings[which] };
                    use_once(others[which].split(), view);
                }
            }
            Call::Leave => {
                if let Some(other) = others.pop() {
                    drop(other);
                    mappings[others.len()] = Mapping::default();
                }
            }
            Call::Clone => use_once((tx.clone(), rx.clone()), view),
            Call::Close => {
                rx.close();
                assert!(channel.is_closed());
            }
            Call::Reopen => return true,
            Call::Drain => {
                loans.clear();
                held.clear();
                others.clear();
                mappings.iter_mut().for_each(|mapping| *mapping = Mapping::default());
                channel.close();
                if !steps.meddled && !is_limited(place) {
                    let most = place.shape.capacity;
                    let drained = rx.iter().inspect(|message| T::examine(message, view)).count();
                    assert!(drained as u64 <= most, "{drained} messages in {most} slots");
                    assert!(matches!(rx.try_recv(), Err(Error::Closed)));
                    assert_eq!(tx.status().waiting + tx.status().leased, 0);
                }
            }
            Call::Stream => {
                for _ in 0..80 {
                    sent(tx.try_send(&T::specimen(number)));
                    drop(received(rx.try_recv(), view));
                }
            }
            Call::Remove => match mi7::remove_in(stage.path(), NAME) {
                Ok(()) | Err(Error::NotFound { .. }) => assert!(channel.is_removed()),
                Err(error) => panic!("{error:?}"),
            },
        }
        steps.watch.check(&call);
    }
    false
}

fn payload(place: &Place) -> Vec<u8> {
    place.bytes(Spot::Payload(0, 0).at(&place.shape), place.shape.payload as usize)
}

fn use_once<T: Specimen>((tx, rx): (Sender<T>, Receiver<T>), view: View<'_>) {
    sent(tx.try_send(&T::specimen(1)));
    received(rx.recv_timeout(WAIT), view);
    lent(tx.try_loan());
}

/// A message that was just put back is there to be received, so this does not wait; unless it was handed out so often that it
/// goes to the dead letters.
fn iterate<T: Specimen>(rx: &Receiver<T>, view: View<'_>) {
    if let Some(message) = received(rx.try_recv(), view) {
        message.requeue();
        if !is_limited(view.place) {
            T::examine(&rx.iter().next().expect("what was put back"), view);
        }
    }
}

fn is_limited(place: &Place) -> bool {
    place.bytes(LIMIT as u64, 4) != [0; 4]
}

fn sent(result: mi7::Result<()>) {
    match result {
        Ok(()) | Err(Error::Full | Error::Timeout | Error::Closed | Error::Exhausted | Error::EndTaken { .. }) => {}
        Err(error @ (Error::Corrupt { .. } | Error::TooLarge { .. })) => assert!(!error.to_string().is_empty()),
        Err(error) => panic!("{error:?}"),
    }
}

fn received<'a, T: Specimen>(result: mi7::Result<Received<'a, T>>, view: View<'_>) -> Option<Received<'a, T>> {
    match result {
        Ok(message) => {
            assert!((1..=64).contains(&message.deliveries()));
            T::examine(&message, view);
            Some(message)
        }
        Err(Error::Empty | Error::Timeout | Error::Closed | Error::EndTaken { .. }) => None,
        Err(error @ Error::Corrupt { .. }) => {
            assert!(!error.to_string().is_empty());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn lent<'a, T: Specimen>(result: mi7::Result<Loan<'a, T>>) -> Option<Loan<'a, T>> {
    match result {
        Ok(loan) => Some(loan),
        Err(Error::Full | Error::Closed | Error::Exhausted | Error::Corrupt { .. } | Error::EndTaken { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}
