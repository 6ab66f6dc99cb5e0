//! Inputs: bytes, read from the front, and what they say.
//!
//! Everything that is read here can be written too, which is how seeds are made.

use arbitrary::Unstructured;

use crate::file::Spot;

/// The most steps of an input; the rest is not read.
pub const STEPS: usize = 64;

/// An input. Behind its end are zeros.
pub struct Tape<'a>(Unstructured<'a>);

impl<'a> Tape<'a> {
    /// From its beginning.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Tape(Unstructured::new(input))
    }

    /// Whether there is no more.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// The next two bytes.
    pub fn short(&mut self) -> u16 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// The next eight bytes.
    pub fn long(&mut self) -> u64 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// A length in a byte, and as many bytes.
    pub fn bytes(&mut self) -> Vec<u8> {
        let len = usize::from(self.byte()).min(self.0.len());
        self.0.bytes(len).unwrap_or_default().to_vec()
    }

    /// A length in two bytes, and as many bytes.
    pub fn text(&mut self) -> Vec<u8> {
        let len = usize::from(self.short()).min(self.0.len());
        self.0.bytes(len).unwrap_or_default().to_vec()
    }

    /// All the bytes that are left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }
}

/// What a tape holds.
pub trait Recorded: Sized {
    /// The next one.
    fn read(tape: &mut Tape<'_>) -> Self;

    /// Its bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// As many as there are.
    fn read_all(tape: &mut Tape<'_>) -> Vec<Self> {
        let next = || (!tape.is_at_end()).then(|| Self::read(tape));
        std::iter::from_fn(next).take(STEPS).collect()
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len().min(255) as u8);
    out.extend(&bytes[..bytes.len().min(255)]);
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    let len = text.len().min(0xFFFF);
    out.extend((len as u16).to_le_bytes());
    out.extend(&text[..len]);
}

impl Recorded for Spot {
    fn read(tape: &mut Tape<'_>) -> Self {
        match tape.byte() % 6 {
            0 => Spot::Shared(tape.byte()),
            1 => Spot::Stat(tape.byte()),
            2 => Spot::Entry(tape.byte(), tape.byte()),
            3 => Spot::Mark(tape.byte()),
            4 => Spot::Slot(tape.byte()),
            _ => Spot::Payload(tape.byte(), tape.byte()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Spot::Shared(which) => out.extend([0, which]),
            Spot::Stat(which) => out.extend([1, which]),
            Spot::Entry(entry, field) => out.extend([2, entry, field]),
            Spot::Mark(slot) => out.extend([3, slot]),
            Spot::Slot(slot) => out.extend([4, slot]),
            Spot::Payload(slot, eighth) => out.extend([5, slot, eighth]),
        }
    }
}

/// What a word is overwritten with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// This.
    Plain(u64),
    /// A number at the edge of something.
    Edge(u8),
    /// A slot's word: lap; deliveries and phase; owner.
    Word(u8, u8, u8),
    /// A counter: how many positions lie before; closed, and claimer.
    Counter(u8, u8),
    /// What it was, with a bit flipped.
    Flip(u8),
    /// Who claims with plain stores: ticket; owner, and whether it was told not to.
    Bias(u8, u8),
    /// What it was, and a little more or less: of position, lap or the whole.
    Near(u8),
    /// What another word is.
    CopyOf(Spot),
}

const EDGES: [u64; 20] = [
    0,
    1,
    2,
    254,
    255,
    4095,
    4096,
    4097,
    1 << 16,
    1 << 20,
    (1 << 20) + 1,
    1 << 30,
    (1 << 30) + 1,
    u32::MAX as u64,
    1 << 40,
    1 << 48,
    i64::MAX as u64,
    1 << 63,
    u64::MAX << 9,
    u64::MAX,
];
/// Nobody, the first entries, the last one, and who passes over.
const OWNERS: [u64; 8] = [0, 1, 2, 3, 4, 253, 254, 255];

impl Value {
    /// What a word becomes that was `old`, in a channel of so many slots; `read` reads another.
    #[must_use]
    pub fn of(self, old: u64, capacity: u64, read: impl Fn(Spot) -> u64) -> u64 {
        let owner = |owner: u8| OWNERS[usize::from(owner) % 8];
        let capacity = capacity.max(1);
        match self {
            Value::Plain(value) => value,
            Value::Edge(which) => EDGES[usize::from(which) % EDGES.len()],
            Value::Word(lap, phase, who) => u64::from(lap) << 16 | u64::from(phase) << 8 | owner(who),
            Value::Counter(count, who) => {
                let bits = capacity.next_power_of_two().trailing_zeros();
                let position = (u64::from(count) / capacity) << bits | (u64::from(count) % capacity);
                position << 9 | u64::from(who >> 7) << 8 | owner(who)
            }
            Value::Bias(ticket, who) => u64::from(ticket) << 16 | u64::from(who >> 7) << 8 | owner(who),
            Value::Flip(bit) => old ^ 1 << (bit % 64),
            Value::Near(more) => {
                let (more, shift) = (i64::from(more as i8 >> 2), [0, 9, 10, 16][usize::from(more % 4)]);
                old.wrapping_add_signed(more << shift)
            }
            Value::CopyOf(spot) => read(spot),
        }
    }
}

impl Recorded for Value {
    fn read(tape: &mut Tape<'_>) -> Self {
        match tape.byte() % 8 {
            0 => Value::Plain(tape.long()),
            1 => Value::Edge(tape.byte()),
            2 => Value::Word(tape.byte(), tape.byte(), tape.byte()),
            3 => Value::Counter(tape.byte(), tape.byte()),
            4 => Value::Flip(tape.byte()),
            5 => Value::Near(tape.byte()),
            6 => Value::CopyOf(Spot::read(tape)),
            _ => Value::Bias(tape.byte(), tape.byte()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Value::Plain(value) => {
                out.push(0);
                out.extend(value.to_le_bytes());
            }
            Value::Edge(which) => out.extend([1, which]),
            Value::Word(lap, phase, owner) => out.extend([2, lap, phase, owner]),
            Value::Counter(count, owner) => out.extend([3, count, owner]),
            Value::Flip(bit) => out.extend([4, bit]),
            Value::Near(more) => out.extend([5, more]),
            Value::CopyOf(spot) => {
                out.push(6);
                spot.write(out);
            }
            Value::Bias(ticket, owner) => out.extend([7, ticket, owner]),
        }
    }
}

/// One thing done to a channel that is open, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A word is overwritten.
    Poke(Spot, Value),
    /// Any bytes behind the preamble are.
    Bytes(u16, Vec<u8>),
    /// The bytes of the message in a slot are.
    Message(u8, u8, Vec<u8>),
    /// A word of the dead letters' channel is overwritten, if there is one.
    Dead(Spot, Value),
    /// A stranger takes the lock of a participant's entry; of all, if the number is 255.
    Lock(u8),
    /// It lets all its locks go.
    Unlock,
    /// A call, and a number for it.
    Call(Call, u8),
}

/// A call of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Call {
    /// `try_send`.
    TrySend,
    /// `send_timeout`.
    SendTimeout,
    /// `try_recv`, and done with it.
    TryRecv,
    /// `recv_timeout`.
    RecvTimeout,
    /// `try_recv`, and the message is kept.
    Hold,
    /// The same, and `detach`.
    Detach,
    /// `requeue`, of a message that was kept.
    Requeue,
    /// A message that was kept is dropped.
    Release,
    /// `try_recv` and `into_inner`.
    Take,
    /// `try_recv` and `requeue`, and then one from `iter`, which has to come at once.
    Iterate,
    /// `try_loan`, kept.
    Loan,
    /// A loan that was kept is written to and sent.
    SendLoan,
    /// A loan that was kept is dropped.
    DropLoan,
    /// `status`.
    Status,
    /// The channel is opened once more.
    Open,
    /// What was opened once more sends and receives.
    Other,
    /// What was opened once more is dropped.
    Leave,
    /// The ends are cloned, used and dropped.
    Clone,
    /// `close`.
    Close,
    /// The channel is dropped with everything, and opened anew.
    Reopen,
    /// `close`, and `iter` to the end, if nobody meddled with anything but messages.
    Drain,
    /// `remove`.
    Remove,
    /// A message after the other is sent and received, so many that an end that is alone claims with plain stores.
    Stream,
}

const CALLS: [Call; 23] = [
    Call::TrySend,
    Call::SendTimeout,
    Call::TryRecv,
    Call::RecvTimeout,
    Call::Hold,
    Call::Detach,
    Call::Requeue,
    Call::Release,
    Call::Take,
    Call::Iterate,
    Call::Loan,
    Call::SendLoan,
    Call::DropLoan,
    Call::Status,
    Call::Open,
    Call::Other,
    Call::Leave,
    Call::Clone,
    Call::Close,
    Call::Reopen,
    Call::Drain,
    Call::Remove,
    Call::Stream,
];

impl Recorded for Step {
    fn read(tape: &mut Tape<'_>) -> Self {
        match tape.byte() % 32 {
            0 => Step::Poke(Spot::read(tape), Value::read(tape)),
            1 => Step::Bytes(tape.short(), tape.bytes()),
            2 => Step::Message(tape.byte(), tape.byte(), tape.bytes()),
            3 => Step::Lock(tape.byte()),
            4 => Step::Unlock,
            5 => Step::Dead(Spot::read(tape), Value::read(tape)),
            call => Step::Call(CALLS[usize::from(call - 6) % CALLS.len()], tape.byte()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Step::Poke(spot, value) => {
                out.push(0);
                spot.write(out);
                value.write(out);
            }
            Step::Bytes(at, bytes) => {
                out.push(1);
                out.extend(at.to_le_bytes());
                write_bytes(out, bytes);
            }
            Step::Message(slot, at, bytes) => {
                out.extend([2, *slot, *at]);
                write_bytes(out, bytes);
            }
            Step::Lock(entry) => out.extend([3, *entry]),
            Step::Unlock => out.push(4),
            Step::Dead(spot, value) => {
                out.push(5);
                spot.write(out);
                value.write(out);
            }
            Step::Call(call, number) => out.extend([6 + *call as u8, *number]),
        }
    }
}

/// One thing done to a file before anybody opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A field of the preamble is overwritten.
    Field(u8, Value),
    /// The schema text is another.
    Schema(Vec<u8>),
    /// The schema text of another kind of channel.
    SchemaOf(u8),
    /// A part of the schema text is: from there, so many bytes out, these in.
    Splice(u16, u8, Vec<u8>),
    /// A word behind the preamble is overwritten.
    Poke(Spot, Value),
    /// Any bytes are, also those of the preamble, after it was sealed.
    Bytes(u16, Vec<u8>),
    /// The length that the preamble tells is not made to fit.
    KeepLength,
    /// The checksum is not made to fit.
    KeepChecksum,
    /// The file is longer or shorter than it should be.
    Longer(u16),
    /// See there.
    Shorter(u16),
    /// A stranger holds the lock of an entry; of all, if the number is 255.
    Lock(u8),
    /// Instead of a file there is a link to it, a FIFO, a directory.
    Instead(u8),
    /// There is another file, of this name.
    Beside(Vec<u8>),
}

impl Recorded for Edit {
    fn read(tape: &mut Tape<'_>) -> Self {
        match tape.byte() % 13 {
            0 => Edit::Field(tape.byte(), Value::read(tape)),
            1 => Edit::Schema(tape.text()),
            2 => Edit::SchemaOf(tape.byte()),
            3 => Edit::Splice(tape.short(), tape.byte(), tape.bytes()),
            4 => Edit::Poke(Spot::read(tape), Value::read(tape)),
            5 => Edit::Bytes(tape.short(), tape.bytes()),
            6 => Edit::KeepLength,
            7 => Edit::KeepChecksum,
            8 => Edit::Longer(tape.short()),
            9 => Edit::Shorter(tape.short()),
            10 => Edit::Lock(tape.byte()),
            11 => Edit::Instead(tape.byte()),
            _ => Edit::Beside(tape.bytes()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Edit::Field(field, value) => {
                out.extend([0, *field]);
                value.write(out);
            }
            Edit::Schema(text) => {
                out.push(1);
                write_text(out, text);
            }
            Edit::SchemaOf(kind) => out.extend([2, *kind]),
            Edit::Splice(at, cut, bytes) => {
                out.push(3);
                out.extend(at.to_le_bytes());
                out.push(*cut);
                write_bytes(out, bytes);
            }
            Edit::Poke(spot, value) => {
                out.push(4);
                spot.write(out);
                value.write(out);
            }
            Edit::Bytes(at, bytes) => {
                out.push(5);
                out.extend(at.to_le_bytes());
                write_bytes(out, bytes);
            }
            Edit::KeepLength => out.push(6),
            Edit::KeepChecksum => out.push(7),
            Edit::Longer(more) => {
                out.push(8);
                out.extend(more.to_le_bytes());
            }
            Edit::Shorter(less) => {
                out.push(9);
                out.extend(less.to_le_bytes());
            }
            Edit::Lock(entry) => out.extend([10, *entry]),
            Edit::Instead(of) => out.extend([11, *of]),
            Edit::Beside(name) => {
                out.push(12);
                write_bytes(out, name);
            }
        }
    }
}
