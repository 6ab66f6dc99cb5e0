//! What the victims of the fault points and their judge have in common.

/// A message that proves itself: a number, and three that follow from it.
pub type Numbered = [u64; 4];

/// The channel the judge made.
pub const CHANNEL: &str = "scene";
/// Where its messages go that were handed out too often.
pub const LETTERS: &str = "scene.dead";
/// The channel a victim makes.
pub const OWN: &str = "own";
/// Where the messages of that one go.
pub const OWN_LETTERS: &str = "own.dead";
/// The first number that victims send; the judge's are below.
pub const VICTIM: u64 = 1_000_000;

/// The message of this number.
pub fn numbered(number: u64) -> Numbered {
    [number, !number, number.rotate_left(32), number.wrapping_mul(0x9e37_79b9_7f4a_7c15)]
}
