//! Cloned borrowers: each loan to one of them, and a wake that one has no use for goes to the next.

use std::pin::pin;
use std::task::{Poll, Waker};

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Event, MultiNotifier, Spin, WakerQueue};
use ref_channel::{Exclusive, Shared};

use crate::common::{Flag, Parker, Probe, block_on, for_notifiers, halves, poll, poll_once};

/// Two threads, two loans: each gets one.
fn one_each<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (mut lender, one) = halves::<Exclusive, N>();
    for mut borrower in [one.clone(), one] {
        thread::spawn(move || {
            block_on(borrower.borrow()).unwrap().bump();
        });
    }
    for _ in 0..2 {
        assert_eq!(block_on(lender.lend_pinned(Probe::new(0))).ok().unwrap().get(), 1);
    }
}

for_notifiers! { one_each:
    one_each_waker_queue = WakerQueue;
    one_each_waker_queue_eager = WakerQueue, eager;
    one_each_event = Event;
    one_each_event_eager = Event, eager;
    one_each_spin = Spin;
    one_each_spin_eager = Spin, eager;
}

/// The one that waits longest is woken, and cancelled: the other one, which waits behind it and does not look by itself, has
/// to be woken in its place.
fn cancelled_as_it_is_woken<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (mut lender, mut one) = halves::<Exclusive, N>();
    let mut two = one.clone();
    thread::spawn(move || {
        let mut first = Box::pin(one.borrow());
        if let Poll::Ready(guard) = poll_once(first.as_mut()) {
            guard.unwrap().bump();
            return;
        }
        let mut second = pin!(two.borrow());
        let parker = Parker::new();
        let waker = Waker::from(parker.clone());
        let mut polled = poll(second.as_mut(), &waker);
        drop(first);
        while polled.is_pending() {
            parker.wait();
            polled = poll(second.as_mut(), &waker);
        }
        if let Poll::Ready(guard) = polled {
            guard.unwrap().bump();
        }
    });
    let value = block_on(lender.lend_pinned(Probe::new(0))).ok().unwrap();
    assert_eq!(value.get(), 1);
}

for_notifiers! { cancelled_as_it_is_woken:
    cancelled_as_it_is_woken_waker_queue = WakerQueue;
    cancelled_as_it_is_woken_waker_queue_eager = WakerQueue, eager;
    cancelled_as_it_is_woken_event = Event;
    cancelled_as_it_is_woken_event_eager = Event, eager;
    cancelled_as_it_is_woken_spin = Spin;
    cancelled_as_it_is_woken_spin_eager = Spin, eager;
}

/// The same with each on a thread of its own: the first is cancelled, the second waits to the end.
fn cancelled_elsewhere<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (mut lender, mut one) = halves::<Exclusive, N>();
    let mut two = one.clone();
    let first_saw = Flag::default();
    let seen = first_saw.clone();
    thread::spawn(move || {
        let mut borrow = pin!(one.borrow());
        if let Poll::Ready(Ok(mut value)) = poll_once(borrow.as_mut()) {
            seen.set();
            value.bump();
        }
    });
    let seen = first_saw.clone();
    thread::spawn(move || match block_on(two.borrow()) {
        Ok(mut value) => {
            value.bump();
        }
        Err(_) => assert!(seen.get()),
    });
    assert_eq!(block_on(lender.lend_pinned(Probe::new(0))).ok().unwrap().get(), 1);
}

for_notifiers! { cancelled_elsewhere:
    cancelled_elsewhere_waker_queue = WakerQueue;
    cancelled_elsewhere_waker_queue_eager = WakerQueue, eager;
    cancelled_elsewhere_event = Event;
    cancelled_elsewhere_event_eager = Event, eager;
}

/// An exclusive offer that stays up goes from one to the next, without the lender.
fn while_exclusive<N: BlockingNotifier + MultiNotifier + 'static>() {
    let (mut lender, one) = halves::<Exclusive, N>();
    let done = std::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(0));
    for mut borrower in [one.clone(), one] {
        let done = done.clone();
        thread::spawn(move || {
            borrower.borrow_blocking().unwrap().bump();
            done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
    }
    let mut value = Probe::new(0);
    lender.serve_while(&mut value, |_| {
        while done.load(std::sync::atomic::Ordering::Relaxed) < 2 {
            thread::yield_now();
        }
    });
    assert_eq!(value.bump(), 3);
}

for_notifiers! { while_exclusive:
    while_exclusive_waker_queue = WakerQueue;
}

/// A shared loan wakes all; the first return ends it, and who came too late is answered by the next one, or told
/// that there is none.
fn shared<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (mut lender, one) = halves::<Shared, N>();
    for mut borrower in [one.clone(), one] {
        thread::spawn(move || {
            if let Ok(value) = block_on(borrower.borrow()) {
                assert_eq!(value.get(), 6);
            }
        });
    }
    let mut value = Probe::new(6);
    // SAFETY: it is awaited.
    block_on(unsafe { lender.lend(&value) }).unwrap();
    value.bump();
}

for_notifiers! { shared:
    shared_waker_queue = WakerQueue;
    shared_waker_queue_eager = WakerQueue, eager;
    shared_event = Event;
    shared_event_eager = Event, eager;
}

/// All who wait are told that the lender is gone.
fn lender_gone<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (lender, one) = halves::<Exclusive, N>();
    for mut borrower in [one.clone(), one] {
        thread::spawn(move || assert!(block_on(borrower.borrow()).is_err()));
    }
    drop(lender);
}

for_notifiers! { lender_gone:
    lender_gone_waker_queue = WakerQueue;
    lender_gone_waker_queue_eager = WakerQueue, eager;
    lender_gone_event = Event;
    lender_gone_event_eager = Event, eager;
}
