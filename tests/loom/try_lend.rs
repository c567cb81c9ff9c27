//! `try_lend` against a request that is cancelled: it never hangs.

use std::pin::pin;
use std::task::Poll;

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Event, Park, WakerQueue, WakerSlot};
use ref_channel::{Exclusive, TryLendError};

use crate::common::{Flag, Probe, block_on, for_notifiers, halves, model, poll_once};

/// Faults 5 and 7: `Ok` exactly if the value was seen, else nobody waited any more.
fn request_given_up<N: AsyncNotifier + BlockingNotifier + 'static>(blocking: bool) {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let saw = Flag::default();
    let seen = saw.clone();
    thread::spawn(move || {
        {
            let mut borrow = pin!(borrower.borrow());
            for _ in 0..2 {
                if let Poll::Ready(guard) = poll_once(borrow.as_mut()) {
                    if let Ok(mut value) = guard {
                        seen.set();
                        value.bump();
                    }
                    return;
                }
            }
        }
        // Not dropped, so that only the cancelled request can tell the lender. Its memory is not loom's.
        std::mem::forget(borrower);
    });
    let mut value = Probe::new(0);
    let outcome = if blocking {
        lender.try_lend_blocking(&mut value)
    } else {
        // SAFETY: it is awaited.
        block_on(unsafe { lender.try_lend(&mut value) })
    };
    assert_eq!(outcome.is_ok(), saw.get());
    if !saw.get() {
        assert_eq!(outcome, Err(TryLendError::NotRequested));
    }
    value.bump();
}

fn given_up<N: AsyncNotifier + BlockingNotifier + 'static>() {
    request_given_up::<N>(false);
}

fn given_up_blocking<N: AsyncNotifier + BlockingNotifier + 'static>() {
    request_given_up::<N>(true);
}

for_notifiers! { given_up:
    given_up_waker_slot = WakerSlot;
    given_up_waker_slot_eager = WakerSlot, eager;
    given_up_waker_queue = WakerQueue;
    given_up_waker_queue_eager = WakerQueue, eager;
}

for_notifiers! { given_up_blocking:
    given_up_blocking_waker_slot = WakerSlot;
}

/// With threads only: the request ends by its timeout.
#[test]
fn timed_out() {
    model("try_lend::timed_out", || {
        let (mut lender, mut borrower) = halves::<Exclusive, Park>();
        let saw = Flag::default();
        let seen = saw.clone();
        thread::spawn(move || {
            if let Ok(mut value) = borrower.borrow_timeout(std::time::Duration::ZERO) {
                seen.set();
                value.bump();
            }
            std::mem::forget(borrower);
        });
        let mut value = Probe::new(0);
        let outcome = lender.try_lend_blocking(&mut value);
        assert_eq!(outcome.is_ok(), saw.get());
        value.bump();
    });
}

/// A request that stays is answered; `try_lend` is retried until it was made.
fn answered<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        block_on(borrower.borrow()).unwrap().bump();
    });
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    while block_on(unsafe { lender.try_lend(&mut value) }).is_err() {
        thread::yield_now();
    }
    assert_eq!(value.bump(), 2);
}

for_notifiers! { answered:
    answered_waker_slot = WakerSlot;
    answered_waker_slot_eager = WakerSlot, eager;
}

/// Of two requests one is given up: the loan stays for the other.
fn one_of_two_given_up<N: AsyncNotifier + ref_channel::notifier::MultiNotifier + 'static>() {
    let (mut lender, mut one) = halves::<Exclusive, N>();
    let mut two = one.clone();
    let saw = Flag::default();
    let seen = saw.clone();
    thread::spawn(move || {
        let mut second = Box::pin(two.borrow());
        let taken = match poll_once(second.as_mut()) {
            Poll::Ready(taken) => taken,
            Poll::Pending => {
                let first = poll_once(Box::pin(one.borrow()).as_mut());
                match first {
                    Poll::Ready(taken) => taken,
                    // Given up by now. The other one stays until the lender is gone.
                    Poll::Pending => block_on(second),
                }
            }
        };
        if let Ok(mut value) = taken {
            seen.set();
            value.bump();
        }
    });
    let mut value = Probe::new(0);
    // SAFETY: it is awaited.
    let outcome = block_on(unsafe { lender.try_lend(&mut value) });
    assert_eq!(outcome.is_ok(), saw.get());
    value.bump();
}

for_notifiers! { one_of_two_given_up:
    one_of_two_given_up_waker_queue = WakerQueue;
    one_of_two_given_up_waker_queue_eager = WakerQueue, eager;
    one_of_two_given_up_event = Event;
    one_of_two_given_up_event_eager = Event, eager;
}
