//! What the derive's expansion leans on. For the expansion alone: it may change with it at any
//! time.
//!
//! # Saying each mistake once, and mi7's words first
//!
//! A type whose field is no message, or that lacks rkyv's derives, breaks the bounds of
//! [`ShmMessage`] in a dozen ways, and the compiler would report them all, here and wherever the
//! type is used. So the expansion looks first and speaks once:
//!
//! - [`Measure`] tells, without an error, what the type and its fields have and what they lack. The
//!   impl of a type without parameters is made of nothing else, so nothing in it can fail.
//! - A field that is no message is reported by [`assert_field`], inside a constant that a bound of
//!   the impl has for its argument. The compiler checks the headers of impls in the order of the
//!   source and before all bodies, so this error precedes those of derives that are written behind
//!   ours. A constant with an error makes the compiler believe whatever is said of it, so the type
//!   counts as a message from there on, and nothing more is said about it.
//! - Every other mistake is reported by an assertion of its own, on the user's token that it is
//!   about.
//! - [`Judged`] keeps the verdict, and the verdict goes into a bound of the impl, [`Derived`].
//!   Inside the impl the compiler believes the supertraits of a bound. A bound for all lifetimes is
//!   not checked before it is used; where the type is used, it is one error that points back to the
//!   definition.
//! - A type that was refused by its syntax has the bound [`Refused`] instead, and the constant is
//!   the `compile_error!` itself.
//!
//! A type with parameters is a message where its fields are: their bounds stand on the impl. The
//! fields without parameters are treated as above, with [`Believed`] for the bound.
//!
//! None of this makes a wrong type pass: every mistake is an error at the definition.
//!
//! # Names
//!
//! The expansion declares no name. Whatever it needs to name is an associated item here.
//! `Measure::<T>::FACT` is looked up among all traits in scope, so the names of facts begin with
//! `__MI7`.

#![allow(missing_docs)] // Hidden: the names say what things are.

use core::fmt::{self, Debug, Formatter};
use core::marker::PhantomData;
use core::ptr::NonNull;

use rkyv::api::high::{HighDeserializer, HighSerializer};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{Error, Fallible};
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::with::{ArchiveWith, DeserializeWith, SerializeWith};
use rkyv::{Archive, Deserialize, Place, Serialize};

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

/// The bound of a derived impl of a type without parameters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` was refused by `#[derive(ShmMessage)]`",
    label = "no message: see the errors where it is defined"
)]
pub trait Derived<'any, const IS_FINE: bool>: Parts {}

impl<T: Parts> Derived<'_, true> for T {}

#[diagnostic::do_not_recommend]
impl<T: Impossible> Derived<'_, false> for T {}

/// Implemented for nothing. A second impl is what keeps the compiler from looking into the first
/// one for a constant that has an error, and from reporting what it finds there.
pub trait Impossible: ShmMessage {}

/// The bound of a derived impl on a field that depends on the type's parameters. Not [`ShmMessage`]
/// itself, which the user may have written already.
pub trait FieldType: ShmMessage {}

impl<T: ShmMessage> FieldType for T {}

/// The bound of a derived impl on a field that does not depend on the type's parameters.
pub trait Believed<'any, const IS_ASSERTED: bool>: ShmMessage {}

impl<T: ShmMessage> Believed<'_, true> for T {}

#[diagnostic::do_not_recommend]
impl<T: Impossible> Believed<'_, false> for T {}

/// The bound of the impl that stands for a type refused by its syntax.
pub trait Refused<'any, const MISTAKE: usize>: ShmMessage {}

/// The type of a field. The compiler reports what is missing inside it, and not that the field as a
/// whole is no message.
pub struct Field<F: ?Sized>(PhantomData<F>);

/// Implemented for the fields that are messages.
pub trait IsMessage {}

impl<F: ShmMessage> IsMessage for Field<F> {}

/// Asserts that the type of a field is a message.
pub const fn assert_field<F: ?Sized>()
where
    Field<F>: IsMessage,
{
}

/// What the derive has found out about a type without parameters.
pub trait Judged {
    /// Whether all fields are messages.
    const FIELDS_ARE_FINE: bool;
    /// Whether rkyv's derives are there.
    const HAS_DERIVES: bool;
    /// Whether the type is a message.
    const IS_FINE: bool;
}

/// rkyv's derives, for types with parameters, where a constant cannot tell.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks rkyv's derives, or does not meet their bounds",
    label = "no message",
    note = "write `#[derive(ShmMessage, Archive, Serialize, Deserialize)]` with the derives of rkyv 0.8, or `#[mi7::message]`, \
            which writes all four and needs no rkyv in Cargo.toml"
)]
pub trait HasDerives {}

#[diagnostic::do_not_recommend]
impl<T> HasDerives for T where T: Archive<Archived: Deserialize<T, Reading>> + Serialize<Building> {}

/// Says that a type has rkyv's derives.
pub trait DerivesRkyv: HasDerives {}

/// The supertraits, if they are to be looked at.
pub trait Whole<const LOOK: bool> {}

impl<T: ?Sized> Whole<false> for T {}

impl<T: Parts> Whole<true> for T {}

/// Reports which of the supertraits a type does not have, and why.
pub const fn assert_parts<T: Whole<LOOK> + ?Sized, const LOOK: bool>() {}

/// The archived form of a type, or, where it has none, the type itself, which has fields of the
/// same names.
pub trait Form<const IS_ARCHIVE: bool> {
    type Form: ?Sized;
}

impl<T: Archive> Form<true> for T {
    type Form = T::Archived;
}

impl<T: ?Sized> Form<false> for T {
    type Form = T;
}

/// Facts about `T`, and what stands in for them where `T` lacks the trait: `Measure::<T>::FACT` is
/// the inherent constant where its bound is met, and [`Unmeasured`]'s where not.
pub struct Measure<T: ?Sized>(PhantomData<T>);

impl<T: Archive> Measure<T> {
    pub const __MI7_IS_ARCHIVE: bool = true;
    pub const __MI7_SIZE: usize = size_of::<T::Archived>();
    pub const __MI7_ALIGN: usize = align_of::<T::Archived>();
}

impl<T: Serialize<HighSerializer<AlignedVec, ArenaHandle<'static>, Error>>> Measure<T> {
    pub const __MI7_IS_SERIALIZE: bool = true;
}

impl<T: Archive<Archived: Deserialize<T, HighDeserializer<Error>>>> Measure<T> {
    pub const __MI7_IS_DESERIALIZE: bool = true;
}

impl<T: Parts> Measure<T> {
    pub const __MI7_IS_WHOLE: bool = true;
}

impl<T: ShmMessage> Measure<T> {
    pub const __MI7_IS_MESSAGE: bool = true;
    pub const __MI7_SCHEMA: Schema = T::SCHEMA;
    pub const __MI7_CHECKED: () = T::CHECKED;
    pub const __MI7_LARGEST_PIECE: usize = T::LARGEST_PIECE;

    /// Builds the archive of a field, `offset` bytes into the archive of the whole.
    ///
    /// # Safety
    ///
    /// That of [`ShmMessage::archive_at`] for the whole, which has a field of this type there.
    #[inline]
    pub unsafe fn __mi7_archive_field(value: &T, archive: NonNull<u8>, offset: usize) {
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
    pub unsafe fn __mi7_native_field(archive: NonNull<u8>, archived: usize, native: NonNull<u8>, offset: usize) {
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
    /// Only here, so that no import of this trait is unused.
    const __MI7_UNMEASURED: () = ();
    const __MI7_IS_ARCHIVE: bool = false;
    const __MI7_IS_SERIALIZE: bool = false;
    const __MI7_IS_DESERIALIZE: bool = false;
    const __MI7_IS_WHOLE: bool = false;
    const __MI7_IS_MESSAGE: bool = false;
    const __MI7_SIZE: usize = 0;
    const __MI7_ALIGN: usize = 1;
    const __MI7_SCHEMA: Schema = Schema { name: "", size: 0, align: 1, kind: Kind::Opaque };
    const __MI7_CHECKED: () = ();
    const __MI7_LARGEST_PIECE: usize = 0;

    /// # Safety
    ///
    /// None: it is never called.
    unsafe fn __mi7_archive_field<V>(_: &V, _: NonNull<u8>, _: usize) {}

    /// # Safety
    ///
    /// None: it is never called.
    unsafe fn __mi7_native_field(_: NonNull<u8>, _: usize, _: NonNull<u8>, _: usize) {}
}

impl<T: ?Sized> Unmeasured for Measure<T> {}

/// The tag of an enum's variant, by the number of the variant.
#[must_use]
pub const fn tag_of(schema: &Schema, number: usize) -> u8 {
    match schema.kind {
        Kind::Enum(variants) if number < variants.len() => variants[number].tag,
        _ => 0,
    }
}

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

/// What a discriminant may be that is not a plain number: rkyv's archived enums are `repr(u8)`.
#[diagnostic::on_unimplemented(
    message = "the discriminant is an `{Self}`, and an archived enum has one byte for it",
    label = "expected an `u8`",
    note = "write `#[repr(u8)]` on the enum, and make the constants `u8`"
)]
pub trait Discriminant {}

impl Discriminant for u8 {}

/// Asserts that a discriminant is of the right type.
pub const fn assert_discriminant<T: Discriminant + Copy>(_: T) {}

/// `Debug` of the archived form, for printing what was received.
#[diagnostic::on_unimplemented(
    message = "what was received cannot be printed: `{Self}` does not implement `Debug`",
    label = "cannot be printed with `{{:?}}`",
    note = "if it is the archived form of a type with `#[mi7::message]`: write `#[derive(Debug)]` on that type, below the attribute",
    note = "if it is the archived form of a type with rkyv's derives: write `#[rkyv(derive(Debug))]` on that type"
)]
pub trait Printable<'any>: Debug {}

#[diagnostic::do_not_recommend]
impl<T: Debug + ?Sized> Printable<'_> for T {}

/// Prints a struct with named fields, as `#[derive(Debug)]` would.
///
/// # Errors
///
/// Those of the formatter.
pub fn debug_struct(f: &mut Formatter<'_>, name: &str, fields: &[(&str, &dyn Debug)]) -> fmt::Result {
    let mut debug = f.debug_struct(name);
    fields.iter().fold(&mut debug, |debug, (name, value)| debug.field(name, value)).finish()
}

/// Prints a struct with numbered fields, as `#[derive(Debug)]` would.
///
/// # Errors
///
/// Those of the formatter.
pub fn debug_tuple(f: &mut Formatter<'_>, name: &str, fields: &[&dyn Debug]) -> fmt::Result {
    let mut debug = f.debug_tuple(name);
    fields.iter().fold(&mut debug, |debug, value| debug.field(value)).finish()
}

/// Archives a field as it would be without `#[rkyv(with = …)]`.
///
/// For fields that are `#[deprecated]`. rkyv's derive compares the offsets of a struct's fields
/// with those of the archived ones, unless one has a `with`, and the compiler takes that for a use.
pub struct AsIs;

/// Implemented for [`AsIs`] only.
pub trait ChangesNothing {}

impl ChangesNothing for AsIs {}

/// Asserts that this is mi7's own [`AsIs`], and not a type that is merely called so.
pub const fn assert_as_is<T: ChangesNothing>() {}

impl<F: Archive> ArchiveWith<F> for AsIs {
    type Archived = F::Archived;
    type Resolver = F::Resolver;

    #[inline]
    fn resolve_with(field: &F, resolver: F::Resolver, out: Place<F::Archived>) {
        field.resolve(resolver, out);
    }
}

impl<F: Serialize<S>, S: Fallible + ?Sized> SerializeWith<F, S> for AsIs {
    #[inline]
    fn serialize_with(field: &F, serializer: &mut S) -> Result<F::Resolver, S::Error> {
        field.serialize(serializer)
    }
}

impl<F: Archive<Archived: Deserialize<F, D>>, D: Fallible + ?Sized> DeserializeWith<F::Archived, F, D> for AsIs {
    #[inline]
    fn deserialize_with(field: &F::Archived, deserializer: &mut D) -> Result<F, D::Error> {
        field.deserialize(deserializer)
    }
}
