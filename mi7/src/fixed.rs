//! Text and lists with their capacity in the type and their contents in place: [`FixedString`], [`FixedVec`].
//!
//! # The contract
//!
//! - What does not fit is an error that gives both sizes, never a panic and never cut off.
//! - The archived forms, [`ArchivedFixedString`] and [`ArchivedFixedVec`], are a length and a place for the contents. They
//!   are read where they lie, as `&str` and as slice. What lies beyond the length is never read.
//! - The place beyond the length is written as zeros, so that nothing of an earlier message stays behind.
//! - A received length above the capacity, text that is not UTF-8 and elements that are not valid are refused before a
//!   reference exists.
//!
//! ```
//! use mi7::{FixedString, FixedVec};
//!
//! let mut symbol = FixedString::<8>::try_from("EUR")?;
//! symbol.push_str("USD")?;
//! assert_eq!(symbol, "EURUSD");
//! assert_eq!(
//!     symbol.push_str("=X!").unwrap_err().to_string(),
//!     "found 9 bytes, expected at most 8; raise the capacity in the type, or shorten the contents"
//! );
//!
//! let levels: FixedVec<f64, 4> = FixedVec::try_from(&[1.5, 1.25][..])?;
//! assert_eq!(levels.iter().sum::<f64>(), 2.75);
//! # Ok::<(), mi7::fixed::CapacityError>(())
//! ```

mod string;
mod vec;

pub use string::{ArchivedFixedString, FixedString};
pub use vec::{ArchivedFixedVec, FixedVec, PushError};

/// Contents that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found} {unit}, expected at most {capacity}; raise the capacity in the type, or shorten the contents")]
pub struct CapacityError {
    /// How much there would have been.
    pub found: usize,
    /// How much fits.
    pub capacity: usize,
    /// What is counted: `bytes` or `elements`.
    pub unit: &'static str,
}

/// A length that fits its capacity as it is written in archives.
const fn archived_length(length: usize, capacity: usize) -> u32 {
    assert!(length <= capacity && capacity <= u32::MAX as usize);
    length as u32
}

/// A received length that is above the capacity.
#[derive(Debug, thiserror::Error)]
#[error("length {found} of `{of}<{capacity}>`, expected at most {capacity}")]
struct LengthError {
    found: u32,
    capacity: usize,
    of: &'static str,
}

/// Checks a received length.
fn check_length(found: u32, capacity: usize, of: &'static str) -> Result<usize, LengthError> {
    match usize::try_from(found) {
        Ok(length) if length <= capacity => Ok(length),
        _ => Err(LengthError { found, capacity, of }),
    }
}

#[cfg(test)]
mod tests;
