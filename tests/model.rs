//! Random programs of all operations, on one thread, against a sequential reference.
//!
//! After each step the results, the wakes, the values and their destructors are compared. `MODEL_CASES` says how many
//! programs each backend runs for each mutability.
#![cfg(not(all(loom, feature = "loom")))]
#![cfg(feature = "std")]

#[path = "common/checked.rs"]
mod checked;
#[path = "model/harness.rs"]
mod harness;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ref_channel::notifier::{WakerQueue, WakerSlot};
use ref_channel::{Exclusive, Shared};

use checked::{CheckedQueue, CheckedSlot};
use harness::{Backend, Half, Lent, Op, run};

const CASES: u32 = if cfg!(miri) { 20 } else { 4000 };
const LENGTH: usize = 200;

/// How a borrower is cloned, for backends of one waiter and of many.
macro_rules! cloning {
    (one) => {};
    (many) => {
        fn clone<M: Lent>(borrower: &Half<M, Self>) -> Option<Half<M, Self>> {
            Some(borrower.clone())
        }
    };
}

/// Checks backends with both mutabilities.
macro_rules! model {
    ($($(#[$meta:meta])* $test:ident: $backend:ty, $waiters:ident;)+) => {$(
        $(#[$meta])*
        impl Backend for $backend {
            cloning!($waiters);
        }

        $(#[$meta])*
        #[test]
        fn $test() {
            check::<Shared, $backend>();
            check::<Exclusive, $backend>();
        }
    )+};
}

model! {
    slot: WakerSlot, one;
    queue: WakerQueue, many;
    checked_slot: CheckedSlot, one;
    checked_queue: CheckedQueue, many;
    #[cfg(feature = "atomic-waker")]
    atomic_waker: ref_channel::notifier::AtomicWaker, one;
    #[cfg(feature = "event-listener")]
    event: ref_channel::notifier::Event, many;
    #[cfg(feature = "spin")]
    spin: ref_channel::notifier::Spin, many;
}

fn check<M: Lent, N: Backend>() {
    let cases = std::env::var("MODEL_CASES").map_or(CASES, |cases| cases.parse().expect("a number"));
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 50_000,
        ..Config::default()
    };
    let executed = Cell::new(0);
    let op = any::<[u8; 3]>().prop_map(Op::decode);
    TestRunner::new(config)
        .run(&prop::collection::vec(op, 0..LENGTH), |program| {
            executed.set(executed.get() + run::<M, N>(program));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!(
        "executed {} operations over {}",
        executed.get(),
        std::any::type_name::<(M, N)>()
    );
    // A third of a program applies, and a program is half as long as it may be.
    assert!(executed.get() > cases as usize * LENGTH / 10, "only {}", executed.get());
}
