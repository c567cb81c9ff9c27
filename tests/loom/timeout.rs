//! A deadline that has passed at once, against the take and against the offer.

use std::time::Duration;

use loom::thread;
use ref_channel::notifier::{BlockingNotifier, Park, WakerSlot};
use ref_channel::{BorrowTimeoutError, Exclusive, LendTimeoutError};

use crate::common::{Flag, Probe, for_notifiers, halves};

/// `Timeout` exactly if nobody took it; once taken the call waits for the return.
fn lend_timeout<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let saw = Flag::default();
    let seen = saw.clone();
    thread::spawn(move || {
        if let Ok(mut value) = borrower.borrow_blocking() {
            seen.set();
            value.bump();
        }
    });
    let mut value = Probe::new(0);
    let outcome = lender.lend_timeout(&mut value, Duration::ZERO);
    assert_eq!(outcome.is_ok(), saw.get());
    if !saw.get() {
        assert_eq!(outcome, Err(LendTimeoutError::Timeout));
    }
    value.bump();
}

for_notifiers! { lend_timeout:
    lend_timeout_waker_slot = WakerSlot;
    lend_timeout_park = Park;
}

/// What a borrow that timed out did not take, the next one takes.
fn borrow_timeout<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        match borrower.borrow_timeout(Duration::ZERO) {
            Ok(mut value) => {
                value.bump();
                return;
            }
            Err(error) => assert_eq!(error, BorrowTimeoutError::Timeout),
        }
        borrower.borrow_blocking().unwrap().bump();
    });
    let mut value = Probe::new(0);
    lender.lend_blocking(&mut value).unwrap();
    assert_eq!(value.bump(), 2);
}

for_notifiers! { borrow_timeout:
    borrow_timeout_waker_slot = WakerSlot;
    borrow_timeout_park = Park;
}

/// Both are short of time: the loan takes place for both, or for neither.
fn both<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let saw = Flag::default();
    let seen = saw.clone();
    thread::spawn(move || {
        if let Ok(mut value) = borrower.borrow_timeout(Duration::ZERO) {
            seen.set();
            value.bump();
        }
    });
    let mut value = Probe::new(0);
    let outcome = lender.lend_timeout(&mut value, Duration::ZERO);
    assert_eq!(outcome.is_ok(), saw.get());
    value.bump();
}

for_notifiers! { both:
    both_waker_slot = WakerSlot;
}
