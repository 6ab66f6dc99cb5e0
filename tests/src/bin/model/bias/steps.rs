//! One action of one process.

use super::*;

/// Back to the beginning of the next move, or of what comes after the last.
fn next(c: &Config, q: &mut Process) {
    (q.word, q.counter, q.sum, q.e, q.back_revoke) = (NOBODYS, 0, 0, 0, Pc::Done);
    q.pc = if q.moves > 0 {
        Pc::Next
    } else if c.leave {
        Pc::Retire
    } else {
        Pc::Done
    };
}

/// Claims by compare-exchange: at once if it was counted in, else after that.
fn exchange(c: &Config, q: &mut Process) {
    q.pc = match (q.adopted, c.plant) {
        (true, _) => Pc::LoadToExchange,
        (false, Plant::NewcomerRevokesFirst) => Pc::Revoke,
        (false, _) => Pc::CountIn,
    };
    q.back_revoke = if q.pc == Pc::Revoke { Pc::CountIn } else { Pc::Done };
}

fn leave_revoke(q: &mut Process) {
    q.word = NOBODYS;
    q.pc = q.back_revoke;
    q.back_revoke = Pc::Done;
    if q.pc == Pc::LoadToExchange {
        q.adopted = true;
    }
}

/// The next entry of one who looks for the dead.
fn next_entry(q: &mut Process) {
    (q.state, q.word, q.spared, q.pc) = (0, NOBODYS, false, Pc::ReapEntry);
    q.e = (q.e + 1) % NAMES as u8;
}

/// The bias is recovered, or not the dead one's.
fn recovered(c: &Config, q: &mut Process) {
    q.word = NOBODYS;
    q.pc = match q.back_recover {
        Pc::LeaveEntry => Pc::LeaveEntry,
        _ if c.plant == Plant::EntryGivenBackFirst => {
            q.pc = Pc::Done;
            left_entry(q);
            return;
        }
        _ => Pc::RecoverEntry,
    };
}

fn left_entry(q: &mut Process) {
    if q.back_recover == Pc::EnterLock {
        (q.pc, q.back_recover, q.state, q.spared, q.word) = (Pc::EnterLock, Pc::Done, 0, false, NOBODYS);
    } else {
        next_entry(q);
    }
}

pub(super) fn act(c: &Config, s: &State, i: usize, out: &mut Vec<State>) -> Result<(), String> {
    let p = s.p[i];
    let dead = |owner: u8| owner != p.name && s.locks[owner as usize - 1] == 0;
    let mut z = *s;
    let q = &mut z.p[i];
    let e = p.e as usize;
    // The counts of those who have an entry, be they dead.
    let counted = |e: usize| if s.entries[e] & 1 == 1 { s.counted[e] } else { 0 };
    match p.pc {
        Pc::Done => return Ok(()),

        Pc::EnterLock => {
            if s.locks[e] == 0 {
                z.locks[e] = i as u8 + 1;
                z.p[i].pc = Pc::EnterLoad;
            } else {
                q.e = (p.e + 1) % NAMES as u8;
            }
        }
        Pc::EnterLoad => {
            q.state = s.entries[e];
            q.pc = if q.state & 1 == 0 { Pc::EnterTake } else { Pc::EnterUnlock };
        }
        Pc::EnterUnlock => {
            z.locks[e] = 0;
            z.p[i].back_recover = Pc::EnterLock;
            z.p[i].pc = if c.plant == Plant::EntryGivenBackFirst { Pc::RecoverEntry } else { Pc::Recover };
        }
        Pc::EnterTake => {
            z.counted[e] = 0;
            z.entries[e] = (p.state | 1) + 2;
            let q = &mut z.p[i];
            q.name = p.e + 1;
            q.state = 0;
            next(c, q);
            if p.role == Role::Idler {
                q.pc = Pc::Done;
            }
        }

        // ---- moving with the bias ----
        Pc::Next if p.bias != 0 => q.pc = Pc::Busy,
        Pc::Next => exchange(c, q),
        Pc::Busy => {
            z.busy = p.bias;
            z.p[i].pc = Pc::LookAtBias;
        }
        Pc::LookAtBias => {
            let own = s.word == Word { ticket: p.bias, owner: p.name, revoked: false };
            q.pc = if own || c.plant == Plant::HolderDoesNotLook { Pc::Load } else { Pc::NotBusy };
        }
        Pc::Load => {
            q.counter = s.counter + 1;
            q.pc = Pc::Store;
        }
        Pc::Store => {
            if s.counter + 1 != p.counter {
                return Err("the counter was stored over another's move".into());
            }
            z.counter = p.counter;
            z.p[i].moves -= 1;
            z.p[i].pc = Pc::NotBusy;
        }
        Pc::NotBusy => {
            z.busy = 0;
            let q = &mut z.p[i];
            if p.counter != 0 { next(c, q) } else { exchange(c, q) }
        }

        // ---- moving without ----
        Pc::CountIn => {
            z.counted[p.name as usize - 1] += 1;
            let q = &mut z.p[i];
            (q.pc, q.back_revoke) = (Pc::Revoke, Pc::LoadToExchange);
            if c.plant == Plant::NewcomerRevokesFirst {
                leave_revoke(q);
            }
        }
        Pc::CountOut => {
            z.counted[p.name as usize - 1] -= 1;
            next(c, &mut z.p[i]);
        }
        Pc::LoadToExchange => {
            q.counter = s.counter + 1;
            q.pc = Pc::Exchange;
        }
        Pc::Exchange => {
            if s.counter + 1 != p.counter {
                q.pc = Pc::LoadToExchange;
            } else {
                z.counter = p.counter;
                let q = &mut z.p[i];
                q.moves -= 1;
                next(c, q);
                if p.seeks > 0 && q.moves > 0 {
                    (q.seeks, q.pc) = (p.seeks - 1, Pc::Sum);
                }
            }
        }

        // ---- revoking ----
        Pc::Revoke => {
            q.word = s.word;
            if s.word == NOBODYS {
                leave_revoke(q);
            } else {
                q.pc = if s.word.revoked { Pc::Wait } else { Pc::SetRevoked };
            }
        }
        Pc::SetRevoked => {
            if s.word == p.word {
                z.word.revoked = true;
                z.p[i].word.revoked = true;
                z.p[i].pc = Pc::Wait;
            } else {
                q.pc = Pc::Revoke;
            }
        }
        Pc::Wait if s.busy != p.word.ticket || c.plant == Plant::RevokerDoesNotWait => q.pc = Pc::Clear,
        Pc::Wait => q.pc = Pc::LookWhetherCleared,
        Pc::LookWhetherCleared if s.word != p.word => q.pc = Pc::Clear,
        Pc::LookWhetherCleared => q.pc = Pc::AskWhetherDead,
        Pc::AskWhetherDead => {
            if dead(p.word.owner) {
                q.pc = Pc::Clear;
            } else {
                // It has asked often enough, and says that the end is not to be had.
                q.word = NOBODYS;
                match p.back_revoke {
                    Pc::LoadToExchange => q.pc = Pc::CountOut,
                    _ => next(c, q),
                }
                out.push(z);
                z.p[i] = p;
                z.p[i].pc = Pc::Wait;
            }
        }
        Pc::Clear => {
            if s.word == p.word {
                z.word = NOBODYS;
                leave_revoke(&mut z.p[i]);
            } else {
                q.pc = Pc::Revoke;
            }
        }

        // ---- seeking ----
        Pc::Sum | Pc::SumAgain => {
            q.sum += counted(e);
            q.e += 1;
            if q.e == NAMES as u8 {
                let alone = q.sum == 1;
                (q.e, q.sum) = (0, 0);
                match (p.pc, alone) {
                    (Pc::Sum, true) => (q.pc, q.back_revoke) = (Pc::Revoke, Pc::Take),
                    (Pc::Sum, false) | (_, true) => next(c, q),
                    _ => q.pc = Pc::GiveBack,
                }
            }
        }
        Pc::Take => {
            // The ticket is drawn and the word written in one: nobody goes by a ticket alone.
            z.tickets += 1;
            let q = &mut z.p[i];
            if s.word == NOBODYS {
                z.word = Word { ticket: z.tickets, owner: p.name, revoked: false };
                q.bias = z.tickets;
                q.pc = Pc::SumAgain;
                if c.plant == Plant::TakerDoesNotLookAgain {
                    next(c, q);
                }
            } else {
                next(c, q);
            }
        }
        Pc::GiveBack | Pc::GiveBackRevoked | Pc::Retire | Pc::RetireRevoked => {
            let revoked = matches!(p.pc, Pc::GiveBackRevoked | Pc::RetireRevoked);
            if p.bias != 0 && s.word == (Word { ticket: p.bias, owner: p.name, revoked }) {
                z.word = NOBODYS;
            }
            let q = &mut z.p[i];
            match p.pc {
                Pc::GiveBack => q.pc = Pc::GiveBackRevoked,
                Pc::Retire => q.pc = Pc::RetireRevoked,
                Pc::RetireRevoked => (q.bias, q.pc) = (0, Pc::RetireCount),
                _ => {
                    q.bias = 0;
                    next(c, q);
                }
            }
        }

        // ---- leaving ----
        Pc::RetireCount => {
            z.counted[p.name as usize - 1] -= u8::from(p.adopted);
            let q = &mut z.p[i];
            (q.adopted, q.e, q.pc, q.back_recover) = (false, p.name - 1, Pc::Recover, Pc::LeaveEntry);
        }
        Pc::LeaveEntry => {
            z.entries[p.name as usize - 1] &= !1;
            z.p[i].pc = Pc::LeaveLock;
        }
        Pc::LeaveLock => {
            z.locks[p.name as usize - 1] = 0;
            z.p[i] = Process { role: p.role, alive: true, ..Process::default() };
        }

        // ---- recovering ----
        Pc::ReapEntry => {
            if s.entries[e] & 1 == 1 {
                q.state = s.entries[e];
                q.pc = Pc::ReapDead;
            } else {
                next_entry(q);
            }
        }
        Pc::ReapDead if !dead(p.e + 1) => next_entry(q),
        Pc::ReapDead if c.plant == Plant::EntryGivenBackFirst => q.pc = Pc::RecoverEntry,
        Pc::ReapDead => q.pc = Pc::Recover,
        Pc::Recover => {
            q.word = s.word;
            if s.word == NOBODYS || s.word.owner != p.e + 1 {
                recovered(c, q);
            } else if c.plant == Plant::RecoverDoesNotAsk {
                q.pc = Pc::RecoverClear;
            } else {
                q.pc = Pc::RecoverDead;
            }
        }
        Pc::RecoverDead => {
            if p.name == p.e + 1 || dead(p.e + 1) {
                q.pc = Pc::RecoverClear;
            } else {
                q.spared = true;
                recovered(c, q);
            }
        }
        Pc::RecoverClear => {
            let cleared = s.word == p.word;
            if cleared {
                z.word = NOBODYS;
            }
            let q = &mut z.p[i];
            if cleared || c.plant == Plant::RecoverTriesOnce {
                recovered(c, q);
            } else {
                (q.word, q.pc) = (NOBODYS, Pc::Recover);
            }
        }
        Pc::RecoverEntry => {
            if !p.spared && s.entries[e] == p.state {
                z.entries[e] = (p.state & !1) + 2;
            }
            let q = &mut z.p[i];
            if c.plant == Plant::EntryGivenBackFirst {
                q.pc = Pc::Recover;
            } else {
                left_entry(q);
            }
        }
    }
    out.push(z);
    Ok(())
}
