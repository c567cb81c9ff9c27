//! What each call does, one row of the contract a test, over every backend that can do it.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use common::{Count, backends, dawdle, message, poll_once, poll_with};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier};
use ref_channel::{
    BorrowError, BorrowTimeoutError, LendError, LendTimeoutError, RefChannel, RefGuard, RefMutChannel, RefMutGuard,
    TryBorrowError, TryLendError,
};

// ----- async lends ---------------------------------------------------------------------------------------------

fn lend_offers_when_polled_and_completes_when_returned<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    {
        // SAFETY: it completes below, or is dropped.
        let mut lend = pin!(unsafe { lender.lend(&mut value) });
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
        assert!(poll_once(lend.as_mut()).is_pending());
        let mut guard = borrower.try_borrow().unwrap();
        assert!(poll_once(lend.as_mut()).is_pending());
        *guard += 1;
        drop(guard);
        assert_eq!(poll_once(lend), Poll::Ready(Ok(())));
    }
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    assert_eq!(value, 2);
}

fn an_exclusive_loan_is_taken_once<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = pin!(lender.lend_pinned(1));
    assert!(poll_once(lend.as_mut()).is_pending());
    drop(borrower.try_borrow().unwrap());
    // The lender has not noticed yet; there is no offer all the same.
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    assert_eq!(poll_once(lend), Poll::Ready(Ok(1)));
}

fn lend_fails_when_every_borrower_is_gone<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, borrower) = channel.split();
    let mut value = 1;
    {
        let (woken, waker) = Count::new();
        // SAFETY: it completes below.
        let mut lend = pin!(unsafe { lender.lend(&mut value) });
        assert!(poll_with(lend.as_mut(), &waker).is_pending());
        drop(borrower);
        assert!(woken.get() > 0, "the lender is told");
        assert_eq!(poll_once(lend), Poll::Ready(Err(LendError(()))));
    }
    assert!(lender.is_disconnected());
    {
        // SAFETY: it completes at once.
        let lend = pin!(unsafe { lender.lend(&mut value) });
        assert_eq!(poll_once(lend), Poll::Ready(Err(LendError(()))));
    }
    {
        // SAFETY: it completes at once.
        let lend = pin!(unsafe { lender.try_lend(&mut value) });
        assert_eq!(poll_once(lend), Poll::Ready(Err(TryLendError::Disconnected)));
    }
    let owned = pollster::block_on(lender.lend_pinned(5));
    assert_eq!(owned, Err(LendError(5)));
    let boxed = pollster::block_on(lender.lend_boxed(Box::new(5)));
    assert_eq!(boxed, Err(LendError(Box::new(5))));
    let leaked = pollster::block_on(lender.lend_static(common::leak(5)));
    assert_eq!(leaked, Err(LendError(&mut 5)));
    assert_eq!(pollster::block_on(lender.requested()), Err(LendError(())));
}

fn a_loan_that_was_returned_is_ok_though_the_borrower_is_gone<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = pin!(lender.lend_pinned(1));
    assert!(poll_once(lend.as_mut()).is_pending());
    *borrower.try_borrow().unwrap() += 1;
    drop(borrower);
    assert_eq!(poll_once(lend), Poll::Ready(Ok(2)));
}

fn values_come_back_from_owned_static_and_boxed<N: AsyncNotifier>() {
    pollster::block_on(async {
        let mut channel = RefMutChannel::<Vec<u32>, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let leaked: &'static mut Vec<u32> = common::leak(Vec::default());
        let (lent, ()) = futures::join!(
            async {
                let owned = lender.lend_pinned(vec![1]).await.unwrap();
                let boxed = lender.lend_boxed(Box::new(vec![1])).await.unwrap();
                let leaked = lender.lend_static(leaked).await.unwrap();
                (owned, *boxed, leaked)
            },
            async {
                for _ in 0..3 {
                    borrower.borrow().await.unwrap().push(2);
                }
            }
        );
        assert_eq!(lent, (vec![1, 2], vec![1, 2], &mut vec![2]));
    });
}

fn try_lend_offers_only_to_who_waits<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    {
        // SAFETY: it completes at once.
        let lend = pin!(unsafe { lender.try_lend(&mut value) });
        assert_eq!(poll_once(lend), Poll::Ready(Err(TryLendError::NotRequested)));
    }
    // "Now" is the first poll, not the call.
    {
        // SAFETY: it completes below.
        let mut lend = pin!(unsafe { lender.try_lend(&mut value) });
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        assert!(poll_once(lend.as_mut()).is_pending());
        let Poll::Ready(guard) = poll_once(borrow) else {
            panic!("it is on offer")
        };
        *guard.unwrap() += 1;
        assert_eq!(poll_once(lend), Poll::Ready(Ok(())));
    }
    assert_eq!(value, 2);
}

fn requested_waits_until_somebody_waits<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    assert!(!lender.is_requested());
    let (woken, waker) = Count::new();
    {
        let mut requested = pin!(lender.requested());
        assert!(poll_with(requested.as_mut(), &waker).is_pending());
        {
            let mut borrow = pin!(borrower.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            assert!(woken.get() > 0, "a request wakes it");
            assert_eq!(poll_with(requested.as_mut(), &waker), Poll::Ready(Ok(())));
        }
    }
    // Given up: nobody waits.
    assert!(!lender.is_requested());
    assert!(poll_once(pin!(lender.requested())).is_pending());
    // The last borrower goes while it waits.
    let mut requested = pin!(lender.requested());
    assert!(poll_once(requested.as_mut()).is_pending());
    drop(borrower);
    assert_eq!(poll_once(requested), Poll::Ready(Err(LendError(()))));
}

fn is_requested_stays_right_after_a_withdraw<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut borrow = pin!(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    {
        let mut lend = pin!(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        lend.as_mut().withdraw();
        assert_eq!(poll_once(lend), Poll::Ready(Err(LendError(1))));
    }
    // An offer answers no request until it is taken.
    assert!(lender.is_requested());
    assert!(poll_once(borrow.as_mut()).is_pending());
    assert!(lender.is_requested());
    {
        let mut lend = pin!(lender.lend_pinned(2));
        assert!(poll_once(lend.as_mut()).is_pending());
        let Poll::Ready(Ok(guard)) = poll_once(borrow) else {
            panic!("it is on offer")
        };
        assert_eq!(*guard, 2);
        drop(guard);
        assert_eq!(poll_once(lend), Poll::Ready(Ok(2)));
    }
    assert!(!lender.is_requested());
}

// ----- borrowing -----------------------------------------------------------------------------------------------

fn borrow_waits_and_is_told_when_the_lender_goes<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (lender, mut borrower) = channel.split();
    assert_eq!(
        borrower.borrow_timeout(Duration::ZERO).unwrap_err(),
        BorrowTimeoutError::Timeout
    );
    assert!(!borrower.is_disconnected());
    {
        let (woken, waker) = Count::new();
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
        drop(lender);
        assert!(woken.get() > 0, "the borrower is told");
        assert_eq!(
            poll_once(borrow).map(|guard| guard.unwrap_err()),
            Poll::Ready(BorrowError)
        );
    }
    assert!(borrower.is_disconnected());
    assert_eq!(borrower.borrow_blocking().unwrap_err(), BorrowError);
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::Disconnected);
    assert_eq!(
        borrower.borrow_timeout(Duration::MAX).unwrap_err(),
        BorrowTimeoutError::Disconnected
    );
}

fn a_blocked_borrower_is_told_when_the_lender_goes<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (lender, mut borrower) = channel.split();
    thread::scope(|scope| {
        let borrowing = scope.spawn(move || borrower.borrow_blocking().map(drop));
        while !lender.is_requested() {
            thread::yield_now();
        }
        drop(lender);
        assert_eq!(borrowing.join().unwrap(), Err(BorrowError));
    });
}

fn a_blocked_lender_is_told_when_the_borrower_goes<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, borrower) = channel.split();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            dawdle();
            drop(borrower);
        });
        start.wait();
        assert_eq!(lender.lend_blocking(&mut 1), Err(LendError(())));
    });
    assert!(lender.is_disconnected());
    assert_eq!(lender.try_lend_blocking(&mut 1), Err(TryLendError::Disconnected));
    assert_eq!(
        lender.lend_timeout(&mut 1, Duration::MAX),
        Err(LendTimeoutError::Disconnected)
    );
    // Nobody is there to take it, and `f` runs all the same.
    assert_eq!(lender.serve_while(&mut 1, |_| 5), 5);
}

fn a_guard_outlives_nothing_but_its_loan<N: BlockingNotifier>() {
    // Dropped in an unwind it returns the value as ever; there is no poison.
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    thread::scope(|scope| {
        let borrowing = scope.spawn(move || {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                *borrower.borrow_blocking().unwrap() += 1;
                let _guard = borrower.borrow_blocking().unwrap();
                panic!("in a loan");
            }));
            assert_eq!(message(unwound.unwrap_err()), "in a loan");
            *borrower.borrow_blocking().unwrap() += 1;
        });
        for _ in 0..3 {
            lender.lend_blocking(&mut value).unwrap();
        }
        borrowing.join().unwrap();
    });
    assert_eq!(value, 3);
}

// ----- blocking lends ------------------------------------------------------------------------------------------

fn try_lend_blocking_lends_to_who_waits<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    assert_eq!(lender.try_lend_blocking(&mut value), Err(TryLendError::NotRequested));
    thread::scope(|scope| {
        scope.spawn(move || *borrower.borrow_blocking().unwrap() += 1);
        while !lender.is_requested() {
            thread::yield_now();
        }
        assert_eq!(lender.try_lend_blocking(&mut value), Ok(()));
    });
    assert_eq!(value, 2);
}

fn serve_while_lends_again_and_again<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 0;
    let result = lender.serve_while(&mut value, |_| {
        for _ in 0..10 {
            *borrower.try_borrow().unwrap() += 1;
            *borrower.borrow_blocking().unwrap() += 1;
        }
        "done"
    });
    assert_eq!((value, result), (20, "done"));
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
}

fn a_shared_serve_while_lends_again_and_again<N: BlockingNotifier>() {
    let mut channel = RefChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&7, |_| {
        for _ in 0..10 {
            let one = borrower.try_borrow().unwrap();
            let two = RefGuard::clone(&one);
            drop(one);
            assert_eq!(*two, 7);
        }
    });
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
}

/// Runs `lend` while another thread has the value, and asserts that it does not come back before the value does.
fn waits_for_the_guard<N: BlockingNotifier>(lend: impl FnOnce(&mut ref_channel::RefMutLender<'_, u32, N>, &Barrier)) {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let (taken, out) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = borrower.borrow_blocking().unwrap();
            out.store(true, Ordering::SeqCst);
            taken.wait();
            dawdle();
            out.store(false, Ordering::SeqCst);
            drop(guard);
        });
        lend(&mut lender, &taken);
        assert!(!out.load(Ordering::SeqCst), "it came back while the value was out");
    });
}

fn serve_while_waits_for_the_guard_after_the_closure<N: BlockingNotifier>() {
    waits_for_the_guard::<N>(|lender, taken| {
        lender.serve_while(&mut 1, |_| taken.wait());
    });
}

fn serve_while_waits_for_the_guard_also_if_the_closure_panics<N: BlockingNotifier>() {
    waits_for_the_guard::<N>(|lender, taken| {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            lender.serve_while(&mut 1, |_| {
                taken.wait();
                panic!("in f");
            })
        }));
        assert_eq!(message(panic.unwrap_err()), "in f");
    });
}

fn lend_timeout_waits_for_the_guard_however_long<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let out = AtomicBool::new(false);
    let asked = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            asked.store(true, Ordering::SeqCst);
            let guard = borrower.borrow_blocking().unwrap();
            out.store(true, Ordering::SeqCst);
            dawdle();
            out.store(false, Ordering::SeqCst);
            drop(guard);
        });
        while !asked.load(Ordering::SeqCst) || !lender.is_requested() {
            thread::yield_now();
        }
        // Until it has been taken in time.
        while lender.lend_timeout(&mut 1, Duration::from_micros(50)) != Ok(()) {
            assert!(!out.load(Ordering::SeqCst), "it came back while the value was out");
        }
        assert!(!out.load(Ordering::SeqCst), "it came back while the value was out");
    });
}

fn timeouts_of_zero_and_of_for_ever<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    assert_eq!(
        lender.lend_timeout(&mut 1, Duration::ZERO),
        Err(LendTimeoutError::Timeout)
    );
    assert_eq!(
        borrower.borrow_timeout(Duration::ZERO).unwrap_err(),
        BorrowTimeoutError::Timeout
    );
    // A borrow that timed out waits no more.
    assert!(!lender.is_requested());
    assert_eq!(lender.try_lend_blocking(&mut 1), Err(TryLendError::NotRequested));
    // No time at all is enough for what is on offer already.
    lender.serve_while(&mut 1, |_| drop(borrower.borrow_timeout(Duration::ZERO).unwrap()));
    let mut value = 1;
    thread::scope(|scope| {
        scope.spawn(move || *borrower.borrow_timeout(Duration::MAX).unwrap() += 1);
        assert_eq!(lender.lend_timeout(&mut value, Duration::MAX), Ok(()));
    });
    assert_eq!(value, 2);
}

fn a_value_that_is_not_send_is_lent_on_one_thread<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<Rc<Cell<u32>>, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let value = Rc::new(Cell::new(1));
    let mut lend = pin!(lender.lend_pinned(value.clone()));
    assert!(poll_once(lend.as_mut()).is_pending());
    borrower.try_borrow().unwrap().set(2);
    assert!(poll_once(lend).is_ready());
    assert_eq!(value.get(), 2);
}

// ----- shared loans --------------------------------------------------------------------------------------------

fn a_shared_loan_admits_until_the_first_guard_is_dropped<N: AsyncNotifier + MultiNotifier>() {
    let mut channel = RefChannel::<str, N>::new();
    let (mut lender, mut one) = channel.split();
    let (mut two, mut three, mut four) = (one.clone(), one.clone(), one.clone());
    let mut lend = pin!(lender.lend_static("shared"));
    assert!(poll_once(lend.as_mut()).is_pending());
    let one = one.try_borrow().unwrap();
    let two = two.try_borrow().unwrap();
    let part = RefGuard::map(RefGuard::clone(&two), |text| &text[1..]);
    assert_eq!((&*one, &*two, &*part), ("shared", "shared", "hared"));
    // A clone counts as the first guard that is dropped.
    drop(RefGuard::clone(&one));
    assert_eq!(three.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    assert_eq!(four.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    drop(one);
    drop(two);
    assert!(poll_once(lend.as_mut()).is_pending(), "a part is out");
    drop(part);
    assert_eq!(poll_once(lend), Poll::Ready(Ok("shared")));
}

fn a_shared_serve_while_is_open_to_all_together<N: BlockingNotifier + MultiNotifier>() {
    let mut channel = RefChannel::<u32, N>::new();
    let (mut lender, borrower) = channel.split();
    let together = Barrier::new(3);
    lender.serve_while(&7, |_| {
        thread::scope(|scope| {
            for _ in 0..3 {
                let mut borrower = borrower.clone();
                let together = &together;
                scope.spawn(move || {
                    for _ in 0..3 {
                        let guard = borrower.borrow_blocking().unwrap();
                        // Passed only if all three have it at the same time.
                        together.wait();
                        assert_eq!(*guard, 7);
                    }
                });
            }
        });
    });
}

// ----- guards --------------------------------------------------------------------------------------------------

fn parts_of_an_exclusive_guard<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<(u32, [u8; 4]), N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = pin!(lender.lend_pinned((1, [0; 4])));
    assert!(poll_once(lend.as_mut()).is_pending());

    let guard = borrower.try_borrow().unwrap();
    let guard = RefMutGuard::filter_map(guard, |_| None::<&mut u32>).unwrap_err();
    let (mut number, bytes) = RefMutGuard::map_split(guard, |pair| (&mut pair.0, &mut pair.1));
    let (mut front, back) = RefMutGuard::map_split(bytes, |bytes| bytes.split_at_mut(1));
    let mut last = RefMutGuard::filter_map(back, |back| back.last_mut()).unwrap();
    *number += 1;
    front[0] = 2;
    *last = 3;
    assert_eq!(
        (format!("{number} {number:?}"), format!("{front:?}")),
        ("2 2".into(), "[2]".into())
    );
    drop(number);
    assert!(poll_once(lend.as_mut()).is_pending(), "two parts are out");
    drop(last);
    assert!(poll_once(lend.as_mut()).is_pending(), "a part is out");
    drop(front);
    assert_eq!(poll_once(lend), Poll::Ready(Ok((2, [2, 0, 0, 3]))));
}

fn parts_of_a_shared_guard<N: AsyncNotifier>() {
    let mut channel = RefChannel::<(u32, String), N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = pin!(lender.lend_pinned((1, "text".into())));
    assert!(poll_once(lend.as_mut()).is_pending());
    let whole = borrower.try_borrow().unwrap();
    let again = RefGuard::filter_map(RefGuard::clone(&whole), |_| None::<&u32>).unwrap_err();
    let (number, text) = RefGuard::map_split(again, |pair| (&pair.0, pair.1.as_str()));
    let x = RefGuard::filter_map(RefGuard::clone(&text), |text| text.get(2..3)).unwrap();
    drop((whole, text));
    assert!(poll_once(lend.as_mut()).is_pending());
    assert_eq!((*number, &*x), (1, "x"));
    drop(number);
    assert!(poll_once(lend.as_mut()).is_pending(), "a part is out");
    drop(x);
    assert_eq!(poll_once(lend), Poll::Ready(Ok((1, "text".into()))));
}

fn a_panic_in_map_ends_the_loan<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    for kind in 0..3 {
        let mut lend = pin!(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        let guard = borrower.try_borrow().unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| match kind {
            0 => drop(RefMutGuard::map(guard, |_| -> &mut u32 { panic!("map") })),
            1 => drop(RefMutGuard::filter_map(guard, |_| -> Option<&mut u32> {
                panic!("map")
            })),
            _ => drop(RefMutGuard::map_split(guard, |_| -> (&mut u32, &mut u32) {
                panic!("map")
            })),
        }));
        assert_eq!(message(panic.unwrap_err()), "map");
        assert_eq!(poll_once(lend), Poll::Ready(Ok(1)));
    }
}

// ----- run_blocking --------------------------------------------------------------------------------------------

type Job = dyn FnMut() + Send;

fn run_blocking_runs_on_the_borrowers_thread<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<Job, N>::new().into_split();
    let worker = thread::spawn(move || {
        while let Ok(mut job) = borrower.borrow_blocking() {
            job();
        }
    });
    let mut numbers = vec![1, 2, 3];
    let moved = String::from("moved");
    let (id, text) = lender
        .run_blocking(|| {
            numbers.push(4);
            (thread::current().id(), moved)
        })
        .unwrap();
    assert_eq!((id, text.as_str()), (worker.thread().id(), "moved"));
    assert_eq!(numbers, [1, 2, 3, 4]);

    // A panic comes out here, and the worker does not notice.
    let panic = catch_unwind(AssertUnwindSafe(|| lender.run_blocking(|| panic!("in the job"))));
    assert_eq!(message(panic.unwrap_err()), "in the job");
    assert_eq!(lender.run_blocking(|| 5).unwrap(), 5);
    drop(lender);
    worker.join().unwrap();
}

fn run_blocking_gives_back_a_closure_that_nobody_called<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<Job, N>::new().into_split();
    let worker = thread::spawn(move || {
        drop(borrower.borrow_blocking().unwrap()); // not called
        let mut job = borrower.borrow_blocking().unwrap();
        job();
        job(); // the second call does nothing
    });
    let calls = AtomicUsize::new(0);
    let f = || calls.fetch_add(1, Ordering::SeqCst);
    let f = lender.run_blocking(f).unwrap_err().into_inner();
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(lender.run_blocking(f).unwrap(), 0);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    worker.join().unwrap();
    // The borrower is gone.
    let text = String::from("kept");
    let f = lender.run_blocking(move || text).unwrap_err().into_inner();
    assert_eq!(f(), "kept");
}

// ----- splitting -----------------------------------------------------------------------------------------------

fn split_starts_afresh<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    {
        // Everything that can be left behind: a stale offer, a request, a guard, both halves.
        let (mut lender, mut borrower) = channel.split();
        let mut borrow = Box::pin(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        common::forget(borrow);
        let mut lend = Box::pin(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        common::forget(lend);
        common::forget(borrower.try_borrow().unwrap());
        common::forget((lender, borrower));
    }
    for _ in 0..2 {
        let (mut lender, mut borrower) = channel.split();
        assert!(!lender.is_requested() && !lender.is_disconnected() && !borrower.is_disconnected());
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
        let mut value = 1;
        lender.serve_while(&mut value, |_| *borrower.try_borrow().unwrap() += 1);
        assert_eq!(value, 2);
    }
}

#[test]
fn try_split_of_a_static() {
    static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();
    for _ in 0..2 {
        let (mut lender, mut borrower) = CHANNEL.try_split().unwrap();
        assert!(CHANNEL.try_split().is_none());
        let mut value = 1;
        lender.serve_while(&mut value, |_| *borrower.try_borrow().unwrap() += 1);
        assert_eq!(value, 2);
        drop(lender);
        assert!(CHANNEL.try_split().is_none(), "a half is out");
        drop(borrower);
    }
    // The other order.
    let (lender, borrower) = CHANNEL.try_split().unwrap();
    drop(borrower);
    assert!(CHANNEL.try_split().is_none(), "a half is out");
    drop(lender);
    assert!(CHANNEL.try_split().is_some());
}

#[test]
fn try_split_of_a_static_with_a_forgotten_guard() {
    static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();
    let (mut lender, mut borrower) = CHANNEL.try_split().unwrap();
    let mut lend = Box::pin(lender.lend_pinned(1));
    assert!(poll_once(lend.as_mut()).is_pending());
    common::forget(borrower.try_borrow().unwrap());
    common::forget(lend);
    drop((lender, borrower));
    assert!(CHANNEL.try_split().is_none(), "a guard points into that loan");
    assert!(CHANNEL.try_split().is_none(), "for ever");
}

#[test]
fn try_split_of_a_static_with_a_forgotten_half() {
    static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();
    let (lender, borrower) = CHANNEL.try_split().unwrap();
    common::forget(borrower);
    drop(lender);
    assert!(CHANNEL.try_split().is_none());
}

fn owned_halves_cross_threads_in_either_order<N: BlockingNotifier + 'static>() {
    for lender_first in [false, true] {
        let (mut lender, mut borrower) = RefMutChannel::<Vec<u8>, N>::new().into_split();
        let thread = thread::spawn(move || {
            borrower.borrow_blocking().unwrap().push(1);
            if lender_first {
                assert_eq!(borrower.borrow_blocking().unwrap_err(), BorrowError);
            }
        });
        let mut value = vec![];
        lender.lend_blocking(&mut value).unwrap();
        if !lender_first {
            assert_eq!(lender.lend_blocking(&mut value), Err(LendError(())));
        }
        drop(lender);
        thread.join().unwrap();
        assert_eq!(value, [1]);
    }
}

fn halves_of_a_borrowed_value_type<N: BlockingNotifier>() {
    // `T` with a lifetime of its own, shorter than the halves' owner: `&mut U` lent by value.
    let mut text = String::from("a");
    {
        let mut channel = RefMutChannel::<&mut String, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let mut reference = &mut text;
        lender.serve_while(&mut reference, |_| borrower.try_borrow().unwrap().push('b'));
    }
    assert_eq!(text, "ab");
}

// ----- many borrowers ------------------------------------------------------------------------------------------

fn cloned_borrowers_get_one_exclusive_loan_each<N: BlockingNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<usize, N>::new();
    let (mut lender, borrower) = channel.split();
    let each = common::rounds(2_000);
    let mut value = 0;
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut borrower = borrower.clone();
            scope.spawn(move || {
                for _ in 0..each {
                    *borrower.borrow_blocking().unwrap() += 1;
                }
            });
        }
        drop(borrower);
        let mut loans = 0;
        while lender.lend_blocking(&mut value).is_ok() {
            loans += 1;
            assert_eq!(value, loans, "one borrower a loan");
        }
    });
    assert_eq!(value, 4 * each);
}

fn an_open_exclusive_loan_goes_from_borrower_to_borrower<N: BlockingNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<usize, N>::new();
    let (mut lender, borrower) = channel.split();
    let each = common::rounds(2_000);
    let mut value = 0;
    lender.serve_while(&mut value, |_| {
        thread::scope(|scope| {
            for _ in 0..4 {
                let mut borrower = borrower.clone();
                scope.spawn(move || {
                    for _ in 0..each {
                        *borrower.borrow_blocking().unwrap() += 1;
                    }
                });
            }
        });
    });
    assert_eq!(value, 4 * each);
}

fn a_wake_is_passed_on_when_the_woken_one_is_cancelled<N: AsyncNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut one) = channel.split();
    let mut two = one.clone();
    let (woken, waker) = [Count::new(), Count::new()].into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    let mut first = Box::pin(one.borrow());
    let mut second = Box::pin(two.borrow());
    assert!(poll_with(first.as_mut(), &waker[0]).is_pending());
    assert!(poll_with(second.as_mut(), &waker[1]).is_pending());
    let before = [woken[0].get(), woken[1].get()];
    let mut lend = pin!(lender.lend_pinned(1));
    assert!(poll_once(lend.as_mut()).is_pending());
    // Whoever was woken gives up; then the other one is woken. (`Spin` had woken both from the start.)
    if woken[0].get() > before[0] || before[0] > 0 {
        drop(first);
        assert!(woken[1].get() > before[1] || before[1] > 0, "the wake is passed on");
        assert!(poll_once(second.as_mut()).is_ready());
    } else {
        drop(second);
        assert!(woken[0].get() > before[0], "the wake is passed on");
        assert!(poll_once(first.as_mut()).is_ready());
    }
    assert_eq!(poll_once(lend), Poll::Ready(Ok(1)));
}

fn the_lender_is_told_by_the_last_of_many_borrowers<N: AsyncNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, one) = channel.split();
    let two = one.clone();
    let mut lend = pin!(lender.lend_pinned(1));
    assert!(poll_once(lend.as_mut()).is_pending());
    drop(one);
    assert!(poll_once(lend.as_mut()).is_pending());
    let three = two.clone();
    drop(two);
    assert!(poll_once(lend.as_mut()).is_pending());
    drop(three);
    assert_eq!(poll_once(lend), Poll::Ready(Err(LendError(1))));
}

fn every_borrower_is_told_when_the_lender_goes<N: BlockingNotifier + MultiNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (lender, borrower) = channel.split();
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut borrower = borrower.clone();
            scope.spawn(move || assert_eq!(borrower.borrow_blocking().unwrap_err(), BorrowError));
        }
        while !lender.is_requested() {
            thread::yield_now();
        }
        drop(lender);
    });
}

backends!(both:
    lend_offers_when_polled_and_completes_when_returned,
    an_exclusive_loan_is_taken_once,
    lend_fails_when_every_borrower_is_gone,
    a_loan_that_was_returned_is_ok_though_the_borrower_is_gone,
    values_come_back_from_owned_static_and_boxed,
    try_lend_offers_only_to_who_waits,
    requested_waits_until_somebody_waits,
    is_requested_stays_right_after_a_withdraw,
    borrow_waits_and_is_told_when_the_lender_goes,
    a_value_that_is_not_send_is_lent_on_one_thread,
    parts_of_an_exclusive_guard,
    parts_of_a_shared_guard,
    a_panic_in_map_ends_the_loan,
    split_starts_afresh,
);
backends!(blocking:
    a_blocked_borrower_is_told_when_the_lender_goes,
    a_blocked_lender_is_told_when_the_borrower_goes,
    a_guard_outlives_nothing_but_its_loan,
    try_lend_blocking_lends_to_who_waits,
    serve_while_lends_again_and_again,
    a_shared_serve_while_lends_again_and_again,
    serve_while_waits_for_the_guard_after_the_closure,
    serve_while_waits_for_the_guard_also_if_the_closure_panics,
    lend_timeout_waits_for_the_guard_however_long,
    timeouts_of_zero_and_of_for_ever,
    run_blocking_runs_on_the_borrowers_thread,
    run_blocking_gives_back_a_closure_that_nobody_called,
    owned_halves_cross_threads_in_either_order,
    halves_of_a_borrowed_value_type,
);
backends!(many:
    a_shared_loan_admits_until_the_first_guard_is_dropped,
    a_shared_serve_while_is_open_to_all_together,
    cloned_borrowers_get_one_exclusive_loan_each,
    an_open_exclusive_loan_goes_from_borrower_to_borrower,
    a_wake_is_passed_on_when_the_woken_one_is_cancelled,
    the_lender_is_told_by_the_last_of_many_borrowers,
    every_borrower_is_told_when_the_lender_goes,
);
