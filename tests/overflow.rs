//! Counts of guards and borrowers are checked: too many of them, which takes leaks by the million, abort the process.
//!
//! So each case runs in a process of its own: this program, told by a variable which case to run. Where an emulator
//! runs it, the system cannot start it again by itself: then `TEST_RUNNER` is that emulator.

use std::process::{Command, exit};

use ref_channel::notifier::WakerQueue;
use ref_channel::{Borrower, Channel, RefChannel, RefGuard, Shared};

/// More than any count has room for.
const ENOUGH: u64 = 1 << 40;
const CASE: &str = "REF_CHANNEL_OVERFLOW";

fn main() {
    if cfg!(miri) {
        // It starts no processes, and would need days.
        return;
    }
    let cases: [(&str, fn()); 3] = [
        ("clones of a guard", clones_of_a_guard),
        ("parts of a guard", parts_of_a_guard),
        ("clones of a borrower", clones_of_a_borrower),
    ];
    match std::env::var(CASE) {
        Ok(wanted) => {
            let (_, run) = cases.iter().find(|(case, _)| *case == wanted).expect("the case");
            run();
            println!("it went on");
            exit(0);
        }
        Err(_) => {
            for (case, _) in cases {
                assert_aborts(case);
            }
            println!("test result: ok. {} passed; 0 failed", cases.len());
        }
    }
}

fn assert_aborts(case: &str) {
    let program = std::env::current_exe().expect("this program");
    let mut command = match std::env::var_os("TEST_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    let output = command.env(CASE, case).output().expect("it can be started");
    assert!(!output.status.success(), "{case}: {output:?}");
    assert!(output.stdout.is_empty(), "{case}: {output:?}");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&output.status),
        Some(6),
        "{case}: not aborted, but {output:?}"
    );
}

fn with_guard(f: impl FnOnce(RefGuard<'_, [u8]>)) {
    let mut channel = RefChannel::<[u8]>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&[1, 2], |_| f(borrower.try_borrow().expect("it is on offer")));
}

fn clones_of_a_guard() {
    with_guard(|guard| {
        for _ in 0..ENOUGH {
            std::mem::forget(RefGuard::clone(&guard));
        }
    });
}

fn parts_of_a_guard() {
    with_guard(|mut guard| {
        for _ in 0..ENOUGH {
            let (part, rest) = RefGuard::map_split(guard, |slice| slice.split_at(0));
            std::mem::forget(part);
            guard = rest;
        }
    });
}

fn clones_of_a_borrower() {
    let mut channel = Channel::<u8, Shared, WakerQueue>::new();
    let (_lender, borrower) = channel.split();
    for _ in 0..ENOUGH {
        std::mem::forget(Borrower::clone(&borrower));
    }
}
