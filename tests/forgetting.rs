//! Safe code may forget anything that it has. Nothing dangles, and what can go on goes on.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use common::{Count, backends, dawdle, forget, no_hang, poll_once, poll_with};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier};
use ref_channel::{
    LendError, LendTimeoutError, RefChannel, RefMutBorrower, RefMutChannel, RefMutLender, TryBorrowError, TryLendError,
};

/// The value of a stale loan.
const STALE: u32 = 1000;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Pinned,
    Static,
    Owned,
    Boxed,
}

const KINDS: [Kind; 4] = [Kind::Pinned, Kind::Static, Kind::Owned, Kind::Boxed];

/// Leaves an offer behind.
fn forget_a_loan<N: AsyncNotifier>(kind: Kind, lender: &mut RefMutLender<'_, u32, N>) {
    match kind {
        Kind::Pinned => {
            let mut loan = Box::pin(lender.lend_pinned(STALE));
            assert!(poll_once(loan.as_mut()).is_pending());
            forget(loan);
        }
        Kind::Owned => {
            let mut loan = Box::pin(lender.lend_owned(STALE));
            assert!(poll_once(loan.as_mut()).is_pending());
            forget(loan);
        }
        Kind::Static => {
            let mut loan = Box::pin(lender.lend_static(common::leak(STALE)));
            assert!(poll_once(loan.as_mut()).is_pending());
            forget(loan);
        }
        Kind::Boxed => {
            let mut loan = Box::pin(lender.lend_boxed(Box::new(STALE)));
            assert!(poll_once(loan.as_mut()).is_pending());
            forget(loan);
        }
    }
}

// ----- the stale offer is up -------------------------------------------------------------------------------------

/// Whoever borrows during the next loan gets that, not the stale one.
fn the_next_loan_withdraws_a_stale_offer<N: AsyncNotifier + BlockingNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let mut value = 1;

        forget_a_loan(kind, &mut lender);
        {
            // SAFETY: it completes below.
            let mut next = pin!(unsafe { lender.lend(&mut value) });
            assert!(poll_once(next.as_mut()).is_pending());
            *borrower.try_borrow().unwrap() += 1;
            assert_eq!(poll_once(next), Poll::Ready(Ok(())), "{kind:?}");
        }
        assert_eq!(value, 2);

        forget_a_loan(kind, &mut lender);
        {
            let mut next = pin!(lender.lend_boxed(Box::new(1)));
            assert!(poll_once(next.as_mut()).is_pending());
            *borrower.try_borrow().unwrap() += 1;
            assert_eq!(poll_once(next), Poll::Ready(Ok(Box::new(2))), "{kind:?}");
        }

        // Somebody waits, since before the stale offer.
        {
            let mut early = Box::pin(borrower.borrow());
            assert!(poll_once(early.as_mut()).is_pending());
            forget_a_loan(kind, &mut lender);
            // SAFETY: it completes below.
            let mut next = pin!(unsafe { lender.try_lend(&mut value) });
            assert!(poll_once(next.as_mut()).is_pending());
            let Poll::Ready(Ok(mut guard)) = poll_once(early.as_mut()) else {
                panic!("it is on offer")
            };
            *guard += 1;
            drop(guard);
            assert_eq!(poll_once(next), Poll::Ready(Ok(())), "{kind:?}");
        }
        assert_eq!(value, 3);

        forget_a_loan(kind, &mut lender);
        lender.serve_while(&mut value, |_| *borrower.try_borrow().unwrap() += 1);
        assert_eq!(value, 4, "{kind:?}");

        forget_a_loan(kind, &mut lender);
        assert_eq!(
            lender.lend_timeout(&mut value, Duration::ZERO),
            Err(LendTimeoutError::Timeout)
        );
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent, "{kind:?}");

        forget_a_loan(kind, &mut lender);
        thread::scope(|scope| {
            scope.spawn(move || {
                // It may be so early that it gets the stale one.
                loop {
                    let mut guard = borrower.borrow_blocking().unwrap();
                    if *guard < STALE {
                        *guard += 1;
                        break;
                    }
                }
            });
            lender.lend_blocking(&mut value).unwrap();
        });
        assert_eq!(value, 5, "{kind:?}");
    }
}

fn try_lend_withdraws_a_stale_offer_though_nobody_asks<N: AsyncNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        forget_a_loan(kind, &mut lender);
        let mut value = 1;
        {
            // SAFETY: it completes at once.
            let next = pin!(unsafe { lender.try_lend(&mut value) });
            assert_eq!(poll_once(next), Poll::Ready(Err(TryLendError::NotRequested)));
        }
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent, "{kind:?}");
    }
}

fn try_lend_blocking_withdraws_a_stale_offer_though_nobody_asks<N: AsyncNotifier + BlockingNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        forget_a_loan(kind, &mut lender);
        assert_eq!(lender.try_lend_blocking(&mut 1), Err(TryLendError::NotRequested));
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent, "{kind:?}");
    }
}

fn requested_leaves_a_stale_offer_alone<N: AsyncNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        forget_a_loan(kind, &mut lender);
        let mut requested = pin!(lender.requested());
        assert!(poll_once(requested.as_mut()).is_pending());
        // It can be taken and returned, and that is no request.
        assert_eq!(*borrower.try_borrow().unwrap(), STALE, "{kind:?}");
        assert!(poll_once(requested.as_mut()).is_pending());
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        assert_eq!(poll_once(requested), Poll::Ready(Ok(())));
    }
}

fn the_lenders_drop_withdraws_a_stale_offer<N: AsyncNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        forget_a_loan(kind, &mut lender);
        drop(lender);
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::Disconnected);
    }
}

// ----- the stale loan is out -------------------------------------------------------------------------------------

fn the_next_loan_waits_for_the_guard_of_a_forgotten_one<N: AsyncNotifier + BlockingNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        forget_a_loan(kind, &mut lender);
        let mut guard = borrower.try_borrow().unwrap();
        let mut value = 1;

        assert_eq!(
            lender.lend_timeout(&mut value, Duration::ZERO),
            Err(LendTimeoutError::Timeout)
        );
        assert_eq!(lender.try_lend_blocking(&mut value), Err(TryLendError::NotRequested));
        {
            // SAFETY: it completes at once.
            let next = pin!(unsafe { lender.try_lend(&mut value) });
            assert_eq!(poll_once(next), Poll::Ready(Err(TryLendError::NotRequested)));
        }
        assert!(poll_once(pin!(lender.requested())).is_pending());
        {
            // Dropped before it could begin.
            // SAFETY: it is dropped.
            let mut next = pin!(unsafe { lender.lend(&mut value) });
            assert!(poll_once(next.as_mut()).is_pending());
        }
        {
            // Withdrawn before it could begin.
            let mut next = pin!(lender.lend_pinned(5));
            assert!(poll_once(next.as_mut()).is_pending());
            next.as_mut().withdraw();
            assert_eq!(poll_once(next), Poll::Ready(Err(LendError(5))));
        }
        {
            // Forgotten before it could begin.
            let mut next = Box::pin(lender.lend_pinned(6));
            assert!(poll_once(next.as_mut()).is_pending());
            forget(next);
        }
        {
            let (woken, waker) = Count::new();
            let mut next = pin!(lender.lend_pinned(1));
            assert!(poll_with(next.as_mut(), &waker).is_pending());
            *guard += 1;
            assert_eq!(*guard, STALE + 1, "{kind:?}: it is what it was");
            drop(guard);
            assert!(woken.get() > 0, "the return wakes the next loan");
            assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
            assert!(poll_with(next.as_mut(), &waker).is_pending());
            *borrower.try_borrow().unwrap() += 1;
            assert_eq!(poll_once(next), Poll::Ready(Ok(2)), "{kind:?}");
        }
    }
}

/// Runs `lend` while a thread has the value of a forgotten loan, and then borrows again.
fn while_a_stale_loan_is_out<N: AsyncNotifier + BlockingNotifier>(
    lend: impl Fn(&mut RefMutLender<'_, u32, N>, &mut u32, &AtomicBool),
) {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        forget_a_loan(kind, &mut lender);
        let out = AtomicBool::new(false);
        let taken = Barrier::new(2);
        let mut value = 1;
        thread::scope(|scope| {
            scope.spawn(|| {
                let guard = borrower.borrow_blocking().unwrap();
                assert_eq!(*guard, STALE);
                out.store(true, Ordering::SeqCst);
                taken.wait();
                dawdle();
                out.store(false, Ordering::SeqCst);
                drop(guard);
                *borrower.borrow_blocking().unwrap() += 1;
            });
            taken.wait();
            lend(&mut lender, &mut value, &out);
        });
        assert_eq!(value, 2, "{kind:?}");
    }
}

fn lend_blocking_waits_for_the_guard_of_a_forgotten_loan<N: AsyncNotifier + BlockingNotifier>() {
    while_a_stale_loan_is_out::<N>(|lender, value, _| lender.lend_blocking(value).unwrap());
}

fn lend_timeout_waits_for_the_guard_of_a_forgotten_loan<N: AsyncNotifier + BlockingNotifier>() {
    while_a_stale_loan_is_out::<N>(|lender, value, _| lender.lend_timeout(value, Duration::MAX).unwrap());
}

fn serve_while_waits_for_the_guard_of_a_forgotten_loan_before_its_closure<N: AsyncNotifier + BlockingNotifier>() {
    while_a_stale_loan_is_out::<N>(|lender, value, out| {
        let before = *value;
        lender.serve_while(value, |_| {
            assert!(!out.load(Ordering::SeqCst), "the stale loan was out");
        });
        // The second borrow may not have come in time.
        if *value == before {
            lender.lend_blocking(value).unwrap();
        }
    });
}

fn try_lend_waits_for_the_guard_of_a_forgotten_loan_if_others_ask<N: AsyncNotifier + MultiNotifier>() {
    for kind in KINDS {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut one) = channel.split();
        let mut two = one.clone();
        forget_a_loan(kind, &mut lender);
        let mut value = 1;
        let guard = one.try_borrow().unwrap();
        {
            let mut borrow = Box::pin(two.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            // SAFETY: it completes below.
            let mut next = pin!(unsafe { lender.try_lend(&mut value) });
            assert!(poll_once(next.as_mut()).is_pending(), "it waits for the stale one");
            // The request is given up meanwhile.
            drop(borrow);
            assert_eq!(poll_once(next), Poll::Ready(Err(TryLendError::NotRequested)));
        }
        {
            let mut borrow = Box::pin(two.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            // SAFETY: it completes below.
            let mut next = pin!(unsafe { lender.try_lend(&mut value) });
            assert!(poll_once(next.as_mut()).is_pending());
            drop(guard);
            assert!(poll_once(next.as_mut()).is_pending());
            let Poll::Ready(Ok(mut guard)) = poll_once(borrow.as_mut()) else {
                panic!("it is on offer")
            };
            *guard += 1;
            drop(guard);
            assert_eq!(poll_once(next), Poll::Ready(Ok(())));
        }
        assert_eq!(value, 2, "{kind:?}");
    }
}

// ----- forgotten borrows -----------------------------------------------------------------------------------------

fn forget_a_borrow<N: AsyncNotifier>(borrower: &mut RefMutBorrower<'_, u32, N>) {
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    forget(borrow);
}

fn a_forgotten_borrow_is_repaired_by_the_next<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;

    forget_a_borrow(&mut borrower);
    assert!(lender.is_requested());
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    assert!(!lender.is_requested(), "repaired by `try_borrow`");

    forget_a_borrow(&mut borrower);
    assert!(borrower.borrow_timeout(Duration::ZERO).is_err());
    assert!(!lender.is_requested(), "repaired by `borrow_timeout`");

    forget_a_borrow(&mut borrower);
    forget_a_borrow(&mut borrower);
    {
        // It is polled by another task, so it has to register anew.
        let (woken, waker) = Count::new();
        let mut borrow = Box::pin(borrower.borrow());
        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
        let mut loan = pin!(lender.lend_pinned(1));
        assert!(poll_once(loan.as_mut()).is_pending());
        assert!(woken.get() > 0, "the borrow that waits is woken, not a forgotten one");
        assert!(poll_once(borrow.as_mut()).is_ready());
        assert_eq!(poll_once(loan), Poll::Ready(Ok(1)));
    }
    assert!(!lender.is_requested(), "repaired by `borrow`");

    // The forgotten one was notified, and then the loan is taken by `try_borrow`.
    forget_a_borrow(&mut borrower);
    {
        let mut loan = pin!(lender.lend_pinned(1));
        assert!(poll_once(loan.as_mut()).is_pending());
        drop(borrower.try_borrow().unwrap());
        assert_eq!(poll_once(loan), Poll::Ready(Ok(1)));
    }
    assert!(!lender.is_requested(), "repaired by `try_borrow`");

    forget_a_borrow(&mut borrower);
    thread::scope(|scope| {
        scope.spawn(|| *borrower.borrow_blocking().unwrap() += 1);
        lender.lend_blocking(&mut value).unwrap();
    });
    assert!(!lender.is_requested(), "repaired by `borrow_blocking`");
    assert_eq!(value, 2);

    // A dropped one that was never polled repairs as well.
    forget_a_borrow(&mut borrower);
    drop(borrower.borrow());
    assert!(!lender.is_requested(), "repaired by the drop of a borrow");

    forget_a_borrow(&mut borrower);
    // SAFETY: it completes below.
    let mut loan = pin!(unsafe { lender.try_lend(&mut value) });
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(borrower);
    assert_eq!(
        poll_once(loan),
        Poll::Ready(Err(TryLendError::Disconnected)),
        "repaired by the drop of the half"
    );
}

fn a_forgotten_borrow_of_one_of_many_is_repaired_by_the_drop_of_its_half<N: AsyncNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut one) = channel.split();
    let mut two = one.clone();
    forget_a_borrow(&mut one);
    let (woken, waker) = Count::new();
    let mut borrow = Box::pin(two.borrow());
    assert!(poll_with(borrow.as_mut(), &waker).is_pending());
    let mut loan = pin!(lender.lend_pinned(1));
    assert!(poll_once(loan.as_mut()).is_pending());
    // The wake may have gone to the forgotten one.
    drop(one);
    assert!(woken.get() > 0, "the wake is passed on");
    assert!(poll_once(borrow.as_mut()).is_ready());
    assert_eq!(poll_once(loan), Poll::Ready(Ok(1)));
}

// ----- forgotten guards and halves -------------------------------------------------------------------------------

fn a_forgotten_guard_ends_nothing<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_static(common::leak(1)));
    assert!(poll_once(loan.as_mut()).is_pending());
    forget(borrower.try_borrow().unwrap());
    assert!(poll_once(loan.as_mut()).is_pending());
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    drop(borrower);
    // For all that the lender knows the guard is used still.
    assert!(poll_once(loan.as_mut()).is_pending());
    // To drop the future would block for ever.
    forget(loan);
    assert_eq!(
        lender.lend_timeout(&mut 1, Duration::ZERO),
        Err(LendTimeoutError::Timeout)
    );
}

fn a_forgotten_part_of_a_shared_guard_ends_nothing<N: AsyncNotifier>() {
    let mut channel = RefChannel::<(u32, u32), N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_static(&(1, 2)));
    assert!(poll_once(loan.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    let (one, two) = ref_channel::RefGuard::map_split(guard, |pair| (&pair.0, &pair.1));
    forget(one);
    drop(two);
    assert!(poll_once(loan.as_mut()).is_pending());
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    forget(loan);
}

fn a_box_with_a_forgotten_guard_is_leaked<N: AsyncNotifier>() {
    let drops = std::sync::atomic::AtomicUsize::new(0);
    let mut channel = RefMutChannel::<common::Counted<'_>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut loan = Box::pin(lender.lend_boxed(Box::new(common::Counted(&drops))));
    assert!(poll_once(loan.as_mut()).is_pending());
    forget(borrower.try_borrow().unwrap());
    drop(loan);
    drop((lender, borrower));
    assert_eq!(drops.load(Ordering::SeqCst), 0, "the guard may be somewhere");
}

fn forgotten_halves_tell_nobody<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    {
        let (lender, mut borrower) = channel.split();
        forget(lender);
        assert!(!borrower.is_disconnected());
        assert!(poll_once(pin!(borrower.borrow())).is_pending());
    }
    {
        let (mut lender, borrower) = channel.split();
        forget(borrower);
        assert!(!lender.is_disconnected());
        assert!(poll_once(pin!(lender.lend_pinned(1))).is_pending());
    }
    // The next split starts afresh.
    let (mut lender, mut borrower) = channel.split();
    let mut loan = pin!(lender.lend_pinned(1));
    assert!(poll_once(loan.as_mut()).is_pending());
    drop(borrower.try_borrow().unwrap());
    assert_eq!(poll_once(loan), Poll::Ready(Ok(1)));
    // Owned halves leak the channel.
    let (lender, borrower) = RefMutChannel::<u32, N>::new().into_split();
    forget(lender);
    drop(borrower);
}

fn a_forgotten_requested_does_not_swallow_a_wake<N: AsyncNotifier + BlockingNotifier + 'static>() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        for _ in 0..3 {
            let mut requested = Box::pin(lender.requested());
            assert!(poll_once(requested.as_mut()).is_pending());
            forget(requested);
        }
        {
            let (woken, waker) = Count::new();
            let mut requested = pin!(lender.requested());
            assert!(poll_with(requested.as_mut(), &waker).is_pending());
            let mut borrow = Box::pin(borrower.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            assert!(woken.get() > 0);
            forget(borrow);
        }
        let mut requested = Box::pin(lender.requested());
        assert!(poll_once(requested.as_mut()).is_ready());
        let thread = thread::spawn(move || *borrower.borrow_blocking().unwrap() += 1);
        let mut value = 1;
        drop(requested);
        lender.lend_blocking(&mut value).unwrap();
        assert_eq!(value, 2);
        thread.join().unwrap();
    });
}

backends!(both:
    the_next_loan_withdraws_a_stale_offer,
    try_lend_withdraws_a_stale_offer_though_nobody_asks,
    try_lend_blocking_withdraws_a_stale_offer_though_nobody_asks,
    requested_leaves_a_stale_offer_alone,
    the_lenders_drop_withdraws_a_stale_offer,
    the_next_loan_waits_for_the_guard_of_a_forgotten_one,
    lend_blocking_waits_for_the_guard_of_a_forgotten_loan,
    lend_timeout_waits_for_the_guard_of_a_forgotten_loan,
    serve_while_waits_for_the_guard_of_a_forgotten_loan_before_its_closure,
    a_forgotten_borrow_is_repaired_by_the_next,
    a_forgotten_guard_ends_nothing,
    a_forgotten_part_of_a_shared_guard_ends_nothing,
    a_box_with_a_forgotten_guard_is_leaked,
    forgotten_halves_tell_nobody,
    a_forgotten_requested_does_not_swallow_a_wake,
);
backends!(many:
    try_lend_waits_for_the_guard_of_a_forgotten_loan_if_others_ask,
    a_forgotten_borrow_of_one_of_many_is_repaired_by_the_drop_of_its_half,
);
