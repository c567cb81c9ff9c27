//! The errors, and the panics of futures that are polled after their end.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use common::{message, poll_once};
use ref_channel::{
    BorrowError, BorrowTimeoutError, LendError, LendTimeoutError, RefMutChannel, TryBorrowError, TryLendError,
};

fn well_made<E: Error + Copy + PartialEq + Eq + Send + Sync + Debug + Display + 'static>(error: E, text: &str) {
    let copy = error;
    assert_eq!(error, copy);
    assert_eq!(error.to_string(), text);
    assert!(!format!("{error:?}").is_empty());
    assert!(error.source().is_none());
    // Lower case, no full stop.
    assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'));
    // As `?` makes of it.
    let boxed = (|| -> Result<(), Box<dyn Error + Send + Sync>> { Err(error)? })().unwrap_err();
    assert_eq!(boxed.downcast_ref::<E>(), Some(&error));
}

#[test]
fn each_error() {
    well_made(LendError(()), "the loan was not borrowed");
    well_made(LendError(7), "the loan was not borrowed");
    well_made(BorrowError, "the lender is gone");
    well_made(TryLendError::NotRequested, "no borrower is waiting");
    well_made(TryLendError::Disconnected, "every borrower is gone");
    well_made(TryBorrowError::NotLent, "nothing is on offer");
    well_made(TryBorrowError::Disconnected, "the lender is gone");
    well_made(LendTimeoutError::Timeout, "no borrower took the loan in time");
    well_made(LendTimeoutError::Disconnected, "every borrower is gone");
    well_made(BorrowTimeoutError::Timeout, "nothing was offered in time");
    well_made(BorrowTimeoutError::Disconnected, "the lender is gone");
    assert_ne!(TryLendError::NotRequested, TryLendError::Disconnected);
    assert_ne!(TryBorrowError::NotLent, TryBorrowError::Disconnected);
    assert_ne!(LendTimeoutError::Timeout, LendTimeoutError::Disconnected);
    assert_ne!(BorrowTimeoutError::Timeout, BorrowTimeoutError::Disconnected);
    assert_ne!(LendError(1), LendError(2));
    assert_eq!(format!("{:?}", TryLendError::NotRequested), "NotRequested");
    assert_eq!(format!("{BorrowError:?}"), "BorrowError");
}

#[test]
fn a_lend_error_asks_nothing_of_its_value() {
    struct Plain(u32);
    let error = LendError(Plain(7));
    assert!(format!("{error:?}").starts_with("LendError"));
    assert_eq!(error.to_string(), "the loan was not borrowed");
    let error: Box<dyn Error> = Box::new(error);
    assert_eq!(error.downcast::<LendError<Plain>>().unwrap().into_inner().0, 7);
    // It is cloned where the value is, and copied only there.
    let text = LendError(String::from("text"));
    assert_eq!(text.clone(), text);
    assert_eq!(LendError(Plain(8)).0.0, 8);
}

#[test]
fn question_marks_in_a_chain() {
    fn all() -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut channel = RefMutChannel::<u32>::new();
        let (mut lender, borrower) = channel.split();
        drop(borrower);
        let value = pollster::block_on(lender.lend_pinned(5))?;
        unreachable!("{value} was not borrowed")
    }
    assert_eq!(all().unwrap_err().to_string(), "the loan was not borrowed");
}

/// Asserts that the future has ended, and what it says when it is polled once more; twice.
fn ended<F: Future>(name: &str, mut future: Pin<&mut F>)
where
    F::Output: Debug,
{
    for _ in 0..2 {
        let panic = catch_unwind(AssertUnwindSafe(|| poll_once(future.as_mut()))).unwrap_err();
        assert_eq!(message(panic), format!("`{name}` polled after completion"));
    }
}

#[test]
fn polled_after_completion() {
    let mut channel = RefMutChannel::<u32>::new();
    let (mut lender, mut borrower) = channel.split();
    {
        let mut borrow = Box::pin(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        let mut requested = pin!(lender.requested());
        assert_eq!(poll_once(requested.as_mut()), Poll::Ready(Ok(())));
        ended("Requested", requested.as_mut());
    }
    macro_rules! twice {
        ($name:literal, $future:expr) => {{
            // Returned.
            let mut borrow = Box::pin(borrower.borrow());
            assert!(poll_once(borrow.as_mut()).is_pending());
            let mut loan = Box::pin($future);
            assert!(poll_once(loan.as_mut()).is_pending());
            assert!(poll_once(borrow.as_mut()).is_ready());
            ended("Borrow", borrow.as_mut());
            assert!(matches!(poll_once(loan.as_mut()), Poll::Ready(Ok(_))));
            ended($name, loan.as_mut());
            drop(loan);
            // Withdrawn.
            let mut loan = Box::pin($future);
            loan.as_mut().withdraw();
            assert!(matches!(poll_once(loan.as_mut()), Poll::Ready(Err(_))));
            ended($name, loan.as_mut());
        }};
    }
    let mut value = 1;
    // SAFETY: it completes.
    twice!("Lend", unsafe { lender.lend(&mut value) });
    // SAFETY: it completes.
    twice!("TryLend", unsafe { lender.try_lend(&mut value) });
    twice!("LendPinned", lender.lend_pinned(1));
    twice!("LendStatic", lender.lend_static(common::leak(1)));
    twice!("LendBoxed", lender.lend_boxed(Box::new(1)));

    // It does not matter how it ended.
    drop(lender);
    let mut borrow = pin!(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_ready());
    ended("Borrow", borrow.as_mut());
}

#[test]
fn a_misused_future_leaves_the_channel_in_order() {
    let mut channel = RefMutChannel::<u32>::new();
    let (mut lender, mut borrower) = channel.split();
    {
        let mut loan = pin!(lender.lend_pinned(1));
        assert!(poll_once(loan.as_mut()).is_pending());
        drop(borrower.try_borrow().unwrap());
        assert!(poll_once(loan.as_mut()).is_ready());
        ended("LendPinned", loan.as_mut());
    }
    let mut value = 1;
    lender.serve_while(&mut value, |_| *borrower.try_borrow().unwrap() += 1);
    assert_eq!(value, 2);
}
