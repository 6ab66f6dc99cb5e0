//! Where a channel lies in memory, and what of it nobody may touch.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use crate::file::{MARKS, PREAMBLE, Shape};

const PAGE: usize = 4096;

/// The mappings that were found and are still there.
static KNOWN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// One mapping of a channel's file. Declare it before the channel, so that it is dropped after.
#[derive(Debug, Default)]
pub struct Mapping {
    found: Option<(usize, usize)>,
}

impl Mapping {
    /// Finds the mapping that was made since the last time, and forbids what nobody may touch: the preamble, the schema text,
    /// paddings, and the rest of the last page.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn find(&mut self, path: &Path, shape: &Shape) {
        let mut known = KNOWN.lock().expect("nobody panicked");
        let start = new_mapping(path, &known).expect("the channel is mapped");
        known.insert(start);
        let len = shape.len() as usize;
        self.found = Some((start, len.next_multiple_of(PAGE)));
        forbid(start, PREAMBLE);
        forbid_between(start, MARKS + 8 * shape.capacity, shape.slots_at());
        forbid_between(start, shape.len(), len.next_multiple_of(PAGE) as u64);
        let end = shape.payload_at() + shape.payload;
        for slot in (0..shape.capacity).map(|index| shape.slot(index)) {
            forbid_between(start, slot + 8, slot + shape.payload_at());
            forbid_between(start, slot + end, slot + shape.stride());
        }
    }

    /// Where in the file a part of the mapping lies. What is of no bytes may lie at its end.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn offset(&self, address: usize) -> u64 {
        let (start, len) = self.found.expect("found");
        let offset = address.wrapping_sub(start);
        // At the very end lies a payload of no bytes in the last slot.
        assert!(offset <= len, "{address:x} lies outside of the {len} bytes mapped at {start:x}");
        offset as u64
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some((start, len)) = self.found {
            permit(start, len);
            KNOWN.lock().expect("nobody panicked").remove(&start);
        }
    }
}

/// Where a mapping of this file begins that is not known yet.
///
/// `/proc/self/maps` has lines of `start-end perms offset device inode path`, and behind the path nothing or ` (deleted)`. They are
/// searched by the C library, which is not instrumented: what else is mapped would look like coverage.
fn new_mapping(path: &Path, known: &BTreeSet<usize>) -> Option<usize> {
    thread_local! {
        static MAPS: RefCell<Vec<u8>> = RefCell::new(vec![0; 1 << 18]);
    }
    MAPS.with_borrow_mut(|maps| {
        let mut file = File::open("/proc/self/maps").expect("the kernel tells");
        let mut len = 0;
        while let read @ 1.. = file.read(&mut maps[len..]).expect("the kernel tells") {
            len += read;
        }
        let mut from = 0;
        while let Some(found) = find(&maps[from..len], path.as_os_str().as_bytes()) {
            let (line, end) = (from + found, from + found + path.as_os_str().len());
            let begin = line - maps[..line].iter().rev().position(|byte| *byte == b'\n').unwrap_or(line);
            let start = std::str::from_utf8(&maps[begin..line]).ok()?.split('-').next()?;
            let start = usize::from_str_radix(start, 16).ok()?;
            if [b'\n', b' '].contains(&maps[end]) && !known.contains(&start) {
                return Some(start);
            }
            from = end;
        }
        None
    })
}

/// Where `needle` is first in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    // SAFETY: two slices.
    let at = unsafe { libc::memmem(hay.as_ptr().cast(), hay.len(), needle.as_ptr().cast(), needle.len()) };
    (!at.is_null()).then(|| at.addr() - hay.as_ptr().addr())
}

fn forbid_between(start: usize, from: u64, to: u64) {
    if from < to {
        forbid(start + from as usize, (to - from) as usize);
    }
}

#[cfg(asan)]
fn forbid(address: usize, len: usize) {
    // SAFETY: it only marks the bytes, which are mapped.
    unsafe { __asan_poison_memory_region(std::ptr::without_provenance(address), len) }
}

#[cfg(asan)]
fn permit(address: usize, len: usize) {
    // SAFETY: it only clears the marks.
    unsafe { __asan_unpoison_memory_region(std::ptr::without_provenance(address), len) }
}

#[cfg(asan)]
unsafe extern "C" {
    // sanitizer/asan_interface.h
    fn __asan_poison_memory_region(address: *const std::ffi::c_void, size: usize);
    fn __asan_unpoison_memory_region(address: *const std::ffi::c_void, size: usize);
}

#[cfg(not(asan))]
fn forbid(_: usize, _: usize) {}

#[cfg(not(asan))]
fn permit(_: usize, _: usize) {}
