//! An open channel: the ring, the table entry of this process, and waiting.

use std::fs::File;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::blocks;
use crate::burial::{self, Burial};
use crate::directory::status_of;
use crate::ends::{End, Memory};
use crate::error::{Error, Result};
use crate::fork::{self, Descriptor};
use crate::layout::{Entry, Geometry, Preamble};
use crate::os::{self, Location};
use crate::position::{Owner, Position};
use crate::recovery::{Participant, Table};
use crate::region::Region;
use crate::ring::{Blocked, Claim, Lease, Ring, Room};
use crate::spin::{Machine, SpinBudget, Wait};
use crate::sync::{AtomicU32, Ordering, join_fences};
use crate::tasks::Tasks;
use crate::wait::{Bell, TICK};

/// What this process has learned of its machine.
static MACHINE: Machine = Machine::new();

/// What a channel is made with.
#[derive(Clone, Debug)]
pub struct Spec<'a> {
    /// Slots, at least 1.
    pub capacity: u32,
    /// Bytes of a message.
    pub payload: u64,
    /// Alignment of a message, a power of two up to [`MAX_ALIGN`](crate::MAX_ALIGN).
    pub align: u32,
    /// How messages are encoded: a number this layer gives no meaning to.
    pub encoding: u32,
    /// What tells message types apart.
    pub fingerprint: [u8; 16],
    /// The message type, in words.
    pub schema: &'a str,
    /// Permission bits of the file.
    pub mode: u32,
    /// One handle at a time sends.
    pub single_sender: bool,
    /// One handle at a time receives.
    pub single_receiver: bool,
    /// How often a message is handed out in vain before it goes to the channel of dead letters, 1 to
    /// [`MAX_DELIVERIES`](crate::MAX_DELIVERIES); 0: without limit.
    pub max_deliveries: u32,
}

impl Spec<'_> {
    /// The preamble of a channel made now.
    pub(crate) fn preamble(&self) -> Preamble {
        Preamble {
            geometry: Geometry {
                capacity: self.capacity,
                payload: self.payload,
                align: self.align,
                schema: u32::try_from(self.schema.len()).unwrap_or(u32::MAX),
            },
            encoding: self.encoding,
            fingerprint: self.fingerprint,
            created: os::unix_nanos(),
            id: os::random(),
            max_deliveries: self.max_deliveries,
            single_sender: self.single_sender,
            single_receiver: self.single_receiver,
        }
    }
}

/// What stands in the preamble of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its shape.
    pub geometry: Geometry,
    /// How messages are encoded.
    pub encoding: u32,
    /// What tells message types apart.
    pub fingerprint: [u8; 16],
    /// The message type, in words.
    pub schema: String,
    /// When it was made, in nanoseconds since the Unix epoch.
    pub created: u64,
    /// Drawn at random when it was made: two channels of one name, one after the other, differ in it.
    pub id: [u8; 16],
    /// Bytes of the file.
    pub bytes: u64,
    /// How often a message is handed out in vain before it goes to the channel of dead letters; 0: without limit.
    pub max_deliveries: u32,
    /// One handle at a time sends.
    pub single_sender: bool,
    /// One handle at a time receives.
    pub single_receiver: bool,
}

impl Info {
    fn new(preamble: &Preamble, schema: String) -> Self {
        Info {
            geometry: preamble.geometry,
            encoding: preamble.encoding,
            fingerprint: preamble.fingerprint,
            schema,
            created: preamble.created,
            id: preamble.id,
            bytes: preamble.geometry.file_len().unwrap_or(0),
            max_deliveries: preamble.max_deliveries,
            single_sender: preamble.single_sender,
            single_receiver: preamble.single_receiver,
        }
    }

    /// Reads it from a channel's file, without opening the channel.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NoDirectory`], [`Error::NotAChannel`],
    /// [`Error::PermissionDenied`].
    pub fn read(location: &Location) -> Result<Self> {
        let (_, preamble, schema) = Region::open(location)?;
        Ok(Info::new(&preamble, schema))
    }
}

/// How a channel is doing. Counted while others go on: exact when nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Messages that wait to be received.
    pub waiting: u64,
    /// Messages that receivers hold.
    pub leased: u64,
    /// Slots that senders are writing to.
    pub writing: u64,
    /// Messages sent since the channel was made.
    pub sent: u64,
    /// Messages received and done with since the channel was made.
    pub received: u64,
    /// Messages that went to the channel of dead letters.
    pub dead_letters: u64,
    /// The most messages seen waiting at once. Sampled: short bursts may be missed.
    pub peak: u64,
    /// No more can be sent.
    pub closed: bool,
    /// The file has lost its name.
    pub removed: bool,
    /// The processes that have the channel open.
    pub participants: Vec<Participant>,
}

/// A slot that is the holder's to write to. Settle it with [`Channel::publish`] or [`Channel::give_up`]: until then it
/// stands in the way of everything sent after it.
#[derive(Debug)]
#[must_use]
pub struct Grant(Claim);

/// A slot that is the holder's to read. Settle it with [`Channel::release`] or [`Channel::put_back`].
#[derive(Debug)]
#[must_use]
pub struct Held(Lease);

impl Held {
    /// How often the message has been handed out, this time included: 1 for nearly all. Counts on from 32 after 63.
    pub fn deliveries(&self) -> u32 {
        self.0.deliveries + 1
    }
}

/// One opening of a channel.
pub struct Channel {
    pub(crate) region: Region,
    pub(crate) file: Descriptor<File>,
    location: Location,
    info: Info,
    me: Owner,
    /// [`fork::count`] in the process that opened it.
    forks: u32,
    waiting: Wait,
    /// Of those who wait for a message, and of those who wait for room.
    spin_budgets: [SpinBudget; 2],
    pub(crate) burial: Burial,
    /// Held while a handle is first used.
    pub(crate) adopting: Mutex<()>,
    pub(crate) tasks: Tasks,
}

/// Every so many calls in quick succession, the clock is looked at, for whether it is time to look for the dead.
const CLOCK_EVERY: u32 = 64;
/// How long whoever closes a channel tries to close `tail` before it leaves that to the others.
const CLOSING: Duration = TICK;
/// The most messages that are leased under one [`Bias::move_as`](crate::bias::Bias::move_as).
const RUN: usize = 64;
/// Every so many sends at the most, the depth is looked at.
const DEPTH_EVERY: u32 = 64;

impl Channel {
    /// Makes a channel and opens it.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], [`Error::NoSpace`], [`Error::InvalidOption`],
    /// [`Error::PermissionDenied`], [`Error::UnsafeDirectory`], [`Error::NoDirectory`]. In each
    /// case nothing was made.
    pub fn create(location: Location, spec: &Spec<'_>) -> Result<Self> {
        let location = location.hold(true)?;
        let letters = burial::prepare(&location, spec)?;
        let (region, unnamed) = Region::create(&location, spec.preamble(), spec.schema, spec.mode)?;
        let directory = unnamed.directory;
        let channel = Self::enter(region, unnamed.file, location, spec.schema.to_owned())?;
        fault!("file complete, without a name");
        channel.location.give_name(&channel.file, &directory)?;
        fault!("file named");
        if let Some(letters) = letters {
            letters.give_name();
        }
        Ok(channel)
    }

    /// Opens a channel, if `accept` finds nothing wrong with it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NoDirectory`], [`Error::NotAChannel`],
    /// [`Error::PermissionDenied`], [`Error::TableFull`], and those of `accept`, before anything in
    /// the channel was touched. [`Error::NoSpace`] for a file with holes that cannot be filled.
    pub fn open(location: Location, accept: impl FnOnce(&Info) -> Result<()>) -> Result<Self> {
        let location = location.hold(false)?;
        let (file, preamble, schema) = Region::open(&location)?;
        let info = Info::new(&preamble, schema.clone());
        accept(&info)?;
        blocks::make_whole(&file, info.bytes, &location.path())?;
        let region = Region::map(&file, &location, preamble)?;
        let channel = Self::enter(region, file, location, schema)?;
        if rustix::fs::fstat(&channel.file).is_ok_and(|status| status.st_nlink == 0) {
            return Err(Error::NotFound { path: channel.location.path() });
        }
        Ok(channel)
    }

    fn enter(region: Region, file: Descriptor<File>, location: Location, schema: String) -> Result<Self> {
        let tasks = Tasks::new(location.directory(false)?);
        let table = Table { region: &region, file: &file, directory: tasks.directory() };
        let me = match table.enter() {
            Ok(Some(me)) => me,
            Ok(None) => {
                return Err(Error::TableFull { path: location.path(), participants: crate::PARTICIPANTS });
            }
            Err(source) => return Err(Error::Os { call: "fcntl(F_OFD_SETLK)", path: location.path(), source }),
        };
        let info = Info::new(&region.preamble, schema);
        region.map.belongs_to(me);
        let burial = Burial::new(info.max_deliveries);
        let adopting = Mutex::new(());
        let channel = Channel {
            region,
            file,
            location,
            info,
            me,
            forks: fork::count(),
            waiting: Wait::default(),
            spin_budgets: [SpinBudget::new(&MACHINE), SpinBudget::new(&MACHINE)],
            burial,
            adopting,
            tasks,
        };
        join_fences(&channel.ring().shared().hints.0);
        channel.burial.begin(channel.ring());
        channel.look_around();
        // For what was recovered on the way in.
        channel.step_across();
        channel.receivers().ring_if_parked();
        channel.senders().ring_if_parked();
        Ok(channel)
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.region.ring
    }

    pub(crate) fn me(&self) -> Owner {
        self.me
    }

    /// Whether it was opened by a process that this one is a forked child of. Its memory is private then, and nothing
    /// that is done with it reaches anybody: see the module `fork`.
    #[inline]
    pub fn is_inherited(&self) -> bool {
        self.forks != fork::count()
    }

    /// To be asked on slow paths. A forked child gets to them with every call.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    #[inline]
    pub fn check_process(&self) -> Result<()> {
        if self.is_inherited() { Err(Error::Forked { path: self.location.path() }) } else { Ok(()) }
    }

    /// The entry of this process.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.me.entry().map(|entry| &self.region.entries()[usize::from(entry)])
    }

    pub(crate) fn is_dead(&self, owner: Owner) -> bool {
        self.table().is_dead(self.me, owner)
    }

    pub(crate) fn table(&self) -> Table<'_> {
        Table { region: &self.region, file: &self.file, directory: self.tasks.directory() }
    }

    pub(crate) fn receivers(&self) -> Bell<'_> {
        let shared = self.ring().shared();
        Bell { end: End::Receiving, parking: &shared.receivers.0, hints: &shared.hints.0, doors: self }
    }

    pub(crate) fn senders(&self) -> Bell<'_> {
        let shared = self.ring().shared();
        Bell { end: End::Sending, parking: &shared.senders.0, hints: &shared.hints.0, doors: self }
    }

    /// What stands in the preamble.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Where the file lies.
    pub fn location(&self) -> &Location {
        &self.location
    }

    // ---- sending ---------------------------------------------------------------------------------------------------

    /// Claims a slot, if there is room.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Closed`], [`Error::Exhausted`], [`Error::Corrupt`].
    #[inline(never)]
    pub fn try_claim(&self, memory: &Memory) -> Result<Grant> {
        match self.claim(memory, Room::Any) {
            Ok(claim) => Ok(Grant(claim)),
            Err(Blocked::Full) => self.try_claim_again(memory),
            Err(blocked) => Err(self.error(blocked)),
        }
    }

    /// Claims the next slot if that is free: for callers that go on with [`claim_until`](Self::claim_until) if it is not. [`Error::Full`]
    /// does not mean that [`try_claim`](Self::try_claim) will fail.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim).
    #[inline(never)]
    pub fn try_claim_next(&self, memory: &Memory) -> Result<Grant> {
        self.claim(memory, Room::Next).map(Grant).map_err(|blocked| self.error(blocked))
    }

    /// Who only ever polls looks for the dead too.
    #[cold]
    fn try_claim_again(&self, memory: &Memory) -> Result<Grant> {
        self.check_process()?;
        self.note_full(memory);
        if !self.count_call(memory) {
            return Err(Error::Full);
        }
        self.claim(memory, Room::Any).map(Grant).map_err(|blocked| self.error(blocked))
    }

    /// Claims a slot, waiting for room until `deadline` (for ever, if there is none).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], [`Error::Closed`], [`Error::Exhausted`], [`Error::Corrupt`].
    #[inline(never)]
    pub fn claim_until(&self, memory: &Memory, deadline: Option<Instant>) -> Result<Grant> {
        match self.claim(memory, Room::Next) {
            Ok(claim) => Ok(Grant(claim)),
            Err(blocked) => self.claim_slowly(memory, blocked, deadline),
        }
    }

    /// Claims a slot if this handle is alone at its end, and there is room: what most calls come to, in few instructions. `None` does
    /// not mean that [`try_claim`](Self::try_claim) will fail.
    #[inline(always)]
    pub fn claim_at_once(&self, memory: &Memory) -> Option<Grant> {
        let bias = memory.bias();
        if bias == 0 {
            return None;
        }
        self.ring().claim_biased(self.me, memory.settled.load(Ordering::Acquire), bias).map(Grant)
    }

    #[inline]
    fn claim(&self, memory: &Memory, room: Room) -> Result<Claim, Blocked> {
        if let Some(grant) = self.claim_at_once(memory) {
            return Ok(grant.0);
        }
        let settled = memory.settled.load(Ordering::Acquire);
        // Relaxed: who closes goes by `tail`; this is for where it cannot.
        if self.ring().shared().hints.0.closed.load(Ordering::Relaxed) != 0 {
            self.finish_closing();
            return Err(Blocked::Closed);
        }
        self.enter_end(End::Sending, memory)?;
        let claim = self.ring().claim(self.me, settled, room, &|owner| self.is_dead(owner))?;
        self.seek_bias(End::Sending, memory);
        Ok(claim)
    }

    #[cold]
    fn claim_slowly(&self, memory: &Memory, blocked: Blocked, deadline: Option<Instant>) -> Result<Grant> {
        if blocked != Blocked::Full {
            return Err(self.error(blocked));
        }
        self.check_process()?;
        self.note_full(memory);
        let claim = self.wait(
            End::Sending,
            deadline,
            || self.ring().watch_tail(),
            |room| match self.claim(memory, room) {
                Ok(claim) => Ok(Some(claim)),
                Err(Blocked::Full) => Ok(None),
                Err(blocked) => Err(self.error(blocked)),
            },
            || self.ring().may_have_room(),
        )?;
        Ok(Grant(claim))
    }

    /// Where the message goes: `payload` bytes, aligned as the geometry says. Nobody else touches them while the grant
    /// lasts.
    #[inline]
    pub fn slot(&self, grant: &Grant) -> NonNull<u8> {
        self.region.payload(grant.0.index)
    }

    /// Hands the message over.
    #[inline]
    pub fn publish(&self, memory: &Memory, grant: Grant) {
        self.publish_quietly(memory, &mut Some(grant));
        let _ = self.wake_receivers();
    }

    /// Hands the message over, and leaves it to the caller to [wake](Self::wake_receivers) somebody for it: soon, for one who sleeps
    /// looks around of its own accord only ten times a second.
    ///
    /// The grant is taken from where it lies: to move it out first would be to load in one piece what has just been stored in several,
    /// for which the processor waits. Where there is none, nothing is done.
    #[inline(always)]
    pub fn publish_quietly(&self, memory: &Memory, grant: &mut Option<Grant>) {
        if let Some(Grant(claim)) = grant {
            self.ring().publish(claim);
            memory.settled.store(claim.counter, Ordering::Release);
            self.sample_depth(memory, claim);
        }
        *grant = None;
    }

    /// Wakes one who sleeps until there is a message, if anybody does.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`]: what was published went nowhere.
    #[inline]
    pub fn wake_receivers(&self) -> Result<()> {
        let shared = self.ring().shared();
        if shared.receivers.0.may_be_parked(End::Receiving, &shared.hints.0.fenced) {
            self.ring_slowly(End::Receiving)?;
        }
        fault!("receivers rung");
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn ring_slowly(&self, end: End) -> Result<()> {
        self.check_process()?;
        match end {
            End::Receiving => self.receivers().ring_slowly(),
            End::Sending => self.senders().ring_slowly(),
        }
        Ok(())
    }

    /// Hands over a message that had been handed out so often in another channel.
    pub(crate) fn publish_again(&self, grant: Grant, deliveries: u32) {
        self.ring().publish_again(&grant.0, deliveries);
        self.receivers().ring_if_parked();
    }

    /// Gives the slot back unwritten.
    #[cold]
    pub fn give_up(&self, memory: &Memory, grant: Grant) {
        if self.is_inherited() {
            return;
        }
        self.ring().give_up(&grant.0);
        memory.settled.store(grant.0.counter, Ordering::Release);
        self.step_across();
        self.ring().hint_given_up(grant.0.position);
        self.receivers().ring_if_parked();
        self.senders().ring_if_parked();
    }

    /// Keeps the peak. Looks at `head`, which is the receivers' line, only where the depth as last known would be a new
    /// peak, and ever more rarely while it turns out not to be.
    #[inline(always)]
    fn sample_depth(&self, memory: &Memory, claim: &Claim) {
        let wait = memory.depth_in.load(Ordering::Relaxed);
        if wait > 0 {
            memory.depth_in.store(wait - 1, Ordering::Relaxed);
        } else {
            self.sample_depth_now(memory, claim.position);
        }
    }

    #[inline(never)]
    fn sample_depth_now(&self, memory: &Memory, position: Position) {
        let (positions, stats) = (self.ring().positions, &self.ring().shared().stats.0);
        let sent = positions.count(position) + 1;
        let peak = stats.peak.load(Ordering::Relaxed);
        let known = sent.saturating_sub(memory.head.load(Ordering::Relaxed));
        if known <= peak {
            // It takes as many sends more until it can be one.
            let wait = u32::try_from(peak - known).unwrap_or(DEPTH_EVERY).min(DEPTH_EVERY);
            memory.depth_in.store(wait, Ordering::Relaxed);
            return;
        }
        if self.note_depth_of_gaps(memory) {
            return;
        }
        let head = positions.count(self.ring().head().position());
        memory.head.store(head, Ordering::Relaxed);
        let every = if sent.saturating_sub(head) > peak {
            self.note_peak(sent.saturating_sub(head));
            0
        } else {
            (memory.depth_every.load(Ordering::Relaxed) * 2 + 1).min(DEPTH_EVERY)
        };
        memory.depth_every.store(every, Ordering::Relaxed);
        memory.depth_in.store(every, Ordering::Relaxed);
    }

    /// Keeps the peak where there are gaps, so that the counters do not tell the depth. False where there are none. Counting takes time in
    /// proportion to the capacity, so it is done once in so many sends.
    #[cold]
    fn note_depth_of_gaps(&self, memory: &Memory) -> bool {
        let ring = self.ring();
        if !ring.has_gaps() || ring.clear_gaps() {
            return false;
        }
        self.note_peak(ring.census().waiting);
        memory.depth_in.store(self.info.geometry.capacity, Ordering::Relaxed);
        true
    }

    /// Keeps the peak of a channel found full (of messages, and of what others are writing).
    fn note_full(&self, memory: &Memory) {
        let (ring, stats) = (self.ring(), &self.ring().shared().stats.0);
        if stats.peak.load(Ordering::Relaxed) < u64::from(self.info.geometry.capacity) {
            if ring.has_gaps() {
                let wait = memory.depth_in.load(Ordering::Relaxed);
                memory.depth_in.store(wait.saturating_sub(1), Ordering::Relaxed);
                if wait > 0 || self.note_depth_of_gaps(memory) {
                    return;
                }
            }
            let [tail, head] = [ring.tail(), ring.head()].map(|counter| ring.positions.count(counter.position()));
            self.note_peak(tail.saturating_sub(head));
        }
    }

    fn note_peak(&self, depth: u64) {
        let depth = depth.min(u64::from(self.info.geometry.capacity));
        let peak = &self.ring().shared().stats.0.peak;
        if peak.load(Ordering::Relaxed) < depth {
            peak.fetch_max(depth, Ordering::Relaxed);
        }
    }

    // ---- receiving -------------------------------------------------------------------------------------------------

    /// Leases a message, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Closed`] once the channel is closed and drained, [`Error::Corrupt`].
    #[inline(never)]
    pub fn try_lease(&self, memory: &Memory) -> Result<Held> {
        match self.lease(memory) {
            Ok(lease) => Ok(Held(lease)),
            Err(Blocked::Empty) => self.try_lease_again(memory),
            Err(blocked) => Err(self.error(blocked)),
        }
    }

    /// Who only ever polls looks for the dead, and whether the channel has ended, too.
    #[inline]
    fn try_lease_again(&self, memory: &Memory) -> Result<Held> {
        self.check_process()?;
        let looked = self.count_call(memory);
        if !looked && self.ring().shared().hints.0.closed.load(Ordering::Relaxed) == 0 {
            return Err(Error::Empty);
        }
        match self.lease(memory) {
            Ok(lease) => Ok(Held(lease)),
            Err(Blocked::Empty) if self.is_ended() => Err(Error::Closed),
            Err(blocked) => Err(self.error(blocked)),
        }
    }

    /// Leases a message, waiting for one until `deadline` (for ever, if there is none).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], [`Error::Closed`] once the channel is closed and drained, [`Error::Corrupt`].
    #[inline(never)]
    pub fn lease_until(&self, memory: &Memory, deadline: Option<Instant>) -> Result<Held> {
        match self.lease(memory) {
            Ok(lease) => Ok(Held(lease)),
            Err(blocked) => self.lease_slowly(memory, blocked, deadline),
        }
    }

    /// Leases a message if this handle is alone at its end, and there is one: what most calls come to, in few instructions. `None` does
    /// not mean that [`try_lease`](Self::try_lease) will fail.
    #[inline(always)]
    pub fn lease_at_once(&self, memory: &Memory) -> Option<Held> {
        let bias = memory.bias();
        if bias == 0 {
            return None;
        }
        let lease = self.ring().lease_biased(self.me, memory.settled.load(Ordering::Acquire), bias)?;
        self.count_call(memory);
        Some(Held(lease))
    }

    #[inline]
    fn lease(&self, memory: &Memory) -> Result<Lease, Blocked> {
        if let Some(held) = self.lease_at_once(memory) {
            return Ok(held.0);
        }
        let lease = self.lease_unbiased(memory, memory.settled.load(Ordering::Acquire))?;
        // On a channel that is never empty nobody waits, and so nobody looks for the dead but here.
        self.count_call(memory);
        Ok(lease)
    }

    #[inline]
    fn lease_unbiased(&self, memory: &Memory, settled: u64) -> Result<Lease, Blocked> {
        self.enter_end(End::Receiving, memory)?;
        let dead = |owner| self.is_dead(owner);
        let mut lease = self.ring().lease_below(self.burial.limit(self.ring()), self.me, settled, &dead)?;
        while self.burial.is_too_often(&lease) {
            self.bury(lease);
            lease = self.ring().lease_below(self.burial.limit(self.ring()), self.me, settled, &dead)?;
        }
        self.seek_bias(End::Receiving, memory);
        Ok(lease)
    }

    /// Leases a message, waiting for one until `deadline` (for ever, if there is none), and what else there is then, up to `most`
    /// messages in all. `take` has to be quick, and not to use the channel: others may be waiting for it to return.
    ///
    /// # Errors
    ///
    /// As [`lease_until`](Self::lease_until). Nothing was leased then.
    pub fn lease_many(
        &self,
        memory: &Memory,
        deadline: Option<Instant>,
        most: usize,
        take: impl FnMut(Held),
    ) -> Result<()> {
        if most > 0 {
            self.lease_more(memory, self.lease_until(memory, deadline)?, most, take);
        }
        Ok(())
    }

    /// Gives `take` a message just leased, and what else there is now, up to `most` messages in all: see
    /// [`lease_many`](Self::lease_many).
    pub fn lease_more(&self, memory: &Memory, first: Held, most: usize, mut take: impl FnMut(Held)) {
        let (mut newest, mut left, mut alone) = (first.0, most.saturating_sub(1), false);
        take(first);
        while left > 0 {
            // In short runs: one who comes to this end anew waits for each to be over.
            let (from, before, bias) = (newest, left, memory.bias());
            if bias != 0 {
                self.ring().lease_run_biased(self.me, bias, &from, left.min(RUN), |lease| {
                    (newest, left, alone) = (lease, left - 1, true);
                    take(Held(lease));
                });
            }
            if left == before {
                if alone {
                    break;
                }
                let Ok(lease) = self.lease_unbiased(memory, 0) else { break };
                (newest, left) = (lease, left - 1);
                take(Held(lease));
            }
        }
    }

    /// Looks at the clock now and then, and looks for the dead if it is time. True if it did.
    #[inline]
    fn count_call(&self, memory: &Memory) -> bool {
        let calls = memory.calls.load(Ordering::Relaxed);
        if calls > 0 {
            memory.calls.store(calls - 1, Ordering::Relaxed);
            return false;
        }
        self.look_at_clock(memory)
    }

    #[cold]
    fn look_at_clock(&self, memory: &Memory) -> bool {
        let now = os::coarse_millis();
        let slow = memory.looked.swap(now, Ordering::Relaxed) != now;
        memory.calls.store(if slow { 0 } else { CLOCK_EVERY }, Ordering::Relaxed);
        if slow {
            self.look_around();
        }
        slow
    }

    #[cold]
    fn lease_slowly(&self, memory: &Memory, blocked: Blocked, deadline: Option<Instant>) -> Result<Held> {
        if blocked != Blocked::Empty {
            return Err(self.error(blocked));
        }
        self.check_process()?;
        let lease = self.wait(
            End::Receiving,
            deadline,
            || self.ring().watch_head(),
            |_| match self.lease(memory) {
                Ok(lease) => Ok(Some(lease)),
                Err(Blocked::Empty) if self.is_ended() => Err(Error::Closed),
                Err(Blocked::Empty) => Ok(None),
                Err(blocked) => Err(self.error(blocked)),
            },
            // A message for one more receiver.
            || self.ring().has_work(),
        )?;
        Ok(Held(lease))
    }

    /// Closed, drained, and nothing left behind by the dead. `closed` is a hint that spares idle polls the senders' line.
    pub(crate) fn is_ended(&self) -> bool {
        // Relaxed: a hint; `is_drained` decides. One who waits looks at the truth at each tick (`wait`).
        if self.ring().shared().hints.0.closed.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.finish_closing();
        if !self.ring().is_drained() {
            return false;
        }
        self.reap();
        self.burial.try_again(self.ring());
        !self.ring().may_redeliver()
    }

    /// Waits until there is something to receive, the channel is closed, or `stop` says so when it is asked, which is whenever
    /// somebody rings; but takes nothing. False at the deadline.
    ///
    /// Being rung is being chosen among the waiters: the caller has to see to it that somebody receives.
    pub fn wait_for_message(&self, deadline: Instant, stop: impl Fn() -> bool) -> bool {
        self.wait(
            End::Receiving,
            Some(deadline),
            || self.ring().watch_head(),
            |_| Ok((self.ring().has_work() || self.is_ended() || stop()).then_some(())),
            || false,
        )
        .is_ok()
    }

    /// Rings for another waiter if there is something to receive still.
    pub fn pass_ring_on(&self) {
        if self.ring().has_work() {
            self.receivers().ring_if_parked();
        }
    }

    /// Makes whoever waits for a message in any process look again.
    pub fn nudge_receivers(&self) {
        self.receivers().ring_all();
    }

    /// Where the message is: `payload` bytes, aligned as the geometry says. Nobody else writes to them while it is held.
    #[inline]
    pub fn message(&self, held: &Held) -> NonNull<u8> {
        self.region.payload(held.0.index)
    }

    /// Says that the message is done, and frees its slot.
    #[inline]
    pub fn release(&self, memory: Option<&Memory>, held: Held) {
        self.release_quietly(memory, &mut Some(held));
        self.wake_senders();
    }

    /// Says that the message is done, and leaves it to the caller to [wake](Self::wake_senders) somebody for its slot, as
    /// [`publish_quietly`](Self::publish_quietly) does.
    #[inline(always)]
    pub fn release_quietly(&self, memory: Option<&Memory>, held: &mut Option<Held>) {
        if let Some(Held(lease)) = held {
            self.ring().release(lease);
            if let Some(memory) = memory
                && lease.counter != 0
            {
                memory.settled.store(lease.counter, Ordering::Release);
            }
        }
        *held = None;
    }

    /// Wakes one who sleeps until there is room, if anybody does.
    #[inline]
    pub fn wake_senders(&self) {
        let shared = self.ring().shared();
        if shared.senders.0.may_be_parked(End::Sending, &shared.hints.0.fenced) {
            // In a forked child there is nobody to be woken.
            let _ = self.ring_slowly(End::Sending);
        }
        fault!("senders rung");
    }

    /// Puts the message back, to be handed out again ahead of newer ones.
    #[cold]
    pub fn put_back(&self, held: Held) {
        if self.is_inherited() {
            return;
        }
        self.ring().put_back(&held.0);
        self.receivers().ring_if_parked();
    }

    // ---- waiting ---------------------------------------------------------------------------------------------------

    /// How those who wait through this opening of the channel do so. By default [`Wait::Adaptive`].
    pub fn wait_as(&mut self, waiting: Wait) {
        self.waiting = waiting;
    }

    /// Asks for huge pages, where the system has them for such files.
    pub fn use_huge_pages(&self) {
        self.region.use_huge_pages();
    }

    /// Has all pages of the channel in memory and mapped.
    pub fn prefault(&self) {
        self.region.prefault();
    }

    /// How those who wait here do so.
    pub(crate) fn waiting(&self) -> Wait {
        self.waiting
    }

    /// What decides how long those spin who wait at this end.
    pub(crate) fn spin_budget(&self, end: End) -> &SpinBudget {
        &self.spin_budgets[end as usize]
    }

    /// Recovers what the dead had. True if there were any.
    fn reap(&self) -> bool {
        if self.is_inherited() {
            return false;
        }
        let found = self.table().reap(self.me);
        if found {
            self.step_across();
        }
        found
    }

    /// What a waiter does between announcing itself and looking.
    pub(crate) fn look_for_waiter(&self) {
        self.mend_hints();
        self.look_around();
    }

    /// Looks for the dead if it is time, and wakes those for whom they left something: messages to hand out again, room.
    fn look_around(&self) {
        if self.is_inherited() {
            return;
        }
        self.burial.try_again(self.ring());
        if !self.table().is_reaping_due() {
            return;
        }
        self.mend_hints();
        if self.reap() {
            self.receivers().ring_if_parked();
            self.senders().ring_if_parked();
        }
    }

    /// Makes the hint say what `tail` says, where whoever closed the channel died in between; or the other way round.
    fn mend_hints(&self) {
        if self.ring().tail().is_closed() {
            self.ring().shared().hints.0.closed.store(1, Ordering::Relaxed);
        } else if self.ring().shared().hints.0.closed.load(Ordering::Relaxed) != 0 {
            self.finish_closing();
        }
    }

    /// Closes `tail`, where whoever closed the channel could not get at it.
    fn finish_closing(&self) {
        if !self.is_inherited() && !self.ring().tail().is_closed() {
            self.close_tail();
        }
    }

    // ---- the whole channel -----------------------------------------------------------------------------------------

    /// Ends the channel: nothing more can be sent, what was sent can still be received.
    ///
    /// Where the one who has the sending end to itself was stopped between two certain instructions, it may send one more message when
    /// it goes on, and the receivers learn of the end only then.
    pub fn close(&self) {
        if self.is_inherited() {
            return;
        }
        let (begun, closed) = (Instant::now(), &self.ring().shared().hints.0.closed);
        while !self.close_tail() && closed.load(Ordering::Relaxed) == 0 && begun.elapsed() < CLOSING {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Also where somebody else closed it, and may have died before this. Where `tail` could not be closed, everybody who finds this
        // goes on trying.
        closed.store(1, Ordering::Relaxed);
        self.receivers().ring_all();
        self.senders().ring_all();
    }

    /// Whether the channel was closed.
    pub fn is_closed(&self) -> bool {
        self.ring().tail().is_closed() || self.ring().shared().hints.0.closed.load(Ordering::Relaxed) != 0
    }

    /// Whether the file has lost its name, be it that it was removed or that another file has it:
    /// the handles that are left still reach each other, but nobody new comes.
    pub fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|status| {
            status.st_nlink == 0
                || match status_of(self.tasks.directory(), self.location.name()) {
                    Ok(named) => (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino),
                    Err(errno) => errno == rustix::io::Errno::NOENT,
                }
        })
    }

    /// Counts a sender handle of this process in the participant table, or counts it out.
    pub fn count_sender(&self, more: bool) {
        if let Some(entry) = self.me.entry() {
            step(&self.region.entries()[usize::from(entry)].senders, more);
        }
    }

    /// Counts a receiver handle of this process in the participant table, or counts it out.
    pub fn count_receiver(&self, more: bool) {
        if let Some(entry) = self.me.entry() {
            step(&self.region.entries()[usize::from(entry)].receivers, more);
        }
    }

    /// Counts and collects. Takes time in proportion to the capacity.
    pub fn snapshot(&self) -> Snapshot {
        let table = self.table();
        self.reap();
        let (ring, stats) = (self.ring(), &self.ring().shared().stats.0);
        let census = ring.census();
        self.note_peak(census.waiting);
        let claimed = ring.positions.count(ring.tail().position());
        let unmarked = u64::from(ring.has_unmarked_gap());
        let passed = stats.passed.load(Ordering::Relaxed).saturating_add(unmarked);
        let dead_letters = stats.dead_letters.load(Ordering::Relaxed);
        let sent = claimed.saturating_sub(passed).saturating_sub(census.writing);
        Snapshot {
            waiting: census.waiting,
            leased: census.leased,
            writing: census.writing,
            sent,
            received: sent.saturating_sub(census.waiting + census.leased).saturating_sub(dead_letters),
            dead_letters,
            peak: stats.peak.load(Ordering::Relaxed),
            closed: self.is_closed(),
            removed: self.is_removed(),
            participants: table.living(self.me),
        }
    }

    fn error(&self, blocked: Blocked) -> Error {
        if let Err(forked) = self.check_process() {
            return forked;
        }
        match blocked {
            Blocked::Full => Error::Full,
            Blocked::Empty => Error::Empty,
            Blocked::Closed => Error::Closed,
            Blocked::Exhausted => Error::Exhausted,
            Blocked::Taken(holder) => {
                let entry = holder.entry().and_then(|entry| self.region.entries().get(usize::from(entry)));
                let pid = entry.map_or(0, |entry| entry.pid.load(Ordering::Relaxed));
                Error::EndTaken { path: self.location.path(), pid }
            }
            Blocked::Corrupt(what) => {
                let ring = self.ring();
                Error::Corrupt {
                    what,
                    found: format!("head {:?}, tail {:?}", ring.head(), ring.tail()),
                    expected: format!("positions of {} slots and words that fit them", ring.positions.capacity()),
                }
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if !self.is_inherited() {
            self.leave_doors();
            self.table().leave(self.me);
        }
    }
}

fn step(count: &AtomicU32, more: bool) {
    if more {
        count.fetch_add(1, Ordering::Relaxed);
    } else {
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec<'static> = Spec {
        capacity: 4,
        payload: 8,
        align: 8,
        encoding: 0,
        fingerprint: [0; 16],
        schema: "",
        mode: 0o600,
        max_deliveries: 0,
        single_sender: false,
        single_receiver: false,
    };

    fn location(directory: &tempfile::TempDir) -> Location {
        Location::new(Some(directory.path()), "channel").unwrap()
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(2))
    }

    impl Channel {
        /// What is left of a channel whose process died: the mapping and the file are closed, and nothing else is done.
        fn die(self) {
            let channel = std::mem::ManuallyDrop::new(self);
            // SAFETY: the channel is never used nor dropped again.
            drop(unsafe { std::ptr::read(&channel.region) });
            // SAFETY: as above.
            drop(unsafe { std::ptr::read(&channel.file) });
        }
    }

    #[test]
    fn what_was_forgotten_is_taken_back_when_its_holder_leaves() {
        let directory = tempfile::tempdir().unwrap();
        let first = Channel::create(location(&directory), &SPEC).unwrap();
        let other = Channel::open(location(&directory), |_| Ok(())).unwrap();
        let memory = Memory::default();
        other.publish(&memory, other.try_claim(&memory).unwrap());
        let _forgotten = first.try_lease(&memory).unwrap();
        let _forgotten = first.try_claim(&memory).unwrap();
        other.publish(&memory, other.try_claim(&memory).unwrap());
        drop(first);
        let _successor = Channel::open(location(&directory), |_| Ok(())).unwrap();
        let again = other.lease_until(&memory, soon()).unwrap();
        assert_eq!(again.deliveries(), 2);
        let next = other.lease_until(&memory, soon()).unwrap();
        assert_eq!(next.deliveries(), 1);
        other.release(Some(&memory), again);
        other.release(Some(&memory), next);
    }

    #[test]
    fn an_entry_whose_lock_a_newcomer_tries_is_not_given_back_half_recovered() {
        let directory = tempfile::tempdir().unwrap();
        let first = Channel::create(location(&directory), &SPEC).unwrap();
        let other = Channel::open(location(&directory), |_| Ok(())).unwrap();
        let memory = Memory::default();
        let _forgotten = first.try_claim(&memory).unwrap();
        other.publish(&memory, other.try_claim(&memory).unwrap());
        let entry = first.me.entry().unwrap();
        first.die();
        // A newcomer has just locked the dead one's entry, when another recovers it.
        let (newcomer, ..) = Region::open(&location(&directory)).unwrap();
        assert!(os::try_lock(&newcomer, other.region.geometry().entry_at(entry)).unwrap());
        other.table().recover_now(entry);
        drop(newcomer);
        let _successor = Channel::open(location(&directory), |_| Ok(())).unwrap();
        let held = other.lease_until(&memory, soon()).unwrap();
        other.release(Some(&memory), held);
    }
}
