//! Wakers that poll from within: an executor that runs a task inside of its wake.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ref_channel::RefMutChannel;
use ref_channel::notifier::{AsyncNotifier, WakerQueue, WakerSlot};

use crate::tools::*;

/// A task that is polled from within its own waker, with another identity at every poll.
struct Inline {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    woken: AtomicBool,
    polls: AtomicUsize,
    /// At which calls of its wakers it polls.
    polls_at: fn(Call) -> bool,
}

impl Inline {
    fn spawn(future: impl Future<Output = ()> + Send + 'static, polls_at: fn(Call) -> bool) -> Arc<Self> {
        Arc::new(Self {
            future: Mutex::new(Some(Box::pin(future))),
            woken: AtomicBool::new(true),
            polls: AtomicUsize::new(0),
            polls_at,
        })
    }

    fn call(self: &Arc<Self>, call: Call) {
        if call == Call::Wake {
            self.woken.store(true, SeqCst);
        }
        if (self.polls_at)(call) {
            self.run();
        }
    }

    /// Polls until nobody has woken it meanwhile; nothing if it is being polled further down on the stack.
    fn run(self: &Arc<Self>) {
        loop {
            let Ok(mut future) = self.future.try_lock() else { return };
            while self.woken.swap(false, SeqCst) {
                let Some(running) = future.as_mut() else { return };
                self.polls.fetch_add(1, SeqCst);
                let task = Arc::downgrade(self);
                let waker = hook_waker(move |call| {
                    if let Some(task) = task.upgrade() {
                        task.call(call);
                    }
                });
                if poll(running.as_mut(), &waker).is_ready() {
                    *future = None;
                }
                // Its drop may poll.
                drop(waker);
            }
            drop(future);
            if !self.woken.load(SeqCst) {
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.future.lock().unwrap().is_none()
    }
}

/// The livelock of a waiter that finds its slot busy, wakes itself and tries again, under such an executor.
fn inline_executors<N: AsyncNotifier + 'static>() {
    let loans: u32 = if cfg!(miri) { 20 } else { 500 };
    let everywhere: [fn(Call) -> bool; 3] = [|call| call == Call::Wake, |call| call != Call::Drop, |_| true];
    for polls_at in everywhere {
        for lender_first in [true, false] {
            let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
            let total = Arc::new(AtomicUsize::new(0));
            let sum = Arc::clone(&total);
            let lends = Inline::spawn(
                async move {
                    let mut value = 0;
                    for _ in 0..loans {
                        value = lender.lend_pinned(value).await.unwrap();
                    }
                    sum.store(value as usize, SeqCst);
                },
                polls_at,
            );
            let borrows = Inline::spawn(
                async move {
                    while let Ok(mut guard) = borrower.borrow().await {
                        *guard += 1;
                    }
                },
                polls_at,
            );
            let order = if lender_first {
                [&lends, &borrows]
            } else {
                [&borrows, &lends]
            };
            order[0].run();
            order[1].run();
            // Whoever was woken while it was busy is polled again by hand, as by an executor with a queue. That
            // it is needed at all must be rare, and may not go on for ever.
            let mut rounds = 0;
            while !(lends.is_done() && borrows.is_done()) {
                assert!(
                    lends.woken.load(SeqCst) || borrows.woken.load(SeqCst),
                    "a wake was lost: {lender_first}"
                );
                lends.run();
                borrows.run();
                rounds += 1;
                assert!(rounds < 10 * loans, "it livelocks");
            }
            assert_eq!(total.load(SeqCst), loans as usize);
            for task in [&lends, &borrows] {
                let polls = task.polls.load(SeqCst);
                assert!(polls < 10 * loans as usize, "{polls} polls");
            }
        }
    }
}

over! {
    inline_executors_do_not_livelock: inline_executors over WakerSlot, WakerQueue;
}

#[cfg(feature = "atomic-waker")]
over! {
    inline_executors_do_not_livelock_atomic_waker: inline_executors over ref_channel::notifier::AtomicWaker;
}

/// The other half goes at each call of a waker.
fn the_other_half_goes_within<N: AsyncNotifier + 'static>() {
    for at in [Call::Clone, Call::Wake, Call::Drop] {
        // The borrower goes in a call of the lender's waker.
        let (mut lender, borrower) = RefMutChannel::<u32, N>::new().into_split();
        let victim = Arc::new(Mutex::new(Some(borrower)));
        let waker = {
            let victim = Arc::clone(&victim);
            hook_waker(move |call| {
                if call == at {
                    // Not under the lock: its drop comes back here.
                    let borrower = victim.lock().unwrap().take();
                    drop(borrower);
                }
            })
        };
        let mut lend = Box::pin(lender.lend_pinned(3));
        let mut outcome = poll(lend.as_mut(), &waker);
        // With another waker: the first one is dropped, or replaced.
        for waker in [noop(), &waker, noop()] {
            if outcome.is_pending() {
                outcome = poll(lend.as_mut(), waker);
            }
        }
        drop(waker);
        drop(victim.lock().unwrap().take());
        if outcome.is_pending() {
            outcome = poll(lend.as_mut(), noop());
        }
        assert!(
            matches!(outcome, Poll::Ready(Err(ref error)) if error.0 == 3),
            "{at:?}: {outcome:?}"
        );
    }
}

/// As above, the other way round.
fn the_lender_goes_within<N: AsyncNotifier + 'static>() {
    for at in [Call::Clone, Call::Wake, Call::Drop] {
        let (lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        let victim = Arc::new(Mutex::new(Some(lender)));
        let waker = {
            let victim = Arc::clone(&victim);
            hook_waker(move |call| {
                if call == at {
                    let lender = victim.lock().unwrap().take();
                    drop(lender);
                }
            })
        };
        let mut borrow = Box::pin(borrower.borrow());
        let mut outcome = poll(borrow.as_mut(), &waker);
        for waker in [noop(), &waker, noop()] {
            if outcome.is_pending() {
                outcome = poll(borrow.as_mut(), waker);
            }
        }
        drop(waker);
        drop(victim.lock().unwrap().take());
        if outcome.is_pending() {
            outcome = poll(borrow.as_mut(), noop());
        }
        assert!(matches!(outcome, Poll::Ready(Err(_))), "{at:?}");
    }
}

over! {
    the_borrower_goes_within_a_call_of_the_lenders_waker: the_other_half_goes_within over WakerSlot, WakerQueue;
    the_lender_goes_within_a_call_of_the_borrowers_waker: the_lender_goes_within over WakerSlot, WakerQueue;
}

#[cfg(feature = "spin")]
over! {
    spin_the_borrower_goes_within: the_other_half_goes_within over ref_channel::notifier::Spin;
    spin_the_lender_goes_within: the_lender_goes_within over ref_channel::notifier::Spin;
}
