//! Archives in slots: building one, checking one, taking the native value out.
//!
//! # The contract
//!
//! Everything happens where the archive lies. Building goes field by field into the slot, with no heap and no buffer in
//! between; checking reads the bytes that are there, and for plain numbers is no code at all; a reference to an archive
//! exists only after it has been checked.

use core::ptr::NonNull;

use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{ResultExt, Strategy};
use rkyv::{Deserialize, Place, Serialize};

use crate::message::{Building, Checking, InPlace, InvalidArchive, Reading, ShmMessage};

/// Builds the archive of `value` at `to`.
///
/// Padding is not written, and keeps the bytes it has.
///
/// # Safety
///
/// The `size_of::<T::Archived>()` bytes at `to` are initialized, aligned to at least `align_of::<T::Archived>()`, and
/// nobody else reads or writes them meanwhile.
#[inline]
pub(crate) unsafe fn write<T: ShmMessage>(value: &T, to: NonNull<u8>) {
    const { T::CHECKED }
    let resolver = Serialize::<Building<'_>>::serialize(value, Strategy::wrap(&mut InPlace::default())).always_ok();
    // SAFETY: the caller's promise is `Place`'s.
    let place = unsafe { Place::new_unchecked(0, to.cast::<T::Archived>().as_ptr()) };
    value.resolve(resolver, place);
}

/// Checks the archive at `at`, and gives access to it.
///
/// # Errors
///
/// [`InvalidArchive`] when the bytes are not those of a `T::Archived`.
///
/// # Safety
///
/// The `size_of::<T::Archived>()` bytes at `at` are initialized, aligned to at least `align_of::<T::Archived>()`, and
/// nobody writes them during `'a`.
#[inline]
pub(crate) unsafe fn check<'a, T: ShmMessage>(at: NonNull<u8>) -> Result<&'a T::Archived, InvalidArchive> {
    const { T::CHECKED }
    let archived = at.cast::<T::Archived>();
    let mut context = InPlace::default();
    let checking: &mut Checking<'_> = Strategy::wrap(&mut context);
    // SAFETY: the caller promises that as many initialized and aligned bytes are there.
    unsafe { CheckBytes::check_bytes(archived.as_ptr().cast_const(), checking) }?;
    // SAFETY: what is there has just been found to be a valid `T::Archived`, and the caller promises that it stays.
    Ok(unsafe { archived.as_ref() })
}

/// The native value of an archive.
#[inline]
pub(crate) fn native<T: ShmMessage>(archived: &T::Archived) -> T {
    Deserialize::<T, Reading<'_>>::deserialize(archived, Strategy::wrap(&mut InPlace::default())).always_ok()
}
