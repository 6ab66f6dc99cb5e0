//! Kills real processes after each instruction of each call, and checks the promise from outside.
//!
//! ```text
//! cargo run --release -p mi7-tests --bin instructions -- [--call send-alone] [--pairs 100000] [--seed 1] [--quick]
//! ```
//!
//! The promise says "at any instruction". So a process (an *actor*) is run by `ptrace` to the first, the second, … last instruction
//! of a call, and killed there. Then another process (the *checker*) looks whether all that was acknowledged is there, nothing
//! else is, others can send and receive, the channel holds what it is made for, and the dead one's place is free again.
//!
//! In *pairs*, one actor is held still in the midst of its call while another is killed in the midst of its own and the
//! checker goes on; then the first goes on, or is killed too. In *threes*, the one that is held still may be recovering one that was
//! killed before.
//!
//! ```text
//!  main ──fork──> job (a director) ──fork──> checker   makes each channel, goes on meanwhile, checks
//!                   │ ptrace       └──fork──> actors    open the channel, write on the board what they do
//! ```
//!
//! | module | |
//! |---|---|
//! | `calls` | the calls, a table: later shapes add theirs |
//! | `scenes` | what the channel is like before |
//! | `actor`, `marks`, `board` | what an actor does, where it stops, what it writes down |
//! | `tracee`, `guard`, `profile` | processes under ptrace; accesses to shared memory; the instructions of a call |
//! | `repertoire`, `singles`, `pairs` | what is known of all calls; which cases are played |
//! | `case`, `director`, `jobs` | a case; how it is played; many at once |
//! | `checker`, `check`, `ledger` | the checks |
//!
//! # Points
//!
//! To others, it makes no difference at which of the instructions between two accesses to shared memory a process stops. So the
//! pairs are of *points*: one before each access or system call, one at the end, one for each sleep. Kills of one alone are after
//! every instruction all the same; and a sample of the pairs is of any instructions.
//!
//! # What may be asked while somebody is held still
//!
//! It keeps what it holds, and may hold up others (mi7-core's `recovery`, "Neither dead nor alive"; `bias`). So the checker's calls have
//! to return, and that is all. Everything is checked when it has gone on or is dead.

#[cfg(target_arch = "x86_64")]
mod actor;
#[cfg(target_arch = "x86_64")]
mod arena;
#[cfg(target_arch = "x86_64")]
mod board;
#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod case;
#[cfg(target_arch = "x86_64")]
mod check;
#[cfg(target_arch = "x86_64")]
mod checker;
#[cfg(target_arch = "x86_64")]
mod dice;
#[cfg(target_arch = "x86_64")]
mod director;
#[cfg(target_arch = "x86_64")]
mod guard;
#[cfg(target_arch = "x86_64")]
mod jobs;
#[cfg(target_arch = "x86_64")]
mod ledger;
#[cfg(target_arch = "x86_64")]
mod marks;
#[cfg(target_arch = "x86_64")]
mod pairs;
#[cfg(target_arch = "x86_64")]
mod profile;
#[cfg(target_arch = "x86_64")]
mod repertoire;
#[cfg(target_arch = "x86_64")]
mod run;
#[cfg(target_arch = "x86_64")]
mod scenes;
#[cfg(target_arch = "x86_64")]
mod singles;
#[cfg(target_arch = "x86_64")]
mod symbols;
#[cfg(target_arch = "x86_64")]
mod totals;
#[cfg(target_arch = "x86_64")]
mod tracee;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    run::main()
}

/// Breakpoints and registers are the processor's own.
#[cfg(not(target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    eprintln!("instructions: this program steps through x86-64 instructions only");
    std::process::ExitCode::FAILURE
}
