//! The bias of one counter, as `mi7-core/src/{bias,ends,recovery}.rs` has it: who moves the counter with plain stores, who takes
//! that away, and what becomes of it when they die and their entries are taken by others.
//!
//! *Safety*: nobody stores the counter over somebody else's move.
//!
//! *Progress*: whoever lives comes to its end, without further deaths, as long as somebody recovers the dead. That is what two deaths
//! can break: a bias that names an entry which has been given to somebody else, who lives and does nothing.

mod steps;

use crate::search::{Case, Model, check};

const PROCESSES: usize = 5;
const NAMES: usize = 3;

/// `ticket` 0: nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Word {
    ticket: u8,
    owner: u8,
    revoked: bool,
}

const NOBODYS: Word = Word { ticket: 0, owner: 0, revoked: false };

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Role {
    #[default]
    Absent,
    /// Moves the counter, and holds the bias from the start.
    Holder,
    /// Moves the counter, and then seeks the bias, if it is to.
    Mover,
    /// Takes an entry, and does nothing with it.
    Idler,
    /// Recovers the dead, again and again.
    Reaper,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Pc {
    #[default]
    Done,
    // Table::enter
    EnterLock,
    EnterLoad,
    EnterUnlock,
    EnterTake,
    // Bias::move_as, Ring::claim_biased
    Next,
    Busy,
    LookAtBias,
    Load,
    Store,
    NotBusy,
    // Channel::adopt, Ring::claim
    CountIn,
    CountOut,
    LoadToExchange,
    Exchange,
    // Bias::revoke: returns to `back_revoke`
    Revoke,
    SetRevoked,
    Wait,
    LookWhetherCleared,
    AskWhetherDead,
    Clear,
    // Channel::seek_bias
    Sum,
    Take,
    SumAgain,
    GiveBack,
    GiveBackRevoked,
    // Channel::retire, then Table::leave: the bias is recovered as a dead one's
    Retire,
    RetireRevoked,
    RetireCount,
    LeaveEntry,
    LeaveLock,
    // Table::reap, Table::recover, Bias::recover
    ReapEntry,
    ReapDead,
    Recover,
    RecoverDead,
    RecoverClear,
    RecoverEntry,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Process {
    role: Role,
    alive: bool,
    name: u8,
    pc: Pc,
    back_revoke: Pc,
    back_recover: Pc,
    /// The bias it holds, or is about to take.
    bias: u8,
    adopted: bool,
    /// How often it is to move the counter yet, and how often it is to seek the bias.
    moves: u8,
    seeks: u8,
    // What it has read.
    counter: u8,
    word: Word,
    state: u8,
    sum: u8,
    e: u8,
    spared: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    counter: u8,
    word: Word,
    busy: u8,
    tickets: u8,
    counted: [u8; NAMES],
    /// `generation << 1 | taken`, and who holds the lock (1 + process).
    entries: [u8; NAMES],
    locks: [u8; NAMES],
    p: [Process; PROCESSES],
    deaths: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plant {
    Nothing,
    /// A recoverer whose exchange failed takes the bias for recovered.
    RecoverTriesOnce,
    RecoverDoesNotAsk,
    EntryGivenBackFirst,
    HolderDoesNotLook,
    RevokerDoesNotWait,
    TakerDoesNotLookAgain,
    NewcomerRevokesFirst,
}

#[derive(Clone, Copy)]
struct Config {
    name: &'static str,
    quick: bool,
    /// In this order.
    holders: u8,
    movers: u8,
    /// Movers that have no entry at first.
    late_movers: u8,
    idlers: u8,
    reapers: u8,
    moves: u8,
    seeks: u8,
    /// Who is done leaves.
    leave: bool,
    deaths: u8,
    plant: Plant,
}

const PLAIN: Config = Config {
    name: "",
    quick: true,
    holders: 1,
    movers: 1,
    late_movers: 0,
    idlers: 0,
    reapers: 1,
    moves: 2,
    seeks: 0,
    leave: false,
    deaths: 0,
    plant: Plant::Nothing,
};

pub fn cases() -> Vec<Case> {
    let joined = Config { deaths: 1, seeks: 1, ..PLAIN };
    let seeking = Config { holders: 0, movers: 2, moves: 2, seeks: 2, ..PLAIN };
    let leaving = Config { late_movers: 1, reapers: 0, seeks: 1, leave: true, ..PLAIN };
    let reused = Config { movers: 2, idlers: 1, moves: 1, deaths: 2, ..PLAIN };
    let two_reapers = Config { reapers: 2, movers: 1, ..reused };
    let slow = Config { late_movers: 1, moves: 2, seeks: 1, deaths: 1, ..PLAIN };
    let plant = |c: Config, plant, name| Config { plant, name, ..c };
    let long = |c: Config, name| Config { quick: false, name, ..c };
    let all = vec![
        long(
            Config { moves: 2, seeks: 1, ..reused },
            "bias: a dead holder's entry is taken anew, more moves, 2 deaths",
        ),
        Config { name: "bias: a holder is joined by another, and one dies", ..joined },
        Config { name: "bias: two seek it", ..seeking },
        Config { name: "bias: two seek it, and one dies", deaths: 1, ..seeking },
        Config { name: "bias: holders leave, and others take their entries", ..leaving },
        Config { name: "bias: a dead holder's entry is taken anew, 2 deaths", ..reused },
        Config { name: "bias: a dead holder's entry is taken anew, two recover, 2 deaths", ..two_reapers },
        Config {
            name: "bias: a dead holder's entry is taken anew by one who seeks it, a recoverer lags behind",
            ..slow
        },
        plant(reused, Plant::RecoverTriesOnce, "planted: a bias that was revoked meanwhile is not recovered"),
        plant(reused, Plant::EntryGivenBackFirst, "planted: an entry is given back before its bias is recovered"),
        plant(slow, Plant::RecoverDoesNotAsk, "planted: a bias is recovered without asking whether its holder lives"),
        plant(joined, Plant::HolderDoesNotLook, "planted: a holder does not look whether the bias is its own"),
        plant(joined, Plant::RevokerDoesNotWait, "planted: a revoker does not wait for the holder"),
        plant(seeking, Plant::TakerDoesNotLookAgain, "planted: a taker does not look again who is counted in"),
        plant(seeking, Plant::NewcomerRevokesFirst, "planted: a newcomer counts itself in after it revoked"),
    ];
    let case = |c: Config| Case {
        name: c.name,
        quick: c.quick,
        planted: c.plant != Plant::Nothing,
        check: Box::new(move || check(&c)),
    };
    all.into_iter().map(case).collect()
}

impl Model for Config {
    type State = State;

    fn start(&self) -> State {
        let mut s = State::default();
        let mut all = vec![];
        all.extend((0..self.holders).map(|_| (Role::Holder, true)));
        all.extend((0..self.movers).map(|_| (Role::Mover, true)));
        all.extend((0..self.late_movers).map(|_| (Role::Mover, false)));
        all.extend((0..self.idlers).map(|_| (Role::Idler, false)));
        all.extend((0..self.reapers).map(|_| (Role::Reaper, false)));
        for (i, (role, entered)) in all.into_iter().enumerate() {
            let p = &mut s.p[i];
            (p.role, p.alive, p.moves, p.seeks) = (role, true, self.moves, self.seeks);
            p.pc = match role {
                Role::Reaper => Pc::ReapEntry,
                _ if !entered => Pc::EnterLock,
                _ => Pc::Next,
            };
            if entered {
                p.name = i as u8 + 1;
                s.entries[i] = 3;
                s.locks[i] = i as u8 + 1;
            }
            if role == Role::Holder {
                (p.bias, p.adopted, s.tickets) = (1, true, 1);
                s.word = Word { ticket: 1, owner: 1, revoked: false };
                s.counted[0] = 1;
            }
        }
        s
    }

    fn processes(&self) -> usize {
        PROCESSES
    }

    fn act(&self, s: &State, i: usize, out: &mut Vec<State>) -> Result<(), String> {
        if s.p[i].alive { steps::act(self, s, i, out) } else { Ok(()) }
    }

    fn kill(&self, s: &State, i: usize) -> Option<State> {
        let p = s.p[i];
        if !p.alive || s.deaths == self.deaths || p.pc == Pc::Done && p.name == 0 || p.role == Role::Reaper {
            return None;
        }
        let mut z = *s;
        z.deaths += 1;
        z.p[i] = Process { role: p.role, ..Process::default() };
        for lock in &mut z.locks {
            if *lock == i as u8 + 1 {
                *lock = 0;
            }
        }
        Some(z)
    }

    fn broken(&self, _: &State) -> Option<String> {
        None
    }

    fn checks_progress(&self) -> bool {
        true
    }

    fn done(&self, s: &State) -> bool {
        // Who finds every name held by the living waits outside.
        let crowded = s.locks.iter().all(|lock| *lock != 0);
        s.p.iter().all(|p| match p.role {
            _ if !p.alive => true,
            Role::Reaper => true,
            _ => p.pc == Pc::Done || p.pc == Pc::EnterLock && crowded,
        })
    }

    fn able(&self, s: &State) -> bool {
        s.deaths == 0 || s.p.iter().any(|p| p.alive && p.role == Role::Reaper)
    }

    fn deaths(&self, s: &State) -> u8 {
        s.deaths
    }

    fn show(&self, s: &State) -> Vec<String> {
        let mut lines = vec![format!(
            "counter {} word {:?} busy {} counted {:?} entries {:?} locks {:?}",
            s.counter, s.word, s.busy, s.counted, s.entries, s.locks
        )];
        lines.extend(s.p.iter().filter(|p| p.role != Role::Absent).map(|p| {
            format!("{:?} alive {} name {} at {:?} bias {} word {:?}", p.role, p.alive, p.name, p.pc, p.bias, p.word)
        }));
        lines
    }
}
