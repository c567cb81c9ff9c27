//! The blocking serves.

use crate::common::{backends, dawdle, poll_once, rounds};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier};
use ref_channel::{Guard, RefMutChannel, ServeTimeoutError, TryLendError};
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// Everyone gone, or the deadline; after which nobody is let in, and a guard that is out is waited for and told.
fn serve_timeout_waits_for_guards_and_tells_them<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    assert_eq!(lender.serve_timeout(&mut value, Duration::ZERO), Err(ServeTimeoutError));
    let (out, is_out) = (AtomicBool::new(false), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            is_out.wait();
            {
                let mut guard = borrower.borrow_blocking().unwrap();
                out.store(true, SeqCst);
                // Longer than the deadline, which is seen by this.
                while !Guard::is_recalled(&guard) {
                    thread::yield_now();
                }
                *guard += 1;
                out.store(false, SeqCst);
            }
            drop(borrower);
        });
        is_out.wait();
        while let Err(ServeTimeoutError) = lender.serve_timeout(&mut value, Duration::from_millis(5)) {
            assert!(!out.load(SeqCst), "it let go of a value that was out");
        }
    });
    assert_eq!(value, 2);
    assert_eq!(
        lender.serve_timeout(&mut value, Duration::MAX),
        Ok(()),
        "nobody is left"
    );
    lender.serve_blocking(&mut value);
}

/// Whoever waits is served, and whoever joins them, and then it ends, without the deadline.
fn try_serve_timeout_ends_when_nobody_waits<N: BlockingNotifier + AsyncNotifier + MultiNotifier>() {
    let (mut lender, borrower) = RefMutChannel::<u32, N>::new().into_split();
    let mut value = 0;
    assert_eq!(
        lender.try_serve_timeout(&mut value, Duration::MAX),
        Err(TryLendError::NotRequested)
    );
    let served = thread::scope(|scope| {
        for _ in 0..3 {
            let mut borrower = borrower.clone();
            scope.spawn(move || {
                for _ in 0..rounds(100) {
                    *borrower.borrow_blocking().unwrap() += 1;
                }
            });
        }
        drop(borrower);
        let mut served = 0;
        loop {
            match lender.try_serve_timeout(&mut value, Duration::MAX) {
                Ok(()) => served += 1,
                Err(TryLendError::NotRequested) => thread::yield_now(),
                Err(TryLendError::Disconnected) => return served,
            }
        }
    });
    assert!(served > 0);
    assert_eq!(value as usize, 3 * rounds(100));
}

/// Those who waited give up before they take it: nobody was served. After a loan it is another matter.
fn try_serve_timeout_tells_whether_anybody_was_served<N: BlockingNotifier + AsyncNotifier + MultiNotifier>() {
    for served in [false, true] {
        let (mut lender, mut one) = RefMutChannel::<u32, N>::new().into_split();
        let mut two = one.clone();
        let (go, gone) = (Barrier::new(2), AtomicBool::new(false));
        let outcome = thread::scope(|scope| {
            scope.spawn(|| {
                let mut first = Box::pin(one.borrow());
                let mut second = Box::pin(two.borrow());
                assert!(poll_once(first.as_mut()).is_pending());
                assert!(poll_once(second.as_mut()).is_pending());
                go.wait();
                if served {
                    loop {
                        if let Poll::Ready(guard) = poll_once(first.as_mut()) {
                            *guard.unwrap() += 1;
                            break;
                        }
                        thread::yield_now();
                    }
                } else {
                    // Until it is on offer, and both have been told or not.
                    dawdle();
                    drop(first);
                }
                gone.store(true, SeqCst);
                drop(second);
            });
            go.wait();
            lender.try_serve_timeout(&mut 0, Duration::MAX)
        });
        assert!(gone.load(SeqCst));
        assert_eq!(
            outcome,
            if served {
                Ok(())
            } else {
                Err(TryLendError::NotRequested)
            }
        );
    }
}

/// At the deadline it ends, also if somebody waits: the frame goes on.
fn try_serve_timeout_ends_at_the_deadline<N: BlockingNotifier + AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    {
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        assert_eq!(
            lender.try_serve_timeout(&mut 0, Duration::from_millis(1)),
            Err(TryLendError::NotRequested),
            "nobody took it in time"
        );
        assert!(lender.is_requested());
    }
    drop(borrower);
    assert_eq!(
        lender.try_serve_timeout(&mut 0, Duration::MAX),
        Err(TryLendError::Disconnected)
    );
}

/// What `serve_while` tells its closure.
fn serving_tells_what_goes_on<N: BlockingNotifier + AsyncNotifier + MultiNotifier>() {
    let (mut lender, mut one) = RefMutChannel::<u32, N>::new().into_split();
    let mut two = one.clone();
    let sum = lender.serve_while(&mut 1, |serving| {
        assert_eq!(
            (serving.requests(), serving.is_requested(), serving.is_borrowed()),
            (0, false, false)
        );
        let guard = one.try_borrow().unwrap();
        assert!(serving.is_borrowed());
        let mut borrow = Box::pin(two.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        assert_eq!((serving.requests(), serving.is_requested()), (1, true));
        drop(guard);
        let Poll::Ready(guard) = poll_once(borrow.as_mut()) else {
            panic!("it was woken");
        };
        let sum = *guard.unwrap() + 1;
        drop(borrow);
        assert_eq!(
            (serving.requests(), serving.is_borrowed(), serving.is_disconnected()),
            (0, false, false)
        );
        drop((one, two));
        assert!(serving.is_disconnected());
        sum
    });
    assert_eq!(sum, 2);
}

backends!(blocking: serve_timeout_waits_for_guards_and_tells_them);
backends!(both: try_serve_timeout_ends_at_the_deadline);
backends!(many: try_serve_timeout_ends_when_nobody_waits, try_serve_timeout_tells_whether_anybody_was_served, serving_tells_what_goes_on);
