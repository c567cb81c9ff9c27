//! The published design, faults and all, to show that models of this kind do fail.
//!
//! It is the flags RECEIVING and LENT, a pointer (here loom's cell stands for the value that is lent), and two
//! wakers. Each model below is one of its faults, by the numbers of the design notes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::task::{Context, Poll};

use loom::cell::UnsafeCell;
use loom::future::AtomicWaker;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use crate::common::{Flag, block_on, model, poll_once};

const RECEIVING: usize = 1;
const LENT: usize = 2;

#[derive(Default)]
struct Published {
    state: AtomicUsize,
    lender: AtomicWaker,
    borrower: AtomicWaker,
    /// Stands for what the published pointer points to.
    value: UnsafeCell<u32>,
}

impl Published {
    /// Returns at once if nobody is receiving.
    async fn lend(&self) {
        if self.state.load(Acquire) & RECEIVING == 0 {
            return;
        }
        self.state.fetch_or(LENT, AcqRel);
        self.borrower.wake();
        poll_fn(|cx| self.poll_returned(cx)).await;
    }

    fn poll_returned(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.lender.register_by_ref(cx.waker());
        if self.state.load(Acquire) == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    async fn borrow(&self) -> Guard<'_> {
        /// A cancelled borrow zeroes the state.
        struct Cancel<'a>(&'a Published);
        impl Drop for Cancel<'_> {
            fn drop(&mut self) {
                self.0.give_back();
            }
        }
        self.state.fetch_or(RECEIVING, AcqRel);
        let cancel = Cancel(self);
        poll_fn(|cx| {
            self.borrower.register_by_ref(cx.waker());
            if self.state.load(Acquire) & LENT != 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        std::mem::forget(cancel);
        Guard(self)
    }

    fn give_back(&self) {
        // Loom cannot go on in a thread that it has stopped.
        if std::thread::panicking() {
            return;
        }
        self.state.store(0, Release);
        self.lender.wake();
    }
}

struct Guard<'a>(&'a Published);

impl Guard<'_> {
    fn bump(&self) {
        // SAFETY: loom checks it.
        self.0.value.with_mut(|value| unsafe { *value += 1 });
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Waits for the request first, so that only the fault in question remains.
fn await_request(channel: &Published) {
    while channel.state.load(Acquire) & RECEIVING == 0 {
        thread::yield_now();
    }
}

/// The design as it was meant to be used: this one does not fail.
#[test]
fn published_design_lends() {
    model("faults::published_design_lends", || {
        let channel = Arc::new(Published::default());
        let other = channel.clone();
        thread::spawn(move || block_on(other.borrow()).bump());
        await_request(&channel);
        block_on(channel.lend());
        // SAFETY: loom checks it.
        channel.value.with_mut(|value| unsafe { assert_eq!(*value, 1) });
    });
}

/// Fault 3: the lend future is dropped, the guard is still there, and the lender uses its value.
#[test]
#[should_panic(expected = "Causality violation")]
fn dropped_lend_leaves_dangling() {
    model("faults::dropped_lend_leaves_dangling", || {
        let channel = Arc::new(Published::default());
        let other = channel.clone();
        thread::spawn(move || block_on(other.borrow()).bump());
        await_request(&channel);
        {
            let mut lend = pin!(channel.lend());
            let _ = poll_once(lend.as_mut());
        }
        channel.value.with_mut(|_| ());
    });
}

/// Fault 5: a borrow is cancelled as the loan arrives, and the lender returns though nobody saw the value.
#[test]
#[should_panic(expected = "lent, but not seen")]
fn cancelled_borrow_ends_the_loan() {
    model("faults::cancelled_borrow_ends_the_loan", || {
        let channel = Arc::new(Published::default());
        let other = channel.clone();
        let saw = Flag::default();
        let seen = saw.clone();
        thread::spawn(move || {
            let mut borrow = pin!(other.borrow());
            if let Poll::Ready(guard) = poll_once(borrow.as_mut()) {
                seen.set();
                guard.bump();
                return;
            }
            // Now it arrives.
            while other.state.load(Acquire) & LENT == 0 {
                thread::yield_now();
            }
        });
        await_request(&channel);
        block_on(channel.lend());
        assert!(saw.get(), "lent, but not seen");
    });
}

/// Fault 6: the lender goes away, and the borrower waits for ever.
#[test]
#[should_panic(expected = "deadlock")]
fn nobody_tells_the_borrower() {
    model("faults::nobody_tells_the_borrower", || {
        let channel = Arc::new(Published::default());
        let other = channel.clone();
        thread::spawn(move || block_on(other.borrow()).bump());
        drop(channel);
    });
}

/// Fault 6, the other way: the future of the borrower is forgotten, and the lender waits for ever.
#[test]
#[should_panic(expected = "deadlock")]
fn nobody_tells_the_lender() {
    model("faults::nobody_tells_the_lender", || {
        let channel = Arc::new(Published::default());
        let other = channel.clone();
        thread::spawn(move || {
            // In a box: what is pinned there may be forgotten.
            let channel = Arc::into_raw(other);
            // SAFETY: it came from an `Arc` that is leaked.
            let mut borrow = Box::pin(unsafe { &*channel }.borrow());
            let _ = poll_once(borrow.as_mut());
            std::mem::forget(borrow);
        });
        await_request(&channel);
        block_on(channel.lend());
    });
}

/// Fault 7: nobody waits at that moment, and `lend` says nothing of it.
#[test]
#[should_panic(expected = "lent, but not seen")]
fn lend_does_nothing() {
    model("faults::lend_does_nothing", || {
        let channel = Arc::new(Published::default());
        let other = channel.clone();
        let saw = Flag::default();
        let seen = saw.clone();
        thread::spawn(move || {
            let mut borrow = pin!(other.borrow());
            if let Poll::Ready(guard) = poll_once(borrow.as_mut()) {
                seen.set();
                guard.bump();
            }
        });
        block_on(channel.lend());
        assert!(saw.get(), "lent, but not seen");
    });
}
