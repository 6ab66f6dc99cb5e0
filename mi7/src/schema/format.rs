//! Printing a message from its bytes alone.
//!
//! # The contract
//!
//! The bytes may be anything, the tree is a checked [`Layout`]. Nothing outside of the bytes is read, every tag, length and
//! value is checked before it is printed, the text has a bounded length, and there is no panic.

use core::fmt::{self, Write};

use super::parse::{Layout, Node, Part, Shape};

/// The longest text that is made, in bytes.
const MAX_FORMATTED: usize = 16 << 20;

/// Bytes that are no archive of the type, or too much to print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// There are too few bytes.
    #[error("found {found} bytes, expected the {expected} bytes of a `{name}`; pass the whole message")]
    TooShort {
        /// How many there are.
        found: usize,
        /// How many the type has.
        expected: usize,
        /// The type.
        name: String,
    },
    /// A value that its type cannot have.
    #[error("the bytes at offset {offset} are no valid `{name}`; they are not a message of this type, or are damaged")]
    Invalid {
        /// Where it is.
        offset: usize,
        /// The type.
        name: String,
    },
    /// A length above the capacity.
    #[error(
        "the length at offset {offset} is {found}, expected at most {capacity}; this is no message, or a damaged one"
    )]
    Length {
        /// Where it is.
        offset: usize,
        /// The length.
        found: u32,
        /// What there is room for.
        capacity: usize,
    },
    /// The text would be longer than 16 MiB.
    #[error("the message is longer than {MAX_FORMATTED} bytes when printed")]
    TooLong,
}

impl Layout {
    /// Prints an archived message as a derived `Debug` would print the native value. Bytes after
    /// the archive are not read.
    ///
    /// ```
    /// use mi7::ShmMessage;
    /// use mi7::schema::Layout;
    ///
    /// let layout = Layout::parse(&<[Option<u8>; 2]>::SCHEMA.text())?;
    /// assert_eq!(layout.format(&[0, 0, 1, 5])?, "[None, Some(5)]");
    /// assert_eq!(
    ///     layout.format(&[0, 0, 3, 5]).unwrap_err().to_string(),
    ///     "the bytes at offset 2 are no valid `Option<u8>`; they are not a message of this type, or are damaged"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the bytes are too few, are not valid, or are too many to print.
    pub fn format(&self, bytes: &[u8]) -> Result<String, FormatError> {
        let mut printer = Printer { bytes, out: Bounded(String::new()) };
        printer.node(&self.root, 0)?;
        Ok(printer.out.0)
    }
}

/// A text that does not grow above [`MAX_FORMATTED`] bytes.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_FORMATTED {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

struct Printer<'a> {
    bytes: &'a [u8],
    out: Bounded,
}

impl<'a> Printer<'a> {
    fn put(&mut self, text: impl fmt::Display) -> Result<(), FormatError> {
        // Nothing else makes writing to `Bounded` fail.
        write!(self.out, "{text}").map_err(|_| FormatError::TooLong)
    }

    /// The bytes of a node.
    fn bytes(&self, node: &Node, offset: usize) -> Result<&'a [u8], FormatError> {
        offset.checked_add(node.size).and_then(|end| self.bytes.get(offset..end)).ok_or_else(|| FormatError::TooShort {
            found: self.bytes.len().saturating_sub(offset),
            expected: node.size,
            name: node.type_name(),
        })
    }

    fn node(&mut self, node: &Node, offset: usize) -> Result<(), FormatError> {
        let bytes = self.bytes(node, offset)?;
        let invalid = || FormatError::Invalid { offset, name: node.type_name() };
        match &node.shape {
            Shape::Scalar(scalar) => {
                let mut value = String::new();
                scalar.print(bytes, &mut value).and_then(fmt::Result::ok).ok_or_else(invalid)?;
                self.put(&value)?;
            }
            Shape::Struct { name, fields } => self.fields(name, fields, offset)?,
            Shape::Enum { variants, .. } => {
                let tag = bytes.first().ok_or_else(invalid)?;
                let variant = variants.iter().find(|variant| variant.tag == *tag).ok_or_else(invalid)?;
                self.fields(&variant.name, &variant.fields, offset)?;
            }
            Shape::Array { length, element } => self.elements(element, offset, *length)?,
            Shape::String { capacity, offset: at } => {
                let length = length(bytes, offset, *capacity)?;
                let text = bytes.get(*at..at.saturating_add(length)).ok_or_else(invalid)?;
                let text = core::str::from_utf8(text).map_err(|_| invalid())?;
                self.put(format_args!("{text:?}"))?;
            }
            Shape::Vec { capacity, offset: at, element } => {
                let length = length(bytes, offset, *capacity)?;
                self.elements(element, offset.saturating_add(*at), length)?;
            }
            Shape::Opaque { name } => {
                let hex: String = bytes.iter().flat_map(|byte| hex_digits(*byte)).collect();
                self.put(format_args!("{name}(0x{hex})"))?;
            }
        }
        Ok(())
    }

    fn elements(&mut self, element: &Node, offset: usize, count: usize) -> Result<(), FormatError> {
        self.put("[")?;
        for i in 0..count {
            if i > 0 {
                self.put(", ")?;
            }
            self.node(element, offset.saturating_add(i.saturating_mul(element.size)))?;
        }
        self.put("]")?;
        Ok(())
    }

    /// A struct, a tuple (without a name) or a variant.
    fn fields(&mut self, name: &str, fields: &[Part], offset: usize) -> Result<(), FormatError> {
        self.put(name)?;
        let is_tuple = match fields.first() {
            None if !name.is_empty() => return Ok(()),
            None => true,
            Some(field) => field.name.starts_with(|char: char| char.is_ascii_digit()),
        };
        self.put(if is_tuple { "(" } else { " { " })?;
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.put(", ")?;
            }
            if !is_tuple {
                self.put(format_args!("{}: ", field.name))?;
            }
            self.node(&field.node, offset.saturating_add(field.offset))?;
        }
        self.put(match (is_tuple, name.is_empty() && fields.len() == 1) {
            (true, true) => ",)",
            (true, false) => ")",
            (false, _) => " }",
        })?;
        Ok(())
    }
}

/// The length at the beginning of a string's or vec's `bytes`, which are at `offset`.
fn length(bytes: &[u8], offset: usize, capacity: usize) -> Result<usize, FormatError> {
    // A layout's strings and vecs have at least these four bytes.
    let found = bytes.first_chunk().copied().map_or(u32::MAX, u32::from_le_bytes);
    match usize::try_from(found) {
        Ok(length) if length <= capacity => Ok(length),
        _ => Err(FormatError::Length { offset, found, capacity }),
    }
}

/// The two hexadecimal digits of a byte.
fn hex_digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default())
}
