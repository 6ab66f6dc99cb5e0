//! What the derive's expansion leans on: traits that word the compiler's errors, and assertions.
//!
//! Everything here is for the expansion alone, and may change with it at any time.

use core::marker::PhantomData;

use rkyv::{Archive, Deserialize, Serialize};

use super::{Building, Reading, ShmMessage};
pub use super::assertions::*;

/// A type with rkyv's `Archive`.
///
/// It is a bound of the derived impl, so that where `Archive` is missing the error is said once, in these words: inside of
/// the impl the compiler takes the bound for granted.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks rkyv's derives, or a field of it does",
    label = "`ShmMessage` is derived beside `Archive`, `Serialize` and `Deserialize`",
    note = "write `#[derive(Archive, Serialize, Deserialize, ShmMessage)]` with the derives of rkyv 0.8",
    note = "or write `#[mi7::message]` instead, which derives all four and needs no rkyv in your Cargo.toml"
)]
pub trait DerivesArchive: Archive {}

#[diagnostic::do_not_recommend]
impl<T: Archive> DerivesArchive for T {}

/// A type with rkyv's `Serialize`, that writes nothing out of line.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks rkyv's `Serialize`, or cannot be archived in one piece",
    label = "`ShmMessage` is derived beside `Archive`, `Serialize` and `Deserialize`",
    note = "write `#[derive(Archive, Serialize, Deserialize, ShmMessage)]` with the derives of rkyv 0.8",
    note = "or write `#[mi7::message]` instead, which derives all four and needs no rkyv in your Cargo.toml"
)]
pub trait DerivesSerialize<'a>: Serialize<Building<'a>> {}

#[diagnostic::do_not_recommend]
impl<'a, T: Serialize<Building<'a>>> DerivesSerialize<'a> for T {}

/// An archived type with rkyv's `Deserialize` to `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` lacks rkyv's `Deserialize`",
    label = "`ShmMessage` is derived beside `Archive`, `Serialize` and `Deserialize`",
    note = "write `#[derive(Archive, Serialize, Deserialize, ShmMessage)]` with the derives of rkyv 0.8",
    note = "or write `#[mi7::message]` instead, which derives all four and needs no rkyv in your Cargo.toml"
)]
pub trait DerivesDeserialize<'a, T>: Deserialize<T, Reading<'a>> {}

#[diagnostic::do_not_recommend]
impl<'a, T, A: Deserialize<T, Reading<'a>>> DerivesDeserialize<'a, T> for A {}

/// The bound of the stub that stands for a type the derive has refused.
///
/// `Mistake` is a type that does not exist: the `compile_error!` itself. The compiler reports it, and believes everything
/// else about such a bound, so that what uses the refused type as a message is not reported as well.
#[diagnostic::on_unimplemented(message = "`{Self}` was refused by `ShmMessage`", label = "see the errors at its definition")]
pub trait Refused<const MISTAKE: usize>: ShmMessage {}

/// Gives the size and the alignment of the archive of `T`, and 0 and 1 where `T` has no archive: that has an error of its
/// own already, and needs no second one. The inherent constants win where they exist, the trait's stand in where not.
pub struct Measure<T>(PhantomData<T>);

impl<T: Archive> Measure<T> {
    /// In bytes.
    pub const SIZE: usize = size_of::<T::Archived>();
    /// In bytes.
    pub const ALIGN: usize = align_of::<T::Archived>();
}

/// See [`Measure`].
pub trait Unmeasured {
    /// In bytes.
    const SIZE: usize = 0;
    /// In bytes.
    const ALIGN: usize = 1;
}

impl<T> Unmeasured for Measure<T> {}
