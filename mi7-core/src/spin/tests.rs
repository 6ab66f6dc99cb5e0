use std::cell::Cell;

use super::*;

/// Nanoseconds that pass when the test says so.
struct TestClock(Cell<u64>);

impl TestClock {
    fn new() -> Self {
        TestClock(Cell::new(1))
    }

    fn pass(&self, nanos: u64) {
        self.0.set(self.0.get() + nanos);
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.get()
    }

    fn nanos(&self, ticks: u64) -> u64 {
        ticks
    }

    fn ticks(&self, nanos: u64) -> u64 {
        nanos
    }
}

fn budget() -> SpinBudget {
    SpinBudget::new(Box::leak(Box::new(Machine::new())))
}

/// Spins until the message comes, if it does within the budget. Says how long it took.
fn spin(budget: &SpinBudget, clock: &TestClock, comes_after: u64) -> u64 {
    let begun = clock.now();
    clock.pass(200);
    let mut spell = budget.begin(Wait::Adaptive, clock, clock.now(), 8);
    let mut looks = 0;
    while let Some(more) = budget.go_on(&mut spell, clock, clock.now(), looks) {
        for _ in 0..more {
            clock.pass(25);
            if clock.now() - begun >= comes_after {
                budget.found(&spell, clock, clock.now(), more);
                return clock.now() - begun;
            }
        }
        looks = more;
    }
    budget.found_nothing(&spell, clock, clock.now());
    clock.now() - begun
}

#[test]
fn a_budget_is_never_much_longer_than_twice_a_wake_up() {
    let (budget, clock) = (budget(), TestClock::new());
    for wake in [300, 5_000, 50_000, 10_000_000] {
        (0..7).for_each(|_| budget.woke_after(wake));
        let most = 2 * u64::from((wake as u32).clamp(WAKE_RANGE.0, WAKE_RANGE.1));
        for _ in 0..50 {
            // As much credit as there can be.
            (0..1000).for_each(|_| budget.found_at_a_glance());
            budget.head_start.has_waited();
            assert!(spin(&budget, &clock, u64::MAX) < most * 9 / 8 + 500, "{wake}");
        }
    }
}

#[test]
fn in_the_long_run_a_thousandth_of_the_time_is_spun_in_vain() {
    for apart in [50_000, 1_000_000, 30_000_000] {
        let (budget, clock) = (budget(), TestClock::new());
        (0..7).for_each(|_| budget.woke_after(10_000));
        let mut spun = 0;
        let begun = clock.now();
        while clock.now() - begun < 20_000_000_000 {
            let took = spin(&budget, &clock, u64::MAX);
            // Each wait begins with some looks that need no credit.
            spun += took.saturating_sub(500);
            clock.pass(apart);
            budget.waited(took + apart);
        }
        let share = spun as f64 / (clock.now() - begun) as f64;
        assert!(share < 0.0012, "{share}: {apart}");
    }
}

#[test]
fn who_loses_the_processor_while_spinning_has_spun_in_vain() {
    let (budget, clock) = (budget(), TestClock::new());
    let credit = || budget.credit.load(Ordering::Relaxed);
    let before = credit();
    for _ in 0..4 {
        clock.pass(200);
        let mut spell = budget.begin(Wait::Adaptive, &clock, clock.now(), 8);
        let looks = budget.go_on(&mut spell, &clock, clock.now(), 0).unwrap();
        clock.pass(u64::from(looks) * 25 + 15_000);
        budget.found(&spell, &clock, clock.now(), looks);
    }
    assert!(credit() < before - 45_000, "{} of {before}", credit());
    assert!(budget.costs.best(40_000, 40_000) < 40_000);
}

#[test]
fn a_clock_that_goes_backwards_ends_a_spell_but_one_without_end() {
    let (budget, clock) = (budget(), TestClock(Cell::new(1_000_000)));
    let mut spell = budget.begin(Wait::Adaptive, &clock, clock.now(), 8);
    assert!(budget.go_on(&mut spell, &clock, clock.now(), 0).is_some());
    assert_eq!(budget.go_on(&mut spell, &clock, 500, 10), None);
    budget.found_nothing(&spell, &clock, 500);
    let mut spell = budget.begin(Wait::Spin, &clock, clock.now(), 8);
    for now in [1_000_000, 5, 10_000, 7] {
        assert!(budget.go_on(&mut spell, &clock, now, 10).is_some());
    }
    budget.found(&spell, &clock, 1, 3);
}

#[test]
fn the_clock_is_read_ever_more_rarely_while_spinning() {
    let (budget, clock) = (budget(), TestClock::new());
    let mut spell = budget.begin(Wait::Spin, &clock, clock.now(), 0);
    let (mut looks, mut read) = (0, 0);
    while clock.now() < 10_000_000 {
        looks = budget.go_on(&mut spell, &clock, clock.now(), looks).unwrap();
        clock.pass(u64::from(looks) * 25);
        read += 1;
    }
    assert!((500..2000).contains(&read), "{read} times in 10 ms");
}

#[test]
fn who_is_to_park_does_not_look_first() {
    assert_eq!(budget().glance(Wait::Park), 0);
    for how in [Wait::Spin, Wait::Adaptive] {
        assert!((GLANCE_LOOKS.0..=GLANCE_LOOKS.1).contains(&budget().glance(how)));
    }
}
