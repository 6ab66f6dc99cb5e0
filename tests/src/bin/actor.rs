//! A process that does what it is told, for tests of what several do with one channel: `actor DIRECTORY KIND`.
//!
//! One command a line, one reply a line: `ok`, `error VARIANT text`, or what the command says. A received message is shown as
//! `got SENDER NUMBER DELIVERIES`, or `torn` if any byte of it is wrong.
//!
//! With `WITHOUT_MEMBARRIER` or `WITHOUT_FALLOCATE` in its environment it has a kernel that knows
//! no such call; with `WITH_SIGNALS`, one where signals interrupt each `fallocate` of more than 64
//! KiB.
//!
//! With the kind `home` it takes no commands, but says what comes of attaching to a channel in the default directory.
//!
//! | command | |
//! |---|---|
//! | `create`, `open`, `attach NAME [capacity=N] [size=N] [mode=OCTAL] [deliveries=N] [wait=WAY]` | the channel that all else is about |
//! | `detach` | lets go of it |
//! | `refuse membarrier` | its kernel knows no such call from now on |
//! | `again N` | opens it N times more, and keeps them |
//! | `send`, `try_send SENDER NUMBER`; `send_timeout SENDER NUMBER MS` | |
//! | `recv`, `try_recv`, `recv_timeout MS` | receives, and is done with it |
//! | `hold` | receives, and keeps it; `release`, `requeue` end that, for the oldest |
//! | `panic` | receives, and panics with it |
//! | `send_many SENDER FIRST COUNT` | how many it sent |
//! | `recv_many MOST` | `batch SENDER:NUMBER:DELIVERIES …`; `hold_many MOST` keeps them, until `release_many` |
//! | `loan_many MOST COUNT SENDER` | lends slots, writes and sends so many of them |
//! | `loan`; `loan_send SENDER NUMBER`, `loan_drop`, `loan_unwritten` | takes a loan, and ends it |
//! | `produce SENDER COUNT` | sends messages 0 to COUNT |
//! | `consume` | receives until the channel is closed: `consumed SENDER:NUMBER:DELIVERIES …` |
//! | `close`, `count` | `waiting W leased L senders S receivers R` |
//! | `millis` | how long the last command took |
//! | `umask OCTAL`, `fill`, `free`, `punch NAME`, `churn ROUNDS` | for the file system: see the functions |
//! | `copy FROM TO`, `clone FROM TO`, `cut NAME BYTES` | makes holes: see the functions |
//! | `solidify NAME`, `missing NAME`, `list` | the same |
//! | `limit fsize\|nofile\|as N`, `interrupt MICROS` | what the kernel lets it do; signals |
//! | `watch MS` | whether a watch finds a message within that time |
//! | `chdir`, `vanish` | leaves its working directory; removes the channels' directory |
//! | `die`; `crash MIB` | by SIGKILL; by SIGABRT, with so much memory to be dumped in its directory |

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mi7::{Bincode, Error, Loan, Message, Received, Receiver, Sender, SharedChannel, Wait};
use mi7_tests::{Letter, Load, Parcel, Slab, variant};
use rustix::process::{Signal, getpid, kill_process};

fn main() {
    mi7_tests::end_after(Duration::from_secs(90));
    if std::env::var_os("WITHOUT_MEMBARRIER").is_some() {
        mi7_tests::seccomp::refuse(libc::SYS_membarrier);
    }
    if std::env::var_os("WITHOUT_FALLOCATE").is_some() {
        mi7_tests::seccomp::refuse(libc::SYS_fallocate);
    }
    if std::env::var_os("WITH_SIGNALS").is_some() {
        mi7_tests::seccomp::interrupt_fallocate_of_more_than(1 << 16);
    }
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("actor DIRECTORY KIND"));
    match arguments.next().as_deref() {
        Some("parcel") => Actor::<Parcel>::new(directory).run(),
        Some("slab") => Actor::<Slab>::new(directory).run(),
        Some("message") => Actor::<Message>::new(directory).run(),
        Some("home") => match mi7::channel::<u64>("home") {
            Ok(_) => println!("ok"),
            Err(error) => println!("error {} {error}", variant(&error)),
        },
        Some("bincode") => Actor::<Bincode<Letter>>::new(directory).run(),
        other => panic!("no such kind: {other:?}"),
    }
}

/// Loans come first, so that they are dropped before what they are of.
struct Actor<L: Load> {
    loans: VecDeque<Loan<'static, L>>,
    held: VecDeque<Received<'static, L>>,
    ends: Option<(Sender<L>, Receiver<L>)>,
    more: Vec<SharedChannel<L>>,
    directory: PathBuf,
    took: Duration,
}

type Reply = mi7::Result<String>;

impl<L: Load> Actor<L> {
    fn new(directory: PathBuf) -> Self {
        let (loans, held) = (VecDeque::new(), VecDeque::new());
        Actor { loans, held, ends: None, more: Vec::new(), directory, took: Duration::ZERO }
    }

    fn run(mut self) {
        for line in std::io::stdin().lock().lines() {
            let line = line.expect("commands are text");
            let words: Vec<&str> = line.split(' ').collect();
            let began = Instant::now();
            let reply = self.obey(&words).unwrap_or_else(|error| format!("error {} {error}", variant(&error)));
            if words[0] != "millis" {
                self.took = began.elapsed();
            }
            let mut out = std::io::stdout().lock();
            // Whoever gave the command may be gone.
            if writeln!(out, "{reply}").and_then(|()| out.flush()).is_err() {
                return;
            }
        }
    }

    fn obey(&mut self, words: &[&str]) -> Reply {
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        let millis = |at: usize| Duration::from_millis(number(at));
        let load = || L::pack(number(1) as u32, number(2));
        match words[0] {
            "create" | "open" | "attach" => {
                self.ends = Some(self.channel(words)?.split());
                done()
            }
            "refuse" => {
                assert_eq!(words[1], "membarrier");
                mi7_tests::seccomp::refuse(libc::SYS_membarrier);
                done()
            }
            "detach" => {
                self.ends = None;
                done()
            }
            "again" => {
                let (sender, _) = self.ends();
                let name = sender.channel().name().to_owned();
                for _ in 0..number(1) {
                    let one = SharedChannel::options().directory(&self.directory).open(&name)?;
                    self.more.push(one);
                }
                done()
            }
            "send" => self.ends().0.send(&load()).and_then(|()| done()),
            "try_send" => self.ends().0.try_send(&load()).and_then(|()| done()),
            "send_timeout" => self.ends().0.send_timeout(&load(), millis(3)).and_then(|()| done()),
            "recv" => self.ends().1.recv().map(|received| show(&received)),
            "try_recv" => self.ends().1.try_recv().map(|received| show(&received)),
            "recv_timeout" => self.ends().1.recv_timeout(millis(1)).map(|received| show(&received)),
            "hold" => {
                let received = self.ends().1.recv()?.detach();
                let reply = show(&received);
                self.held.push_back(received);
                Ok(reply)
            }
            "release" => {
                drop(self.held.pop_front().expect("something held"));
                done()
            }
            "requeue" => {
                self.held.pop_front().expect("something held").requeue();
                done()
            }
            "panic" => {
                std::panic::set_hook(Box::new(|_| {}));
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let _received = self.ends().1.recv().expect("something to receive");
                    panic!("in the middle of a message");
                }));
                assert!(panicked.is_err());
                done()
            }
            "send_many" | "recv_many" | "hold_many" | "release_many" | "loan_many" => self.obey_many(words),
            "loan" => {
                // For ever: a loan borrows its sender, and this one outlives the command.
                let sender: &'static Sender<L> = Box::leak(Box::new(self.ends().0.clone()));
                self.loans.push_back(sender.loan()?);
                done()
            }
            "loan_send" => {
                let mut loan = self.loans.pop_front().expect("a loan");
                loan.write(&load())?;
                loan.send().and_then(|()| done())
            }
            "loan_drop" => {
                drop(self.loans.pop_front().expect("a loan"));
                done()
            }
            "loan_unwritten" => self.loans.pop_front().expect("a loan").send().and_then(|()| done()),
            "produce" => {
                for one in 0..number(2) {
                    self.ends().0.send(&L::pack(number(1) as u32, one))?;
                }
                done()
            }
            "consume" => {
                let mut reply = String::from("consumed");
                for received in self.ends().1.iter() {
                    reply += &list("", &[received]);
                }
                Ok(reply)
            }
            "close" => {
                self.ends().0.close();
                done()
            }
            "count" => {
                let status = self.ends().0.status();
                let (senders, receivers) = (status.senders.len(), status.receivers.len());
                Ok(format!(
                    "waiting {} leased {} senders {senders} receivers {receivers}",
                    status.waiting, status.leased
                ))
            }
            "millis" => Ok(self.took.as_millis().to_string()),
            "umask" => {
                rustix::process::umask(octal(words[1]).into());
                done()
            }
            "fill" => Ok(self.fill()),
            "free" => Ok(self.free()),
            "punch" => {
                self.punch(words);
                done()
            }
            "churn" => self.churn(number(1)),
            "copy" | "clone" | "cut" | "solidify" | "missing" | "list" => self.obey_about_files(words),
            "limit" | "interrupt" => {
                let restrict =
                    if words[0] == "limit" { kernel::limit } else { |_: &str, micros| kernel::interrupt(micros) };
                restrict(words[1], words[words.len() - 1].parse().expect("a number"));
                done()
            }
            "watch" => self.watch(millis(1)),
            "chdir" => {
                std::env::set_current_dir("/").expect("it is there");
                done()
            }
            "vanish" => {
                fs::remove_dir_all(&self.directory).expect("it is this process's to remove");
                done()
            }
            "crash" => {
                kernel::may_dump_core();
                std::env::set_current_dir(&self.directory).expect("it is there");
                let memory = vec![7u8; (number(1) as usize) << 20];
                std::hint::black_box(&memory);
                std::process::abort();
            }
            "die" => {
                kill_process(getpid(), Signal::KILL).expect("a process can kill itself");
                unreachable!("SIGKILL has no return")
            }
            other => panic!("no such command: {other}"),
        }
    }

    /// Apart, for messages may be large, and each of these would have its own on the stack of `obey`.
    fn obey_many(&mut self, words: &[&str]) -> Reply {
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        match words[0] {
            "send_many" => {
                let messages = (number(2)..number(2) + number(3)).map(|one| L::pack(number(1) as u32, one));
                self.ends().0.send_many(messages).map(|sent| sent.to_string())
            }
            "recv_many" => self.ends().1.recv_many(number(1) as usize).map(|batch| list("batch", &batch)),
            "hold_many" => {
                let batch = self.ends().1.recv_many(number(1) as usize)?;
                let reply = list("batch", &batch);
                let kept: Vec<_> = batch.into_iter().map(Received::detach).collect();
                self.held.extend(kept);
                Ok(reply)
            }
            "release_many" => {
                self.held.clear();
                done()
            }
            _ => {
                let mut loans = self.ends().0.loan_many(number(1) as usize)?;
                let lent = loans.len();
                for (loan, one) in loans.iter_mut().zip(0..number(2)) {
                    loan.write(&L::pack(number(3) as u32, one))?;
                }
                loans.send().map(|sent| format!("{sent} of {lent}"))
            }
        }
    }

    fn ends(&self) -> &(Sender<L>, Receiver<L>) {
        self.ends.as_ref().expect("an open channel")
    }

    fn channel(&self, words: &[&str]) -> mi7::Result<SharedChannel<L>> {
        let mut options = SharedChannel::options().directory(&self.directory);
        for option in &words[2..] {
            options = match option.split_once('=') {
                Some(("capacity", slots)) => options.capacity(slots.parse().expect("a number")),
                Some(("size", bytes)) => options.max_message_size(bytes.parse().expect("a number")),
                Some(("deliveries", times)) => options.max_deliveries(times.parse().expect("a number")),
                Some(("wait", "spin")) => options.wait(Wait::Spin),
                Some(("wait", "adaptive")) => options.wait(Wait::Adaptive),
                Some(("wait", "park")) => options.wait(Wait::Park),
                Some(("mode", mode)) => options.mode(octal(mode)),
                _ => panic!("no such option: {option}"),
            };
        }
        match words[0] {
            "create" => options.create(words[1]),
            "open" => options.open(words[1]),
            _ => options.open_or_create(words[1]),
        }
    }

    /// Fills the file system of the directory up: how many bytes it took.
    fn fill(&self) -> String {
        let mut file = File::create(self.directory.join("filler")).expect("a file");
        let mut written = 0;
        // In ever smaller pieces, up to the last byte.
        for piece in [1 << 16, 4096, 1] {
            let bytes = vec![0xAA; piece];
            while file.write_all(&bytes).is_ok() {
                written += piece;
            }
        }
        // Kept: what is not written now is never written.
        std::mem::forget(file);
        written.to_string()
    }

    /// The free blocks of the file system, and the names in the directory.
    fn free(&self) -> String {
        let blocks = rustix::fs::statvfs(&self.directory).expect("a file system").f_bfree;
        let mut names: Vec<_> = fs::read_dir(&self.directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        format!("{blocks} {}", names.join(","))
    }

    /// Makes a hole of the slots of a channel: what its file would be without preallocation. Or
    /// where it is told to: `punch NAME FROM BYTES`.
    fn punch(&self, words: &[&str]) {
        use rustix::fs::{FallocateFlags, fallocate};
        let file = File::options().write(true).open(self.directory.join(words[1])).expect("the channel's file");
        let number = |at: usize| words.get(at).map(|number| number.parse::<u64>().expect("a number"));
        let from = number(2).unwrap_or(1 << 16);
        let bytes = number(3).unwrap_or_else(|| file.metadata().expect("its length").len() - from);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, from, bytes).expect("a hole");
    }

    fn obey_about_files(&self, words: &[&str]) -> Reply {
        let path = |at: usize| self.directory.join(words[at]);
        match words[0] {
            // With holes where there are zeros.
            "copy" => {
                let bytes = fs::read(path(1)).expect("the file");
                let copy = File::create(path(2)).expect("a file");
                copy.set_len(bytes.len() as u64).expect("its length");
                for (page, at) in bytes.chunks(4096).zip((0..).step_by(4096)) {
                    if page.iter().any(|byte| *byte != 0) {
                        copy.write_all_at(page, at).expect("room");
                    }
                }
            }
            // With the blocks of the original.
            "clone" => {
                let (from, to) = (File::open(path(1)).expect("the file"), File::create(path(2)).expect("a file"));
                rustix::fs::ioctl_ficlone(&to, &from).expect("a clone");
            }
            // Cuts a file off, and makes it as long as it was.
            "cut" => {
                let file = File::options().write(true).open(path(1)).expect("the file");
                let len = file.metadata().expect("its length").len();
                file.set_len(words[2].parse().expect("a number")).expect("a length");
                file.set_len(len).expect("a length");
            }
            // Writes all that is in it once more.
            "solidify" => {
                let bytes = fs::read(path(1)).expect("the file");
                fs::write(path(1), bytes).expect("room");
            }
            // How many bytes of it have no block.
            "missing" => {
                let file = fs::metadata(path(1)).expect("the file");
                return Ok(file.len().next_multiple_of(4096).saturating_sub(file.blocks() * 512).to_string());
            }
            _ => {
                let names = mi7::list_in(&self.directory)?.into_iter().filter(|listed| listed.channel.is_some());
                return Ok(names.map(|listed| listed.name).collect::<Vec<_>>().join(","));
            }
        }
        done()
    }

    /// Waits for a message by a watch.
    fn watch(&self, limit: Duration) -> Reply {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let watch = self.ends().1.watch()?;
        if watch.arm() {
            return Ok("there already".into());
        }
        let limit = Timespec::try_from(limit).expect("a time");
        let readable = poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&limit)).expect("it can be waited for");
        Ok(if readable > 0 { "readable" } else { "nothing" }.into())
    }

    /// Sends through every slot, with all of them full in between, round after round.
    fn churn(&self, rounds: u64) -> Reply {
        let (tx, rx) = self.ends();
        let capacity = tx.channel().capacity() as u64;
        for round in 0..rounds {
            for number in 0..capacity {
                tx.try_send(&L::pack(round as u32, number))?;
            }
            assert!(matches!(tx.try_send(&L::pack(0, 0)), Err(Error::Full)), "all slots are used");
            for number in 0..capacity {
                assert_eq!(L::unpack(&*rx.try_recv()?), Some((round as u32, number)));
            }
        }
        done()
    }
}

/// What the kernel does with this process.
mod kernel {
    use rustix::process::{Resource, Rlimit, setrlimit};

    pub fn limit(what: &str, most: u64) {
        let resource = match what {
            "fsize" => Resource::Fsize,
            "nofile" => Resource::Nofile,
            "as" => Resource::As,
            other => panic!("no such limit: {other}"),
        };
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).expect("less than before");
    }

    pub fn may_dump_core() {
        let most = rustix::process::getrlimit(Resource::Core).maximum;
        setrlimit(Resource::Core, Rlimit { current: most, maximum: most }).expect("as much as it may");
    }

    /// From now on a signal every so many microseconds; 0: no more. Calls are not begun again by
    /// the kernel.
    pub fn interrupt(micros: u64) {
        extern "C" fn ignore(_: libc::c_int) {}
        // SAFETY: a `sigaction` is plain words, for which zeros are valid: no flags, no signals
        // blocked.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = ignore as *const () as usize;
        // SAFETY: the action is there, and its handler does nothing.
        let result = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
        assert_eq!(result, 0);
        let every = libc::timeval { tv_sec: 0, tv_usec: micros as libc::suseconds_t };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        // SAFETY: the timer is there, and the place for the old one may be null.
        let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
        assert_eq!(result, 0);
    }
}

fn done() -> Reply {
    Ok("ok".into())
}

fn octal(text: &str) -> u32 {
    u32::from_str_radix(text, 8).expect("octal digits")
}

fn list<L: Load>(what: &str, messages: &[Received<'_, L>]) -> String {
    let mut text = String::from(what);
    for received in messages {
        let (sender, number) = L::unpack(received).expect("a whole message");
        text += &format!(" {sender}:{number}:{}", received.deliveries());
    }
    text
}

fn show<L: Load>(received: &Received<'_, L>) -> String {
    match L::unpack(received) {
        Some((sender, number)) => format!("got {sender} {number} {}", received.deliveries()),
        None => "torn".into(),
    }
}
