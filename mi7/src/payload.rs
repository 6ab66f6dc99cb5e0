//! How a type travels: as an archive in place, or as bincode.

use core::ptr::NonNull;

use mi7_core::{Error, Result};

use crate::archive;
use crate::message::ShmMessage;
use crate::schema;

/// A type that can be sent through a channel.
///
/// Every [`ShmMessage`] is one and travels as its archive; [`Message`](crate::Message) and [`Bincode<T>`](crate::Bincode)
/// are and travel as bincode. There are no others: this trait cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent through a channel: it is not a `ShmMessage`",
    label = "no message type",
    note = "a type of fixed size: add `#[mi7::message]`, or `#[derive(Archive, Serialize, Deserialize, ShmMessage)]`",
    note = "any other type with serde's traits: send it as `mi7::Bincode<T>`; plain bytes: send a `mi7::Message`"
)]
pub trait Payload: Sized + sealed::Sealed + 'static {
    /// What a [`Received`](crate::Received) of this type derefs to: for a [`ShmMessage`] its archive, in place.
    type Target: ?Sized;

    /// What is kept of a message while it is held.
    #[doc(hidden)]
    type View: View<Target = Self::Target>;

    #[doc(hidden)]
    fn kind() -> Kind;

    /// What is made of a message before there is a slot for it: its encoding, if it has one.
    #[doc(hidden)]
    type Ready: Send + Sync;

    /// Makes a message ready for slots of `room` bytes. Done before a slot is claimed: so a message that can never be sent
    /// neither waits for one nor takes one.
    #[doc(hidden)]
    fn ready(&self, room: usize) -> Result<Self::Ready>;

    /// Writes the message into a slot. It is ready for as many bytes as the slot has.
    ///
    /// # Safety
    ///
    /// The slot was made for this type ([`Kind`]), and nobody else reads or writes it meanwhile.
    #[doc(hidden)]
    unsafe fn write(&self, ready: Self::Ready, slot: Slot) -> Result<()>;

    /// Finds the message in a slot, and checks it.
    ///
    /// # Safety
    ///
    /// The slot was made for this type ([`Kind`]), and nobody writes to it while the view is used.
    #[doc(hidden)]
    unsafe fn view(slot: Slot) -> Result<Self::View>;

    /// The message itself.
    #[doc(hidden)]
    fn take(view: Self::View) -> Self;
}

/// What is kept of a message while it is held.
#[doc(hidden)]
pub trait View {
    type Target: ?Sized;
    fn target(&self) -> &Self::Target;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The payload bytes of a slot.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Slot {
    pub(crate) at: NonNull<u8>,
    pub(crate) len: usize,
}

/// What a channel has to be like for a type.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Kind {
    pub(crate) encoding: Encoding,
    pub(crate) fingerprint: [u8; 16],
    /// The message type in words: see [`schema`].
    pub(crate) schema: String,
    pub(crate) size: Size,
    /// Alignment of the payload.
    pub(crate) align: u32,
}

/// Bytes of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    /// Always as many.
    Fixed(u64),
    /// As many as the channel's creator chose, and as many more for what goes with them.
    UpTo { overhead: u64 },
}

/// The numbers in the preamble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoding {
    Archive = 1,
    Message = 2,
    Bincode = 3,
}

impl Encoding {
    /// The number of the preamble in words.
    pub(crate) fn describe(number: u32) -> String {
        match number {
            1 => "archives in place".into(),
            2 => "messages of bytes".into(),
            3 => "bincode".into(),
            other => format!("encoding {other}"),
        }
    }
}

/// The view of an archive: where it is. It was checked.
#[doc(hidden)]
pub struct Archived<T: ShmMessage>(NonNull<T::Archived>);

// SAFETY: it stands for a `&T::Archived`, and archives are Sync (a supertrait of `ShmMessage` says so).
unsafe impl<T: ShmMessage> Send for Archived<T> {}
// SAFETY: as for Send.
unsafe impl<T: ShmMessage> Sync for Archived<T> {}

impl<T: ShmMessage> View for Archived<T> {
    type Target = T::Archived;

    #[inline]
    fn target(&self) -> &T::Archived {
        // SAFETY: `view` made it of a checked reference, and its caller promised that the slot stays as it is.
        unsafe { self.0.as_ref() }
    }
}

#[diagnostic::do_not_recommend]
impl<T: ShmMessage> sealed::Sealed for T {}

#[diagnostic::do_not_recommend]
impl<T: ShmMessage> Payload for T {
    type Target = T::Archived;
    type View = Archived<T>;

    fn kind() -> Kind {
        const { T::CHECKED }
        Kind {
            encoding: Encoding::Archive,
            fingerprint: schema::fingerprint(&T::SCHEMA),
            schema: T::SCHEMA.text(),
            size: Size::Fixed(size_of::<T::Archived>() as u64),
            align: T::ALIGN as u32,
        }
    }

    type Ready = ();

    #[inline(always)]
    fn ready(&self, _: usize) -> Result<()> {
        Ok(())
    }

    #[inline]
    unsafe fn write(&self, (): (), slot: Slot) -> Result<()> {
        // SAFETY: a slot made for this type has its archive's size and alignment; the rest is the caller's promise. Shared
        // memory is always initialized.
        unsafe { archive::write(self, slot.at) };
        Ok(())
    }

    #[inline]
    unsafe fn view(slot: Slot) -> Result<Archived<T>> {
        // SAFETY: as for `write`.
        match unsafe { archive::check::<T>(slot.at) } {
            Ok(archived) => Ok(Archived(archived.into())),
            Err(invalid) => Err(corrupt(&invalid, T::SCHEMA.name)),
        }
    }

    #[inline]
    fn take(view: Archived<T>) -> T {
        archive::native(view.target())
    }
}

#[cold]
fn corrupt(invalid: &crate::message::InvalidArchive, name: &str) -> Error {
    Error::Corrupt { what: "message", found: invalid.to_string(), expected: format!("a valid archive of `{name}`") }
}
