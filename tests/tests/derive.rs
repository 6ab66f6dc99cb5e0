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

/// What is said of a package in its Cargo.toml: its edition, and the name of mi7.
const PACKAGES: [(&str, &str, &str); 4] = [
    ("renamed", "2024", "shared"),
    ("edition_2015", "2015", "mi7"),
    ("edition_2018", "2018", "mi7"),
    ("edition_2021", "2021", "mi7"),
];

#[test]
fn packages_of_every_edition_have_messages_and_name_mi7_as_they_like() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    for (name, edition, mi7) in PACKAGES {
        let package = workspace.join(name);
        fs::create_dir_all(&package).unwrap();
        let manifest = format!(
            r#"
                [package]
                name = "{name}"
                edition = "{edition}"

                [[bin]]
                name = "{name}"
                path = {main:?}

                [dependencies]
                {mi7} = {{ package = "mi7", path = {path:?} }}
            "#,
            main = tests.join(format!("ui/packages/{name}.rs")),
            path = tests.join("../mi7"),
        );
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
    }
    let manifest = format!("[workspace]\nresolver = \"2\"\nmembers = {:?}\n", PACKAGES.map(|(name, ..)| name));
    fs::write(workspace.join("Cargo.toml"), manifest).unwrap();
    fs::copy(tests.join("../Cargo.lock"), workspace.join("Cargo.lock")).unwrap();

    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let check = Command::new(cargo)
        .args(["check", "--quiet", "--offline", "--workspace", "--keep-going"])
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", workspace.join("target"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
    assert_eq!(said, "", "a warning");
}
