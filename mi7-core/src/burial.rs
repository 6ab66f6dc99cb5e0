//! Messages that kill their receivers, and where they go.
//!
//! A channel made with `max_deliveries` hands a message out so often and no more: what has been handed out that often and was
//! never done with goes to the channel of dead letters, `<name>.dead`. Whoever happens to lease it next moves it:
//!
//! ```text
//!  leased(me)  ──>  claim in <name>.dead, copy, publish as ready(lap, deliveries)  ──>  release here
//! ```
//!
//! *Deaths.* The lease is kept until the letter is published, so a mover that dies loses nothing: the message is
//! redelivered here, and its next holder moves it (again, if the dead one had published). It may then lie there twice. Its
//! count tells: a letter counts on from where the message stood, and each mover's lease counts too, so that the second copy's
//! `deliveries` is above the limit by two at the least.
//!
//! *When it cannot be moved*, because the dead letters' channel is full, closed, removed and not to be made anew, or of another
//! type: the message stays where it is, and is not handed out. Whoever found this out writes into the channel when to try
//! again ([`Hints::postponed`](crate::layout::Hints::postponed), after [`PAUSE`]). Until then everybody leaves such messages
//! alone. Whoever looks around first after that, in any process, has everybody look for them again. Nobody is held up
//! meanwhile; the message takes one slot's room, as a held lease would.
//!
//! *Deaths meanwhile.* The time is written before the message is put back. Whoever clears it has the message looked for
//! afterwards: one that dies in between is found dead, and its recovery has everybody look, as every recovery does.

use crate::channel::{Channel, Info, Spec};
use crate::ends::Memory;
use crate::error::{Error, Result};
use crate::os::{self, Location, Unnamed};
use crate::region::Region;
use crate::ring::{Lease, Ring};
use crate::sync::{AtomicU64, Ordering};

/// Milliseconds after which a message that could not be moved is tried again.
const PAUSE: u64 = 100;
/// What the name of the dead letters' channel adds to its channel's.
pub(crate) const SUFFIX: &str = ".dead";

/// What one opening of a channel knows of messages that were handed out too often.
#[derive(Debug)]
pub(crate) struct Burial {
    /// Handed out so often before, a message is not handed out again. `u32::MAX`: without limit.
    max: u32,
}

impl Burial {
    /// `max_deliveries` as the preamble has it.
    pub(crate) fn new(max_deliveries: u32) -> Self {
        let max = if max_deliveries == 0 { u32::MAX } else { max_deliveries };
        Burial { max }
    }

    /// Has everybody look for what a process that is gone could not move.
    pub(crate) fn begin(&self, ring: &Ring) {
        if self.max != u32::MAX {
            ring.hint_redelivery();
        }
    }

    #[inline]
    pub(crate) fn is_too_often(&self, lease: &Lease) -> bool {
        lease.deliveries >= self.max
    }

    /// Messages handed out so often before are to be left alone for now.
    #[inline]
    pub(crate) fn limit(&self, ring: &Ring) -> u32 {
        if self.max != u32::MAX && postponed(ring).load(Ordering::Relaxed) != 0 { self.max } else { u32::MAX }
    }

    /// Has messages that cannot be moved left alone for a while.
    fn postpone(&self, ring: &Ring) {
        // Never 0, which would be: there are none.
        postponed(ring).store((os::coarse_millis() + PAUSE).max(1), Ordering::Relaxed);
    }

    /// Ends the pause when its time has come.
    pub(crate) fn try_again(&self, ring: &Ring) {
        let (word, now) = (postponed(ring), os::coarse_millis());
        let until = word.load(Ordering::Relaxed);
        // A time far ahead is a stranger's scribble, or another boot's.
        let due = until != 0 && (now >= until || until - now > PAUSE);
        if due && word.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            fault!("dead letters to be tried again, not hinted");
            ring.hint_redelivery();
        }
    }
}

fn postponed(ring: &Ring) -> &AtomicU64 {
    &ring.shared().hints.0.postponed
}

/// The dead letters' channel of a channel that is about to be made: complete but for its name.
pub(crate) struct Letters {
    location: Location,
    unnamed: Unnamed,
}

impl Letters {
    pub(crate) fn give_name(self) {
        // Where this fails, somebody else was first; or else whoever has a letter to move makes the channel, or fails as well.
        let _ = self.location.give_name(&self.unnamed.file, &self.unnamed.directory);
    }
}

/// Makes the dead letters' channel for a channel of this description, or finds that there is a fitting one.
pub(crate) fn prepare(location: &Location, spec: &Spec<'_>) -> Result<Option<Letters>> {
    if spec.max_deliveries == 0 {
        return Ok(None);
    }
    let location = location.with_suffix(SUFFIX)?;
    match Info::read(&location) {
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
        Ok(info) => return accept(&location, spec, &info).map(|()| None),
    }
    let spec = Spec { max_deliveries: 0, single_sender: false, single_receiver: false, ..*spec };
    let (_, unnamed) = Region::create(&location, spec.preamble(), spec.schema, spec.mode)?;
    Ok(Some(Letters { location, unnamed }))
}

/// Whether the letters of a channel of this description can be kept in that channel.
fn accept(location: &Location, spec: &Spec<'_>, info: &Info) -> Result<()> {
    let mismatch = |what: &str, found: String, expected: String| {
        Err(Error::Mismatch { path: location.path(), what: what.into(), found, expected })
    };
    if (info.encoding, &info.fingerprint, &*info.schema) != (spec.encoding, &spec.fingerprint, spec.schema) {
        // In what they differ is for the layer above to say, which looks first.
        return mismatch("the message type", "another one".into(), "that of its channel".into());
    }
    if info.geometry.payload < spec.payload {
        let bytes = |bytes: u64| format!("{bytes} bytes");
        return mismatch("the size of a message", bytes(info.geometry.payload), bytes(spec.payload));
    }
    if info.geometry.align < spec.align {
        return mismatch("the alignment of a message", info.geometry.align.to_string(), spec.align.to_string());
    }
    Ok(())
}

impl Channel {
    /// Moves a message that was handed out too often to the dead letters; or puts it back, to be left alone for a while.
    #[cold]
    pub(crate) fn bury(&self, lease: Lease) {
        if self.write_letter(&lease).is_err() {
            self.burial.postpone(self.ring());
            self.ring().put_back_unhinted(&lease);
            fault!("dead letter not to be moved, put back");
            return;
        }
        fault!("dead letter published, still leased");
        self.ring().release(&lease);
        self.ring().shared().stats.0.dead_letters.fetch_add(1, Ordering::Relaxed);
        self.senders().ring_if_parked();
    }

    fn write_letter(&self, lease: &Lease) -> Result<()> {
        let info = self.info();
        let mode = rustix::fs::fstat(&self.file).map_or(0o600, |status| status.st_mode & 0o777);
        let spec = Spec {
            capacity: info.geometry.capacity,
            payload: info.geometry.payload,
            align: info.geometry.align,
            encoding: info.encoding,
            fingerprint: info.fingerprint,
            schema: &info.schema,
            mode,
            max_deliveries: 0,
            single_sender: false,
            single_receiver: false,
        };
        let location = self.location().with_suffix(SUFFIX)?;
        let open = || Channel::open(location.clone(), |info| accept(&location, &spec, info));
        // Opened each time: so a channel that was removed and made anew is the new one, and nobody is kept waiting for entries.
        let letters = match open() {
            Err(Error::NotFound { .. }) => match Channel::create(location.clone(), &spec) {
                Err(Error::AlreadyExists { .. }) => open()?,
                other => other?,
            },
            other => other?,
        };
        let memory = Memory::default();
        let grant = letters.try_claim(&memory)?;
        fault!("dead letter's slot claimed");
        let (from, to) = (self.region.payload(lease.index), letters.slot(&grant));
        // SAFETY: both slots are this process's alone until they are settled, of `payload` bytes at the least (`accept`), and in
        // different mappings.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), spec.payload as usize) };
        fault!("dead letter copied, not published");
        letters.publish_again(grant, lease.deliveries);
        Ok(())
    }
}
