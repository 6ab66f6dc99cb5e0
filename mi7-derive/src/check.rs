//! What no message can have, found by syntax, for the sake of a better error than the one of the trait bound.

use syn::{GenericArgument, GenericParam, Path, PathArguments, PathSegment, Type};

use crate::errors::Errors;
use crate::input::Input;

/// Adds all mistakes in the parameters and in the types of the fields.
pub fn check(input: &Input<'_>, errors: &mut Errors) {
    for parameter in &input.generics.params {
        if let GenericParam::Lifetime(parameter) = parameter {
            errors.add_unarchivable(
                &parameter.lifetime,
                "a message cannot borrow: what it borrows stays in this process; own the values",
            );
        }
    }
    for field in input.fields() {
        check_type(field.ty, errors);
    }
}

fn check_type(ty: &Type, errors: &mut Errors) {
    match ty {
        Type::Array(array) => check_type(&array.elem, errors),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| check_type(ty, errors)),
        Type::Paren(paren) => check_type(&paren.elem, errors),
        Type::Group(group) => check_type(&group.elem, errors),
        Type::Path(path) if path.qself.is_none() => check_path(ty, &path.path, errors),
        Type::Reference(reference) => {
            let instead = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => "use `mi7::FixedString<N>`",
                Type::Slice(_) => "use `mi7::FixedVec<T, N>`, or an array",
                _ => "hold the value itself",
            };
            errors.add_unarchivable(ty, format!("a reference points into the memory of one process; {instead}"));
        }
        Type::Ptr(_) => errors.add_unarchivable(
            ty,
            "a pointer points into the memory of one process; hold the value itself, or an index",
        ),
        Type::FnPtr(_) => {
            errors.add_unarchivable(ty, "a function has another address in every process; use an enum of what to do")
        }
        Type::TraitObject(_) => {
            errors.add_unarchivable(ty, "`dyn` points to code and data of one process; use an enum of the cases")
        }
        Type::ImplTrait(_) => {
            errors.add_unarchivable(ty, "`impl` names no type to lay out; use a type parameter, `T: ShmMessage`")
        }
        Type::Slice(_) => {
            errors.add_unarchivable(ty, "a slice has no fixed size; use an array, or `mi7::FixedVec<T, N>`")
        }
        Type::Never(_) => errors.add_unarchivable(ty, "`!` has no values to send; use `()`"),
        // Left to the compiler: macros, `_`, associated types.
        _ => {}
    }
}

fn check_path(ty: &Type, path: &Path, errors: &mut Errors) {
    let Some(last) = path.segments.last() else {
        return;
    };
    let arguments = types(last);
    if last.ident == "FixedVec" {
        let mut found = Errors::default();
        arguments.into_iter().for_each(|ty| check_type(ty, &mut found));
        // It is a list of messages only: not even rkyv can make anything of others.
        found.is_unarchivable |= !found.is_empty();
        errors.append(found);
        return;
    }
    // `crate::String` and the like are the user's own types.
    let is_known = match path.segments.first() {
        Some(first) if path.segments.len() > 1 => ["std", "core", "alloc"].iter().any(|name| first.ident == name),
        _ => true,
    };
    if !is_known {
        return;
    }
    let name = last.ident.to_string();
    if let Some(problem) = problem(&name, arguments.len()) {
        errors.is_unarchivable |= !ARCHIVABLE.contains(&&*name);
        errors.add(ty, problem);
    } else if name == "Option" {
        arguments.into_iter().for_each(|ty| check_type(ty, errors));
    }
}

/// The types among the arguments of a path.
fn types(segment: &PathSegment) -> Vec<&Type> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The refused types that rkyv has archived forms for, and that can change threads.
const ARCHIVABLE: &[&str] = &[
    "usize",
    "isize",
    "NonZeroUsize",
    "NonZeroIsize",
    "String",
    "CString",
    "Vec",
    "VecDeque",
    "HashMap",
    "BTreeMap",
    "HashSet",
    "BTreeSet",
    "Box",
    "Arc",
];

/// What is wrong with the type of this name and number of type arguments. The number tells std's types from types of the
/// user's that have the same name.
fn problem(name: &str, arguments: usize) -> Option<String> {
    Some(match (name, arguments) {
        ("usize" | "isize", 0) => {
            let instead = if name == "usize" { "`u64` or `u32`" } else { "`i64` or `i32`" };
            format!("`{name}` has a size that depends on the program; use {instead}")
        }
        ("NonZeroUsize" | "NonZeroIsize", 0) => {
            let instead = if name == "NonZeroUsize" { "`NonZeroU64`" } else { "`NonZeroI64`" };
            format!("`{name}` has a size that depends on the program; use {instead}")
        }
        ("str", 0) => "`str` has no fixed size; use `mi7::FixedString<N>`".into(),
        ("String" | "PathBuf" | "OsString" | "CString", 0) => {
            format!(
                "`{name}` keeps its text on the heap; use `mi7::FixedString<N>`, or send the message as `mi7::Bincode<T>`"
            )
        }
        ("Vec" | "VecDeque" | "LinkedList" | "BinaryHeap", 1) => format!(
            "`{name}` keeps its elements on the heap; use `mi7::FixedVec<T, N>` or an array, or send the message as \
             `mi7::Bincode<T>`"
        ),
        ("HashMap" | "BTreeMap", 2) | ("HashMap", 3) => format!(
            "`{name}` keeps its entries on the heap; use `mi7::FixedVec<(K, V), N>`, or send the message as `mi7::Bincode<T>`"
        ),
        ("HashSet" | "BTreeSet", 1) | ("HashSet", 2) => format!(
            "`{name}` keeps its elements on the heap; use `mi7::FixedVec<T, N>`, or send the message as `mi7::Bincode<T>`"
        ),
        ("Box", 1) => "`Box` keeps its value on the heap; hold the value itself".into(),
        ("Rc" | "Arc", 1) => format!("`{name}` shares its value within one process; hold the value itself"),
        ("Weak" | "NonNull", 1) => {
            format!("`{name}` points into the memory of one process; hold the value itself, or an index")
        }
        ("Cow", 1) => {
            "`Cow` borrows, or keeps its value on the heap; hold the value itself, or use `mi7::FixedString<N>`".into()
        }
        ("Cell" | "RefCell" | "UnsafeCell" | "OnceCell" | "Mutex" | "RwLock" | "OnceLock", 1) => {
            format!("`{name}` guards its value within one process; a message is a value, hold it without")
        }
        ("Instant" | "SystemTime", 0) => {
            format!("`{name}` has a layout of its own on every system; use a `Duration` since an agreed time")
        }
        _ => return None,
    })
}
