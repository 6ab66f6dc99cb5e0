//! Where the stepped part of a call begins and ends: instructions at which an actor stops for its director.
//!
//! Each mark is a breakpoint instruction in a function of its own. Actors are forks of the director, so the director knows the
//! addresses of the marks in every actor.

use std::arch::naked_asm;

/// The actor has used its handles for as long as it takes them to become fast, and has taken nothing from anybody yet.
#[unsafe(naked)]
pub extern "C" fn warm() {
    naked_asm!("int3", "ret")
}

/// The call begins after this.
#[unsafe(naked)]
pub extern "C" fn begin() {
    naked_asm!("int3", "ret")
}

/// The call has returned, and what came of it is on the board.
#[unsafe(naked)]
pub extern "C" fn end() {
    naked_asm!("int3", "ret")
}

/// The actor has settled what the call gave it, and has its handles still.
#[unsafe(naked)]
pub extern "C" fn rest() {
    naked_asm!("int3", "ret")
}

/// A system call for the director to borrow: see `Tracee::call`.
#[unsafe(naked)]
pub extern "C" fn system_call() {
    naked_asm!("syscall", "ud2")
}

/// A mark that an actor stopped at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    Warm,
    Begin,
    End,
    Rest,
}

impl Mark {
    /// The mark whose breakpoint instruction was the last one before this address.
    pub fn before(address: u64) -> Option<Mark> {
        let marks = [
            (warm as fn_pointer, Mark::Warm),
            (begin as fn_pointer, Mark::Begin),
            (end as fn_pointer, Mark::End),
            (rest as fn_pointer, Mark::Rest),
        ];
        marks.into_iter().find(|(mark, _)| *mark as usize as u64 + 1 == address).map(|(_, mark)| mark)
    }
}

#[expect(non_camel_case_types)]
type fn_pointer = extern "C" fn();

/// The address of the end mark.
pub fn end_address() -> u64 {
    end as fn_pointer as usize as u64
}

/// The address of a system call instruction.
pub fn system_call_address() -> u64 {
    system_call as fn_pointer as usize as u64
}
