//! The lender waits for a request.

use std::pin::pin;
use std::task::Poll;

use loom::thread;
use ref_channel::Exclusive;
use ref_channel::notifier::{AsyncNotifier, WakerQueue, WakerSlot};

use crate::common::{Flag, Probe, block_on, for_notifiers, halves, poll_once};

/// It resolves once a borrower waits; the loan then answers the request.
fn made<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        block_on(borrower.borrow()).unwrap().bump();
    });
    block_on(lender.requested()).unwrap();
    assert!(lender.is_requested());
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.try_lend(&mut value) }).unwrap();
    assert_eq!(value.bump(), 2);
}

for_notifiers! { made:
    made_waker_slot = WakerSlot;
    made_waker_slot_eager = WakerSlot, eager;
    made_waker_queue = WakerQueue;
    made_waker_queue_eager = WakerQueue, eager;
}

/// The request is given up, and the borrower goes away: `requested` resolves all the same, either way.
fn given_up<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let asked = Flag::default();
    let asks = asked.clone();
    thread::spawn(move || {
        asks.set();
        let mut borrow = pin!(borrower.borrow());
        let _ = poll_once(borrow.as_mut());
    });
    let outcome = block_on(lender.requested());
    if outcome.is_ok() {
        assert!(asked.get());
    } else {
        assert!(lender.is_disconnected());
    }
}

for_notifiers! { given_up:
    given_up_waker_slot = WakerSlot;
    given_up_waker_slot_eager = WakerSlot, eager;
    given_up_waker_queue = WakerQueue;
    given_up_waker_queue_eager = WakerQueue, eager;
}

/// Dropped at any moment, it leaves no registration behind, and the loan goes on.
fn dropped<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        block_on(borrower.borrow()).unwrap().bump();
    });
    {
        let mut requested = pin!(lender.requested());
        if let Poll::Ready(outcome) = poll_once(requested.as_mut()) {
            outcome.unwrap();
        }
    }
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&mut value) }).unwrap();
    assert_eq!(value.bump(), 2);
}

for_notifiers! { dropped:
    dropped_waker_slot = WakerSlot;
    dropped_waker_slot_eager = WakerSlot, eager;
    dropped_waker_queue = WakerQueue;
    dropped_waker_queue_eager = WakerQueue, eager;
}
