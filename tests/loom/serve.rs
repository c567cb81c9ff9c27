//! Open loans: a withdraw, a return, a take and the last borrower's going meet in every order, and the server ends.

use std::task::Poll;
use std::time::Duration;

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier, Park, WakerQueue, WakerSlot};
use ref_channel::{Channel, Exclusive, Shared, TryLendError};

use crate::common::{Probe, Tracked, block_on, for_notifiers, halves, poll_once};

/// The borrower comes twice and goes, which is all that wakes the server.
fn until_all_are_gone<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..2 {
            block_on(borrower.borrow()).unwrap().bump();
        }
    });
    assert_eq!(block_on(lender.serve_owned(Probe::new(0))).get(), 2);
}

for_notifiers! { until_all_are_gone:
    until_all_are_gone_waker_slot = WakerSlot;
    until_all_are_gone_waker_slot_eager = WakerSlot, eager;
    until_all_are_gone_waker_queue = WakerQueue;
}

/// The server withdraws at any moment, and waits for whoever has taken it by then.
fn withdrawn<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let thread = thread::spawn(move || {
        let mut loans = 0;
        while loans < 2 {
            match block_on(borrower.borrow()) {
                Ok(mut value) => value.bump(),
                Err(_) => break,
            };
            loans += 1;
        }
        loans
    });
    let mut serve = Box::pin(lender.serve_owned(Probe::new(0)));
    let value = match poll_once(serve.as_mut()) {
        Poll::Ready(value) => value,
        Poll::Pending => {
            serve.as_mut().withdraw();
            block_on(serve.as_mut())
        }
    };
    drop(serve);
    drop(lender);
    assert_eq!(value.get(), thread.join().unwrap());
}

for_notifiers! { withdrawn:
    withdrawn_waker_slot = WakerSlot;
    withdrawn_waker_slot_eager = WakerSlot, eager;
    withdrawn_waker_queue = WakerQueue;
}

/// The future is dropped at any moment: the value is freed once, and the next loan of the lender begins behind its guards.
fn dropped<N: AsyncNotifier + 'static>(serve: bool) {
    let (mut lender, mut borrower) = Channel::<Tracked, Exclusive, N>::new().into_split();
    thread::spawn(move || {
        // It may be served the first value twice.
        for _ in 0..2 {
            if let Ok(mut value) = block_on(borrower.borrow()) {
                value.probe.bump();
            }
        }
    });
    if serve {
        let mut first = Box::pin(lender.serve_owned(Tracked::new(0)));
        assert!(poll_once(first.as_mut()).is_pending());
    } else {
        let mut first = Box::pin(lender.lend_owned(Tracked::new(0)));
        let _ = poll_once(first.as_mut());
    }
    match block_on(lender.lend_owned(Tracked::new(10))) {
        Ok(value) => assert_eq!(value.probe.get(), 11),
        Err(error) => assert_eq!(error.into_inner().probe.get(), 10),
    }
}

fn serve_dropped<N: AsyncNotifier + 'static>() {
    dropped::<N>(true);
}

fn lend_owned_dropped<N: AsyncNotifier + 'static>() {
    dropped::<N>(false);
}

for_notifiers! { serve_dropped:
    serve_dropped_waker_slot = WakerSlot;
}

for_notifiers! { lend_owned_dropped:
    lend_owned_dropped_waker_slot = WakerSlot;
}

/// What is left of a shared serve goes with the last reader.
fn shared_dropped<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (mut lender, one) = Channel::<Tracked, Shared, N>::new().into_split();
    for mut borrower in [one.clone(), one] {
        thread::spawn(move || {
            if let Ok(value) = block_on(borrower.borrow()) {
                assert_eq!(value.probe.get(), 0);
            }
        });
    }
    let mut serve = Box::pin(lender.serve_boxed(Box::new(Tracked::new(0))));
    let _ = poll_once(serve.as_mut());
}

for_notifiers! { shared_dropped:
    shared_dropped_waker_queue = WakerQueue;
}

/// `'static` loans just go. The guard may be out, and the next loan waits for it.
fn static_dropped<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        while let Ok(mut value) = block_on(borrower.borrow()) {
            value.bump();
        }
    });
    let place = Box::into_raw(Box::new(Probe::new(0)));
    // SAFETY: the box is freed when no guard is out any more.
    let mut lend = Box::pin(lender.lend_static(unsafe { &mut *place }));
    let _ = poll_once(lend.as_mut());
    drop(lend);
    assert_eq!(block_on(lender.lend_owned(Probe::new(5))).ok().unwrap().get(), 6);
    // SAFETY: the loan after that is over, so this one is, too.
    drop(unsafe { Box::from_raw(place) });
}

for_notifiers! { static_dropped:
    static_dropped_waker_slot = WakerSlot;
}

/// A frame serves whoever waits, until nobody does: a request that is given up, or comes, as the last guard goes.
fn frames<N: AsyncNotifier + BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let thread = thread::spawn(move || {
        let mut borrow = Box::pin(borrower.borrow());
        match poll_once(borrow.as_mut()) {
            Poll::Ready(guard) => guard.unwrap().bump(),
            Poll::Pending => 0,
        }
    });
    let mut value = Probe::new(0);
    let mut served = 0;
    loop {
        match lender.try_serve_timeout(&mut value, Duration::MAX) {
            Ok(()) => served += 1,
            Err(TryLendError::NotRequested) => thread::yield_now(),
            Err(TryLendError::Disconnected) => break,
        }
    }
    assert_eq!(thread.join().unwrap(), served);
    assert_eq!(value.get(), served);
}

for_notifiers! { frames:
    frames_waker_slot = WakerSlot;
    frames_waker_queue = WakerQueue;
}

/// The deadline passes at any moment, and nothing is out after it.
fn deadline<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    let thread = thread::spawn(move || {
        let mut loans = 0;
        while loans < 2 {
            match borrower.borrow_blocking() {
                Ok(mut value) => value.bump(),
                Err(_) => break,
            };
            loans += 1;
        }
        loans
    });
    let mut value = Probe::new(0);
    let _ = lender.serve_timeout(&mut value, Duration::ZERO);
    let before = value.get();
    drop(lender);
    assert_eq!((before, value.get()), (thread.join().unwrap(), before));
}

for_notifiers! { deadline:
    deadline_waker_slot = WakerSlot;
    deadline_park = Park;
}

/// Two borrowers, each woken by the other's return, and the server by the last one's going.
fn two_in_turn<N: AsyncNotifier + MultiNotifier + 'static>() {
    let (mut lender, one) = halves::<Exclusive, N>();
    for mut borrower in [one.clone(), one] {
        thread::spawn(move || {
            block_on(borrower.borrow()).unwrap().bump();
        });
    }
    assert_eq!(block_on(lender.serve_owned(Probe::new(0))).get(), 2);
}

for_notifiers! { two_in_turn:
    two_in_turn_waker_queue = WakerQueue;
}
