//! Forgotten futures: the next lend takes the stale offer down, or waits for its guards.

use std::task::Poll;

use loom::thread;
use ref_channel::Exclusive;
use ref_channel::notifier::{AsyncNotifier, Park, Spin, WakerQueue, WakerSlot};

use crate::common::{Flag, Probe, block_on, for_notifiers, halves, model, poll_once};

/// The stale value is 0, the new one 10. The borrower sees each at most once, the new one for certain.
fn lend_after_forgotten<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        let mut seen = block_on(borrower.borrow()).unwrap().bump();
        if seen == 1 {
            seen = block_on(borrower.borrow()).unwrap().bump();
        }
        assert_eq!(seen, 11);
    });
    let mut stale = Box::pin(lender.lend_pinned(Probe::new(0)));
    let _ = poll_once(stale.as_mut());
    std::mem::forget(stale);

    let mut value = Probe::new(10);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&mut value) }).unwrap();
    assert_eq!(value.bump(), 12);
}

for_notifiers! { lend_after_forgotten:
    lend_after_forgotten_waker_slot = WakerSlot;
    lend_after_forgotten_waker_slot_eager = WakerSlot, eager;
    lend_after_forgotten_waker_queue = WakerQueue;
    lend_after_forgotten_waker_queue_eager = WakerQueue, eager;
    lend_after_forgotten_spin = Spin;
    lend_after_forgotten_spin_eager = Spin, eager;
}

/// A forgotten offer that is taken while the next one would be published: nothing is overwritten.
#[test]
fn lend_blocking_after_forgotten() {
    model("forgotten::lend_blocking_after_forgotten", || {
        let (mut lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        thread::spawn(move || {
            let mut seen = borrower.borrow_blocking().unwrap().bump();
            if seen == 1 {
                seen = borrower.borrow_blocking().unwrap().bump();
            }
            assert_eq!(seen, 11);
        });
        let mut stale = Box::pin(lender.lend_pinned(Probe::new(0)));
        let _ = poll_once(stale.as_mut());
        std::mem::forget(stale);
        let mut value = Probe::new(10);
        lender.lend_blocking(&mut value).unwrap();
        assert_eq!(value.bump(), 12);
    });
}

/// `try_lend` does not hang on a forgotten loan whose guard never comes back, if nobody asks for another one.
#[test]
fn try_lend_after_forgotten() {
    model("forgotten::try_lend_after_forgotten", || {
        let (mut lender, borrower) = halves::<Exclusive, WakerSlot>();
        let saw = Flag::default();
        let seen = saw.clone();
        thread::spawn(move || {
            // Not dropped, so that only the cancelled request can tell the lender.
            let borrower = Box::leak(Box::new(borrower));
            let mut borrow = Box::pin(borrower.borrow());
            if let Poll::Ready(Ok(mut value)) = poll_once(borrow.as_mut()) {
                if value.bump() == 11 {
                    seen.set();
                } else {
                    std::mem::forget(value);
                }
            }
        });
        let mut stale = Box::pin(lender.lend_pinned(Probe::new(0)));
        let _ = poll_once(stale.as_mut());
        std::mem::forget(stale);
        let mut value = Probe::new(10);
        // SAFETY: it is awaited.
        let outcome = block_on(unsafe { lender.try_lend(&mut value) });
        assert_eq!(outcome.is_ok(), saw.get());
        value.bump();
    });
}

/// A dropped lender takes its forgotten offer along.
#[test]
fn lender_gone_after_forgotten() {
    model("forgotten::lender_gone_after_forgotten", || {
        let (mut lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        let is_gone = Flag::default();
        let gone = is_gone.clone();
        thread::spawn(move || {
            loop {
                let was_gone = is_gone.get();
                match block_on(borrower.borrow()) {
                    Ok(_) => assert!(!was_gone, "of a lender that is gone"),
                    Err(_) => break,
                }
            }
        });
        let mut stale = Box::pin(lender.lend_pinned(Probe::new(0)));
        let _ = poll_once(stale.as_mut());
        std::mem::forget(stale);
        drop(lender);
        gone.set();
    });
}

/// A forgotten `requested` leaves a registration behind, which the next lend ends.
#[test]
fn lend_after_forgotten_requested() {
    model("forgotten::lend_after_forgotten_requested", || {
        let (mut lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        thread::spawn(move || block_on(borrower.borrow()).unwrap().bump());
        let mut requested = Box::pin(lender.requested());
        let _ = poll_once(requested.as_mut());
        std::mem::forget(requested);
        assert!(block_on(lender.lend_pinned(Probe::new(0))).is_ok());
    });
}

/// Threads only, over `Park`: a timeout that passes while a forgotten loan is out counts as a timeout.
#[test]
fn lend_timeout_after_timeout() {
    model("forgotten::lend_timeout_after_timeout", || {
        let (mut lender, mut borrower) = halves::<Exclusive, Park>();
        thread::spawn(move || {
            borrower.borrow_blocking().unwrap().bump();
        });
        let mut value = Probe::new(0);
        if lender.lend_timeout(&mut value, std::time::Duration::ZERO).is_err() {
            lender.lend_blocking(&mut value).unwrap();
        }
        assert_eq!(value.bump(), 2);
    });
}
