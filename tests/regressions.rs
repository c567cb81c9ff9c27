//! One test for each fault of the published design that this crate comes from, and of its own first probes.
//!
//! That a guard was covariant in `T` (the first fault) shows at compile time only.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;

use common::{Count, backends, dawdle, message, no_hang, poll_once, poll_with, rounds};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier};
use ref_channel::{BorrowError, LendError, RefChannel, RefMutChannel, TryBorrowError, TryLendError};

// ----- the published design --------------------------------------------------------------------------------------

/// The guard was never `Send`, so a task that holds it over an `.await` could not be spawned.
#[cfg(not(miri))]
fn a_guard_is_held_over_an_await_in_a_spawned_task<N: AsyncNotifier + 'static>() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut lender, mut borrower) = RefMutChannel::<Vec<u32>, N>::new().into_split();
        let task = tokio::spawn(async move {
            let mut guard = borrower.borrow().await.unwrap();
            for number in 0..3 {
                tokio::task::yield_now().await;
                guard.push(number);
            }
        });
        assert_eq!(lender.lend_pinned(vec![]).await.unwrap(), [0, 1, 2]);
        task.await.unwrap();
    });
}

/// Dropping the lend future after the value was borrowed left the borrower with a dangling reference.
fn a_dropped_lend_future_leaves_nothing_dangling<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let mut channel = RefMutChannel::<String, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let (taken, dropping) = (Barrier::new(2), Barrier::new(2));
        let text = thread::scope(|scope| {
            let borrowing = scope.spawn(|| {
                let guard = pollster::block_on(borrower.borrow()).unwrap();
                taken.wait();
                dropping.wait();
                dawdle();
                guard.clone()
            });
            {
                let mut value = String::from("still here");
                // SAFETY: it is dropped.
                let mut loan = Box::pin(unsafe { lender.lend(&mut value) });
                assert!(poll_once(loan.as_mut()).is_pending());
                taken.wait();
                dropping.wait();
                drop(loan);
                value.replace_range(.., "gone");
            }
            borrowing.join().unwrap()
        });
        assert_eq!(text, "still here");
    });
}

/// "Terminate the borrower's thread" was offered as a way out. A thread that ends, or panics, with its guard
/// returns the value by that.
fn a_thread_that_panics_with_its_guard_returns_the_value<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
    let thread = thread::spawn(move || {
        let mut guard = borrower.borrow_blocking().unwrap();
        *guard += 1;
        panic!("with the guard");
    });
    let mut value = 1;
    lender.lend_blocking(&mut value).unwrap();
    assert_eq!(value, 2);
    let end: thread::Result<()> = thread.join();
    assert_eq!(message(end.unwrap_err()), "with the guard");
    assert_eq!(lender.lend_blocking(&mut value), Err(LendError(())));
}

/// Cancelling a borrow as the loan arrives made the lender return without the value having been seen.
fn a_borrow_cancelled_as_the_loan_arrives_loses_nothing<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    let mut loan = pin!(lender.lend_pinned(1));
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(borrow);
    assert!(poll_once(loan.as_mut()).is_pending(), "nobody has seen the value");
    *borrower.try_borrow().unwrap() += 1;
    assert_eq!(poll_once(loan), Poll::Ready(Ok(2)));
}

/// Nothing told the borrower that the lender is gone; and the lender was told by accident only.
fn each_half_is_told_that_the_other_is_gone<N: AsyncNotifier>() {
    let (woken, waker) = Count::new();
    {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (lender, mut borrower) = channel.split();
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
        drop(lender);
        assert!(woken.get() > 0);
        assert_eq!(poll_once(borrow).map(Result::unwrap_err), Poll::Ready(BorrowError));
    }
    let (woken, waker) = Count::new();
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    common::forget(borrow);
    let mut loan = pin!(lender.lend_pinned(1));
    assert!(poll_with(loan.as_mut(), &waker).is_pending());
    drop(borrower);
    assert!(woken.get() > 0);
    assert_eq!(poll_once(loan), Poll::Ready(Err(LendError(1))));
}

/// `lend` silently did nothing when nobody was waiting, and did not say whether the value was borrowed.
fn a_lend_says_whether_the_value_was_borrowed<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    {
        // SAFETY: it completes at once.
        let loan = pin!(unsafe { lender.try_lend(&mut value) });
        assert_eq!(poll_once(loan), Poll::Ready(Err(TryLendError::NotRequested)));
    }
    {
        // SAFETY: it completes below.
        let mut loan = pin!(unsafe { lender.lend(&mut value) });
        assert!(poll_once(loan.as_mut()).is_pending(), "it waits for a borrower");
        drop(borrower.try_borrow().unwrap());
        assert_eq!(poll_once(loan), Poll::Ready(Ok(())));
    }
    drop(borrower);
    // SAFETY: it completes at once.
    let loan = pin!(unsafe { lender.lend(&mut value) });
    assert_eq!(poll_once(loan), Poll::Ready(Err(LendError(()))));
}

/// It took sized values only, had one copy of the code for each mutability, and one type of waiter.
fn both_mutabilities_of_an_unsized_value<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<[u32], N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = pin!(lender.lend_boxed(Box::new([1, 2, 3])));
    assert!(poll_once(loan.as_mut()).is_pending());
    borrower.try_borrow().unwrap().reverse();
    assert_eq!(poll_once(loan).map(Result::unwrap), Poll::Ready(Box::from([3, 2, 1])));

    let mut channel = RefChannel::<str, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = pin!(lender.lend_static("text"));
    assert!(poll_once(loan.as_mut()).is_pending());
    assert_eq!(&*borrower.try_borrow().unwrap(), "text");
    assert_eq!(poll_once(loan), Poll::Ready(Ok("text")));
}

/// `T: Send` was asked for on the methods too, so that a `!Send` value could not be lent on one thread.
fn a_value_that_is_not_send_is_lent_on_one_thread<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<Rc<Cell<u32>>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = Rc::new(Cell::new(1));
    lender.serve_while(&mut value, |_| borrower.try_borrow().unwrap().set(2));
    assert_eq!(value.get(), 2);
    let (back, ()) = pollster::block_on(async {
        futures::join!(lender.lend_pinned(value), async {
            borrower.borrow().await.unwrap().set(3)
        })
    });
    assert_eq!(back.unwrap().get(), 3);
}

// ----- undefined behaviour of the first probes -------------------------------------------------------------------

/// A half that says "I am gone" and then notifies has given the other one leave to free the channel. Here both go at the
/// same time, each with the other one waiting.
fn owned_halves_that_go_at_the_same_time<N: AsyncNotifier + 'static>() {
    for round in 0..rounds(500) {
        let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        if round % 3 == 1 {
            let mut borrow = Box::pin(borrower.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            common::forget(borrow);
        }
        if round % 3 == 2 {
            let mut loan = Box::pin(lender.lend_pinned(1));
            assert!(poll_once(loan.as_mut()).is_pending());
            common::forget(loan);
        }
        let start = Arc::new(Barrier::new(2));
        let lending = thread::spawn({
            let start = start.clone();
            move || {
                start.wait();
                drop(lender);
            }
        });
        start.wait();
        drop(borrower);
        lending.join().unwrap();
    }
}

/// The same with clones.
fn cloned_owned_halves_that_go_at_the_same_time<N: AsyncNotifier + MultiNotifier + 'static>() {
    for _ in 0..rounds(200) {
        let (mut lender, borrower) = RefMutChannel::<u32, N>::new().into_split();
        thread::scope(|scope| {
            let other = borrower.clone();
            scope.spawn(move || drop(other));
            scope.spawn(move || drop(borrower));
            // It waits as they go.
            let mut loan = pin!(lender.lend_pinned(1));
            let _ = poll_once(loan.as_mut());
        });
        assert!(lender.is_disconnected());
    }
}

/// `try_split` must not hand out new halves while an old one still notifies.
#[test]
fn a_static_is_split_again_as_soon_as_its_halves_are_gone() {
    static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();
    no_hang(|| {
        for _ in 0..rounds(500) {
            let (lender, mut borrower) = CHANNEL.try_split().unwrap();
            thread::scope(|scope| {
                scope.spawn(move || {
                    assert_eq!(borrower.borrow_blocking().unwrap_err(), BorrowError);
                });
                while !lender.is_requested() {
                    std::hint::spin_loop();
                }
                scope.spawn(move || drop(lender));
                // As early as can be.
                let (mut lender, mut borrower) = loop {
                    match CHANNEL.try_split() {
                        Some(halves) => break halves,
                        None => std::hint::spin_loop(),
                    }
                };
                let mut value = 1;
                lender.serve_while(&mut value, |_| *borrower.borrow_blocking().unwrap() += 1);
                assert_eq!(value, 2);
            });
        }
    });
}

/// A lend after a forgotten `lend_owned` overwrote the published pointer while the stale offer could still be taken.
fn a_loan_after_a_forgotten_one_does_not_overwrite_its_pointer<N: AsyncNotifier + BlockingNotifier + 'static>() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<(usize, usize), N>::new().into_split();
        let done = Arc::new(AtomicBool::new(false));
        let borrowing = thread::spawn({
            let done = done.clone();
            move || {
                while !done.load(Ordering::SeqCst) {
                    if let Ok(guard) = borrower.try_borrow() {
                        assert_eq!(guard.0, guard.1);
                    }
                }
            }
        });
        for round in 0..rounds(2_000) {
            let mut loan = Box::pin(lender.lend_pinned((round, round)));
            let _ = poll_once(loan.as_mut());
            common::forget(loan);
            let mut next = (round + 1, round + 1);
            lender.serve_while(&mut next, |_| ());
        }
        done.store(true, Ordering::SeqCst);
        borrowing.join().unwrap();
    });
}

// ----- what tests on the probes found ----------------------------------------------------------------------------

/// The box must be freed before the last guard is counted off, or the next lend overwrites the pointer to it.
fn a_box_that_was_handed_over_is_freed_before_the_next_loan<N: AsyncNotifier>() {
    struct Slow<'a>(Option<&'a Barrier>);
    impl Drop for Slow<'_> {
        fn drop(&mut self) {
            if let Some(barrier) = self.0 {
                barrier.wait();
                barrier.wait();
            }
        }
    }
    let barrier = Barrier::new(2);
    let mut channel = RefMutChannel::<Slow<'_>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(Slow(Some(&barrier)))));
    assert!(poll_once(loan.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(loan);
    thread::scope(|scope| {
        scope.spawn(move || drop(guard));
        barrier.wait();
        // The destructor runs.
        let (woken, waker) = Count::new();
        let mut next = Box::pin(lender.lend_boxed(Box::new(Slow(None))));
        assert!(poll_with(next.as_mut(), &waker).is_pending());
        barrier.wait();
        // `Spin` wakes at each poll; the others once the box is gone.
        while woken.get() == 0 {
            thread::yield_now();
        }
        common::forget(next);
    });
    assert!(borrower.try_borrow().is_err(), "the next loan had not begun");
}

/// The destructor of a box that was handed over may panic: the loan is over all the same.
fn a_panic_in_the_drop_of_a_handed_over_box_ends_the_loan<N: AsyncNotifier>() {
    struct Panics(bool);
    impl Drop for Panics {
        fn drop(&mut self) {
            if self.0 {
                panic!("in the drop");
            }
        }
    }
    let mut channel = RefMutChannel::<Panics, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(Panics(true))));
    assert!(poll_once(loan.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(loan);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(guard))).unwrap_err();
    assert_eq!(message(panic), "in the drop");
    let mut next = pin!(lender.lend_pinned(Panics(false)));
    assert!(poll_once(next.as_mut()).is_pending());
    drop(borrower.try_borrow().unwrap());
    assert!(poll_once(next).is_ready());
}

/// A waker whose drop panics, as long as it is told to.
fn waker_that_panics_in_its_drop(panics: Arc<AtomicBool>) -> Waker {
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: the pointer is that of an `Arc`.
        unsafe { Arc::increment_strong_count(data.cast::<AtomicBool>()) };
        RawWaker::new(data, &TABLE)
    }
    unsafe fn wake(data: *const ()) {
        // SAFETY: it is consumed.
        drop(unsafe { Arc::from_raw(data.cast::<AtomicBool>()) });
    }
    unsafe fn wake_by_ref(_: *const ()) {}
    unsafe fn drop_it(data: *const ()) {
        // SAFETY: it is consumed.
        let panics = unsafe { Arc::from_raw(data.cast::<AtomicBool>()) };
        if panics.swap(false, Ordering::SeqCst) {
            panic!("in the drop of a waker");
        }
    }
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_it);
    let data = Arc::into_raw(panics).cast();
    // SAFETY: the functions count as `Arc` does, and an `Arc<AtomicBool>` goes to any thread.
    unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) }
}

/// Replacing a registered foreign waker may panic in its drop, inside the drop of a lend future too: the wait goes on
/// behind it.
fn a_waker_that_panics_in_its_drop_does_not_end_the_wait<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let panics = Arc::new(AtomicBool::new(false));
    let waker = waker_that_panics_in_its_drop(panics.clone());
    let out = AtomicBool::new(false);
    let (taken, dropping) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = pollster::block_on(borrower.borrow()).unwrap();
            out.store(true, Ordering::SeqCst);
            taken.wait();
            dropping.wait();
            dawdle();
            out.store(false, Ordering::SeqCst);
            // Should the lender have parked by the old waker, it is dropped here.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(guard)));
        });
        let mut loan = Box::pin(lender.lend_pinned(1));
        assert!(poll_with(loan.as_mut(), &waker).is_pending());
        taken.wait();
        panics.store(true, Ordering::SeqCst);
        dropping.wait();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(loan)));
        assert!(!out.load(Ordering::SeqCst), "it let go of a value that was out");
    });
    panics.store(false, Ordering::SeqCst);
}

/// In an exclusive `serve_while` a return woke the lender, not the next borrower.
fn a_return_within_serve_while_wakes_the_next_borrower<N: AsyncNotifier + BlockingNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut one) = channel.split();
    let (mut two, mut three) = (one.clone(), one.clone());
    let mut value = 1;
    lender.serve_while(&mut value, |_| {
        let guard = one.try_borrow().unwrap();
        let ([second, third], [waker_two, waker_three]) = {
            let ((a, b), (c, d)) = (Count::new(), Count::new());
            ([a, c], [b, d])
        };
        let mut borrow_two = Box::pin(two.borrow());
        let mut borrow_three = Box::pin(three.borrow());
        assert!(poll_with(borrow_two.as_mut(), &waker_two).is_pending());
        assert!(poll_with(borrow_three.as_mut(), &waker_three).is_pending());
        drop(guard);
        assert!(second.get() > 0, "who waits longest is woken");
        let Poll::Ready(Ok(mut guard)) = poll_with(borrow_two.as_mut(), &waker_two) else {
            panic!("it is on offer")
        };
        *guard += 1;
        drop(guard);
        assert!(third.get() > 0, "and then the next one");
        assert!(poll_with(borrow_three.as_mut(), &waker_three).is_ready());
    });
    assert_eq!(value, 2);
}

/// A task that is polled inline by its own wakers, with a waker of a new identity for each poll.
struct Inline {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    again: AtomicBool,
    polls: AtomicUsize,
}

struct Identity(Arc<Inline>);

impl Wake for Identity {
    fn wake(self: Arc<Self>) {
        self.0.poll();
    }
}

impl Inline {
    fn new(future: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            future: Mutex::new(Some(Box::pin(future))),
            again: AtomicBool::new(false),
            polls: AtomicUsize::new(0),
        })
    }

    fn poll(self: &Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        while let Ok(mut future) = self.future.try_lock() {
            if !self.again.swap(false, Ordering::SeqCst) {
                break;
            }
            self.polls.fetch_add(1, Ordering::SeqCst);
            let waker = Waker::from(Arc::new(Identity(self.clone())));
            let ready = match future.as_mut() {
                Some(future) => future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready(),
                None => false,
            };
            if ready {
                *future = None;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.future.lock().unwrap().is_none()
    }
}

/// A waiter that found its slot busy, woke itself and tried again, lived on for ever under such wakers.
#[test]
fn wakers_that_poll_inline_and_change_do_not_livelock() {
    const LOANS: usize = 300;
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<usize>::new().into_split();
        let lending = Inline::new(async move {
            let mut value = 0;
            for _ in 0..LOANS {
                value = lender.lend_pinned(value).await.unwrap();
            }
            assert_eq!(value, LOANS);
        });
        let borrowing = Inline::new(async move {
            for _ in 0..LOANS {
                *borrower.borrow().await.unwrap() += 1;
            }
        });
        borrowing.poll();
        lending.poll();
        assert!(lending.is_done() && borrowing.is_done());
        let polls = lending.polls.load(Ordering::SeqCst) + borrowing.polls.load(Ordering::SeqCst);
        assert!(polls <= 8 * LOANS, "{polls} polls for {LOANS} loans");
    });
}

/// `withdraw` wakes nobody and answers no request, so `try_lend` knows when the last one was given up.
fn an_offer_answers_no_request_until_it_is_taken<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    for _ in 0..2 {
        let mut loan = pin!(lender.lend_pinned(1));
        assert!(poll_once(loan.as_mut()).is_pending());
        loan.as_mut().withdraw();
        assert!(poll_once(loan).is_ready());
    }
    // The borrower was woken, and has not come to look.
    assert!(lender.is_requested());
    // SAFETY: it completes below.
    let mut loan = pin!(unsafe { lender.try_lend(&mut value) });
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(borrow);
    assert_eq!(poll_once(loan), Poll::Ready(Err(TryLendError::NotRequested)));
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
}

#[cfg(not(miri))]
backends!(both: a_guard_is_held_over_an_await_in_a_spawned_task);
backends!(both:
    a_dropped_lend_future_leaves_nothing_dangling,
    a_borrow_cancelled_as_the_loan_arrives_loses_nothing,
    each_half_is_told_that_the_other_is_gone,
    a_lend_says_whether_the_value_was_borrowed,
    both_mutabilities_of_an_unsized_value,
    a_value_that_is_not_send_is_lent_on_one_thread,
    owned_halves_that_go_at_the_same_time,
    a_loan_after_a_forgotten_one_does_not_overwrite_its_pointer,
    a_box_that_was_handed_over_is_freed_before_the_next_loan,
    a_panic_in_the_drop_of_a_handed_over_box_ends_the_loan,
    a_waker_that_panics_in_its_drop_does_not_end_the_wait,
    an_offer_answers_no_request_until_it_is_taken,
);
backends!(blocking: a_thread_that_panics_with_its_guard_returns_the_value);
backends!(many:
    cloned_owned_halves_that_go_at_the_same_time,
    a_return_within_serve_while_wakes_the_next_borrower,
);
