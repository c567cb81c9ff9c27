//! A half that is dropped on one thread while another one wakes it: no waker of it is kept when both have done, though
//! the other half lives on.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::thread;
use ref_channel::Exclusive;
use ref_channel::notifier::{AsyncNotifier, AtomicWaker, WakerQueue, WakerSlot};

use crate::common::{Probe, for_notifiers, halves, poll, poll_once};

/// A task that nobody runs. It is counted by `std`, so that loom does not take the count for synchronisation.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
    fn wake_by_ref(self: &Arc<Self>) {}
}

fn tasks<const COUNT: usize>() -> ([Arc<Task>; COUNT], [Waker; COUNT]) {
    let tasks = [(); COUNT].map(|()| Arc::new(Task));
    let wakers = tasks.each_ref().map(|task| Waker::from(task.clone()));
    (tasks, wakers)
}

#[track_caller]
fn assert_none_kept(tasks: &[Arc<Task>]) {
    for task in tasks {
        assert_eq!(Arc::strong_count(task), 1, "a waker is kept");
    }
}

/// It is woken by a request.
fn lender_goes<N: AsyncNotifier + 'static>() {
    ref_channel::explore_leaving(true);
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let (tasks, [waker]) = tasks::<1>();
    let borrowing = {
        let mut requested = pin!(lender.requested());
        assert!(poll(requested.as_mut(), &waker).is_pending());
        thread::spawn(move || {
            let _ = poll_once(pin!(borrower.borrow()));
            borrower
        })
    };
    drop(waker);
    drop(lender);
    let _borrower = borrowing.join().unwrap();
    assert_none_kept(&tasks);
}

for_notifiers! { lender_goes:
    lender_goes_waker_slot = WakerSlot;
    lender_goes_waker_queue = WakerQueue;
    lender_goes_atomic_waker = AtomicWaker;
}

/// It is woken by the guard, and sees that the loan has ended before that wake is over.
fn lender_goes_after_a_loan<N: AsyncNotifier + 'static>() {
    ref_channel::explore_leaving(true);
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let (tasks, [waker]) = tasks::<1>();
    let borrowing = {
        let mut lend = pin!(lender.lend_boxed(Box::new(Probe::new(0))));
        assert!(poll(lend.as_mut(), &waker).is_pending());
        let borrowing = thread::spawn(move || {
            drop(borrower.try_borrow());
            borrower
        });
        let _ = poll(lend, &waker);
        borrowing
    };
    drop(waker);
    drop(lender);
    let _borrower = borrowing.join().unwrap();
    assert_none_kept(&tasks);
}

for_notifiers! { lender_goes_after_a_loan:
    lender_goes_after_a_loan_waker_slot = WakerSlot;
    lender_goes_after_a_loan_waker_queue = WakerQueue;
    lender_goes_after_a_loan_atomic_waker = AtomicWaker;
}

/// It goes with wakers in both cells, of which it is woken in the first, or in one after the other.
fn lender_goes_with_two_wakers<N: AsyncNotifier + 'static>() {
    ref_channel::explore_leaving(true);
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let (tasks, [first, second]) = tasks::<2>();
    let borrowing = {
        let mut requested = pin!(lender.requested());
        assert!(poll(requested.as_mut(), &first).is_pending());
        let borrowing = thread::spawn(move || {
            let _ = poll_once(pin!(borrower.borrow()));
            borrower
        });
        let _ = poll(requested, &first);
        borrowing
    };
    let _ = poll(pin!(lender.lend_boxed(Box::new(Probe::new(0)))), &second);
    drop((first, second));
    drop(lender);
    let _borrower = borrowing.join().unwrap();
    assert_none_kept(&tasks);
}

for_notifiers! { lender_goes_with_two_wakers:
    lender_goes_with_two_wakers_waker_slot = WakerSlot;
    lender_goes_with_two_wakers_waker_queue = WakerQueue;
}

/// It is woken by an offer.
fn borrower_goes<N: AsyncNotifier + 'static>() {
    ref_channel::explore_leaving(true);
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let (tasks, [waker]) = tasks::<1>();
    let lending = {
        let mut borrow = pin!(borrower.borrow());
        assert!(poll(borrow.as_mut(), &waker).is_pending());
        thread::spawn(move || {
            let _ = poll_once(pin!(lender.lend_boxed(Box::new(Probe::new(0)))));
            lender
        })
    };
    drop(waker);
    drop(borrower);
    let _lender = lending.join().unwrap();
    assert_none_kept(&tasks);
}

for_notifiers! { borrower_goes:
    borrower_goes_waker_slot = WakerSlot;
    borrower_goes_waker_queue = WakerQueue;
    borrower_goes_atomic_waker = AtomicWaker;
}
