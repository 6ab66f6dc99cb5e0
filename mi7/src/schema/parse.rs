//! Reading a schema's text: [`Layout`].
//!
//! # The contract
//!
//! The text may be anything. Reading it takes time and memory in proportion to its length, which is bounded, and ends in a
//! [`Layout`] or in an error that names the line. What a `Layout` holds has been checked: every field lies within what it
//! is a field of, scalars have the size they must have, and the depth is bounded, so that walking over the tree can
//! neither leave the message nor overflow the stack.

use super::text::HEADING;
use super::{MAX_DEPTH, MAX_NAME, Scalar};

/// The longest text that is read, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// The largest size of a message that is read, in bytes: keeps sums of offsets and sizes far from overflowing.
const MAX_SIZE: usize = 1 << 40;

/// The tree that a schema's text describes.
///
/// ```
/// use mi7::ShmMessage;
/// use mi7::schema::Layout;
///
/// let layout = Layout::parse(&<(u8, u32)>::SCHEMA.text())?;
/// assert_eq!((layout.name(), layout.size(), layout.align()), ("(u8, u32)".into(), 8, 4));
/// # Ok::<(), mi7::schema::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) root: Node,
}

/// What one type looks like. `size` of every child, at its offset, is within the parent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub size: usize,
    pub align: usize,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar(Scalar),
    /// A tuple has no name.
    Struct {
        name: String,
        fields: Vec<Part>,
    },
    Enum {
        name: String,
        variants: Vec<Choice>,
    },
    Array {
        length: usize,
        element: Box<Node>,
    },
    String {
        capacity: usize,
        offset: usize,
    },
    Vec {
        capacity: usize,
        offset: usize,
        element: Box<Node>,
    },
    Opaque {
        name: String,
    },
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub name: String,
    pub offset: usize,
    pub node: Node,
}

/// A variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub name: String,
    pub tag: u8,
    pub fields: Vec<Part>,
}

/// A text that is no schema's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the schema text {problem}; it was written by another version of mi7, or is damaged")]
pub struct ParseError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Layout {
    /// Reads a text made by [`Schema::text`](super::Schema::text).
    ///
    /// # Errors
    ///
    /// [`ParseError`] when it is no such text.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut lines = Lines { rest: text, number: 0 };
        if text.len() > MAX_TEXT {
            return lines.fail(format!("begins a text of {} bytes, more than {MAX_TEXT}", text.len()));
        }
        let heading = lines.next();
        if heading != Some(HEADING) {
            return lines.fail(format!("is {:?} instead of {HEADING:?}", shorten(heading.unwrap_or_default())));
        }
        let root = lines.node(0)?;
        if root.name != "-" || root.offset != 0 {
            return lines.fail("does not begin with `- 0`".into());
        }
        match lines.next() {
            None => Ok(Self { root: root.node }),
            Some(line) => lines.fail(format!("is {:?}, after the end of the type", shorten(line))),
        }
    }

    /// The type's name, as Rust would write it.
    #[must_use]
    pub fn name(&self) -> String {
        self.root.type_name()
    }

    /// The archive's size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.root.size
    }

    /// The alignment in bytes that a message asks of its slot.
    #[must_use]
    pub fn align(&self) -> usize {
        self.root.align
    }
}

impl Node {
    /// The type's name, as Rust would write it.
    pub(super) fn type_name(&self) -> String {
        match &self.shape {
            Shape::Scalar(scalar) => scalar.name().into(),
            Shape::Struct { name, fields } if name.is_empty() => {
                let names: Vec<_> = fields.iter().map(|field| field.node.type_name()).collect();
                match &names[..] {
                    [one] => format!("({one},)"),
                    several => format!("({})", several.join(", ")),
                }
            }
            Shape::Enum { name, variants } if name == "Option" => match &variants[..] {
                [_, Choice { fields, .. }] if fields.len() == 1 => {
                    format!("Option<{}>", fields[0].node.type_name())
                }
                _ => name.clone(),
            },
            Shape::Struct { name, .. } | Shape::Enum { name, .. } | Shape::Opaque { name } => name.clone(),
            Shape::Array { length, element } => format!("[{}; {length}]", element.type_name()),
            Shape::String { capacity, .. } => format!("FixedString<{capacity}>"),
            Shape::Vec { capacity, element, .. } => format!("FixedVec<{}, {capacity}>", element.type_name()),
        }
    }
}

/// The lines not read yet.
struct Lines<'a> {
    rest: &'a str,
    /// The number of the line read last.
    number: usize,
}

impl<'a> Lines<'a> {
    fn fail<T>(&self, problem: String) -> Result<T, ParseError> {
        Err(ParseError { line: self.number.max(1), problem })
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.rest = self.rest[line.len()..].strip_prefix('\n').unwrap_or_default();
        self.number += 1;
        Some(line)
    }

    fn peek(&self) -> Option<&'a str> {
        (!self.rest.is_empty()).then(|| self.rest.split_once('\n').map_or(self.rest, |(line, _)| line))
    }

    /// The next line without its indentation, if it is indented by `depth`.
    fn next_at(&mut self, depth: usize) -> Option<&'a str> {
        let line = self.peek()?;
        let content = line.trim_start_matches(' ');
        if line.len() - content.len() != depth {
            return None;
        }
        self.next();
        Some(content)
    }

    /// Reads a field or an element, and all that is in it.
    fn node(&mut self, depth: usize) -> Result<Part, ParseError> {
        let Some(content) = self.next_at(depth) else {
            return self.fail(format!("is not followed by a line of depth {depth}"));
        };
        self.node_of(content, depth)
    }

    /// Reads a field or an element whose first line is `content`.
    fn node_of(&mut self, content: &str, depth: usize) -> Result<Part, ParseError> {
        // Two levels for one nested enum.
        if depth > 2 * MAX_DEPTH {
            return self.fail("is nested too deeply".into());
        }
        let words: Vec<_> = content.splitn(8, ' ').collect();
        let [label, offset, size, align, kind, ref arguments @ ..] = words[..] else {
            return self.fail(format!("is {:?} instead of a name, offset, size, alignment and kind", shorten(content)));
        };
        let name = self.name(label)?;
        let (offset, size, align) = (self.number(offset)?, self.number(size)?, self.number(align)?);
        if !align.is_power_of_two() {
            return self.fail(format!("has an alignment of {align}, no power of two"));
        }
        let shape = match (kind, arguments) {
            ("tuple", []) => Shape::Struct { name: String::new(), fields: self.fields(depth + 1, size)? },
            ("struct", [name]) => Shape::Struct { name: self.name(name)?, fields: self.fields(depth + 1, size)? },
            ("enum", [name]) => Shape::Enum { name: self.name(name)?, variants: self.variants(depth + 1, size)? },
            ("array", [length]) => {
                let length = self.number(length)?;
                Shape::Array { length, element: self.element(depth + 1, length, 0, size)? }
            }
            ("string", [capacity, offset]) => {
                let (capacity, offset) = (self.number(capacity)?, self.number(offset)?);
                if offset < 4 || offset + capacity > size {
                    return self.fail("is a string that does not fit its size".into());
                }
                Shape::String { capacity, offset }
            }
            ("vec", [capacity, offset]) => {
                let (capacity, offset) = (self.number(capacity)?, self.number(offset)?);
                if offset < 4 {
                    return self.fail("is a vec whose elements overlap its length".into());
                }
                Shape::Vec { capacity, offset, element: self.element(depth + 1, capacity, offset, size)? }
            }
            ("opaque", [name]) => Shape::Opaque { name: self.name(name)? },
            (name, []) => match Scalar::from_name(name) {
                Some(scalar) if scalar.size() == size => Shape::Scalar(scalar),
                Some(scalar) => {
                    return self.fail(format!("is a `{name}` of {size} bytes instead of {}", scalar.size()));
                }
                None => return self.fail(format!("is of an unknown kind, {:?}", shorten(name))),
            },
            (kind, _) => return self.fail(format!("is of an unknown kind, {:?}", shorten(kind))),
        };
        Ok(Part { name, offset, node: Node { size, align, shape } })
    }

    /// Reads the fields at `depth` of a struct or variant in `size` bytes.
    fn fields(&mut self, depth: usize, size: usize) -> Result<Vec<Part>, ParseError> {
        let mut fields = Vec::new();
        while let Some(content) = self.next_at(depth) {
            let field = self.node_of(content, depth)?;
            if field.offset + field.node.size > size {
                return self.fail(format!("ends a field, `{}`, that reaches out of its {size} bytes", field.name));
            }
            fields.push(field);
        }
        Ok(fields)
    }

    /// Reads the variants at `depth` of an enum of `size` bytes.
    fn variants(&mut self, depth: usize, size: usize) -> Result<Vec<Choice>, ParseError> {
        if size == 0 {
            return self.fail("is an enum of 0 bytes".into());
        }
        let mut variants = Vec::new();
        while let Some(content) = self.next_at(depth) {
            let words: Vec<_> = content.splitn(4, ' ').collect();
            let ["|", tag, name] = words[..] else {
                return self.fail(format!("is {:?} instead of a variant", shorten(content)));
            };
            let Ok(tag) = tag.parse() else {
                return self.fail(format!("has a tag of {:?}, which is no byte", shorten(tag)));
            };
            variants.push(Choice { name: self.name(name)?, tag, fields: self.fields(depth + 1, size)? });
        }
        Ok(variants)
    }

    /// Reads the one element of an array or vec that has room for `count` of them, at `offset` of its `size` bytes.
    fn element(&mut self, depth: usize, count: usize, offset: usize, size: usize) -> Result<Box<Node>, ParseError> {
        let element = self.node(depth)?.node;
        match count.checked_mul(element.size).and_then(|bytes| bytes.checked_add(offset)) {
            Some(end) if end <= size => Ok(Box::new(element)),
            _ => self.fail(format!("ends {count} elements that do not fit in {size} bytes")),
        }
    }

    fn number(&self, text: &str) -> Result<usize, ParseError> {
        match text.parse() {
            Ok(number) if number <= MAX_SIZE && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ => self.fail(format!("has {:?} instead of a number of at most {MAX_SIZE}", shorten(text))),
        }
    }

    fn name(&self, text: &str) -> Result<String, ParseError> {
        let is_plain = text.chars().all(|char| !char.is_control() && !char.is_whitespace());
        if text.is_empty() || text.len() > MAX_NAME || !is_plain {
            return self.fail(format!("has {:?} instead of a name", shorten(text)));
        }
        Ok(text.into())
    }
}

/// The beginning of a text, for messages.
fn shorten(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}
