//! Exhaustive search of mi7's protocols, step by step as the code has them.
//!
//! `cargo run --release -p mi7-tests --bin model [-- --quick] [--only TEXT] [--verbose]`; fails where a configuration that must
//! hold does not, or where a planted mistake is not found.
//!
//! *Actions*: every load, compare-exchange, swap and store of shared memory, every lock taken, asked about and let go, by
//! everybody, in any order (sequentially consistent: weak orderings are loom's), and the death of any of them between any two.
//!
//! There are two models. [`ring`] has the protocol of the slots, and everybody claims by compare-exchange. [`bias`] has the
//! plain stores of one who is alone at its end, and how that right is taken, revoked and left behind by the dead. Waking is in
//! neither: it is in loom's models (`mi7-core/src/ring/models/waiting.rs`), and its fences in `tests/fences.rs`.

mod bias;
mod ring;
mod search;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use search::{Case, Verdict};

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let verbose = std::env::args().any(|argument| argument == "--verbose");
    let only: Option<String> = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    let mut all: Vec<Case> = ring::cases().into_iter().chain(bias::cases()).collect();
    all.retain(|case| (!quick || case.quick) && only.as_ref().is_none_or(|text| case.name.contains(text.as_str())));
    let (turn, failed, out) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(2) {
            scope.spawn(|| {
                while let Some(case) = all.get(turn.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let (text, lines, found) = match (case.check)() {
                        Verdict::Holds(states) => (format!("holds, {states} states"), vec![], Some(false)),
                        Verdict::Broken(why, states, lines) => {
                            (format!("{why}, after {states} states"), lines, Some(true))
                        }
                        Verdict::Stuck(stuck, states, lines) => {
                            (format!("stuck in {stuck} of {states} states"), lines, Some(true))
                        }
                        Verdict::TooMany(states) => {
                            (format!("too many states, nothing found in {states}"), vec![], None)
                        }
                    };
                    let bad = found != Some(case.planted);
                    let _guard = out.lock();
                    let label = match (bad, case.planted) {
                        (false, false) => "ok    ",
                        (false, true) => "found ",
                        (true, _) => "FAILED",
                    };
                    println!("{label} {} [{:.1} s]: {text}", case.name, begun.elapsed().as_secs_f32());
                    if verbose || bad {
                        lines.iter().for_each(|line| println!("         {line}"));
                    }
                    if bad {
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    if failed.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
