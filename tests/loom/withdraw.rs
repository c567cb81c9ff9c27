//! A withdraw, against the take.

use std::pin::pin;
use std::task::Poll;

use loom::thread;
use ref_channel::Exclusive;
use ref_channel::notifier::{AsyncNotifier, AtomicWaker, WakerQueue, WakerSlot};

use crate::common::{Flag, Probe, block_on, for_notifiers, halves, poll_once};

/// The outcome is `Ok` exactly if the value was borrowed, and in any case the value is the lender's then.
fn withdraw<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let saw = Flag::default();
    let seen = saw.clone();
    thread::spawn(move || {
        if let Ok(mut value) = block_on(borrower.borrow()) {
            seen.set();
            value.bump();
        }
    });
    let mut value = Probe::new(0);
    let outcome = {
        // SAFETY: it is awaited.
        let mut lend = pin!(unsafe { lender.lend(&mut value) });
        match poll_once(lend.as_mut()) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                lend.as_mut().withdraw();
                block_on(lend)
            }
        }
    };
    assert_eq!(outcome.is_ok(), saw.get());
    assert_eq!(value.bump(), if outcome.is_ok() { 2 } else { 1 });
}

for_notifiers! { withdraw:
    withdraw_waker_slot = WakerSlot;
    withdraw_waker_slot_eager = WakerSlot, eager;
    withdraw_waker_queue = WakerQueue;
    withdraw_waker_queue_eager = WakerQueue, eager;
    withdraw_atomic_waker = AtomicWaker;
    withdraw_atomic_waker_eager = AtomicWaker, eager;
}

/// After a withdraw the request stands, and the next loan answers it.
fn lend_after_withdraw<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        while let Ok(mut value) = block_on(borrower.borrow()) {
            value.bump();
        }
    });
    let mut value = Probe::new(0);
    {
        // SAFETY: it is dropped.
        let mut lend = pin!(unsafe { lender.lend(&mut value) });
        let _ = poll_once(lend.as_mut());
        lend.as_mut().withdraw();
    }
    value.bump();
    let mut other = Probe::new(10);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&mut other) }).unwrap();
    assert_eq!(other.bump(), 12);
}

for_notifiers! { lend_after_withdraw:
    lend_after_withdraw_waker_slot = WakerSlot;
    lend_after_withdraw_waker_slot_eager = WakerSlot, eager;
}
