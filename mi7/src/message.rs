//! What can be a message: [`ShmMessage`].
//!
//! # The contract
//!
//! A type that implements [`ShmMessage`] has an archived form (rkyv's) that
//!
//! 1. **has a fixed size** and lies in one piece: nothing is written out of line. The compiler checks it: the type can be
//!    serialized by [`InPlace`], which can neither write nor allocate, so there is no place but the archive itself;
//! 2. **means the same in every process**: no pointer, no reference, no `usize`, no handle of the process that sent it;
//! 3. **can be checked** where it lies, before a reference to it exists, and turned back into the native type, without fail;
//! 4. **fits a slot**: its alignment is at most [`MAX_ALIGN`];
//! 5. **needs no dropping**: a message that is never received is simply forgotten.
//!
//! The derive checks all of it, each mistake on the field that makes it:
//!
//! ```
//! use mi7::ShmMessage;
//! use mi7::rkyv::{Archive, Deserialize, Serialize};
//!
//! #[derive(Archive, Serialize, Deserialize, ShmMessage)]
//! # #[rkyv(crate = mi7::rkyv)]
//! struct Order {
//!     id: u64,
//!     price: f64,
//!     limit: Option<f64>,
//! }
//!
//! assert_eq!(Order::SCHEMA.name, "Order");
//! assert_eq!(Order::ALIGN, 8);
//! ```
//!
//! Without rkyv in one's own Cargo.toml, [`#[mi7::message]`](macro@crate::message) writes all four derives.
//!
//! # What is a message already
//!
//! Integers from 8 to 128 bits, `f32`, `f64`, `bool`, `char`, `()`, `NonZero*`, [`Duration`](core::time::Duration), IP and
//! socket addresses, arrays, tuples of up to twelve, [`Option`], [`PhantomData`](core::marker::PhantomData),
//! [`FixedString`](crate::FixedString) and [`FixedVec`](crate::FixedVec).
//!
//! # Send, Sync
//!
//! The value that comes out is built from bytes on another thread, most often of another process: a type that must stay on
//! its thread would be there all the same. So a message is `Send`. It need not be `Sync`, because the value itself is
//! never shared; the archive is, between the threads that share one [`Received`](crate::Received), so the *archived* type
//! is `Send + Sync`.
//!
//! # What is not promised
//!
//! Padding between the fields of an archive is never written, and keeps whatever an earlier message left there. It is
//! never read either. See the trust model in the crate's documentation.

mod assertions;
mod impls;
pub(crate) mod private;
mod refusal;

use core::ptr::NonNull;

use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{Infallible, Strategy};
use rkyv::{Archive, Deserialize, Serialize};

use crate::archive;
use crate::schema::Schema;

pub use assertions::assert_message;
pub use refusal::InvalidArchive;

/// The largest alignment that a slot gives to an archive: a page.
///
/// ```
/// assert_eq!(mi7::message::MAX_ALIGN, 4096);
/// ```
pub const MAX_ALIGN: usize = 4096;

/// A serializer that can neither write nor allocate.
///
/// What it can serialize has an archive that is all in one place: there is nowhere else to write to. It implements none of
/// rkyv's `Writer`, `Allocator` and `Sharing`, and must never do so.
#[derive(Clone, Copy, Debug, Default)]
pub struct InPlace;

/// The serializer of messages: [`InPlace`], and nothing in it can fail.
pub type Building = Strategy<InPlace, Infallible>;

/// The context in which received archives are checked: it lends no access to any byte outside of the archive.
pub type Checking = Strategy<InPlace, InvalidArchive>;

/// The deserializer of messages: it owns nothing, and nothing in it can fail.
pub type Reading = Strategy<InPlace, Infallible>;

/// A message with an archive of fixed size, built and read in place in shared memory.
///
/// Derived beside rkyv's derives, see the [module](self); [`#[mi7::message]`](macro@crate::message) writes them all.
///
/// # Safety
///
/// The implementor promises what the [module's contract](self#the-contract) says of the archived type, as far as the
/// supertraits do not already say it: no part of it means something in one process only (point 2), and
/// [`SCHEMA`](Self::SCHEMA) describes it truly. The derive gives this promise after checking every field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message: it does not implement `ShmMessage`",
    label = "cannot be sent through shared memory as it is",
    note = "a type of your own: add `#[mi7::message]`, or `#[derive(Archive, Serialize, Deserialize, ShmMessage)]`",
    note = "text and lists: use `mi7::FixedString<N>` and `mi7::FixedVec<T, N>`; `usize`: use `u32` or `u64`; \
            anything of no fixed size: send it as `mi7::Bincode<T>`"
)]
pub unsafe trait ShmMessage:
    Archive<Archived: CheckBytes<Checking> + Deserialize<Self, Reading> + Send + Sync + 'static>
    + Serialize<Building>
    + Send
    + Sized
    + 'static
{
    /// Names, kinds, offsets, sizes and variants of the archived type.
    const SCHEMA: Schema;

    /// The alignment, in bytes, that the slot must give to the archive: that of the archived type, or the larger one that
    /// `#[shm(align = N)]` asks for. A power of two of at most [`MAX_ALIGN`].
    const ALIGN: usize = align_of::<Self::Archived>();

    /// Compile-time assertions on the type. They are evaluated only where this constant is used, so whoever makes a
    /// channel of `Self` says `const { Self::CHECKED }`.
    #[doc(hidden)]
    const CHECKED: () = assert_message::<Self>();

    /// Builds the archive piece by piece, so that no more of it is on the stack than of its largest piece. The derive does so
    /// field by field, arrays do so element by element; see `archive`. Where this is not overridden, rkyv's resolver is built.
    ///
    /// # Safety
    ///
    /// The `size_of::<Self::Archived>()` bytes at `archive` are initialized, aligned to at least
    /// `align_of::<Self::Archived>()`, and nobody else reads or writes them meanwhile.
    #[doc(hidden)]
    unsafe fn archive_at(&self, archive: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { archive::write_whole(self, archive) };
    }

    /// Builds the native value of an archive piece by piece, as [`archive_at`](Self::archive_at) does the archive.
    /// Afterwards the value is initialized.
    ///
    /// # Safety
    ///
    /// A valid `Self::Archived` is at `archive`; `native` is valid for writes, and aligned.
    #[doc(hidden)]
    unsafe fn native_at(archive: NonNull<u8>, native: NonNull<Self>) {
        // SAFETY: the caller's promise.
        unsafe { archive::read_whole(archive, native) };
    }

    /// The bytes of the largest piece that [`native_at`](Self::native_at) builds on the stack.
    #[doc(hidden)]
    const LARGEST_PIECE: usize = size_of::<Self>();
}
