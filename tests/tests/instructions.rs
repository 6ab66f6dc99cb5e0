//! The program `instructions`: a short real run finds nothing, and each fault that is planted is found, as what it is.
#![cfg(target_arch = "x86_64")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use mi7_tests::end_after;

/// What a run said in its last line, and whether it called itself a success.
struct Outcome {
    counts: BTreeMap<String, u64>,
    success: bool,
    words: String,
}

impl Outcome {
    fn count(&self, name: &str) -> u64 {
        *self.counts.get(name).unwrap_or_else(|| panic!("no {name} in {}", self.words))
    }
}

/// In a build without optimization each call is ten times as many instructions, so only small scenes are played.
fn instructions(arguments: &str) -> Outcome {
    end_after(Duration::from_secs(240));
    let program = env!("CARGO_BIN_EXE_instructions");
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

#[test]
fn kills_at_points_of_all_calls_on_a_channel_for_one_message_cost_nothing() {
    let outcome = instructions("--quick --scene one --scene one-full --pairs 150 --seed 1");
    assert!(outcome.success, "{}", outcome.words);
    for name in ["lost", "invented", "stuck"] {
        assert_eq!(outcome.count(name), 0, "{}", outcome.words);
    }
    assert!(outcome.count("pairs") > 100 && outcome.count("kills") > 300, "{}", outcome.words);
}

#[test]
fn a_sleeping_receiver_is_woken_wherever_its_sender_is_killed() {
    let outcome = instructions("--quick --scene receiver-sleeps --call send-alone --pairs 0");
    assert!(outcome.success && outcome.count("kills") > 5, "{}", outcome.words);
}

#[test]
fn a_case_is_played_again_as_it_was_written_down() {
    let outcome = instructions("--replay half/use=63:send-alone@hold-live@#5:recv-alone@kill@#5 --pairs 3");
    assert!(outcome.success, "{}", outcome.words);
    assert_eq!([outcome.count("kills"), outcome.count("pairs")], [3, 3], "{}", outcome.words);
    assert!(!instructions("--replay half:send-alone").success);
}

/// A run with a planted fault, in which this count is not 0.
fn found(plant: &str, name: &str) -> Outcome {
    let outcome =
        instructions(&format!("--plant {plant} --quick --scene one --call send-alone --call send-first --pairs 10"));
    assert!(!outcome.success, "{plant} was not found: {}", outcome.words);
    assert!(outcome.count(name) > 0, "{plant}: {}", outcome.words);
    outcome
}

#[test]
fn messages_that_were_acknowledged_and_never_sent_are_found() {
    assert_eq!(found("lose", "lost").count("invented"), 0);
}

#[test]
fn messages_that_are_there_twice_or_altered_are_found() {
    for plant in ["double", "tear"] {
        assert_eq!(found(plant, "invented").count("lost"), 0);
    }
}

#[test]
fn an_entry_that_is_not_given_back_is_found() {
    let outcome = found("keep", "stuck");
    assert_eq!(outcome.count("lost") + outcome.count("invented"), 0, "{}", outcome.words);
}
