//! A process under `ptrace`: run to a mark, run to an instruction, step, hold still, kill.

use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Outcome;
use crate::marks::{self, Mark};

/// After so long without a stop, it is worth a look whether the process sleeps.
const SHORT: Duration = Duration::from_micros(500);
/// The system call instruction.
pub const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// The breakpoint instruction.
const INT3: u8 = 0xcc;

/// Why a process stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Behind a mark.
    Mark(Mark),
    /// At a breakpoint, whose address it has not executed yet; or after a single step.
    At(u64),
    /// By a signal that it did not survive, or would not have.
    Crashed(Signal),
    /// By its own end.
    Exited(i32),
    /// It has not stopped: it sleeps in a system call.
    Asleep,
    /// It has not stopped: it runs.
    Late,
    /// It touched memory that it may not touch.
    Touched(u64),
    /// Where the kernel is about to execute a system call, or has.
    Call,
}

/// A way to an instruction: `hits` passages of `base`, then `steps` single steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    pub base: u64,
    /// 0: the steps begin where the process is.
    pub hits: u32,
    pub steps: u32,
    /// Then into the next instruction, which is a system call, until the process sleeps there.
    pub sleeps: bool,
}

/// A child that is traced. It is killed when this is dropped.
pub struct Tracee {
    pid: Pid,
    gone: bool,
    options_set: bool,
}

impl Tracee {
    /// Forks a process that does `play`, is traced, and dies with its parent.
    pub fn fork(traced: bool, play: impl FnOnce() -> i32) -> Outcome<Tracee> {
        let parent = std::process::id();
        // SAFETY: this process has one thread, so the child may do what it likes.
        match unsafe { nix::unistd::fork() }? {
            nix::unistd::ForkResult::Parent { child } => Ok(Tracee { pid: child, gone: false, options_set: false }),
            nix::unistd::ForkResult::Child => {
                let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
                let orphan = nix::unistd::getppid().as_raw() as u32 != parent;
                let code = if orphan || (traced && ptrace::traceme().is_err()) { 99 } else { play() };
                // SAFETY: it takes no pointers. Nothing of the parent's is unwound or flushed.
                unsafe { libc::_exit(code) }
            }
        }
    }

    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Lets the process run until it stops, or `limit` is over.
    pub fn run(&mut self, limit: Duration) -> Outcome<Stop> {
        self.go()?;
        self.wait(limit)
    }

    /// Lets the process run.
    pub fn go(&mut self) -> Outcome {
        if self.options_set {
            ptrace::cont(self.pid, None)?;
        }
        Ok(())
    }

    /// Executes one instruction.
    pub fn step(&mut self, limit: Duration) -> Outcome<Stop> {
        ptrace::step(self.pid, None)?;
        self.wait(limit)
    }

    /// The address of the next instruction.
    pub fn at(&self) -> Outcome<u64> {
        Ok(ptrace::read_user(self.pid, RIP)? as u64)
    }

    /// Whether it sleeps in a system call.
    pub fn is_asleep(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
    }

    /// Waits until the process stops. [`Stop::Asleep`] if it sleeps meanwhile; [`Stop::Late`] when `limit` is over.
    pub fn wait(&mut self, limit: Duration) -> Outcome<Stop> {
        let begun = Instant::now();
        loop {
            if let Some(stop) = self.poll()? {
                return Ok(stop);
            }
            if begun.elapsed() >= SHORT {
                if self.is_asleep() {
                    // It may have stopped just now.
                    return Ok(self.poll()?.unwrap_or(Stop::Asleep));
                }
                if begun.elapsed() >= limit {
                    return Ok(Stop::Late);
                }
            }
            wait_for_child(SHORT);
        }
    }

    /// Whether it has stopped.
    pub fn poll(&mut self) -> Outcome<Option<Stop>> {
        let status = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Err(Errno::EINTR) | Ok(WaitStatus::StillAlive) => return Ok(None),
            status => status?,
        };
        if !self.options_set && matches!(status, WaitStatus::Stopped(..)) {
            ptrace::setoptions(self.pid, Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD)?;
            self.options_set = true;
        }
        Ok(Some(match status {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                let at = self.at()?;
                Mark::before(at).map_or(Stop::At(at), Stop::Mark)
            }
            WaitStatus::Stopped(_, Signal::SIGSEGV) => {
                let info = ptrace::getsiginfo(self.pid)?;
                // SAFETY: a SIGSEGV says which address it is about.
                Stop::Touched(unsafe { info.si_addr() }.addr() as u64)
            }
            WaitStatus::Stopped(_, signal) => Stop::Crashed(signal),
            WaitStatus::PtraceSyscall(_) => Stop::Call,
            WaitStatus::Exited(_, code) => {
                self.gone = true;
                Stop::Exited(code)
            }
            WaitStatus::Signaled(_, signal, _) => {
                self.gone = true;
                Stop::Crashed(signal)
            }
            other => return Err(format!("an unexpected stop: {other:?}").into()),
        }))
    }

    /// Goes to an instruction. `asleep` is called when the process sleeps on its way there; false gives up.
    ///
    /// Returns [`Stop::At`] if it got there, and otherwise why it did not.
    pub fn go_to(&mut self, route: &Route, asleep: &mut dyn FnMut() -> Outcome<bool>) -> Outcome<Stop> {
        if route.hits > 0 {
            for hit in 1..=route.hits {
                let old = self.set_breakpoint(route.base)?;
                let stop = self.run_past(asleep)?;
                if self.gone {
                    return Ok(stop);
                }
                if !matches!(stop, Stop::Asleep | Stop::Late) {
                    self.write_byte(route.base, old)?;
                }
                if stop != Stop::At(route.base + 1) {
                    return Ok(stop);
                }
                self.back_from_breakpoint(route.base)?;
                if hit < route.hits {
                    let stop = self.step(LONG)?;
                    if !matches!(stop, Stop::At(_)) {
                        return Ok(stop);
                    }
                }
            }
        }
        let mut at = self.at()?;
        for _ in 0..route.steps {
            if at == marks::end_address() {
                return Ok(Stop::Mark(Mark::End));
            }
            match self.step_past(asleep)? {
                Stop::At(next) => at = next,
                stop => return Ok(stop),
            }
        }
        if route.sleeps {
            return self.fall_asleep();
        }
        Ok(Stop::At(at))
    }

    /// Has it begin the system call at which it stands, and waits until it sleeps there.
    pub fn fall_asleep(&mut self) -> Outcome<Stop> {
        ptrace::step(self.pid, None)?;
        self.wait(SHORT * 4)
    }

    fn run_past(&mut self, asleep: &mut dyn FnMut() -> Outcome<bool>) -> Outcome<Stop> {
        let mut stop = self.run(LONG)?;
        while stop == Stop::Asleep && asleep()? {
            stop = self.wait(LONG)?;
        }
        Ok(stop)
    }

    /// Lets it run until it stops, at the latest at its next system call, which it has not made then.
    pub fn run_to_call(&mut self) -> Outcome<Stop> {
        ptrace::syscall(self.pid, None)?;
        let stop = self.wait(LONG)?;
        if stop == Stop::Call {
            // The kernel has begun already. It is given a call that there is not, and then everything is put back as it was.
            let before = ptrace::getregs(self.pid)?;
            let mut registers = before;
            registers.orig_rax = u64::MAX;
            ptrace::setregs(self.pid, registers)?;
            ptrace::syscall(self.pid, None)?;
            let stop = self.wait(LONG)?;
            if stop != Stop::Call {
                return Ok(stop);
            }
            registers = before;
            registers.rip -= SYSCALL.len() as u64;
            registers.rax = before.orig_rax;
            registers.orig_rax = u64::MAX;
            ptrace::setregs(self.pid, registers)?;
        }
        Ok(stop)
    }

    /// One step, however long it sleeps.
    pub fn step_past(&mut self, asleep: &mut dyn FnMut() -> Outcome<bool>) -> Outcome<Stop> {
        let mut stop = self.step(LONG)?;
        while stop == Stop::Asleep && asleep()? {
            stop = self.wait(LONG)?;
        }
        Ok(stop)
    }

    /// Has the process execute a system call of the director's, and puts everything back as it was.
    pub fn call(&mut self, number: i64, arguments: [u64; 3]) -> Outcome {
        let before = ptrace::getregs(self.pid)?;
        let mut registers = before;
        registers.rip = marks::system_call_address();
        registers.rax = number as u64;
        // Not in a system call that the kernel would want to restart.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx] = arguments;
        ptrace::setregs(self.pid, registers)?;
        let stop = self.step(LONG)?;
        let result = ptrace::getregs(self.pid)?.rax as i64;
        ptrace::setregs(self.pid, before)?;
        match stop {
            Stop::At(_) if result == 0 => Ok(()),
            _ => Err(format!("system call {number} in the tracee: {stop:?}, {result}").into()),
        }
    }

    /// Eight bytes.
    pub fn read_word(&self, address: u64) -> Outcome<i64> {
        Ok(ptrace::read(self.pid, address as ptrace::AddressType)?)
    }

    /// The bytes of an instruction, and some that follow.
    pub fn read_code(&self, address: u64) -> Outcome<[u8; 8]> {
        Ok(self.read_word(address)?.to_le_bytes())
    }

    /// Puts a breakpoint there. Gives the byte that was there before.
    pub fn set_breakpoint(&self, address: u64) -> Outcome<u8> {
        let code = self.read_code(address)?[0];
        self.write_byte(address, INT3)?;
        Ok(code)
    }

    /// Has the process, which stopped behind a breakpoint, stand at it again.
    pub fn back_from_breakpoint(&self, address: u64) -> Outcome {
        Ok(ptrace::write_user(self.pid, RIP, address as i64)?)
    }

    pub fn write_byte(&self, address: u64, byte: u8) -> Outcome {
        let word = self.read_word(address)? & !0xff | i64::from(byte);
        ptrace::write(self.pid, address as ptrace::AddressType, word)?;
        Ok(())
    }

    /// The parts of its address space that it shares, and the paths of their files.
    pub fn shared_memory(&self) -> Outcome<Vec<(Range<u64>, String)>> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid))?;
        Ok(maps.lines().filter_map(parse_shared).collect())
    }

    /// Kills the process and waits for its end, so that its locks are gone.
    pub fn kill(&mut self) {
        if self.gone {
            return;
        }
        let _ = nix::sys::signal::kill(self.pid, Signal::SIGKILL);
        while !matches!(
            waitpid(self.pid, Some(WaitPidFlag::__WALL)),
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD | Errno::EINVAL)
        ) {}
        self.gone = true;
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where the instruction pointer is among what `ptrace` reads.
const RIP: ptrace::AddressType = std::mem::offset_of!(libc::user, regs.rip) as ptrace::AddressType;
/// The longest that an actor computes without a stop.
pub const LONG: Duration = Duration::from_secs(5);

/// A line of `/proc/…/maps`, if it is about shared memory.
fn parse_shared(line: &str) -> Option<(Range<u64>, String)> {
    let mut words = line.split_ascii_whitespace();
    let (range, flags) = (words.next()?, words.next()?);
    let path = words.nth(3)?;
    let (start, end) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    flags.ends_with('s').then_some((address(start)?..address(end)?, path.to_owned()))
}

/// Waits until some child stops or ends, but no longer than `limit`. The signal has to be blocked: see [`block_child_signal`].
fn wait_for_child(limit: Duration) {
    let limit = libc::timespec { tv_sec: 0, tv_nsec: limit.as_nanos().min(999_999_999) as libc::c_long };
    let set = child_signal();
    // SAFETY: both pointers are to values that live on; the second one may be null.
    unsafe { libc::sigtimedwait(std::ptr::from_ref(set.as_ref()), std::ptr::null_mut(), &raw const limit) };
}

fn child_signal() -> nix::sys::signal::SigSet {
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(Signal::SIGCHLD);
    set
}

/// Has SIGCHLD wait until somebody asks for it.
pub fn block_child_signal() -> Outcome {
    Ok(child_signal().thread_block()?)
}
