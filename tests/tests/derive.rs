//! What the derive accepts and what it refuses, in which words.
//!
//! Expected words are written by the compiler, never by hand: `TRYBUILD=overwrite cargo test -p mi7-tests --test derive`.

#[test]
fn every_accepted_form_compiles_and_every_mistake_is_named() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/accepts/*.rs");
    cases.compile_fail("ui/refuses/*.rs");
}
