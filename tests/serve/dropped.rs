//! Futures that are dropped while the value is out, and guards that learn of it.

use crate::common::{Counted, backends, no_hang, poll_once, rounds};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, WakerSlot};
use ref_channel::{Guard, RefChannel, RefGuard, RefMutChannel, RefMutGuard, TryBorrowError};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;

/// What becomes of a value: it is dropped once, by the last guard if the future went first.
fn a_dropped_owner_leaves_the_value_to_the_last_guard<N: AsyncNotifier>() {
    let drops = AtomicUsize::new(0);
    for serve in [false, true] {
        for boxed in [false, true] {
            let mut channel = RefChannel::<Counted<'_>, N>::new();
            let (mut lender, mut borrower) = channel.split();
            let value = Counted(&drops);
            let mut loan: Pin<Box<dyn Future<Output = ()> + '_>> = match (serve, boxed) {
                (false, false) => {
                    let lend = lender.lend_owned(value);
                    Box::pin(async move { drop(lend.await) })
                }
                (false, true) => {
                    let lend = lender.lend_boxed(Box::new(value));
                    Box::pin(async move { drop(lend.await) })
                }
                (true, false) => {
                    let serve = lender.serve_owned(value);
                    Box::pin(async move { drop(serve.await) })
                }
                (true, true) => {
                    let serve = lender.serve_boxed(Box::new(value));
                    Box::pin(async move { drop(serve.await) })
                }
            };
            assert!(poll_once(loan.as_mut()).is_pending());
            let guard = borrower.try_borrow().unwrap();
            let (one, two) = RefGuard::map_split(RefGuard::clone(&guard), |value| (value, value));
            drop(loan);
            for guard in [&guard, &one, &two] {
                assert!(Guard::is_recalled(guard), "each part and clone sees it");
            }
            drop((guard, one));
            assert_eq!(drops.load(SeqCst), 0, "a part is left");
            drop(two);
            assert_eq!(drops.swap(0, SeqCst), 1);
            assert_eq!(borrower.try_borrow().err(), Some(TryBorrowError::NotLent));
            // And the lender goes on.
            drop(poll_once(pin!(lender.serve_owned(Counted(&drops)))));
            assert_eq!(drops.swap(0, SeqCst), 1, "dropped with the offer");
        }
    }
}

/// The parts go to other threads, and the last one frees the value there.
fn the_last_part_frees_the_value_on_its_thread<N: AsyncNotifier>() {
    for _ in 0..rounds(50) {
        let drops = AtomicUsize::new(0);
        let mut channel = RefMutChannel::<(Counted<'_>, [u32; 2]), N>::new();
        let (mut lender, mut borrower) = channel.split();
        let mut serve = Box::pin(lender.serve_owned((Counted(&drops), [1, 2])));
        assert!(poll_once(serve.as_mut()).is_pending());
        let (one, two) = RefMutGuard::map_split(borrower.try_borrow().unwrap(), |value| value.1.split_at_mut(1));
        thread::scope(|scope| {
            for mut part in [one, two] {
                scope.spawn(move || part[0] += 1);
            }
            drop(serve);
        });
        assert_eq!(drops.load(SeqCst), 1);
    }
}

/// A destructor that panics does so where the value is dropped, and the channel and the cell can be used again.
fn a_destructor_may_panic<N: AsyncNotifier>() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("the destructor");
            }
        }
    }
    let mut channel = RefMutChannel::<Bomb, N>::new();
    let (mut lender, mut borrower) = channel.split();
    // With the offer, by the future.
    let mut serve = Box::pin(lender.serve_owned(Bomb));
    assert!(poll_once(serve.as_mut()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(serve))).is_err());
    // Out, by the guard.
    let mut serve = Box::pin(lender.serve_owned(Bomb));
    assert!(poll_once(serve.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(serve);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    // And the next one is lent and comes back.
    let mut serve = pin!(lender.serve_owned(Bomb));
    assert!(poll_once(serve.as_mut()).is_pending());
    drop(borrower.try_borrow().unwrap());
    serve.as_mut().withdraw();
    let Poll::Ready(bomb) = poll_once(serve) else {
        panic!("it is back");
    };
    std::mem::forget(bomb);
}

/// A `'static` loan just goes: the guard stays, and the next loan waits for it.
fn a_dropped_static_loan_does_not_block<N: AsyncNotifier>() {
    static TEXT: &str = "static";
    let mut channel = RefChannel::<str, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = Box::pin(lender.lend_static(TEXT));
    assert!(poll_once(lend.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(lend);
    assert!(Guard::is_recalled(&guard));
    assert_eq!(&*guard, TEXT);
    let mut next = pin!(lender.lend_static("next"));
    assert!(poll_once(next.as_mut()).is_pending(), "behind the first one");
    drop(guard);
    assert!(poll_once(next.as_mut()).is_pending(), "on offer");
    assert_eq!(&*borrower.try_borrow().unwrap(), "next");
    assert_eq!(poll_once(next), Poll::Ready(Ok("next")));
}

backends!(both: a_dropped_owner_leaves_the_value_to_the_last_guard, the_last_part_frees_the_value_on_its_thread, a_destructor_may_panic, a_dropped_static_loan_does_not_block);

/// It is set by whatever ends an offer, and gone with the last return.
fn is_recalled_only_while_the_lender_wants_it_back<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    // A loan for once is not recalled by its first return.
    let mut lend = Box::pin(lender.lend_owned(1));
    assert!(poll_once(lend.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    let other = RefGuard::clone(&guard);
    drop(guard);
    assert!(!Guard::is_recalled(&other));
    lend.as_mut().withdraw();
    assert!(Guard::is_recalled(&other));
    let more = RefGuard::clone(&other);
    drop(other);
    assert!(Guard::is_recalled(&more), "a clone of a recalled one");
    drop(more);
    assert_eq!(poll_once(lend.as_mut()), Poll::Ready(Ok(1)));
    drop(lend);
    // The next loan knows nothing of that.
    let mut serve = Box::pin(lender.serve_owned(2));
    assert!(poll_once(serve.as_mut()).is_pending());
    assert!(!Guard::is_recalled(&borrower.try_borrow().unwrap()));
    drop(serve);
    lender.serve_while(&3, |_| assert!(!Guard::is_recalled(&borrower.try_borrow().unwrap())));
    // The lender itself may go.
    let mut serve = Box::pin(lender.serve_owned(2));
    assert!(poll_once(serve.as_mut()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    crate::common::forget(serve);
    assert!(!Guard::is_recalled(&guard));
    drop(lender);
    assert!(Guard::is_recalled(&guard));
}

backends!(both: is_recalled_only_while_the_lender_wants_it_back);

/// Both halves are spawned, the client holds its guard over an `.await`, and the runtime is dropped.
fn shut_down(workers: usize, pairs: usize) {
    no_hang(move || {
        let drops: &'static AtomicUsize = crate::common::leak(AtomicUsize::new(0));
        let runtime = if workers == 0 {
            tokio::runtime::Builder::new_current_thread().build()
        } else {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(workers)
                .build()
        }
        .unwrap();
        let (held, is_held) = mpsc::channel();
        for _ in 0..pairs {
            let (mut lender, mut borrower) = RefMutChannel::<Counted<'static>, WakerSlot>::new().into_split();
            runtime.spawn(async move { drop(lender.serve_owned(Counted(drops)).await) });
            let held = held.clone();
            runtime.spawn(async move {
                let guard = borrower.borrow().await.unwrap();
                held.send(()).unwrap();
                pending::<()>().await;
                drop(guard);
            });
        }
        runtime.block_on(async {
            for _ in 0..pairs {
                while is_held.try_recv().is_err() {
                    tokio::task::yield_now().await;
                }
            }
        });
        drop(runtime);
        assert_eq!(drops.load(SeqCst), pairs, "each value is dropped once");
    });
}

#[cfg(not(miri))]
#[test]
fn a_runtime_of_one_thread_shuts_down() {
    for _ in 0..10 {
        shut_down(0, 1);
    }
    shut_down(0, 100);
}

#[cfg(not(miri))]
#[test]
fn a_runtime_of_many_threads_shuts_down() {
    for workers in [1, 2, 4] {
        for _ in 0..3 {
            shut_down(workers, 1);
        }
        shut_down(workers, 100);
    }
}

/// A timeout around a lend, while the guard is held by a task of the same thread.
#[test]
fn a_timeout_on_one_thread_does_not_hang() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<[u8; 4]>::new().into_split();
        let mut lend = Box::pin(lender.lend_static(crate::common::leak([0; 4])));
        assert!(poll_once(lend.as_mut()).is_pending());
        let guard = borrower.try_borrow().unwrap();
        drop(lend); // as `with_timeout` does
        assert!(Guard::is_recalled(&guard));
    });
}
