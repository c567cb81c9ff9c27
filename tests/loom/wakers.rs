//! Tasks that move: each poll brings another waker. The last one is to be woken, and no wake is lost.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;
use ref_channel::Exclusive;
use ref_channel::notifier::{AsyncNotifier, AtomicWaker, Event, WakerQueue, WakerSlot};

use crate::common::{Parker, Probe, block_on, for_notifiers, halves, poll, poll_once};

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
    lender_moves_waker_slot = WakerSlot;
    lender_moves_waker_queue = WakerQueue;
    lender_moves_atomic_waker = AtomicWaker;
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
    borrower_moves_waker_slot = WakerSlot;
    borrower_moves_waker_queue = WakerQueue;
    borrower_moves_atomic_waker = AtomicWaker;
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
    both_move_twice_waker_slot = WakerSlot;
    both_move_twice_waker_queue = WakerQueue;
    both_move_twice_event = Event;
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
        assert!(block_on_moving(2, lender.lend_pinned(Probe::new(0))).is_ok());
    }
}

for_notifiers! { lender_moves_twice:
    lender_moves_twice_waker_slot = WakerSlot;
}

fn borrower_moves_twice<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..2 {
            assert!(block_on_moving(1, lender.lend_pinned(Probe::new(0))).is_ok());
        }
    });
    for _ in 0..2 {
        block_on_moving(2, borrower.borrow()).unwrap().bump();
    }
}

for_notifiers! { borrower_moves_twice:
    borrower_moves_twice_waker_slot = WakerSlot;
}

/// Each claim tells the waiter that the wakes before it are over, also that of a request that is given up. Here the lender
/// is in two cells at a time: it learns of the request before the wake that tells of it is over, and goes on with another
/// waker; learns that the request was given up before the wake that tells of that is over, and goes on with a third one.
fn lender_moves_ahead_of_its_wakes<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        let _ = poll_once(pin!(borrower.borrow()));
    });
    // It is never woken, but polls by chance: a wake would tell it more.
    {
        let mut requested = pin!(lender.requested());
        let waker = Waker::from(Parker::new());
        if poll(requested.as_mut(), &waker).is_pending() && poll(requested, &waker).is_pending() {
            return;
        }
    }
    {
        let mut value = Probe::new(0);
        // SAFETY: it is dropped here, where nobody can have the value.
        let mut lend = pin!(unsafe { lender.try_lend(&mut value) });
        let waker = Waker::from(Parker::new());
        if poll(lend.as_mut(), &waker).is_pending() && poll(lend, &waker).is_pending() {
            return;
        }
    }
    let _ = poll_once(pin!(lender.lend_pinned(Probe::new(0))));
}

for_notifiers! { lender_moves_ahead_of_its_wakes:
    lender_moves_ahead_of_its_wakes_waker_slot = WakerSlot;
    lender_moves_ahead_of_its_wakes_waker_queue = WakerQueue;
}

/// Here the borrower is in two cells at a time, and finds its registration in the second one claimed as it is about to
/// take it back: only that tells it that the first one is free by now.
fn borrower_moves_ahead_of_its_wakes<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    {
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        thread::spawn(move || {
            let mut lend = Box::pin(lender.lend_static(Box::leak(Box::new(Probe::new(0)))));
            let _ = poll_once(lend.as_mut());
            std::mem::forget(lend);
        });
        match poll_once(borrow) {
            // The value does not come back: what the lender does next is to go.
            Poll::Ready(Ok(guard)) => std::mem::forget(guard),
            _ => return,
        }
    }
    let mut borrow = pin!(borrower.borrow());
    if poll_once(borrow.as_mut()).is_pending() {
        let _ = poll_once(borrow);
    }
}

for_notifiers! { borrower_moves_ahead_of_its_wakes:
    borrower_moves_ahead_of_its_wakes_waker_slot = WakerSlot;
    borrower_moves_ahead_of_its_wakes_waker_queue = WakerQueue;
}
