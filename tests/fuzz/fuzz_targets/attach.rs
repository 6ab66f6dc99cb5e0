//! Any bytes at all as a channel's file, and every way of opening it.
//!
//! In `tests/`, where cargo-fuzz finds this package:
//!
//! ```text
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run attach fuzz/corpus/attach fuzz/seeds/attach -- \
//!     -dict=fuzz/attach.dict -timeout=10 -rss_limit_mb=4096
//! ```
//!
//! `RUSTC_BOOTSTRAP=1` is for the address sanitizer on a stable compiler; without it, `cargo fuzz run -s none attach …`.
//!
//! # An input
//!
//! A byte says whether the rest of the input is the file, or is what is done to an honest one: its kind, its capacity, and
//! edits ([`mi7_fuzz::script::Edit`]). Whatever an edit makes of the geometry, the other parts of the file are put where that
//! says, its length and the checksum are made to fit (unless an edit says no), and so the nonsense gets past the first checks.
//!
//! # What has to hold
//!
//! `open` takes exactly the files that [`mi7_fuzz::file`] says are channels, of exactly the type asked for; all that it takes can
//! be used; all else is an error, in time.
//!
//! # What is left out
//!
//! Files larger than [`MOST`]. They are refused like others where the length does not fit. Where it does, as in a file with
//! holes, the library's promise is time in proportion to the capacity.

#![no_main]

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mi7::schema::{Layout, first_difference};
use mi7::{Bincode, Error, Message, SharedChannel};
use mi7_core::{Channel, Info, Location, Memory};
use mi7_fuzz::file::{self, ENTRIES, FIELDS, LENGTH, MARKS, PREAMBLE, SCHEMA, Shape, number, put, seal};
use mi7_fuzz::for_kind;
use mi7_fuzz::mapping::Mapping;
use mi7_fuzz::messages::{Letter, Rich, Specimen, Wide};
use mi7_fuzz::script::{Edit, Recorded, Tape};
use mi7_fuzz::stage::{Place, Stage, Template, View};
use mi7_fuzz::watch::Watch;

const NAME: &str = "channel";
/// The longest file.
const MOST: u64 = 2 << 20;

fuzz_target!(|input: &[u8]| {
    let mut tape = Tape::new(input);
    let stage = Stage::new();
    let file = stage.file(NAME);
    if tape.byte() & 1 == 0 {
        let kind = tape.byte();
        for_kind!(kind, edited(&stage, &file, &mut tape));
    } else {
        file.write_all_at(tape.rest(), 0).expect("room");
    }
    open_in_every_way(&stage, &file);
});

// ---- the file ------------------------------------------------------------------------------------------------------

/// What becomes of an honest file.
struct Plan {
    preamble: Vec<u8>,
    schema: Vec<u8>,
    keeps_length: bool,
    keeps_checksum: bool,
    more: u64,
    less: u64,
}

fn edited<T: Specimen>(stage: &Stage, file: &File, tape: &mut Tape<'_>) {
    let template = Template::of::<T>(stage, 1 + tape.byte() % 5);
    let edits = Edit::read_all(tape);
    let mut plan = Plan {
        preamble: template.preamble().to_vec(),
        schema: template.schema().to_vec(),
        keeps_length: false,
        keeps_checksum: false,
        more: 0,
        less: 0,
    };
    for edit in &edits {
        plan.edit(stage, edit);
    }
    if !plan.keeps_length {
        let len = Shape::of(&plan.preamble).len();
        put(&mut plan.preamble, LENGTH, 8, len);
    }
    if !plan.keeps_checksum {
        seal(&mut plan.preamble);
    }
    let shape = Shape::of(&plan.preamble);
    let len = shape.len().saturating_sub(plan.less).saturating_add(plan.more).min(MOST);
    file.set_len(len).expect("room");
    let place = Place { file: file.try_clone().expect("another descriptor"), shape, len };
    place.write(0, &plan.preamble);
    place.write(PREAMBLE as u64, &template.bytes[PREAMBLE..MARKS as usize]);
    place.write(shape.schema_at(), &plan.schema);
    let slots = &template.bytes[template.shape.slots_at() as usize..];
    place.write(shape.slots_at(), &slots[..slots.len().min(len.saturating_sub(shape.slots_at()) as usize)]);
    for edit in &edits {
        after(stage, &place, edit);
    }
}

impl Plan {
    fn edit(&mut self, stage: &Stage, edit: &Edit) {
        match edit {
            Edit::Field(field, value) => {
                let (at, width) = FIELDS[usize::from(*field) % FIELDS.len()];
                let value = value.of(number(&self.preamble, at, width), 1, |_| 0);
                put(&mut self.preamble, at, width, value);
            }
            Edit::Schema(text) => self.set_schema(text.clone()),
            Edit::SchemaOf(kind) => for_kind!(*kind, take_schema(self, stage)),
            Edit::Splice(at, cut, bytes) => {
                let mut schema = self.schema.clone();
                let at = usize::from(*at) % (schema.len() + 1);
                let end = (at + usize::from(*cut)).min(schema.len());
                schema.splice(at..end, bytes.iter().copied());
                self.set_schema(schema);
            }
            Edit::KeepLength => self.keeps_length = true,
            Edit::KeepChecksum => self.keeps_checksum = true,
            Edit::Longer(more) => self.more += u64::from(*more),
            Edit::Shorter(less) => self.less += u64::from(*less),
            _ => {}
        }
    }

    fn set_schema(&mut self, schema: Vec<u8>) {
        put(&mut self.preamble, SCHEMA, 4, schema.len() as u64);
        self.schema = schema;
    }
}

fn take_schema<T: Specimen>(plan: &mut Plan, stage: &Stage) {
    plan.set_schema(Template::of::<T>(stage, 1).schema().to_vec());
}

/// What is done when the file is there.
fn after(stage: &Stage, place: &Place, edit: &Edit) {
    let path = stage.path().join(NAME);
    match edit {
        Edit::Poke(spot, value) => place.poke(*spot, *value),
        Edit::Bytes(at, bytes) => place.write((*at).into(), bytes),
        // They last as long as the file that the caller has.
        Edit::Lock(entry) => place.lock((*entry != 255).then_some(*entry)),
        Edit::Instead(kind) => {
            let elsewhere = stage.path().join("elsewhere");
            let _ = fs::rename(&path, &elsewhere);
            match kind % 4 {
                0 => std::os::unix::fs::symlink(&elsewhere, &path).unwrap_or_default(),
                1 => {
                    let path = CString::new(path.as_os_str().as_bytes()).expect("no zero in it");
                    // SAFETY: a path that ends with a zero.
                    unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
                }
                2 => fs::create_dir(&path).unwrap_or_default(),
                _ => {}
            }
        }
        Edit::Beside(name) => {
            let Ok(name) = std::str::from_utf8(name) else { return };
            if !["", ".", "..", NAME].contains(&name) && !name.contains(['/', '\0']) && name.len() < 255 {
                drop(stage.file(name));
            }
            let opened = Rich::options().directory(stage.path()).open(name);
            assert!(name == NAME || opened.is_err(), "{name:?}");
        }
        _ => {}
    }
}

// ---- opening it ----------------------------------------------------------------------------------------------------

fn open_in_every_way(stage: &Stage, file: &File) {
    let watch = Watch::start();
    let is_regular = fs::symlink_metadata(stage.path().join(NAME)).is_ok_and(|status| status.is_file());
    let verdict = is_regular && file::is_channel(file);
    list(stage, verdict);
    watch.check(&"list");
    read(stage, verdict);
    open::<Rich>(stage, file, verdict, &watch);
    open::<Message>(stage, file, verdict, &watch);
    open::<Bincode<Letter>>(stage, file, verdict, &watch);
    open::<Wide>(stage, file, verdict, &watch);
    open_untyped(stage, file, verdict);
    watch.check(&"without a type");
    // What is there is never replaced.
    let is_there = fs::symlink_metadata(stage.path().join(NAME)).is_ok();
    let again = Rich::options().directory(stage.path()).open_or_create(NAME);
    assert!(again.is_err() || !is_there || verdict);
    drop(again);
    match mi7::remove_in(stage.path(), NAME) {
        Ok(()) => assert!(fs::symlink_metadata(stage.path().join(NAME)).is_err()),
        Err(Error::NotAChannel { .. }) => assert!(stage.path().join(NAME).is_dir()),
        Err(Error::NotFound { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    watch.check(&"remove");
}

fn list(stage: &Stage, verdict: bool) {
    let listed = mi7::list_in(stage.path()).expect("a directory");
    assert!(listed.is_sorted_by_key(|channel| channel.name.clone()));
    for channel in listed {
        if channel.name == NAME {
            assert_eq!(channel.channel.is_some(), verdict, "{channel:?}");
        }
        let Some(found) = channel.channel else { continue };
        assert!(!format!("{found:?}").is_empty());
        let Ok(layout) = Layout::parse(&found.schema) else { continue };
        assert_eq!(layout.name(), found.message);
        let _ = first_difference(&found.schema, "mi7 schema 1\n- 0 8 8 u64\n");
        let _ = first_difference("mi7 schema 1\n- 0 8 8 u64\n", &found.schema);
        let bytes = vec![1; layout.size().min(1 << 16)];
        let _ = layout.format(&bytes);
    }
}

fn read(stage: &Stage, verdict: bool) {
    let location = Location::new(Some(stage.path()), NAME).expect("a good name");
    match Info::read(&location) {
        Ok(info) => assert!(verdict, "{info:?}"),
        Err(error) => refused(error, verdict),
    }
}

/// An error that opening may end with.
fn refused(error: Error, verdict: bool) {
    assert!(!error.to_string().is_empty());
    match error {
        Error::NotAChannel { .. } => assert!(!verdict, "{error}"),
        Error::NotFound { .. } | Error::TableFull { .. } | Error::Mismatch { .. } => {}
        error => panic!("{error:?}"),
    }
}

fn open<T: Specimen>(stage: &Stage, file: &File, verdict: bool, watch: &Watch) {
    let options = T::options().directory(stage.path());
    // With a size, as most of these options have, and without.
    let unlimited = SharedChannel::<T>::options().directory(stage.path());
    for (options, capacity) in [(unlimited, None), (options.clone(), None), (options.capacity(3), Some(3))] {
        let template = Template::of::<T>(stage, 3);
        let fits = verdict && is_of::<T>(file, &template);
        let mut mapping = Mapping::default();
        match options.open(NAME) {
            Ok(channel) => {
                assert!(fits, "it was opened");
                assert!(capacity.is_none_or(|capacity| channel.capacity() == capacity));
                let place = place(file);
                mapping.find(&stage.path().join(NAME), &place.shape);
                exercise(&channel, View { place: &place, mapping: &mapping });
            }
            Err(error) => {
                if matches!(error, Error::Mismatch { .. }) && capacity.is_none() && T::is_valid(&[]).is_some() {
                    assert!(!fits, "{error}");
                }
                refused(error, verdict);
            }
        }
        watch.check(&std::any::type_name::<T>());
    }
}

/// Whether a channel is of this type, which the template is of.
fn is_of<T: Specimen>(file: &File, template: &Template) -> bool {
    let mut preamble = [0; PREAMBLE];
    file.read_exact_at(&mut preamble, 0).expect("it is a channel");
    let (shape, ours) = (Shape::of(&preamble), template.shape);
    let is_fixed = T::is_valid(&[]).is_some();
    // Encoding; fingerprint.
    preamble[32..36] == template.preamble()[32..36]
        && preamble[40..56] == template.preamble()[40..56]
        && file::schema(file, &shape) == template.schema()
        && shape.align >= ours.align
        && (shape.payload == ours.payload || !is_fixed && shape.payload >= 4)
}

fn place(file: &File) -> Place {
    let mut preamble = [0; PREAMBLE];
    file.read_exact_at(&mut preamble, 0).expect("it is a channel");
    let shape = Shape::of(&preamble);
    assert!(shape.len() <= MOST);
    Place { file: file.try_clone().expect("another descriptor"), shape, len: shape.len() }
}

/// Uses a channel that was taken for one.
fn exercise<T: Specimen>(channel: &SharedChannel<T>, view: View<'_>) {
    let shape = view.place.shape;
    assert_eq!(channel.capacity() as u64, shape.capacity);
    assert!(channel.max_message_size() as u64 <= shape.payload);
    let text = format!("{channel:?} {} {:?} {}", channel.name(), channel.path(), channel.schema());
    assert!(!text.is_empty() && !channel.is_removed());
    let (tx, rx) = channel.split();
    let status = channel.status();
    assert!((status.waiting + status.leased) as u64 <= shape.capacity, "{status:?}");
    assert_eq!(status.bytes, shape.len());
    for number in 0..3 {
        match tx.try_send(&T::specimen(number)) {
            Ok(()) | Err(Error::Full | Error::Closed | Error::Exhausted) => {}
            Err(Error::Corrupt { .. } | Error::EndTaken { .. }) => {}
            Err(Error::TooLarge { .. }) => assert!(T::is_valid(&[]).is_none()),
            Err(error) => panic!("{error:?}"),
        }
    }
    drop(tx.try_loan());
    for _ in 0..3 {
        match rx.recv_timeout(Duration::ZERO) {
            Ok(received) => T::examine(&received, view),
            Err(Error::Timeout | Error::Closed | Error::Corrupt { .. } | Error::EndTaken { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let status = channel.status();
    assert!((status.waiting + status.leased) as u64 <= shape.capacity, "{status:?}");
}

/// As the layer below does it, which takes any geometry: what is put into a slot lies where it should, and comes out again.
fn open_untyped(stage: &Stage, file: &File, verdict: bool) {
    let mut mapping = Mapping::default();
    let location = Location::new(Some(stage.path()), NAME).expect("a good name");
    let channel = match Channel::open(location, |_| Ok(())) {
        Ok(channel) => channel,
        Err(error) => return refused(error, verdict),
    };
    assert!(verdict, "it was opened");
    let place = place(file);
    mapping.find(&stage.path().join(NAME), &place.shape);
    let payload = place.shape.payload as usize;
    let check = |address: usize| {
        let at = mapping.offset(address);
        assert!(place.shape.is_payload(at) && at.is_multiple_of(place.shape.align), "a message at {at}");
        at
    };
    let (sender, receiver) = (Memory::default(), Memory::default());
    for number in 0..2 {
        if let Ok(grant) = channel.try_claim(&sender) {
            let slot = channel.slot(&grant);
            let at = check(slot.addr().get());
            // SAFETY: a claimed slot is of as many bytes, and the caller's.
            unsafe { slot.as_ptr().write_bytes(0xA0 + number, payload) };
            assert!(place.bytes(at, payload).iter().all(|byte| *byte == 0xA0 + number));
            channel.publish(&sender, grant);
        }
    }
    for _ in 0..3 {
        if let Ok(held) = channel.try_lease(&receiver) {
            let message = channel.message(&held);
            let at = check(message.addr().get());
            // SAFETY: a leased slot is of as many bytes, and nobody writes to it.
            let bytes = unsafe { std::slice::from_raw_parts(message.as_ptr().cast_const(), payload) };
            assert_eq!(place.bytes(at, payload), bytes);
            assert!(held.deliveries() >= 1);
            channel.release(Some(&receiver), held);
        }
    }
    let snapshot = channel.snapshot();
    assert!(snapshot.waiting + snapshot.leased <= place.shape.capacity, "{snapshot:?}");
    channel.retire_sender(&sender);
    channel.retire_receiver(&receiver);
    channel.close();
    assert!(channel.is_closed() && ENTRIES < place.len);
}
