//! What the derive accepts and what it refuses, in which words.
//!
//! Expected words are written by the compiler, never by hand: `TRYBUILD=overwrite cargo test -p mi7-tests --test derive`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn every_accepted_form_compiles_and_every_mistake_is_named() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/accepts/*.rs");
    cases.compile_fail("ui/refuses/*.rs");
}

/// Needs a package of its own, since it is Cargo.toml that gives the name.
#[test]
fn mi7_is_found_under_the_name_that_cargo_toml_gives_it() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("renamed");
    fs::create_dir_all(&package).unwrap();
    let manifest = format!(
        r#"
            [package]
            name = "renamed"
            edition = "2024"

            [[bin]]
            name = "renamed"
            path = {main:?}

            [dependencies]
            shared = {{ package = "mi7", path = {mi7:?} }}

            [workspace]
        "#,
        main = tests.join("ui/renamed/main.rs"),
        mi7 = tests.join("../mi7"),
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::copy(tests.join("../Cargo.lock"), package.join("Cargo.lock")).unwrap();

    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let run = Command::new(cargo)
        .args(["run", "--quiet", "--offline"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(run.stdout, b"Order\n");
}
