//! The types in rkyv's own tests (`src/impls/mod.rs`, `src/impls/core/*.rs`, `src/impls/rend.rs`,
//! `tests/derive.rs` and `tests/ui/*.rs` of rkyv 0.8.18), as a table of what mi7 accepts and what
//! it refuses.
//!
//! Refused is what writes out of line, borrows, or puts an archive there that mi7 cannot see into.
//! Each refusal is a case of the compile-fail tests.

#![allow(
    dead_code, // The fields of some are only looked at where they are archived.
    non_camel_case_types,
    clippy::derive_partial_eq_without_eq,
    clippy::redundant_pub_crate
)]

use std::fmt;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::ManuallyDrop;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use mi7::ShmMessage;
use rkyv::niche::niching::{NaN, Zero};
use rkyv::rancor::Fallible;
use rkyv::rend::{
    NonZeroI16_be, NonZeroI16_le, NonZeroU128_be, NonZeroU128_le, char_be, char_le, f32_be, f32_le, f64_be, f64_le,
    i16_be, i16_le, i128_be, i128_le, u32_be, u32_le, u64_be, u64_le,
};
use rkyv::{Archive, Deserialize, Serialize};

use crate::{comes_back, parts};

/// Defines a type twice: in the module with the four derives, and in a module within it with the
/// attribute.
macro_rules! shapes {
    ($($module:ident { $($item:item)* })*) => {
        $(mod $module {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::*;
            $(#[derive(Archive, Serialize, Deserialize, ShmMessage, PartialEq)] $item)*

            pub mod attribute {
                #[allow(unused_imports, clippy::wildcard_imports)]
                use super::super::*;
                $(#[mi7::message] #[derive(PartialEq)] $item)*
            }
        })*
    };
}

pub trait TestTrait {
    type Associated: PartialEq;
}

impl TestTrait for () {
    type Associated = i32;
}

shapes! {
    unit_struct {
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub struct Test;
    }
    tuple_struct {
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub struct Test(pub (), pub i32, pub Option<i32>);
    }
    named_struct {
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub struct Test { pub a: (), pub b: i32, pub c: Option<i32> }
    }
    generic_struct {
        #[rkyv(compare(PartialEq))]
        pub struct Test<T: TestTrait> { pub a: (), pub b: <T as TestTrait>::Associated, pub c: Option<i32> }
    }
    plain_enum {
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub enum Test { A, B(i32), C { inner: i32 } }
    }
    generic_enum {
        #[rkyv(compare(PartialEq))]
        pub enum Test<T: TestTrait> {
            A,
            B(<T as TestTrait>::Associated),
            C { inner: <T as TestTrait>::Associated },
        }
    }
    nested {
        #[derive(Debug)]
        pub struct Opaque(pub i32);
        #[derive(Debug)]
        pub struct Test { pub a: Opaque }
    }
    compare {
        #[derive(Debug, PartialOrd)]
        #[rkyv(compare(PartialEq, PartialOrd))]
        pub struct UnitFoo;
        #[derive(Debug, PartialOrd)]
        #[rkyv(compare(PartialEq, PartialOrd))]
        pub struct TupleFoo(pub i32);
        #[derive(Debug, PartialOrd)]
        #[rkyv(compare(PartialEq, PartialOrd))]
        pub struct StructFoo { pub t: i32 }
        #[derive(Debug, PartialOrd)]
        #[rkyv(compare(PartialEq, PartialOrd))]
        pub enum EnumFoo { Foo(i32) }
    }
    default_type_parameters {
        #[derive(Debug)]
        pub struct TupleFoo<T = i32>(pub T);
        #[derive(Debug)]
        pub struct StructFoo<T = i32> { pub t: T }
        #[derive(Debug)]
        pub enum EnumFoo<T = i32> { T(T) }
    }
    const_generics {
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub struct Const<const N: usize>;
        #[derive(Debug)]
        pub struct Array<T, const N: usize>(pub [T; N]);
    }
    alignments {
        #[derive(Debug)]
        #[rkyv(attr(repr(C, align(8))))]
        pub struct One { pub a: u8 }
        #[derive(Debug)]
        #[rkyv(attr(repr(C), repr(align(8))))]
        pub struct Two { pub a: u8 }
    }
    raw_identifiers {
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub struct r#virtual { pub r#virtual: i32 }
        #[derive(Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        pub enum r#try { r#try { r#try: i32 } }
    }
    niches {
        #[derive(Debug)]
        #[rkyv(derive(Debug))]
        pub struct Nichable {
            #[rkyv(niche = NaN)]
            pub not_nan: f32,
            #[rkyv(niche = Zero)]
            pub int: std::num::NonZeroU32,
            #[rkyv(niche)]
            pub boolean: bool,
        }
        #[derive(Debug)]
        #[rkyv(derive(Debug))]
        pub enum NichableEnum {
            A(#[rkyv(niche)] bool),
            B { #[rkyv(niche = NaN)] float: f32 },
            C,
        }
    }
    pass_through {
        #[derive(Clone, Copy, Debug)]
        #[rkyv(compare(PartialEq), derive(Clone, Copy, Debug))]
        pub enum ExampleEnum { Foo, Bar(u64) }
        #[derive(Clone, Copy, Debug)]
        #[rkyv(compare(PartialEq), derive(Clone, Copy, Debug))]
        pub struct Example { pub x: i32, pub y: Option<ExampleEnum> }
    }
    visibility {
        #[derive(Debug)]
        pub struct TestTuple(pub i32);
        #[derive(Debug)]
        pub struct TestStruct { pub value: i32, pub(crate) inner: u8, pub(in crate::shapes) outer: u8 }
        #[derive(Debug)]
        pub(crate) enum TestEnum { B(i32), C { value: i32 } }
    }
}

/// As rkyv's test does it: `Debug` is written by hand for both forms.
macro_rules! debug_by_hand {
    ($($name:path, $archived:path);*) => {
        $(impl<T: TestTrait> fmt::Debug for $name where T::Associated: fmt::Debug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("by hand")
            }
        }

        impl<T: TestTrait> fmt::Debug for $archived
        where
            T::Associated: Archive,
            <T::Associated as Archive>::Archived: fmt::Debug,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("archived, by hand")
            }
        })*
    };
}

debug_by_hand! {
    generic_struct::Test<T>, generic_struct::ArchivedTest<T>;
    generic_struct::attribute::Test<T>, generic_struct::attribute::ArchivedTest<T>;
    generic_enum::Test<T>, generic_enum::ArchivedTest<T>;
    generic_enum::attribute::Test<T>, generic_enum::attribute::ArchivedTest<T>
}

/// `Serialize` and `Deserialize` written by hand beside a derived `Archive`.
mod derive_attributes {
    use super::{Archive, Deserialize, Fallible, Serialize, ShmMessage};

    #[derive(Archive, ShmMessage, Debug, PartialEq)]
    #[rkyv(archived = ATest, resolver = RTest, compare(PartialEq), derive(Debug))]
    pub struct Test {
        pub a: i32,
        pub b: Option<u32>,
    }

    impl<S: Fallible + ?Sized> Serialize<S> for Test {
        fn serialize(&self, serializer: &mut S) -> Result<RTest, S::Error> {
            Ok(RTest { a: self.a.serialize(serializer)?, b: self.b.serialize(serializer)? })
        }
    }

    impl<D: Fallible + ?Sized> Deserialize<Test, D> for ATest {
        fn deserialize(&self, deserializer: &mut D) -> Result<Test, D::Error> {
            Ok(Test { a: self.a.deserialize(deserializer)?, b: self.b.deserialize(deserializer)? })
        }
    }
}

/// Expects a value of each of the two types, with the derives and with the attribute, to arrive.
macro_rules! arrives {
    ($($module:ident $($path:ident)::+ $(($tuple:expr))? $({$($field:ident: $value:expr),*})?;)*) => {
        $(
            comes_back(&$module::$($path)::+ $(($tuple))? $({$($field: $value),*})?);
            comes_back(&$module::attribute::$($path)::+ $(($tuple))? $({$($field: $value),*})?);
        )*
    };
}

#[test]
fn the_shapes_of_rkyvs_tests_arrive() {
    arrives! {
        unit_struct Test;
        named_struct Test { a: (), b: 42, c: Some(42) };
        plain_enum Test::A;
        plain_enum Test::B(42);
        plain_enum Test::C { inner: 42 };
        compare UnitFoo;
        compare TupleFoo(42);
        compare StructFoo { t: 42 };
        compare EnumFoo::Foo(42);
        default_type_parameters TupleFoo(42i32);
        default_type_parameters StructFoo { t: 42i32 };
        default_type_parameters EnumFoo::T(42i32);
        const_generics Array([1u8, 2, 3]);
        alignments One { a: 42 };
        alignments Two { a: 42 };
        raw_identifiers r#virtual { r#virtual: 42 };
        raw_identifiers r#try::r#try { r#try: 42 };
        niches Nichable { not_nan: 123.45, int: std::num::NonZeroU32::MIN, boolean: true };
        niches NichableEnum::A(false);
        niches NichableEnum::B { float: 1.5 };
        niches NichableEnum::C;
        pass_through Example { x: 0, y: None };
        pass_through ExampleEnum::Bar(u64::MAX);
        visibility TestTuple(42);
        visibility TestStruct { value: 42, inner: 1, outer: 2 };
        visibility TestEnum::B(42);
        visibility TestEnum::C { value: 42 };
    }
    comes_back(&[tuple_struct::Test((), 42, Some(42)), tuple_struct::Test((), 42, None)]);
    comes_back(&tuple_struct::attribute::Test((), 42, Some(42)));
    comes_back(&generic_struct::Test::<()> { a: (), b: 42, c: Some(42) });
    comes_back(&generic_struct::attribute::Test::<()> { a: (), b: 42, c: Some(42) });
    comes_back(&[generic_enum::Test::<()>::A, generic_enum::Test::B(42), generic_enum::Test::C { inner: 42 }]);
    comes_back(&generic_enum::attribute::Test::<()>::C { inner: 42 });
    comes_back(&nested::Test { a: nested::Opaque(10) });
    comes_back(&const_generics::Const::<3>);
    comes_back(&const_generics::attribute::Const::<3>);
    comes_back(&derive_attributes::Test { a: 42, b: Some(12) });
    assert_eq!(alignments::One::ALIGN, 8);
    assert_eq!(alignments::attribute::Two::ALIGN, 8);
}

#[test]
fn the_types_of_the_standard_library_in_rkyvs_tests_arrive() {
    comes_back(&(24, true, 16f32));
    comes_back(&[1, 2, 3, 4, 5, 6]);
    comes_back(&[(); 0]);
    comes_back(&[(), (), (), ()]);
    comes_back(&PhantomData::<&'static u8>);
    comes_back(&PhantomPinned);
    comes_back(&ManuallyDrop::new(123i8));
    comes_back(&ManuallyDrop::new(named_struct::Test { a: (), b: 1, c: None }));
    comes_back(&Ok::<i32, u32>(12345));
    comes_back(&Err::<(), [u64; 3]>([1, 2, 3]));
    comes_back::<RangeFull>(&..);
    comes_back::<Range<u8>>(&(0..100));
    comes_back::<RangeInclusive<u64>>(&(0..=100));
    comes_back::<RangeFrom<char>>(&('a'..));
    comes_back::<RangeTo<i128>>(&(..100));
    comes_back::<RangeToInclusive<u8>>(&(..=100));
    comes_back(&Bound::Included(100u8));
    comes_back(&Bound::Excluded(Some(100u64)));
    comes_back(&Bound::<u8>::Unbounded);
    comes_back(&(1u8, 2u16, 3u32, 4u64, 5u128, 6i8, 7i16, 8i32, 9i64, 10i128, 'k', true));
}

/// The longest that rkyv knows. `Debug` and `PartialEq` end at twelve.
#[test]
fn tuples_are_as_long_as_rkyvs() {
    type Longest = (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u16, bool);
    assert!(parts::<Longest>().ends_with("; 10 u8; 11 u16; 12 bool"), "{}", parts::<Longest>());
    assert_eq!(Longest::SCHEMA.size, 16);
}

#[test]
fn the_numbers_with_a_byte_order_in_rkyvs_tests_arrive() {
    comes_back(&(i16_be::from_native(12345), i16_le::from_native(12345)));
    comes_back(&(i128_be::from_native(i128::MIN + 1), i128_le::from_native(i128::MIN + 1)));
    comes_back(&(u32_be::from_native(12345), u32_le::from_native(12345)));
    comes_back(&(u64_be::from_native(u64::MAX - 1), u64_le::from_native(u64::MAX - 1)));
    comes_back(&(f32_be::from_native(1_234_567.), f32_le::from_native(1_234_567.)));
    comes_back(&(f64_be::from_native(1.5), f64_le::from_native(1.5)));
    comes_back(&(char_be::from_native('🥺'), char_le::from_native('🥺')));
    comes_back(&(NonZeroI16_be::new(12345), NonZeroI16_le::new(12345)));
    comes_back(&(NonZeroU128_be::new(u128::MAX), NonZeroU128_le::new(u128::MAX)));
    // A little-endian number is the same message as a native one; a big-endian one is another.
    assert_eq!(parts::<u32_le>(), parts::<u32>());
    assert_eq!(parts::<u32_be>(), "- opaque u32_be");
}

/// rkyv's tests whose types mi7 refuses: the test, the case of the compile-fail tests, and its
/// words.
const REFUSED: &[(&str, &str, &str)] = &[
    ("struct_container_mutable_refs", "box_field", "keeps its value on the heap"),
    ("struct_container_mutable_refs", "vec_field", "keeps its elements on the heap"),
    ("recursive_structures, recursive_self_types", "rkyv_recursive", "keeps its value on the heap"),
    ("complex_bounds", "serialize_bounds", "is not satisfied"),
    ("the_most_unhelpful_error", "deserialize_bounds", "is not satisfied"),
    ("repr_c_packed", "rkyv_repr", "changes the layout that mi7 counts on"),
    ("archive_as_unit_struct and its like", "rkyv_as", "an archived type there that mi7 cannot see into"),
    ("with_struct and its like, niches", "rkyv_with", "as something that mi7 cannot see into"),
    ("archive_crate_path, with_inline", "references", "a reference points into the memory of one process"),
    ("named_struct and its like", "rkyv_remote", "`remote` makes no message of this type"),
    ("named_struct and its like", "lifetime", "a message cannot borrow"),
];

#[test]
fn what_is_refused_of_rkyvs_tests_is_refused_in_these_words() {
    for (shape, case, words) in REFUSED {
        let path = format!("{}/ui/refuses/{case}.stderr", env!("CARGO_MANIFEST_DIR"));
        let said = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{shape}: {path}: {error}"));
        let first = said.lines().next().expect("an error");
        assert!(first.contains(words), "{shape}: {first}");
    }
}
