//! The loan itself: lend, borrow, return, and again.

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, AtomicWaker, Event, Spin, WakerQueue, WakerSlot};
use ref_channel::{Exclusive, Shared};

use crate::common::{Probe, block_on, exclusive, for_notifiers, halves, model};

/// The lender, which has the value back after each loan, and a borrower.
fn loans<N: AsyncNotifier + 'static>(count: u32) {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..count {
            block_on(borrower.borrow()).unwrap().bump();
        }
    });
    let mut value = Probe::new(0);
    for round in 1..=count {
        // SAFETY: it is awaited.
        block_on(unsafe { lender.lend(&mut value) }).unwrap();
        assert_eq!(value.bump(), 2 * round);
        value = Probe::new(2 * round);
    }
}

fn one<N: AsyncNotifier + 'static>() {
    loans::<N>(1);
}

/// The second offer comes while the first return may still be notifying.
fn two<N: AsyncNotifier + 'static>() {
    loans::<N>(2);
}

/// The value is read by both, for a shared loan is no write.
fn shared<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Shared, N>();
    thread::spawn(move || assert_eq!(block_on(borrower.borrow()).unwrap().get(), 3));
    let mut value = Probe::new(3);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&value) }).unwrap();
    assert_eq!(value.bump(), 4);
}

for_notifiers! { one:
    one_waker_slot = WakerSlot;
    one_waker_queue = WakerQueue;
    one_waker_queue_eager = WakerQueue, eager;
    one_atomic_waker = AtomicWaker;
    one_atomic_waker_eager = AtomicWaker, eager;
    one_event = Event;
    one_event_eager = Event, eager;
    one_spin = Spin;
    one_spin_eager = Spin, eager;
}

for_notifiers! { two:
    two_waker_slot = WakerSlot;
    two_waker_slot_eager = WakerSlot, eager;
    two_waker_queue = WakerQueue;
    two_waker_queue_eager = WakerQueue, eager;
    two_atomic_waker = AtomicWaker;
    two_atomic_waker_eager = AtomicWaker, eager;
    two_spin = Spin;
    two_spin_eager = Spin, eager;
}

for_notifiers! { shared:
    shared_waker_slot = WakerSlot;
    shared_waker_slot_eager = WakerSlot, eager;
    shared_waker_queue = WakerQueue;
    shared_waker_queue_eager = WakerQueue, eager;
}

/// The value moves in and out of the future.
#[test]
fn owned() {
    model("loan::owned", || {
        let (mut lender, mut borrower) = exclusive();
        thread::spawn(move || block_on(borrower.borrow()).unwrap().bump());
        let mut value = block_on(lender.lend_pinned(Probe::new(0))).ok().unwrap();
        assert_eq!(value.bump(), 2);
    });
}
