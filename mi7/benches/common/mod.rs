//! Channels to measure: both ends in one thread, so that nobody waits and no cache line is bounced.

use mi7::{Options, Payload, Receiver, Sender, ShmMessage};
use tempfile::TempDir;

/// Who has the ends of a channel.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// One sender and one receiver, as the options say.
    Exclusive,
    /// One of each, though there might be more: the default.
    Alone,
    /// Two of each, which compete for every slot, although only one of them does something.
    Several,
}

pub const EXCLUSIVE: Ends = Ends::Exclusive;
pub const ALONE: Ends = Ends::Alone;
pub const SEVERAL: Ends = Ends::Several;

pub struct Channel<T: Payload> {
    pub tx: Sender<T>,
    pub rx: Receiver<T>,
    /// Dropped after the ends that are measured.
    _others: Option<(Sender<T>, Receiver<T>)>,
    directory: TempDir,
}

pub const NAME: &str = "measured";

impl<T: Payload> Channel<T> {
    /// `some` is any message. It goes through every slot, so that all memory has been touched, and who is alone at an end has noticed.
    pub fn new(ends: Ends, options: Options<T>, some: &T) -> Self {
        let directory = TempDir::with_prefix_in("mi7-bench-", "/dev/shm").expect("a directory in memory");
        let options = options.directory(directory.path());
        let options = match ends {
            Ends::Exclusive => options.single_sender().single_receiver(),
            Ends::Alone | Ends::Several => options,
        };
        let channel = options.create(NAME).expect("a channel");
        let (tx, rx) = channel.split();
        let others = matches!(ends, Ends::Several).then(|| channel.split());
        let second = others.as_ref().map(|(tx, rx)| (tx, rx));
        for (tx, rx) in [second, Some((&tx, &rx))].into_iter().flatten() {
            for _ in 0..2 * channel.capacity() {
                tx.try_send(some).expect("room");
                rx.try_recv().expect("a message");
            }
        }
        Channel { tx, rx, _others: others, directory }
    }

    /// To open the channel again.
    pub fn again(&self) -> Options<T> {
        mi7::SharedChannel::options().directory(self.directory.path())
    }
}

/// A channel of as many messages of so many bytes as a processor's own cache may hold, or 16.
pub fn options<T: Payload>(bytes: usize) -> Options<T> {
    mi7::SharedChannel::options().capacity(((512 << 10) / bytes).clamp(16, 1024))
}

/// What is sent.
pub trait Sample: ShmMessage {
    fn sample() -> Self;
}

impl<const N: usize> Sample for [u64; N] {
    fn sample() -> Self {
        core::array::from_fn(|index| index as u64)
    }
}

/// Numbers and text, of which only the text has no fixed size.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Order {
    pub id: u64,
    pub price: f64,
    pub qty: u32,
    pub note: String,
}

impl Order {
    pub fn sample() -> Self {
        Order { id: 1, price: 99.5, qty: 10, note: "at the open, if at all".into() }
    }
}
