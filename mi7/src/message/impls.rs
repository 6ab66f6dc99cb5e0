//! The messages that need no derive: numbers, addresses, arrays, tuples, options, ranges.

use core::marker::{PhantomData, PhantomPinned};
use core::mem::{ManuallyDrop, offset_of};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64,
    NonZeroU128,
};
use core::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use core::ptr::NonNull;
use core::time::Duration;

use rkyv::{Archive, Archived, rend};

use super::{ShmMessage, assert_message};
use crate::archive;
use crate::schema::{Field, Kind, Scalar, Schema, Variant, enum_size, variant_offset};

/// Implements [`ShmMessage`] for types that are one [`Scalar`].
macro_rules! scalars {
    ($($scalar:ident => $type:ty),* $(,)?) => {$(
        // SAFETY: the archived form is a number, or a few, all of whose bytes have the same meaning
        // everywhere; the schema's scalar is the type's own.
        unsafe impl ShmMessage for $type {
            const SCHEMA: Schema = Schema {
                name: Scalar::$scalar.name(),
                size: size_of::<rkyv::Archived<$type>>(),
                align: align_of::<rkyv::Archived<$type>>(),
                kind: Kind::Scalar(Scalar::$scalar),
            };
        }
    )*};
}

scalars! {
    I8 => i8, I16 => i16, I32 => i32, I64 => i64, I128 => i128,
    U8 => u8, U16 => u16, U32 => u32, U64 => u64, U128 => u128,
    F32 => f32, F64 => f64, Bool => bool, Char => char,
    NonZeroI8 => NonZeroI8, NonZeroI16 => NonZeroI16, NonZeroI32 => NonZeroI32, NonZeroI64 => NonZeroI64,
    NonZeroI128 => NonZeroI128,
    NonZeroU8 => NonZeroU8, NonZeroU16 => NonZeroU16, NonZeroU32 => NonZeroU32, NonZeroU64 => NonZeroU64,
    NonZeroU128 => NonZeroU128,
    Duration => Duration,
    Ipv4Addr => Ipv4Addr, Ipv6Addr => Ipv6Addr, IpAddr => IpAddr,
    SocketAddrV4 => SocketAddrV4, SocketAddrV6 => SocketAddrV6, SocketAddr => SocketAddr,
}

/// Implements [`ShmMessage`] for numbers whose native form is their archived form already.
macro_rules! little_endian {
    ($($type:ident => $scalar:ident),* $(,)?) => {$(
        // SAFETY: the archived form is the number itself, all of whose bytes have the same meaning
        // everywhere; it is that of the schema's scalar.
        unsafe impl ShmMessage for rend::$type {
            const SCHEMA: Schema = Schema {
                name: Scalar::$scalar.name(),
                size: size_of::<Self>(),
                align: align_of::<Self>(),
                kind: Kind::Scalar(Scalar::$scalar),
            };
        }
    )*};
}

little_endian! {
    i16_le => I16, i32_le => I32, i64_le => I64, i128_le => I128,
    u16_le => U16, u32_le => U32, u64_le => U64, u128_le => U128,
    f32_le => F32, f64_le => F64, char_le => Char,
    NonZeroI16_le => NonZeroI16, NonZeroI32_le => NonZeroI32, NonZeroI64_le => NonZeroI64, NonZeroI128_le => NonZeroI128,
    NonZeroU16_le => NonZeroU16, NonZeroU32_le => NonZeroU32, NonZeroU64_le => NonZeroU64, NonZeroU128_le => NonZeroU128,
}

/// Implements [`ShmMessage`] for numbers whose big end is first, which no [`Scalar`] stands for.
macro_rules! big_endian {
    ($($type:ident),* $(,)?) => {$(
        // SAFETY: the archived form is the number itself, all of whose bytes have the same meaning
        // everywhere.
        unsafe impl ShmMessage for rend::$type {
            const SCHEMA: Schema = Schema {
                name: stringify!($type),
                size: size_of::<Self>(),
                align: align_of::<Self>(),
                kind: Kind::Opaque,
            };
        }
    )*};
}

big_endian! {
    i16_be, i32_be, i64_be, i128_be, u16_be, u32_be, u64_be, u128_be, f32_be, f64_be, char_be,
    NonZeroI16_be, NonZeroI32_be, NonZeroI64_be, NonZeroI128_be,
    NonZeroU16_be, NonZeroU32_be, NonZeroU64_be, NonZeroU128_be,
}

// SAFETY: there is no byte.
unsafe impl ShmMessage for () {
    const SCHEMA: Schema = Schema { name: "", size: 0, align: 1, kind: Kind::Struct(&[]) };
}

// SAFETY: there is no byte. The parameter is not part of the schema: it has no say in what the
// bytes are.
unsafe impl<T: ?Sized + Send + Sync + 'static> ShmMessage for PhantomData<T> {
    const SCHEMA: Schema = Schema { name: "PhantomData", size: 0, align: 1, kind: Kind::Struct(&[]) };
}

// SAFETY: there is no byte.
unsafe impl ShmMessage for PhantomPinned {
    const SCHEMA: Schema = Schema { name: "PhantomPinned", size: 0, align: 1, kind: Kind::Struct(&[]) };
}

// SAFETY: an array of archives is in one piece as they are, and means what they mean.
unsafe impl<T: ShmMessage, const N: usize> ShmMessage for [T; N] {
    const SCHEMA: Schema = Schema {
        name: "",
        size: size_of::<[T::Archived; N]>(),
        align: align_of::<[T::Archived; N]>(),
        kind: Kind::Array { length: N, element: &T::SCHEMA },
    };
    const CHECKED: () = {
        let () = T::CHECKED;
        assert_message::<Self>();
    };
    const LARGEST_PIECE: usize = T::LARGEST_PIECE;

    #[inline]
    unsafe fn archive_at(&self, archive: NonNull<u8>) {
        let elements = archive.cast::<T::Archived>();
        for (i, value) in self.iter().enumerate() {
            // SAFETY: `i` is below `N`, so it is an element of the array that the caller says is there.
            let element = unsafe { elements.add(i) };
            // SAFETY: the element is part of that array, and so as initialized, aligned and unshared as it is.
            unsafe { archive::write(value, element.cast()) };
        }
    }

    #[inline]
    unsafe fn native_at(archive: NonNull<u8>, native: NonNull<Self>) {
        let (archives, natives) = (archive.cast::<T::Archived>(), native.cast::<T>());
        for i in 0..N {
            // SAFETY: `i` is below `N`, so it is an element of the array of archives.
            let archive = unsafe { archives.add(i) };
            // SAFETY: the same, of the array to be written.
            let native = unsafe { natives.add(i) };
            // SAFETY: a part of a valid archive is one; a part of what can be written can be written.
            unsafe { T::native_at(archive.cast(), native) };
        }
    }
}

/// The first of two names.
macro_rules! first {
    ($first:ident $second:ident) => {
        $first
    };
}

/// Implements [`ShmMessage`] for an enum that rkyv has an archived form for, of variants with one
/// field or none.
macro_rules! enums {
    ($($name:ident<$($parameter:ident),*> { $($variant:ident $(($field:ident))? = $tag:literal),* })*) => {$(
        // SAFETY: the archived form is `repr(u8)`: a tag and an archive, in one piece. Its layout
        // is that of RFC 2195, which `variant_offset` computes and `CHECKED` compares by size.
        unsafe impl<$($parameter: ShmMessage),*> ShmMessage for $name<$($parameter),*> {
            const SCHEMA: Schema = Schema {
                name: stringify!($name),
                size: size_of::<Archived<Self>>(),
                align: align_of::<Archived<Self>>(),
                kind: Kind::Enum(&[$(Variant {
                    name: stringify!($variant),
                    tag: $tag,
                    fields: &[$(Field {
                        name: "0",
                        offset: variant_offset(&[layout::<$field>()], 0),
                        schema: &$field::SCHEMA,
                    })?],
                }),*]),
            };
            const CHECKED: () = {
                $(let () = $parameter::CHECKED;)*
                assert!(size_of::<Archived<Self>>() == enum_size(&[$(&[$(layout::<$field>())?]),*]));
                assert_message::<Self>();
            };

            #[inline]
            unsafe fn archive_at(&self, archive: NonNull<u8>) {
                match self {$(
                    Self::$variant $((first!(value $field)))? => {
                        // SAFETY: the tag is the first byte of the archive that the caller says is there.
                        unsafe { archive.write($tag) };
                        $(
                            let offset = const { variant_offset(&[layout::<$field>()], 0) };
                            // SAFETY: the offset is that of the variant's field, which lies in the archive.
                            let place = unsafe { archive.add(offset) };
                            // SAFETY: that field is as initialized, aligned and unshared as the whole.
                            unsafe { archive::write(first!(value $field), place) };
                        )?
                    }
                )*}
            }
        }
    )*};
}

/// The size and the alignment of an archive.
const fn layout<T: Archive>() -> (usize, usize) {
    (size_of::<Archived<T>>(), align_of::<Archived<T>>())
}

enums! {
    Option<T> { None = 0, Some(T) = 1 }
    Result<T, E> { Ok(T) = 0, Err(E) = 1 }
    Bound<T> { Included(T) = 0, Excluded(T) = 1, Unbounded = 2 }
}

/// Implements [`ShmMessage`] for a range, whose archived form has fields of the same names.
macro_rules! ranges {
    ($($name:ident { $($field:ident),* })*) => {$(
        // SAFETY: the archived form is a `repr(C)` struct of the archives, in one piece as they
        // are; offsets are the compiler's.
        unsafe impl<T: ShmMessage> ShmMessage for $name<T> {
            const SCHEMA: Schema = Schema {
                name: stringify!($name),
                size: size_of::<Archived<Self>>(),
                align: align_of::<Archived<Self>>(),
                kind: Kind::Struct(&[$(Field {
                    name: stringify!($field),
                    offset: offset_of!(Archived<Self>, $field),
                    schema: &T::SCHEMA,
                }),*]),
            };
            const CHECKED: () = {
                let () = T::CHECKED;
                assert_message::<Self>();
            };
        }
    )*};
}

ranges! {
    Range { start, end }
    RangeInclusive { start, end }
    RangeFrom { start }
    RangeTo { end }
    RangeToInclusive { end }
}

// SAFETY: there is no byte.
unsafe impl ShmMessage for RangeFull {
    const SCHEMA: Schema = Schema { name: "RangeFull", size: 0, align: 1, kind: Kind::Struct(&[]) };
}

// SAFETY: `ManuallyDrop` has the layout of what is inside, and means the same. What is inside needs
// no dropping anyway.
unsafe impl<T: ShmMessage> ShmMessage for ManuallyDrop<T> {
    const SCHEMA: Schema = Schema {
        name: "ManuallyDrop",
        size: size_of::<T::Archived>(),
        align: align_of::<T::Archived>(),
        kind: Kind::Struct(&[Field { name: "value", offset: 0, schema: &T::SCHEMA }]),
    };
    const CHECKED: () = {
        let () = T::CHECKED;
        assert_message::<Self>();
    };
}

/// Implements [`ShmMessage`] for a tuple.
macro_rules! tuple {
    ($($type:ident $index:tt $name:literal),*) => {
        // SAFETY: rkyv's archived tuple is a `repr(C)` struct of the archives, in one piece as they
        // are; offsets are the compiler's.
        unsafe impl<$($type: ShmMessage),*> ShmMessage for ($($type,)*) {
            const SCHEMA: Schema = Schema {
                name: "",
                size: size_of::<<Self as Archive>::Archived>(),
                align: align_of::<<Self as Archive>::Archived>(),
                kind: Kind::Struct(&[$(Field {
                    name: $name,
                    offset: offset_of!(<Self as Archive>::Archived, $index),
                    schema: &$type::SCHEMA,
                }),*]),
            };
            const CHECKED: () = {
                $(let () = $type::CHECKED;)*
                assert_message::<Self>();
            };
            const LARGEST_PIECE: usize = archive::largest(&[$($type::LARGEST_PIECE),*]);

            #[inline]
            unsafe fn archive_at(&self, archive: NonNull<u8>) {
                $(
                    // SAFETY: the offset is that of a field of the archive that the caller says is there.
                    let field = unsafe { archive.add(offset_of!(<Self as Archive>::Archived, $index)) };
                    // SAFETY: a field is as initialized, aligned and unshared as the whole.
                    unsafe { archive::write(&self.$index, field) };
                )*
            }

            #[inline]
            unsafe fn native_at(archive: NonNull<u8>, native: NonNull<Self>) {
                $(
                    // SAFETY: the offset is that of a field of the archive that the caller says is there.
                    let archived = unsafe { archive.add(offset_of!(<Self as Archive>::Archived, $index)) };
                    // SAFETY: the offset is that of a field of the value to be written.
                    let field = unsafe { native.cast::<u8>().add(offset_of!(Self, $index)) };
                    // SAFETY: a field of a valid archive is one; a field of what can be written can be written.
                    unsafe { $type::native_at(archived, field.cast()) };
                )*
            }
        }
    };
}

tuple!(A 0 "0");
tuple!(A 0 "0", B 1 "1");
tuple!(A 0 "0", B 1 "1", C 2 "2");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7", I 8 "8");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7", I 8 "8", J 9 "9");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7", I 8 "8", J 9 "9",
    K 10 "10");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7", I 8 "8", J 9 "9",
    K 10 "10", L 11 "11");
tuple!(A 0 "0", B 1 "1", C 2 "2", D 3 "3", E 4 "4", F 5 "5", G 6 "6", H 7 "7", I 8 "8", J 9 "9",
    K 10 "10", L 11 "11", M 12 "12");
