//! Halves that go away, in every state: the other half is told, and the channel is freed once, after its last use.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use ref_channel::notifier::{WakerQueue, WakerSlot};
use ref_channel::{Borrower, Channel, Exclusive, Lender};

use crate::common::{Flag, Probe, Watched, block_on, halves, model, poll_once};

type WatchedLender = Lender<'static, Probe, Exclusive, Watched>;
type WatchedBorrower = Borrower<'static, Probe, Exclusive, Watched>;

/// What the lender does before it is dropped.
mod lends {
    use super::*;

    pub fn idle(_: &mut WatchedLender) {}

    pub fn lend_dropped(lender: &mut WatchedLender) {
        let _ = poll_once(Box::pin(lender.lend_pinned(Probe::new(0))).as_mut());
    }

    pub fn lend_forgotten(lender: &mut WatchedLender) {
        let mut lend = Box::pin(lender.lend_pinned(Probe::new(0)));
        let _ = poll_once(lend.as_mut());
        std::mem::forget(lend);
    }

    pub fn box_handed_over(lender: &mut WatchedLender) {
        let _ = poll_once(Box::pin(lender.lend_boxed(Box::new(Probe::new(0)))).as_mut());
    }

    pub fn lend(lender: &mut WatchedLender) {
        let _ = block_on(lender.lend_pinned(Probe::new(0)));
    }

    pub fn lend_blocking(lender: &mut WatchedLender) {
        let _ = lender.lend_blocking(&mut Probe::new(0));
    }

    pub fn requested_forgotten(lender: &mut WatchedLender) {
        let mut requested = Box::pin(lender.requested());
        let _ = poll_once(requested.as_mut());
        std::mem::forget(requested);
    }
}

/// What the borrower does before it is dropped.
mod borrows {
    use super::*;

    pub fn idle(_: &mut WatchedBorrower) {}

    pub fn borrow_dropped(borrower: &mut WatchedBorrower) {
        let _ = poll_once(Box::pin(borrower.borrow()).as_mut());
    }

    pub fn borrow_forgotten(borrower: &mut WatchedBorrower) {
        let mut borrow = Box::pin(borrower.borrow());
        if poll_once(borrow.as_mut()).is_pending() {
            std::mem::forget(borrow);
        }
    }

    pub fn borrow(borrower: &mut WatchedBorrower) {
        if let Ok(mut value) = block_on(borrower.borrow()) {
            value.bump();
        }
    }

    pub fn borrow_blocking(borrower: &mut WatchedBorrower) {
        if let Ok(mut value) = borrower.borrow_blocking() {
            value.bump();
        }
    }
}

/// Fault 6, in each pair of states.
macro_rules! dropped_in_each_state {
    ($($borrow:ident)*) => {
        $(
            mod $borrow {
                use super::*;

                dropped! { $borrow:
                    idle lend_dropped lend_forgotten box_handed_over lend lend_blocking requested_forgotten
                }
            }
        )*
    };
}

macro_rules! dropped {
    ($borrow:ident: $($lend:ident)*) => {
        $(
            #[test]
            fn $lend() {
                model(concat!(module_path!(), "::", stringify!($lend)), || {
                    let (mut lender, mut borrower) = halves::<Exclusive, Watched>();
                    thread::spawn(move || borrows::$borrow(&mut borrower));
                    lends::$lend(&mut lender);
                });
            }
        )*
    };
}

dropped_in_each_state! { idle borrow_dropped borrow_forgotten borrow borrow_blocking }

/// Of two clones only the last one to go says so, after all that the other did.
#[test]
fn last_of_two_borrowers() {
    model("disconnect::last_of_two_borrowers", || {
        let (mut lender, one) = halves::<Exclusive, WakerQueue>();
        let two = one.clone();
        thread::spawn(move || drop(one));
        thread::spawn(move || drop(two));
        assert!(block_on(lender.lend_pinned(Probe::new(0))).is_err());
        assert!(lender.is_disconnected());
    });
}

/// What the lender did before it went away is done for who learns that it has.
#[test]
fn lender_gone_is_seen_after_its_work() {
    model("disconnect::lender_gone_is_seen_after_its_work", || {
        let (lender, borrower) = halves::<Exclusive, WakerSlot>();
        let work = std::sync::Arc::new(UnsafeCell::new(0));
        let its = work.clone();
        thread::spawn(move || {
            // SAFETY: nobody else is there before the lender is gone.
            its.with_mut(|work| unsafe { *work = 1 });
            drop(lender);
        });
        if borrower.is_disconnected() {
            // SAFETY: the lender is gone.
            assert_eq!(work.with(|work| unsafe { *work }), 1);
        }
    });
}

/// The same by the outcome of a call.
#[test]
fn lender_gone_is_told_after_its_work() {
    model("disconnect::lender_gone_is_told_after_its_work", || {
        let (lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        let work = std::sync::Arc::new(UnsafeCell::new(0));
        let its = work.clone();
        thread::spawn(move || {
            // SAFETY: nobody else is there before the lender is gone.
            its.with_mut(|work| unsafe { *work = 1 });
            drop(lender);
        });
        assert!(block_on(borrower.borrow()).is_err());
        // SAFETY: the lender is gone.
        assert_eq!(work.with(|work| unsafe { *work }), 1);
    });
}

#[test]
fn borrower_gone_is_seen_after_its_work() {
    model("disconnect::borrower_gone_is_seen_after_its_work", || {
        let (lender, borrower) = halves::<Exclusive, WakerSlot>();
        let work = std::sync::Arc::new(UnsafeCell::new(0));
        let its = work.clone();
        thread::spawn(move || {
            // SAFETY: nobody else is there before the borrower is gone.
            its.with_mut(|work| unsafe { *work = 1 });
            drop(borrower);
        });
        if lender.is_disconnected() {
            // SAFETY: the borrower is gone.
            assert_eq!(work.with(|work| unsafe { *work }), 1);
        }
    });
}

/// The last of two borrowers says so for both.
#[test]
fn both_borrowers_gone_is_told_after_their_work() {
    model("disconnect::both_borrowers_gone_is_told_after_their_work", || {
        let (mut lender, one) = halves::<Exclusive, WakerQueue>();
        let borrowers = [one.clone(), one];
        let work = std::sync::Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        for (index, borrower) in borrowers.into_iter().enumerate() {
            let its = work.clone();
            thread::spawn(move || {
                // SAFETY: nobody else is there before this borrower is gone.
                its[index].with_mut(|work| unsafe { *work = 1 });
                drop(borrower);
            });
        }
        assert!(block_on(lender.lend_pinned(Probe::new(0))).is_err());
        for work in &*work {
            // SAFETY: the borrowers are gone.
            assert_eq!(work.with(|work| unsafe { *work }), 1);
        }
    });
}

/// The outcome of a lend tells the same, also if the offer is refused.
#[test]
fn borrower_gone_is_told_after_its_work() {
    model("disconnect::borrower_gone_is_told_after_its_work", || {
        let (mut lender, borrower) = halves::<Exclusive, WakerSlot>();
        let work = std::sync::Arc::new(UnsafeCell::new(0));
        let its = work.clone();
        thread::spawn(move || {
            // SAFETY: nobody else is there before the borrower is gone.
            its.with_mut(|work| unsafe { *work = 1 });
            drop(borrower);
        });
        assert!(block_on(lender.lend_pinned(Probe::new(0))).is_err());
        // SAFETY: the borrower is gone.
        assert_eq!(work.with(|work| unsafe { *work }), 1);
    });
}

type Static = &'static Channel<Probe, Exclusive, Watched>;

fn leaked() -> Static {
    // A static of the model. It is dropped by nobody, and nothing in it is counted by loom: see `unsplit`.
    Box::leak(Box::new(Channel::new()))
}

/// Drops a [`leaked`] channel.
///
/// # Safety
/// Nobody else uses it.
unsafe fn free(channel: Static) {
    // SAFETY: it came from a box.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(channel).cast_mut()) });
}

/// A static is split again only after both halves have left, even if a half is still notifying.
#[test]
fn split_again() {
    model("disconnect::split_again", || {
        let channel = leaked();
        let (mut lender, mut borrower) = channel.try_split().unwrap();
        let saw = Flag::default();
        let seen = saw.clone();
        thread::spawn(move || {
            if let Ok(mut value) = block_on(borrower.borrow()) {
                value.bump();
                seen.set();
            }
        });
        assert!(block_on(lender.lend_pinned(Probe::new(0))).is_ok());
        assert!(channel.try_split().is_none());
        drop(lender);
        let (mut lender, mut borrower) = loop {
            match channel.try_split() {
                Some(halves) => break halves,
                None => thread::yield_now(),
            }
        };
        assert!(saw.get());
        assert!(!lender.is_requested() && !lender.is_disconnected());
        let mut lend = Box::pin(lender.lend_pinned(Probe::new(10)));
        assert!(poll_once(lend.as_mut()).is_pending());
        assert_eq!(borrower.try_borrow().unwrap().bump(), 11);
        assert_eq!(block_on(lend).ok().unwrap().get(), 11);
        drop((lender, borrower));
        // SAFETY: `try_split` found both halves gone, and the new ones are.
        unsafe { free(channel) };
    });
}

/// Of two threads that split one gets the halves.
#[test]
fn split_by_two() {
    model("disconnect::split_by_two", || {
        let channel = leaked();
        let left = std::sync::Arc::new(AtomicUsize::new(2));
        let split = move || {
            if let Some((mut lender, mut borrower)) = channel.try_split() {
                let mut lend = Box::pin(lender.lend_pinned(Probe::new(0)));
                assert!(poll_once(lend.as_mut()).is_pending());
                borrower.try_borrow().unwrap().bump();
                assert_eq!(block_on(lend).ok().unwrap().get(), 1);
            }
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                // SAFETY: the other thread is through.
                unsafe { free(channel) };
            }
        };
        let other = split.clone();
        thread::spawn(other);
        split();
    });
}

/// A guard that was forgotten keeps a static from being split, also by a thread that knows of it only through one that
/// has tried before.
#[test]
fn split_after_forgotten_guard() {
    model("disconnect::split_after_forgotten_guard", || {
        let channel: &'static Channel<Probe, Exclusive, WakerSlot> = Box::leak(Box::new(Channel::new()));
        let (mut lender, mut borrower) = channel.try_split().unwrap();
        for _ in 0..2 {
            thread::spawn(move || assert!(channel.try_split().is_none()));
        }
        let mut lend = Box::pin(lender.lend_pinned(Probe::new(0)));
        assert!(poll_once(lend.as_mut()).is_pending());
        std::mem::forget(lend);
        std::mem::forget(borrower.try_borrow().unwrap());
    });
}
