//! Tasks that wait: which of them is woken, and how nothing is lost with one that is dropped.
//!
//! ```text
//!  a process
//!    async runtime ──reads──> Doorbell (FIFO, timer) ──token──> Desk ──ticket──> a task's waker
//!                                  ^                              │ one for each channel the runtime's tasks wait for
//!  another process                 │                              v
//!    Bell::ring ──takes a bit of Parking::doors──> Door {owner, bell, token}        in the channel's file
//! ```
//!
//! A [`Doorbell`] belongs to one async runtime (or to a program's own event loop) and serves all its channels in one directory: two
//! descriptors for a hundred channels. A [`Desk`] is where the tasks of that runtime queue for one channel; it has a [`Door`] in the
//! channel's file, which says whose FIFO is to be rung and what the desk is called there.
//!
//! # A wait, step by step
//!
//! 1. The task tries, and finds nothing. It queues at the desk, sets the door's bit, announces itself ([`Bell::announce`]), and tries
//!    once more. Only then does its poll say *pending*.
//! 2. Somebody rings, takes the door's bit, and writes the desk's token to the FIFO.
//! 3. The runtime's reactor finds the FIFO readable and calls [`Doorbell::answer`]. The first task at the desk is *rung*: if others
//!    queue behind it, the door's bit is set again; then the parked bit, for everybody; then the task is woken.
//! 4. The task's poll tries again, and leaves the desk with what it got. If there is more, it rings for the next.
//!
//! A task that is dropped before its poll, having been rung, does what it would have done after a success: if there is
//! something to get, it rings for the next ([`Waiting`]'s drop). It had nothing in its hands, so nothing else is lost: what is to be
//! received stays in the ring until the very poll that returns it. A ring that finds nobody at the desk is rung on in the same way.
//!
//! A task that was rung and finds that another was faster keeps its place in the queue: so nobody starves behind those that come later.
//!
//! # Ticks
//!
//! While tasks wait, the doorbell's timer goes off every [`TICK`], once for all its channels, and [`Doorbell::tick`] does for them what a
//! sleeping thread does when it gets up: set the bits again, look for the dead, and look for work that nobody was rung for. So a process
//! that was rung and killed before it took the message strands it for no longer than that, and so does a runtime that is
//! no longer driven. The same timer ends waits that have a deadline.
//!
//! # States
//!
//! Of a place at a desk ([`Waiting`]), as its desk's queue has it:
//!
//! ```text
//!            poll: nothing there            answer, tick, close
//!   (none) ─────────────────────> waiting ─────────────────────> rung ──poll: nothing there──> waiting, in the same place
//!                                    │                            │
//!                                    └─ poll: got it, or dropped ─┴─ poll: got it, or dropped: rings for the next ──> (none)
//! ```
//!
//! Of a door, as the channel's file has it: *free* (`owner` 0) → *taken* by compare-exchange with the owner's mark → *written on* (the
//! token, then the bell, which is what counts) → its bit set and taken, over and over → *free*, by the owner when the desk goes, or by
//! whoever buries the owner. The mark is that of one holder of an entry, so nothing that is late can free a successor's door.
//!
//! # Deaths
//!
//! | who dies, and when | what is left | who mends it |
//! |---|---|---|
//! | a waiter's process, before it is rung | its door's bit | the next ringer: the FIFO has no reader, so it goes on to the next door |
//! | the same, rung and not having taken the message | the message, and bits that are cleared | the tick of any other waiter |
//! | a ringer, having taken a bit and not rung | likewise | likewise |
//! | a door's owner | the door, and the FIFO's name | whoever buries it: the name first, then the door ([`recover_doors`]) |
//! | the last of a channel, with a FIFO made | the FIFO's name | whoever hangs up the next doorbell in that directory ([`fifo::sweep`]) |
//!
//! # Without a name
//!
//! Where a doorbell can have no name, or has lost it with its directory, its door still says where
//! it is open ([`fifo::Place`]), which is enough for ringers of the same user and pid namespace.
//! For others it is as if nobody was behind that door: its tasks are woken by their tick.
//!
//! # fork and exec
//!
//! The descriptors are closed by `exec`. In a forked child they lead nowhere (see [`crate::fork`]): a copy of its parent's doorbell is
//! [inherited](Doorbell::is_inherited) and does nothing, and a task that is polled there gets [`Error::Forked`]. So the parent's
//! FIFO has no reader but the parent, and its death is found out whatever its children do.
//!
//! # Who is served by whom
//!
//! Each runtime has its own doorbell and looks after its own tasks only: one that hangs, or is shut down, takes no other's rings with
//! it but the one that was on its way. When a runtime ends, its doorbell is [closed](Doorbell::close): those who still wait are woken, to
//! look for another runtime, and what they were rung for is rung for others.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::channel::{Channel, Grant, Held};
use crate::directory::Directory;
use crate::ends::Memory;
use crate::error::{Error, Result};
use crate::fifo;
use crate::fork::{self, Descriptor};
use crate::layout::{DOORS, Door, Parking};
use crate::os;
use crate::sync::{Ordering, fence_heavy_for};
use crate::wait::{Bell, Doors, End, TICK};

/// What a panicking waker could leave half done is a waker more or less.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a channel's doorbells lie, and who may ring them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Surroundings {
    directory: Arc<Directory>,
    /// Permission bits of the channel's file: who may use the channel has to be able to ring.
    mode: u32,
    group: u32,
}

/// What an open channel knows of its process's tasks.
pub(crate) struct Tasks {
    directory: Arc<Directory>,
    desks: Mutex<Vec<Arc<Desk>>>,
    /// The same, to be found by their doors. Locked for no longer than a look takes, so that anybody may knock.
    by_door: RwLock<Vec<Weak<Desk>>>,
}

impl Tasks {
    pub(crate) fn new(directory: Arc<Directory>) -> Self {
        Tasks { directory, desks: Mutex::default(), by_door: RwLock::default() }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The desk behind a door, if it is one of these, and in use.
    fn behind(&self, door: u32) -> Option<Arc<Desk>> {
        let desks = self.by_door.read().unwrap_or_else(PoisonError::into_inner);
        desks.iter().filter_map(Weak::upgrade).find(|desk| desk.door == door && !desk.bell.is_closed())
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Weak<Desk>>)) {
        change(&mut self.by_door.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The FIFO by which tasks of one async runtime are woken, and the timer by which they look around.
pub struct Doorbell {
    // Before the descriptors that it has registered with its runtime.
    keeper: OnceLock<Arc<dyn Any + Send + Sync>>,
    id: u64,
    surroundings: Surroundings,
    fifo: OnceLock<Arc<Descriptor>>,
    timer: Arc<Descriptor>,
    /// Held while the FIFO is made.
    making: Mutex<()>,
    /// The desks, by token.
    desks: Mutex<BTreeMap<u32, Served>>,
    tokens: AtomicU32,
    /// How many tasks wait at all the desks.
    waiting: AtomicUsize,
    timing: Mutex<Timing>,
    /// Whether [`Timing::armed`] says when: a copy that is read without the lock.
    ticking: AtomicBool,
    closed: AtomicBool,
    /// [`fork::count`] in this process.
    forks: u32,
}

/// A desk and its channel, which may both be about to go.
type Served = (Weak<Channel>, Weak<Desk>);

#[derive(Default)]
struct Timing {
    /// When the timer goes off.
    armed: Option<Instant>,
    /// When it goes off for all.
    tick: Option<Instant>,
    deadlines: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

/// What stands in a record beside the end: more tokens than a process lives long enough to use up, or else somebody is woken in vain.
const TOKENS: u32 = u32::MAX >> 1;

impl Doorbell {
    /// One for channels in these surroundings. Its FIFO is made with its first desk.
    ///
    /// # Errors
    ///
    /// [`Error::Os`]: the process has no descriptor left.
    pub fn new(surroundings: Surroundings) -> Result<Self> {
        let path = || surroundings.directory.path().to_owned();
        let timer = fifo::timer().map_err(|source| Error::Os { call: "timerfd_create", path: path(), source })?;
        Ok(Doorbell {
            keeper: OnceLock::new(),
            // 0 would be none.
            id: u64::from_le_bytes(os::random()) | 1,
            surroundings,
            fifo: OnceLock::new(),
            timer: Arc::new(timer),
            making: Mutex::new(()),
            desks: Mutex::default(),
            tokens: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            timing: Mutex::default(),
            ticking: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            forks: fork::count(),
        })
    }

    /// The channels it can be used for.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The FIFO, to be waited for: where it is readable, [`answer`](Self::answer). `None` before the first desk.
    pub fn fifo(&self) -> Option<&Arc<Descriptor>> {
        self.fifo.get()
    }

    /// The timer, to be waited for: where it is readable, [`tick`](Self::tick).
    pub fn timer(&self) -> &Arc<Descriptor> {
        &self.timer
    }

    /// Keeps something for as long as the doorbell lives: what waits for its descriptors. Once only.
    pub fn keep(&self, keeper: Arc<dyn Any + Send + Sync>) {
        let _ = self.keeper.set(keeper);
    }

    /// What is kept.
    pub fn keeper(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.keeper.get().map(|keeper| &**keeper)
    }

    /// Whether it was [closed](Self::close), or is [inherited](Self::is_inherited).
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.is_inherited()
    }

    /// Whether it belongs to a process that this one is a forked child of. Its locks may be held by threads that were not
    /// forked along.
    pub fn is_inherited(&self) -> bool {
        self.forks != fork::count()
    }

    fn hang(&self) -> Result<()> {
        let _one_at_a_time = lock(&self.making);
        if self.fifo.get().is_none() {
            let place = &self.surroundings;
            fifo::sweep(&place.directory);
            let fifo = fifo::make(&place.directory, self.id, place.mode, place.group)
                .or_else(|error| fifo::without_name().map_err(|_| error))?;
            let _ = self.fifo.set(Arc::new(fifo));
        }
        Ok(())
    }

    /// Reads what was rung, and wakes a task for each ring.
    pub fn answer(&self) {
        if self.is_inherited() {
            return;
        }
        let Some(fifo) = self.fifo.get() else { return };
        let mut records = [0; 1024];
        loop {
            let read = fifo::read(fifo.as_fd(), &mut records);
            if read == 0 {
                return;
            }
            fault!("doorbell heard, nobody woken");
            self.answer_all(&records[..read]);
            if read < records.len() {
                return;
            }
        }
    }

    fn answer_all(&self, records: &[u8]) {
        let mut records = records.chunks_exact(fifo::RECORD);
        let mut sound = true;
        let mut last: Option<(u32, usize)> = None;
        for record in &mut records {
            let record = u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
            match &mut last {
                Some((same, times)) if *same == record => *times += 1,
                _ => {
                    sound &= last.is_none_or(|(record, times)| self.answer_one(record, times));
                    last = Some((record, 1));
                }
            }
        }
        sound &= last.is_none_or(|(record, times)| self.answer_one(record, times));
        if !sound || !records.remainder().is_empty() {
            // For a channel that is gone, or by a stranger, after whose bytes all that follow may be out of step: everybody looks.
            self.look();
        }
    }

    /// False if there is no such desk.
    fn answer_one(&self, record: u32, times: usize) -> bool {
        let end = if record & 1 == 0 { End::Receiving } else { End::Sending };
        let found = lock(&self.desks).get(&(record >> 1)).cloned();
        match found.map(|(channel, desk)| (channel.upgrade(), desk.upgrade())) {
            Some((Some(channel), Some(desk))) => desk.ring(&channel, end, times),
            // A channel that is being dropped rings for others.
            Some(_) => {}
            None => return false,
        }
        true
    }

    /// Ends waits whose time is up, and, if it is time, looks around for all who wait.
    pub fn tick(&self) {
        if self.is_inherited() {
            return;
        }
        fifo::read(self.timer.as_fd(), &mut [0; 8]);
        let now = Instant::now();
        let mut due = Vec::new();
        let look = {
            let mut timing = lock(&self.timing);
            timing.armed = None;
            self.ticking.store(false, Ordering::Relaxed);
            let later = timing.deadlines.split_off(&(now, u64::MAX));
            due.extend(std::mem::replace(&mut timing.deadlines, later).into_values());
            let look = timing.tick.is_none_or(|tick| tick <= now);
            if look {
                timing.tick = None;
            }
            look
        };
        due.into_iter().for_each(Waker::wake);
        if look {
            self.look();
        }
        self.arm(None);
    }

    /// Does for all who wait what a thread does that gets up.
    fn look(&self) {
        let desks: Vec<_> = {
            let desks = lock(&self.desks);
            let desks = desks.values().filter_map(|(channel, desk)| Some((channel.upgrade()?, desk.upgrade()?)));
            // The others are dropped after the lock: it may be the channel's last.
            desks.collect()
        };
        let desks: Vec<_> = desks.into_iter().filter(|(_, desk)| desk.is_waited_at()).collect();
        if desks.is_empty() {
            return;
        }
        for (channel, desk) in &desks {
            desk.announce_again(channel);
        }
        // Partner: the light fence in `Parking::may_be_parked`. One for all of them; where it fails, each channel has to know.
        fence_heavy_for(desks.iter().map(|(channel, _)| &channel.ring().shared().hints.0));
        for (channel, desk) in &desks {
            desk.look(channel);
        }
    }

    /// Sees to it that the timer goes off in time for the next tick, and for `deadline`.
    fn arm(&self, deadline: Option<Instant>) {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Relaxed: whoever sees an old value arms the timer once more, or relies on one that is about to go off, after which it
        // is armed again for whoever waits.
        if deadline.is_none() && self.ticking.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let mut timing = lock(&self.timing);
        let mut want = *timing.tick.get_or_insert_with(|| now + TICK);
        let first = timing.deadlines.first_key_value().map(|((first, _), _)| *first);
        for earlier in [deadline, first].into_iter().flatten() {
            want = want.min(earlier);
        }
        if timing.armed.is_none_or(|armed| want < armed) {
            timing.armed = Some(want);
            fifo::set_timer(self.timer.as_fd(), want.saturating_duration_since(now));
        }
        self.ticking.store(true, Ordering::Relaxed);
    }

    /// Ends it: its runtime is gone. Whoever waits is woken, and has to look for another.
    pub fn close(&self) {
        // In a forked child the runtime that ends is a copy, and the doors are the parent's.
        if self.is_inherited() || self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let desks = std::mem::take(&mut *lock(&self.desks));
        for (channel, desk) in desks.into_values() {
            let Some(desk) = desk.upgrade() else { continue };
            if let Some(channel) = channel.upgrade() {
                lock(&channel.tasks.desks).retain(|other| !Arc::ptr_eq(other, &desk));
                channel.leave_door(&desk);
            }
            desk.wake_all();
        }
        let waits = std::mem::take(&mut lock(&self.timing).deadlines);
        waits.into_values().for_each(Waker::wake);
        self.unlink();
    }

    fn unlink(&self) {
        if self.fifo.get().is_some() && !self.is_inherited() {
            fifo::remove(&self.surroundings.directory, self.id);
        }
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        self.unlink();
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell").field("id", &self.id).field("surroundings", &self.surroundings).finish()
    }
}

/// Where the tasks of one runtime queue for one channel.
pub struct Desk {
    bell: Arc<Doorbell>,
    door: u32,
    token: u32,
    queues: Mutex<[Queue; 2]>,
}

#[derive(Default)]
struct Queue {
    /// In the order they came.
    tasks: BTreeMap<u64, Option<Waker>>,
    /// How many of them are still to be rung: those that have a waker.
    waiting: usize,
    next: u64,
}

impl Queue {
    /// Takes the wakers of the first so many: the first one apart, since most rings are for one.
    fn ring(&mut self, times: usize) -> (Option<Waker>, Vec<Waker>) {
        if self.waiting == 0 || times == 0 {
            return (None, Vec::new());
        }
        let mut wakers = self.tasks.values_mut().filter_map(Option::take).take(times);
        let first = wakers.next();
        let others: Vec<Waker> = if times == 1 { Vec::new() } else { wakers.collect() };
        self.waiting -= usize::from(first.is_some()) + others.len();
        (first, others)
    }
}

fn wake((first, others): (Option<Waker>, Vec<Waker>)) {
    first.into_iter().chain(others).for_each(Waker::wake);
}

impl Desk {
    /// The doorbell it belongs to.
    pub fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }

    fn is_waited_at(&self) -> bool {
        lock(&self.queues).iter().any(|queue| queue.waiting > 0)
    }

    /// Somebody rang so many times for this end.
    fn ring(&self, channel: &Channel, end: End, times: usize) {
        let times = if channel.is_closed() { usize::MAX } else { times };
        let bell = channel.bell(end);
        let rung = {
            let mut queues = lock(&self.queues);
            let queue = &mut queues[end as usize];
            let rung = queue.ring(times);
            if queue.waiting > 0 {
                bell.parking.set_bit(self.door);
            }
            rung
        };
        bell.pass_on();
        if rung.0.is_none() {
            channel.ring_for_rest(end);
        }
        fault!("task chosen, not woken");
        wake(rung);
    }

    /// Sets the bits again that somebody may have cleared who died.
    fn announce_again(&self, channel: &Channel) {
        let queues = lock(&self.queues);
        for end in [End::Receiving, End::Sending] {
            if queues[end as usize].waiting > 0 {
                channel.bell(end).parking.set_bit(self.door);
                channel.bell(end).announce_unfenced();
            }
        }
    }

    /// Wakes one for what there is, at each end.
    fn look(&self, channel: &Channel) {
        channel.look_for_waiter();
        for end in [End::Receiving, End::Sending] {
            if lock(&self.queues)[end as usize].waiting == 0 {
                continue;
            }
            let times = if channel.has_ended(end) { usize::MAX } else { usize::from(channel.is_left(end)) };
            let rung = {
                let mut queues = lock(&self.queues);
                let rung = queues[end as usize].ring(times);
                if queues[end as usize].waiting == 0 {
                    channel.bell(end).parking.take_bit(self.door);
                }
                rung
            };
            wake(rung);
        }
    }

    fn wake_all(&self) {
        let rung = lock(&self.queues).each_mut().map(|queue| queue.ring(usize::MAX));
        rung.into_iter().for_each(wake);
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("bell", &self.bell).field("door", &self.door).finish()
    }
}

/// A task's place at a desk, if it waits. Dropped, it leaves the place, and rings for the next what it was rung for itself.
#[derive(Default, Debug)]
pub struct Waiting(Option<Place>);

#[derive(Debug)]
struct Place {
    channel: Arc<Channel>,
    desk: Arc<Desk>,
    end: End,
    ticket: u64,
    /// In its doorbell's timing.
    deadline: Option<(Instant, u64)>,
}

impl Waiting {
    /// Whether it has a place.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the place, or renews it. False if it was not rung since the last time, so that all that was to be done was done then.
    fn take(
        &mut self,
        channel: &Arc<Channel>,
        desk: &Arc<Desk>,
        end: End,
        waker: &Waker,
        deadline: Option<Instant>,
    ) -> bool {
        if !self.0.as_ref().is_some_and(|place| Arc::ptr_eq(&place.desk, desk) && place.end == end) {
            self.leave();
            self.0 = Some(Place::new(channel, desk, end));
        }
        let Some(place) = &mut self.0 else { return true };
        place.renew_deadline(deadline, waker);
        place.renew(waker)
    }

    fn leave(&mut self) {
        self.0 = None;
    }
}

impl Place {
    fn new(channel: &Arc<Channel>, desk: &Arc<Desk>, end: End) -> Self {
        let mut queues = lock(&desk.queues);
        let queue = &mut queues[end as usize];
        let ticket = queue.next;
        queue.next += 1;
        queue.tasks.insert(ticket, None);
        drop(queues);
        desk.bell.waiting.fetch_add(1, Ordering::Relaxed);
        Place { channel: Arc::clone(channel), desk: Arc::clone(desk), end, ticket, deadline: None }
    }

    // Wakers are dropped after the locks are let go of: with one may go a task that waits here as well.

    fn renew(&self, waker: &Waker) -> bool {
        let mut queues = lock(&self.desk.queues);
        let queue = &mut queues[self.end as usize];
        let Some(waiting) = queue.tasks.get_mut(&self.ticket) else { return true };
        let renewed = match waiting {
            Some(known) if known.will_wake(waker) => return false,
            known => known.replace(waker.clone()),
        };
        if renewed.is_none() {
            queue.waiting += 1;
            self.channel.bell(self.end).parking.set_bit(self.desk.door);
        }
        drop(queues);
        renewed.is_none()
    }

    fn renew_deadline(&mut self, deadline: Option<Instant>, waker: &Waker) {
        if let Some(deadline) = deadline {
            let mut timing = lock(&self.desk.bell.timing);
            let key = match self.deadline {
                Some(key) if key.0 == deadline => key,
                _ => {
                    timing.next += 1;
                    (deadline, timing.next)
                }
            };
            let old = self.deadline.replace(key).filter(|old| *old != key);
            let removed = old.and_then(|old| timing.deadlines.remove(&old));
            let known = timing.deadlines.get(&key).is_some_and(|known| known.will_wake(waker));
            let replaced = if known { None } else { timing.deadlines.insert(key, waker.clone()) };
            drop(timing);
            drop((removed, replaced));
        }
        self.desk.bell.arm(deadline);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.channel.is_inherited() || self.desk.bell.is_inherited() {
            return;
        }
        let mut queues = lock(&self.desk.queues);
        let queue = &mut queues[self.end as usize];
        let waker = queue.tasks.remove(&self.ticket).flatten();
        queue.waiting -= usize::from(waker.is_some());
        // A doorbell that is closed has given its doors back, and others may have them.
        if queue.waiting == 0 && !self.desk.bell.is_closed() {
            self.channel.bell(self.end).parking.take_bit(self.desk.door);
        }
        drop(queues);
        self.desk.bell.waiting.fetch_sub(1, Ordering::Relaxed);
        let timer = self.deadline.and_then(|deadline| lock(&self.desk.bell.timing).deadlines.remove(&deadline));
        if waker.is_none() {
            // It was rung.
            self.channel.ring_for_rest(self.end);
        }
        drop((waker, timer));
    }
}

impl Doors for Channel {
    fn knock(&self, end: End, door: u32) -> bool {
        // Of this very opening: the task is woken here and now, without the kernel.
        if let Some(desk) = self.tasks.behind(door) {
            desk.ring(self, end, 1);
            return true;
        }
        let Some(door) = self.region.doors().get(door as usize) else { return false };
        let bell = door.bell.load(Ordering::Relaxed);
        let record = door.token.load(Ordering::Relaxed) << 1 | u32::from(end == End::Sending);
        // 0: its owner took it and died.
        bell != 0 && fifo::ring(&self.tasks.directory, bell, record.to_le_bytes(), || self.place_of(door))
    }
}

impl Channel {
    fn bell(&self, end: End) -> Bell<'_> {
        match end {
            End::Receiving => self.receivers(),
            End::Sending => self.senders(),
        }
    }

    /// Whether there is something to get at this end.
    fn is_left(&self, end: End) -> bool {
        match end {
            End::Receiving => self.ring().has_work(),
            End::Sending => self.ring().may_have_room(),
        }
    }

    /// Whether there will never be anything to get at this end.
    fn has_ended(&self, end: End) -> bool {
        self.is_closed() && (end == End::Sending || self.is_ended())
    }

    /// Rings for another waiter if there is something to get.
    fn ring_for_rest(&self, end: End) {
        if self.is_left(end) {
            self.bell(end).ring_if_parked();
        }
    }

    /// Where this channel's doorbells are to lie.
    pub fn surroundings(&self) -> Surroundings {
        let (mode, group) =
            rustix::fs::fstat(&self.file).map_or((0o600, 0), |status| (status.st_mode & 0o777, status.st_gid));
        Surroundings { directory: Arc::clone(&self.tasks.directory), mode, group }
    }

    /// The desk of this channel at one of those doorbells, if it has any.
    pub fn find_desk(&self, wanted: impl Fn(&Doorbell) -> bool) -> Option<Arc<Desk>> {
        if self.is_inherited() {
            return None;
        }
        lock(&self.tasks.desks).iter().find(|desk| !desk.bell.is_closed() && wanted(&desk.bell)).cloned()
    }

    /// The desk of this channel at that doorbell. The doorbell's [surroundings](Doorbell::surroundings) are the channel's.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyRuntimes`]: the channel has no door left. [`Error::Os`]: the process has no
    /// descriptor left. [`Error::Forked`].
    pub fn desk(self: &Arc<Self>, bell: &Arc<Doorbell>) -> Result<Arc<Desk>> {
        self.check_process()?;
        let mut desks = lock(&self.tasks.desks);
        if let Some(desk) = desks.iter().find(|desk| Arc::ptr_eq(&desk.bell, bell)) {
            return Ok(Arc::clone(desk));
        }
        let token = bell.tokens.fetch_add(1, Ordering::Relaxed) & TOKENS;
        // The door first: whoever buries this process then knows of the FIFO.
        let door = self.take_door(bell.id, token)?;
        let desk = Arc::new(Desk { bell: Arc::clone(bell), door, token, queues: Mutex::default() });
        if let Err(error) = bell.hang() {
            self.leave_door(&desk);
            return Err(error);
        }
        self.say_where(&desk);
        lock(&bell.desks).insert(token, (Arc::downgrade(self), Arc::downgrade(&desk)));
        self.tasks.change(|doors| doors.push(Arc::downgrade(&desk)));
        desks.push(Arc::clone(&desk));
        Ok(desk)
    }

    /// Writes on a door where its doorbell is open.
    fn say_where(&self, desk: &Desk) {
        let place = desk.bell.fifo().and_then(|fifo| fifo::Place::of(fifo));
        if let (Some(place), Some(door)) = (place, self.region.doors().get(desk.door as usize)) {
            door.descriptor.store(place.descriptor, Ordering::Relaxed);
            // Release, partner: the Acquire load in `place_of`.
            door.inode.store(place.inode, Ordering::Release);
        }
    }

    /// Where the doorbell of a door is open, if nobody but this user can have written that there.
    fn place_of(&self, door: &Door) -> Option<fifo::Place> {
        let status = rustix::fs::fstat(&self.file).ok()?;
        let is_ours = status.st_uid == rustix::process::geteuid().as_raw() && status.st_mode & 0o022 == 0;
        // Acquire, partner: the Release in `say_where`. What belongs to another doorbell by now is
        // found out when it is opened.
        let inode = door.inode.load(Ordering::Acquire);
        let entry = self.region.entries().get((door.owner.load(Ordering::Relaxed) & 0xff) as usize)?;
        let (pid, descriptor) = (entry.pid.load(Ordering::Relaxed), door.descriptor.load(Ordering::Relaxed));
        (is_ours && inode != 0).then_some(fifo::Place { pid, descriptor, inode })
    }

    /// What this process's doors say of whose they are.
    fn door_mark(&self) -> u64 {
        let state = self.entry().map_or(0, |entry| entry.state.load(Ordering::Relaxed));
        door_mark(self.me().entry().unwrap_or(0), state)
    }

    fn take_door(&self, bell: u64, token: u32) -> Result<u32> {
        for (index, door) in (0u32..).zip(self.region.doors()) {
            // Acquire, partner: the Release of whoever gave it back.
            if door.owner.load(Ordering::Relaxed) == 0
                && door.owner.compare_exchange(0, self.door_mark(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                fault!("door taken, nothing written on it");
                door.token.store(token, Ordering::Relaxed);
                door.inode.store(0, Ordering::Relaxed);
                // Release, partner: the Acquire load in `recover_doors`.
                door.bell.store(bell, Ordering::Release);
                fault!("door written on");
                return Ok(index);
            }
        }
        Err(Error::TooManyRuntimes { path: self.location().path(), runtimes: DOORS as u32 })
    }

    fn leave_door(&self, desk: &Desk) {
        self.tasks.change(|doors| doors.retain(|known| !std::ptr::eq(known.as_ptr(), desk)));
        for end in [End::Receiving, End::Sending] {
            self.bell(end).parking.take_bit(desk.door);
        }
        if let Some(door) = self.region.doors().get(desk.door as usize) {
            door.bell.store(0, Ordering::Relaxed);
            // Release, partner: the Acquire of the next to take it.
            let _ = door.owner.compare_exchange(self.door_mark(), 0, Ordering::AcqRel, Ordering::Relaxed);
        }
        // What was rung here and not heard.
        for end in [End::Receiving, End::Sending] {
            self.ring_for_rest(end);
        }
    }

    /// Gives all doors of this opening back. Nobody waits behind them: who waits keeps the channel open.
    pub(crate) fn leave_doors(&mut self) {
        let desks = std::mem::take(&mut *lock(&self.tasks.desks));
        for desk in desks {
            lock(&desk.bell.desks).remove(&desk.token);
            self.leave_door(&desk);
        }
    }

    // ---- polling ---------------------------------------------------------------------------------------------------

    /// Leases a message, or has the task woken when there may be one. `desk` is asked where it is to wait.
    ///
    /// # Errors
    ///
    /// As [`lease_until`](Self::lease_until), and those of `desk`.
    pub fn poll_lease(
        self: &Arc<Self>,
        memory: &Memory,
        waiting: &mut Waiting,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
        desk: impl FnOnce() -> Result<Arc<Desk>>,
    ) -> Poll<Result<Held>> {
        self.poll(End::Receiving, waiting, context, deadline, desk, || match self.try_lease(memory) {
            Err(Error::Empty) => Ok(None),
            other => other.map(Some),
        })
    }

    /// Claims a slot, or has the task woken when there may be one. `desk` is asked where it is to wait.
    ///
    /// # Errors
    ///
    /// As [`claim_until`](Self::claim_until), and those of `desk`.
    pub fn poll_claim(
        self: &Arc<Self>,
        memory: &Memory,
        waiting: &mut Waiting,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
        desk: impl FnOnce() -> Result<Arc<Desk>>,
    ) -> Poll<Result<Grant>> {
        self.poll(End::Sending, waiting, context, deadline, desk, || match self.try_claim(memory) {
            Err(Error::Full) => Ok(None),
            other => other.map(Some),
        })
    }

    fn poll<T>(
        self: &Arc<Self>,
        end: End,
        waiting: &mut Waiting,
        context: &mut Context<'_>,
        deadline: Option<Instant>,
        desk: impl FnOnce() -> Result<Arc<Desk>>,
        attempt: impl Fn() -> Result<Option<T>>,
    ) -> Poll<Result<T>> {
        // Whoever leaves the place rings for the rest, if it was rung itself.
        let leave = |waiting: &mut Waiting, result| {
            waiting.leave();
            Poll::Ready(result)
        };
        match attempt() {
            Ok(None) => {}
            Ok(Some(found)) => return leave(waiting, Ok(found)),
            Err(error) => return leave(waiting, Err(error)),
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return leave(waiting, Err(Error::Timeout));
        }
        let desk = match desk() {
            Ok(desk) => desk,
            Err(error) => return leave(waiting, Err(error)),
        };
        if !waiting.take(self, &desk, end, context.waker(), deadline) {
            return Poll::Pending;
        }
        fault!("door's bit set, not announced");
        self.bell(end).announce();
        fault!("task announced, not waiting");
        self.look_for_waiter();
        match attempt() {
            Ok(None) if desk.bell.is_closed() => {
                // It was closed meanwhile, and may not have seen this task.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(None) => Poll::Pending,
            Ok(Some(found)) => leave(waiting, Ok(found)),
            Err(error) => leave(waiting, Err(error)),
        }
    }
}

/// The owner's entry, and which of its holders: never 0, since who has an entry has its state say so.
fn door_mark(entry: u8, state: u64) -> u64 {
    state << 8 | u64::from(entry)
}

/// Takes its doors away from a dead holder of an entry, whose state was `state`, and removes their FIFOs. Idempotent.
pub(crate) fn recover_doors(doors: &[Door], parkings: [&Parking; 2], directory: &Directory, entry: u8, state: u64) {
    let dead = door_mark(entry, state);
    for (index, door) in (0u32..).zip(doors) {
        if door.owner.load(Ordering::Relaxed) != dead {
            continue;
        }
        // Acquire, partner: the Release in `take_door`: where this is what a successor wrote, it stands there as the owner already.
        let bell = door.bell.load(Ordering::Acquire);
        if door.owner.load(Ordering::Relaxed) != dead {
            continue;
        }
        if bell != 0 {
            fifo::remove(directory, bell);
        }
        fault!("recovery: doorbell removed, door not given back");
        for parking in parkings {
            // A successor that is quick enough to have set it gets it back at its tick.
            parking.take_bit(index);
        }
        // Release, partner: the Acquire of the next to take it.
        let _ = door.owner.compare_exchange(dead, 0, Ordering::AcqRel, Ordering::Relaxed);
        fault!("recovery: door given back");
    }
}

// ---- event loops of one's own --------------------------------------------------------------------------------------

/// A doorbell of one handle, for programs that have an event loop of their own.
#[derive(Debug)]
pub struct Watch {
    channel: Arc<Channel>,
    desk: Arc<Desk>,
    end: End,
}

impl Watch {
    fn new(channel: &Arc<Channel>, end: End) -> Result<Self> {
        let bell = Arc::new(Doorbell::new(channel.surroundings())?);
        let desk = channel.desk(&bell)?;
        // Nobody queues at it: its FIFO is what the program waits for.
        channel.tasks.change(|doors| doors.retain(|known| !std::ptr::eq(known.as_ptr(), &*desk)));
        Ok(Watch { channel: Arc::clone(channel), desk, end })
    }

    /// One that is rung for messages.
    ///
    /// # Errors
    ///
    /// As [`Channel::desk`].
    pub fn for_messages(channel: &Arc<Channel>) -> Result<Self> {
        Self::new(channel, End::Receiving)
    }

    /// One that is rung for room.
    ///
    /// # Errors
    ///
    /// As [`Channel::desk`].
    pub fn for_room(channel: &Arc<Channel>) -> Result<Self> {
        Self::new(channel, End::Sending)
    }

    /// Takes back what was rung, and asks to be rung from now on. True if there is something to get already, or nothing ever again.
    pub fn arm(&self) -> bool {
        if self.channel.is_inherited() {
            // There is an error to get.
            return true;
        }
        self.drain();
        let bell = self.channel.bell(self.end);
        bell.parking.set_bit(self.desk.door);
        bell.announce();
        self.channel.look_for_waiter();
        self.channel.is_left(self.end) || self.channel.has_ended(self.end)
    }

    fn drain(&self) {
        if let Some(fifo) = self.desk.bell.fifo.get() {
            let mut records = [0; 1024];
            while fifo::read(fifo.as_fd(), &mut records) == records.len() {}
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self.desk.bell.fifo.get() {
            Some(fifo) => fifo.as_fd(),
            None => unreachable!("a desk's doorbell has been hung"),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // In a forked child the door is the parent's.
        if self.channel.is_inherited() {
            return;
        }
        lock(&self.channel.tasks.desks).retain(|desk| !Arc::ptr_eq(desk, &self.desk));
        lock(&self.desk.bell.desks).clear();
        self.channel.leave_door(&self.desk);
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.location().path()).finish()
    }
}
