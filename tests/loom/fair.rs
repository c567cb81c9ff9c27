//! Who was woken in vain is not beaten again, also if another one that starves takes its loan at that very moment.

use std::task::Poll;

use loom::thread;
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Event, MultiNotifier, WakerQueue};
use ref_channel::{Exclusive, TryBorrowError};

use crate::common::{Probe, block_on, for_notifiers, halves, model, poll_once};

/// One borrower starves and takes the loan, after which it takes `STARVING` down if nobody else starves, while another one
/// finds that it was woken in vain, and begins to.
#[test]
fn one_begins_to_starve_as_another_is_served() {
    model("fair::one_begins_to_starve_as_another_is_served", || {
        let (mut lender, mut chatty) = halves::<Exclusive, WakerQueue>();
        let patient = [(); 2].map(|()| Box::into_raw(Box::new(chatty.clone())));
        let mut value = Probe::new(0);
        lender.serve_while(&mut value, |_| {
            // SAFETY: they came from boxes, which are freed below.
            let mut borrows = patient.map(|half| Box::pin(unsafe { &mut *half }.borrow()));
            let guard = chatty.try_borrow().unwrap();
            for borrow in &mut borrows {
                assert!(poll_once(borrow.as_mut()).is_pending());
            }
            drop(guard); // wakes the first
            drop(chatty.try_borrow().unwrap()); // and the second
            let guard = chatty.try_borrow().unwrap();
            assert!(poll_once(borrows[0].as_mut()).is_pending(), "it was woken in vain");
            drop(guard);

            let threads = borrows.map(|mut borrow| {
                thread::spawn(move || {
                    let polled = poll_once(borrow.as_mut());
                    (borrow, polled)
                })
            });
            let mut waiting = Vec::new();
            let mut guards = Vec::new();
            for thread in threads {
                match thread.join().unwrap() {
                    (borrow, Poll::Pending) => waiting.push(borrow),
                    (_, Poll::Ready(guard)) => guards.push(guard.unwrap()),
                }
            }
            assert_eq!((waiting.len(), guards.len()), (1, 1));
            drop(guards);
            assert_eq!(chatty.try_borrow().err(), Some(TryBorrowError::NotLent));
            assert!(poll_once(waiting[0].as_mut()).is_ready());
        });
        for half in patient {
            // SAFETY: it came from a box, and its future and guard are gone.
            drop(unsafe { Box::from_raw(half) });
        }
    });
}

/// One borrower has been woken in vain and waits again, while a newcomer begins to wait. A loan that is offered meanwhile may
/// wake the newcomer, who must not use that wake up and leave the loan to the other one, which sleeps.
fn a_newcomer_is_woken_as_it_begins_to_wait<N: AsyncNotifier + BlockingNotifier + MultiNotifier + 'static>() {
    let (mut lender, mut newcomer) = halves::<Exclusive, N>();
    let patient = Box::into_raw(Box::new(newcomer.clone()));
    // SAFETY: it came from a box, which is freed below.
    let mut starving = Box::pin(unsafe { &mut *patient }.borrow());
    lender.serve_while(&mut Probe::new(0), |_| {
        let guard = newcomer.try_borrow().unwrap();
        assert!(poll_once(starving.as_mut()).is_pending());
        drop(guard); // wakes it
        drop(newcomer.try_borrow().unwrap());
    });
    let threads = [
        thread::spawn(move || {
            block_on(starving).unwrap().bump();
        }),
        thread::spawn(move || {
            block_on(newcomer.borrow()).unwrap().bump();
        }),
    ];
    for _ in 0..2 {
        assert_eq!(block_on(lender.lend_pinned(Probe::new(0))).ok().unwrap().get(), 1);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    // SAFETY: it came from a box, and its future and guard are gone.
    drop(unsafe { Box::from_raw(patient) });
}

for_notifiers! { a_newcomer_is_woken_as_it_begins_to_wait:
    a_newcomer_is_woken_as_it_begins_to_wait_waker_queue = WakerQueue;
    a_newcomer_is_woken_as_it_begins_to_wait_event = Event;
}
