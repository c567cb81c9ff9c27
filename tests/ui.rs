//! Programs that must not compile, and what the compiler says of them.
//!
//! The messages are those of one compiler and of all features; with others this file checks nothing, and says so.
//! To write the messages anew: `TRYBUILD=overwrite cargo test --all-features --test ui`, and read every one of them.
#![cfg(all(
    not(any(miri, loom)),
    feature = "std",
    feature = "atomic-waker",
    feature = "event-listener",
    feature = "spin",
    feature = "park"
))]

use std::process::Command;

/// What the messages were written by.
const COMPILER: &str = "rustc 1.95.0";

#[test]
fn programs_that_must_not_compile() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&output.stdout);
    if !version.starts_with(COMPILER) {
        eprintln!("skipped: the messages are those of {COMPILER}, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
