//! Any bytes at all as the encoding of a `Bincode`.
//!
//! In `tests/`, where cargo-fuzz finds this package:
//!
//! ```text
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run bincode fuzz/corpus/bincode fuzz/seeds/bincode -- \
//!     -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=16
//! ```
//!
//! `RUSTC_BOOTSTRAP=1` is for the address sanitizer on a stable compiler; without it, `cargo fuzz run -s none bincode …`.
//!
//! # An input
//!
//! The type ([`mi7_fuzz::values`]), and the bytes, which are put in the place of an honest message's in the channel's file.
//!
//! # What has to hold
//!
//! They are received as a value or refused as corrupt, in time, with no more memory at once than the flags above allow. A value
//! that is received is the one that bincode itself finds there, and can be sent: then it is received as it is.

#![no_main]

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use mi7::{Bincode, Error, Receiver, Sender, SharedChannel};
use mi7_fuzz::file::{PREAMBLE, Shape, Spot};
use mi7_fuzz::for_value;
use mi7_fuzz::stage::{Place, Stage};
use mi7_fuzz::values::Value;
use mi7_fuzz::watch::Watch;

/// The most bytes of a message.
const ROOM: usize = 1 << 16;

fuzz_target!(|input: &[u8]| {
    if let Some((kind, bytes)) = input.split_first() {
        for_value!(kind, receive(&bytes[..bytes.len().min(ROOM)]));
    }
});

fn receive<T: Value>(bytes: &[u8]) {
    let victim = Victim::<T>::get();
    let watch = Watch::start();
    let value = match victim.forged(bytes) {
        Ok(value) => value,
        Err(error @ Error::Corrupt { .. }) => {
            assert!(!error.to_string().is_empty());
            return watch.check(&"refusing");
        }
        Err(error) => panic!("{error}"),
    };
    watch.check(&"receiving");
    let (expected, used) = bincode::serde::decode_from_slice::<T, _>(bytes, bincode::config::standard()).expect("a value");
    assert_eq!((&value, bytes.len()), (&expected, used));
    let message = Bincode(value);
    victim.tx.try_send(&message).expect("what was received can be sent");
    assert_eq!(victim.rx.try_recv().expect("it").into_inner(), message);
    watch.check(&"sending");
}

/// A channel of one slot.
struct Victim<T: Value> {
    tx: Sender<Bincode<T>>,
    rx: Receiver<Bincode<T>>,
    place: Place,
    honest: Bincode<T>,
}

impl<T: Value> Victim<T> {
    /// Made once.
    fn get() -> Rc<Self> {
        thread_local! {
            static STAGE: Stage = Stage::new();
            static VICTIMS: RefCell<BTreeMap<TypeId, Rc<dyn Any>>> = const { RefCell::new(BTreeMap::new()) };
        }
        let victim = VICTIMS.with_borrow_mut(|victims| {
            let make = || -> Rc<dyn Any> { Rc::new(STAGE.with(Self::new)) };
            Rc::clone(victims.entry(TypeId::of::<T>()).or_insert_with(make))
        });
        victim.downcast().expect("the type's own")
    }

    fn new(stage: &Stage) -> Self {
        let options = SharedChannel::options().directory(stage.path()).capacity(1).max_message_size(ROOM);
        let name = std::any::type_name::<T>().rsplit("::").next().expect("a name");
        let (tx, rx) = options.create(name).expect("a channel").split();
        let file = stage.file(name);
        let mut place = Place { file, shape: Shape::of(&[0; PREAMBLE]), len: u64::MAX };
        place.shape = Shape::of(&place.bytes(0, PREAMBLE));
        let honest = Bincode(T::samples().swap_remove(0));
        Victim { tx, rx, place, honest }
    }

    /// What is received where these bytes are in an honest message's place.
    fn forged(&self, bytes: &[u8]) -> mi7::Result<T> {
        self.tx.try_send(&self.honest).expect("room");
        let at = Spot::Payload(0, 0).at(&self.place.shape);
        self.place.write(at, &(bytes.len() as u32).to_le_bytes());
        self.place.write(at + 4, bytes);
        self.rx.try_recv().map(|received| received.into_inner().0)
    }
}
