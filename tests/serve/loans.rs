//! Served to everyone who comes, loan after loan.

use crate::common::{Count, backends, poll_once, poll_with, rounds};
use ref_channel::future::LendFuture;
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier, WakerQueue};
use ref_channel::{BorrowError, Guard, RefChannel, RefMutChannel, TryBorrowError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Poll, Waker};
use std::thread;

/// The lender is polled once, and not woken again by a thousand loans.
fn a_return_does_not_wake_the_lender<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let (wakes, waker) = Count::new();
    let mut serve = pin!(lender.serve_owned(0));
    assert!(poll_with(serve.as_mut(), &waker).is_pending());
    let wakes_before = wakes.get();
    for _ in 0..1000 {
        let mut borrow = pin!(borrower.borrow());
        // Every 128th lets its executor in first.
        let Poll::Ready(guard) = poll_once(borrow.as_mut()).map_or_again(|| poll_once(borrow)) else {
            panic!("it is on offer");
        };
        *guard.unwrap() += 1;
    }
    assert_eq!(wakes.get(), wakes_before, "wakes of the lender");
    serve.as_mut().withdraw();
    assert_eq!(poll_once(serve), Poll::Ready(1000));
}

trait Again<T> {
    fn map_or_again(self, again: impl FnOnce() -> Poll<T>) -> Poll<T>;
}

impl<T> Again<T> for Poll<T> {
    fn map_or_again(self, again: impl FnOnce() -> Poll<T>) -> Poll<T> {
        if self.is_ready() { self } else { again() }
    }
}

/// Each kind of serve gives the value back once it is withdrawn and the last guard is back.
fn a_withdrawn_serve_ends_with_the_last_guard<N: AsyncNotifier>() {
    fn ends<N: AsyncNotifier, F: LendFuture>(
        mut serve: Pin<&mut F>,
        borrower: &mut ref_channel::RefMutBorrower<'_, u32, N>,
    ) -> F::Output {
        assert!(poll_once(serve.as_mut()).is_pending());
        *borrower.try_borrow().unwrap() += 1;
        let mut guard = borrower.try_borrow().unwrap();
        assert!(!Guard::is_recalled(&guard));
        LendFuture::withdraw(serve.as_mut());
        assert!(Guard::is_recalled(&guard));
        assert!(poll_once(serve.as_mut()).is_pending(), "the guard is out");
        *guard += 1;
        drop(guard);
        assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
        match poll_once(serve) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the guard is back"),
        }
    }

    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    assert_eq!(ends(pin!(lender.serve_owned(1)), &mut borrower), 3);
    assert_eq!(*ends(pin!(lender.serve_boxed(Box::new(1))), &mut borrower), 3);
    assert_eq!(ends(pin!(lender.serve_pinned(1)), &mut borrower), 3);
    let mut value = 1;
    // SAFETY: it is polled to its end, or dropped.
    ends(pin!(unsafe { lender.serve(&mut value) }), &mut borrower);
    assert_eq!(value, 3);
}

/// The last borrower to go wakes the server, and nothing else does.
fn the_last_borrower_ends_the_serve<N: AsyncNotifier + MultiNotifier>() {
    let (mut lender, borrower) = RefMutChannel::<u32, N>::new().into_split();
    let mut borrowers = [borrower.clone(), borrower];
    let (wakes, waker) = Count::new();
    let mut serve = pin!(lender.serve_owned(0));
    assert!(poll_with(serve.as_mut(), &waker).is_pending());
    let before = wakes.get();
    for borrower in &mut borrowers {
        *borrower.try_borrow().unwrap() += 1;
    }
    let [one, two] = borrowers;
    drop(one);
    assert_eq!(wakes.get(), before);
    drop(two);
    // `Spin` wakes nobody: it polls at once, and so do its tasks.
    assert!(wakes.get() > before || before > 0);
    assert_eq!(poll_with(serve, &waker), Poll::Ready(2));
}

/// A serve that nobody ever uses gives the value back, too.
fn a_serve_without_borrowers_ends_at_once<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, borrower) = channel.split();
    drop(borrower);
    assert_eq!(poll_once(pin!(lender.serve_owned(1))), Poll::Ready(1));
    assert_eq!(*pollster::block_on(lender.serve_boxed(Box::new(1))), 1);
    assert_eq!(pollster::block_on(lender.serve_pinned(1)), 1);
}

/// Readers of a shared loan are in together, loan after loan.
fn a_shared_serve_admits_readers_together<N: AsyncNotifier + MultiNotifier>() {
    let (mut lender, borrower) = RefChannel::<u32, N>::new().into_split();
    let mut borrowers = [borrower.clone(), borrower];
    let mut serve = pin!(lender.serve_owned(7));
    assert!(poll_once(serve.as_mut()).is_pending());
    for _ in 0..3 {
        let [one, two] = &mut borrowers;
        let first = one.try_borrow().unwrap();
        let second = two.try_borrow().unwrap();
        assert_eq!((*first, *second), (7, 7));
        drop(first);
        // Unlike a loan for once, it goes on after the first return.
        assert_eq!(*one.try_borrow().unwrap(), 7);
        drop(second);
    }
    serve.as_mut().withdraw();
    assert_eq!(poll_once(serve), Poll::Ready(7));
}

/// Threads, each with a borrower of its own, and one owner.
fn many_threads_are_served<N: BlockingNotifier + MultiNotifier>() {
    let (mut lender, borrower) = RefMutChannel::<usize, N>::new().into_split();
    let each = rounds(2_000);
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
        lender.serve_blocking(&mut value);
    });
    assert_eq!(value, 4 * each);
}

backends!(both: a_return_does_not_wake_the_lender, a_withdrawn_serve_ends_with_the_last_guard, a_serve_without_borrowers_ends_at_once);
backends!(many: the_last_borrower_ends_the_serve, a_shared_serve_admits_readers_together, many_threads_are_served);

/// One borrower takes the value again and again, and never lets it lie. Each of three others still gets it within a bounded
/// number of loans: it is woken once in vain at most, and then nobody may overtake it.
fn a_chatty_borrower_does_not_starve_patient_ones<N: AsyncNotifier + MultiNotifier>() {
    const PATIENT: usize = 3;
    let (mut lender, mut chatty) = RefMutChannel::<u32, N>::new().into_split();
    let mut patient: Vec<_> = (0..PATIENT).map(|_| chatty.clone()).collect();
    let mut serve = pin!(lender.serve_owned(0));
    assert!(poll_once(serve.as_mut()).is_pending());

    let first = chatty.try_borrow().unwrap();
    let mut waiting: Vec<_> = patient
        .iter_mut()
        .map(|borrower| (Box::pin(borrower.borrow()), Count::new()))
        .collect();
    for (borrow, (_, waker)) in &mut waiting {
        assert!(poll_with(borrow.as_mut(), waker).is_pending());
    }
    drop(first);
    let mut loans = 0;
    while !waiting.is_empty() {
        // The chatty one has just given it back, which has woken somebody, and takes it again before that one is polled.
        let again = chatty.try_borrow();
        loans += 1;
        assert!(loans <= 2 * PATIENT, "{} still wait after {loans} loans", waiting.len());
        waiting.retain_mut(|(borrow, (wakes, waker))| {
            if wakes.get() == 0 {
                return true;
            }
            match poll_with(borrow.as_mut(), waker) {
                Poll::Ready(guard) => {
                    *guard.unwrap() += 1;
                    false
                }
                Poll::Pending => true,
            }
        });
        drop(again);
    }
}

mod a_chatty_borrower {
    #[test]
    fn waker_queue() {
        super::a_chatty_borrower_does_not_starve_patient_ones::<super::WakerQueue>();
    }
    #[cfg(feature = "event-listener")]
    #[test]
    fn event() {
        super::a_chatty_borrower_does_not_starve_patient_ones::<ref_channel::notifier::Event>();
    }
}

/// The closure is called with the value, or not at all.
fn with_calls_once_or_not_at_all<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    lender.serve_while(&mut value, |serving| {
        assert_eq!(
            poll_once(pin!(borrower.with(|number| std::mem::replace(number, 2)))),
            Poll::Ready(Ok(1))
        );
        assert_eq!(borrower.with_blocking(|number| std::mem::replace(number, 3)), Ok(2));
        assert!(!serving.is_borrowed(), "no guard is left");
        let panic = catch_unwind(AssertUnwindSafe(|| {
            borrower.with_blocking(|_| panic!("the closure")).unwrap()
        }));
        assert!(panic.is_err() && !serving.is_borrowed());
    });
    assert_eq!(value, 3);
    let called = AtomicBool::new(false);
    {
        let mut with = pin!(borrower.with(|_| called.store(true, SeqCst)));
        assert!(poll_once(with.as_mut()).is_pending());
    }
    assert!(!lender.is_requested(), "it was dropped");
    drop(lender);
    assert_eq!(
        poll_once(pin!(borrower.with(|_| called.store(true, SeqCst)))),
        Poll::Ready(Err(BorrowError))
    );
    assert_eq!(borrower.with_blocking(|_| called.store(true, SeqCst)), Err(BorrowError));
    assert!(!called.load(SeqCst));
}

#[test]
fn with_reads_a_shared_value() {
    let mut channel = RefChannel::<str>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while("text", |_| {
        assert_eq!(borrower.with_blocking(str::len), Ok(4));
        assert_eq!(poll_once(pin!(borrower.with(str::len))), Poll::Ready(Ok(4)));
    });
}

backends!(both: with_calls_once_or_not_at_all);

/// A serve that was forgotten is still on offer, and the next loan takes it down first.
fn a_forgotten_serve_is_taken_down_by_the_next_loan<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut serve = Box::pin(lender.serve_owned(1));
    assert!(poll_once(serve.as_mut()).is_pending());
    crate::common::forget(serve);
    assert_eq!(*borrower.try_borrow().unwrap(), 1);
    let guard = borrower.try_borrow().unwrap();
    let mut next = Box::pin(lender.serve_owned(2));
    assert!(poll_once(next.as_mut()).is_pending());
    assert!(Guard::is_recalled(&guard), "the next loan wants to begin");
    assert_eq!(*guard, 1);
    drop(guard);
    assert!(poll_once(next.as_mut()).is_pending());
    assert_eq!(*borrower.try_borrow().unwrap(), 2);
    next.as_mut().withdraw();
    assert_eq!(poll_once(next.as_mut()), Poll::Ready(2));
}

backends!(both: a_forgotten_serve_is_taken_down_by_the_next_loan);

#[test]
fn a_part_of_a_pinned_value_is_lent() {
    let mut channel = RefMutChannel::<[u8]>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut lend = Box::pin(lender.lend_pinned_as((0_u32, [1_u8, 2, 3]), |value| &mut value.1[1..]));
    assert!(poll_with(lend.as_mut(), Waker::noop()).is_pending());
    borrower.try_borrow().unwrap().reverse();
    assert_eq!(poll_once(lend.as_mut()), Poll::Ready(Ok((0, [1, 3, 2]))));
    drop(lend);
    // A panic in there leaves nothing on offer.
    let mut lend = Box::pin(lender.lend_pinned_as([0_u8; 1], |_| panic!("the part")));
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(lend.as_mut()))).is_err());
    drop(lend);
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
}
