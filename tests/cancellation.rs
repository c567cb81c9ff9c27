//! Every future dropped or withdrawn at every moment, and what that leaves behind.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use common::{Counted, backends, dawdle, message, no_hang, poll_once, rounds};
use ref_channel::future::{Lend, LendBoxed, LendOwned, LendPinned, LendStatic, TryLend};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier};
use ref_channel::{Exclusive, RefChannel, RefGuard, RefMutChannel, RefMutLender, TryBorrowError, TryLendError};

// ----- the futures that lend once, behind one interface ------------------------------------------------------------

trait Loan {
    /// Whether it was borrowed.
    fn poll_loan(self: Pin<&mut Self>) -> Poll<bool>;
    fn stop(self: Pin<&mut Self>);
}

macro_rules! loan {
    ($($name:ident),*) => { $(
        impl<N: AsyncNotifier> Loan for $name<'_, u32, Exclusive, N> {
            fn poll_loan(self: Pin<&mut Self>) -> Poll<bool> {
                self.poll(&mut Context::from_waker(Waker::noop())).map(|outcome| outcome.is_ok())
            }

            fn stop(self: Pin<&mut Self>) {
                self.withdraw();
            }
        }
    )* };
}
loan!(Lend, TryLend, LendPinned, LendStatic, LendOwned, LendBoxed);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Lend,
    TryLend,
    Pinned,
    Static,
    Owned,
    Boxed,
}

const KINDS: [Kind; 6] = [
    Kind::Lend,
    Kind::TryLend,
    Kind::Pinned,
    Kind::Static,
    Kind::Owned,
    Kind::Boxed,
];

impl Kind {
    /// Dropped while the value is out, the future waits for the guard.
    fn blocks(self) -> bool {
        matches!(self, Kind::Lend | Kind::TryLend | Kind::Pinned)
    }
}

/// # Safety
/// What it returns is not forgotten.
unsafe fn lend<'l, N: AsyncNotifier>(
    kind: Kind,
    lender: &'l mut RefMutLender<'_, u32, N>,
    value: &'l mut u32,
) -> Pin<Box<dyn Loan + 'l>> {
    match kind {
        // SAFETY: as the caller promises.
        Kind::Lend => Box::pin(unsafe { lender.lend(value) }),
        // SAFETY: as the caller promises.
        Kind::TryLend => Box::pin(unsafe { lender.try_lend(value) }),
        Kind::Pinned => Box::pin(lender.lend_pinned(1)),
        Kind::Owned => Box::pin(lender.lend_owned(1)),
        Kind::Static => Box::pin(lender.lend_static(common::leak(1))),
        Kind::Boxed => Box::pin(lender.lend_boxed(Box::new(1))),
    }
}

/// Nothing is left of the loans before: the next one is lent and comes back.
fn works_as_ever<N: AsyncNotifier>(
    lender: &mut RefMutLender<'_, u32, N>,
    borrower: &mut ref_channel::RefMutBorrower<'_, u32, N>,
) {
    assert!(!lender.is_requested());
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    let mut next = pin!(lender.lend_pinned(7));
    assert!(poll_once(next.as_mut()).is_pending());
    *borrower.try_borrow().unwrap() += 1;
    assert_eq!(poll_once(next), Poll::Ready(Ok(8)));
}

fn dropped_or_withdrawn_before_the_first_poll<N: AsyncNotifier>() {
    for kind in KINDS {
        for withdraw in [false, true] {
            let mut channel = RefMutChannel::<u32, N>::new();
            let (mut lender, mut borrower) = channel.split();
            let mut value = 1;
            {
                let mut borrow = pin!(borrower.borrow());
                assert!(poll_once(borrow.as_mut()).is_pending());
                // SAFETY: it is dropped.
                let mut loan = unsafe { lend(kind, &mut lender, &mut value) };
                if withdraw {
                    loan.as_mut().stop();
                    assert_eq!(loan.as_mut().poll_loan(), Poll::Ready(false), "{kind:?}");
                }
                drop(loan);
                assert!(poll_once(borrow.as_mut()).is_pending(), "{kind:?} was never offered");
                assert!(lender.is_requested());
            }
            works_as_ever(&mut lender, &mut borrower);
        }
    }
}

fn dropped_or_withdrawn_before_it_is_taken<N: AsyncNotifier>() {
    for kind in KINDS {
        for withdraw in [false, true] {
            let mut channel = RefMutChannel::<u32, N>::new();
            let (mut lender, mut borrower) = channel.split();
            let mut value = 1;
            {
                let mut borrow = pin!(borrower.borrow());
                assert!(poll_once(borrow.as_mut()).is_pending());
                // SAFETY: it is dropped.
                let mut loan = unsafe { lend(kind, &mut lender, &mut value) };
                assert!(loan.as_mut().poll_loan().is_pending());
                if withdraw {
                    loan.as_mut().stop();
                    assert!(
                        poll_once(borrow.as_mut()).is_pending(),
                        "{kind:?} is not offered any more"
                    );
                    assert_eq!(loan.as_mut().poll_loan(), Poll::Ready(false), "{kind:?}");
                }
                drop(loan);
                assert!(
                    poll_once(borrow.as_mut()).is_pending(),
                    "{kind:?} is not offered any more"
                );
                assert!(lender.is_requested());
            }
            works_as_ever(&mut lender, &mut borrower);
        }
    }
}

fn withdrawn_after_it_was_taken<N: AsyncNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let mut value = 1;
        {
            let mut borrow = Box::pin(borrower.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            // SAFETY: it is dropped.
            let mut loan = unsafe { lend(kind, &mut lender, &mut value) };
            assert!(loan.as_mut().poll_loan().is_pending());
            let Poll::Ready(Ok(mut guard)) = poll_once(borrow.as_mut()) else {
                panic!("it is on offer")
            };
            loan.as_mut().stop();
            loan.as_mut().stop();
            assert!(loan.as_mut().poll_loan().is_pending(), "{kind:?} is out");
            *guard += 1;
            drop(guard);
            assert_eq!(loan.as_mut().poll_loan(), Poll::Ready(true), "{kind:?}");
            // After the end it has no effect.
            loan.as_mut().stop();
        }
        works_as_ever(&mut lender, &mut borrower);
    }
}

fn dropped_or_withdrawn_after_it_was_returned<N: AsyncNotifier>() {
    for kind in KINDS {
        for withdraw in [false, true] {
            let mut channel = RefMutChannel::<u32, N>::new();
            let (mut lender, mut borrower) = channel.split();
            let mut value = 1;
            {
                let mut borrow = Box::pin(borrower.borrow());
                assert!(poll_once(borrow.as_mut()).is_pending());
                // SAFETY: it is dropped.
                let mut loan = unsafe { lend(kind, &mut lender, &mut value) };
                assert!(loan.as_mut().poll_loan().is_pending());
                assert!(poll_once(borrow.as_mut()).is_ready(), "taken, and returned at once");
                if withdraw {
                    loan.as_mut().stop();
                    assert_eq!(loan.as_mut().poll_loan(), Poll::Ready(true), "{kind:?}");
                }
            }
            works_as_ever(&mut lender, &mut borrower);
        }
    }
}

/// The drop of a lend future blocks until the guard is back, also after a withdraw; but only where the value would go otherwise.
fn dropped_while_it_is_out<N: AsyncNotifier>() {
    for kind in KINDS {
        for withdraw in [false, true] {
            let mut channel = RefMutChannel::<u32, N>::new();
            let (mut lender, mut borrower) = channel.split();
            let mut value = 1;
            let out = AtomicBool::new(false);
            let (taken, dropping, dropped) = (Barrier::new(2), Barrier::new(2), Barrier::new(2));
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut guard = pollster::block_on(borrower.borrow()).unwrap();
                    out.store(true, Ordering::SeqCst);
                    taken.wait();
                    dropping.wait();
                    if !kind.blocks() {
                        // Only to be passed if the drop does not block.
                        dropped.wait();
                    } else {
                        dawdle();
                    }
                    *guard += 1;
                    out.store(false, Ordering::SeqCst);
                    drop(guard);
                });
                while !lender.is_requested() {
                    thread::yield_now();
                }
                // SAFETY: it is dropped.
                let mut loan = unsafe { lend(kind, &mut lender, &mut value) };
                assert!(loan.as_mut().poll_loan().is_pending());
                taken.wait();
                if withdraw {
                    loan.as_mut().stop();
                    assert!(loan.as_mut().poll_loan().is_pending());
                }
                dropping.wait();
                drop(loan);
                if !kind.blocks() {
                    dropped.wait();
                } else {
                    assert!(!out.load(Ordering::SeqCst), "{kind:?} let go of a value that was out");
                }
            });
            if matches!(kind, Kind::Lend | Kind::TryLend) {
                assert_eq!(value, 2);
            }
            works_as_ever(&mut lender, &mut borrower);
        }
    }
}

/// The drop of a future whose shared value is out in many parts waits for the last of them.
fn a_shared_loan_dropped_while_it_is_out<N: AsyncNotifier>() {
    let mut channel = RefChannel::<String, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let out = AtomicUsize::new(0);
    let (taken, dropping) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = pollster::block_on(borrower.borrow()).unwrap();
            out.store(3, Ordering::SeqCst);
            thread::scope(|scope| {
                for guard in [RefGuard::clone(&guard), RefGuard::clone(&guard), guard] {
                    let (out, taken, dropping) = (&out, &taken, &dropping);
                    scope.spawn(move || {
                        if out.fetch_sub(1, Ordering::SeqCst) == 1 {
                            // The last one still holds its guard.
                            out.store(1, Ordering::SeqCst);
                            taken.wait();
                            dropping.wait();
                            dawdle();
                            assert_eq!(*guard, "lent");
                            out.store(0, Ordering::SeqCst);
                        }
                        drop(guard);
                    });
                }
            });
        });
        let mut loan = Box::pin(lender.lend_pinned(String::from("lent")));
        assert!(poll_once(loan.as_mut()).is_pending());
        taken.wait();
        dropping.wait();
        drop(loan);
        assert_eq!(out.load(Ordering::SeqCst), 0, "a part was out");
    });
}

/// A value that knows whether it is alive.
struct Alive(AtomicBool);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// The borrower tries at every moment of the lender's poll and drop: it never has a dead value.
fn the_race_of_drop_and_take<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<Alive, N>::new().into_split();
        let borrowing = thread::spawn(move || {
            let mut taken = 0;
            while taken < rounds(200) {
                match borrower.try_borrow() {
                    Ok(guard) => {
                        assert!(guard.0.load(Ordering::SeqCst), "it is dead");
                        thread::yield_now();
                        assert!(guard.0.load(Ordering::SeqCst), "it died");
                        taken += 1;
                    }
                    Err(TryBorrowError::NotLent) => thread::yield_now(),
                    Err(TryBorrowError::Disconnected) => panic!("the lender is there"),
                }
            }
        });
        let mut round = 0_usize;
        while !lender.is_disconnected() {
            round += 1;
            if round % 2 == 0 {
                let mut loan = pin!(lender.lend_pinned(Alive(AtomicBool::new(true))));
                let _ = poll_once(loan.as_mut());
                if round % 4 == 0 {
                    thread::yield_now();
                }
            } else {
                let mut loan = pin!(lender.lend_boxed(Box::new(Alive(AtomicBool::new(true)))));
                let _ = poll_once(loan.as_mut());
                if round % 4 == 1 {
                    thread::yield_now();
                }
            }
        }
        borrowing.join().unwrap();
    });
}

// ----- boxes that are handed over --------------------------------------------------------------------------------

/// Says which thread it is dropped on.
struct Told<'a> {
    drops: &'a Mutex<Vec<ThreadId>>,
    panics: bool,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.drops.lock().unwrap().push(thread::current().id());
        if self.panics {
            panic!("in the drop of the value");
        }
    }
}

fn a_boxed_loan_dropped_while_it_is_out_is_dropped_once_by_the_guard<N: AsyncNotifier>() {
    let drops = Mutex::new(Vec::new());
    for panics in [false, true] {
        drops.lock().unwrap().clear();
        let mut channel = RefMutChannel::<Told<'_>, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let (taken, dropped) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let guard = pollster::block_on(borrower.borrow()).unwrap();
                taken.wait();
                dropped.wait();
                let outcome = catch_unwind(AssertUnwindSafe(|| drop(guard)));
                assert_eq!(outcome.is_err(), panics);
            });
            {
                let value = Box::new(Told { drops: &drops, panics });
                let mut loan = pin!(lender.lend_boxed(value));
                assert!(poll_once(loan.as_mut()).is_pending());
                taken.wait();
            }
            assert!(drops.lock().unwrap().is_empty(), "a guard points to it");
            dropped.wait();
            let id = thread.thread().id();
            thread.join().unwrap();
            assert_eq!(*drops.lock().unwrap(), [id]);
        });
        // The loan is over all the same, also if the destructor panicked.
        let value = Box::new(Told {
            drops: &drops,
            panics: false,
        });
        let mut next = pin!(lender.lend_boxed(value));
        assert!(poll_once(next.as_mut()).is_pending());
        drop(borrower.try_borrow().unwrap());
        assert!(matches!(poll_once(next), Poll::Ready(Ok(_))));
        assert_eq!(drops.lock().unwrap().len(), 2);
    }
}

fn a_shared_box_is_dropped_by_the_last_part<N: AsyncNotifier>() {
    let drops = AtomicUsize::new(0);
    let mut channel = RefChannel::<Counted<'_>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(Counted(&drops))));
    assert!(poll_once(loan.as_mut()).is_pending());
    let one = borrower.try_borrow().unwrap();
    let two = RefGuard::clone(&one);
    drop(one);
    drop(loan);
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    let three = RefGuard::map(RefGuard::clone(&two), |counted| counted.0);
    drop(two);
    assert_eq!(three.load(Ordering::SeqCst), 0);
    drop(three);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

fn a_box_outlives_its_lender<N: AsyncNotifier>() {
    let drops = AtomicUsize::new(0);
    let (mut lender, mut borrower) = RefMutChannel::<Counted<'_>, N>::new().into_split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(Counted(&drops))));
    assert!(poll_once(loan.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(loan);
    drop(lender);
    assert_eq!(guard.0.load(Ordering::SeqCst), 0);
    drop(guard);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert!(borrower.is_disconnected());
}

fn a_loan_after_a_handed_over_box_waits_for_its_guard<N: AsyncNotifier>() {
    let drops = AtomicUsize::new(0);
    let mut channel = RefMutChannel::<Counted<'_>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(Counted(&drops))));
    assert!(poll_once(loan.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(loan);
    let mut next = Box::pin(lender.lend_boxed(Box::new(Counted(&drops))));
    assert!(poll_once(next.as_mut()).is_pending());
    assert!(poll_once(next.as_mut()).is_pending());
    // The next one is dropped before it could begin: it is not the box that is out.
    drop(next);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    let mut next = Box::pin(lender.lend_boxed(Box::new(Counted(&drops))));
    assert!(poll_once(next.as_mut()).is_pending());
    drop(guard);
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    assert!(poll_once(next.as_mut()).is_pending());
    drop(borrower.try_borrow().unwrap());
    let Poll::Ready(Ok(value)) = poll_once(next.as_mut()) else {
        panic!("it was returned")
    };
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    drop(value);
    assert_eq!(drops.load(Ordering::SeqCst), 3);
}

fn a_box_that_is_not_out_is_dropped_by_the_lender<N: AsyncNotifier>() {
    let drops = AtomicUsize::new(0);
    let mut channel = RefMutChannel::<Counted<'_>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    // Before the poll, before it is taken, after it is returned, and after a withdraw.
    for moment in 0..4 {
        let mut loan = Box::pin(lender.lend_boxed(Box::new(Counted(&drops))));
        if moment > 0 {
            assert!(poll_once(loan.as_mut()).is_pending());
        }
        if moment == 2 {
            drop(borrower.try_borrow().unwrap());
        }
        if moment == 3 {
            loan.as_mut().withdraw();
        }
        drop(loan);
        assert_eq!(drops.load(Ordering::SeqCst), moment + 1);
        assert!(borrower.try_borrow().is_err());
    }
}

// ----- borrowing -------------------------------------------------------------------------------------------------

fn a_borrow_can_be_dropped_at_any_time<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    drop(borrower.borrow());
    assert!(!lender.is_requested());
    {
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        assert!(lender.is_requested());
    }
    assert!(!lender.is_requested());

    // Exactly as the loan is offered: that is not lost, and the lender does not return without it having been seen.
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    let mut loan = Box::pin(lender.lend_pinned(1));
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(borrow);
    assert!(poll_once(loan.as_mut()).is_pending());
    let mut borrow = Box::pin(borrower.borrow());
    let Poll::Ready(Ok(mut guard)) = poll_once(borrow.as_mut()) else {
        panic!("the loan was lost")
    };
    // The future that made the guard is not needed any more.
    drop(borrow);
    *guard += 1;
    drop(guard);
    assert_eq!(poll_once(loan.as_mut()), Poll::Ready(Ok(2)));
}

fn the_race_of_offer_and_cancelled_borrow<N: AsyncNotifier + BlockingNotifier + 'static>() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<usize, N>::new().into_split();
        let borrowing = thread::spawn(move || {
            let mut taken = 0;
            while taken < rounds(5_000) {
                if let Poll::Ready(guard) = poll_once(pin!(borrower.borrow())) {
                    *guard.unwrap() += 1;
                    taken += 1;
                }
                if let Ok(mut guard) = borrower.borrow_timeout(Duration::ZERO) {
                    *guard += 1;
                    taken += 1;
                }
            }
            taken
        });
        let (mut value, mut loans) = (0, 0);
        while lender.lend_blocking(&mut value).is_ok() {
            loans += 1;
            assert_eq!(value, loans, "each loan was seen, by one borrow");
        }
        assert_eq!(value, borrowing.join().unwrap());
    });
}

// ----- requests that are given up --------------------------------------------------------------------------------

fn try_lend_does_not_hang_on_a_request_that_is_given_up<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    {
        let (woken, waker) = common::Count::new();
        let mut borrow = Box::pin(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        // SAFETY: it completes below.
        let mut loan = pin!(unsafe { lender.try_lend(&mut value) });
        assert!(common::poll_with(loan.as_mut(), &waker).is_pending());
        drop(borrow);
        assert!(woken.get() > 0, "the lender is told");
        // It is taken down at once, not only when the lender comes to look.
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
        assert_eq!(poll_once(loan), Poll::Ready(Err(TryLendError::NotRequested)));
    }
    works_as_ever(&mut lender, &mut borrower);

    // The half goes with its request.
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    // SAFETY: it completes below.
    let mut loan = pin!(unsafe { lender.try_lend(&mut value) });
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(borrow);
    drop(borrower);
    assert_eq!(poll_once(loan), Poll::Ready(Err(TryLendError::Disconnected)));
}

fn try_lend_stands_while_anybody_waits<N: AsyncNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut one) = channel.split();
    let mut two = one.clone();
    let mut value = 1;
    let mut first = Box::pin(one.borrow());
    let mut second = Box::pin(two.borrow());
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(second.as_mut()).is_pending());
    // SAFETY: it completes below.
    let mut loan = pin!(unsafe { lender.try_lend(&mut value) });
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(first);
    assert!(poll_once(loan.as_mut()).is_pending(), "the other one waits");
    drop(second);
    assert_eq!(poll_once(loan), Poll::Ready(Err(TryLendError::NotRequested)));
}

fn try_lend_that_was_taken_is_not_undone_by_others_who_give_up<N: AsyncNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut one) = channel.split();
    let mut two = one.clone();
    let mut value = 1;
    {
        let mut first = Box::pin(one.borrow());
        assert!(poll_once(first.as_mut()).is_pending());
        // SAFETY: it completes below.
        let mut loan = pin!(unsafe { lender.try_lend(&mut value) });
        assert!(poll_once(loan.as_mut()).is_pending());
        let mut guard = two.try_borrow().unwrap();
        drop(first);
        assert!(poll_once(loan.as_mut()).is_pending(), "it is out");
        *guard += 1;
        drop(guard);
        assert_eq!(poll_once(loan), Poll::Ready(Ok(())));
    }
    assert_eq!(value, 2);
}

fn try_lend_blocking_does_not_hang_on_requests_that_are_given_up<N: BlockingNotifier + 'static>() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<usize, N>::new().into_split();
        let borrowing = thread::spawn(move || {
            let mut taken = 0;
            for round in 0..rounds(3_000) as u64 {
                if let Ok(mut guard) = borrower.borrow_timeout(Duration::from_nanos(round % 20_000)) {
                    *guard += 1;
                    taken += 1;
                }
            }
            taken
        });
        let (mut value, mut loans) = (0, 0);
        loop {
            match lender.try_lend_blocking(&mut value) {
                Ok(()) => loans += 1,
                Err(TryLendError::NotRequested) => thread::yield_now(),
                Err(TryLendError::Disconnected) => break,
            }
            assert_eq!(value, loans);
        }
        assert_eq!(value, borrowing.join().unwrap());
    });
}

fn requested_can_be_dropped_at_any_time<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    drop(lender.requested());
    for _ in 0..2 {
        let mut requested = pin!(lender.requested());
        assert!(poll_once(requested.as_mut()).is_pending());
    }
    works_as_ever(&mut lender, &mut borrower);
}

#[test]
fn a_panic_while_the_value_is_out_waits_for_it() {
    // An async function that panics drops its lend future in the unwinding.
    let mut channel = RefMutChannel::<u32>::new();
    let (mut lender, mut borrower) = channel.split();
    let out = AtomicBool::new(false);
    let taken = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = borrower.borrow_blocking().unwrap();
            out.store(true, Ordering::SeqCst);
            taken.wait();
            dawdle();
            out.store(false, Ordering::SeqCst);
            drop(guard);
        });
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let mut loan = pin!(lender.lend_pinned(1));
            assert!(poll_once(loan.as_mut()).is_pending());
            taken.wait();
            panic!("beside the loan");
        }));
        assert!(!out.load(Ordering::SeqCst), "it unwound while the value was out");
        assert_eq!(message(panic.unwrap_err()), "beside the loan");
    });
}

backends!(both:
    dropped_or_withdrawn_before_the_first_poll,
    dropped_or_withdrawn_before_it_is_taken,
    withdrawn_after_it_was_taken,
    dropped_or_withdrawn_after_it_was_returned,
    dropped_while_it_is_out,
    a_shared_loan_dropped_while_it_is_out,
    the_race_of_drop_and_take,
    a_boxed_loan_dropped_while_it_is_out_is_dropped_once_by_the_guard,
    a_shared_box_is_dropped_by_the_last_part,
    a_box_outlives_its_lender,
    a_loan_after_a_handed_over_box_waits_for_its_guard,
    a_box_that_is_not_out_is_dropped_by_the_lender,
    a_borrow_can_be_dropped_at_any_time,
    the_race_of_offer_and_cancelled_borrow,
    try_lend_does_not_hang_on_a_request_that_is_given_up,
    requested_can_be_dropped_at_any_time,
);
backends!(blocking: try_lend_blocking_does_not_hang_on_requests_that_are_given_up);
backends!(many:
    try_lend_stands_while_anybody_waits,
    try_lend_that_was_taken_is_not_undone_by_others_who_give_up,
);
