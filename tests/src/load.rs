//! Messages whose bytes all follow from two numbers.

use mi7::{Bincode, Message, MessageView, Payload};
use serde::{Deserialize, Serialize};

/// A message that shows whether it arrived whole.
pub trait Load: Payload {
    /// Message `number` of sender `sender`.
    fn pack(sender: u32, number: u64) -> Self;

    /// Its two numbers; `None` if any byte does not follow from them.
    fn unpack(target: &Self::Target) -> Option<(u32, u64)>;
}

/// A well mixed number (the finalizer of MurmurHash3, Appleby).
fn mix(sender: u32, number: u64, at: u64) -> u64 {
    let mut x = u64::from(sender) << 32 ^ number ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ x >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

/// A message of fixed size, on several cache lines.
#[mi7::message]
pub struct Parcel {
    /// Who sent it.
    pub sender: u32,
    /// Which of the sender's it is.
    pub number: u64,
    /// What has to fit the two.
    pub fill: [u64; 20],
}

impl Load for Parcel {
    fn pack(sender: u32, number: u64) -> Self {
        let mut fill = [0; 20];
        (0..).zip(&mut fill).for_each(|(at, word)| *word = mix(sender, number, at));
        Parcel { sender, number, fill }
    }

    fn unpack(parcel: &Self::Target) -> Option<(u32, u64)> {
        let (sender, number) = (parcel.sender.to_native(), parcel.number.to_native());
        let whole = (0..).zip(&parcel.fill).all(|(at, word)| word.to_native() == mix(sender, number, at));
        whole.then_some((sender, number))
    }
}

const SLAB: usize = 1 << 20;

/// A message of fixed size, of more than a mebibyte.
#[mi7::message]
pub struct Slab {
    /// As in [`Parcel`].
    pub sender: u32,
    /// As in [`Parcel`].
    pub number: u64,
    /// As in [`Parcel`].
    pub fill: [u8; SLAB],
}

impl Load for Slab {
    fn pack(sender: u32, number: u64) -> Self {
        let mut slab = Slab { sender, number, fill: [0; SLAB] };
        fill(&mut slab.fill, sender, number);
        slab
    }

    fn unpack(slab: &Self::Target) -> Option<(u32, u64)> {
        let (sender, number) = (slab.sender.to_native(), slab.number.to_native());
        is_filled(&slab.fill, sender, number).then_some((sender, number))
    }
}

fn fill(bytes: &mut [u8], sender: u32, number: u64) {
    for (at, chunk) in (0..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&mix(sender, number, at).to_le_bytes()[..chunk.len()]);
    }
}

fn is_filled(bytes: &[u8], sender: u32, number: u64) -> bool {
    (0..).zip(bytes.chunks(8)).all(|(at, chunk)| *chunk == mix(sender, number, at).to_le_bytes()[..chunk.len()])
}

/// The number of a [`Message`] of `bytes` bytes. All others have 12 to 211.
pub fn big(bytes: u64, number: u64) -> u64 {
    assert!(bytes >= 12 && number < 1 << 20);
    (bytes - 12) << 20 | number
}

fn bytes_of(number: u64) -> usize {
    12 + if number >> 20 > 0 { (number >> 20) as usize } else { (number % 200) as usize }
}

impl Load for Message {
    fn pack(sender: u32, number: u64) -> Self {
        let mut data = vec![0; bytes_of(number)];
        data[..4].copy_from_slice(&sender.to_le_bytes());
        data[4..12].copy_from_slice(&number.to_le_bytes());
        fill(&mut data[12..], sender, number);
        Message::new(data)
    }

    fn unpack(message: &MessageView) -> Option<(u32, u64)> {
        let (sender, rest) = message.data().split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sender, number) = (u32::from_le_bytes(*sender), u64::from_le_bytes(*number));
        (bytes_of(number) == message.data().len() && is_filled(rest, sender, number)).then_some((sender, number))
    }
}

/// A message of no fixed size, with serde's traits only.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Letter {
    sender: u32,
    number: u64,
    text: String,
    pages: Vec<Option<(u8, String)>>,
}

impl Letter {
    fn new(sender: u32, number: u64) -> Self {
        let pages = (0..number % 5).map(|page| (page != 2).then(|| (page as u8, format!("{sender}/{number}"))));
        Letter { sender, number, text: format!("{:x}", mix(sender, number, 0)), pages: pages.collect() }
    }
}

impl Load for Bincode<Letter> {
    fn pack(sender: u32, number: u64) -> Self {
        Bincode(Letter::new(sender, number))
    }

    fn unpack(letter: &Letter) -> Option<(u32, u64)> {
        (*letter == Letter::new(letter.sender, letter.number)).then_some((letter.sender, letter.number))
    }
}
