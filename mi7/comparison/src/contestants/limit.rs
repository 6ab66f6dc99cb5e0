//! What the machine allows: a bounced cache line, memory through two cores, a futex. None of them is a channel.

use std::any::Any;
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::thread::futex;

use super::shared::map;
use crate::contestant::{self, Contestant, Outcome, Place, Work, spin};
use crate::payload::{LAST, START, buffer, check, fill};

const LINE: usize = 64;

/// A word that goes to and fro in one cache line. A message of up to a line is that word alone; a larger one lies in memory
/// of its own, one for each way, and is written before the word and read after it.
pub type Line = Bounce<false>;

/// The same where a message of up to a line has its own line, too: what a channel comes to that keeps state and message apart.
pub type Lines = Bounce<true>;

/// `APART`: whether a message has its own line in any case.
pub struct Bounce<const APART: bool>;

pub struct Bounced<const N: usize, const APART: bool> {
    line: NonNull<AtomicU64>,
    message: NonNull<[u64; N]>,
    /// The bit that words of this direction have.
    mine: u64,
    seen: u64,
}

/// In the word: on the way back.
const BACK: u64 = 1 << 61;
/// In the word, always: so that zero is nothing.
const WRITTEN: u64 = 1 << 60;

impl<const APART: bool> Contestant for Bounce<APART> {
    type Sender<const N: usize> = Bounced<N, APART>;
    type Receiver<const N: usize> = Bounced<N, APART>;

    fn refuses(work: Work, size: usize) -> Option<&'static str> {
        (work != Work::Latency || APART && size > LINE).then_some("")
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Bounced<N, APART>> {
        let mine = if place.name.ends_with("back") { BACK } else { 0 };
        let line = map(&place.directory.join("line"), PIECE)?.cast();
        let message = map(&place.path(), (N * 8).next_multiple_of(PIECE))?.cast();
        Ok(Bounced { line, message, mine, seen: 0 })
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Bounced<N, APART>> {
        Self::sender(place)
    }
}

impl<const N: usize, const APART: bool> Bounced<N, APART> {
    const ALONE: bool = !APART && N * 8 <= LINE;

    #[inline(always)]
    fn word(&self) -> &AtomicU64 {
        // SAFETY: mapped for ever, aligned, and only ever accessed as an atomic.
        unsafe { self.line.as_ref() }
    }
}

impl<const N: usize, const APART: bool> contestant::Sender for Bounced<N, APART> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        if !Self::ALONE {
            // SAFETY: it is this side's until the word is stored.
            fill(unsafe { self.message.cast::<MaybeUninit<[u64; N]>>().as_mut() }, number);
        }
        self.word().store(number | self.mine | WRITTEN, Ordering::Release);
    }
}

impl<const N: usize, const APART: bool> contestant::Receiver for Bounced<N, APART> {
    #[inline(always)]
    fn recv(&mut self) -> u64 {
        let word = loop {
            let word = self.word().load(Ordering::Acquire);
            if word != self.seen && word & WRITTEN != 0 && word & BACK == self.mine {
                break word;
            }
            spin_loop();
        };
        self.seen = word;
        if Self::ALONE {
            return word & !(BACK | WRITTEN);
        }
        // SAFETY: it is this side's until it answers.
        check(unsafe { self.message.as_ref() })
    }
}

/// A stream of messages through memory: copied in by one core, read by the other, and told of in pieces of at least 4 KiB.
pub struct Memory<W>(PhantomData<W>);

/// How a message gets there.
pub trait Write: 'static {
    const COPIES: bool;
}

/// By `memcpy`, of one that is in the sender's cache.
pub struct Copied;

impl Write for Copied {
    const COPIES: bool = true;
}

/// Word by word, as it is made up, which is what most contestants do.
pub struct Filled;

impl Write for Filled {
    const COPIES: bool = false;
}

const PIECE: usize = 4096;

/// Control lines of the mapping: what was written, what was read.
#[repr(C, align(128))]
struct Progress(AtomicU64);

pub struct Stream<W, const N: usize> {
    written: NonNull<Progress>,
    read: NonNull<Progress>,
    messages: NonNull<[u64; N]>,
    capacity: u64,
    /// Messages this side has written or read.
    at: u64,
    /// What the other side has, as last seen.
    other: u64,
    /// What was told to the other side.
    told: u64,
    source: Box<[u64; N]>,
    write: PhantomData<W>,
}

impl<W: Write, const N: usize> Stream<W, N> {
    const PER_PIECE: u64 = if N * 8 >= PIECE { 1 } else { (PIECE / (N * 8)) as u64 };

    fn open(place: &Place) -> Outcome<Self> {
        let base = map(&place.path(), PIECE + place.capacity * N * 8)?;
        let mut source = buffer();
        for (index, word) in source.iter_mut().enumerate() {
            *word = index as u64;
        }
        // SAFETY: within the mapping.
        let (read, messages) = unsafe { (base.add(4 * LINE), base.add(PIECE)) };
        Ok(Stream {
            written: base.cast(),
            read: read.cast(),
            messages: messages.cast(),
            capacity: place.capacity as u64,
            at: 0,
            other: 0,
            told: 0,
            source,
            write: PhantomData,
        })
    }

    #[inline(always)]
    fn progress(of: &NonNull<Progress>) -> &AtomicU64 {
        // SAFETY: mapped for ever, aligned, and only ever accessed as an atomic.
        unsafe { &of.as_ref().0 }
    }

    #[inline(always)]
    fn slot(&self) -> *mut [u64; N] {
        // SAFETY: within the mapping; the capacity is a power of two.
        unsafe { self.messages.as_ptr().add((self.at & (self.capacity - 1)) as usize) }
    }
}

impl<W: Write> Contestant for Memory<W> {
    type Sender<const N: usize> = Stream<W, N>;
    type Receiver<const N: usize> = Stream<W, N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        (work != Work::Throughput).then_some("")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(map(&place.path(), PIECE + place.capacity * N * 8)?))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Stream<W, N>> {
        Stream::open(place)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Stream<W, N>> {
        Stream::open(place)
    }
}

impl<W: Write, const N: usize> contestant::Sender for Stream<W, N> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        while self.at - self.other >= self.capacity {
            self.other = Self::progress(&self.read).load(Ordering::Acquire);
            spin_loop();
        }
        let slot = self.slot();
        if W::COPIES {
            self.source[0] = number;
            // SAFETY: the slot is free, as the other side has said, and it is this side's until it is told of.
            unsafe { slot.copy_from_nonoverlapping(&*self.source, 1) };
        } else {
            // SAFETY: as above.
            fill(unsafe { &mut *slot.cast::<MaybeUninit<[u64; N]>>() }, number);
        }
        self.at += 1;
        if self.at - self.told == Self::PER_PIECE || number & (START | LAST) != 0 {
            self.told = self.at;
            Self::progress(&self.written).store(self.at, Ordering::Release);
        }
    }
}

impl<W: Write, const N: usize> contestant::Receiver for Stream<W, N> {
    fn recv(&mut self) -> u64 {
        unimplemented!("refused")
    }

    #[inline(always)]
    fn recv_run(&mut self, seen: &mut impl FnMut(u64)) {
        while self.at == self.other {
            self.other = Self::progress(&self.written).load(Ordering::Acquire);
            spin_loop();
        }
        while self.at < self.other {
            // SAFETY: the other side has told of it and leaves it alone until this side has.
            let words = unsafe { &*self.slot() };
            let number = if W::COPIES {
                let mut wrong = 0;
                for (index, word) in words.iter().enumerate().skip(1) {
                    wrong |= word ^ index as u64;
                }
                assert_eq!(wrong, 0);
                words[0]
            } else {
                check(words)
            };
            self.at += 1;
            seen(number);
        }
        Self::progress(&self.read).store(self.at, Ordering::Release);
    }
}

/// A word that one process stores and wakes the other on: one wake and one wait a message, no spinning.
pub struct Futex;

pub struct Word<const N: usize> {
    word: NonNull<AtomicU32>,
    /// Messages that were read. A sender that is too early waits for it: nobody should be, but processors are taken away.
    read: NonNull<AtomicU32>,
    message: NonNull<[u64; N]>,
    at: u32,
}

impl<const N: usize> Word<N> {
    fn open(place: &Place) -> Outcome<Self> {
        let word = map(&place.path(), (N * 8).next_multiple_of(PIECE) + PIECE)?;
        // SAFETY: within the mapping.
        let (read, message) = unsafe { (word.add(4 * LINE), word.add(PIECE)) };
        Ok(Word { word: word.cast(), read: read.cast(), message: message.cast(), at: 0 })
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped for ever, aligned, and only ever accessed as an atomic.
        unsafe { self.word.as_ref() }
    }

    fn read(&self) -> &AtomicU32 {
        // SAFETY: as in `word`.
        unsafe { self.read.as_ref() }
    }
}

impl Contestant for Futex {
    type Sender<const N: usize> = Word<N>;
    type Receiver<const N: usize> = Word<N>;

    fn refuses(work: Work, _: usize) -> Option<&'static str> {
        (!work.wakes()).then_some("")
    }

    fn create<const N: usize>(place: &Place) -> Outcome<Box<dyn Any>> {
        Ok(Box::new(Word::<N>::open(place)?.at))
    }

    fn sender<const N: usize>(place: &Place) -> Outcome<Word<N>> {
        Word::open(place)
    }

    fn receiver<const N: usize>(place: &Place) -> Outcome<Word<N>> {
        Word::open(place)
    }
}

impl<const N: usize> contestant::Sender for Word<N> {
    fn send(&mut self, number: u64) {
        spin(|| (self.read().load(Ordering::Acquire) == self.at).then_some(()));
        self.at += 1;
        // SAFETY: the receiver is through with the last one, and waits for this.
        fill(unsafe { self.message.cast::<MaybeUninit<[u64; N]>>().as_mut() }, number);
        self.word().fetch_add(1, Ordering::Release);
        futex::wake(self.word(), futex::Flags::empty(), 1).expect("wakes");
    }
}

impl<const N: usize> contestant::Receiver for Word<N> {
    fn recv(&mut self) -> u64 {
        self.recv_parked()
    }

    fn recv_parked(&mut self) -> u64 {
        while self.word().load(Ordering::Acquire) == self.at {
            let _ = futex::wait(self.word(), futex::Flags::empty(), self.at, None);
        }
        self.at += 1;
        // SAFETY: the sender leaves it alone until it hears that it was read.
        let number = check(unsafe { self.message.as_ref() });
        self.read().store(self.at, Ordering::Release);
        number
    }
}
