//! Memory for what is known of the calls: much, and in the way of each fork if it were on the heap, whose page tables are copied.

use std::fs::File;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::MmapRaw;

use crate::Outcome;
use crate::profile::Place;

/// Instructions that there is room for. What is not used is not there.
const ROOM: usize = 16 << 20;

struct Arena {
    map: MmapRaw,
    used: AtomicUsize,
}

/// Keeps a copy as long as the process and its forks.
pub fn keep(places: &[Place]) -> Outcome<&'static [Place]> {
    static ARENA: OnceLock<Arena> = OnceLock::new();
    let arena = match ARENA.get() {
        Some(arena) => arena,
        None => {
            let file = File::from(rustix::fs::memfd_create("traces", rustix::fs::MemfdFlags::CLOEXEC)?);
            file.set_len((ROOM * size_of::<Place>()) as u64)?;
            let map = MmapRaw::map_raw(&file)?;
            ARENA.get_or_init(|| Arena { map, used: AtomicUsize::new(0) })
        }
    };
    let from = arena.used.fetch_add(places.len(), Ordering::Relaxed);
    if from + places.len() > ROOM {
        return Err("the calls have more instructions than there is room for".into());
    }
    // SAFETY: the places from `from` on lie within the map, as was just checked, and it begins on a page.
    let at = unsafe { arena.map.as_mut_ptr().cast::<Place>().add(from) };
    // SAFETY: nobody else has these places: each call takes its own. They do not overlap with the heap.
    unsafe { std::ptr::copy_nonoverlapping(places.as_ptr(), at, places.len()) };
    // SAFETY: they are initialized now, nobody writes to them any more, and the map is never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(at, places.len()) })
}
