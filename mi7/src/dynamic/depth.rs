//! How deep values may be nested in one another.
//!
//! A value that is nested in another is encoded and decoded by a call within a call, so depth is stack. How much stack a level takes is
//! up to the type's own code. Measured without optimization, for types that serde's derives are used on, it is about 1.2 KiB and
//! eight times the bytes of the value, and half a KiB for options and newtypes. So what counts is the kind of a level and its
//! size, and not the stack itself: that would be less in an optimized program, and then a receiver that is not
//! optimized could not receive what it sends.

use super::fault::{Fault, Result};

/// How many structs, tuples, lists, maps and variants with content may be nested in one another: as many as in serde_json.
pub(super) const MAX_DEPTH: usize = 128;
/// How many values, options and newtypes included.
pub(super) const MAX_TOTAL: usize = 256;
/// What is no deeper than this may be of any size: it is of types that are nested, and not of values that a message nests.
const ANY_SIZE: usize = 16;

/// How deep the present value is nested in others.
#[derive(Default)]
pub(super) struct Depth {
    levels: usize,
    depth: usize,
    total: usize,
}

/// What a level counts.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    depth: usize,
    total: usize,
}

impl Weight {
    /// A level of the one kind, with a value of type `T`.
    const fn full<T>() -> Self {
        let Weight { total, .. } = Self::thin::<T>();
        Weight { depth: total, total }
    }

    /// An option or a newtype.
    const fn thin<T>() -> Self {
        Weight { depth: 0, total: 1 + size_of::<T>() / 128 }
    }
}

impl Depth {
    /// Goes into a struct, a tuple, a list, a map or a variant of type `T`. Returns what [`leave`](Self::leave) takes back.
    #[inline]
    pub(super) fn enter<T>(&mut self) -> Result<Weight> {
        self.add(const { Weight::full::<T>() })
    }

    /// Goes into an option or a newtype.
    #[inline]
    pub(super) fn enter_thin<T>(&mut self) -> Result<Weight> {
        self.add(const { Weight::thin::<T>() })
    }

    #[inline]
    fn add(&mut self, weight: Weight) -> Result<Weight> {
        self.levels += 1;
        self.depth += weight.depth;
        self.total += weight.total;
        if (self.depth > MAX_DEPTH || self.total > MAX_TOTAL) && self.levels > ANY_SIZE {
            return Err(self.too_deep());
        }
        Ok(weight)
    }

    #[cold]
    fn too_deep(&self) -> Fault {
        format!("a value that is nested more than {} levels deep", self.levels - 1).into()
    }

    #[inline]
    pub(super) fn leave(&mut self, weight: Weight) {
        self.levels -= 1;
        self.depth -= weight.depth;
        self.total -= weight.total;
    }
}
