//! The messages that need no derive: numbers, addresses, arrays, tuples, options.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64,
    NonZeroU128,
};
use core::ptr::NonNull;
use core::time::Duration;

use rkyv::Archive;
use rkyv::option::ArchivedOption;

use super::{ShmMessage, assert_message};
use crate::archive;
use crate::schema::{Field, Kind, Scalar, Schema, Variant, enum_size, variant_offset};

/// Implements [`ShmMessage`] for types that are one [`Scalar`].
macro_rules! scalars {
    ($($scalar:ident => $type:ty),* $(,)?) => {$(
        // SAFETY: the archived form is a number, or a few, all of whose bytes have the same meaning everywhere; the
        // schema's scalar is the type's own.
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

// SAFETY: there is no byte.
unsafe impl ShmMessage for () {
    const SCHEMA: Schema = Schema { name: "", size: 0, align: 1, kind: Kind::Struct(&[]) };
}

// SAFETY: there is no byte. The parameter is not part of the schema: it has no say in what the bytes are.
unsafe impl<T: ?Sized + Send + Sync + 'static> ShmMessage for PhantomData<T> {
    const SCHEMA: Schema = Schema { name: "PhantomData", size: 0, align: 1, kind: Kind::Struct(&[]) };
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

// SAFETY: `ArchivedOption<A>` is `repr(u8)`: a tag and an archive, in one piece. Its layout is that of RFC 2195, which
// `variant_offset` computes and `CHECKED` compares by size.
unsafe impl<T: ShmMessage> ShmMessage for Option<T> {
    const SCHEMA: Schema = Schema {
        name: "Option",
        size: size_of::<ArchivedOption<T::Archived>>(),
        align: align_of::<ArchivedOption<T::Archived>>(),
        kind: Kind::Enum(&[
            Variant { name: "None", tag: 0, fields: &[] },
            Variant {
                name: "Some",
                tag: 1,
                fields: &[Field {
                    name: "0",
                    offset: variant_offset(&[(size_of::<T::Archived>(), align_of::<T::Archived>())], 0),
                    schema: &T::SCHEMA,
                }],
            },
        ]),
    };
    const CHECKED: () = {
        let () = T::CHECKED;
        assert!(
            size_of::<ArchivedOption<T::Archived>>()
                == enum_size(&[&[], &[(size_of::<T::Archived>(), align_of::<T::Archived>())]])
        );
        assert_message::<Self>();
    };

    #[inline]
    unsafe fn archive_at(&self, archive: NonNull<u8>) {
        // SAFETY: the tag is the first byte of the archive that the caller says is there.
        unsafe { archive.write(u8::from(self.is_some())) };
        if let Some(value) = self {
            let offset = const { variant_offset(&[(size_of::<T::Archived>(), align_of::<T::Archived>())], 0) };
            // SAFETY: the offset lies in the archive: it is that of the value of `Some`.
            let place = unsafe { archive.add(offset) };
            // SAFETY: that value is part of the archive, and so as initialized, aligned and unshared as it is.
            unsafe { archive::write(value, place) };
        }
    }
}

/// Implements [`ShmMessage`] for a tuple.
macro_rules! tuple {
    ($($type:ident $index:tt $name:literal),*) => {
        // SAFETY: rkyv's archived tuple is a `repr(C)` struct of the archives, in one piece as they are; offsets are the
        // compiler's.
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
