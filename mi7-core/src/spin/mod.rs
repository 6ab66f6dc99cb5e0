//! How long a waiter spins before it parks.
//!
//! # The rule
//!
//! Being parked and woken has a *price*. A waiter that spins for as long as the price, and then
//! parks, never pays more than twice as much as one that knows in advance when the message comes.
//! If the distribution of the waits is known, the best budget is never longer than the price, and
//! often shorter. (Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning for a
//! shared-memory multiprocessor", SOSP 1991; Boguslavsky, Harzallah, Kreinen, Sevcik and
//! Vainshtein, "Optimal strategies for spinning and blocking", 1994.)
//!
//! So a waiter spins until the message comes, or until its *spin budget* is over. It chooses among
//! seven budgets, from nothing to the whole price. It takes the one that would have cost least in
//! about the last eight waits.
//!
//! # What is measured
//!
//! Each process measures, for each end of each channel, with [`clock`]. An end that has not
//! measured anything uses what the process has measured at other ends, or else a guess.
//!
//! | what | how | guess |
//! |---|---|---|
//! | *wake-up*: from the ring until the waiter runs | the ringer stores the time in shared memory; the woken waiter subtracts it | 20 µs |
//! | *wait*: until the message comes | by the clock; if the waiter was parked, the ringer's time says when the message came | short |
//! | *line*: until a cache line arrives that another processor has written | every look is timed in one of 1,024 short waits, and after one of 128 longer ones | 60 ns |
//! | *look*: one turn of the spin loop | from one reading of the clock to the next | 25 ns |
//!
//! The estimate of a wake-up is the median of the last seven, but at most four times the shortest
//! of them. (With more threads than processors, most woken threads first wait for a processor. That
//! is not part of the price.) Lines are estimated alike. A measurement is dropped if it is longer
//! than the waiter slept: then the clocks of the two processes differ.
//!
//! A waiter that always finds spinning worth while would never measure a wake-up. So one long spell
//! of spinning in 128 ends early, and one in four until there are three measurements.
//!
//! *The price is twice a wake-up.* The message is late by one wake-up, and both processors spend
//! about as much time on system calls and switching. It is essential that the price is more than
//! one wake-up. If both ends of a ping-pong are parked, each of them waits for as long as the other
//! takes to wake up. A waiter that gave up sooner would park too, and both would stay parked for
//! ever, although a spinning pair is a hundred times as fast.
//!
//! # What bounds the cost
//!
//! Measurements can mislead. If there are more spinners than processors, or both ends share a
//! processor, then the message does not come *because* the waiter spins. While the waiter parks,
//! waits look short, so spinning looks good; but it never helps. So a waiter pays for spinning that
//! does not help out of its *credit*:
//!
//! - A spell of spinning first reserves its budget. If the message comes in time, the spell gives
//!   it back and earns what it has saved: the price less the time it took, at most 16 times that
//!   time. Otherwise the reserved credit is spent.
//! - If the thread loses its processor during a spell, the spell counts as failed, even if the
//!   message came: somebody else needed the processor.
//! - If a waiter parked, and the message came within the price, the wait earns a sixteenth of its
//!   duration. After each failed spell of the whole price it earns half as much, down to 1/256,
//!   until a spell succeeds.
//! - Time earns a thousandth of itself.
//! - The credit is at most four prices; until wake-ups have been measured, 0.6 ms.
//!
//! So failed spinning takes at most 0.1 % of a core, plus a small part of the time that parked
//! waits take anyway, plus what spinning has saved before. A receiver of nothing, or of messages
//! further apart than the price, spins for 0.1 % of a core. With full credit a waiter spins for the
//! whole price, whatever it has learned: so it finds out when spinning helps again.
//!
//! A wait, with or without credit, begins with a *glance*: some looks, for about 0.3 µs or six
//! lines, without reading the clock. That is a fraction of what parking costs, and most waits in a
//! stream end there. (After sixteen waits that ended neither in a glance nor in a spell, only one
//! waiter in eight looks at all, until a message comes that quickly again.) After that the waiter
//! reads the clock each time it has spun for another eighth of the time so far.
//!
//! # Head start
//!
//! A receiver that is faster than its sender takes each slot's cache line away while the sender is
//! still writing. Then both are as slow as a line that goes back and forth. So if the next message
//! comes within a glance many times in a row, the receiver holds back for forty lines. After that
//! head start of the sender it receives a run of messages without waiting. If the run was too
//! short, it takes twice as long until the receiver tries again. With [`Wait::Spin`] the receiver
//! never holds back: the message it waits for may be the last one of a burst.
//!
//! A sender that finds the channel full holds back each time, for half as long. It delays nobody:
//! there are as many messages as fit.

mod budget;
pub(crate) mod clock;
mod head_start;
mod learned;
#[cfg(any(target_arch = "x86_64", test))]
mod rate;
mod way;

pub(crate) use budget::{Spell, SpinBudget};
pub(crate) use learned::Machine;
pub use way::Wait;
