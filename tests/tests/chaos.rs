//! The program `chaos`: a short real run finds nothing, and each fault that is planted is found, as what it is.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use mi7_tests::end_after;

/// What a run said in its last line, and whether it called itself a success.
struct Outcome {
    counts: BTreeMap<String, f64>,
    success: bool,
    words: String,
}

impl Outcome {
    fn count(&self, name: &str) -> f64 {
        *self.counts.get(name).unwrap_or_else(|| panic!("no {name} in {}", self.words))
    }

    /// Which of the four that must be 0 are not.
    fn wrong(&self) -> Vec<&'static str> {
        ["lost", "invented", "unexplained", "stuck"].into_iter().filter(|name| self.count(name) != 0.0).collect()
    }
}

fn chaos(arguments: &str) -> Outcome {
    static WATCHDOG: Once = Once::new();
    WATCHDOG.call_once(|| end_after(Duration::from_secs(180)));
    let program = env!("CARGO_BIN_EXE_chaos");
    let output = Command::new(program).args(arguments.split_whitespace()).output().expect("the program starts");
    let [said, told] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let last = said.lines().last().unwrap_or_default();
    let counts = last.split(' ').filter_map(|word| word.split_once('='));
    Outcome {
        counts: counts.map(|(name, count)| (name.to_owned(), count.parse().expect("a number"))).collect(),
        success: output.status.success(),
        words: format!("{told}{said}{}", output.status),
    }
}

/// A run in which nothing is wrong.
fn green(arguments: &str) -> Outcome {
    let outcome = chaos(arguments);
    assert!(outcome.success, "{}", outcome.words);
    assert_eq!(outcome.wrong(), [""; 0], "{}", outcome.words);
    assert!(outcome.count("received") >= outcome.count("sent"), "{}", outcome.words);
    outcome
}

#[test]
fn what_is_forked_is_not_found_in_the_accounts() {
    for capacity in [1, 64] {
        let outcome = green(&format!("--fork --seconds 4 --seed {capacity} --capacity {capacity}"));
        assert!(outcome.count("kills") > 4.0 * 3.4 + 6.0, "{}", outcome.words);
        assert!(outcome.count("sent") > 4000.0, "{}", outcome.words);
    }
    let outcome = chaos("--fork --seconds 3 --seed 5 --plant inherit");
    assert!(!outcome.success && outcome.wrong().contains(&"lost"), "{}", outcome.words);
}

#[test]
fn a_run_with_kills_and_stops_accounts_for_every_message() {
    for capacity in [1, 64] {
        let outcome = green(&format!("--seconds 4 --stop --seed {capacity} --capacity {capacity}"));
        // With the six that die at one instant in the end. Ten minutes ask for 3.4 a second.
        assert!(outcome.count("kills") > 4.0 * 3.4 + 6.0, "{}", outcome.words);
        assert!(outcome.count("stops") > 4.0, "{}", outcome.words);
        assert!(outcome.count("sent") > 4000.0, "{}", outcome.words);
    }
}

#[test]
fn a_run_of_tasks_that_are_cancelled_accounts_for_every_message() {
    for capacity in [1, 64] {
        let outcome = green(&format!("--async --seconds 4 --stop --seed {capacity} --capacity {capacity}"));
        assert!(outcome.count("kills") > 4.0 * 3.4 + 6.0, "{}", outcome.words);
        assert!(outcome.count("sent") > 2000.0, "{}", outcome.words);
    }
    let outcome = green("--async --seconds 2 --no-kill");
    assert_eq!(outcome.count("duplicated"), 0.0, "{}", outcome.words);
}

#[test]
fn where_nobody_is_killed_nothing_is_there_twice() {
    let outcome = green("--seconds 2 --no-kill --stop");
    for name in ["kills", "duplicated", "recovery_max_ms"] {
        assert_eq!(outcome.count(name), 0.0, "{}", outcome.words);
    }
}

#[test]
fn what_dead_receivers_held_is_there_twice_and_explained() {
    let outcome = green("--seconds 4 --senders 1 --receivers 4 --strikes-per-second 20");
    assert!(outcome.count("duplicated") > 0.0 && outcome.count("recovery_max_ms") > 0.0, "{}", outcome.words);
}

/// A run with a planted fault: this count is not 0, and the other three are.
fn found(plant: &str, arguments: &str, name: &'static str) -> Outcome {
    let outcome = chaos(&format!("--plant {plant} {arguments}"));
    assert!(!outcome.success, "{plant} was not found: {}", outcome.words);
    assert_eq!(outcome.wrong(), [name], "{plant}: {}", outcome.words);
    outcome
}

#[test]
fn lost_messages_are_found() {
    found("lose", "--seconds 1", "lost");
    found("swallow", "--seconds 1", "lost");
}

#[test]
fn invented_and_altered_messages_are_found() {
    found("invent", "--seconds 1", "invented");
    found("tear", "--seconds 1", "invented");
    found("scribble", "--seconds 1", "invented");
}

#[test]
fn unexplained_duplicates_are_found() {
    for plant in ["double", "redo"] {
        let outcome = found(plant, "--seconds 1", "unexplained");
        assert!(outcome.count("duplicated") > 0.0, "{}", outcome.words);
    }
}

#[test]
fn deliveries_that_do_not_count_up_or_count_up_for_no_reason_are_found() {
    found("uncounted", "--seconds 1", "unexplained");
    // Where nobody is killed, so that no death can explain it.
    found("unlogged", "--seconds 1 --no-kill", "unexplained");
}

#[test]
fn messages_out_of_order_are_found() {
    // Whoever were killed in the middle of it would have lost one as well.
    found("reorder", "--seconds 1 --no-kill", "unexplained");
}

#[test]
fn children_that_fail_are_found() {
    found("fail", "--seconds 1", "unexplained");
}

#[test]
fn whoever_gets_no_further_is_found() {
    // At once, while it goes on, and in the end, when the channel is closed and it should leave.
    found("hang", "--seconds 2 --patience 1 --no-kill", "stuck");
    found("hang", "--seconds 1 --patience 1 --no-kill", "stuck");
}

#[test]
fn futures_that_are_not_cancel_safe_are_found() {
    found("cancel", "--async --seconds 1 --no-kill", "lost");
    let outcome = chaos("--plant resend --async --seconds 1 --no-kill");
    assert!(outcome.count("unexplained") > 0.0, "{}", outcome.words);
    // In the end the channel may be closed before the second time.
    assert_eq!(outcome.count("lost") + outcome.count("stuck"), 0.0, "{}", outcome.words);
    found("lose", "--async --seconds 1", "lost");
    found("hang", "--async --seconds 2 --patience 1 --no-kill", "stuck");
}

#[test]
fn a_slot_that_does_not_come_back_is_found() {
    found("leak", "--seconds 1", "stuck");
    found("leak", "--seconds 1 --capacity 1", "stuck");
}
