//! The text of a schema, and its grammar.
//!
//! ```text
//! text    = "mi7 schema 1" LF node
//! node    = indent label SP offset SP size SP align SP kind LF { child }
//! label   = the field's name, or "-" for the root and for elements
//! kind    = scalar | "struct" SP name | "tuple" | "enum" SP name | "array" SP length
//!         | "string" SP capacity SP at | "vec" SP capacity SP at | "opaque" SP name
//! child   = node                          of a struct or tuple: each field, one level deeper
//!         | node                          of an array or vec: the element, once, one level deeper
//!         | variant { node }              of an enum: each variant one level deeper, its fields two levels deeper
//! variant = indent "|" SP tag SP name LF
//! indent  = one SP for each level
//! ```
//!
//! All numbers are decimal and without sign; offsets, sizes and alignments are in bytes, an offset counts from the
//! beginning of the struct, tuple or enum that the field is in. Names have neither spaces nor control characters.
//!
//! ```
//! use mi7::ShmMessage;
//!
//! assert_eq!(
//!     <[Option<u16>; 2]>::SCHEMA.text(),
//!     "mi7 schema 1
//! - 0 8 2 array 2
//!  - 0 4 2 enum Option
//!   | 0 None
//!   | 1 Some
//!    0 2 2 2 u16
//! "
//! );
//! ```

use core::fmt::{self, Write};

use super::{Field, Kind, Schema};

/// The text's first line: what it is, and the version of its grammar.
pub(super) const HEADING: &str = "mi7 schema 1";

impl Schema {
    /// The schema as text, one line for each field, for tools to read with [`Layout::parse`](super::Layout::parse).
    ///
    /// ```
    /// use mi7::ShmMessage;
    ///
    /// assert_eq!(u64::SCHEMA.text(), "mi7 schema 1\n- 0 8 8 u64\n");
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(256);
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{HEADING}");
        let _ = write_node(&mut text, 0, "-", 0, self);
        text
    }
}

fn write_node(out: &mut String, depth: usize, label: &str, offset: usize, schema: &Schema) -> fmt::Result {
    let Schema { name, size, align, kind } = schema;
    write!(out, "{:depth$}{label} {offset} {size} {align} ", "")?;
    match kind {
        Kind::Scalar(scalar) => writeln!(out, "{}", scalar.name()),
        Kind::Struct(fields) => {
            if name.is_empty() {
                writeln!(out, "tuple")?;
            } else {
                writeln!(out, "struct {name}")?;
            }
            write_fields(out, depth + 1, fields)
        }
        Kind::Enum(variants) => {
            writeln!(out, "enum {name}")?;
            for variant in *variants {
                writeln!(out, "{:indent$}| {} {}", "", variant.tag, variant.name, indent = depth + 1)?;
                write_fields(out, depth + 2, variant.fields)?;
            }
            Ok(())
        }
        Kind::Array { length, element } => {
            writeln!(out, "array {length}")?;
            write_node(out, depth + 1, "-", 0, element)
        }
        Kind::String { capacity, offset } => writeln!(out, "string {capacity} {offset}"),
        Kind::Vec { capacity, offset, element } => {
            writeln!(out, "vec {capacity} {offset}")?;
            write_node(out, depth + 1, "-", 0, element)
        }
        Kind::Opaque => writeln!(out, "opaque {name}"),
    }
}

fn write_fields(out: &mut String, depth: usize, fields: &[Field]) -> fmt::Result {
    fields.iter().try_for_each(|field| write_node(out, depth, field.name, field.offset, field.schema))
}
