//! What is asserted at compile time about every message.
//!
//! All of it is called in constants only, so what it finds wrong is a compile error. With `#[track_caller]` the compiler
//! shows the error where the call stands: the derive puts it on the token of the user's that asks for the assertion.

use core::mem::needs_drop;

use super::{MAX_ALIGN, ShmMessage};
use crate::schema::MAX_DEPTH;

/// Asserts the points of the contract that are about sizes, alignments and dropping.
#[doc(hidden)]
#[track_caller]
pub const fn assert_message<T: ShmMessage>() {
    let schema = &T::SCHEMA;
    assert_no_drop::<T>(schema.name);
    assert!(!needs_drop::<T::Archived>(), "the archived form of a message must not need `Drop`");
    assert_fits_slot(schema.name, align_of::<T::Archived>());
    assert!(
        T::ALIGN.is_power_of_two() && T::ALIGN <= MAX_ALIGN && T::ALIGN >= align_of::<T::Archived>(),
        "`ALIGN` must be a power of two of at most 4096, and not less than the archive's own alignment"
    );
    assert!(schema.size == size_of::<T::Archived>(), "`SCHEMA.size` is not the archive's size");
    assert!(schema.align == T::ALIGN, "`SCHEMA.align` is not `ALIGN`");
    assert!(schema.depth() <= MAX_DEPTH, "the type is nested more than 64 levels deep; flatten it");
    assert!(schema.has_plain_names(), "a name in `SCHEMA` is too long, or has spaces or control characters in it");
}

/// Asserts that rkyv's derives are there.
#[track_caller]
pub const fn assert_derives(name: &str, archive: bool, serialize: bool, deserialize: bool) {
    if !(archive && serialize && deserialize) {
        Text::new()
            .push("`")
            .push(name)
            .push("` lacks rkyv's ")
            .push(match (archive, serialize, deserialize) {
                (false, _, _) => "derives",
                (_, false, false) => "`Serialize` and `Deserialize`",
                (_, false, true) => "`Serialize`",
                (_, true, _) => "`Deserialize`",
            })
            .push("; write `#[derive(ShmMessage, Archive, Serialize, Deserialize)]` with the derives of rkyv 0.8, or ")
            .push("`#[mi7::message]`, which writes all four and needs no rkyv in Cargo.toml")
            .panic();
    }
}

/// Asserts that `T`, which is called `name`, need not be dropped.
#[track_caller]
pub const fn assert_no_drop<T: ?Sized>(name: &str) {
    if needs_drop::<T>() {
        Text::new()
            .push("`")
            .push(name)
            .push("` needs `Drop`, and a message is never dropped: it may be received twice, by other processes, or by nobody; ")
            .push("remove the `Drop` impl, or send a type of plain data")
            .panic();
    }
}

/// Asserts that a slot can give the alignment that the archive of `name` has.
#[track_caller]
pub const fn assert_fits_slot(name: &str, align: usize) {
    if align > MAX_ALIGN {
        Text::new()
            .push("the archive of `")
            .push(name)
            .push("` is aligned to ")
            .push_number(align)
            .push(" bytes, more than the ")
            .push_number(MAX_ALIGN)
            .push(" that a slot gives; lower its alignment")
            .panic();
    }
}

/// Asserts what `#[shm(max_size = limit)]` says.
#[track_caller]
pub const fn assert_max_size(name: &str, size: usize, limit: usize) {
    if size > limit {
        Text::new()
            .push("the archive of `")
            .push(name)
            .push("` takes ")
            .push_number(size)
            .push(" bytes, more than `max_size = ")
            .push_number(limit)
            .push("`; make the type smaller, or raise the limit")
            .panic();
    }
}

/// Asserts that `#[shm(align = asked)]` does not ask for less than the archive needs.
#[track_caller]
pub const fn assert_align(name: &str, align: usize, asked: usize) {
    if align > asked {
        Text::new()
            .push("the archive of `")
            .push(name)
            .push("` is aligned to ")
            .push_number(align)
            .push(" bytes by itself, more than `align = ")
            .push_number(asked)
            .push("`; ask for at least as much, or for nothing")
            .panic();
    }
}

/// Asserts that the offsets in an enum's schema were computed from the layout that the compiler has given it.
#[track_caller]
pub const fn assert_enum_layout(size: usize, align: usize, computed: usize) {
    // A raised alignment adds padding at the end.
    assert!(
        size == computed.next_multiple_of(align),
        "the archived enum is not laid out as RFC 2195 says; remove layout attributes from it"
    );
}

/// The tag of a variant: as many variants as `since` after the one whose discriminant was written.
#[track_caller]
#[must_use]
pub const fn tag(variant: &str, written: u8, since: usize) -> u8 {
    let tag = written as usize + since;
    if tag > u8::MAX as usize {
        Text::new()
            .push("the discriminant of variant `")
            .push(variant)
            .push("` is ")
            .push_number(tag)
            .push(", and an archived enum has one byte for it; expected at most 255")
            .panic();
    }
    tag as u8
}

/// A text put together in a constant: panics there can be formatted with nothing but `{}` of a text.
struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; 512], length: 0 }
    }

    /// Appends as much of `text` as fits: names have at most 255 bytes, so all of it does.
    const fn push(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = text[i];
            self.length += 1;
            i += 1;
        }
        self
    }

    const fn push_number(mut self, number: usize) -> Self {
        if number >= 10 {
            self = self.push_number(number / 10);
        }
        self.bytes[self.length] = b'0' + (number % 10) as u8;
        self.length += 1;
        self
    }

    #[track_caller]
    const fn panic(&self) -> ! {
        match core::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => panic!("{}", text),
            Err(_) => panic!("an assertion on a message failed"),
        }
    }
}
