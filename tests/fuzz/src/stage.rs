//! A directory of one's own, and a channel's file in it.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Once;

use crate::file::{self, ENTRIES, ENTRY, PARTICIPANTS, PREAMBLE, Shape, Spot};
use crate::mapping::Mapping;
use crate::messages::Specimen;
use crate::script::Value;

const PREFIX: &str = "mi7-fuzz-";

/// A directory in memory that is gone with the input. What a process left that crashed goes with the next one.
#[derive(Debug)]
pub struct Stage {
    directory: PathBuf,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// If there can be none.
    #[must_use]
    pub fn new() -> Self {
        static TIDY: Once = Once::new();
        TIDY.call_once(tidy);
        let directory = Path::new("/dev/shm").join(format!("{PREFIX}{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a directory");
        Stage { directory }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Makes a file.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn file(&self, name: &str) -> File {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.directory.join(name)).expect("a file")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Removes the directories of processes that are no more.
fn tidy() {
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|id| id.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A channel's file, as a stranger sees it.
#[derive(Debug)]
pub struct Place {
    /// The file.
    pub file: File,
    /// Its shape.
    pub shape: Shape,
    /// Its length.
    pub len: u64,
}

impl Place {
    /// The bytes at an address in the mapping, read from the file.
    ///
    /// # Panics
    ///
    /// If they are not of the file.
    #[must_use]
    pub fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at).expect("within the file");
        bytes
    }

    /// Writes what of the bytes lies within the file.
    ///
    /// # Panics
    ///
    /// If the file cannot be written to.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        let room = self.len.saturating_sub(at).min(bytes.len() as u64) as usize;
        self.file.write_all_at(&bytes[..room], at).expect("within the file");
    }

    /// The word there; zeros where there is none.
    #[must_use]
    pub fn word(&self, spot: Spot) -> u64 {
        let mut word = [0; 8];
        let _ = self.file.read_at(&mut word, spot.at(&self.shape).min(self.len));
        u64::from_le_bytes(word)
    }

    /// Overwrites a word.
    pub fn poke(&self, spot: Spot, value: Value) {
        let word = value.of(self.word(spot), self.shape.capacity, |other| self.word(other));
        self.write(spot.at(&self.shape), &word.to_le_bytes());
    }

    /// Takes the lock of a participant's entry, as a live process does that has the channel open; or of all of them.
    pub fn lock(&self, entry: Option<u8>) {
        let (at, len) = match entry {
            Some(entry) => (ENTRIES + ENTRY * (u64::from(entry) % PARTICIPANTS), 1),
            None => (ENTRIES, PARTICIPANTS * ENTRY),
        };
        self.set_lock(libc::F_WRLCK, at, len);
    }

    /// Lets all the locks go.
    pub fn unlock(&self) {
        self.set_lock(libc::F_UNLCK, 0, 0);
    }

    fn set_lock(&self, kind: i32, at: u64, len: u64) {
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: at as libc::off_t,
            l_len: len as libc::off_t,
            l_pid: 0,
        };
        // SAFETY: the descriptor is open, and the command reads one `flock`.
        let result = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        // Somebody else may have it.
        assert!(result == 0 || io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock);
    }
}

/// A channel's file as the library makes it, with some messages in it.
#[derive(Debug)]
pub struct Template {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its shape.
    pub shape: Shape,
}

impl Template {
    /// That of a channel with so many slots. It is made once.
    ///
    /// # Panics
    ///
    /// If it cannot be made, or lies otherwise than [`file`](crate::file) says.
    #[must_use]
    pub fn of<T: Specimen>(stage: &Stage, capacity: u8) -> Rc<Self> {
        thread_local! {
            static TEMPLATES: RefCell<BTreeMap<(TypeId, u8), Rc<Template>>> = const { RefCell::new(BTreeMap::new()) };
        }
        let key = (TypeId::of::<T>(), capacity);
        if let Some(template) = TEMPLATES.with_borrow(|templates| templates.get(&key).cloned()) {
            return template;
        }
        let channel = T::options().directory(stage.path()).capacity(capacity.into()).create("template");
        let sender = channel.expect("a channel").sender();
        for number in 0..capacity.div_ceil(2) {
            sender.try_send(&T::specimen(7 + number)).expect("room");
        }
        drop(sender);
        let file = stage.file("template");
        assert!(file::is_channel(&file), "src/file.rs knows the layout");
        let bytes = fs::read(stage.path().join("template")).expect("its bytes");
        let shape = Shape::of(&bytes);
        mi7::remove_in(stage.path(), "template").expect("it was there");
        let template = Rc::new(Template { bytes, shape });
        TEMPLATES.with_borrow_mut(|templates| templates.insert(key, Rc::clone(&template)));
        template
    }

    /// The preamble.
    #[must_use]
    pub fn preamble(&self) -> &[u8] {
        &self.bytes[..PREAMBLE]
    }

    /// The schema text.
    #[must_use]
    pub fn schema(&self) -> &[u8] {
        &self.bytes[self.shape.schema_at() as usize..][..self.shape.schema as usize]
    }
}

/// A channel that is open: its file, and where it is mapped.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The file.
    pub place: &'a Place,
    /// The mapping.
    pub mapping: &'a Mapping,
}
