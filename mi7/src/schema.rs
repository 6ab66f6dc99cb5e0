//! What the bytes of a message mean: a constant tree, its fingerprint and its text.
//!
//! # The contract
//!
//! A [`Schema`] describes the *archived* form of a message: the name of its type, and the name, kind, offset, size and
//! alignment of everything in it, down to single numbers. It is a constant, put together by `#[derive(ShmMessage)]`
//! from the compiler's own sizes and offsets. Two programs may talk when their schemas are equal.
//!
//! - [`fingerprint`](fn@fingerprint) hashes it field by field: what attaching compares.
//! - [`Schema::text`] writes it down: what is stored in a channel's file.
//! - [`Layout`] reads the text back, and prints a message of a type one was not compiled with from its bytes alone.
//! - [`first_difference`] compares two texts, and names the first field that differs.
//!
//! The text and the bytes may come from another program, so reading them is bounded, and never panics.
//!
//! ```
//! use mi7::ShmMessage;
//! use mi7::schema::{Layout, first_difference};
//!
//! let text = <(u32, Option<bool>)>::SCHEMA.text();
//! let layout = Layout::parse(&text)?;
//! assert_eq!(layout.format(&[7, 0, 0, 0, 1, 1, 0, 0])?, "(7, Some(true))");
//! assert_eq!(first_difference(&text, &text), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is part of a type
//!
//! The type's own name, without path and crate, so that two programs may declare it in different modules; not the names of
//! its parameters, but what they are, as far as it shows in the fields. So `PhantomData<T>` is the same for all `T`.
//! [`Schema::align`] of a message is the alignment that it asks of its slot, with `#[shm(align = N)]`.

mod difference;
mod fingerprint;
mod format;
mod layout;
mod parse;
mod scalar;
mod text;

pub use difference::{Difference, first_difference};
pub use fingerprint::fingerprint;
pub(crate) use fingerprint::hash;
pub use format::FormatError;
pub use layout::{enum_size, variant_offset};
pub use parse::{Layout, ParseError};
pub use scalar::Scalar;

/// How deep types may be nested in one another.
pub const MAX_DEPTH: usize = 64;

/// How many bytes a name may have.
pub const MAX_NAME: usize = 255;

/// What one archived type looks like in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The type's name, without path; empty for arrays and tuples.
    pub name: &'static str,
    /// The archive's size in bytes.
    pub size: usize,
    /// The alignment in bytes that the archive asks for.
    pub align: usize,
    /// What it is made of.
    pub kind: Kind,
}

/// What an archived type is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value of a known type.
    Scalar(Scalar),
    /// Fields one after another: a struct, or a tuple when the schema has no name. Fields of tuples are named `0`, `1`, ….
    Struct(&'static [Field]),
    /// A tag of one byte at offset 0, and the fields of the variant it names.
    Enum(&'static [Variant]),
    /// As many elements as `length` says, one right after another.
    Array {
        /// The number of elements.
        length: usize,
        /// What each of them is.
        element: &'static Schema,
    },
    /// A length, an `u32` at offset 0, and a place for UTF-8 text.
    String {
        /// The bytes of text that it can hold.
        capacity: usize,
        /// The offset of the text.
        offset: usize,
    },
    /// A length, an `u32` at offset 0, and a place for elements.
    Vec {
        /// The number of elements that it can hold.
        capacity: usize,
        /// The offset of the first element.
        offset: usize,
        /// What each of them is.
        element: &'static Schema,
    },
    /// Bytes that only the type itself can explain, for `ShmMessage` implemented by hand. Printed in hexadecimal.
    Opaque,
}

/// A field of a struct, a tuple or a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name, or its number.
    pub name: &'static str,
    /// Its distance in bytes from the beginning of the struct or enum it belongs to.
    pub offset: usize,
    /// What it is.
    pub schema: &'static Schema,
}

/// A variant of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The variant's name.
    pub name: &'static str,
    /// The byte that stands for it.
    pub tag: u8,
    /// Its fields, at offsets from the beginning of the enum.
    pub fields: &'static [Field],
}

impl Schema {
    /// How many levels of types are nested in this one, itself included.
    #[must_use]
    pub const fn depth(&self) -> usize {
        1 + match self.kind {
            Kind::Scalar(_) | Kind::String { .. } | Kind::Opaque => 0,
            Kind::Struct(fields) => deepest(fields),
            Kind::Enum(variants) => {
                let (mut deepest_variant, mut i) = (0, 0);
                while i < variants.len() {
                    let depth = deepest(variants[i].fields);
                    if depth > deepest_variant {
                        deepest_variant = depth;
                    }
                    i += 1;
                }
                deepest_variant
            }
            Kind::Array { element, .. } | Kind::Vec { element, .. } => element.depth(),
        }
    }

    /// Whether the names of the type, its fields and its variants can be written as words: no more than [`MAX_NAME`]
    /// bytes, no space or control character. The names inside of fields are not looked at, they are checked with their
    /// own types.
    #[must_use]
    pub const fn has_plain_names(&self) -> bool {
        if !is_plain(self.name) {
            return false;
        }
        match self.kind {
            Kind::Struct(fields) => have_plain_names(fields),
            Kind::Enum(variants) => {
                let mut i = 0;
                while i < variants.len() {
                    if variants[i].name.is_empty()
                        || !is_plain(variants[i].name)
                        || !have_plain_names(variants[i].fields)
                    {
                        return false;
                    }
                    i += 1;
                }
                !self.name.is_empty()
            }
            Kind::Opaque => !self.name.is_empty(),
            Kind::Scalar(_) | Kind::Array { .. } | Kind::String { .. } | Kind::Vec { .. } => true,
        }
    }
}

/// The depth of the deepest of `fields`.
const fn deepest(fields: &[Field]) -> usize {
    let (mut deepest, mut i) = (0, 0);
    while i < fields.len() {
        let depth = fields[i].schema.depth();
        if depth > deepest {
            deepest = depth;
        }
        i += 1;
    }
    deepest
}

/// Whether each of `fields` has a name that is a word.
const fn have_plain_names(fields: &[Field]) -> bool {
    let mut i = 0;
    while i < fields.len() {
        if fields[i].name.is_empty() || !is_plain(fields[i].name) {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether `name` has no spaces and control characters (of ASCII, which is as far as a constant function can see).
const fn is_plain(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] <= b' ' || bytes[i] == 0x7F {
            return false;
        }
        i += 1;
    }
    bytes.len() <= MAX_NAME
}

#[cfg(test)]
mod tests;
