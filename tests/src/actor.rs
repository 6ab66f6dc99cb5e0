//! A process that does what it is told.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The longest a reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A child process that reads commands and replies to each in one line. Killed when dropped.
pub struct Actor {
    child: Child,
    commands: Option<ChildStdin>,
    replies: Receiver<String>,
    last: String,
}

impl Actor {
    /// Starts it.
    pub fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let commands = child.stdin.take();
        let output = child.stdout.take().expect("stdout is piped");
        let (to, replies) = channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| to.send(line)).ok();
        });
        Actor { child, commands, replies, last: String::new() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives a command, and does not wait for the reply.
    pub fn tell(&mut self, command: &str) {
        self.last = command.to_owned();
        let commands = self.commands.as_mut().expect("the actor still takes commands");
        writeln!(commands, "{command}").unwrap_or_else(|error| panic!("`{command}`: the actor is gone: {error}"));
    }

    /// The next reply, if it comes within that time.
    pub fn reply_within(&mut self, limit: Duration) -> Option<String> {
        self.replies.recv_timeout(limit).ok()
    }

    /// The next reply.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn reply(&mut self) -> String {
        match self.reply_within(PATIENCE) {
            Some(reply) => reply,
            None => panic!("no reply to `{}` from the actor ({:?})", self.last, self.child.try_wait()),
        }
    }

    /// Gives a command and waits for the reply.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.reply()
    }

    /// Gives a command that has to succeed.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn must(&mut self, command: &str) {
        let reply = self.ask(command);
        assert_eq!(reply, "ok", "reply to `{command}`");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the actor is there to be signalled");
    }

    /// Stops it; [`Signal::CONT`] lets it go on. Returns when it stands still.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let began = Instant::now();
        while self.state() != 'T' {
            assert!(began.elapsed() < PATIENCE, "the actor does not stop");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it sleeps: until the call it was told to make waits for something.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn wait_until_asleep(&self) {
        let began = Instant::now();
        let mut seen = 0;
        // Seen asleep several times, so that it is not just reading the command.
        while seen < 3 {
            assert!(began.elapsed() < PATIENCE, "the actor does not sleep");
            thread::sleep(Duration::from_millis(10));
            seen = if self.state() == 'S' { seen + 1 } else { 0 };
        }
    }

    /// The letter /proc has for what its main thread is doing.
    fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?')
    }

    /// Kills it, with SIGKILL, and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Lets it end by itself.
    ///
    /// # Panics
    ///
    /// When it does not, or as a failure.
    pub fn finish(mut self) {
        let status = self.end();
        assert!(status.success(), "the actor ended with {status}");
    }

    /// Takes no more commands, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn end(&mut self) -> ExitStatus {
        self.commands = None;
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the actor does not end after `{}`", self.last);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
