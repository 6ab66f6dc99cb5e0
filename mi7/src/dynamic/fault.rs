//! Why a value could not be encoded or decoded.

use core::fmt::{self, Display};

use bincode::error::{DecodeError, EncodeError};

pub(super) type Result<T, E = Fault> = core::result::Result<T, E>;

/// What was found, in words.
#[derive(Debug)]
pub(super) struct Fault(Box<str>);

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<String> for Fault {
    #[cold]
    fn from(text: String) -> Self {
        Fault(text.into())
    }
}

impl From<&str> for Fault {
    #[cold]
    fn from(text: &str) -> Self {
        Fault(text.into())
    }
}

impl serde::de::Error for Fault {
    #[cold]
    fn custom<T: Display>(text: T) -> Self {
        Fault(text.to_string().into())
    }
}

impl serde::ser::Error for Fault {
    #[cold]
    fn custom<T: Display>(text: T) -> Self {
        Fault(text.to_string().into())
    }
}

impl From<DecodeError> for Fault {
    #[cold]
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnexpectedEnd { additional } => {
                format!("an end where {additional} more bytes were expected").into()
            }
            DecodeError::Utf8 { inner } => format!("a text that is not UTF-8 ({inner})").into(),
            DecodeError::InvalidCharEncoding(bytes) => format!("{bytes:x?} where a character begins").into(),
            DecodeError::InvalidBooleanValue(byte) => format!("{byte} instead of 0 or 1 for a bool").into(),
            DecodeError::InvalidIntegerType { expected, found } => {
                format!("a number of type {found:?} instead of {expected:?}").into()
            }
            other => other.to_string().into(),
        }
    }
}

impl From<EncodeError> for Fault {
    #[cold]
    fn from(error: EncodeError) -> Self {
        error.to_string().into()
    }
}
