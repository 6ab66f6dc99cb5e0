//! The ring's protocol, as `mi7-core/src/{ring,ring/gaps,recovery}.rs` has it, with laps that are not bounded.
//!
//! *Safety*, in every state: nothing invented, torn or overwritten; what was sent is received once, and again only if
//! who had it died or put it back, and then for certain; nothing is reported as corrupt; no slot is settled by anybody but
//! its holder; nobody is told that the channel has ended while a message waits in it.
//!
//! *At rest*, in every state in which nobody is between two steps and nobody dead is left to recover: as long as fewer slots than
//! there are hold a message, a lease or a claim, a claim succeeds; if the oldest message is published, or one waits to be handed out
//! again, a receive gets one; and the status tells how many were sent.
//!
//! *Progress*: from every state with a receiver alive (and somebody who recovers), the state in which everything was
//! received, every live sender is done and, if the channel was closed, every live receiver knows, can be reached without
//! further deaths.
//!
//! The count of a hint ([`State::room`]) is not kept: whoever holds an old copy is told that there was a change.

mod configurations;
mod receiving;
mod recovering;
mod rest;
mod rules;
mod sending;
mod turn;

pub use configurations::cases;

const PROCESSES: usize = 5;
const SLOTS: usize = 3;
const NAMES: usize = 4;
const MESSAGES: usize = 8;
const NOBODY: u8 = 0;
const SKIP: u8 = 255;
const NONE: u8 = 255;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Phase {
    #[default]
    Free,
    Writing,
    Ready,
    Leased,
}
use Phase::{Free, Leased, Ready, Writing};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Word {
    lap: u8,
    phase: Phase,
    owner: u8,
    deliveries: u8,
}

fn word(lap: u8, phase: Phase, owner: u8, deliveries: u8) -> Word {
    Word { lap, phase, owner, deliveries }
}

/// `message`: what the payload holds, 0 where nothing valid is there (a ghost: the code keeps the bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Slot {
    word: Word,
    mark: u8,
    message: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Counter {
    pos: u8,
    by: u8,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Role {
    #[default]
    Absent,
    Sender,
    Receiver,
    /// Looks for the dead, and does nothing else; has no entry itself.
    Reaper,
    Closer,
}

/// What a process does next; the names are those of the code's functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Pc {
    #[default]
    Done,
    // Table::enter
    EnterLock,
    EnterLoad,
    EnterUnlock,
    EnterTake,
    // Channel::drop
    LeaveEntry,
    LeaveLock,
    // Ring::claim
    Tail,
    Slot,
    Dead,
    PlaceHead,
    PlaceChangedHead,
    PlaceChangedSlot,
    ChangedTail,
    ChangedSlot,
    Claim,
    // Ring::claim_ahead, Ring::room_ahead
    HasGaps,
    AheadFree,
    AheadHint,
    AheadHead,
    AheadSlot,
    AheadTail,
    AheadEnd,
    AheadClear,
    Open,
    Jump,
    JumpHint,
    Write,
    Publish,
    // Channel::give_up
    GiveUpFree,
    GiveUpHead,
    GiveUpHint,
    // Ring::lease
    Hint,
    Swap,
    Scan,
    Take,
    TakeHint,
    Unhint,
    Head,
    HeadSlot,
    HeadClaim,
    HeadMark,
    HeadDead,
    HeadChanged,
    HeadChangedSlot,
    HeadMove,
    Read,
    Release,
    PutBack,
    PutBackHint,
    // Channel::is_ended
    EndTail,
    EndHead,
    EndHint,
    // Ring::record_tail, Ring::record_head, Ring::free_unwritten, Ring::beyond, Ring::step_across: return to `back_*`
    RecordTail,
    RecordTailSet,
    MarkGap,
    MarkGapHint,
    RecordHead,
    RecordHeadSet,
    FreeFree,
    FreeHead,
    FreeHint,
    BeyondSlot,
    BeyondTail,
    BeyondScan,
    AcrossHead,
    AcrossSlot,
    AcrossMark,
    AcrossMove,
    // Table::reap, Table::recover, Ring::recover: return to `back_reap`
    ReapEntry,
    ReapDead,
    RecoverTail,
    RecoverHead,
    RecoverSlot,
    RecoverDead,
    RecoverLease,
    RecoverNext,
    RecoverHint,
    RecoverRoom,
    RecoverEntry,
    // Ring::close
    CloseTail,
    CloseSet,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Process {
    role: Role,
    alive: bool,
    name: u8,
    pc: Pc,
    back_tail: Pc,
    back_head: Pc,
    back_free: Pc,
    back_beyond: Pc,
    back_across: Pc,
    back_reap: Pc,
    // What it has read: the counter it works on; the tail that is being recorded; another head.
    c: Counter,
    t: Counter,
    h: Counter,
    word: Word,
    state: u8,
    hint: u8,
    /// In a look ahead: the hint's bits as they were, whether they have changed since, and the bits that have to stay.
    hinted: u8,
    stale: bool,
    unsettled: u8,
    taken: bool,
    head_seen: u8,
    /// The position, and 1, of a free slot that was found ahead; and of `tail` for which that is so.
    found: u8,
    found_at: u8,
    /// Where `head` can go, and 1; where a gap began.
    to: u8,
    /// The word that is to be recorded.
    tail_word: Word,
    // Where it is: slot or name in a walk, steps across, position looked at beyond the tail.
    k: u8,
    e: u8,
    steps: u8,
    ahead: u8,
    // What it has.
    settled: u8,
    claimed: u8,
    slot: u8,
    lap: u8,
    deliveries: u8,
    message: u8,
    waiting: u8,
    sent: u8,
    gave_up: u8,
    put_back: u8,
    /// It put something back while it recovered.
    recovered: bool,
    /// A recoverer was told of one of the slots that its owner is alive: it does not give the entry back.
    spared: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    tail: Counter,
    head: Counter,
    slots: [Slot; SLOTS],
    hint: u8,
    /// The bits of the hint for senders: one for each slot.
    room: u8,
    /// `generation << 1 | taken`, and who holds the lock (1 + process).
    entries: [u8; NAMES],
    locks: [u8; NAMES],
    p: [Process; PROCESSES],
    sent: u8,
    received: [u8; MESSAGES],
    /// Bits: may be received more than once.
    excused: u8,
    deaths: u8,
    /// Positions counted as holding no message. Only kept where nobody dies.
    passed: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plant {
    Nothing,
    TailNotRecorded,
    HeadNotRecorded,
    GapNotMarked,
    RecoverDoesNotAskAgain,
    RecoverRecordsNothing,
    RecoverHintsOnlyItsOwn,
    RecoverHintsNoRoom,
    EntryFreedByStore,
    HintClearedAfterScan,
    /// The slot of a dead sender is freed without looking whether it has published meanwhile.
    FreeByStore,
    /// As in b74d367: `Closed` is answered while the last position is skipped and not marked.
    ClosedBeforeRecord,
    /// As in b74d367: a recoverer that took a newcomer's lock for the dead one's leaves a slot out and gives the entry back.
    EntryFreedThoughSpared,
    /// As in b74d367: who leaves gives the entry back without looking for claims that were forgotten.
    LeftWithClaims,
    /// As in b74d367: the hint is 0 while somebody looks through the slots, and means that nothing waits.
    HintTakenWhileScanning,
    /// A mark is taken to say that the position holds no message, and the slot is not looked at again.
    MarkBelieved,
    /// A receiver steps across one position where a gap may be longer.
    StepByOne,
    /// Receivers look at the slots without recording the last claim.
    BeyondRecordsNothing,
    /// Receivers read `tail` after they looked at the slots.
    BeyondReadsTailLate,
    /// `head` goes to the `tail` of an open gap.
    HeadIntoOpenGap,
    /// A slot that was given up is not hinted.
    GiveUpNotHinted,
    /// A slot that was given up is hinted before it is free.
    GiveUpHintedEarly,
    /// A dead sender's slot that was freed is not hinted.
    FreeNotHinted,
    /// The first position of a gap, or those behind it, are not hinted.
    MarkNotHinted,
    JumpNotHinted,
    /// The hint is cleared although it has changed since the look.
    RoomClearedByStore,
    /// The hint is cleared although leases are held out of turn.
    RoomClearedTooEarly,
    /// A sender claims the slot it found although `tail` has moved.
    JumpByStore,
    /// A gap is opened again while one is open, and where the slot at `tail` has become free.
    GapAtFreeSlot,
}
use Plant::Nothing;

/// How the hint is cleared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HintRule {
    /// Swapped for 0 before the scan, set again by whoever found something.
    Swap,
    /// Counted up by whoever puts something back, cleared by exchange after a scan that found nothing.
    Count,
}

#[derive(Clone, Copy)]
struct Config {
    name: &'static str,
    quick: bool,
    slots: u8,
    /// Messages that were sent before.
    filled: u8,
    /// Senders and receivers that are there from the start, and that come later and need a name.
    senders: u8,
    receivers: u8,
    late_senders: u8,
    late_receivers: u8,
    reapers: u8,
    closer: bool,
    names: u8,
    each: u8,
    deaths: u8,
    end: u8,
    give_ups: u8,
    /// Senders may forget a claim and leave.
    forget: bool,
    put_backs: u8,
    /// Receivers that find nothing, and senders that find no room, look for the dead.
    look_around: bool,
    /// Senders that are done leave.
    leave: bool,
    hint: HintRule,
    progress: bool,
    /// Finding nothing is an error: see [`rest`].
    alone: bool,
    plant: Plant,
}

const PLAIN: Config = Config {
    name: "",
    quick: false,
    slots: 1,
    filled: 0,
    senders: 1,
    receivers: 1,
    late_senders: 0,
    late_receivers: 0,
    reapers: 0,
    closer: false,
    names: 2,
    each: 1,
    deaths: 0,
    end: 12,
    give_ups: 0,
    forget: false,
    put_backs: 0,
    look_around: true,
    leave: false,
    hint: HintRule::Swap,
    progress: true,
    alone: false,
    plant: Nothing,
};

impl Config {
    /// The message a sender sends next, from 1 on.
    fn message(&self, i: usize, sent: u8) -> u8 {
        let nth = if i < self.senders as usize { i as u8 } else { i as u8 - self.receivers };
        nth * self.each + sent + 1
    }

    fn messages(&self) -> u8 {
        (self.senders + self.late_senders) * self.each + self.filled
    }

    fn lap(&self, pos: u8) -> u8 {
        pos / self.slots
    }

    fn at(&self, pos: u8) -> usize {
        (pos % self.slots) as usize
    }
}
