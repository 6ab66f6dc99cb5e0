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
    let resolver = Serialize::<Building>::serialize(value, Strategy::wrap(&mut InPlace)).always_ok();
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
    let mut context = InPlace;
    let checking: &mut Checking = Strategy::wrap(&mut context);
    // SAFETY: the caller promises that as many initialized and aligned bytes are there.
    unsafe { CheckBytes::check_bytes(archived.as_ptr().cast_const(), checking) }?;
    // SAFETY: what is there has just been found to be a valid `T::Archived`, and the caller promises that it stays.
    Ok(unsafe { archived.as_ref() })
}

/// The native value of an archive.
#[inline]
pub(crate) fn native<T: ShmMessage>(archived: &T::Archived) -> T {
    Deserialize::<T, Reading>::deserialize(archived, Strategy::wrap(&mut InPlace)).always_ok()
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;
    use core::time::Duration;

    use super::*;
    use crate::FixedString;

    #[derive(Clone, Debug, PartialEq)]
    #[crate::message]
    struct Order {
        id: u64,
        flag: bool,
        side: Side,
    }

    #[derive(Clone, Debug, PartialEq)]
    #[crate::message(align = 64)]
    enum Side {
        Buy,
        Sell { at: char },
    }

    #[repr(C, align(4096))]
    struct Slot([u8; 256]);

    /// What comes of a value that is written, then changed by `change`, checked, and taken out.
    fn through<T: ShmMessage>(value: &T, change: impl FnOnce(&mut [u8])) -> Result<T, String> {
        let mut slot = Slot([0xEE; 256]);
        assert!(size_of::<T::Archived>() <= 256);
        let at = NonNull::from(&mut slot.0).cast();
        // SAFETY: the bytes are initialized, aligned, enough, and lent to nobody else.
        unsafe { write(value, at) };
        change(&mut slot.0);
        let at = NonNull::from(&mut slot.0).cast();
        // SAFETY: as before, until the end of this function.
        unsafe { check::<T>(at) }.map(native::<T>).map_err(|error| error.to_string())
    }

    fn comes_back<T: ShmMessage + PartialEq + core::fmt::Debug>(value: T) {
        assert_eq!(through(&value, |_| ()).as_ref(), Ok(&value));
    }

    #[test]
    fn what_is_written_comes_back() {
        comes_back(Order { id: u64::MAX, flag: true, side: Side::Sell { at: 'ß' } });
        comes_back(Side::Buy);
        comes_back((1i8, -2i128, [3.5f32; 4], Some(Some('x')), ()));
        comes_back(("::1".parse::<IpAddr>().unwrap(), Duration::MAX, FixedString::<3>::try_from("abc").unwrap()));
        comes_back([Some(7u16), None]);
    }

    #[test]
    fn a_bool_that_is_none_is_refused_with_its_field() {
        let order = Order { id: 1, flag: true, side: Side::Buy };
        let at = core::mem::offset_of!(ArchivedOrder, flag);
        let refused = through(&order, |bytes| bytes[at] = 2).unwrap_err();
        assert!(refused.starts_with("bool set to invalid byte 2, expected either 0 or 1"), "{refused}");
        assert!(refused.contains("flag") && refused.contains("Order"), "{refused}");
    }

    #[test]
    fn a_tag_that_is_none_is_refused() {
        let refused = through(&Side::Buy, |bytes| bytes[0] = 2).unwrap_err();
        assert!(refused.contains("discriminant") && refused.contains("Side"), "{refused}");
        assert!(through(&Some(1u8), |bytes| bytes[0] = 2).is_err());
        assert!(through(&"::1".parse::<IpAddr>().unwrap(), |bytes| bytes[0] = 2).is_err());
    }

    #[test]
    fn a_char_that_is_none_is_refused() {
        assert!(through(&'a', |bytes| bytes[..4].copy_from_slice(&0xD800u32.to_le_bytes())).is_err());
        let sell = Side::Sell { at: 'a' };
        assert!(through(&sell, |bytes| bytes[4..8].copy_from_slice(&0x11_0000u32.to_le_bytes())).is_err());
    }

    #[test]
    fn other_values_that_are_none_are_refused() {
        let one = core::num::NonZeroU16::MIN;
        assert!(through(&one, |bytes| bytes[..2].fill(0)).is_err());
        assert!(through(&Duration::ZERO, |bytes| bytes[8..12].fill(0xFF)).is_err());
    }

    #[test]
    fn any_bytes_are_numbers() {
        let numbers = (1u64, -1i32, [0u8; 5], 1.5f64);
        assert!(through(&numbers, |bytes| bytes.fill(0xFF)).is_ok());
    }
}
