//! A channel's file in memory. The only place where bytes are taken for something else.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;

use memmap2::{MmapOptions, MmapRaw};

use crate::error::{Error, Result, failure};
use crate::fork::{Descriptor, Mapping, Payloads};
use crate::layout::{DOORS, Door, Entry, Geometry, MAX_ALIGN, MAX_SCHEMA, PARTICIPANTS, PREAMBLE, Preamble, Shared};
use crate::os::{Location, Unnamed};
use crate::position::Positions;
use crate::ring::Ring;
use crate::sync::{AtomicU64, Ordering};

/// A mapped channel.
///
/// Invariant: `map` is of exactly `geometry.file_len()` bytes, readable, writable and shared, begins on a page, and stays
/// where it is until the region is dropped. The geometry was checked and is this process's own copy. Every byte before the
/// slots' payloads is accessed by atomics only, here and in every other process.
pub(crate) struct Region {
    // Before the map: it points into it.
    pub(crate) ring: Ring,
    pub(crate) map: Mapping,
    pub(crate) preamble: Preamble,
    slots_at: usize,
    stride: usize,
    payload_at: usize,
}

impl Region {
    /// Makes the file, complete but for its name.
    pub(crate) fn create(location: &Location, preamble: Preamble, schema: &str, mode: u32) -> Result<(Self, Unnamed)> {
        let geometry = preamble.geometry;
        let Some(len) = geometry.file_len() else { return Err(no_such_channel(location, &geometry)) };
        let unnamed = location.create_unnamed(len, mode)?;
        fault!("file made, not filled in");
        let write = |bytes: &[u8], at| unnamed.file.write_all_at(bytes, at).map_err(io_failure("write", location));
        write(&preamble.to_bytes(), 0)?;
        write(schema.as_bytes(), geometry.schema_at())?;
        let region = Self::map(&unnamed.file, location, preamble)?;
        Ok((region, unnamed))
    }

    /// Opens the file, and checks that it is a whole channel. Gives the schema text too.
    pub(crate) fn open(location: &Location) -> Result<(Descriptor<File>, Preamble, String)> {
        let file = location.open()?;
        let status = file.metadata().map_err(io_failure("fstat", location))?;
        if !status.is_file() {
            return Err(location.not_a_file("something else"));
        }
        let flaw = |(what, found, expected)| Error::NotAChannel { path: location.path(), what, found, expected };
        if status.len() < PREAMBLE as u64 {
            let expected = format!("at least {PREAMBLE} bytes");
            return Err(flaw(("length", format!("{} bytes", status.len()), expected)));
        }
        let read = |bytes: &mut [u8], at| file.read_exact_at(bytes, at).map_err(io_failure("read", location));
        let mut bytes = [0; PREAMBLE];
        read(&mut bytes, 0)?;
        let preamble = Preamble::from_bytes(&bytes, status.len()).map_err(flaw)?;
        let mut schema = vec![0; preamble.geometry.schema as usize];
        read(&mut schema, preamble.geometry.schema_at())?;
        let schema =
            String::from_utf8(schema).map_err(|error| flaw(("schema text", error.to_string(), "UTF-8".into())))?;
        Ok((file, preamble, schema))
    }

    /// Maps a file whose length has been found to be what the geometry says.
    pub(crate) fn map(file: &File, location: &Location, preamble: Preamble) -> Result<Self> {
        let geometry = preamble.geometry;
        let len = geometry.file_len().unwrap_or(0) as usize;
        let (slots_at, stride, payload_at) =
            (geometry.slots_at() as usize, geometry.stride() as usize, geometry.payload_at() as usize);
        let ring = |map: &MmapRaw| {
            let at = |offset: u64| {
                debug_assert!(offset as usize <= len);
                // SAFETY: `Geometry` lays all its parts within `file_len` bytes, which is the length of the map.
                let at = unsafe { map.as_mut_ptr().add(offset as usize) };
                // SAFETY: an address within a map is not null.
                unsafe { NonNull::new_unchecked(at) }
            };
            let shared = at(geometry.shared_at()).cast::<Shared>();
            let marks = at(geometry.marks_at()).cast::<AtomicU64>();
            let slots = at(geometry.slots_at());
            // SAFETY: the layout's constant assertions and `Geometry` put a `Shared`, `capacity` marks and `capacity` slots
            // of `stride` bytes there, aligned as a map begins on a page; the map outlives the ring, and by the invariant
            // these bytes are accessed by atomics only.
            unsafe { Ring::new(shared, marks, slots, stride, Positions::new(geometry.capacity)) }
        };
        let payloads = Payloads { first: slots_at + payload_at, stride, len: geometry.payload as usize };
        let map = Mapping::new(|| MmapOptions::new().len(len).map_raw(file), ring, payloads)
            .map_err(io_failure("mmap", location))?;
        Ok(Region { ring: ring(&map), map, slots_at, stride, payload_at, preamble })
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.preamble.geometry
    }

    /// Where the payload of slot `index` begins. Past the last slot: the last one's.
    #[inline]
    pub(crate) fn payload(&self, index: u32) -> NonNull<u8> {
        let index = index.min(self.preamble.geometry.capacity - 1) as usize;
        // SAFETY: slot `index` exists, and `payload_at` lies within it (the invariant).
        let at = unsafe { self.map.as_mut_ptr().add(self.slots_at + index * self.stride + self.payload_at) };
        // SAFETY: an address within a map is not null.
        unsafe { NonNull::new_unchecked(at) }
    }

    /// Asks for huge pages; where there are none, nothing happens.
    pub(crate) fn use_huge_pages(&self) {
        // Both are advice. The first is for pages to come, the second collapses those that are there (Linux 6.1), which is all of
        // them: the file was preallocated.
        let _ = self.map.advise(memmap2::Advice::HugePage);
        // SAFETY: the range is the map's, and what it holds stays as it is.
        unsafe { libc::madvise(self.map.as_mut_ptr().cast(), self.map.len(), MADV_COLLAPSE) };
    }

    /// Has the kernel map every page now, to be written to (Linux 5.14).
    pub(crate) fn prefault(&self) {
        if self.map.advise(memmap2::Advice::PopulateWrite).is_ok() {
            return;
        }
        for at in (0..self.map.len()).step_by(4096) {
            // SAFETY: the offset lies within the map.
            let byte = unsafe { self.map.as_mut_ptr().add(at) };
            // SAFETY: a byte of shared memory, which is there as long as the map; nothing comes of what is read.
            unsafe { AtomicU8::from_ptr(byte) }.load(Ordering::Relaxed);
        }
    }

    /// The entries of the participant table.
    pub(crate) fn entries(&self) -> &[Entry] {
        // SAFETY: the table lies within the map (the invariant).
        let at = unsafe { self.map.as_mut_ptr().add(self.geometry().entry_at(0) as usize) };
        // SAFETY: there are `PARTICIPANTS` entries there, aligned, and made of atomics only; any bits are valid.
        unsafe { std::slice::from_raw_parts(at.cast::<Entry>(), PARTICIPANTS as usize) }
    }
}

/// From Linux's `asm-generic/mman-common.h`; the libc crate has it for glibc only.
const MADV_COLLAPSE: libc::c_int = 25;

impl Region {
    /// The doors behind which tasks wait.
    pub(crate) fn doors(&self) -> &[Door] {
        // SAFETY: the doors lie within the map (the invariant).
        let at = unsafe { self.map.as_mut_ptr().add(self.geometry().doors_at() as usize) };
        // SAFETY: there are `DOORS` doors there, aligned, and made of atomics only; any bits are valid.
        unsafe { std::slice::from_raw_parts(at.cast::<Door>(), DOORS) }
    }
}

/// The error for a geometry that no channel can have.
fn no_such_channel(location: &Location, geometry: &Geometry) -> Error {
    let Geometry { capacity, payload, align, schema } = geometry;
    let (option, found, expected) = if *schema > MAX_SCHEMA {
        let expected = format!("one described in at most {MAX_SCHEMA} bytes: of fewer fields, or of shorter names");
        ("message type", format!("described in a schema of {schema} bytes"), expected)
    } else if *align > MAX_ALIGN {
        ("message type", format!("aligned to {align} bytes"), format!("one aligned to at most {MAX_ALIGN} bytes"))
    } else {
        let found = format!("{capacity}, of messages of {payload} bytes each");
        ("capacity", found, "at least 1, and so small that all messages together fit into memory".into())
    };
    Error::InvalidOption { path: location.path(), option, found, expected }
}

fn io_failure(call: &'static str, location: &Location) -> impl Fn(std::io::Error) -> Error {
    move |error| match error.raw_os_error() {
        Some(code) => failure(call, &location.path(), rustix::io::Errno::from_raw_os_error(code)),
        None => Error::Os { call, path: location.path(), source: error },
    }
}
