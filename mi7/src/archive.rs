//! Archives in slots: building one, checking one, taking the native value out.
//!
//! # The contract
//!
//! Everything happens where the archive lies. Building goes field by field into the slot, with no heap and no buffer in
//! between; checking reads the bytes that are there, and for plain numbers is no code at all; a reference to an archive
//! exists only after it has been checked.
//!
//! # Large messages and the stack
//!
//! rkyv builds an archive in two steps: `serialize` returns a *resolver*, from which `resolve` then makes the archive. The
//! resolver of an array is an array of its elements' resolvers, by value, on the stack. It takes no bytes for numbers, but one
//! byte for each `Option<u64>` or enum. So do not build the resolver of a whole message: [`write()`] does so for types with
//! resolvers of up to [`SMALL`] bytes; for others it calls [`ShmMessage::archive_at`], which goes one level down and calls
//! [`write()`] for each field or element. An enum writes its tag and the fields of the variant. A resolver of a message holds
//! nothing that the value does not tell: the serializer, [`InPlace`], has nowhere to write to.
//!
//! rkyv returns native values by value, too. [`boxed`] calls [`ShmMessage::native_at`], which builds each field and element
//! where it belongs. That is impossible for enums and options: the compiler does not say where the fields of a variant lie.
//! These are built on the stack; if one is large, on the stack of a thread made for it.
//!
//! That thread is also the way out for types whose `ShmMessage` was written by hand, without the two methods.

use core::ptr::NonNull;
use std::panic::resume_unwind;
use std::thread;

use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{ResultExt, Strategy};
use rkyv::{Deserialize, Place, Serialize};

use crate::message::{Building, Checking, InPlace, InvalidArchive, Reading, ShmMessage};

/// Bytes of the largest resolver that is built on the stack.
const SMALL: usize = 1024;

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
    if const { size_of::<T::Resolver>() <= SMALL } {
        // SAFETY: the caller's promise.
        unsafe { resolve(value, to) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { value.archive_at(to) };
    }
}

/// [`write()`] with one resolver for all of the value.
///
/// # Safety
///
/// That of [`write()`].
#[inline]
unsafe fn resolve<T: ShmMessage>(value: &T, to: NonNull<u8>) {
    let resolver = Serialize::<Building>::serialize(value, Strategy::wrap(&mut InPlace)).always_ok();
    // SAFETY: the caller's promise is `Place`'s.
    let place = unsafe { Place::new_unchecked(0, to.cast::<T::Archived>().as_ptr()) };
    value.resolve(resolver, place);
}

/// What [`ShmMessage::archive_at`] does where it is not overridden.
///
/// # Safety
///
/// That of [`write()`].
pub(crate) unsafe fn write_whole<T: ShmMessage>(value: &T, to: NonNull<u8>) {
    let lent = Lent { native: NonNull::from(value), archive: to };
    on_stack_for::<T, _>(size_of::<T::Resolver>(), move || {
        let (value, to) = lent.pointers();
        // SAFETY: it is the caller's reference.
        let value = unsafe { value.as_ref() };
        // SAFETY: the caller's promise.
        unsafe { resolve(value, to) };
    });
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

/// The native value of an archive, built on the heap: it need not fit on the stack.
pub(crate) fn boxed<T: ShmMessage>(archived: &T::Archived) -> Box<T> {
    let mut native = Box::<T>::new_uninit();
    let lent = Lent { native: NonNull::from(&mut *native).cast::<T>(), archive: NonNull::from(archived).cast() };
    on_stack_for::<T, _>(T::LARGEST_PIECE, move || {
        let (native, archive) = lent.pointers();
        // SAFETY: a reference to an archive is there only if it is valid; the box was made for the value.
        unsafe { T::native_at(archive, native) };
    });
    // SAFETY: `native_at` has initialized it.
    unsafe { native.assume_init() }
}

/// What [`ShmMessage::native_at`] does where it is not overridden.
///
/// # Safety
///
/// That of [`ShmMessage::native_at`].
#[inline]
pub(crate) unsafe fn read_whole<T: ShmMessage>(archive: NonNull<u8>, to: NonNull<T>) {
    // SAFETY: the caller says that a valid archive is there.
    let archived = unsafe { archive.cast::<T::Archived>().as_ref() };
    // SAFETY: the caller says that a value can be written there.
    unsafe { to.write(native(archived)) };
}

/// The largest of the numbers, or 0.
#[must_use]
pub const fn largest(numbers: &[usize]) -> usize {
    let (mut largest, mut i) = (0, 0);
    while i < numbers.len() {
        if numbers[i] > largest {
            largest = numbers[i];
        }
        i += 1;
    }
    largest
}

/// A value and an archive that another thread uses while the one that has them waits.
struct Lent<T: ShmMessage> {
    native: NonNull<T>,
    archive: NonNull<u8>,
}

// SAFETY: messages are `Send`, archives are `Sync` too, and `on_stack_for` waits for the thread that it gives these pointers to.
// So one thread uses them at a time: other references to a value that is not `Sync` are the waiting thread's.
unsafe impl<T: ShmMessage> Send for Lent<T> {}

impl<T: ShmMessage> Lent<T> {
    fn pointers(self) -> (NonNull<T>, NonNull<u8>) {
        (self.native, self.archive)
    }
}

/// Does work that has a value of `T` of up to `piece` bytes on the stack in each of its calls: here if that is little, and
/// otherwise in a thread with as large a stack as that takes.
///
/// # Panics
///
/// Where the work does; and if the system has no memory for that thread.
fn on_stack_for<T: ShmMessage, F: FnOnce() + Send>(piece: usize, work: F) {
    /// What any thread has left.
    const LITTLE: usize = 96 << 10;
    /// Without optimization, each level of nested types has some four copies of what it returns (measured: up to 3.7).
    const COPIES: usize = 5;
    /// For levels that an opaque type does not show.
    const HIDDEN: usize = 4;
    let stack = const { COPIES * (T::SCHEMA.depth() + HIDDEN) }.saturating_mul(piece);
    if stack <= LITTLE {
        return work();
    }
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("mi7-large-message".into()).stack_size(LITTLE.saturating_add(stack));
        match builder.spawn_scoped(scope, work).map(thread::ScopedJoinHandle::join) {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => resume_unwind(panic),
            Err(error) => panic!(
                "a message with a part of {piece} bytes needs a stack of {stack} bytes, and the system has none ({error}): \
                 make the part smaller, or a list or an array of smaller parts"
            ),
        }
    });
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
