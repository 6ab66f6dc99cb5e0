//! [`FixedVec`] and its archived form.

mod archived;

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::mem::{MaybeUninit, offset_of};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use rkyv::munge::munge;
use rkyv::primitive::ArchivedU32;
use rkyv::rancor::Fallible;
use rkyv::{Archive, Deserialize, Place, Serialize};

use super::{CapacityError, archived_length};
use crate::archive;
use crate::message::{ShmMessage, assert_message};
use crate::schema::{Kind, Schema};

pub use archived::ArchivedFixedVec;

/// A list of at most `N` messages, held in place.
///
/// Reads as a slice. Its elements are [`ShmMessage`]s, which need no dropping. See the [module](super) for an example.
pub struct FixedVec<T, const N: usize> {
    /// At most `N`.
    length: usize,
    /// Initialized up to `length`.
    items: [MaybeUninit<T>; N],
}

/// An element that there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {} elements, expected at most {capacity}; raise the capacity in the type", .capacity + 1)]
pub struct PushError<T> {
    /// The element, given back.
    pub value: T,
    /// How many elements fit.
    pub capacity: usize,
}

impl<T: ShmMessage, const N: usize> FixedVec<T, N> {
    /// An empty list.
    ///
    /// ```
    /// const NONE: mi7::FixedVec<u32, 16> = mi7::FixedVec::new();
    /// assert!(NONE.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= u32::MAX as usize, "the capacity of a `FixedVec` is at most 4294967295 elements") }
        const { T::CHECKED }
        Self { length: 0, items: [const { MaybeUninit::uninit() }; N] }
    }

    /// An empty list on the heap, for capacities that are too large for the stack.
    ///
    /// ```
    /// let mut samples = mi7::FixedVec::<f64, 1_000_000>::boxed();
    /// samples.extend_from_slice(&[0.5; 1000])?;
    /// # Ok::<(), mi7::fixed::CapacityError>(())
    /// ```
    #[must_use]
    pub fn boxed() -> Box<Self> {
        const { assert!(N <= u32::MAX as usize, "the capacity of a `FixedVec` is at most 4294967295 elements") }
        const { T::CHECKED }
        let mut list = Box::<Self>::new_uninit();
        // SAFETY: the box was made for a list.
        let length = unsafe { &raw mut (*list.as_mut_ptr()).length };
        // SAFETY: it is a field of it.
        unsafe { length.write(0) };
        // SAFETY: the length is initialized, and the items need not be.
        unsafe { list.assume_init() }
    }

    /// Appends an element.
    ///
    /// # Errors
    ///
    /// [`PushError`], which gives the element back, when the list is full.
    pub fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        match self.items.get_mut(self.length) {
            Some(room) => {
                room.write(value);
                self.length += 1;
                Ok(())
            }
            None => Err(PushError { value, capacity: N }),
        }
    }

    /// Takes the last element away.
    pub fn pop(&mut self) -> Option<T> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: `items` was initialized up to one above `length`, so this one is, and it is given away only here.
        Some(unsafe { self.items[self.length].assume_init_read() })
    }

    /// Appends copies of elements.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] when not all of them fit; nothing is appended then.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<(), CapacityError>
    where
        T: Clone,
    {
        let found = self.length.saturating_add(values.len());
        let Some(room) = self.items.get_mut(self.length..found) else {
            return Err(CapacityError { found, capacity: N, unit: "elements" });
        };
        for (item, value) in room.iter_mut().zip(values) {
            item.write(value.clone());
        }
        self.length = found;
        Ok(())
    }

    /// Keeps the first `length` elements.
    pub fn truncate(&mut self, length: usize) {
        // Messages need no dropping.
        self.length = self.length.min(length);
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.truncate(0);
    }
}

impl<T, const N: usize> FixedVec<T, N> {
    /// The elements that fit: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The elements.
    #[must_use]
    pub const fn as_slice(&self) -> &[T] {
        // SAFETY: `items` is initialized up to `length`, which is at most `N`.
        unsafe { slice::from_raw_parts(self.items.as_ptr().cast(), self.length) }
    }

    /// The elements, to be changed.
    #[must_use]
    pub const fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: `items` is initialized up to `length`, which is at most `N`.
        unsafe { slice::from_raw_parts_mut(self.items.as_mut_ptr().cast(), self.length) }
    }
}

impl<T: ShmMessage + Clone, const N: usize> Clone for FixedVec<T, N> {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        for (item, value) in copy.items.iter_mut().zip(self) {
            item.write(value.clone());
        }
        copy.length = self.length;
        copy
    }
}

impl<T: ShmMessage + Copy, const N: usize> Copy for FixedVec<T, N> {}

impl<T: ShmMessage, const N: usize> Default for FixedVec<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for FixedVec<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T, const N: usize> DerefMut for FixedVec<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: ShmMessage + Clone, const N: usize> TryFrom<&[T]> for FixedVec<T, N> {
    type Error = CapacityError;

    fn try_from(values: &[T]) -> Result<Self, CapacityError> {
        let mut list = Self::new();
        list.extend_from_slice(values)?;
        Ok(list)
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a mut FixedVec<T, N> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: serde::Serialize, const N: usize> serde::Serialize for FixedVec<T, N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: ShmMessage + serde::Deserialize<'de>, const N: usize> serde::Deserialize<'de> for FixedVec<T, N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T, const N: usize>(PhantomData<T>);

        impl<'de, T: ShmMessage + serde::Deserialize<'de>, const N: usize> serde::de::Visitor<'de> for Visitor<T, N> {
            type Value = FixedVec<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N} elements")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
                let mut list = FixedVec::new();
                while let Some(value) = values.next_element()? {
                    let push = list.try_push(value);
                    push.map_err(|error| serde::de::Error::invalid_length(error.capacity + 1, &self))?;
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(Visitor(PhantomData))
    }
}

impl<T: ShmMessage, const N: usize> Archive for FixedVec<T, N> {
    type Archived = ArchivedFixedVec<T::Archived, N>;
    type Resolver = ();

    fn resolve(&self, (): (), out: Place<Self::Archived>) {
        munge!(let ArchivedFixedVec { length, items } = out);
        length.write(ArchivedU32::from_native(archived_length(self.length, N)));
        // SAFETY: nothing uninitialized is written there: archives into places, and zeros.
        let items = unsafe { items.ptr() }.cast::<T::Archived>();
        for (i, value) in self.iter().enumerate() {
            // SAFETY: `i` is below the length, and so below `N`.
            let item = unsafe { items.add(i) };
            // SAFETY: a place is never null.
            let item = unsafe { NonNull::new_unchecked(item) };
            // SAFETY: the item is part of `out`, so it is aligned, its bytes are initialized, and nobody else uses them.
            unsafe { archive::write(value, item.cast()) };
        }
        // SAFETY: `length` is at most `N`.
        let rest = unsafe { items.add(self.length) };
        // SAFETY: from there on, `N - length` items are part of `out`; zeros are initialized bytes.
        unsafe { rest.write_bytes(0, N - self.length) };
    }
}

impl<T: ShmMessage, S: Fallible + ?Sized, const N: usize> Serialize<S> for FixedVec<T, N> {
    #[inline]
    fn serialize(&self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }
}

impl<T: ShmMessage, D: Fallible + ?Sized, const N: usize> Deserialize<FixedVec<T, N>, D>
    for ArchivedFixedVec<T::Archived, N>
{
    fn deserialize(&self, _: &mut D) -> Result<FixedVec<T, N>, D::Error> {
        let mut list = FixedVec::new();
        for (item, archived) in list.items.iter_mut().zip(self) {
            item.write(archive::native::<T>(archived));
        }
        list.length = self.len();
        Ok(list)
    }
}

// SAFETY: a number and archives, in one piece, which mean what they mean; the offset is the compiler's.
unsafe impl<T: ShmMessage, const N: usize> ShmMessage for FixedVec<T, N> {
    const SCHEMA: Schema = Schema {
        name: "FixedVec",
        size: size_of::<ArchivedFixedVec<T::Archived, N>>(),
        align: align_of::<ArchivedFixedVec<T::Archived, N>>(),
        kind: Kind::Vec {
            capacity: N,
            offset: offset_of!(ArchivedFixedVec<T::Archived, N>, items),
            element: &T::SCHEMA,
        },
    };
    const CHECKED: () = {
        let () = T::CHECKED;
        assert_message::<Self>();
    };
    const LARGEST_PIECE: usize = T::LARGEST_PIECE;

    unsafe fn native_at(archive: NonNull<u8>, native: NonNull<Self>) {
        // SAFETY: the caller says that a valid archive is there.
        let archived = unsafe { archive.cast::<ArchivedFixedVec<T::Archived, N>>().as_ref() };
        // SAFETY: the caller says that a value can be written there.
        let length = unsafe { &raw mut (*native.as_ptr()).length };
        // SAFETY: the same.
        let items = unsafe { &raw mut (*native.as_ptr()).items }.cast::<T>();
        for (i, item) in archived.iter().enumerate() {
            // SAFETY: `i` is below the length, and so below `N`.
            let native = unsafe { items.add(i) };
            // SAFETY: it points into a value, so it is not null.
            let native = unsafe { NonNull::new_unchecked(native) };
            // SAFETY: the item is a valid archive; the other is part of what can be written.
            unsafe { T::native_at(NonNull::from(item).cast(), native) };
        }
        // SAFETY: it is a field of what can be written.
        unsafe { length.write(archived.len()) };
    }
}

/// What both forms have in common: they are slices.
macro_rules! slice {
    ($type:ident) => {
        impl<T: fmt::Debug, const N: usize> fmt::Debug for $type<T, N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_slice(), f)
            }
        }

        impl<T, const N: usize> AsRef<[T]> for $type<T, N> {
            fn as_ref(&self) -> &[T] {
                self
            }
        }

        impl<'a, T, const N: usize> IntoIterator for &'a $type<T, N> {
            type Item = &'a T;
            type IntoIter = slice::Iter<'a, T>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl<T: Eq, const N: usize> Eq for $type<T, N> {}

        impl<T: PartialEq<U>, U, const N: usize, const M: usize> PartialEq<FixedVec<U, M>> for $type<T, N> {
            fn eq(&self, other: &FixedVec<U, M>) -> bool {
                self.as_slice() == other.as_slice()
            }
        }

        impl<T: PartialEq<U>, U, const N: usize, const M: usize> PartialEq<ArchivedFixedVec<U, M>> for $type<T, N> {
            fn eq(&self, other: &ArchivedFixedVec<U, M>) -> bool {
                self.as_slice() == other.as_slice()
            }
        }

        impl<T: PartialEq<U>, U, const N: usize> PartialEq<[U]> for $type<T, N> {
            fn eq(&self, other: &[U]) -> bool {
                self.as_slice() == other
            }
        }

        impl<T: PartialEq<U>, U, const N: usize> PartialEq<&[U]> for $type<T, N> {
            fn eq(&self, other: &&[U]) -> bool {
                self.as_slice() == *other
            }
        }

        impl<T: PartialEq<U>, U, const N: usize, const M: usize> PartialEq<[U; M]> for $type<T, N> {
            fn eq(&self, other: &[U; M]) -> bool {
                self.as_slice() == other
            }
        }

        impl<T: PartialOrd, const N: usize> PartialOrd for $type<T, N> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                self.as_slice().partial_cmp(other.as_slice())
            }
        }

        impl<T: Ord, const N: usize> Ord for $type<T, N> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.as_slice().cmp(other)
            }
        }

        impl<T: Hash, const N: usize> Hash for $type<T, N> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_slice().hash(state);
            }
        }
    };
}

slice!(FixedVec);
slice!(ArchivedFixedVec);
