//! The process that makes each channel, goes on while others are held still, and checks the promise from outside.
//!
//! It uses the public interface only, but for one look at the file: how many entries of the table of participants are taken.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mi7::{Error, Receiver, Sender, SharedChannel};
use mi7_tests::faults::{Numbered, numbered};

use crate::Outcome;
use crate::actor::{Actor, CHANNEL, LETTERS};
use crate::board::{Board, Deed};
use crate::check::Check;
use crate::director::Plant;
use crate::scenes::{Exclusive, Letters, MAX_DELIVERIES, SCENES, Scene};
use crate::tracee::Tracee;

/// What the checker is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Makes the channel of a scene. As a witness, it keeps it open.
    Prepare { scene: usize, witness: bool },
    /// Sends a message.
    Send,
    /// Receives a message, and is done with it.
    Receive,
    /// Uses the channel while others are held still. Each bit is one use of it: see [`USES`].
    Use { which: u8 },
    /// Checks everything. Others that live have so many entries. Slowly: it does not look for the dead but as everybody does who waits.
    Check { living: u8, slow: bool },
}

/// How many different uses there are.
pub const USES: u8 = 6;

impl Request {
    fn to_bytes(self) -> [u8; 3] {
        match self {
            Request::Prepare { scene, witness } => [0, scene as u8, witness.into()],
            Request::Send => [1, 0, 0],
            Request::Receive => [2, 0, 0],
            Request::Use { which } => [3, which, 0],
            Request::Check { living, slow } => [4, living, slow.into()],
        }
    }

    fn from_bytes(bytes: [u8; 3]) -> Option<Request> {
        Some(match bytes {
            [0, scene, witness] => Request::Prepare { scene: scene.into(), witness: witness != 0 },
            [1, ..] => Request::Send,
            [2, ..] => Request::Receive,
            [3, which, _] => Request::Use { which },
            [4, living, slow] => Request::Check { living, slow: slow != 0 },
            _ => return None,
        })
    }
}

/// The director's end.
pub struct Checker {
    process: Tracee,
    stream: UnixStream,
}

/// The longest that an answer takes.
const ANSWER: Duration = Duration::from_secs(20);

impl Checker {
    pub fn start(board: &'static Board, directory: &Path, plant: Option<Plant>) -> Outcome<Checker> {
        let (stream, theirs) = UnixStream::pair()?;
        stream.set_read_timeout(Some(ANSWER))?;
        let directory = directory.to_owned();
        let process = Tracee::fork(false, move || serve(board, directory, theirs, plant))?;
        Ok(Checker { process, stream })
    }

    /// Asks, and waits for the answer. False if there is none: the checker is stuck, or gone.
    pub fn ask(&mut self, request: Request) -> bool {
        let mut answer = [0];
        self.stream.write_all(&request.to_bytes()).is_ok() && self.stream.read_exact(&mut answer).is_ok()
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// The checker's process.
fn serve(board: &'static Board, directory: PathBuf, mut stream: UnixStream, plant: Option<Plant>) -> i32 {
    let mut service = Service { board, directory, scene: &SCENES[0], open: None, next: 0, plant };
    let mut bytes = [0; 3];
    while stream.read_exact(&mut bytes).is_ok() {
        let Some(request) = Request::from_bytes(bytes) else { return 1 };
        if let Err(error) = service.answer(request) {
            board.logs[0].fail(&format_args!("checker, {request:?}: {error}"));
        }
        if stream.write_all(&[1]).is_err() {
            return 1;
        }
    }
    0
}

/// The channel as a witness has it open.
pub struct Open {
    pub channel: SharedChannel<Numbered>,
    pub tx: Sender<Numbered>,
    pub rx: Receiver<Numbered>,
}

pub struct Service {
    pub board: &'static Board,
    pub directory: PathBuf,
    pub scene: &'static Scene,
    pub open: Option<Open>,
    /// The last number that it sent.
    next: u64,
    plant: Option<Plant>,
}

impl Service {
    fn answer(&mut self, request: Request) -> Outcome {
        match request {
            Request::Prepare { scene, witness } => self.prepare(&SCENES[scene], witness),
            Request::Send => self.with_channel(|service, open| service.send(&open.tx).map(drop)),
            Request::Receive => self.with_channel(|service, open| service.receive(&open.rx, Duration::ZERO).map(drop)),
            Request::Use { which } => self.with_channel(|service, open| service.use_all(open, which)),
            Request::Check { living, slow } => {
                // Where an end belongs to one handle, the witness may have it.
                let witness = self.open.take().filter(|_| self.scene.end == Exclusive::Neither);
                let checked = Check::new(self, usize::from(living) + usize::from(witness.is_some()), slow).run();
                drop(witness);
                self.clear();
                checked
            }
        }
    }

    pub fn actor(&self) -> Actor<'static> {
        let log = &self.board.logs[0];
        // The directory is as old as the process.
        let directory: &'static Path = Box::leak(self.directory.clone().into_boxed_path());
        Actor { log, directory, first: 0, stepped: false, plant: None }
    }

    pub fn options(&self) -> mi7::Options<Numbered> {
        SharedChannel::options().directory(&self.directory)
    }

    /// Removes what an earlier case left, doorbells of the killed included.
    fn clear(&self) {
        for file in self.directory.read_dir().into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(file.path());
        }
    }

    fn prepare(&mut self, scene: &'static Scene, witness: bool) -> Outcome {
        self.clear();
        (self.scene, self.open, self.next) = (scene, None, 0);
        if scene.is_fresh {
            return Ok(());
        }
        let mut options = self.options().capacity(scene.capacity);
        match scene.end {
            Exclusive::Neither => {}
            Exclusive::Sending => options = options.single_sender(),
            Exclusive::Receiving => options = options.single_receiver(),
        }
        if scene.letters != Letters::No {
            options = options.max_deliveries(MAX_DELIVERIES);
        }
        let channel = options.create(CHANNEL)?;
        let tx = channel.sender();
        for _ in 0..scene.messages {
            self.send(&tx)?;
        }
        if scene.letters != Letters::No {
            let (actor, rx) = (self.actor(), channel.receiver());
            for _ in 0..MAX_DELIVERIES {
                let message = rx.try_recv()?;
                let number = actor.got(&message).ok_or("torn")?;
                message.requeue();
                actor.log.add(Deed::Back, number);
            }
        }
        if scene.letters == Letters::NoRoom {
            let letters = self.options().open(LETTERS)?.sender();
            while self.send(&letters)? {}
        }
        drop(tx);
        if self.plant == Some(Plant::Keep) {
            std::mem::forget(self.options().open(CHANNEL)?);
        }
        if witness {
            let (tx, rx) = channel.split();
            self.open = Some(Open { channel, tx, rx });
        }
        Ok(())
    }

    /// With the channel as the witness has it, or as a newcomer opens it.
    fn with_channel(&mut self, act: impl FnOnce(&mut Self, &Open) -> Outcome) -> Outcome {
        match self.open.take() {
            Some(open) => {
                let acted = act(self, &open);
                self.open = Some(open);
                acted
            }
            None => match self.options().open(CHANNEL) {
                Ok(channel) => {
                    let (tx, rx) = channel.split();
                    act(self, &Open { channel, tx, rx })
                }
                Err(Error::NotFound { .. }) if self.scene.is_fresh => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// A new number.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Sends a message of its own, if there is room. False if there is none.
    pub fn send(&mut self, tx: &Sender<Numbered>) -> Outcome<bool> {
        let (log, number) = (&self.board.logs[0], self.number());
        log.add(Deed::Trying, number);
        match tx.try_send(&numbered(number)) {
            Ok(()) => {
                log.add(Deed::Sent, number);
                Ok(true)
            }
            Err(error) => {
                log.add(Deed::Refused, number);
                match error {
                    Error::Full | Error::Closed | Error::EndTaken { .. } => Ok(false),
                    error => Err(error.into()),
                }
            }
        }
    }

    /// Receives a message and is done with it. None if there is none in time.
    pub fn receive(&self, rx: &Receiver<Numbered>, limit: Duration) -> Outcome<Option<u64>> {
        let log = &self.board.logs[0];
        let received = if limit.is_zero() { rx.try_recv() } else { rx.recv_timeout(limit) };
        match received {
            Ok(message) => {
                let number = message[0].to_native();
                let values = numbered(number);
                if message.iter().zip(values).any(|(word, expected)| word.to_native() != expected) {
                    log.add(Deed::Torn, number);
                }
                log.add_delivery(Deed::Got, number, message.deliveries());
                drop(message);
                log.add(Deed::Done, number);
                Ok(Some(number))
            }
            Err(Error::Empty | Error::Timeout | Error::Closed | Error::EndTaken { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What others do while some are held still. None of it may hang, or fail but for want of room, or a message.
    fn use_all(&mut self, open: &Open, which: u8) -> Outcome {
        let begun = Instant::now();
        let wanted = |bit: u8| which & 1 << bit != 0;
        if wanted(0) {
            open.channel.status();
        }
        if wanted(1) {
            self.send(&open.tx)?;
        }
        if wanted(2) {
            self.receive(&open.rx, Duration::from_millis(1))?;
        }
        if wanted(3) && self.scene.letters == Letters::No {
            let actor = self.actor();
            if let Some(message) = actor.received(open.rx.try_recv()) {
                let number = message[0].to_native();
                message.requeue();
                actor.log.add(Deed::Back, number);
            }
        }
        if wanted(4) {
            let newcomer = self.options().open(CHANNEL)?.sender();
            self.send(&newcomer)?;
        }
        if wanted(5) {
            drop(open.tx.try_loan());
        }
        if begun.elapsed() > Duration::from_secs(2) {
            let took = begun.elapsed();
            return Err(format!("took {took:?} while others were held still").into());
        }
        Ok(())
    }
}
