//! Exhaustive search of the ring's protocol, step by step as `mi7-core/src/{ring,recovery}.rs` has it.
//!
//! `cargo run --release -p mi7-tests --bin model [-- --quick]`; fails where a configuration that must hold does not, or where
//! a planted mistake is not found.
//!
//! *Actions*: every load, compare-exchange, swap and store of shared memory, every lock taken, asked about and let go, by
//! senders, receivers, recoverers, newcomers and closers, in any order (sequentially consistent: weak orderings are loom's),
//! and the death of any of them between any two.
//!
//! Not here: the bias (`mi7-core/src/bias.rs`). Everybody claims by compare-exchange; that plain stores come to the same, and how a bias is
//! taken, revoked and left behind by the dead, is in loom's models (`ring/models/biased.rs`) and the tests that kill. Nor waking:
//! that is in loom's models too, and its fences in `tests/fences.rs`.
//!
//! *Safety*, in every state: nothing invented, torn or overwritten; what was sent is received once, and again only if
//! who had it died or put it back, and then for certain; nothing is reported as corrupt; no slot is settled by anybody but
//! its holder; nobody is told that the channel has ended while a message waits in it.
//!
//! *Progress*: from every state with a receiver alive (and somebody who recovers), the state in which everything was
//! received, every live sender is done and, if the channel was closed, every live receiver knows, can be reached without
//! further deaths.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const PROCESSES: usize = 5;
const SLOTS: usize = 2;
const NAMES: usize = 4;
const MESSAGES: usize = 5;
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
    RecordTail,
    RecordTailSet,
    RecordSkip,
    Slot,
    Dead,
    PlaceHead,
    PlaceChangedHead,
    PlaceChangedSlot,
    ChangedTail,
    ChangedSlot,
    AheadSlot,
    AheadTail,
    Skip,
    Claim,
    Write,
    Publish,
    GiveUpMark,
    GiveUpFree,
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
    HeadPass,
    HeadDead,
    HeadChanged,
    HeadChangedSlot,
    Read,
    Release,
    PutBack,
    PutBackHint,
    // Channel::is_ended
    EndTail,
    EndRecord,
    EndRecordSet,
    EndRecordSkip,
    EndHead,
    EndHint,
    // Ring::record_head, Ring::free_unwritten, Ring::step_across: return to `back_*`
    RecordHead,
    RecordHeadSet,
    FreeCheck,
    FreeMark,
    FreeFree,
    AcrossHead,
    AcrossMark,
    AcrossMove,
    // Table::reap, Table::recover, Ring::recover: return to `back_reap`
    ReapEntry,
    ReapDead,
    RecoverTail,
    RecoverRecord,
    RecoverRecordSet,
    RecoverSkip,
    RecoverHead,
    RecoverSlot,
    RecoverDead,
    RecoverLease,
    RecoverNext,
    RecoverHint,
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
    back_head: Pc,
    back_free: Pc,
    back_across: Pc,
    back_reap: Pc,
    // What it has read.
    c: Counter,
    other: Counter,
    word: Word,
    state: u8,
    hint: u8,
    // Where it is: slot or name in a walk, leases ahead of the tail, steps across, position looked at beyond the tail.
    k: u8,
    e: u8,
    leased: u8,
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
    /// A recoverer was told of one of the slots that its owner is alive: it does not give the entry back.
    spared: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    tail: Counter,
    head: Counter,
    slots: [Slot; SLOTS],
    hint: u8,
    /// `generation << 1 | taken`, and who holds the lock (1 + process).
    entries: [u8; NAMES],
    locks: [u8; NAMES],
    p: [Process; PROCESSES],
    sent: u8,
    received: [u8; MESSAGES],
    /// Bits: may be received more than once.
    excused: u8,
    deaths: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plant {
    Nothing,
    TailNotRecorded,
    HeadNotRecorded,
    SkipNotMarked,
    MarkAfterFree,
    MarkBeforeWord,
    RecoverDoesNotAskAgain,
    RecoverRecordsNothing,
    RecoverHintsOnlyItsOwn,
    EntryFreedByStore,
    HintClearedAfterScan,
    /// As in b74d367: the mark is raised for a word that may have changed before its owner was found dead.
    MarkOnStaleWord,
    /// As in b74d367: `Closed` is answered while the last position is passed over and not marked.
    ClosedBeforeRecord,
    /// As in b74d367: a recoverer that took a newcomer's lock for the dead one's leaves a slot out and gives the entry back.
    EntryFreedThoughSpared,
    /// As in b74d367: who leaves gives the entry back without looking for claims that were forgotten.
    LeftWithClaims,
    /// As in b74d367: the hint is 0 while somebody looks through the slots, and means that nothing waits.
    HintTakenWhileScanning,
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
    plant: Plant,
}

const PLAIN: Config = Config {
    name: "",
    quick: false,
    slots: 1,
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
    plant: Nothing,
};

impl Config {
    fn start(&self) -> State {
        let mut s = State::default();
        let mut all = vec![];
        all.extend((0..self.senders).map(|_| (Role::Sender, true)));
        all.extend((0..self.receivers).map(|_| (Role::Receiver, true)));
        all.extend((0..self.late_senders).map(|_| (Role::Sender, false)));
        all.extend((0..self.late_receivers).map(|_| (Role::Receiver, false)));
        all.extend((0..self.reapers).map(|_| (Role::Reaper, false)));
        all.extend(self.closer.then_some((Role::Closer, false)));
        for (i, (role, entered)) in all.into_iter().enumerate() {
            let p = &mut s.p[i];
            (p.role, p.alive, p.ahead) = (role, true, NONE);
            p.pc = match role {
                Role::Reaper => Pc::ReapEntry,
                Role::Closer => Pc::CloseTail,
                _ if !entered => Pc::EnterLock,
                Role::Sender => Pc::Tail,
                _ => Pc::Hint,
            };
            if role == Role::Reaper {
                p.back_reap = Pc::ReapEntry;
            }
            if entered {
                p.name = i as u8 + 1;
                s.entries[i] = 3;
                s.locks[i] = i as u8 + 1;
            }
        }
        s
    }

    /// The message a sender sends next, from 1 on.
    fn message(&self, i: usize, sent: u8) -> u8 {
        let nth = if i < self.senders as usize { i as u8 } else { i as u8 - self.receivers };
        nth * self.each + sent + 1
    }

    fn messages(&self) -> u8 {
        (self.senders + self.late_senders) * self.each
    }
}

/// One action of process `i`, in each of the ways it can go.
fn act(c: &Config, s: &State, i: usize, out: &mut Vec<State>) -> Result<(), String> {
    let n = c.slots;
    let p = s.p[i];
    let lap = |pos: u8| pos / n;
    let at = |pos: u8| (pos % n) as usize;
    let dead = |owner: u8| owner == NOBODY || owner == SKIP || owner != p.name && s.locks[owner as usize - 1] == 0;
    let mut z = *s;
    let q = &mut z.p[i];
    // Position looked at by a sender: the tail, or one behind leases.
    let pos = p.c.pos + if p.ahead == NONE { 0 } else { p.ahead };
    let hinted = |hint: u8| match c.hint {
        HintRule::Swap => hint != 0,
        HintRule::Count => hint & 1 != 0,
    };
    let set_hint = |hint: u8| match c.hint {
        HintRule::Swap => 1,
        HintRule::Count => (hint + 2) | 1,
    };

    /// Back to the beginning, with nothing remembered but what one has.
    fn restart(q: &mut Process) {
        let keep = *q;
        *q = Process {
            role: keep.role,
            alive: true,
            name: keep.name,
            settled: keep.settled,
            sent: keep.sent,
            gave_up: keep.gave_up,
            put_back: keep.put_back,
            ahead: NONE,
            ..Process::default()
        };
        q.pc = match q.role {
            Role::Sender => Pc::Tail,
            Role::Receiver => Pc::Hint,
            Role::Reaper => Pc::ReapEntry,
            _ => Pc::Done,
        };
        if q.role == Role::Reaper {
            q.back_reap = Pc::ReapEntry;
        }
    }
    /// Nothing to be had: try again, or look for the dead first.
    macro_rules! nothing {
        () => {{
            restart(q);
            let retry = z;
            out.push(retry);
            if c.look_around {
                let mut around = retry;
                around.p[i].pc = Pc::ReapEntry;
                around.p[i].back_reap = Pc::Done; // restart
                out.push(around);
            }
            if c.closer && p.role == Role::Receiver {
                let mut ended = retry;
                ended.p[i].pc = Pc::EndTail;
                // What waits when it begins to look, and has been hinted.
                for (k, slot) in s.slots.iter().enumerate() {
                    let settled = s.p.iter().all(|o| !(o.pc == Pc::PutBackHint && o.slot as usize == k));
                    if slot.word.phase == Leased && slot.word.owner == NOBODY && settled {
                        ended.p[i].waiting |= 1 << slot.message;
                    }
                }
                out.push(ended);
            }
            return Ok(());
        }};
    }
    macro_rules! changed {
        ($q:expr) => {{
            let q: &mut Process = $q;
            if p.ahead == NONE {
                restart(q);
                q.leased = p.leased
            } else {
                q.pc = Pc::AheadTail;
                q.other = Counter::default()
            }
        }};
    }

    match p.pc {
        Pc::Done => return Ok(()),

        // ---- entries ----
        Pc::EnterLock => {
            let e = p.e as usize;
            if s.locks[e] == 0 {
                z.locks[e] = i as u8 + 1;
                z.p[i].pc = Pc::EnterLoad;
            } else {
                q.e = (p.e + 1) % c.names;
            }
        }
        Pc::EnterLoad => {
            q.state = s.entries[p.e as usize];
            q.pc = if q.state & 1 == 0 { Pc::EnterTake } else { Pc::EnterUnlock };
        }
        Pc::EnterUnlock => {
            z.locks[p.e as usize] = 0;
            z.p[i].pc = Pc::RecoverTail;
            z.p[i].back_reap = Pc::EnterLock;
        }
        Pc::EnterTake => {
            if s.entries[p.e as usize] != p.state {
                return Err("an entry whose byte is locked was written to".into());
            }
            z.entries[p.e as usize] = (p.state | 1) + 2;
            let q = &mut z.p[i];
            q.name = p.e + 1;
            restart(q);
        }
        Pc::LeaveEntry => {
            z.entries[p.name as usize - 1] &= !1;
            z.p[i].pc = Pc::LeaveLock;
        }
        Pc::LeaveLock => {
            z.locks[p.name as usize - 1] = 0;
            let sent = p.sent;
            z.p[i] = Process { role: p.role, alive: true, sent, ..Process::default() };
        }

        // ---- sending ----
        Pc::Tail => {
            if p.sent == c.each || s.tail.pos >= c.end {
                if !c.leave {
                    return Ok(());
                }
                q.pc = Pc::LeaveEntry;
                out.push(z);
                return Ok(());
            }
            q.c = s.tail;
            let by = s.tail.by;
            if s.tail.closed {
                restart(q);
                q.pc = Pc::Done;
            } else {
                q.pc = match by {
                    _ if by == p.name && p.settled == s.tail.pos && p.settled != 0 => Pc::Slot,
                    NOBODY => Pc::Slot,
                    SKIP if c.plant == Plant::SkipNotMarked => Pc::Slot,
                    SKIP => Pc::RecordSkip,
                    _ if c.plant == Plant::TailNotRecorded => Pc::Slot,
                    _ => Pc::RecordTail,
                };
            }
        }
        Pc::RecordTail | Pc::EndRecord => {
            let l = lap(p.c.pos - 1);
            let w = s.slots[at(p.c.pos - 1)].word;
            if w.phase == Free && w.lap <= l {
                q.word = w;
                q.pc = match p.pc {
                    Pc::RecordTail => Pc::RecordTailSet,
                    _ => Pc::EndRecordSet,
                };
            } else {
                match p.pc {
                    Pc::RecordTail => q.pc = Pc::Slot,
                    _ => q.pc = Pc::EndHead,
                }
            }
        }
        Pc::RecordTailSet | Pc::EndRecordSet => {
            let k = at(p.c.pos - 1);
            if s.slots[k].word == p.word {
                z.slots[k].word = word(lap(p.c.pos - 1), Writing, p.c.by, 0);
            }
            let q = &mut z.p[i];
            q.word = Word::default();
            match p.pc {
                Pc::RecordTailSet => q.pc = Pc::Slot,
                _ => q.pc = Pc::EndHead,
            }
        }
        Pc::RecordSkip | Pc::EndRecordSkip => {
            let k = at(p.c.pos - 1);
            z.slots[k].mark = s.slots[k].mark.max(lap(p.c.pos - 1) + 1);
            let q = &mut z.p[i];
            match p.pc {
                Pc::RecordSkip => q.pc = Pc::Slot,
                _ => q.pc = Pc::EndHead,
            }
        }
        Pc::Slot | Pc::AheadSlot => {
            let w = s.slots[at(pos)].word;
            let l = lap(pos);
            q.word = w;
            match w.phase {
                Free if w.lap <= l => {
                    if p.pc == Pc::Slot {
                        q.pc = Pc::Claim
                    } else if p.ahead == 0 {
                        restart(q)
                    } else {
                        q.leased = p.ahead;
                        q.ahead = NONE;
                        q.word = Word::default();
                        q.pc = Pc::Skip
                    }
                }
                Leased if w.lap < l => {
                    if p.pc == Pc::Slot {
                        if p.leased > 0 {
                            q.pc = Pc::Skip
                        } else {
                            q.ahead = 0;
                            q.pc = Pc::AheadSlot
                        }
                        q.word = Word::default();
                    } else {
                        q.ahead = p.ahead + 1;
                        q.word = Word::default();
                        if q.ahead == n {
                            nothing!()
                        }
                    }
                }
                Writing if w.lap < l => q.pc = Pc::Dead,
                Ready if w.lap < l => q.pc = Pc::PlaceHead,
                _ => q.pc = Pc::ChangedTail,
            }
        }
        Pc::Dead => {
            if dead(p.word.owner) {
                q.pc = Pc::FreeCheck;
                q.back_free = Pc::Tail
            } else {
                nothing!()
            }
        }
        Pc::PlaceHead => {
            let held = p.word.lap * n + at(pos) as u8;
            q.other = s.head;
            if s.head.pos == held + 1 {
                q.back_head = Pc::PlaceChangedHead;
                q.pc = if matches!(s.head.by, NOBODY | SKIP) { Pc::PlaceChangedHead } else { Pc::RecordHead };
            } else if s.head.pos <= held {
                nothing!()
            } else {
                q.pc = Pc::PlaceChangedHead;
            }
        }
        Pc::PlaceChangedHead => {
            if s.head != p.other {
                changed!(q)
            } else {
                q.pc = Pc::PlaceChangedSlot
            }
        }
        Pc::PlaceChangedSlot => {
            if s.slots[at(pos)].word == p.word {
                return Err("corrupt: slot before head".into());
            }
            changed!(q)
        }
        Pc::ChangedTail => {
            if s.tail != p.c {
                changed!(q)
            } else {
                q.pc = Pc::ChangedSlot
            }
        }
        Pc::ChangedSlot => {
            if s.slots[at(pos)].word == p.word {
                return Err("corrupt: slot before tail".into());
            }
            changed!(q)
        }
        Pc::AheadTail => {
            if s.tail != p.c {
                restart(q)
            } else {
                q.word = Word::default();
                q.pc = Pc::AheadSlot
            }
        }
        Pc::Skip => {
            let moved = s.tail == p.c;
            if moved {
                z.tail = Counter { pos: p.c.pos + 1, by: SKIP, closed: false }
            }
            let q = &mut z.p[i];
            restart(q);
            q.leased = if moved { p.leased - 1 } else { 0 };
        }
        Pc::Claim => {
            if s.tail == p.c {
                z.tail = Counter { pos: p.c.pos + 1, by: p.name, closed: false };
                let q = &mut z.p[i];
                restart(q);
                q.claimed = p.c.pos + 1;
                q.pc = Pc::Write;
            } else {
                restart(q);
                q.leased = p.leased;
            }
        }
        Pc::Write => {
            if c.forget {
                let mut forgot = z;
                let q = &mut forgot.p[i];
                restart(q);
                (q.e, q.pc, q.back_reap) = (p.name - 1, Pc::RecoverTail, Pc::LeaveEntry);
                if c.plant == Plant::LeftWithClaims {
                    q.pc = Pc::LeaveEntry;
                }
                out.push(forgot);
            }
            if p.gave_up < c.give_ups {
                let mut gave = z;
                gave.p[i].gave_up += 1;
                gave.p[i].pc = Pc::GiveUpMark;
                out.push(gave);
            }
            let k = at(p.claimed - 1);
            if s.slots[k].message != 0 {
                return Err("a message was overwritten".into());
            }
            z.slots[k].message = c.message(i, p.sent);
            z.p[i].pc = Pc::Publish;
        }
        Pc::Publish => {
            let (k, l) = (at(p.claimed - 1), lap(p.claimed - 1));
            settle(s.slots[k].word, l, p.name)?;
            z.slots[k].word = word(l, Ready, NOBODY, 0);
            z.sent |= 1 << c.message(i, p.sent);
            let q = &mut z.p[i];
            q.settled = p.claimed;
            q.sent += 1;
            restart(q);
        }
        Pc::GiveUpMark => {
            let (k, l) = (at(p.claimed - 1), lap(p.claimed - 1));
            let swapped = c.plant == Plant::MarkAfterFree;
            if swapped {
                settle(s.slots[k].word, l, p.name)?;
                z.slots[k].word = word(l + 1, Free, NOBODY, 0)
            } else {
                z.slots[k].mark = s.slots[k].mark.max(l + 1)
            }
            z.p[i].pc = Pc::GiveUpFree;
        }
        Pc::GiveUpFree => {
            let (k, l) = (at(p.claimed - 1), lap(p.claimed - 1));
            if c.plant == Plant::MarkAfterFree {
                z.slots[k].mark = s.slots[k].mark.max(l + 1)
            } else {
                settle(s.slots[k].word, l, p.name)?;
                z.slots[k].word = word(l + 1, Free, NOBODY, 0)
            }
            let q = &mut z.p[i];
            q.settled = p.claimed;
            restart(q);
            q.pc = Pc::AcrossHead;
            q.back_across = Pc::Tail;
        }

        // ---- receiving ----
        Pc::Hint => {
            q.pc = if hinted(s.hint) {
                q.hint = if c.hint == HintRule::Count { s.hint } else { 0 };
                Pc::Swap
            } else {
                Pc::Head
            }
        }
        Pc::Swap => {
            // No action of its own where the hint is only read.
            if c.hint == HintRule::Swap && c.plant != Plant::HintClearedAfterScan {
                z.hint = 0;
                z.p[i].pc = if s.hint == 0 { Pc::Head } else { Pc::Scan };
            } else {
                q.pc = Pc::Scan;
            }
        }
        Pc::Scan => {
            let w = s.slots[p.k as usize].word;
            if w.phase == Leased && w.owner == NOBODY {
                q.word = w;
                q.pc = Pc::Take;
            } else {
                q.k += 1;
                if q.k == n {
                    q.k = 0;
                    q.pc = if c.hint == HintRule::Count || c.plant == Plant::HintClearedAfterScan {
                        Pc::Unhint
                    } else {
                        Pc::Head
                    };
                }
            }
        }
        Pc::Unhint => {
            if c.plant == Plant::HintClearedAfterScan {
                z.hint = 0
            } else if s.hint == p.hint {
                z.hint = s.hint & !1
            }
            z.p[i].hint = 0;
            z.p[i].pc = Pc::Head;
        }
        Pc::Take => {
            let k = p.k as usize;
            if s.slots[k].word == p.word {
                z.slots[k].word = word(p.word.lap, Leased, p.name, p.word.deliveries + 1);
                let q = &mut z.p[i];
                restart(q);
                (q.slot, q.lap, q.deliveries) = (p.k, p.word.lap, p.word.deliveries + 1);
                q.pc = if c.hint == HintRule::Swap { Pc::TakeHint } else { Pc::Read };
            } else {
                q.word = Word::default();
                q.k += 1;
                q.pc = Pc::Scan;
                if q.k == n {
                    q.k = 0;
                    q.pc = if c.hint == HintRule::Count || c.plant == Plant::HintClearedAfterScan {
                        Pc::Unhint
                    } else {
                        Pc::Head
                    };
                }
            }
        }
        Pc::TakeHint => {
            z.hint = set_hint(s.hint);
            z.p[i].pc = Pc::Read
        }
        Pc::Head => {
            q.hint = 0;
            q.c = s.head;
            q.other = s.head;
            q.back_head = Pc::HeadSlot;
            q.pc = if s.head.pos == 0
                || matches!(s.head.by, NOBODY | SKIP)
                || s.head.by == p.name && s.head.pos == p.settled
            {
                Pc::HeadSlot
            } else {
                Pc::RecordHead
            };
            if q.pc == Pc::HeadSlot {
                q.other = Counter::default();
                q.back_head = Pc::Done
            }
        }
        Pc::HeadSlot => {
            let w = s.slots[at(p.c.pos)].word;
            let marked = s.slots[at(p.c.pos)].mark > lap(p.c.pos);
            if c.plant == Plant::MarkBeforeWord && p.steps == 0 {
                // The mark first.
                q.steps = if marked { 2 } else { 1 };
                out.push(z);
                return Ok(());
            }
            q.word = w;
            q.pc = if w == word(lap(p.c.pos), Ready, NOBODY, 0) { Pc::HeadClaim } else { Pc::HeadMark };
        }
        Pc::HeadClaim => {
            if s.head == p.c {
                z.head = Counter { pos: p.c.pos + 1, by: p.name, closed: false };
                let q = &mut z.p[i];
                restart(q);
                (q.slot, q.lap, q.deliveries, q.claimed) = (at(p.c.pos) as u8, lap(p.c.pos), 0, p.c.pos + 1);
                q.pc = Pc::Read;
            } else {
                restart(q);
                q.pc = Pc::Head;
            }
        }
        Pc::HeadMark => {
            let l = lap(p.c.pos);
            let marked = if c.plant == Plant::MarkBeforeWord { p.steps == 2 } else { s.slots[at(p.c.pos)].mark > l };
            let w = p.word;
            if marked {
                q.pc = Pc::HeadPass;
                q.word = Word::default()
            } else {
                match w.phase {
                    Free if w.lap <= l => nothing!(),
                    Leased | Writing if w.lap < l => nothing!(),
                    Writing if w.lap == l => q.pc = Pc::HeadDead,
                    _ => q.pc = Pc::HeadChanged,
                }
            }
        }
        Pc::HeadPass => {
            if s.head == p.c {
                z.head = Counter { pos: p.c.pos + 1, by: SKIP, closed: false }
            }
            let q = &mut z.p[i];
            restart(q);
            q.pc = Pc::Head;
        }
        Pc::HeadDead => {
            if dead(p.word.owner) {
                q.pc = Pc::FreeCheck;
                q.back_free = Pc::Head
            } else {
                nothing!()
            }
        }
        Pc::HeadChanged => {
            if s.head != p.c {
                restart(q);
                q.pc = Pc::Head
            } else {
                q.pc = Pc::HeadChangedSlot
            }
        }
        Pc::HeadChangedSlot => {
            if s.slots[at(p.c.pos)].word == p.word {
                return Err("corrupt: slot at head".into());
            }
            restart(q);
            q.pc = Pc::Head;
        }
        Pc::Read => {
            let m = s.slots[p.slot as usize].message;
            if m == 0 || s.sent & 1 << m == 0 {
                return Err(format!("invented: {m}"));
            }
            z.received[m as usize] += 1;
            z.p[i].message = m;
            z.p[i].pc = Pc::Release;
            if p.put_back < c.put_backs {
                let mut put = z;
                put.p[i].put_back += 1;
                put.p[i].pc = Pc::PutBack;
                out.push(put);
            }
        }
        Pc::Release | Pc::PutBack => {
            let k = p.slot as usize;
            let w = s.slots[k].word;
            let mine = w == word(p.lap, Leased, p.name, p.deliveries)
                || p.deliveries == 0 && w == word(p.lap, Ready, NOBODY, 0);
            if !mine || s.slots[k].message != p.message {
                return Err(format!("a lease was taken away: {w:?}"));
            }
            if p.pc == Pc::Release {
                z.slots[k].word = word(p.lap + 1, Free, NOBODY, 0);
                z.slots[k].message = 0;
                let q = &mut z.p[i];
                if p.claimed != 0 {
                    q.settled = p.claimed
                }
                restart(q);
            } else {
                z.slots[k].word = word(p.lap, Leased, NOBODY, p.deliveries);
                z.received[p.message as usize] = 0;
                z.excused |= 1 << p.message;
                z.p[i].pc = Pc::PutBackHint;
            }
        }
        Pc::PutBackHint => {
            z.hint = set_hint(s.hint);
            restart(&mut z.p[i])
        }

        // ---- the end ----
        Pc::EndTail => {
            q.c = s.tail;
            if !s.tail.closed {
                restart(q)
            } else {
                q.pc = match s.tail.by {
                    _ if c.plant == Plant::ClosedBeforeRecord || s.tail.pos == 0 || s.tail.by == NOBODY => Pc::EndHead,
                    SKIP => Pc::EndRecordSkip,
                    _ => Pc::EndRecord,
                };
            }
        }
        Pc::EndHead => {
            let waiting = p.waiting;
            let drained = s.head.pos >= p.c.pos;
            restart(q);
            if drained {
                q.waiting = waiting;
                q.pc = Pc::ReapEntry;
                q.back_reap = Pc::EndHint;
            }
        }
        Pc::EndHint => {
            if hinted(s.hint) {
                restart(q)
            } else {
                for slot in &s.slots {
                    if slot.word.phase == Leased && slot.word.owner == NOBODY && p.waiting & 1 << slot.message != 0 {
                        return Err("told that the channel has ended while a message waits".into());
                    }
                }
                restart(q);
                q.pc = Pc::Done;
            }
        }

        // ---- what several have in common ----
        Pc::RecordHead => {
            let l = lap(p.other.pos - 1);
            q.pc = if c.plant != Plant::HeadNotRecorded
                && s.slots[at(p.other.pos - 1)].word == word(l, Ready, NOBODY, 0)
            {
                Pc::RecordHeadSet
            } else {
                p.back_head
            };
            if q.pc == p.back_head {
                leave_record(q, p.back_head)
            }
        }
        Pc::RecordHeadSet => {
            let (k, l) = (at(p.other.pos - 1), lap(p.other.pos - 1));
            if s.slots[k].word == word(l, Ready, NOBODY, 0) {
                z.slots[k].word = word(l, Leased, p.other.by, 0)
            }
            leave_record(&mut z.p[i], p.back_head);
        }
        Pc::FreeCheck => {
            // Whoever was found dead may have published between the look at the word and the question.
            let k = if p.back_free == Pc::RecoverNext {
                p.k as usize
            } else {
                at(if p.role == Role::Sender { pos } else { p.c.pos })
            };
            if c.plant == Plant::MarkOnStaleWord || s.slots[k].word == p.word {
                q.pc = Pc::FreeMark;
            } else {
                match p.back_free {
                    Pc::Tail => {
                        q.back_free = Pc::Done;
                        changed!(q)
                    }
                    Pc::Head => {
                        restart(q);
                        q.pc = Pc::Head
                    }
                    _ => {
                        q.back_free = Pc::Done;
                        q.word = Word::default();
                        next_slot(c, q)
                    }
                }
            }
        }
        Pc::FreeMark => {
            let k = if p.back_free == Pc::RecoverNext {
                p.k as usize
            } else {
                at(if p.role == Role::Sender { pos } else { p.c.pos })
            };
            if c.plant == Plant::MarkAfterFree {
                if s.slots[k].word == p.word {
                    z.slots[k].word = word(p.word.lap + 1, Free, NOBODY, 0);
                    z.slots[k].message = 0
                }
            } else {
                z.slots[k].mark = s.slots[k].mark.max(p.word.lap + 1)
            }
            z.p[i].pc = Pc::FreeFree;
        }
        Pc::FreeFree => {
            let k = if p.back_free == Pc::RecoverNext {
                p.k as usize
            } else {
                at(if p.role == Role::Sender { pos } else { p.c.pos })
            };
            if c.plant == Plant::MarkAfterFree {
                z.slots[k].mark = s.slots[k].mark.max(p.word.lap + 1)
            } else if s.slots[k].word == p.word {
                z.slots[k].word = word(p.word.lap + 1, Free, NOBODY, 0);
                z.slots[k].message = 0
            }
            let q = &mut z.p[i];
            match p.back_free {
                Pc::Tail => {
                    q.back_free = Pc::Done;
                    changed!(q)
                }
                Pc::Head => {
                    restart(q);
                    q.pc = Pc::Head
                }
                _ => {
                    q.back_free = Pc::Done;
                    q.word = Word::default();
                    q.steps = 0;
                    q.back_across = Pc::RecoverNext;
                    q.pc = Pc::AcrossHead
                }
            }
        }
        Pc::AcrossHead => {
            q.other = s.head;
            q.pc = Pc::AcrossMark
        }
        Pc::AcrossMark => {
            let h = p.other.pos;
            if s.slots[at(h)].mark <= lap(h) {
                leave_across(q, p.back_across)
            } else if h == 0 || matches!(p.other.by, NOBODY | SKIP) {
                q.pc = Pc::AcrossMove
            } else {
                q.back_head = Pc::AcrossMove;
                q.pc = Pc::RecordHead
            }
        }
        Pc::AcrossMove => {
            let moved = s.head == p.other;
            if moved {
                z.head = Counter { pos: p.other.pos + 1, by: SKIP, closed: false }
            }
            let q = &mut z.p[i];
            q.steps += 1;
            q.other = Counter::default();
            if !moved || q.steps == n { leave_across(q, p.back_across) } else { q.pc = Pc::AcrossHead }
        }

        // ---- recovering ----
        Pc::ReapEntry => {
            let state = s.entries[p.e as usize];
            if state & 1 == 1 {
                q.state = state;
                q.pc = Pc::ReapDead
            } else {
                next_entry(c, q, p.back_reap)
            }
        }
        Pc::ReapDead => {
            if dead(p.e + 1) {
                q.pc = Pc::RecoverTail
            } else {
                next_entry(c, q, p.back_reap)
            }
        }
        Pc::RecoverTail => {
            q.other = s.tail;
            q.pc = match s.tail.by {
                _ if c.plant == Plant::RecoverRecordsNothing => {
                    q.other = Counter::default();
                    Pc::RecoverSlot
                }
                NOBODY => Pc::RecoverHead,
                SKIP => Pc::RecoverSkip,
                _ => Pc::RecoverRecord,
            };
        }
        Pc::RecoverRecord => {
            let w = s.slots[at(p.other.pos - 1)].word;
            if w.phase == Free && w.lap <= lap(p.other.pos - 1) {
                q.word = w;
                q.pc = Pc::RecoverRecordSet
            } else {
                q.pc = Pc::RecoverHead
            }
        }
        Pc::RecoverRecordSet => {
            let k = at(p.other.pos - 1);
            if s.slots[k].word == p.word {
                z.slots[k].word = word(lap(p.other.pos - 1), Writing, p.other.by, 0)
            }
            z.p[i].word = Word::default();
            z.p[i].pc = Pc::RecoverHead;
        }
        Pc::RecoverSkip => {
            let k = at(p.other.pos - 1);
            z.slots[k].mark = s.slots[k].mark.max(lap(p.other.pos - 1) + 1);
            z.p[i].pc = Pc::RecoverHead;
        }
        Pc::RecoverHead => {
            q.other = s.head;
            q.k = 0;
            if s.head.pos == 0 || matches!(s.head.by, NOBODY | SKIP) {
                q.other = Counter::default();
                q.pc = Pc::RecoverSlot
            } else {
                q.back_head = Pc::RecoverSlot;
                q.pc = Pc::RecordHead
            }
        }
        Pc::RecoverSlot => {
            let w = s.slots[p.k as usize].word;
            if w.owner == p.e + 1 && matches!(w.phase, Writing | Leased) {
                q.word = w;
                q.pc = Pc::RecoverDead;
                if c.plant == Plant::RecoverDoesNotAskAgain {
                    to_recover(q, w)
                }
            } else {
                next_slot(c, q)
            }
        }
        Pc::RecoverDead => {
            if p.name == p.e + 1 || dead(p.e + 1) {
                to_recover(q, p.word);
            } else {
                q.spared = c.plant != Plant::EntryFreedThoughSpared;
                q.word = Word::default();
                next_slot(c, q);
            }
        }
        Pc::RecoverLease => {
            let k = p.k as usize;
            if s.slots[k].word == p.word {
                z.slots[k].word = word(p.word.lap, Leased, NOBODY, p.word.deliveries);
                z.p[i].leased = 1
            }
            let q = &mut z.p[i];
            q.word = Word::default();
            next_slot(c, q);
            if c.plant != Plant::RecoverHintsOnlyItsOwn {
                q.leased = 0
            }
        }
        Pc::RecoverNext => {
            next_slot(c, q);
            out.push(z);
            return Ok(());
        }
        Pc::RecoverHint => {
            if c.plant != Plant::RecoverHintsOnlyItsOwn || p.leased == 1 {
                z.hint = set_hint(s.hint)
            }
            z.p[i].leased = 0;
            z.p[i].pc = if p.back_reap == Pc::LeaveEntry { Pc::LeaveEntry } else { Pc::RecoverEntry };
        }
        Pc::RecoverEntry => {
            let e = p.e as usize;
            if c.plant == Plant::EntryFreedByStore || !p.spared && s.entries[e] == p.state {
                z.entries[e] = (p.state & !1) + 2
            }
            let q = &mut z.p[i];
            q.spared = false;
            q.state = 0;
            if p.back_reap == Pc::EnterLock {
                q.pc = Pc::EnterLock;
                q.back_reap = Pc::Done
            } else {
                next_entry(c, q, p.back_reap)
            }
        }

        // ---- closing ----
        Pc::CloseTail => {
            q.c = s.tail;
            q.pc = Pc::CloseSet
        }
        Pc::CloseSet => {
            if s.tail == p.c {
                z.tail.closed = true;
                z.p[i].pc = Pc::Done
            } else {
                q.pc = Pc::CloseTail
            }
            z.p[i].c = Counter::default();
        }
    }
    out.push(z);
    Ok(())
}

fn leave_record(q: &mut Process, back: Pc) {
    q.back_head = Pc::Done;
    q.pc = back;
    // `place` compares the head again, and `step_across` moves it.
    if !matches!(back, Pc::PlaceChangedHead | Pc::AcrossMove) {
        q.other = Counter::default()
    }
}

fn leave_across(q: &mut Process, back: Pc) {
    (q.other, q.steps, q.back_across, q.pc) = (Counter::default(), 0, Pc::Done, back);
}

fn to_recover(q: &mut Process, w: Word) {
    if w.phase == Writing {
        q.back_free = Pc::RecoverNext;
        q.pc = Pc::FreeCheck
    } else {
        q.pc = Pc::RecoverLease
    }
}

fn next_slot(c: &Config, q: &mut Process) {
    q.k += 1;
    q.pc = Pc::RecoverSlot;
    if q.k == c.slots {
        q.k = 0;
        q.pc = Pc::RecoverHint
    }
}

fn next_entry(c: &Config, q: &mut Process, back: Pc) {
    (q.state, q.pc) = (0, Pc::ReapEntry);
    q.e += 1;
    if q.e == c.names {
        q.e = 0;
        q.back_reap = Pc::Done;
        match back {
            Pc::EndHint => q.pc = Pc::EndHint,
            Pc::ReapEntry => q.back_reap = Pc::ReapEntry,
            _ => q.pc = if q.role == Role::Sender { Pc::Tail } else { Pc::Hint },
        }
    }
}

/// Whether the slot of a claim still is the claimer's.
fn settle(w: Word, lap: u8, name: u8) -> Result<(), String> {
    if w.phase == Free && w.lap <= lap || w == word(lap, Writing, name, 0) {
        Ok(())
    } else {
        Err(format!("a claim was taken away: {w:?}"))
    }
}

fn kill(c: &Config, s: &State, i: usize) -> Option<State> {
    let p = s.p[i];
    if s.deaths == c.deaths || p.pc == Pc::Done {
        return None;
    }
    let mut z = *s;
    z.deaths += 1;
    z.p[i] = Process { role: p.role, ..Process::default() };
    for lock in &mut z.locks {
        if *lock == i as u8 + 1 {
            *lock = 0
        }
    }
    if p.name != 0 {
        for (k, slot) in s.slots.iter().enumerate() {
            let unrecorded = s.head.by == p.name
                && s.head.pos > 0
                && ((s.head.pos - 1) % c.slots) as usize == k
                && slot.word == word((s.head.pos - 1) / c.slots, Ready, NOBODY, 0);
            if unrecorded || slot.word.phase == Leased && slot.word.owner == p.name {
                z.excused |= 1 << slot.message;
                z.received[slot.message as usize] = 0;
            }
        }
    }
    Some(z)
}

fn broken(c: &Config, s: &State) -> Option<String> {
    for m in 1..=c.messages() {
        let got = s.received[m as usize];
        if got > 1 && s.excused & 1 << m == 0 {
            return Some(format!("message {m} received twice"));
        }
        if s.sent & 1 << m != 0
            && got == 0
            && !s.slots.iter().any(|x| x.message == m && matches!(x.word.phase, Ready | Leased))
        {
            return Some(format!("message {m} lost"));
        }
    }
    None
}

/// Everything that should happen has.
fn done(c: &Config, s: &State) -> bool {
    // Who finds every name held by the living waits outside.
    let crowded = s.locks[..c.names as usize].iter().all(|lock| *lock != 0);
    (1..=c.messages()).all(|m| s.sent & 1 << m == 0 || s.received[m as usize] > 0)
        && s.p.iter().filter(|p| p.alive).all(|p| match p.role {
            _ if p.pc == Pc::EnterLock => crowded,
            Role::Sender => p.sent == c.each || p.pc == Pc::Done || p.pc == Pc::Tail && s.tail.pos >= c.end,
            Role::Receiver => !s.tail.closed || p.pc == Pc::Done,
            Role::Closer => p.pc == Pc::Done,
            _ => true,
        })
}

/// Whether there is somebody to make it happen.
fn able(c: &Config, s: &State) -> bool {
    let receives = s.p.iter().any(|p| p.alive && p.role == Role::Receiver);
    let recovers = c.look_around && receives || s.deaths == 0 || s.p.iter().any(|p| p.alive && p.role == Role::Reaper);
    receives && recovers
}

#[derive(Default)]
struct Mix(u64, u64);
impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u8(*b)
        }
    }
    fn write_u8(&mut self, b: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(b)).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.1 = (self.1 ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
    fn write_isize(&mut self, v: isize) {
        self.write_u8(v as u8)
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u8(v as u8)
    }
    fn write_u128(&mut self, v: u128) {
        self.0 = v as u64
    }
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

fn print_of(s: &State) -> u128 {
    let mut mix = Mix(0x1234_5678, 0xcbf2_9ce4_8422_2325);
    s.hash(&mut mix);
    u128::from(mix.0 ^ mix.0 >> 29) << 64 | u128::from(mix.1)
}

enum Verdict {
    Holds(usize),
    Broken(String, usize, Vec<String>),
    Stuck(usize, usize, Vec<String>),
    TooMany(usize),
}

const MOST: usize = 16_000_000;

fn check(c: &Config) -> Verdict {
    search(c, None)
}

/// Goes through all states; or, to show what one number stands for, as far as that one.
fn search(c: &Config, wanted: Option<u32>) -> Verdict {
    let start = c.start();
    let mut ids: HashMap<u128, u32, BuildHasherDefault<Mix>> = HashMap::default();
    ids.insert(print_of(&start), 0);
    // (to, from), deaths left out.
    let mut edges: Vec<(u32, u32)> = vec![];
    let mut good: Vec<u32> = vec![];
    let mut must: Vec<bool> = vec![able(c, &start)];
    let mut todo = vec![(0u32, start)];
    let mut next = vec![];
    while let Some((id, s)) = todo.pop() {
        if c.progress && done(c, &s) {
            good.push(id)
        }
        for i in 0..PROCESSES {
            if !s.p[i].alive {
                continue;
            }
            next.clear();
            if let Err(why) = act(c, &s, i, &mut next) {
                return Verdict::Broken(why, ids.len(), show(&s));
            }
            next.extend(kill(c, &s, i));
            for z in &next {
                if let Some(why) = broken(c, z) {
                    return Verdict::Broken(why, ids.len(), show(z));
                }
                let fresh = ids.len() as u32;
                let k = *ids.entry(print_of(z)).or_insert(fresh);
                if wanted == Some(k) {
                    return Verdict::Broken(String::new(), 0, show(z));
                }
                if c.progress && z.deaths == s.deaths && k != id {
                    edges.push((k, id))
                }
                if k == fresh {
                    must.push(able(c, z));
                    todo.push((k, *z));
                }
            }
        }
        if ids.len() > MOST {
            return Verdict::TooMany(ids.len());
        }
    }
    let states = ids.len();
    drop(ids);
    if c.progress {
        let mut first = vec![0u32; states + 1];
        for (to, _) in &edges {
            first[*to as usize + 1] += 1
        }
        for k in 0..states {
            first[k + 1] += first[k]
        }
        let mut from = vec![0u32; edges.len()];
        let mut fill = first.clone();
        for (to, f) in &edges {
            from[fill[*to as usize] as usize] = *f;
            fill[*to as usize] += 1
        }
        let mut ok = vec![false; states];
        good.iter().for_each(|g| ok[*g as usize] = true);
        while let Some(g) = good.pop() {
            for f in &from[first[g as usize] as usize..first[g as usize + 1] as usize] {
                if !ok[*f as usize] {
                    ok[*f as usize] = true;
                    good.push(*f)
                }
            }
        }
        let stuck = (0..states).filter(|k| must[*k] && !ok[*k]).count();
        if stuck > 0 {
            let one = (0..states as u32).find(|k| must[*k as usize] && !ok[*k as usize]);
            let lines = match search(c, one) {
                Verdict::Broken(_, _, lines) => lines,
                _ => vec![],
            };
            return Verdict::Stuck(stuck, states, lines);
        }
    }
    Verdict::Holds(states)
}

fn show(s: &State) -> Vec<String> {
    let mut lines = vec![format!(
        "tail {:?} head {:?} hint {} entries {:?} locks {:?}",
        s.tail, s.head, s.hint, s.entries, s.locks
    )];
    lines.extend(s.slots.iter().map(|x| format!("slot {:?} mark {} message {}", x.word, x.mark, x.message)));
    lines.extend(s.p.iter().filter(|p| p.role != Role::Absent).map(|p| {
        format!("{:?} alive {} name {} at {:?} c {:?} word {:?}", p.role, p.alive, p.name, p.pc, p.c, p.word)
    }));
    lines
}

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let verbose = std::env::args().any(|argument| argument == "--verbose");
    let only: Option<String> = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    let all: Vec<Config> = configurations()
        .into_iter()
        .filter(|c| (!quick || c.quick) && only.as_ref().is_none_or(|text| c.name.contains(text.as_str())))
        .collect();
    let (turn, failed, out) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(2) {
            scope.spawn(|| {
                while let Some(c) = all.get(turn.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let verdict = check(c);
                    let planted = c.plant != Nothing;
                    let (bad, text, lines) = match verdict {
                        Verdict::Holds(states) => (
                            planted,
                            format!("holds{}, {states} states", if c.progress { ", and progress" } else { "" }),
                            vec![],
                        ),
                        Verdict::Broken(why, states, lines) => {
                            (!planted, format!("{why}, after {states} states"), lines)
                        }
                        Verdict::Stuck(stuck, states, lines) => {
                            (!planted, format!("stuck in {stuck} of {states} states"), lines)
                        }
                        Verdict::TooMany(states) => {
                            (true, format!("too many states, nothing found in {states}"), vec![])
                        }
                    };
                    let _guard = out.lock();
                    let label = match (bad, planted) {
                        (false, false) => "ok    ",
                        (false, true) => "found ",
                        (true, _) => "FAILED",
                    };
                    println!("{label} {} [{:.1} s]: {text}", c.name, begun.elapsed().as_secs_f32());
                    if verbose || bad {
                        lines.iter().for_each(|line| println!("         {line}"))
                    }
                    if bad {
                        failed.store(true, Ordering::Relaxed)
                    }
                }
            });
        }
    });
    if failed.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn configurations() -> Vec<Config> {
    let one_to_one = Config { each: 3, deaths: 1, end: 8, give_ups: 1, put_backs: 1, ..PLAIN };
    let leases = Config { slots: 2, receivers: 2, names: 3, each: 3, end: 6, look_around: false, ..PLAIN };
    let two_senders = Config { senders: 2, names: 3, slots: 2, each: 1, deaths: 1, end: 4, ..PLAIN };
    let two_receivers = Config { receivers: 2, names: 3, each: 2, deaths: 1, end: 4, put_backs: 1, ..PLAIN };
    let two_of_each = Config { receivers: 2, names: 4, ..two_senders };
    let new_sender = Config { late_senders: 1, reapers: 1, deaths: 1, end: 5, look_around: false, ..PLAIN };
    let new_receiver =
        Config { late_receivers: 1, reapers: 1, deaths: 1, end: 4, each: 2, look_around: false, ..PLAIN };
    let recoverers =
        Config { reapers: 2, deaths: 2, receivers: 2, names: 3, each: 1, end: 3, look_around: false, ..PLAIN };
    let leaving =
        Config { late_senders: 1, reapers: 1, each: 1, end: 5, leave: true, give_ups: 1, look_around: false, ..PLAIN };
    let forgetting = Config { forget: true, senders: 2, slots: 2, names: 3, end: 4, late_senders: 1, ..PLAIN };
    let closing =
        Config { closer: true, slots: 2, receivers: 2, names: 3, each: 3, end: 6, look_around: false, ..PLAIN };
    let ending = Config { each: 2, end: 3, put_backs: 1, hint: HintRule::Count, ..closing };
    let q = |c: Config, name| Config { quick: true, name, ..c };
    let l = |c: Config, name| Config { name, ..c };
    let plant = |c: Config, plant, name| Config { plant, name, quick: true, ..c };
    vec![
        l(Config { give_ups: 1, end: 5, ..two_of_each }, "capacity 2, 2:2, 1 message each, giving up, 1 death"),
        l(
            Config { deaths: 1, look_around: true, ..leases },
            "capacity 2, 1:2, 3 messages, leases passed over, 1 death",
        ),
        l(
            Config { deaths: 1, put_backs: 1, hint: HintRule::Count, ..closing },
            "capacity 2, 1:2, 3 messages, putting back, closing, 1 death",
        ),
        l(
            Config { deaths: 2, put_backs: 1, each: 2, ..new_receiver },
            "capacity 1, receivers die, putting back, a new one takes the name, 2 deaths",
        ),
        l(
            Config { deaths: 2, slots: 2, senders: 2, names: 3, ..new_sender },
            "capacity 2, 2:1, senders die, a new one takes the name, 2 deaths",
        ),
        l(Config { put_backs: 1, ..recoverers }, "capacity 1, 1:2, putting back, two recoverers, 2 deaths"),
        l(
            Config { deaths: 1, ..forgetting },
            "capacity 2, 2:1, a sender forgets a claim and leaves, a new one takes its name, 1 death",
        ),
        q(one_to_one, "capacity 1, 1:1, 3 messages, giving up, putting back, 1 death"),
        q(Config { slots: 2, ..one_to_one }, "capacity 2, 1:1, the same"),
        q(two_receivers, "capacity 1, 1:2, 2 messages, putting back, 1 death"),
        q(leases, "capacity 2, 1:2, 3 messages, leases passed over, no death"),
        q(Config { give_ups: 1, ..two_senders }, "capacity 2, 2:1, 1 message each, giving up, 1 death"),
        q(two_of_each, "capacity 2, 2:2, 1 message each, 1 death"),
        q(new_sender, "capacity 1, a sender dies, a new one takes its name, a recoverer lags behind"),
        q(new_receiver, "capacity 1, a receiver dies, a new one takes its name, a recoverer lags behind"),
        q(recoverers, "capacity 1, 1:2, two recoverers, 2 deaths"),
        q(leaving, "capacity 1, a sender gives up, sends and leaves, a new one takes its name"),
        q(forgetting, "capacity 2, 2:1, a sender forgets a claim and leaves, a new one takes its name"),
        q(closing, "capacity 2, 1:2, 3 messages, closing, leases passed over"),
        q(ending, "capacity 2, 1:2, closing, putting back, the hint counted"),
        plant(two_senders, Plant::TailNotRecorded, "planted: sender's claim not recorded"),
        plant(Config { slots: 2, ..two_receivers }, Plant::HeadNotRecorded, "planted: receiver's claim not recorded"),
        plant(leases, Plant::SkipNotMarked, "planted: the passed-over mark left out"),
        plant(one_to_one, Plant::MarkAfterFree, "planted: mark raised after the slot is freed"),
        plant(
            Config { give_ups: 1, ..two_senders },
            Plant::MarkBeforeWord,
            "planted: receiver reads the mark before the word",
        ),
        plant(
            new_sender,
            Plant::RecoverDoesNotAskAgain,
            "planted: recover does not ask again whether the owner is dead",
        ),
        plant(
            new_sender,
            Plant::RecoverRecordsNothing,
            "planted: entry given away before the counters are recorded (sender)",
        ),
        plant(
            new_receiver,
            Plant::RecoverRecordsNothing,
            "planted: entry given away before the counters are recorded (receiver)",
        ),
        plant(recoverers, Plant::RecoverHintsOnlyItsOwn, "planted: recover hints only what it put back itself"),
        plant(
            Config { deaths: 2, ..new_receiver },
            Plant::EntryFreedByStore,
            "planted: entry given back without looking at its generation",
        ),
        plant(two_receivers, Plant::HintClearedAfterScan, "planted: hint cleared after the scan"),
        plant(
            two_of_each,
            Plant::MarkOnStaleWord,
            "b74d367: mark raised for a word that changed before its owner was found dead",
        ),
        plant(leaving, Plant::MarkOnStaleWord, "b74d367: the same, and the owner only left"),
        plant(
            new_sender,
            Plant::EntryFreedThoughSpared,
            "b74d367: a newcomer's lock makes a recoverer leave a slot out (sender)",
        ),
        plant(
            new_receiver,
            Plant::EntryFreedThoughSpared,
            "b74d367: a newcomer's lock makes a recoverer leave a slot out (receiver)",
        ),
        plant(
            forgetting,
            Plant::LeftWithClaims,
            "b74d367: who leaves with a forgotten claim gives its name away with it",
        ),
        plant(closing, Plant::ClosedBeforeRecord, "b74d367: Closed before the last passed-over position is marked"),
        plant(
            Config { hint: HintRule::Swap, ..ending },
            Plant::HintTakenWhileScanning,
            "b74d367: hint 0 while somebody scans, another is told of the end",
        ),
    ]
}
