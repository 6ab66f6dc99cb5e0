//! What the derive's expansion leans on. For the expansion alone: it may change with it at any time.
//!
//! # Saying each mistake once
//!
//! A type whose field is no message, or that lacks rkyv's derives, breaks the bounds of [`ShmMessage`] in a dozen ways, and
//! the compiler would report them all, here and wherever the type is used. The expansion for a type without parameters
//! therefore looks first and speaks once:
//!
//! - [`Measure`] tells, without an error, what the type and its fields have and what they lack. Whatever the impl is made
//!   of comes from it, so that nothing in there can fail.
//! - Each lack is reported by an assertion of its own, on the token of the user's that it is about.
//! - The verdict goes into a bound of the impl, [`Derived`]. Inside of the impl the compiler takes a bound's word for the
//!   supertraits; being for all lifetimes, this one is not checked ahead of its use either. Where the type is used, it is
//!   one error that points back to the definition.
//! - A type that was refused by syntax gets the bound [`Refused`] instead, whose constant is the `compile_error!` itself. The
//!   compiler reports it, and believes everything else about such a bound.
//!
//! None of this makes a wrong type pass: every lack is an error at the definition.

#![allow(missing_docs)] // Hidden: the facts' names say what they are.

use core::marker::PhantomData;
use core::ptr::NonNull;

use rkyv::api::high::{HighDeserializer, HighSerializer};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

pub use super::assertions::*;
use super::{Building, Checking, Reading, ShmMessage};
use crate::archive;
pub use crate::archive::largest;
use crate::schema::{Kind, Schema};

/// The supertraits of [`ShmMessage`].
pub trait Parts:
    Archive<Archived: CheckBytes<Checking> + Deserialize<Self, Reading> + Send + Sync + 'static>
    + Serialize<Building>
    + Send
    + Sized
    + 'static
{
}

impl<T> Parts for T where
    T: Archive<Archived: CheckBytes<Checking> + Deserialize<Self, Reading> + Send + Sync + 'static>
        + Serialize<Building>
        + Send
        + 'static
{
}

/// The bound of a derived impl.
#[diagnostic::on_unimplemented(
    message = "`{Self}` was refused by `#[derive(ShmMessage)]`",
    label = "no message: see the errors where it is defined"
)]
pub trait Derived<'any, const IS_FINE: bool>: Parts {}

impl<T: Parts> Derived<'_, true> for T {}

/// The bound of the impl that stands for a type refused by its syntax.
pub trait Refused<'any, const MISTAKE: usize>: ShmMessage {}

/// The archived form of a type, or, where it has none, the type itself, which has fields of the same names.
pub trait Form<const IS_ARCHIVE: bool> {
    type Form;
}

impl<T: Archive> Form<true> for T {
    type Form = T::Archived;
}

impl<T> Form<false> for T {
    type Form = T;
}

/// Facts about `T`, and what stands in for them where `T` lacks the trait: `Measure::<T>::FACT` is the inherent constant
/// where its bound is met, and [`Unmeasured`]'s where not.
pub struct Measure<T>(PhantomData<T>);

impl<T: Archive> Measure<T> {
    pub const IS_ARCHIVE: bool = true;
    pub const SIZE: usize = size_of::<T::Archived>();
    pub const ALIGN: usize = align_of::<T::Archived>();
}

impl<T: Serialize<HighSerializer<AlignedVec, ArenaHandle<'static>, Error>>> Measure<T> {
    pub const IS_SERIALIZE: bool = true;
}

impl<T: Archive<Archived: Deserialize<T, HighDeserializer<Error>>>> Measure<T> {
    pub const IS_DESERIALIZE: bool = true;
}

impl<T: ShmMessage> Measure<T> {
    pub const IS_MESSAGE: bool = true;
    pub const SCHEMA: Schema = T::SCHEMA;
    pub const CHECKED: () = T::CHECKED;
    pub const LARGEST_PIECE: usize = T::LARGEST_PIECE;

    /// Builds the archive of a field, `offset` bytes into the archive of the whole.
    ///
    /// # Safety
    ///
    /// That of [`ShmMessage::archive_at`] for the whole, which has a field of this type there.
    #[inline]
    pub unsafe fn archive_field(value: &T, archive: NonNull<u8>, offset: usize) {
        // SAFETY: the caller says that the field lies in the archive.
        let field = unsafe { archive.add(offset) };
        // SAFETY: a field is as initialized, aligned and unshared as the whole.
        unsafe { archive::write(value, field) };
    }

    /// Builds the native value of a field. Both offsets are in bytes: in the archive, and in the native value of the whole.
    ///
    /// # Safety
    ///
    /// That of [`ShmMessage::native_at`] for the whole, which has a field of this type there.
    #[inline]
    pub unsafe fn native_field(archive: NonNull<u8>, archived: usize, native: NonNull<u8>, offset: usize) {
        // SAFETY: the caller says that the field lies in the archive.
        let archived = unsafe { archive.add(archived) };
        // SAFETY: the caller says that the field lies in the value.
        let field = unsafe { native.add(offset) };
        // SAFETY: a field of a valid archive is one; a field of what can be written can be written.
        unsafe { T::native_at(archived, field.cast()) };
    }
}

/// See [`Measure`].
pub trait Unmeasured {
    const IS_ARCHIVE: bool = false;
    const IS_SERIALIZE: bool = false;
    const IS_DESERIALIZE: bool = false;
    const IS_MESSAGE: bool = false;
    const SIZE: usize = 0;
    const ALIGN: usize = 1;
    const SCHEMA: Schema = Schema { name: "", size: 0, align: 1, kind: Kind::Opaque };
    const CHECKED: () = ();
    const LARGEST_PIECE: usize = 0;

    /// # Safety
    ///
    /// None: it is never called.
    unsafe fn archive_field<V>(_: &V, _: NonNull<u8>, _: usize) {}

    /// # Safety
    ///
    /// None: it is never called.
    unsafe fn native_field(_: NonNull<u8>, _: usize, _: NonNull<u8>, _: usize) {}
}

impl<T> Unmeasured for Measure<T> {}

/// Writes the tag of an archived enum.
///
/// # Safety
///
/// That of [`ShmMessage::archive_at`] for the enum, which has a variant of this tag.
#[inline]
pub unsafe fn archive_tag(archive: NonNull<u8>, tag: u8) {
    // SAFETY: the tag is the first byte of the archive that the caller says is there.
    unsafe { archive.write(tag) };
}

/// Asserts that the type of a field is a message.
pub const fn assert_field<T: ShmMessage>() {}
