//! The steps of a loan and nothing else, written out for this one pair of tasks: four read-modify-writes of a word, two
//! wakes by reference of a waker that is compared at each wait, a pointer that is written and read. No cancellation, no
//! second case of anything, no future that could be dropped or forgotten. It shows what all of that costs in ours.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

use crate::pairs::Pair;

const OFFERED: usize = 1;
const TAKEN: usize = 2;
const LENDER_WAITS: usize = 4;
const BORROWER_WAITS: usize = 8;

/// The pair.
pub struct ByHand;

struct Bare {
    word: AtomicUsize,
    value: AtomicPtr<u64>,
    /// Set once: a task keeps its waker on the executors that this is for.
    lender: OnceLock<Waker>,
    borrower: OnceLock<Waker>,
}

impl Bare {
    /// One step, if the word is as it has to be.
    fn step(&self, is_due: impl Fn(usize) -> bool, next: impl Fn(usize) -> usize) -> Option<usize> {
        let word = self.word.load(Ordering::Acquire);
        let is_done = is_due(word)
            && self
                .word
                .compare_exchange(word, next(word), Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        is_done.then_some(word)
    }
}

fn is_kept(place: &OnceLock<Waker>, waker: &Waker) -> bool {
    place.get_or_init(|| waker.clone()).will_wake(waker)
}

fn wake(place: &OnceLock<Waker>) {
    if let Some(waker) = place.get() {
        waker.wake_by_ref();
    }
}

impl Pair for ByHand {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let bare = Arc::new(Bare {
            word: AtomicUsize::new(0),
            value: AtomicPtr::default(),
            lender: OnceLock::new(),
            borrower: OnceLock::new(),
        });
        let (at_lender, at_borrower) = (bare.clone(), bare);
        let lend = async move {
            let bare = at_lender;
            let mut value = 0;
            for _ in 0..rounds {
                let mut is_offered = false;
                poll_fn(|cx| {
                    if is_offered {
                        let word = bare.word.load(Ordering::Acquire);
                        return if word & (OFFERED | TAKEN) == 0 {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        };
                    }
                    assert!(is_kept(&bare.lender, cx.waker()));
                    bare.value.store(&raw mut value, Ordering::Relaxed);
                    let before = bare.step(
                        |word| word & (OFFERED | TAKEN) == 0,
                        |word| word & !BORROWER_WAITS | OFFERED | LENDER_WAITS,
                    );
                    // The borrower may have begun to wait just now.
                    let Some(before) = before else {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    };
                    is_offered = true;
                    if before & BORROWER_WAITS != 0 {
                        wake(&bare.borrower);
                    }
                    Poll::Pending
                })
                .await;
            }
            assert_eq!(value, rounds);
        };
        let borrow = async move {
            let bare = at_borrower;
            for _ in 0..rounds {
                poll_fn(|cx| {
                    if bare
                        .step(
                            |word| word & OFFERED != 0,
                            |word| word & !(OFFERED | BORROWER_WAITS) | TAKEN,
                        )
                        .is_some()
                    {
                        // SAFETY: the lender waits until the word says that it is back.
                        unsafe { *bare.value.load(Ordering::Relaxed) += 1 };
                        let before = bare.step(|word| word & TAKEN != 0, |word| word & !(TAKEN | LENDER_WAITS));
                        if before.is_none_or(|before| before & LENDER_WAITS != 0) {
                            wake(&bare.lender);
                        }
                        return Poll::Ready(());
                    }
                    assert!(is_kept(&bare.borrower, cx.waker()));
                    if bare
                        .step(|word| word & OFFERED == 0, |word| word | BORROWER_WAITS)
                        .is_none()
                    {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                })
                .await;
            }
        };
        (lend, borrow)
    }
}
