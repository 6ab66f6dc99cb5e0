//! Why a received archive is refused.

use core::fmt;

use rkyv::rancor::{Source, Trace};

/// The bytes in a slot are not a valid archive of the type asked for.
///
/// The text begins with what was found, and goes on with where it was found, from the inside outwards. It is put together
/// only when something is wrong; checking good bytes allocates nothing.
///
/// ```
/// use mi7::message::InvalidArchive;
/// use mi7::rkyv::bytecheck::check_bytes;
///
/// let byte = 7u8;
/// // SAFETY: a `bool` is one byte, of any alignment.
/// let refused = unsafe { check_bytes::<bool, InvalidArchive>((&raw const byte).cast()) }.unwrap_err();
/// assert_eq!(refused.to_string(), "bool set to invalid byte 7, expected either 0 or 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidArchive {
    text: Box<str>,
}

impl fmt::Display for InvalidArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl core::error::Error for InvalidArchive {}

impl Trace for InvalidArchive {
    #[cold]
    fn trace<R>(self, trace: R) -> Self
    where
        R: fmt::Debug + fmt::Display + Send + Sync + 'static,
    {
        Self { text: format!("{}, {trace}", self.text).into() }
    }
}

impl Source for InvalidArchive {
    #[cold]
    fn new<T: core::error::Error + Send + Sync + 'static>(source: T) -> Self {
        Self { text: source.to_string().into() }
    }
}
