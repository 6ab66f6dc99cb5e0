//! The types of the standard library that are no messages, and what to use instead.
//!
//! The compiler reports a bound that does not hold in the words of the innermost bound that is
//! missing. So each of these types has an impl with a bound that never holds, whose trait has the
//! words. It works by type and not by name: through aliases, inside arrays and options, and never
//! for a user's own type of the same name.
//!
//! The traits have [`Parts`] for their supertrait, so the impls have nothing left to prove; and
//! they are bounds for all lifetimes, which the compiler does not check before they are used.

use core::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use core::num::{NonZeroIsize, NonZeroUsize};
use core::ptr::NonNull;
use core::sync::atomic;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CString, OsString};
use std::path::PathBuf;
use std::rc::{self, Rc};
use std::sync::{self, Arc, Mutex, OnceLock, RwLock};
use std::time::{Instant, SystemTime};

use super::ShmMessage;
use super::private::Parts;
use crate::schema::{Kind, Schema};

/// Types with the same advice.
macro_rules! misfits {
    ($($trait:ident $message:literal {$({$($generics:tt)*} $type:ty,)*})*) => {$(
        #[diagnostic::on_unimplemented(message = $message, label = "cannot be sent through shared memory as it is")]
        trait $trait<'never>: Parts {}

        $(
            // SAFETY: the bound does not hold, so this is no message.
            #[doc(hidden)]
            unsafe impl<$($generics)*> ShmMessage for $type
            where
                for<'never> $type: $trait<'never>,
            {
                const SCHEMA: Schema = Schema { name: "refused", size: 0, align: 1, kind: Kind::Opaque };
            }
        )*
    )*};
}

misfits! {
    Unsigned "`{Self}` has a size that depends on the program; use `u64` or `u32`" {
        {} usize,
    }
    Signed "`{Self}` has a size that depends on the program; use `i64` or `i32`" {
        {} isize,
    }
    NonZeroUnsigned "`{Self}` has a size that depends on the program; use `NonZeroU64` or `NonZeroU32`" {
        {} NonZeroUsize,
    }
    NonZeroSigned "`{Self}` has a size that depends on the program; use `NonZeroI64` or `NonZeroI32`" {
        {} NonZeroIsize,
    }
    Text "`{Self}` keeps its text on the heap; use `mi7::FixedString<N>`, or send the message as `mi7::Bincode<T>`" {
        {} String, {} PathBuf, {} OsString, {} CString,
    }
    List "`{Self}` keeps its elements on the heap; use `mi7::FixedVec<T, N>` or an array, or send the message as `mi7::Bincode<T>`" {
        {T} Vec<T>, {T} VecDeque<T>, {T} LinkedList<T>, {T} BinaryHeap<T>, {T} BTreeSet<T>, {T, S} HashSet<T, S>,
    }
    Map "`{Self}` keeps its entries on the heap; use `mi7::FixedVec<(K, V), N>`, or send the message as `mi7::Bincode<T>`" {
        {K, V} BTreeMap<K, V>, {K, V, S} HashMap<K, V, S>,
    }
    Boxed "`{Self}` keeps its value on the heap; hold the value itself" {
        {T: ?Sized} Box<T>,
    }
    Shared "`{Self}` shares its value within one process; hold the value itself" {
        {T: ?Sized} Rc<T>, {T: ?Sized} Arc<T>,
    }
    Pointer "`{Self}` points into the memory of one process; hold the value itself, or an index" {
        {T: ?Sized} *const T, {T: ?Sized} *mut T, {T: ?Sized} NonNull<T>, {T: ?Sized} rc::Weak<T>,
        {T: ?Sized} sync::Weak<T>,
    }
    Borrowing "`{Self}` borrows, or keeps its value on the heap; hold the value itself, or use `mi7::FixedString<N>`" {
        {B: ?Sized + ToOwned + 'static} Cow<'static, B>,
    }
    Guarded "`{Self}` guards its value within one process; a message is a value, hold it without" {
        {T: ?Sized} Cell<T>, {T: ?Sized} RefCell<T>, {T: ?Sized} UnsafeCell<T>, {T} OnceCell<T>,
        {T: ?Sized} Mutex<T>, {T: ?Sized} RwLock<T>, {T} OnceLock<T>,
        {} atomic::AtomicBool, {} atomic::AtomicI8, {} atomic::AtomicI16, {} atomic::AtomicI32, {} atomic::AtomicI64,
        {} atomic::AtomicIsize,
        {} atomic::AtomicU8, {} atomic::AtomicU16, {} atomic::AtomicU32, {} atomic::AtomicU64, {} atomic::AtomicUsize,
        {T} atomic::AtomicPtr<T>,
    }
    Clock "`{Self}` has a layout of its own on every system; use a `Duration` since an agreed time" {
        {} Instant, {} SystemTime,
    }
}
