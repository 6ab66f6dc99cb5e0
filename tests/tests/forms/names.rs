//! No name in the user's crate meets one of the expansion, and no type is refused because of what
//! it is called.

#![allow(
    dead_code,                       // Nobody makes values of most of these types.
    unused_macros,                   // They would be errors if they were used.
    non_camel_case_types,
    non_upper_case_globals,
    clippy::items_after_statements,  // A type inside a function.
)]

use crate::{comes_back, parts, printed};

macro_rules! fail_if_used {
    ($($name:ident)*) => {
        $(macro_rules! $name {
            ($d:tt) => {
                compile_error!("a macro of the user is used")
            };
        })*
    };
}

/// What the crates lean on elsewhere, with names of theirs.
mod meddler {
    /// Its constants and methods are found wherever a name is looked up on some value or type.
    pub trait Meddler: Sized {
        const SIZE: usize = 77;
        const ALIGN: usize = 7;
        const SCHEMA: u8 = 1;
        const CHECKED: u8 = 2;
        const IS_ARCHIVE: bool = false;
        const IS_SERIALIZE: bool = false;
        const IS_DESERIALIZE: bool = false;
        const IS_MESSAGE: bool = false;
        const IS_WHOLE: bool = false;
        const IS_FINE: bool = false;
        const FIELDS_ARE_FINE: bool = false;
        const HAS_DERIVES: bool = false;

        fn field(self) {}
        fn fields(self) {}
        fn finish(self) {}
        fn fmt(self) {}
        fn debug_struct(self) {}
        fn debug_tuple(self) {}
        fn fold(self) {}
    }

    impl<T> Meddler for T {}
}

mod taken {
    #[allow(unused_imports)] // It is there to be in the way.
    use crate::names::meddler::Meddler;

    fail_if_used! {
        assert assert_eq const_assert concat compile_error debug_assert format matches offset_of panic size_of align_of
        stringify vec write
    }

    pub mod alloc {}
    pub mod core {}
    pub mod message {}
    pub mod mi7 {}
    pub mod rkyv {}
    pub mod schema {}
    pub mod std {}
    pub mod __private {}

    pub const WRITTEN: u8 = 5;
    pub const ASSERT: u8 = 6;
    pub const SCHEMA: u8 = 11;
    pub const __MI7_IS_FINE: u8 = 7;
    pub const __MI7_FIELDS_ARE_FINE: u8 = 8;
    pub const f: u8 = 9;
    pub const fields: u8 = 9;
    pub const index: u8 = 9;
    pub const name: u8 = 9;

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    #[repr(u8)]
    pub enum Tags {
        Written = WRITTEN,
        Schema = SCHEMA,
        Next,
        Index = index + 10,
        Assert = ASSERT,
        Fine = __MI7_FIELDS_ARE_FINE,
        Cast = b'A' as _,
        Zero = 0,
    }

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct __Mi7Archived(pub u8);

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct Lengths {
        pub archived: __Mi7Archived,
        pub written: [u8; WRITTEN as ::core::primitive::usize],
        pub assert: [u8; ASSERT as ::core::primitive::usize],
        pub fine: [u8; __MI7_IS_FINE as ::core::primitive::usize],
    }

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct Parameters<Measure, Judged, Field, Archived, F, const N: ::core::primitive::usize, const SIZE: u8>
    where
        Measure: Send,
    {
        pub measure: Measure,
        pub judged: Judged,
        pub field: Field,
        pub archived: Archived,
        pub f: F,
        pub length: [u8; N],
    }

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct Lifetimes {
        pub marker: ::core::marker::PhantomData<for<'any, 'never, 'a> fn(&'any u8, &'never u8) -> &'any u8>,
    }

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct r#struct {
        pub r#type: u8,
        pub r#fn: u16,
        pub self_: u8,
    }

    #[::mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub enum r#enum {
        r#type { r#fn: r#struct },
        r#match(u8),
    }
}

/// Types with the names of those that are no messages.
mod own {
    macro_rules! own {
        ($($name:ident)*) => {
            $(#[mi7::message] #[derive(PartialEq, Eq, Debug)] pub struct $name(pub u8);)*
        };
    }

    macro_rules! own_generic {
        ($($name:ident)*) => {
            $(#[mi7::message] #[derive(PartialEq, Eq, Debug)] pub struct $name<T>(pub T);)*
        };
    }

    own! {
        Instant SystemTime String PathBuf OsString CString NonZeroUsize NonZeroIsize AtomicU8 FixedString Infallible isize str
    }
    own_generic! {
        Cell RefCell UnsafeCell OnceCell Mutex RwLock OnceLock Vec VecDeque LinkedList BinaryHeap HashSet BTreeSet Box Rc Arc
        Weak NonNull Cow FixedVec PhantomData
    }

    #[mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct HashMap<K, V>(pub K, pub V);

    pub mod prelude {
        #[::mi7::message]
        #[derive(PartialEq, Eq, Debug)]
        pub struct Option<T>(pub T);

        #[::mi7::message]
        #[derive(PartialEq, Eq, Debug)]
        pub struct usize(pub u8);

        #[::mi7::message]
        #[derive(PartialEq, Eq, Debug)]
        pub struct bool(pub usize, pub Option<usize>);
    }
}

mod by_import {
    use super::own::prelude::{Option, bool, usize};
    use super::own::{Arc, Box, Cell, FixedVec, HashMap, Instant, Mutex, PhantomData, Rc, RefCell, String, Vec, str};

    #[mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct All {
        pub when: Instant,
        pub text: String,
        pub borrowed: str,
        pub list: Vec<String>,
        pub boxed: Box<Rc<Arc<u8>>>,
        pub cells: (Cell<u8>, RefCell<Mutex<u8>>),
        pub map: HashMap<String, Vec<u8>>,
        pub fixed: FixedVec<Instant>,
        pub option: Option<usize>,
        pub flags: [bool; 2],
        pub phantom: PhantomData<u8>,
    }
}

mod by_path {
    use super::own;

    #[mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct All {
        pub when: own::Instant,
        pub text: super::own::String,
        pub list: crate::names::own::Vec<own::String>,
        pub map: own::HashMap<own::str, own::Cow<own::isize>>,
    }

    #[derive(mi7::ShmMessage, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, PartialEq, Eq, Debug)]
    pub enum Event {
        At(own::Instant),
        Text { text: own::String, list: own::Vec<own::String> },
    }

    #[mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    pub struct Generic<T> {
        pub value: own::Box<T>,
        pub text: own::String,
    }
}

#[test]
fn names_in_the_users_crate_mean_what_they_mean_there() {
    use taken::{__Mi7Archived, Lengths, Lifetimes, Parameters, Tags};

    let tags =
        "- enum Tags; | 5 Written; | 11 Schema; | 12 Next; | 19 Index; | 6 Assert; | 8 Fine; | 65 Cast; | 0 Zero";
    assert_eq!(parts::<Tags>(), tags);
    for tag in [Tags::Written, Tags::Next, Tags::Index, Tags::Assert, Tags::Zero] {
        comes_back(&tag);
    }
    comes_back(&Lengths { archived: __Mi7Archived(1), written: [2; 5], assert: [3; 6], fine: [4; 7] });
    comes_back(&Parameters::<_, _, _, _, _, 2, 9> {
        measure: 1u8,
        judged: 2u16,
        field: 'x',
        archived: true,
        f: (),
        length: [3; 2],
    });
    comes_back(&Lifetimes { marker: std::marker::PhantomData });
    let raw = taken::r#enum::r#type { r#fn: taken::r#struct { r#type: 1, r#fn: 2, self_: 3 } };
    assert_eq!(printed(&raw), "type { fn: struct { type: 1, fn: 2, self_: 3 } }");
    comes_back(&raw);
}

#[test]
fn no_type_is_refused_for_what_it_is_called() {
    use own::prelude::{Option, bool, usize};
    use own::{
        Arc, Box, Cell, Cow, FixedVec, HashMap, Instant, Mutex, PhantomData, Rc, RefCell, String, Vec, isize, str,
    };

    comes_back(&by_import::All {
        when: Instant(1),
        text: String(2),
        borrowed: str(3),
        list: Vec(String(4)),
        boxed: Box(Rc(Arc(5))),
        cells: (Cell(6), RefCell(Mutex(7))),
        map: HashMap(String(8), Vec(9)),
        fixed: FixedVec(Instant(10)),
        option: Option(usize(11)),
        flags: [bool(usize(12), Option(usize(13))), bool(usize(14), Option(usize(15)))],
        phantom: PhantomData(16),
    });
    comes_back(&by_path::All {
        when: Instant(1),
        text: String(2),
        list: Vec(String(3)),
        map: HashMap(str(4), Cow(isize(5))),
    });
    comes_back(&by_path::Event::At(Instant(1)));
    comes_back(&by_path::Event::Text { text: String(1), list: Vec(String(2)) });
    comes_back(&by_path::Generic { value: Box(1u8), text: String(2) });
}

pub mod vendor {
    pub use mi7;
}

/// Types made by macros, whose tokens come from several places.
macro_rules! made {
    ($name:ident { $($field:ident: $type:ty = $value:expr),* }) => {{
        #[$crate::names::vendor::mi7::message(crate = $crate::names::vendor::mi7)]
        #[derive(PartialEq, Debug)]
        struct $name {
            $($field: $type,)*
            marker: std::marker::PhantomData<$crate::names::own::String>,
        }
        comes_back(&$name { $($field: $value,)* marker: std::marker::PhantomData });
    }};
}

#[test]
fn types_may_be_made_by_macros_and_inside_functions() {
    made!(Order { id: u64 = 5, price: f64 = 99.5, text: own::String = own::String(1), pair: (u8, Option<bool>) = (1, None) });

    #[mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    struct Inner {
        bytes: [u8; 3],
    }

    #[mi7::message]
    #[derive(PartialEq, Eq, Debug)]
    enum Order {
        Inner(Inner),
        Neither,
    }

    comes_back(&Order::Inner(Inner { bytes: [1, 2, 3] }));
    comes_back(&Order::Neither);
}
