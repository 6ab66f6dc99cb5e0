//! [`FixedString`] and its archived form.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::mem::offset_of;
use core::ops::Deref;
use core::ptr::{NonNull, copy_nonoverlapping};
use core::str::FromStr;
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

use rkyv::bytecheck::CheckBytes;
use rkyv::munge::munge;
use rkyv::primitive::ArchivedU32;
use rkyv::rancor::{Fallible, ResultExt, Source};
use rkyv::{Archive, Deserialize, Place, Portable, Serialize};

use super::{CapacityError, archived_length, check_length};
use crate::message::ShmMessage;
use crate::schema::{Kind, Schema};

/// Text of at most `N` bytes, held in place.
///
/// Reads as `&str`. See the [module](super) for an example.
#[derive(Clone, Copy)]
pub struct FixedString<const N: usize> {
    /// At most `N`.
    length: usize,
    /// UTF-8 up to `length`, zeros from there on.
    bytes: [u8; N],
}

impl<const N: usize> FixedString<N> {
    /// An empty text.
    ///
    /// ```
    /// const NONE: mi7::FixedString<16> = mi7::FixedString::new();
    /// assert!(NONE.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= u32::MAX as usize, "the capacity of a `FixedString` is at most 4294967295 bytes") }
        Self { length: 0, bytes: [0; N] }
    }

    /// An empty text on the heap, for capacities that are too large for the stack.
    ///
    /// ```
    /// let mut page = mi7::FixedString::<10_000_000>::boxed();
    /// page.push_str("Once upon a time")?;
    /// # Ok::<(), mi7::fixed::CapacityError>(())
    /// ```
    #[must_use]
    pub fn boxed() -> Box<Self> {
        const { assert!(N <= u32::MAX as usize, "the capacity of a `FixedString` is at most 4294967295 bytes") }
        let layout = Layout::new::<Self>();
        // SAFETY: it has the bytes of its length at the least.
        let bytes = unsafe { alloc_zeroed(layout) };
        if bytes.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: the global allocator has just given it, for this layout; zeros are an empty text.
        unsafe { Box::from_raw(bytes.cast()) }
    }

    /// The bytes that fit: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // SAFETY: `bytes` is UTF-8 up to `length`.
        unsafe { core::str::from_utf8_unchecked(&self.bytes[..self.length]) }
    }

    /// Appends a text.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] when it does not fit; nothing is appended then.
    pub fn push_str(&mut self, text: &str) -> Result<(), CapacityError> {
        let found = self.length.saturating_add(text.len());
        let Some(room) = self.bytes.get_mut(self.length..found) else {
            return Err(CapacityError { found, capacity: N, unit: "bytes" });
        };
        room.copy_from_slice(text.as_bytes());
        self.length = found;
        Ok(())
    }

    /// Appends a character.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] when it does not fit.
    pub fn try_push(&mut self, char: char) -> Result<(), CapacityError> {
        self.push_str(char.encode_utf8(&mut [0; 4]))
    }

    /// Takes the last character away.
    pub fn pop(&mut self) -> Option<char> {
        let char = self.chars().next_back()?;
        self.truncate(self.length - char.len_utf8());
        Some(char)
    }

    /// Keeps the first `length` bytes.
    ///
    /// # Panics
    ///
    /// When `length` is in the middle of a character.
    pub fn truncate(&mut self, length: usize) {
        if length < self.length {
            assert!(self.is_char_boundary(length), "byte {length} is in the middle of a character");
            self.bytes[length..self.length].fill(0);
            self.length = length;
        }
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.truncate(0);
    }
}

impl<const N: usize> Default for FixedString<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for FixedString<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> Borrow<str> for FixedString<N> {
    fn borrow(&self) -> &str {
        self
    }
}

impl<const N: usize> TryFrom<&str> for FixedString<N> {
    type Error = CapacityError;

    fn try_from(text: &str) -> Result<Self, CapacityError> {
        let mut string = Self::new();
        string.push_str(text)?;
        Ok(string)
    }
}

impl<const N: usize> FromStr for FixedString<N> {
    type Err = CapacityError;

    fn from_str(text: &str) -> Result<Self, CapacityError> {
        Self::try_from(text)
    }
}

/// `write!` into it; what does not fit is an error, and the pieces that did fit stay.
impl<const N: usize> fmt::Write for FixedString<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}

impl<const N: usize> serde::Serialize for FixedString<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de, const N: usize> serde::Deserialize<'de> for FixedString<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<const N: usize>;

        impl<const N: usize> serde::de::Visitor<'_> for Visitor<N> {
            type Value = FixedString<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of at most {N} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.try_into().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

/// The archived form of [`FixedString`]: a length and a place for the text, read in place.
///
/// ```
/// use mi7::FixedString;
/// use mi7::fixed::ArchivedFixedString;
///
/// fn shout(name: &ArchivedFixedString<16>) -> String {
///     name.to_uppercase()
/// }
/// # let _ = shout;
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ArchivedFixedString<const N: usize> {
    /// At most `N`.
    length: ArchivedU32,
    /// UTF-8 up to `length`.
    bytes: [u8; N],
}

// SAFETY: `repr(C)`, of a type and an array that are portable, without interior mutability.
unsafe impl<const N: usize> Portable for ArchivedFixedString<N> {}

// SAFETY: `Ok` only when the length is at most `N` and the bytes up to it are UTF-8. The fields themselves allow all bytes.
unsafe impl<C: Fallible<Error: Source> + ?Sized, const N: usize> CheckBytes<C> for ArchivedFixedString<N> {
    #[inline]
    unsafe fn check_bytes(value: *const Self, _: &mut C) -> Result<(), C::Error> {
        // SAFETY: the caller promises initialized and aligned bytes, and all bytes are valid for both fields; `as_str` is not
        // called before they have been checked.
        let value = unsafe { &*value };
        let length = check_length(value.length.to_native(), N, "FixedString").into_error()?;
        core::str::from_utf8(&value.bytes[..length]).into_error()?;
        Ok(())
    }
}

impl<const N: usize> ArchivedFixedString<N> {
    /// The bytes that fit: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Appends a text in place: see [`Loan::zeroed`](crate::Loan::zeroed).
    ///
    /// # Errors
    ///
    /// [`CapacityError`] when it does not fit; nothing is appended then.
    pub fn push_str(&mut self, text: &str) -> Result<(), CapacityError> {
        let length = self.len();
        let found = length.saturating_add(text.len());
        let Some(room) = self.bytes.get_mut(length..found) else {
            return Err(CapacityError { found, capacity: N, unit: "bytes" });
        };
        room.copy_from_slice(text.as_bytes());
        self.length = ArchivedU32::from_native(archived_length(found, N));
        Ok(())
    }

    /// Makes it empty, in place.
    pub fn clear(&mut self) {
        let length = self.len();
        self.length = ArchivedU32::from_native(0);
        self.bytes[..length].fill(0);
    }

    /// The text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        let text = &self.bytes[..self.length.to_native() as usize];
        // SAFETY: `bytes` is UTF-8 up to `length`.
        unsafe { core::str::from_utf8_unchecked(text) }
    }
}

impl<const N: usize> Deref for ArchivedFixedString<N> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> Archive for FixedString<N> {
    type Archived = ArchivedFixedString<N>;
    type Resolver = ();

    #[inline]
    fn resolve(&self, (): (), out: Place<Self::Archived>) {
        munge!(let ArchivedFixedString { length, bytes } = out);
        length.write(ArchivedU32::from_native(archived_length(self.length, N)));
        // Not `bytes.write(self.bytes)`, which has a copy on the stack.
        // SAFETY: nothing uninitialized is written there.
        let bytes = unsafe { bytes.ptr() };
        // SAFETY: both are arrays of `N` bytes; a text is not where its archive is built.
        unsafe { copy_nonoverlapping(&raw const self.bytes, bytes, 1) };
    }
}

impl<S: Fallible + ?Sized, const N: usize> Serialize<S> for FixedString<N> {
    #[inline]
    fn serialize(&self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }
}

impl<D: Fallible + ?Sized, const N: usize> Deserialize<FixedString<N>, D> for ArchivedFixedString<N> {
    #[inline]
    fn deserialize(&self, _: &mut D) -> Result<FixedString<N>, D::Error> {
        let text = self.as_bytes();
        let mut string = FixedString::new();
        string.bytes[..text.len()].copy_from_slice(text);
        string.length = text.len();
        Ok(string)
    }
}

// SAFETY: a number and bytes, in one piece; the offset is the compiler's.
unsafe impl<const N: usize> ShmMessage for FixedString<N> {
    const SCHEMA: Schema = Schema {
        name: "FixedString",
        size: size_of::<ArchivedFixedString<N>>(),
        align: align_of::<ArchivedFixedString<N>>(),
        kind: Kind::String { capacity: N, offset: offset_of!(ArchivedFixedString<N>, bytes) },
    };
    const LARGEST_PIECE: usize = 0;

    unsafe fn native_at(archive: NonNull<u8>, native: NonNull<Self>) {
        // SAFETY: the caller says that a valid archive is there.
        let text = unsafe { archive.cast::<ArchivedFixedString<N>>().as_ref() }.as_bytes();
        // SAFETY: the caller says that a value can be written there, and zeros are an empty one.
        unsafe { native.write_bytes(0, 1) };
        // SAFETY: it has just been initialized.
        let string = unsafe { &mut *native.as_ptr() };
        string.bytes[..text.len()].copy_from_slice(text);
        string.length = text.len();
    }
}

/// What both forms have in common: they are texts.
macro_rules! text {
    ($type:ident, $other:ident) => {
        impl<const N: usize> fmt::Debug for $type<N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl<const N: usize> fmt::Display for $type<N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_str(), f)
            }
        }

        impl<const N: usize> AsRef<str> for $type<N> {
            fn as_ref(&self) -> &str {
                self
            }
        }

        impl<const N: usize> AsRef<[u8]> for $type<N> {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl<const N: usize> Eq for $type<N> {}

        impl<const N: usize, const M: usize> PartialEq<$type<M>> for $type<N> {
            fn eq(&self, other: &$type<M>) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl<const N: usize, const M: usize> PartialEq<$other<M>> for $type<N> {
            fn eq(&self, other: &$other<M>) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl<const N: usize> PartialEq<str> for $type<N> {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl<const N: usize> PartialEq<&str> for $type<N> {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl<const N: usize> PartialEq<String> for $type<N> {
            fn eq(&self, other: &String) -> bool {
                self.as_str() == other
            }
        }

        impl<const N: usize> PartialOrd for $type<N> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<const N: usize> Ord for $type<N> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.as_str().cmp(other)
            }
        }

        impl<const N: usize> Hash for $type<N> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }
    };
}

text!(FixedString, ArchivedFixedString);
text!(ArchivedFixedString, FixedString);
