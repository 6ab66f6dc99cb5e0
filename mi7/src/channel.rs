//! Making, opening, finding and removing channels.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mi7_core::{Channel, Geometry, Info, Location, Spec, Wait};

use crate::dynamic;
use crate::payload::{Encoding, Kind, Payload, Size, Slot};
use crate::receiver::Receiver;
use crate::schema;
use crate::sender::Sender;
use crate::{Error, Result};

/// The capacity of a channel for which none was asked, as long as that many messages fit into [`DEFAULT_BYTES`].
pub const DEFAULT_CAPACITY: u32 = 1024;
/// The memory a channel for which no capacity was asked takes at the most, about, in bytes.
pub const DEFAULT_BYTES: u64 = 64 << 20;
/// The largest [`Message`](crate::Message) or [`Bincode`](crate::Bincode) of a channel for which none was asked, in bytes.
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = 4096;

/// An open channel of messages of one type: a named, bounded, many-to-many queue in shared memory.
///
/// It gives out [`sender`](Self::sender)s and [`receiver`](Self::receiver)s. It is cheap to clone; all of a process's
/// handles that come from one opening share one entry in the channel's table of participants.
///
/// A channel outlives the processes that use it, until it is [`remove`](crate::remove)d or the machine restarts.
pub struct SharedChannel<T: Payload> {
    core: Arc<Channel>,
    message: PhantomData<fn(T) -> T>,
}

impl<T: Payload> SharedChannel<T> {
    /// How to make or open a channel.
    pub fn options() -> Options<T> {
        Options {
            capacity: None,
            max_message_size: None,
            max_deliveries: None,
            single_sender: false,
            single_receiver: false,
            wait: Wait::default(),
            huge_pages: false,
            prefault: false,
            directory: None,
            mode: 0o600,
            message: PhantomData,
        }
    }

    /// Makes a channel with defaults: [`Options::create`].
    ///
    /// # Errors
    ///
    /// As [`Options::create`].
    pub fn create(name: &str) -> Result<Self> {
        Self::options().create(name)
    }

    /// Opens a channel: [`Options::open`].
    ///
    /// # Errors
    ///
    /// As [`Options::open`].
    pub fn open(name: &str) -> Result<Self> {
        Self::options().open(name)
    }

    /// Opens a channel, or makes it with defaults: [`Options::open_or_create`].
    ///
    /// # Errors
    ///
    /// As [`Options::open_or_create`].
    pub fn open_or_create(name: &str) -> Result<Self> {
        Self::options().open_or_create(name)
    }

    fn new(mut core: Channel, options: &Options<T>) -> Self {
        core.wait_as(options.wait);
        if options.huge_pages {
            core.use_huge_pages();
        }
        if options.prefault {
            core.prefault();
        }
        SharedChannel { core: Arc::new(core), message: PhantomData }
    }

    /// A new sending end.
    pub fn sender(&self) -> Sender<T> {
        Sender::new(self.clone())
    }

    /// A new receiving end.
    pub fn receiver(&self) -> Receiver<T> {
        Receiver::new(self.clone())
    }

    /// One end of each kind.
    pub fn split(&self) -> (Sender<T>, Receiver<T>) {
        (self.sender(), self.receiver())
    }

    /// The channel's name.
    pub fn name(&self) -> &str {
        self.core.location().name()
    }

    /// The channel's file.
    pub fn path(&self) -> PathBuf {
        self.core.location().path()
    }

    /// How many messages fit in.
    pub fn capacity(&self) -> usize {
        self.core.info().geometry.capacity as usize
    }

    /// The most bytes a message may have: of a [`Message`](crate::Message) its data, of a [`Bincode`](crate::Bincode) its
    /// encoding, of a [`ShmMessage`](crate::ShmMessage) the archive, which always has as many.
    pub fn max_message_size(&self) -> usize {
        let overhead = match T::kind().size {
            Size::Fixed(_) => 0,
            Size::UpTo { overhead } => overhead,
        };
        (self.core.info().geometry.payload - overhead) as usize
    }

    /// The message type in words, as the file has it: see [`schema`].
    pub fn schema(&self) -> &str {
        &self.core.info().schema
    }

    /// Ends the channel, for all processes and for good: senders get [`Error::Closed`], receivers what is left and then
    /// [`Error::Closed`]. Messages that are being written at this moment still count as left.
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether the channel was closed.
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// Whether the channel's name was taken away, by [`remove`](crate::remove) or otherwise. The handles that are left still
    /// reach each other; who opens the name now gets another channel, or none.
    pub fn is_removed(&self) -> bool {
        self.core.is_removed()
    }

    /// How the channel is doing. Takes time in proportion to the capacity.
    pub fn status(&self) -> Status {
        let snapshot = self.core.snapshot();
        let info = self.core.info();
        let ends = |count: fn(&mi7_core::Participant) -> u32| {
            snapshot
                .participants
                .iter()
                .filter(|participant| count(participant) > 0)
                .map(|participant| End { pid: participant.pid, handles: count(participant) as usize })
                .collect()
        };
        Status {
            waiting: snapshot.waiting as usize,
            capacity: self.capacity(),
            leased: snapshot.leased as usize,
            senders: ends(|participant| participant.senders),
            receivers: ends(|participant| participant.receivers),
            sent: snapshot.sent,
            received: snapshot.received,
            dead_letters: snapshot.dead_letters,
            peak_depth: snapshot.peak as usize,
            bytes: info.bytes,
            age: Duration::from_nanos(mi7_core::unix_nanos().saturating_sub(info.created)),
            closed: snapshot.closed,
            removed: snapshot.removed,
        }
    }

    #[inline]
    pub(crate) fn core(&self) -> &Arc<Channel> {
        &self.core
    }

    #[inline]
    pub(crate) fn slot(&self, at: NonNull<u8>) -> Slot {
        Slot { at, len: self.core.info().geometry.payload as usize }
    }
}

impl<T: Payload> Clone for SharedChannel<T> {
    fn clone(&self) -> Self {
        SharedChannel { core: Arc::clone(&self.core), message: PhantomData }
    }
}

impl<T: Payload> fmt::Debug for SharedChannel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedChannel").field("path", &self.path()).field("capacity", &self.capacity()).finish()
    }
}

/// How to make or open a channel: [`SharedChannel::options`].
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let channel = mi7::SharedChannel::<u64>::options()
///     .capacity(4096)
///     .directory(directory)
///     .create("numbers")?;
/// assert_eq!(channel.capacity(), 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Options<T: Payload> {
    capacity: Option<usize>,
    max_message_size: Option<usize>,
    max_deliveries: Option<u32>,
    single_sender: bool,
    single_receiver: bool,
    wait: Wait,
    huge_pages: bool,
    prefault: bool,
    directory: Option<PathBuf>,
    mode: u32,
    message: PhantomData<fn(T) -> T>,
}

impl<T: Payload> Options<T> {
    /// How many messages fit in, 1 to 2³⁰; the channel has exactly as many slots. By default [`DEFAULT_CAPACITY`], or fewer
    /// where that would take more than [`DEFAULT_BYTES`], but 4 at the least.
    ///
    /// To open a channel with this given is an error if it has another capacity.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = Some(messages);
        self
    }

    /// The most bytes a message may have, up to 2³¹: of a [`Message`](crate::Message) its data, of a
    /// [`Bincode`](crate::Bincode) its encoding. Every slot has as many. By default [`DEFAULT_MAX_MESSAGE_SIZE`]. An error for
    /// a [`ShmMessage`](crate::ShmMessage), whose size is the type's.
    ///
    /// To open a channel with this given is an error if it has another size.
    #[must_use]
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = Some(bytes);
        self
    }

    /// How often a message is handed out in vain, 1 to 32; by default as often as it takes.
    ///
    /// A message that this many receivers died, panicked or put back with is not handed out again, but goes to the channel
    /// `<name>.dead`, of the same message type, which is made along with this one (as any other channel, it stays until it is
    /// removed). There, [`deliveries`](crate::Received::deliveries) counts on. A process that is killed while it moves a message may
    /// leave it there twice, and then the second one's count says so. Where it cannot be moved because `<name>.dead` is full, it
    /// stays in its slot, and is moved when there is room; it holds up nobody.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let options = mi7::SharedChannel::<u64>::options().directory(directory.path());
    /// let (tx, rx) = options.clone().max_deliveries(2).create("jobs")?.split();
    /// tx.send(&13)?;
    /// rx.recv()?.requeue();
    /// rx.recv()?.requeue();
    /// assert!(rx.try_recv().is_err());
    /// let dead = options.open("jobs.dead")?.receiver();
    /// assert_eq!(dead.recv()?.to_native(), 13);
    /// assert_eq!(rx.status().dead_letters, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// To open a channel with this given is an error if it has another limit, or none.
    #[must_use]
    pub fn max_deliveries(mut self, times: u32) -> Self {
        self.max_deliveries = Some(times);
        self
    }

    /// One sender at a time: the first that sends has this end to itself, until it is dropped or its process dies. Another that tries
    /// to send meanwhile gets [`Error::EndTaken`]. A sender that was only made, and has not sent, takes nothing.
    ///
    /// It is as fast as this can be made from the first message on, while a channel of many senders comes to it by itself once one of
    /// them has been alone for a while: what this option adds is the certainty.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let options = mi7::SharedChannel::<u64>::options().directory(directory.path());
    /// let channel = options.single_sender().create("numbers")?;
    /// let (first, second) = (channel.sender(), channel.sender());
    /// first.send(&1)?;
    /// assert!(matches!(second.send(&2), Err(mi7::Error::EndTaken { .. })));
    /// drop(first);
    /// second.send(&2)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// To open a channel with this given is an error if it was made without.
    #[must_use]
    pub fn single_sender(mut self) -> Self {
        self.single_sender = true;
        self
    }

    /// One receiver at a time: as [`single_sender`](Self::single_sender), for the other end.
    #[must_use]
    pub fn single_receiver(mut self) -> Self {
        self.single_receiver = true;
        self
    }

    /// How the handles of this opening wait while there is nothing to receive, or no room: see [`Wait`]. By default
    /// [`Wait::Adaptive`]. Others who have the channel open wait as they were told to.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let options = mi7::SharedChannel::<u64>::options().directory(directory.path());
    /// let ticks = options.wait(mi7::Wait::Spin).create("ticks")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wait(mut self, how: Wait) -> Self {
        self.wait = how;
        self
    }

    /// Asks the system for huge pages: fewer misses of the processor's address cache where large messages, or very many, go through.
    ///
    /// They are there where the channel's file system was mounted with `huge=advise` (or `within_size`, or `always`), for a channel of
    /// at least two megabytes: `mount -o remount,huge=advise /dev/shm`. Elsewhere this does nothing. `ShmemPmdMapped` in
    /// `/proc/self/smaps` tells how much came of it.
    #[must_use]
    pub fn huge_pages(mut self) -> Self {
        self.huge_pages = true;
        self
    }

    /// Touches all of the channel's memory when it is made or opened, so that no message is the first to, and waits a microsecond for
    /// the kernel. Takes a millisecond for some 10 megabytes.
    #[must_use]
    pub fn prefault(mut self) -> Self {
        self.prefault = true;
        self
    }

    /// The directory of the channel's file; by default `/dev/shm/mi7-<uid>`. If it does not exist,
    /// it is made, with mode 0700 whatever the umask; those above it are not. It has to be on a
    /// file system that has `O_TMPFILE` and `fallocate` (tmpfs, ext4, xfs, btrfs); only one in
    /// memory is fast. A relative path counts from the working directory as it is when the channel
    /// is made or opened.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    /// The permission bits of the file when it is made, by default 0600. The umask does not apply. Who may open a channel is
    /// trusted: see the crate's documentation.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Makes a channel.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], [`Error::InvalidName`], [`Error::InvalidOption`],
    /// [`Error::NoSpace`], [`Error::NoDirectory`], [`Error::PermissionDenied`],
    /// [`Error::UnsafeDirectory`], [`Error::Os`]; with [`max_deliveries`](Self::max_deliveries)
    /// also [`Error::Mismatch`] and [`Error::NotAChannel`], if there is a `<name>.dead` that does
    /// not fit. Nothing was made then.
    pub fn create(&self, name: &str) -> Result<SharedChannel<T>> {
        let kind = T::kind();
        let location = self.location(name)?;
        let path = location.path();
        let spec = Spec {
            payload: self.payload(&kind, &path)?,
            capacity: self.slots(&kind, &path)?,
            align: kind.align,
            encoding: kind.encoding as u32,
            fingerprint: kind.fingerprint,
            schema: &kind.schema,
            mode: self.file_mode(&path)?,
            max_deliveries: self.deliveries(&path)?,
            single_sender: self.single_sender,
            single_receiver: self.single_receiver,
        };
        if spec.max_deliveries != 0 {
            // The layer below looks at it too, but cannot say in what two types differ.
            let letters = location.dead_letters()?;
            if let Ok(info) = Info::read(&letters) {
                accept_type(&kind, &info, &letters.path())?;
            }
        }
        Channel::create(location, &spec).map(|core| SharedChannel::new(core, self))
    }

    /// Opens a channel.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NoDirectory`], [`Error::InvalidName`], [`Error::Mismatch`] for
    /// a channel of another message type or other options, [`Error::NotAChannel`],
    /// [`Error::TableFull`], [`Error::PermissionDenied`], [`Error::UnsafeDirectory`],
    /// [`Error::NoSpace`] for a file with holes that cannot be filled, [`Error::Os`]. The channel
    /// and those who use it are left alone then.
    pub fn open(&self, name: &str) -> Result<SharedChannel<T>> {
        let location = self.location(name)?;
        let path = location.path();
        Channel::open(location, |info| self.accept(info, &path)).map(|core| SharedChannel::new(core, self))
    }

    /// Opens a channel, or makes it if there is none. Of several processes that do this at once, one makes it and all get it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(&self, name: &str) -> Result<SharedChannel<T>> {
        // Who loses the race to make it opens it, unless it was removed again meanwhile.
        const ATTEMPTS: usize = 100;
        for attempt in 0..ATTEMPTS {
            match self.open(name) {
                Err(Error::NotFound { .. }) => {}
                other => return other,
            }
            match self.create(name) {
                Err(Error::AlreadyExists { .. }) => {}
                // The directory was there, and was removed just now.
                Err(Error::NoDirectory { .. }) if attempt + 1 < ATTEMPTS => {}
                other => return other,
            }
        }
        self.open(name)
    }

    fn location(&self, name: &str) -> Result<Location> {
        Location::new(self.directory.as_deref(), name)
    }

    /// Bytes of a slot's payload.
    fn payload(&self, kind: &Kind, path: &Path) -> Result<u64> {
        let invalid = |found: usize, expected: &str| Error::InvalidOption {
            path: path.to_owned(),
            option: "max_message_size",
            found: found.to_string(),
            expected: expected.into(),
        };
        match (kind.size, self.max_message_size) {
            (Size::Fixed(bytes), None) => Ok(bytes),
            (Size::Fixed(bytes), Some(asked)) => {
                Err(invalid(asked, &format!("left out: this type's messages always have {bytes} bytes")))
            }
            (Size::UpTo { overhead }, asked) => {
                let bytes = asked.unwrap_or(DEFAULT_MAX_MESSAGE_SIZE);
                if bytes > 1 << 31 {
                    return Err(invalid(bytes, "at most 2147483648"));
                }
                Ok(bytes as u64 + overhead)
            }
        }
    }

    fn slots(&self, kind: &Kind, path: &Path) -> Result<u32> {
        match self.capacity {
            Some(asked) => u32::try_from(asked).ok().filter(|slots| (1..=1 << 30).contains(slots)).ok_or_else(|| {
                Error::InvalidOption {
                    path: path.to_owned(),
                    option: "capacity",
                    found: asked.to_string(),
                    expected: "1 to 1073741824".into(),
                }
            }),
            None => {
                let fitting = DEFAULT_BYTES / self.payload(kind, path)?.max(1);
                Ok(fitting.clamp(4, u64::from(DEFAULT_CAPACITY)) as u32)
            }
        }
    }

    /// 0: without limit.
    fn deliveries(&self, path: &Path) -> Result<u32> {
        match self.max_deliveries {
            None => Ok(0),
            Some(times @ 1..=mi7_core::MAX_DELIVERIES) => Ok(times),
            Some(times) => Err(Error::InvalidOption {
                path: path.to_owned(),
                option: "max_deliveries",
                found: times.to_string(),
                expected: format!("1 to {}", mi7_core::MAX_DELIVERIES),
            }),
        }
    }

    fn file_mode(&self, path: &Path) -> Result<u32> {
        if self.mode & !0o777 == 0 && self.mode & 0o600 == 0o600 {
            return Ok(self.mode);
        }
        Err(Error::InvalidOption {
            path: path.to_owned(),
            option: "mode",
            found: format!("{:04o}", self.mode),
            expected: "permission bits up to 0777 that let the owner read and write".into(),
        })
    }

    /// Whether the channel is the one asked for.
    fn accept(&self, info: &Info, path: &Path) -> Result<()> {
        let kind = T::kind();
        let mismatch = |what: &str, found: String, expected: String| {
            Err(Error::Mismatch { path: path.to_owned(), what: what.into(), found, expected })
        };
        accept_type(&kind, info, path)?;
        let Geometry { capacity, payload, .. } = info.geometry;
        let bytes = |bytes: u64| format!("{bytes} bytes");
        if self.max_message_size.is_some() && payload != self.payload(&kind, path)? {
            let asked = self.payload(&kind, path)?;
            let overhead = asked - self.max_message_size.unwrap_or(0) as u64;
            return mismatch("max_message_size", bytes(payload - overhead), bytes(asked - overhead));
        }
        if self.capacity.is_some_and(|asked| asked != capacity as usize) {
            return mismatch("capacity", capacity.to_string(), self.capacity.unwrap_or(0).to_string());
        }
        for (option, asked, has) in [
            ("single_sender", self.single_sender, info.single_sender),
            ("single_receiver", self.single_receiver, info.single_receiver),
        ] {
            if asked && !has {
                return mismatch(option, "many of them".into(), "one at a time".into());
            }
        }
        if self.max_deliveries.is_some() && self.deliveries(path)? != info.max_deliveries {
            let limit = match info.max_deliveries {
                0 => "no limit".to_owned(),
                times => times.to_string(),
            };
            return mismatch("max_deliveries", limit, self.deliveries(path)?.to_string());
        }
        Ok(())
    }
}

/// Whether the messages of a channel are of this kind.
fn accept_type(kind: &Kind, info: &Info, path: &Path) -> Result<()> {
    let mismatch = |what: &str, found: String, expected: String| {
        Err(Error::Mismatch { path: path.to_owned(), what: what.into(), found, expected })
    };
    if info.encoding != kind.encoding as u32 {
        let describe = |encoding, schema: &str| format!("{} (`{}`)", Encoding::describe(encoding), title(schema));
        return mismatch(
            "the encoding of its messages",
            describe(info.encoding, &info.schema),
            describe(kind.encoding as u32, &kind.schema),
        );
    }
    if info.fingerprint != kind.fingerprint || info.schema != kind.schema {
        if kind.encoding != Encoding::Archive {
            // Of these types there is no more than the name.
            let quoted = |schema| format!("`{}`", title(schema));
            return mismatch("the message type", quoted(&info.schema), quoted(&kind.schema));
        }
        return match schema::first_difference(&kind.schema, &info.schema) {
            // Not in a field, but in what the whole is.
            Some(difference) if difference.field == title(&kind.schema) => {
                mismatch("the message type", difference.theirs, difference.ours)
            }
            Some(difference) => mismatch(&difference.field, difference.theirs, difference.ours),
            None => mismatch("the message type", info.schema.clone(), kind.schema.clone()),
        };
    }
    let Geometry { payload, align, .. } = info.geometry;
    let bytes = |bytes: u64| format!("{bytes} bytes");
    match kind.size {
        Size::Fixed(size) if payload != size => {
            return mismatch("the size of a message", bytes(payload), bytes(size));
        }
        Size::UpTo { overhead } if payload < overhead => {
            return mismatch("the size of a message", bytes(payload), format!("at least {overhead} bytes"));
        }
        _ => {}
    }
    if align < kind.align {
        return mismatch("the alignment of a message", bytes(align.into()), bytes(kind.align.into()));
    }
    Ok(())
}

impl<T: Payload> Clone for Options<T> {
    fn clone(&self) -> Self {
        Options { directory: self.directory.clone(), message: PhantomData, ..*self }
    }
}

impl<T: Payload> fmt::Debug for Options<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("capacity", &self.capacity)
            .field("max_message_size", &self.max_message_size)
            .field("max_deliveries", &self.max_deliveries)
            .field("single_sender", &self.single_sender)
            .field("single_receiver", &self.single_receiver)
            .field("wait", &self.wait)
            .field("huge_pages", &self.huge_pages)
            .field("prefault", &self.prefault)
            .field("directory", &self.directory)
            .field("mode", &format_args!("{:04o}", self.mode))
            .finish()
    }
}

/// How a channel is doing, counted while others go on: exact when nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Messages that wait to be received.
    pub waiting: usize,
    /// The most that can wait.
    pub capacity: usize,
    /// Messages that receivers hold. Each takes the room of one.
    pub leased: usize,
    /// The living processes with senders.
    pub senders: Vec<End>,
    /// The living processes with receivers.
    pub receivers: Vec<End>,
    /// Messages sent since the channel was made. May be one too many for each process that was killed in the middle of it.
    pub sent: u64,
    /// Messages received and done with since the channel was made. May be one too many as `sent` may.
    pub received: u64,
    /// Messages that went to the channel of dead letters: see [`Options::max_deliveries`]. May be one too few for each process that
    /// was killed while it moved one.
    pub dead_letters: u64,
    /// The most messages that waited at once. Sampled by the senders: on a busy channel, a burst of fewer than 64 messages
    /// may be missed.
    pub peak_depth: usize,
    /// Bytes of the channel's file.
    pub bytes: u64,
    /// Time since the channel was made.
    pub age: Duration,
    /// Nothing more can be sent.
    pub closed: bool,
    /// The channel's name was taken away.
    pub removed: bool,
}

/// A process at one end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Its process id, in its own pid namespace.
    pub pid: u32,
    /// How many senders, or receivers, it has.
    pub handles: usize,
}

/// A channel's file, as [`list`](crate::list) finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The channel's name.
    pub name: String,
    /// The channel's file.
    pub path: PathBuf,
    /// How many messages fit in; the message type in words; bytes of the file. `None` for a file that is no channel (of this
    /// version), or that may not be read.
    pub channel: Option<ListedChannel>,
}

/// What a channel's file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedChannel {
    /// How many messages fit in.
    pub capacity: usize,
    /// The name of the message type.
    pub message: String,
    /// The message type in words: see [`schema`].
    pub schema: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Time since the channel was made.
    pub age: Duration,
}

pub(crate) fn list(directory: Option<&Path>) -> Result<Vec<Listed>> {
    let names = mi7_core::names(directory)?;
    Ok(names
        .into_iter()
        .filter_map(|name| {
            let location = Location::new(directory, &name).ok()?;
            let channel = match Info::read(&location) {
                // Removed since the directory was read.
                Err(Error::NotFound { .. }) => return None,
                Err(_) => None,
                Ok(info) => Some(ListedChannel {
                    capacity: info.geometry.capacity as usize,
                    message: title(&info.schema),
                    bytes: info.bytes,
                    age: Duration::from_nanos(mi7_core::unix_nanos().saturating_sub(info.created)),
                    schema: info.schema,
                }),
            };
            Some(Listed { name, path: location.path(), channel })
        })
        .collect())
}

pub(crate) fn remove(directory: Option<&Path>, name: &str) -> Result<()> {
    Location::new(directory, name)?.remove()
}

/// The name of the message type whose schema text this is.
fn title(text: &str) -> String {
    match (text.strip_prefix(dynamic::BINCODE_OF), schema::Layout::parse(text)) {
        (Some(name), _) => name.to_owned(),
        (None, Ok(layout)) => layout.name(),
        (None, Err(_)) => text.lines().next().unwrap_or_default().to_owned(),
    }
}
