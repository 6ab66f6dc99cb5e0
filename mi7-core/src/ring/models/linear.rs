//! Small histories, for each of which there has to be an order in which a plain queue would have done the same.
//!
//! # What holds
//!
//! The threads write down when each attempt to send or to receive began and ended, and what it came to. A search (Wing and Gong,
//! "Testing and Verifying Concurrent Objects", 1993) then looks for an order of everything that was done such that
//!
//! - what ended before something else began comes before it, and
//! - a bounded queue that is given all this in that order answers the same.
//!
//! *Sends and receives that succeed* are a first-in-first-out queue of at most `capacity` messages, each of them done at one
//! moment between its begin and its end ([`Rules::Plain`]): a send when it moves `tail`, a receive when it moves `head`.
//!
//! *"Empty" and "full"* are not. As in every ring where a place is claimed before it is written (Vyukov's, and crossbeam's before
//! it spins), a message that is still being sent holds up those behind it, and one that is still being received holds its
//! slot. So a receiver may say "empty" although a later send has ended, and a sender "full" right after an answer that shows
//! that a message was taken. What holds is that each of these answers is true at one moment of a queue whose sends and receives are
//! done in two ([`Rules::InTwoSteps`]):
//!
//! ```text
//!  send     claims the next place      …  publishes its message
//!  receive  takes the oldest message   …  releases its slot
//!  "empty"  nothing is left to take, or the oldest that is left is not published yet
//!  "full"   every slot is claimed, waiting, or taken and not released
//! ```
//!
//! That is: nobody says "empty" unless there is nothing, or the very *oldest* message is still being sent at that moment; some
//! other send that is on its way is no excuse. Nobody says "full" unless all slots are in use, counting those whose receive is
//! still on its way. With nobody else on the way both are plain truth.
//!
//! # Which order of time
//!
//! "Before" is *happens before*: the answers hold for whoever can know the order, because something else that synchronizes told
//! it. By a clock on the wall they do not, on any ring that publishes by a plain store: the message just sent may still lie in its
//! sender's store buffer. So where all answers are judged, the clock is an atomic that everybody counts up with `AcqRel`; where
//! only the successes are, it is `Relaxed` and tells nobody anything, and their order is that of the model's own time.
//!
//! # What is left out
//!
//! Deaths, what is put back and what is given up: what is handed out again comes out of its turn, by design.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use loom::sync::atomic::AtomicUsize as Clock;

use super::*;

// ---- the checker -------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Answer {
    Sent(u64),
    Full,
    Received(u64),
    Empty,
}
use Answer::*;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Operation {
    begun: usize,
    ended: usize,
    answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// Everything is done at one moment.
    Plain,
    /// Sends and receives are done in two.
    InTwoSteps,
}

/// A queue in the middle of a search: what was done so far, and what came of it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// How many steps of each operation are done.
    done: Vec<usize>,
    /// What can be taken, oldest first, and whether it is published.
    waiting: VecDeque<(u64, bool)>,
    /// Taken, and not released.
    held: usize,
}

struct Search<'a> {
    rules: Rules,
    capacity: usize,
    history: &'a [Operation],
    /// From where there is no way to the end.
    hopeless: HashSet<State>,
}

fn is_explained(rules: Rules, capacity: usize, history: &[Operation]) -> bool {
    let begin = State { done: vec![0; history.len()], waiting: VecDeque::new(), held: 0 };
    Search { rules, capacity, history, hopeless: HashSet::new() }.succeeds_from(begin)
}

impl Search<'_> {
    fn steps(&self, operation: &Operation) -> usize {
        if self.rules == Rules::InTwoSteps && matches!(operation.answer, Sent(_) | Received(_)) { 2 } else { 1 }
    }

    fn is_over(&self, state: &State, index: usize) -> bool {
        state.done[index] == self.steps(&self.history[index])
    }

    /// Whether everything that ended before this one began is done.
    fn is_its_turn(&self, state: &State, index: usize) -> bool {
        let begun = self.history[index].begun;
        (0..self.history.len()).all(|other| self.history[other].ended > begun || self.is_over(state, other))
    }

    fn succeeds_from(&mut self, state: State) -> bool {
        if (0..self.history.len()).all(|index| self.is_over(&state, index)) {
            return true;
        }
        if self.hopeless.contains(&state) {
            return false;
        }
        for index in 0..self.history.len() {
            if !self.is_over(&state, index)
                && self.is_its_turn(&state, index)
                && let Some(next) = self.step(&state, index)
                && self.succeeds_from(next)
            {
                return true;
            }
        }
        self.hopeless.insert(state);
        false
    }

    /// The next step of one operation, if the queue is such that it can be done with this answer.
    fn step(&self, state: &State, index: usize) -> Option<State> {
        let mut next = state.clone();
        next.done[index] += 1;
        let full = state.waiting.len() + state.held == self.capacity;
        let front = state.waiting.front().copied();
        let in_two = self.rules == Rules::InTwoSteps;
        let possible = match (self.history[index].answer, state.done[index]) {
            (Sent(value), 0) => {
                next.waiting.push_back((value, !in_two));
                !full
            }
            (Sent(value), _) => {
                next.waiting
                    .iter_mut()
                    .filter(|(waits, _)| *waits == value)
                    .for_each(|(_, published)| *published = true);
                true
            }
            (Received(value), 0) => {
                next.waiting.pop_front();
                next.held += usize::from(in_two);
                front == Some((value, true))
            }
            (Received(_), _) => {
                next.held -= 1;
                true
            }
            (Full, _) => full,
            (Empty, _) => front.is_none_or(|(_, published)| !published),
        };
        possible.then_some(next)
    }
}

/// Operations with their times: `(begun, ended, answer)`.
fn history(operations: &[(usize, usize, Answer)]) -> Vec<Operation> {
    operations.iter().map(|&(begun, ended, answer)| Operation { begun, ended, answer }).collect()
}

fn one_after_the_other(answers: &[Answer]) -> Vec<Operation> {
    (0..).step_by(2).zip(answers).map(|(begun, &answer)| Operation { begun, ended: begun + 1, answer }).collect()
}

fn is_explained_by_both(capacity: usize, history: &[Operation]) -> bool {
    is_explained(Rules::Plain, capacity, history) && is_explained(Rules::InTwoSteps, capacity, history)
}

fn is_refused_by_both(capacity: usize, history: &[Operation]) -> bool {
    !is_explained(Rules::Plain, capacity, history) && !is_explained(Rules::InTwoSteps, capacity, history)
}

#[test]
fn the_checker_accepts_what_a_queue_does() {
    let alone = [Empty, Sent(1), Sent(2), Full, Received(1), Sent(3), Full, Received(2), Received(3), Empty];
    assert!(is_explained_by_both(2, &one_after_the_other(&alone)));
    let two_sends_at_once = [(0, 3, Sent(1)), (1, 2, Sent(2)), (4, 5, Received(2)), (6, 7, Received(1))];
    assert!(is_explained_by_both(2, &history(&two_sends_at_once)));
    let sent_while_received = [(0, 2, Received(1)), (1, 3, Sent(1)), (4, 5, Empty)];
    assert!(is_explained_by_both(1, &history(&sent_while_received)));
}

#[test]
fn the_checker_refuses_what_no_queue_does() {
    for (what, capacity, answers) in [
        ("reordered", 2, &[Sent(1), Sent(2), Received(2), Received(1)][..]),
        ("lost", 2, &[Sent(1), Sent(2), Received(2), Empty]),
        ("lost at the end", 2, &[Sent(1), Sent(2), Received(1), Empty]),
        ("doubled", 2, &[Sent(1), Received(1), Received(1)]),
        ("doubled behind another", 2, &[Sent(1), Sent(2), Received(1), Received(2), Received(1)]),
        ("invented", 1, &[Received(7)]),
        ("received before it was sent", 1, &[Received(1), Sent(1)]),
        ("more than there is room for", 1, &[Sent(1), Sent(2), Received(1), Received(2)]),
        ("empty, and nobody on the way", 1, &[Sent(1), Empty, Received(1)]),
        ("full, and nobody on the way", 1, &[Sent(1), Received(1), Full]),
        ("full, and room for one more", 2, &[Sent(1), Full, Received(1)]),
    ] {
        assert!(is_refused_by_both(capacity, &one_after_the_other(answers)), "{what}");
    }
    let reordered_beside_another = [(0, 1, Sent(1)), (2, 5, Sent(2)), (3, 6, Received(2)), (7, 8, Received(1))];
    assert!(is_refused_by_both(2, &history(&reordered_beside_another)));
}

#[test]
fn the_checker_excuses_an_empty_only_by_the_oldest_send() {
    let end = [(6, 7, Received(1)), (8, 9, Received(2))];
    let oldest_on_its_way = history(&[&[(0, 5, Sent(1)), (1, 2, Sent(2)), (3, 4, Empty)][..], &end].concat());
    assert!(is_explained(Rules::InTwoSteps, 2, &oldest_on_its_way));
    assert!(!is_explained(Rules::Plain, 2, &oldest_on_its_way));
    let another_on_its_way = history(&[&[(0, 1, Sent(1)), (2, 5, Sent(2)), (3, 4, Empty)][..], &end].concat());
    assert!(is_refused_by_both(2, &another_on_its_way));
}

#[test]
fn the_checker_excuses_a_full_only_by_what_is_in_a_slot() {
    let still_held = history(&[(0, 1, Sent(1)), (2, 7, Received(1)), (3, 4, Empty), (5, 6, Full)]);
    assert!(is_explained(Rules::InTwoSteps, 1, &still_held));
    assert!(!is_explained(Rules::Plain, 1, &still_held));
    assert!(is_refused_by_both(2, &still_held));
}

// ---- the models --------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy)]
enum Do {
    Send(u64),
    Receive,
}
use Do::{Receive, Send};

/// What each thread does, one thing after the other.
type Scenario = &'static [&'static [Do]];

/// A fourth participant.
const D: Owner = Owner(5);

struct History {
    clock: Clock,
    order: Ordering,
    time: AtomicUsize,
    operations: Mutex<Vec<Operation>>,
}

impl History {
    fn now(&self) -> usize {
        self.clock.fetch_add(1, self.order);
        // Threads of a model run one at a time: counted in the order in which they came to this line.
        self.time.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    fn act(&self, hand: &mut Hand, what: Do) -> Answer {
        let begun = self.now();
        let answer = match what {
            Send(value) => hand.send(value).map_or(Full, |()| Sent(value)),
            Receive => hand.receive().map_or(Empty, Received),
        };
        let ended = self.now();
        // Not held across a step of the model, where another thread would run into it.
        self.operations.lock().unwrap().push(Operation { begun, ended, answer });
        answer
    }
}

/// Runs a scenario in every order, receives what is left, and returns the histories that came of it, each of them once.
fn histories(preemptions: usize, order: Ordering, capacity: u32, scenario: Scenario) -> HashSet<Vec<Operation>> {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let sees = Arc::clone(&seen);
    check(preemptions, move || {
        let world = World::new(capacity);
        let history = Arc::new(History {
            clock: Clock::new(0),
            order,
            time: AtomicUsize::new(0),
            operations: Mutex::new(Vec::new()),
        });
        let actors: Vec<Actor> = [A, B, C, D]
            .into_iter()
            .zip(scenario)
            .map(|(me, doings)| {
                let history = Arc::clone(&history);
                world.act(me, None, move |hand| {
                    for what in *doings {
                        history.act(hand, *what);
                    }
                })
            })
            .collect();
        let mut logs: Vec<Log> = actors.into_iter().map(|actor| actor.join().unwrap()).collect();
        let mut main = world.hand(MAIN);
        while history.act(&mut main, Receive) != Empty {}
        logs.push(std::mem::take(&mut main.log));
        world.settle(logs);
        let operations = std::mem::take(&mut *history.operations.lock().unwrap());
        sees.lock().unwrap().insert(operations);
    });
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    eprintln!("{} histories", seen.len());
    seen
}

/// All answers, by a clock that tells everybody the order. Returns how many histories are none of a plain queue's.
fn check_answers(preemptions: usize, capacity: u32, scenario: Scenario) -> usize {
    let histories = histories(preemptions, Ordering::AcqRel, capacity, scenario);
    for history in &histories {
        assert!(is_explained(Rules::InTwoSteps, capacity as usize, history), "not a queue of {capacity}: {history:?}");
    }
    let excused = histories.iter().filter(|history| !is_explained(Rules::Plain, capacity as usize, history)).count();
    eprintln!("{excused} of them with an answer that is true only in two steps");
    excused
}

/// The successes alone, by a clock that tells nobody anything.
fn check_successes(preemptions: usize, capacity: u32, scenario: Scenario) {
    for mut history in histories(preemptions, Ordering::Relaxed, capacity, scenario) {
        history.retain(|operation| matches!(operation.answer, Sent(_) | Received(_)));
        assert!(is_explained(Rules::Plain, capacity as usize, &history), "not a queue of {capacity}: {history:?}");
    }
}

const TWO_SENDERS: Scenario = &[&[Send(11), Send(12)], &[Send(21)], &[Receive, Receive]];
const TWO_RECEIVERS: Scenario = &[&[Send(11), Send(12)], &[Receive, Receive], &[Receive]];
const TWO_OF_EACH: Scenario = &[&[Send(11)], &[Send(21)], &[Receive], &[Receive]];
const BOTH_DO_BOTH: Scenario = &[&[Send(11), Receive, Send(12)], &[Send(21), Receive, Receive]];

#[test]
fn two_senders_and_a_receiver_answer_as_a_queue() {
    for capacity in [1, 2] {
        check_answers(3, capacity, TWO_SENDERS);
    }
}

#[test]
fn a_sender_and_two_receivers_answer_as_a_queue() {
    for capacity in [1, 2] {
        check_answers(3, capacity, TWO_RECEIVERS);
    }
}

#[test]
fn two_senders_and_two_receivers_answer_as_a_queue() {
    let excused: usize = [1, 2].into_iter().map(|capacity| check_answers(2, capacity, TWO_OF_EACH)).sum();
    assert_ne!(excused, 0, "the rules of a plain queue would do");
}

#[test]
fn two_who_send_and_receive_answer_as_a_queue() {
    for capacity in [1, 2] {
        check_answers(3, capacity, BOTH_DO_BOTH);
    }
}

#[test]
fn what_is_sent_and_received_is_a_queue_by_any_clock() {
    for scenario in [TWO_SENDERS, TWO_RECEIVERS, TWO_OF_EACH, BOTH_DO_BOTH] {
        for capacity in [1, 2] {
            check_successes(1, capacity, scenario);
        }
    }
}

/// While slot 1 was held, a lap of it was skipped. Now it is free, but the next position is that of slot 0, where a message waits.
#[test]
fn a_slot_whose_lap_was_skipped_is_used_before_its_turn() {
    check(0, || {
        let world = World::new(3);
        let mut main = world.hand(MAIN);
        (1..=3).for_each(|value| main.send(value).unwrap());
        let [first, second, third] = [(); 3].map(|()| main.lease().unwrap());
        main.release(&third);
        main.send(4).unwrap();
        main.release(&first);
        main.send(5).unwrap();
        assert_eq!(main.receive(), Ok(4));
        main.send(6).unwrap();
        main.release(&second);
        assert_eq!(main.send(7), Ok(()));
        assert_eq!(main.send(8), Err(Blocked::Full));
        assert_eq!(main.receive(), Ok(5));
        let log = std::mem::take(&mut main.log);
        world.settle(vec![log]);
    });
}
