//! Notifiers of the user's own that do not keep their promises, or panic.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use ref_channel::notifier::{
    AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notice, Notifier, WakerQueue, WakerSlot,
};
use ref_channel::{RefChannel, RefMutChannel, TryLendError};

use crate::tools::*;

thread_local! {
    /// At which call of a [`Broken`] this thread panics.
    static PANIC_AT: Cell<Option<usize>> = const { Cell::new(None) };
}

fn maybe_panic() {
    let fire = PANIC_AT.with(|at| match at.get() {
        Some(0) => {
            at.set(None);
            true
        }
        Some(left) => {
            at.set(Some(left - 1));
            false
        }
        None => false,
    });
    if fire {
        injected_panic();
    }
}

/// It never notifies, and each of its methods may panic, before or after the transition.
struct Broken;

impl Notifier for Broken {
    const MANY: bool = true;
    type Seat = ();
    type Waiter = ();
    const INIT: Self = Self;

    unsafe fn notify(&self, _: Notice) {
        maybe_panic();
    }

    unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        maybe_panic();
        transition();
        maybe_panic();
    }

    unsafe fn deregister(&self, (): &mut (), _: Option<Key>) {
        maybe_panic();
    }
}

impl AsyncNotifier for Broken {
    unsafe fn register(&self, (): &mut (), _: Pin<&mut ()>, _: &Waker) -> Key {
        maybe_panic();
        Key(true)
    }

    unsafe fn is_registered(&self, (): &mut (), _: Pin<&mut ()>, _: Key, _: &Waker) -> bool {
        maybe_panic();
        false
    }
}

impl BlockingNotifier for Broken {
    unsafe fn register_thread(&self, (): &mut (), _: Pin<&mut ()>) -> Key {
        maybe_panic();
        Key(false)
    }

    fn park(&self, _: Deadline) {
        maybe_panic();
        thread::yield_now();
    }
}

impl MultiNotifier for Broken {}

/// With a notifier that never notifies, blocking calls still look, and polls by hand get on.
#[test]
fn a_silent_notifier_hangs_nobody_who_looks() {
    let mut channel = RefMutChannel::<u32, Broken>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 0;
    let loans = if cfg!(miri) { 3 } else { 1000 };
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..loans {
                *borrower.borrow_blocking().unwrap() += 1;
            }
        });
        while lender.lend_blocking(&mut value).is_ok() {}
    });
    assert_eq!(value, loans);
}

/// Whichever call of the notifier panics, a blocking lend goes on behind it until the value is back.
#[test]
fn no_blocking_lend_unwinds_while_the_value_is_out() {
    let mut panics = 0;
    for panic_at in 0..if cfg!(miri) { 6 } else { 40 } {
        let (mut lender, mut borrower) = RefMutChannel::<u32, Broken>::new().into_split();
        let mut value = 1;
        let out = &AtomicBool::new(false);
        let (taken, is_taken) = mpsc::sync_channel(1);
        thread::scope(|scope| {
            scope.spawn(move || {
                while let Ok(mut guard) = borrower.borrow_blocking() {
                    out.store(true, SeqCst);
                    let _ = taken.try_send(());
                    for _ in 0..20 {
                        *guard += 1;
                        thread::yield_now();
                    }
                    out.store(false, SeqCst);
                }
            });
            PANIC_AT.set(Some(panic_at));
            let call = survive(|| lender.lend_blocking(&mut value));
            assert!(!out.load(SeqCst), "it is out after call {panic_at}");
            value += 1;
            panics += usize::from(call.is_none());
            PANIC_AT.set(Some(panic_at));
            let call = survive(|| {
                lender.serve_while(&mut value, |_| {
                    // So that the guard is likely to be out when the call ends.
                    let _ = is_taken.try_recv();
                    thread::yield_now();
                })
            });
            assert!(!out.load(SeqCst), "it is out after `serve_while`, call {panic_at}");
            value += 1;
            panics += usize::from(call.is_none());
            PANIC_AT.set(None);
            drop(lender);
        });
        assert_eq!(value % 20, 3, "each loan adds 20, and each call here 1");
    }
    assert!(panics > 5, "only {panics}");
}

/// The same for futures: whichever call panics, the box is freed once or, where a broken notifier lost a guard, not
/// at all, and never while it is borrowed.
#[test]
fn a_panicking_notifier_leaves_no_loan_dangling() {
    let mut borrowed = 0;
    for panic_at in 0..60 {
        let values = Arc::new(AtomicIsize::new(0));
        let (mut lender, mut borrower) = RefMutChannel::<Tracked, Broken>::new().into_split();
        PANIC_AT.set(Some(panic_at));
        let value = Box::new(Tracked::new(&values));
        crate::common::may_leak(&*value);
        let mut lend = survive(|| Box::pin(lender.lend_boxed(value)));
        let mut borrow = Box::pin(borrower.borrow());
        let _ = survive(|| poll(borrow.as_mut(), noop()).map(drop));
        if let Some(lend) = &mut lend {
            let _ = survive(|| poll(lend.as_mut(), noop()).map(drop));
        }
        if let Some(Poll::Ready(Ok(guard))) = survive(|| poll(borrow.as_mut(), noop())) {
            if panic_at % 2 == 0 {
                survive(|| drop(lend.take()));
            }
            assert_eq!((guard.value, values.load(SeqCst)), (7, 1), "it is borrowed");
            borrowed += 1;
            survive(|| drop(guard));
        }
        if let Some(lend) = &mut lend {
            let _ = survive(|| poll(lend.as_mut(), noop()).map(drop));
        }
        survive(|| drop(borrow));
        survive(|| drop(lend));
        PANIC_AT.set(None);
        assert!((0..=1).contains(&values.load(SeqCst)), "it is freed once");
        drop(lender);
        drop(borrower);
    }
    assert!(borrowed > 30, "only {borrowed}");
}

/// Fault 5: a waker that gives the request up, or takes the loan and returns it, from within `try_lend`'s own offer.
#[test]
fn the_loan_is_over_before_the_offer_returns() {
    type Task = Mutex<Option<Pin<Box<dyn Future<Output = u32> + Send>>>>;
    for give_up in [true, false] {
        let (mut lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
        let task: Arc<Task> = Arc::new(Mutex::new(Some(Box::pin(async move {
            let mut guard = borrower.borrow().await.unwrap();
            *guard += 1;
            *guard
        }))));
        let waker = {
            let task = Arc::clone(&task);
            hook_waker(move |call| {
                if call == Call::Wake {
                    let future = task.lock().unwrap().take();
                    match future {
                        Some(mut future) if !give_up => {
                            assert_eq!(poll(future.as_mut(), noop()), Poll::Ready(5));
                        }
                        _ => {}
                    }
                }
            })
        };
        let mut running = task.lock().unwrap().take().unwrap();
        assert!(poll(running.as_mut(), &waker).is_pending());
        *task.lock().unwrap() = Some(running);
        let mut value = 4;
        // SAFETY: it is dropped below.
        let mut lend = Box::pin(unsafe { lender.try_lend(&mut value) });
        let mut outcome = poll(lend.as_mut(), noop());
        if outcome.is_pending() {
            outcome = poll(lend.as_mut(), noop());
        }
        drop(lend);
        if give_up {
            // The task owned the borrower, and dropped it.
            assert_eq!(outcome, Poll::Ready(Err(TryLendError::Disconnected)));
            assert_eq!(value, 4);
        } else {
            assert_eq!(outcome, Poll::Ready(Ok(())));
            assert_eq!(value, 5);
        }
    }
}

/// A waker of the borrower panics in the middle of a blocking lend; the value must be back when that unwinds.
fn a_waker_panics_in_a_blocking_lend<N: AsyncNotifier + BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = RefChannel::<u32, N>::new().into_split();
    let bad = hook_waker(|call| {
        if call == Call::Wake {
            injected_panic();
        }
    });
    let value = 5;
    {
        let mut borrow = pin!(borrower.borrow());
        assert!(poll(borrow.as_mut(), &bad).is_pending());
        assert_eq!(survive(|| lender.lend_blocking(&value)), None);
        // It was withdrawn.
        assert!(poll(borrow.as_mut(), noop()).is_pending());
        assert!(lender.is_requested());
        assert_eq!(survive(|| lender.serve_while(&value, |_| ())), Some(()));
    }
    assert!(!lender.is_requested());
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(*borrower.borrow_blocking().unwrap(), 5));
        assert_eq!(lender.lend_blocking(&value), Ok(()));
    });
}

over! {
    a_borrowers_waker_panics_in_a_blocking_lend: a_waker_panics_in_a_blocking_lend over WakerSlot, WakerQueue;
}

/// `f` of `serve_while` panics while a borrower holds the value: the call waits, and goes on unwinding.
fn the_closure_of_serve_while_panics<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
    let mut value = 0;
    let (taken, is_taken) = mpsc::channel();
    let (go, going) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut guard = borrower.borrow_blocking().unwrap();
            taken.send(()).unwrap();
            going.recv().unwrap();
            for _ in 0..100 {
                thread::yield_now();
                *guard += 1;
            }
            drop(guard);
            // As long as the panic is on its way out of the closure, it is on offer.
            while borrower.borrow_blocking().is_ok() {}
        });
        let call = survive(|| {
            lender.serve_while(&mut value, |_| {
                is_taken.recv().unwrap();
                go.send(()).unwrap();
                boom()
            })
        });
        assert_eq!(call, None::<()>);
        assert_eq!(value, 100, "the guard was waited for");
        drop(lender);
    });
}

over! {
    serve_while_waits_in_an_unwind: the_closure_of_serve_while_panics over WakerSlot, WakerQueue;
}

#[cfg(feature = "spin")]
over! {
    serve_while_waits_in_an_unwind_spin: the_closure_of_serve_while_panics over ref_channel::notifier::Spin;
}

#[cfg(feature = "park")]
over! {
    serve_while_waits_in_an_unwind_park: the_closure_of_serve_while_panics over ref_channel::notifier::Park;
}
