//! Guards of one loan on several threads: the lender has the value back after the last one.

use std::task::Poll;

use loom::cell::UnsafeCell;
use loom::thread;
use ref_channel::notifier::WakerSlot;
use ref_channel::{Channel, Exclusive, RefGuard, RefMutGuard, Shared};

use crate::common::{Probe, block_on, halves, model, poll_once};

/// Two values, side by side, of which loom knows the accesses.
type Pair = (UnsafeCell<u32>, UnsafeCell<u32>);

#[test]
fn clones() {
    model("shared::clones", || {
        let (mut lender, borrower) = halves::<Shared, WakerSlot>();
        // Two threads use it, so it has to live for ever.
        let borrower = Box::leak(Box::new(borrower));
        thread::spawn(move || {
            let one = block_on(borrower.borrow()).unwrap();
            let two = RefGuard::clone(&one);
            thread::spawn(move || assert_eq!(two.get(), 4));
            assert_eq!(one.get(), 4);
        });
        let mut value = Probe::new(4);
        // SAFETY: it is awaited.
        block_on(unsafe { lender.lend(&value) }).unwrap();
        value.bump();
    });
}

#[test]
fn parts() {
    model("shared::parts", || {
        let (mut lender, borrower) = Channel::<Pair, Exclusive>::new().into_split();
        let borrower = Box::leak(Box::new(borrower));
        thread::spawn(move || {
            let guard = block_on(borrower.borrow()).unwrap();
            let (one, two) = RefMutGuard::map_split(guard, |pair| (&mut pair.0, &mut pair.1));
            // SAFETY: this is the one guard of the part.
            thread::spawn(move || two.with_mut(|two| unsafe { *two = 2 }));
            // SAFETY: as above.
            one.with_mut(|one| unsafe { *one = 1 });
        });
        let mut pair = (UnsafeCell::new(0), UnsafeCell::new(0));
        // SAFETY: it is awaited.
        block_on(unsafe { lender.lend(&mut pair) }).unwrap();
        // SAFETY: the loan is over.
        let sum = pair.0.with_mut(|one| unsafe { *one }) + pair.1.with_mut(|two| unsafe { *two });
        assert_eq!(sum, 3);
    });
}

/// A lend that is dropped waits for both.
#[test]
fn clones_of_a_dropped_lend() {
    model("shared::clones_of_a_dropped_lend", || {
        let (mut lender, borrower) = halves::<Shared, WakerSlot>();
        let borrower = Box::leak(Box::new(borrower));
        thread::spawn(move || {
            if let Ok(one) = block_on(borrower.borrow()) {
                let two = RefGuard::clone(&one);
                thread::spawn(move || two.get());
                one.get();
            }
        });
        let mut value = Probe::new(4);
        {
            // SAFETY: it is dropped.
            let mut lend = std::pin::pin!(unsafe { lender.lend(&value) });
            if let Poll::Ready(outcome) = poll_once(lend.as_mut()) {
                outcome.unwrap();
            }
        }
        value.bump();
    });
}
