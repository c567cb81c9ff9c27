//! Destructors of values, and closures given to guards, that panic.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use crate::common::forget;
use ref_channel::notifier::{AsyncNotifier, WakerQueue, WakerSlot};
use ref_channel::{Channel, Exclusive, Guard, Mutability, RefGuard, RefMutGuard, Shared, TryBorrowError};

use crate::tools::*;

/// Its destructor panics, and counts.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        injected_panic();
    }
}

fn destructors<M: Mutability + 'static, N: AsyncNotifier + 'static>() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let bomb = || Bomb(Arc::clone(&dropped));
    let (mut lender, mut borrower) = Channel::<Bomb, M, N>::new().into_split();

    // Dropped before the offer, under it, and after the loan is back.
    assert!(survive(|| drop(lender.lend_pinned(bomb()))).is_none());
    let mut lend = Box::pin(lender.lend_pinned(bomb()));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    assert!(survive(|| drop(lend)).is_none());
    let mut lend = Box::pin(lender.lend_pinned(bomb()));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    drop(borrower.try_borrow().unwrap());
    assert!(survive(|| drop(lend)).is_none());
    assert_eq!(dropped.load(SeqCst), 3);

    // The same for a box.
    let mut lend = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    assert!(survive(|| drop(lend)).is_none());
    assert!(matches!(borrower.try_borrow(), Err(TryBorrowError::NotLent)));
    assert_eq!(dropped.load(SeqCst), 4);

    // Handed over: it panics in the guard's drop, and the loan is over all the same.
    let mut lend = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(lend);
    assert_eq!(dropped.load(SeqCst), 4);
    let mut next = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(next.as_mut(), noop()).is_pending());
    assert!(survive(|| drop(guard)).is_none());
    assert_eq!(dropped.load(SeqCst), 5);
    // The next loan had to wait for that, and arrives now.
    assert!(matches!(borrower.try_borrow(), Err(TryBorrowError::NotLent)));
    assert!(poll(next.as_mut(), noop()).is_pending());
    drop(borrower.try_borrow().unwrap());
    let Poll::Ready(Ok(back)) = poll(next.as_mut(), noop()) else {
        panic!("the loan does not end")
    };
    forget(back);

    // Handed over, and the lender is gone: the guard is the last one to know of the box, and the half of the channel.
    drop(next);
    let mut lend = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(lend);
    drop(lender);
    assert!(survive(|| drop(guard)).is_none());
    assert_eq!(dropped.load(SeqCst), 6);
    assert!(matches!(borrower.try_borrow(), Err(TryBorrowError::Disconnected)));
}

fn destructors_both<N: AsyncNotifier + 'static>() {
    destructors::<Shared, N>();
    destructors::<Exclusive, N>();
}

over! {
    a_destructor_panics: destructors_both over WakerSlot, WakerQueue;
}

#[cfg(feature = "spin")]
over! {
    a_destructor_panics_spin: destructors_both over ref_channel::notifier::Spin;
}

#[cfg(feature = "atomic-waker")]
over! {
    a_destructor_panics_atomic_waker: destructors_both over ref_channel::notifier::AtomicWaker;
}

#[cfg(feature = "event-listener")]
over! {
    a_destructor_panics_event: destructors_both over ref_channel::notifier::Event;
}

/// A loan of `(1, 2)` to `f`, which panics; the value has to come back.
fn lend_to<M: Mutability + 'static>(f: impl FnOnce(Guard<'_, (u32, u32), M, WakerSlot>), expected: (u32, u32)) {
    let (mut lender, mut borrower) = Channel::<(u32, u32), M>::new().into_split();
    for _ in 0..2 {
        let mut lend = pin!(lender.lend_pinned((1, 2)));
        assert!(poll(lend.as_mut(), noop()).is_pending());
        drop(borrower.try_borrow().unwrap());
        assert_eq!(poll(lend.as_mut(), noop()), Poll::Ready(Ok((1, 2))));
    }
    let mut lend = pin!(lender.lend_pinned((1, 2)));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    assert!(survive(|| f(guard)).is_none());
    assert_eq!(poll(lend.as_mut(), noop()), Poll::Ready(Ok(expected)));
}

#[test]
fn a_closure_panics_shared() {
    lend_to::<Shared>(|guard| drop(RefGuard::map(guard, |_| -> &u32 { boom() })), (1, 2));
    lend_to::<Shared>(
        |guard| drop(RefGuard::filter_map(guard, |_| -> Option<&u32> { boom() })),
        (1, 2),
    );
    lend_to::<Shared>(
        |guard| drop(RefGuard::map_split(guard, |_| -> (&u32, &u32) { boom() })),
        (1, 2),
    );
    // With another part out, which is dropped in the same unwinding.
    lend_to::<Shared>(
        |guard| {
            let _other = RefGuard::clone(&guard);
            drop(RefGuard::map(guard, |_| -> &u32 { boom() }));
        },
        (1, 2),
    );
}

#[test]
fn a_closure_panics_exclusive() {
    lend_to::<Exclusive>(
        |guard| {
            drop(RefMutGuard::map(guard, |pair| -> &mut u32 {
                pair.0 = 5;
                boom()
            }));
        },
        (5, 2),
    );
    lend_to::<Exclusive>(
        |guard| drop(RefMutGuard::filter_map(guard, |_| -> Option<&mut u32> { boom() })),
        (1, 2),
    );
    lend_to::<Exclusive>(
        |guard| drop(RefMutGuard::map_split(guard, |_| -> (&mut u32, &mut u32) { boom() })),
        (1, 2),
    );
    lend_to::<Exclusive>(
        |guard| {
            let (_left, right) = RefMutGuard::map_split(guard, |pair| (&mut pair.0, &mut pair.1));
            drop(RefMutGuard::map(right, |right| -> &mut u32 {
                *right = 9;
                boom()
            }));
        },
        (1, 9),
    );
}
