//! What is sent, and the dice.

/// A message that says who sent it and as which, and in which every word shows whether it belongs.
#[mi7::message]
pub struct Parcel {
    pub id: u64,
    pub pattern: [u64; 15],
}

/// Bits of an id that hold the sequence number.
const SEQUENCE_BITS: u32 = 40;

/// The id of a sender's message.
pub fn id(sender: u32, sequence: u64) -> u64 {
    u64::from(sender) << SEQUENCE_BITS | sequence
}

/// Sender and sequence number of an id.
pub fn parts(id: u64) -> (u32, u64) {
    ((id >> SEQUENCE_BITS) as u32, id & ((1 << SEQUENCE_BITS) - 1))
}

impl Parcel {
    pub fn new(id: u64) -> Parcel {
        let mut dice = Dice::new(id);
        Parcel { id, pattern: std::array::from_fn(|_| dice.roll()) }
    }
}

impl ArchivedParcel {
    /// Whether all of it was written as one message.
    pub fn is_whole(&self) -> bool {
        let mut dice = Dice::new(self.id.to_native());
        self.pattern.iter().all(|word| word.to_native() == dice.roll())
    }
}

/// Vigna's splitmix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// True `percent` times out of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
