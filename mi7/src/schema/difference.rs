//! The first field in which two schemas differ, for people to read.

use super::parse::{Choice, Layout, Node, ParseError, Part, Shape};

/// Where two types differ, and how.
///
/// ```
/// use mi7::ShmMessage;
/// use mi7::schema::first_difference;
///
/// let difference = first_difference(&<(u8, u16)>::SCHEMA.text(), &<(u8, i16)>::SCHEMA.text()).unwrap();
/// assert_eq!(difference.field, "(u8, u16).1");
/// assert_eq!(difference.ours, "`1: u16` at offset 2");
/// assert_eq!(difference.theirs, "`1: i16` at offset 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path to the field, as in `Order.side.Buy.0`; `[]` stands for the elements of arrays and vecs.
    pub field: String,
    /// What stands there in the first type, as in `` `price: f64` at offset 8 ``.
    pub ours: String,
    /// What stands there in the second type.
    pub theirs: String,
}

/// The first difference between two schema texts, in the order of the first one's fields; `None` if they are equal.
///
/// Fields are compared by name: one that has moved is found where it is now. A text that cannot be read differs as a
/// whole.
#[must_use]
pub fn first_difference(ours: &str, theirs: &str) -> Option<Difference> {
    if ours == theirs {
        return None;
    }
    match (Layout::parse(ours), Layout::parse(theirs)) {
        (Ok(ours), Ok(theirs)) => compare(&ours.name(), &ours.root, &theirs.root),
        (ours, theirs) => {
            let field = "the schema text".into();
            Some(Difference { field, ours: readable(&ours), theirs: readable(&theirs) })
        }
    }
}

fn readable(layout: &Result<Layout, ParseError>) -> String {
    match layout {
        Ok(layout) => format!("that of `{}`", layout.name()),
        Err(error) => format!("unreadable: {error}"),
    }
}

/// The first difference between two types at the same place, all that is inside of them first, then their sizes.
fn compare(path: &str, ours: &Node, theirs: &Node) -> Option<Difference> {
    let differ = |ours: String, theirs: String| Some(Difference { field: path.into(), ours, theirs });
    if !is_same_kind(ours, theirs) {
        return differ(describe(ours), describe(theirs));
    }
    let inside = match (&ours.shape, &theirs.shape) {
        (Shape::Struct { fields: ours, .. }, Shape::Struct { fields: theirs, .. }) => {
            compare_fields(path, ours, theirs)
        }
        (Shape::Enum { variants: ours, .. }, Shape::Enum { variants: theirs, .. }) => {
            compare_variants(path, ours, theirs)
        }
        (Shape::Array { element: ours, .. }, Shape::Array { element: theirs, .. })
        | (Shape::Vec { element: ours, .. }, Shape::Vec { element: theirs, .. }) => {
            compare(&format!("{path}[]"), ours, theirs)
        }
        _ => None,
    };
    if inside.is_some() || ours == theirs {
        return inside;
    }
    if (ours.size, ours.align) != (theirs.size, theirs.align) {
        let layout = |node: &Node| format!("{} bytes, aligned to {}", node.size, node.align);
        return differ(layout(ours), layout(theirs));
    }
    differ(format!("{:?}", ours.shape), format!("{:?}", theirs.shape))
}

/// Whether two types differ, if at all, only inside.
fn is_same_kind(ours: &Node, theirs: &Node) -> bool {
    match (&ours.shape, &theirs.shape) {
        (Shape::Scalar(ours), Shape::Scalar(theirs)) => ours == theirs,
        (Shape::Struct { name: ours, .. }, Shape::Struct { name: theirs, .. })
        | (Shape::Enum { name: ours, .. }, Shape::Enum { name: theirs, .. })
        | (Shape::Opaque { name: ours }, Shape::Opaque { name: theirs }) => ours == theirs,
        (Shape::Array { length: ours, .. }, Shape::Array { length: theirs, .. })
        | (Shape::String { capacity: ours, .. }, Shape::String { capacity: theirs, .. })
        | (Shape::Vec { capacity: ours, .. }, Shape::Vec { capacity: theirs, .. }) => ours == theirs,
        _ => false,
    }
}

fn compare_fields(path: &str, ours: &[Part], theirs: &[Part]) -> Option<Difference> {
    let find = |fields: &'_ [Part], name: &str| fields.iter().position(|field| field.name == name);
    for field in ours {
        let path = format!("{path}.{}", field.name);
        let Some(other) = find(theirs, &field.name).map(|i| &theirs[i]) else {
            return Some(Difference {
                field: path,
                ours: describe_field(field),
                theirs: missing("field", &field.name),
            });
        };
        if field.offset != other.offset || !is_same_kind(&field.node, &other.node) {
            return Some(Difference { field: path, ours: describe_field(field), theirs: describe_field(other) });
        }
        if let Some(difference) = compare(&path, &field.node, &other.node) {
            return Some(difference);
        }
    }
    let added = theirs.iter().find(|field| find(ours, &field.name).is_none());
    added.map(|field| Difference {
        field: format!("{path}.{}", field.name),
        ours: missing("field", &field.name),
        theirs: describe_field(field),
    })
}

fn compare_variants(path: &str, ours: &[Choice], theirs: &[Choice]) -> Option<Difference> {
    let find = |variants: &'_ [Choice], name: &str| variants.iter().position(|variant| variant.name == name);
    for variant in ours {
        let path = format!("{path}.{}", variant.name);
        let Some(other) = find(theirs, &variant.name).map(|i| &theirs[i]) else {
            return Some(Difference {
                field: path,
                ours: describe_variant(variant),
                theirs: missing("variant", &variant.name),
            });
        };
        if variant.tag != other.tag {
            return Some(Difference { field: path, ours: describe_variant(variant), theirs: describe_variant(other) });
        }
        if let Some(difference) = compare_fields(&path, &variant.fields, &other.fields) {
            return Some(difference);
        }
    }
    let added = theirs.iter().find(|variant| find(ours, &variant.name).is_none());
    added.map(|variant| Difference {
        field: format!("{path}.{}", variant.name),
        ours: missing("variant", &variant.name),
        theirs: describe_variant(variant),
    })
}

fn describe(node: &Node) -> String {
    let kind = match &node.shape {
        Shape::Struct { name, .. } if !name.is_empty() => "struct ",
        Shape::Enum { name, .. } if name != "Option" => "enum ",
        Shape::Opaque { .. } => "opaque ",
        _ => "",
    };
    format!("`{kind}{}`", node.type_name())
}

fn describe_field(field: &Part) -> String {
    format!("`{}: {}` at offset {}", field.name, field.node.type_name(), field.offset)
}

fn describe_variant(variant: &Choice) -> String {
    format!("variant `{}` with tag {}", variant.name, variant.tag)
}

fn missing(what: &str, name: &str) -> String {
    format!("no {what} `{name}`")
}
