//! What waiting costs, and how long messages take, on the simulated machine.

mod crowded;
mod paced;
mod ping_pong;
mod stream;

use super::simulation::Prices;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Wake-ups as fast and as slow as there are.
const WAKES: [u64; 5] = [MICRO, 2 * MICRO, 7 * MICRO, 30 * MICRO, 200 * MICRO];

/// A machine on which waking takes so long.
fn prices(wake: u64) -> Prices {
    Prices { wake, call: (wake / 4).clamp(300, 2 * MICRO), ..Prices::default() }
}

fn mean(times: &[u64]) -> u64 {
    times.iter().sum::<u64>() / times.len() as u64
}

/// Numbers that look random, the same each time (xorshift64; George Marsaglia).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}
