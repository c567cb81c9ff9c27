//! The steps of a loan and nothing else, written out for this one pair of tasks of one thread: four read-modify-writes of
//! a word, two wakes by reference of a waker that is compared at each wait, a pointer that is written and read. No
//! cancellation, no second case of anything, nothing that could be dropped or forgotten. What it takes longer than the floor
//! no channel can do without; what ours takes longer is what all of that costs.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use crate::pairs::LocalPair;

const OFFERED: usize = 1;
const TAKEN: usize = 2;
const LENDER_WAITS: usize = 4;
const BORROWER_WAITS: usize = 8;

/// The pair.
pub struct ByHand;

struct Bare {
    word: AtomicUsize,
    value: Cell<*mut u64>,
    /// Whom to wake: set once, for a task keeps its waker on these executors.
    lender: Place,
    borrower: Place,
}

#[derive(Default)]
struct Place(std::cell::OnceCell<Waker>);

impl Place {
    #[inline(always)]
    fn register(&self, waker: &Waker) {
        assert!(self.0.get_or_init(|| waker.clone()).will_wake(waker));
    }

    #[inline(always)]
    fn wake(&self) {
        if let Some(waker) = self.0.get() {
            waker.wake_by_ref();
        }
    }
}

impl Bare {
    /// One step, which on one thread is never in vain, and what was before.
    #[inline(always)]
    fn step(&self, next: impl FnOnce(usize) -> usize) -> usize {
        let word = self.word.load(Ordering::Acquire);
        let step = self
            .word
            .compare_exchange(word, next(word), Ordering::AcqRel, Ordering::Acquire);
        assert!(step.is_ok());
        word
    }
}

struct Lend<'a> {
    bare: &'a Bare,
    value: *mut u64,
    offered: bool,
}

impl Future for Lend<'_> {
    type Output = ();

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let bare = self.bare;
        if self.offered {
            let word = bare.word.load(Ordering::Acquire);
            return if word & (OFFERED | TAKEN) == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        bare.lender.register(cx.waker());
        bare.value.set(self.value);
        let before = bare.step(|word| word & !BORROWER_WAITS | OFFERED | LENDER_WAITS);
        self.offered = true;
        if before & BORROWER_WAITS != 0 {
            bare.borrower.wake();
        }
        Poll::Pending
    }
}

struct Borrow<'a>(&'a Bare);

impl<'a> Future for Borrow<'a> {
    type Output = Guard<'a>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<'a>> {
        let bare = self.0;
        if bare.word.load(Ordering::Acquire) & OFFERED != 0 {
            bare.step(|word| word & !(OFFERED | BORROWER_WAITS) | TAKEN);
            return Poll::Ready(Guard(bare));
        }
        bare.borrower.register(cx.waker());
        bare.step(|word| word | BORROWER_WAITS);
        Poll::Pending
    }
}

struct Guard<'a>(&'a Bare);

impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let before = self.0.step(|word| word & !(TAKEN | LENDER_WAITS));
        if before & LENDER_WAITS != 0 {
            self.0.lender.wake();
        }
    }
}

impl LocalPair for ByHand {
    fn local_tasks(rounds: u64) -> (impl Future<Output = ()> + 'static, impl Future<Output = ()> + 'static) {
        let bare = Rc::new(Bare {
            word: AtomicUsize::new(0),
            value: Cell::new(ptr::null_mut()),
            lender: Place::default(),
            borrower: Place::default(),
        });
        let (at_lender, at_borrower) = (bare.clone(), bare);
        let lend = async move {
            let mut value = 0;
            for _ in 0..rounds {
                Lend {
                    bare: &at_lender,
                    value: &raw mut value,
                    offered: false,
                }
                .await;
            }
            assert_eq!(value, rounds);
        };
        let borrow = async move {
            for _ in 0..rounds {
                let guard = Borrow(&at_borrower).await;
                // SAFETY: the lender waits until the guard is dropped.
                unsafe { *guard.0.value.get() += 1 };
            }
        };
        (lend, borrow)
    }
}
