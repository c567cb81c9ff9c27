//! A box that is handed over: freed exactly once, by whoever is last.

use std::task::Poll;

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, WakerQueue, WakerSlot};
use ref_channel::{Channel, Exclusive, RefGuard, Shared};

use crate::common::{Tracked, block_on, for_notifiers, model, poll_once};

/// A box as the future left it: the model fails if it leaks, and if its drop meets a guard.
fn dropped<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = Channel::<Tracked, Exclusive, N>::new().into_split();
    thread::spawn(move || {
        if let Ok(mut value) = block_on(borrower.borrow()) {
            value.probe.bump();
        }
    });
    let mut lend = Box::pin(lender.lend_boxed(Box::new(Tracked::new(0))));
    if let Poll::Ready(value) = poll_once(lend.as_mut()) {
        assert!(value.is_ok());
    }
}

for_notifiers! { dropped:
    dropped_waker_slot = WakerSlot;
    dropped_waker_queue = WakerQueue;
}

/// The next loan waits for the guard that has the box, and publishes after that guard has read what to free.
fn next(count: u32) {
    let (mut lender, mut borrower) = Channel::<Tracked, Exclusive>::new().into_split();
    thread::spawn(move || {
        while let Ok(mut value) = block_on(borrower.borrow()) {
            value.probe.bump();
        }
    });
    for _ in 0..count {
        let mut lend = Box::pin(lender.lend_boxed(Box::new(Tracked::new(0))));
        let _ = poll_once(lend.as_mut());
    }
    let value = block_on(lender.lend_boxed(Box::new(Tracked::new(10)))).ok().unwrap();
    assert_eq!(value.probe.get(), 11);
}

#[test]
fn lend_after_dropped() {
    model("boxed::lend_after_dropped", || next(1));
}

#[test]
fn dropped_twice() {
    model("boxed::dropped_twice", || next(2));
}

/// Two guards of a box, on two threads: the last one frees it.
#[test]
fn dropped_shared() {
    model("boxed::dropped_shared", || {
        let (mut lender, borrower) = Channel::<Tracked, Shared>::new().into_split();
        thread::spawn(move || {
            // Two threads use it, so it has to live for ever.
            let borrower = Box::leak(Box::new(borrower));
            if let Ok(one) = block_on(borrower.borrow()) {
                let two = RefGuard::clone(&one);
                thread::spawn(move || assert_eq!(two.probe.get(), 5));
                assert_eq!(one.probe.get(), 5);
            }
        });
        let mut lend = Box::pin(lender.lend_boxed(Box::new(Tracked::new(5))));
        let _ = poll_once(lend.as_mut());
    });
}

/// Withdrawn, then awaited: the box comes back either way.
#[test]
fn withdrawn() {
    model("boxed::withdrawn", || {
        let (mut lender, mut borrower) = Channel::<Tracked, Exclusive>::new().into_split();
        thread::spawn(move || {
            if let Ok(mut value) = block_on(borrower.borrow()) {
                value.probe.bump();
            }
        });
        let mut lend = Box::pin(lender.lend_boxed(Box::new(Tracked::new(0))));
        let outcome = match poll_once(lend.as_mut()) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                lend.as_mut().withdraw();
                block_on(lend)
            }
        };
        let was_lent = outcome.is_ok();
        let mut value = outcome.unwrap_or_else(|error| error.into_inner());
        assert_eq!(value.probe.bump(), if was_lent { 2 } else { 1 });
    });
}
