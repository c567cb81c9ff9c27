//! A borrower, or a lender, that gives up at any moment.

use std::pin::pin;
use std::task::Poll;

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, AtomicWaker, WakerQueue, WakerSlot};
use ref_channel::{Borrower, Exclusive};

use crate::common::{Flag, Probe, block_on, for_notifiers, halves, poll_once};

/// Whether a single poll of a borrow took the loan.
fn borrow_once<N: AsyncNotifier>(borrower: &mut Borrower<'_, Probe, Exclusive, N>, forget: bool, saw: &Flag) -> bool {
    let mut borrow = Box::pin(borrower.borrow());
    match poll_once(borrow.as_mut()) {
        Poll::Ready(guard) => {
            let mut value = guard.unwrap();
            saw.set();
            value.bump();
            true
        }
        Poll::Pending => {
            if forget {
                std::mem::forget(borrow);
            }
            false
        }
    }
}

/// Fault 5: the borrow is cancelled as the loan arrives. The loan is not lost, and the lender does not
/// return before it was seen.
fn borrow_again<N: AsyncNotifier + 'static>(forget: bool) {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        if !borrow_once(&mut borrower, forget, &Flag::default()) {
            block_on(borrower.borrow()).unwrap().bump();
        }
    });
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&mut value) }).unwrap();
    assert_eq!(value.bump(), 2);
}

fn borrow_dropped<N: AsyncNotifier + 'static>() {
    borrow_again::<N>(false);
}

fn borrow_forgotten<N: AsyncNotifier + 'static>() {
    borrow_again::<N>(true);
}

for_notifiers! { borrow_dropped:
    borrow_dropped_waker_slot = WakerSlot;
    borrow_dropped_waker_slot_eager = WakerSlot, eager;
    borrow_dropped_waker_queue = WakerQueue;
    borrow_dropped_waker_queue_eager = WakerQueue, eager;
    borrow_dropped_atomic_waker = AtomicWaker;
    borrow_dropped_atomic_waker_eager = AtomicWaker, eager;
}

for_notifiers! { borrow_forgotten:
    borrow_forgotten_waker_slot = WakerSlot;
    borrow_forgotten_waker_slot_eager = WakerSlot, eager;
    borrow_forgotten_waker_queue = WakerQueue;
    borrow_forgotten_waker_queue_eager = WakerQueue, eager;
}

/// A borrower that gives up and goes away: the lender is told of that, and of nothing else.
fn borrow_given_up<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let saw = Flag::default();
    let seen = saw.clone();
    thread::spawn(move || {
        borrow_once(&mut borrower, false, &seen);
    });
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    let outcome = block_on(unsafe { lender.lend(&mut value) });
    assert_eq!(outcome.is_ok(), saw.get());
    value.bump();
}

for_notifiers! { borrow_given_up:
    borrow_given_up_waker_slot = WakerSlot;
    borrow_given_up_waker_slot_eager = WakerSlot, eager;
    borrow_given_up_waker_queue = WakerQueue;
    borrow_given_up_waker_queue_eager = WakerQueue, eager;
}

/// Fault 3: a lend future that is dropped leaves nothing dangling. If the value is out, the drop waits; the value
/// is written, and freed, right after it.
fn lend_dropped<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        // Fault 6: if it does not see the loan, it is told that the lender has gone.
        if let Ok(mut value) = block_on(borrower.borrow()) {
            value.bump();
        }
    });
    let mut value = Probe::new(0);
    {
        // SAFETY: it is dropped.
        let mut lend = pin!(unsafe { lender.lend(&mut value) });
        if let Poll::Ready(outcome) = poll_once(lend.as_mut()) {
            outcome.unwrap();
        }
    }
    value.bump();
}

for_notifiers! { lend_dropped:
    lend_dropped_waker_slot = WakerSlot;
    lend_dropped_waker_slot_eager = WakerSlot, eager;
    lend_dropped_waker_queue = WakerQueue;
    lend_dropped_waker_queue_eager = WakerQueue, eager;
    lend_dropped_atomic_waker = AtomicWaker;
    lend_dropped_atomic_waker_eager = AtomicWaker, eager;
}

/// The same of the value that the future owns: it is dropped after the guard.
fn lend_owned_dropped<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        if let Ok(mut value) = block_on(borrower.borrow()) {
            value.bump();
        }
    });
    let mut lend = Box::pin(lender.lend_pinned(Probe::new(0)));
    let _ = poll_once(lend.as_mut());
}

for_notifiers! { lend_owned_dropped:
    lend_owned_dropped_waker_slot = WakerSlot;
    lend_owned_dropped_waker_slot_eager = WakerSlot, eager;
}

/// The loan that follows a dropped one is none of its business.
fn lend_after_dropped<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        let first = block_on(borrower.borrow()).unwrap().bump();
        if first == 1 {
            assert_eq!(block_on(borrower.borrow()).unwrap().bump(), 11);
        }
    });
    {
        let mut lend = pin!(lender.lend_pinned(Probe::new(0)));
        let _ = poll_once(lend.as_mut());
    }
    let value = block_on(lender.lend_pinned(Probe::new(10))).ok().unwrap();
    assert_eq!(value.get(), 11);
}

for_notifiers! { lend_after_dropped:
    lend_after_dropped_waker_slot = WakerSlot;
    lend_after_dropped_waker_slot_eager = WakerSlot, eager;
}
