//! Tasks that move: each poll brings another waker. The last one is to be woken, and no wake is lost.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;
use ref_channel::Exclusive;
use ref_channel::notifier::{AsyncNotifier, AtomicWaker, Event, WakerQueue, WakerSlot};

use crate::common::{Parker, Probe, block_on, for_notifiers, halves, poll};

/// Polls `times` times with a new waker each, and only then waits: for the last of them.
fn block_on_moving<F: Future>(times: usize, future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let mut last: Option<Arc<Parker>> = None;
        for _ in 0..times {
            let parker = last.insert(Parker::new());
            if let Poll::Ready(output) = poll(future.as_mut(), &Waker::from(parker.clone())) {
                return output;
            }
        }
        if let Some(parker) = last {
            parker.wait();
        }
    }
}

fn lender_moves<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        block_on(borrower.borrow()).unwrap().bump();
    });
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    block_on_moving(3, unsafe { lender.lend(&mut value) }).unwrap();
    assert_eq!(value.bump(), 2);
}

for_notifiers! { lender_moves:
    lender_moves_waker_slot = WakerSlot, bound 2;
    lender_moves_waker_queue = WakerQueue, bound 3;
    lender_moves_atomic_waker = AtomicWaker, bound 3;
}

fn borrower_moves<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        block_on_moving(3, borrower.borrow()).unwrap().bump();
    });
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&mut value) }).unwrap();
    assert_eq!(value.bump(), 2);
}

for_notifiers! { borrower_moves:
    borrower_moves_waker_slot = WakerSlot, bound 3;
    borrower_moves_waker_queue = WakerQueue, bound 3;
    borrower_moves_atomic_waker = AtomicWaker, bound 3;
}

/// The next loan begins, with other wakers, while the notification of the last one may still be under way.
fn both_move_twice<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..2 {
            block_on_moving(2, borrower.borrow()).unwrap().bump();
        }
    });
    for _ in 0..2 {
        let mut value = Probe::new(0);
        // SAFETY: it is awaited.
        block_on_moving(2, unsafe { lender.lend(&mut value) }).unwrap();
        assert_eq!(value.bump(), 2);
    }
}

for_notifiers! { both_move_twice:
    both_move_twice_waker_slot = WakerSlot, bound 0;
    both_move_twice_waker_queue = WakerQueue, bound 1;
    both_move_twice_event = Event, bound 2;
}

/// The same of one half: polled by chance while it is being woken, it begins the next loan with another waker.
fn lender_moves_twice<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..2 {
            block_on_moving(1, borrower.borrow()).unwrap().bump();
        }
    });
    for _ in 0..2 {
        assert!(block_on_moving(2, lender.lend_owned(Probe::new(0))).is_ok());
    }
}

for_notifiers! { lender_moves_twice:
    lender_moves_twice_waker_slot = WakerSlot, bound 1;
}

fn borrower_moves_twice<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..2 {
            assert!(block_on_moving(1, lender.lend_owned(Probe::new(0))).is_ok());
        }
    });
    for _ in 0..2 {
        block_on_moving(2, borrower.borrow()).unwrap().bump();
    }
}

for_notifiers! { borrower_moves_twice:
    borrower_moves_twice_waker_slot = WakerSlot, bound 0;
}
