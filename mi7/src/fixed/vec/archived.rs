//! [`ArchivedFixedVec`].

use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;
use core::slice;

use rkyv::Portable;
use rkyv::bytecheck::CheckBytes;
use rkyv::primitive::ArchivedU32;
use rkyv::rancor::{Fallible, ResultExt, Source};

use crate::archive;
use crate::fixed::{CapacityError, archived_length, check_length};
use crate::message::ShmMessage;

/// The archived form of [`FixedVec`](crate::FixedVec): a length and a place for archived elements, read in place.
///
/// ```
/// use mi7::fixed::ArchivedFixedVec;
/// use mi7::rkyv::rend::f64_le;
///
/// fn total(prices: &ArchivedFixedVec<f64_le, 16>) -> f64 {
///     prices.iter().map(|price| price.to_native()).sum()
/// }
/// # let _ = total;
/// ```
#[repr(C)]
pub struct ArchivedFixedVec<A, const N: usize> {
    /// At most `N`.
    pub(super) length: ArchivedU32,
    /// Valid archives up to `length`.
    pub(super) items: [MaybeUninit<A>; N],
}

// SAFETY: `repr(C)`, of a type and an array that are portable, without interior mutability.
unsafe impl<A: Portable, const N: usize> Portable for ArchivedFixedVec<A, N> {}

// SAFETY: `Ok` only when the length is at most `N` and the items up to it have been checked. What lies beyond may be
// anything, it is `MaybeUninit`.
unsafe impl<A: CheckBytes<C>, C: Fallible<Error: Source> + ?Sized, const N: usize> CheckBytes<C>
    for ArchivedFixedVec<A, N>
{
    #[inline]
    unsafe fn check_bytes(value: *const Self, context: &mut C) -> Result<(), C::Error> {
        // SAFETY: the caller promises initialized and aligned bytes, and all bytes are valid for both fields; `as_slice` is
        // not called before they have been checked.
        let value = unsafe { &*value };
        let length = check_length(value.length.to_native(), N, "FixedVec").into_error()?;
        for (i, item) in value.items[..length].iter().enumerate() {
            // SAFETY: the item's bytes are part of the value's, so they are initialized and aligned.
            unsafe { A::check_bytes(item.as_ptr(), context) }
                .with_trace(|| format!("while checking element {i} of a `FixedVec`"))?;
        }
        Ok(())
    }
}

impl<A, const N: usize> ArchivedFixedVec<A, N> {
    /// The elements that fit: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Appends an element in place: see [`Loan::zeroed`](crate::Loan::zeroed).
    ///
    /// # Errors
    ///
    /// [`CapacityError`] when the list is full.
    pub fn try_push<T: ShmMessage<Archived = A>>(&mut self, value: &T) -> Result<(), CapacityError> {
        self.extend_from_slice(slice::from_ref(value))
    }

    /// Appends elements in place: see [`Loan::zeroed`](crate::Loan::zeroed).
    ///
    /// # Errors
    ///
    /// [`CapacityError`] when not all of them fit; nothing is appended then.
    pub fn extend_from_slice<T: ShmMessage<Archived = A>>(&mut self, values: &[T]) -> Result<(), CapacityError> {
        let length = self.len();
        let found = length.saturating_add(values.len());
        let Some(room) = self.items.get_mut(length..found) else {
            return Err(CapacityError { found, capacity: N, unit: "elements" });
        };
        for (item, value) in room.iter_mut().zip(values) {
            let item = NonNull::from(item).cast::<A>();
            // Where this is not in a slot, the item may be uninitialized. And padding keeps the bytes that it has.
            // SAFETY: it is an item of this list.
            unsafe { item.write_bytes(0, 1) };
            // SAFETY: the item is initialized and aligned, and nobody else's.
            unsafe { archive::write(value, item.cast()) };
        }
        self.length = ArchivedU32::from_native(archived_length(found, N));
        Ok(())
    }

    /// Makes it empty, in place. What was in it is overwritten with zeros.
    pub fn clear(&mut self) {
        let length = self.len();
        self.length = ArchivedU32::from_native(0);
        // SAFETY: these are items of this list, and any bytes will do.
        unsafe { self.items.as_mut_ptr().write_bytes(0, length) };
    }

    /// The archived elements, to be changed in place.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [A] {
        let length = self.len();
        let items = &mut self.items[..length];
        // SAFETY: `items` are valid archives up to `length`.
        unsafe { slice::from_raw_parts_mut(items.as_mut_ptr().cast(), items.len()) }
    }

    /// The archived elements.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[A] {
        let items = &self.items[..self.length.to_native() as usize];
        // SAFETY: `items` are valid archives up to `length`.
        unsafe { slice::from_raw_parts(items.as_ptr().cast(), items.len()) }
    }
}

impl<A, const N: usize> Deref for ArchivedFixedVec<A, N> {
    type Target = [A];

    #[inline]
    fn deref(&self) -> &[A] {
        self.as_slice()
    }
}
