//! Loans that end with another future.

use crate::common::{backends, no_hang, poll_once};
use ref_channel::notifier::AsyncNotifier;
use ref_channel::{Guard, RefMutChannel};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;

/// `until` withdraws, goes on to the end, and gives the value back.
fn until_ends_a_loan_that_is_out<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let stop = AtomicBool::new(false);
    let stopped = std::future::poll_fn(|_| {
        if stop.load(SeqCst) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let mut serve = Box::pin(lender.serve_owned(1).until(stopped));
    assert!(poll_once(serve.as_mut()).is_pending());
    let mut guard = borrower.try_borrow().unwrap();
    stop.store(true, SeqCst);
    assert!(poll_once(serve.as_mut()).is_pending(), "it is out");
    assert!(Guard::is_recalled(&guard));
    *guard += 1;
    drop(guard);
    assert_eq!(poll_once(serve.as_mut()), Poll::Ready(2));
    drop(serve);
    // A loan that nobody takes.
    assert_eq!(
        poll_once(pin!(lender.lend_owned(1).until(async {}))).map(|lent| lent.unwrap_err().0),
        Poll::Ready(1)
    );
    // A loan that ends by itself does not wait for the other future.
    drop(borrower);
    assert_eq!(
        poll_once(pin!(lender.serve_owned(1).until(pending::<()>()))),
        Poll::Ready(1)
    );
}

/// The work of a `during` holds a guard over an `.await`, and all is dropped on this very thread: the work goes first, so not
/// even a loan that would block does.
fn a_during_is_dropped_without_blocking<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (mut lender, mut borrower) = channel.split();
        let held = AtomicBool::new(false);
        let mut value = 1;
        {
            let work = async {
                let _guard = borrower.borrow().await.unwrap();
                held.store(true, SeqCst);
                pending::<()>().await
            };
            // SAFETY: it is dropped.
            let mut both = Box::pin(unsafe { lender.serve(&mut value) }.during(work));
            while !held.load(SeqCst) {
                assert!(poll_once(both.as_mut()).is_pending());
            }
            drop(both);
        }
        value += 1;
        assert_eq!(value, 2);
    });
}

/// The output is that of both, whichever ends first.
fn during_gives_the_outputs_of_both<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let work = async {
        for _ in 0..3 {
            *borrower.borrow().await.unwrap() += 1;
        }
        "work"
    };
    assert_eq!(pollster::block_on(lender.serve_owned(1).during(work)), (4, "work"));

    // The loan ends first: the last borrower goes while the work goes on.
    let go_on = AtomicBool::new(false);
    let mut borrower = Some(borrower);
    let work = std::future::poll_fn(|_| {
        drop(borrower.take());
        if go_on.load(SeqCst) {
            Poll::Ready("work")
        } else {
            Poll::Pending
        }
    });
    let mut both = pin!(lender.serve_owned(1).during(work));
    assert!(poll_once(both.as_mut()).is_pending());
    assert!(poll_once(both.as_mut()).is_pending());
    go_on.store(true, SeqCst);
    assert_eq!(poll_once(both), Poll::Ready((1, "work")));
}

/// Cancelled or unwound by a sibling while the value is out, in either order of the branches.
fn a_join_is_dropped_in_any_order<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        for lend_first in [false, true] {
            let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
            let lend = async move {
                lender.serve_owned(1).await;
            };
            let work = async move {
                let _guard = borrower.borrow().await.unwrap();
                pending::<()>().await
            };
            let mut branches: [Pin<Box<dyn Future<Output = ()>>>; 2] = if lend_first {
                [Box::pin(lend), Box::pin(work)]
            } else {
                [Box::pin(work), Box::pin(lend)]
            };
            for _ in 0..3 {
                for branch in &mut branches {
                    assert!(poll_once(branch.as_mut()).is_pending());
                }
            }
            drop(branches);
        }
    });
}

backends!(both: until_ends_a_loan_that_is_out, a_during_is_dropped_without_blocking, during_gives_the_outputs_of_both, a_join_is_dropped_in_any_order);
