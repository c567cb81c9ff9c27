//! Every call of a waker panics, one at a time, in everything that the two halves do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Waker};
use std::thread;

use crate::common::forget;
use ref_channel::notifier::{AsyncNotifier, MultiNotifier, WakerQueue, WakerSlot};
use ref_channel::{Borrower, Channel, Exclusive, Lender, Mutability, RefMutChannel, Shared, TryBorrowError};

use crate::tools::*;

/// Counts the calls of its wakers, and lets one of them panic.
struct Injector {
    left: AtomicUsize,
    fired: AtomicBool,
    /// How many wakers there are.
    wakers: AtomicIsize,
    values: Arc<AtomicIsize>,
}

impl Injector {
    fn new(panic_at: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(panic_at),
            fired: AtomicBool::new(false),
            wakers: AtomicIsize::new(0),
            values: Arc::default(),
        })
    }

    /// A new one each time: another identity.
    fn waker(self: &Arc<Self>) -> Armed {
        self.wakers.fetch_add(1, SeqCst);
        let this = Arc::clone(self);
        Armed(Some(hook_waker(move |call| {
            if call == Call::Drop {
                this.wakers.fetch_sub(1, SeqCst);
            }
            this.point();
            if call == Call::Clone {
                this.wakers.fetch_add(1, SeqCst);
            }
        })))
    }

    fn point(&self) {
        if !self.fired.load(SeqCst) && !thread::panicking() {
            if self.left.load(SeqCst) == 0 {
                self.fired.store(true, SeqCst);
                injected_panic();
            }
            self.left.fetch_sub(1, SeqCst);
        }
    }

    fn value(&self) -> Tracked {
        Tracked::new(&self.values)
    }
}

/// The test's own waker, whose drop is not to end the test.
struct Armed(Option<Waker>);

impl Drop for Armed {
    fn drop(&mut self) {
        survive(|| drop(self.0.take()));
    }
}

impl std::ops::Deref for Armed {
    type Target = Waker;
    fn deref(&self) -> &Waker {
        self.0.as_ref().unwrap()
    }
}

type Lends<M, N> = Lender<'static, Tracked, M, N>;
type Borrows<M, N> = Borrower<'static, Tracked, M, N>;

/// What is played with both halves. Returns how many values it forgot.
///
/// Loans that are borrowed are of boxes: should a guard be lost, the drop of another kind would wait for it for ever.
type Play<M, N> = fn(&mut Lends<M, N>, &mut Borrows<M, N>, &Arc<Injector>) -> isize;

/// Polls as planned, and drops the future when it is done or where it panicked, as an executor does.
macro_rules! step {
    ($future:ident, $injector:ident) => {
        match $future
            .as_mut()
            .map(|future| survive(|| poll(future.as_mut(), &$injector.waker())))
        {
            Some(Some(Poll::Pending)) | None => Poll::Pending,
            Some(done) => {
                survive(|| drop($future.take()));
                done.unwrap_or(Poll::Pending)
            }
        }
    };
}

fn plays<M: Mutability, N: AsyncNotifier + 'static>() -> Vec<(&'static str, Play<M, N>)> {
    vec![
        ("offered, taken, returned", |lender, borrower, injector| {
            let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(lend, injector);
            let taken = step!(borrow, injector);
            let _ = step!(lend, injector);
            survive(|| drop(taken));
            let _ = step!(lend, injector);
            survive(|| drop(borrow));
            survive(|| drop(lend));
            0
        }),
        ("requested, offered, taken, returned", |lender, borrower, injector| {
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(borrow, injector);
            let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let _ = step!(lend, injector);
            let _ = step!(lend, injector);
            let taken = step!(borrow, injector);
            survive(|| drop(taken));
            survive(|| drop(borrow));
            let _ = step!(lend, injector);
            survive(|| drop(lend));
            0
        }),
        ("a borrow is polled twice and dropped", |_, borrower, injector| {
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(borrow, injector);
            let _ = step!(borrow, injector);
            survive(|| drop(borrow));
            0
        }),
        ("a lend is polled twice and dropped", |lender, _, injector| {
            let mut lend = Some(Box::pin(lender.lend_pinned(injector.value())));
            let _ = step!(lend, injector);
            let _ = step!(lend, injector);
            survive(|| drop(lend));
            0
        }),
        ("a boxed lend is dropped while offered", |lender, _, injector| {
            let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let _ = step!(lend, injector);
            survive(|| drop(lend));
            0
        }),
        (
            "a boxed lend is dropped while borrowed",
            |lender, borrower, injector| {
                let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
                let _ = step!(lend, injector);
                let mut borrow = Some(Box::pin(borrower.borrow()));
                let taken = step!(borrow, injector);
                survive(|| drop(lend));
                survive(|| drop(taken));
                survive(|| drop(borrow));
                0
            },
        ),
        ("an owned lend is dropped while offered", |lender, _, injector| {
            let mut lend = survive(|| Box::pin(lender.lend_owned(injector.value())));
            let _ = step!(lend, injector);
            survive(|| drop(lend));
            0
        }),
        (
            "an owned lend is dropped while borrowed, and another one is lent",
            |lender, borrower, injector| {
                let mut lend = survive(|| Box::pin(lender.lend_owned(injector.value())));
                let _ = step!(lend, injector);
                let mut borrow = Some(Box::pin(borrower.borrow()));
                let taken = step!(borrow, injector);
                survive(|| drop(lend));
                survive(|| drop(taken));
                survive(|| drop(borrow));
                let mut lend = survive(|| Box::pin(lender.lend_owned(injector.value())));
                let _ = step!(lend, injector);
                let _ = step!(lend, injector);
                survive(|| drop(lend));
                0
            },
        ),
        (
            "served twice, withdrawn while borrowed",
            |lender, borrower, injector| {
                let mut serve = survive(|| Box::pin(lender.serve_owned(injector.value())));
                let _ = step!(serve, injector);
                for _ in 0..2 {
                    let mut borrow = Some(Box::pin(borrower.borrow()));
                    let taken = step!(borrow, injector);
                    survive(|| drop(taken));
                    survive(|| drop(borrow));
                }
                let mut borrow = Some(Box::pin(borrower.borrow()));
                let taken = step!(borrow, injector);
                if let Some(serve) = &mut serve {
                    survive(|| serve.as_mut().withdraw());
                }
                let _ = step!(serve, injector);
                survive(|| drop(taken));
                let _ = step!(serve, injector);
                survive(|| drop(borrow));
                survive(|| drop(serve));
                0
            },
        ),
        ("a serve is dropped while borrowed", |lender, borrower, injector| {
            let mut serve = survive(|| Box::pin(lender.serve_boxed(Box::new(injector.value()))));
            let _ = step!(serve, injector);
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let taken = step!(borrow, injector);
            survive(|| drop(serve));
            survive(|| drop(taken));
            survive(|| drop(borrow));
            0
        }),
        ("withdrawn while borrowed", |lender, borrower, injector| {
            let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let _ = step!(lend, injector);
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let taken = step!(borrow, injector);
            if let Some(lend) = &mut lend {
                lend.as_mut().withdraw();
            }
            let _ = step!(lend, injector);
            survive(|| drop(taken));
            let _ = step!(lend, injector);
            survive(|| drop(borrow));
            survive(|| drop(lend));
            0
        }),
        ("a lend is forgotten, another begins", |lender, borrower, injector| {
            let mut lend = Some(Box::pin(lender.lend_pinned(injector.value())));
            let _ = step!(lend, injector);
            let forgotten = lend.is_some();
            forget(lend);
            let mut lend = survive(|| Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let _ = step!(lend, injector);
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let taken = step!(borrow, injector);
            survive(|| drop(taken));
            let _ = step!(lend, injector);
            survive(|| drop(borrow));
            survive(|| drop(lend));
            isize::from(forgotten)
        }),
        ("a borrow is forgotten, another begins", |_, borrower, injector| {
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(borrow, injector);
            forget(borrow);
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(borrow, injector);
            survive(|| drop(borrow));
            0
        }),
        (
            "a borrow is forgotten, then one is tried",
            |lender, borrower, injector| {
                let mut borrow = Some(Box::pin(borrower.borrow()));
                let _ = step!(borrow, injector);
                forget(borrow);
                survive(|| drop(borrower.try_borrow()));
                assert!(!lender.is_requested());
                let mut borrow = Some(Box::pin(borrower.borrow()));
                let _ = step!(borrow, injector);
                forget(borrow);
                let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
                let _ = step!(lend, injector);
                survive(|| drop(borrower.try_borrow()));
                let _ = step!(lend, injector);
                survive(|| drop(lend));
                survive(|| drop(borrower.try_borrow()));
                0
            },
        ),
        ("waiting for a request", |lender, borrower, injector| {
            let mut requested = Some(Box::pin(lender.requested()));
            let _ = step!(requested, injector);
            let _ = step!(requested, injector);
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(borrow, injector);
            let _ = step!(requested, injector);
            survive(|| drop(requested));
            let mut requested = survive(|| Box::pin(lender.requested()));
            survive(|| drop(borrow));
            let _ = step!(requested, injector);
            forget(requested);
            survive(|| drop(lender.requested()));
            0
        }),
        ("a request is given up under an offer", |lender, borrower, injector| {
            let mut borrow = Some(Box::pin(borrower.borrow()));
            let _ = step!(borrow, injector);
            let value = injector.value();
            let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(value))));
            let _ = step!(lend, injector);
            survive(|| drop(borrow));
            let _ = step!(lend, injector);
            survive(|| drop(lend));
            0
        }),
    ]
}

/// A loan with wakers that behave shows that nothing is stuck. It may be the one to drop a waker that panics.
fn clean_loan<M: Mutability, N: AsyncNotifier + 'static>(
    lender: &mut Lends<M, N>,
    borrower: &mut Borrows<M, N>,
    values: &Arc<AtomicIsize>,
    what: &str,
) {
    let mut try_loan = || survive(|| try_loan(lender, borrower, values, what));
    if try_loan().is_none() {
        assert!(try_loan().is_some(), "there is one panic only: {what}");
    }
}

/// Without blocking, for then a fault would hang.
fn try_loan<M: Mutability, N: AsyncNotifier + 'static>(
    lender: &mut Lends<M, N>,
    borrower: &mut Borrows<M, N>,
    values: &Arc<AtomicIsize>,
    what: &str,
) {
    assert!(!lender.is_requested(), "a request is left: {what}");
    let mut lend = Box::pin(lender.lend_boxed(Box::new(Tracked::new(values))));
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll(borrow.as_mut(), noop()).is_pending(), "{what}");
    assert!(poll(lend.as_mut(), noop()).is_pending(), "{what}");
    let Poll::Ready(Ok(guard)) = poll(borrow.as_mut(), noop()) else {
        panic!("the loan does not arrive: {what}")
    };
    assert_eq!(guard.value, 7);
    assert!(poll(lend.as_mut(), noop()).is_pending(), "{what}");
    drop(guard);
    let Poll::Ready(Ok(value)) = poll(lend.as_mut(), noop()) else {
        panic!("the loan does not end: {what}")
    };
    assert_eq!(value.value, 7);
}

/// How the halves go after a play.
#[derive(Clone, Copy, Debug)]
enum End {
    LenderFirst,
    BorrowerFirst,
}

fn play_all<M: Mutability + 'static, N: AsyncNotifier + 'static>() {
    let mut injections = 0;
    for (name, play) in plays::<M, N>() {
        for end in [End::LenderFirst, End::BorrowerFirst] {
            for panic_at in 0.. {
                let what = format!(
                    "{name}, {end:?}, panic at call {panic_at}, {}",
                    std::any::type_name::<(M, N)>()
                );
                let injector = Injector::new(panic_at);
                let (mut lender, mut borrower) = Channel::<Tracked, M, N>::new().into_split();
                let forgotten = play(&mut lender, &mut borrower, &injector);
                clean_loan(&mut lender, &mut borrower, &injector.values, &what);
                // Once more with a panicking waker left behind in the half, to see that it goes all the same.
                leave::<M, N>(lender, borrower, end, &injector, &what);
                assert_eq!(injector.values.load(SeqCst), forgotten + 1, "values, {what}");
                assert_eq!(injector.wakers.load(SeqCst), 0, "wakers leak: {what}");
                if !injector.fired.load(SeqCst) {
                    break;
                }
                injections += 1;
            }
        }
    }
    assert!(injections > 50, "only {injections}");
}

/// Each half forgets a future that was polled, and goes: the other one has to be told. Forgets one value.
fn leave<M: Mutability, N: AsyncNotifier + 'static>(
    mut lender: Lends<M, N>,
    mut borrower: Borrows<M, N>,
    end: End,
    injector: &Arc<Injector>,
    what: &str,
) {
    let mut borrow = Some(Box::pin(borrower.borrow()));
    let _ = step!(borrow, injector);
    forget(borrow);
    let mut lend = Some(Box::pin(lender.lend_pinned(injector.value())));
    let _ = step!(lend, injector);
    let _ = step!(lend, injector);
    // Where it panicked, `step` has dropped it, and the value with it; keep the count the same.
    if lend.is_none() {
        injector.values.fetch_add(1, SeqCst);
    }
    forget(lend);
    match end {
        End::LenderFirst => {
            survive(|| drop(lender));
            assert!(borrower.is_disconnected(), "the borrower is not told: {what}");
            let gone = survive(|| borrower.try_borrow().err());
            assert!(
                matches!(gone, None | Some(Some(TryBorrowError::Disconnected))),
                "{gone:?}, {what}"
            );
            survive(|| drop(borrower));
        }
        End::BorrowerFirst => {
            survive(|| drop(borrower));
            assert!(lender.is_disconnected(), "the lender is not told: {what}");
            assert!(!lender.is_requested(), "a request is left: {what}");
            survive(|| drop(lender));
        }
    }
}

fn panic_in_each_call_shared<N: AsyncNotifier + 'static>() {
    play_all::<Shared, N>();
}

fn panic_in_each_call_exclusive<N: AsyncNotifier + 'static>() {
    play_all::<Exclusive, N>();
}

over! {
    slot_survives_a_panic_in_each_call_shared: panic_in_each_call_shared over WakerSlot;
    slot_survives_a_panic_in_each_call_exclusive: panic_in_each_call_exclusive over WakerSlot;
    queue_survives_a_panic_in_each_call_shared: panic_in_each_call_shared over WakerQueue;
    queue_survives_a_panic_in_each_call_exclusive: panic_in_each_call_exclusive over WakerQueue;
}

#[cfg(feature = "spin")]
over! {
    spin_survives_a_panic_in_each_call_shared: panic_in_each_call_shared over ref_channel::notifier::Spin;
    spin_survives_a_panic_in_each_call_exclusive: panic_in_each_call_exclusive over ref_channel::notifier::Spin;
}

/// The borrowers are many: one that takes the loan out of its turn, one that gives up, one that is woken by panic.
fn clones_survive_a_panic_in_each_call<N: MultiNotifier + AsyncNotifier + 'static>() {
    for panic_at in 0.. {
        let what = format!("panic at call {panic_at}");
        let injector = Injector::new(panic_at);
        let (mut lender, mut one) = Channel::<Tracked, Exclusive, N>::new().into_split();
        let mut two = one.clone();
        let mut three = one.clone();
        {
            let mut borrow_one = Some(Box::pin(one.borrow()));
            let mut borrow_two = Some(Box::pin(two.borrow()));
            let mut borrow_three = Some(Box::pin(three.borrow()));
            let _ = step!(borrow_one, injector);
            let _ = step!(borrow_two, injector);
            let _ = step!(borrow_three, injector);
            let mut lend = Some(Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let _ = step!(lend, injector);
            // Not the one that was woken.
            let taken = step!(borrow_two, injector);
            let _ = step!(borrow_one, injector);
            let _ = step!(borrow_three, injector);
            survive(|| drop(taken));
            survive(|| drop(borrow_two));
            let _ = step!(lend, injector);
            survive(|| drop(lend));
            let mut lend = survive(|| Box::pin(lender.lend_boxed(Box::new(injector.value()))));
            let _ = step!(lend, injector);
            survive(|| drop(borrow_one));
            let taken = step!(borrow_three, injector);
            survive(|| drop(lend));
            survive(|| drop(taken));
            survive(|| drop(borrow_three));
        }
        clean_loan(&mut lender, &mut two, &injector.values, &what);
        survive(|| drop(one));
        survive(|| drop(three));
        assert!(!lender.is_disconnected(), "{what}");
        survive(|| drop(two));
        assert!(lender.is_disconnected(), "{what}");
        survive(|| drop(lender));
        assert_eq!(injector.values.load(SeqCst), 0, "values, {what}");
        assert_eq!(injector.wakers.load(SeqCst), 0, "wakers leak: {what}");
        if !injector.fired.load(SeqCst) {
            assert!(panic_at > 10, "only {panic_at}");
            return;
        }
    }
}

over! {
    cloned_borrowers_survive_a_panic_in_each_call: clones_survive_a_panic_in_each_call over WakerQueue;
}

/// A panic of one waker keeps no other borrower from learning that the lender is gone.
#[test]
fn all_are_told_though_a_waker_panics() {
    let (lender, mut one) = RefMutChannel::<u32, WakerQueue>::new().into_split();
    let mut two = one.clone();
    let woken = Arc::new(AtomicUsize::new(0));
    let bad = hook_waker(|call| {
        if call == Call::Wake {
            injected_panic();
        }
    });
    let good = {
        let woken = Arc::clone(&woken);
        hook_waker(move |call| {
            if call == Call::Wake {
                woken.fetch_add(1, SeqCst);
            }
        })
    };
    let mut borrow_one = Box::pin(one.borrow());
    let mut borrow_two = Box::pin(two.borrow());
    assert!(poll(borrow_one.as_mut(), &bad).is_pending());
    assert!(poll(borrow_two.as_mut(), &good).is_pending());
    assert!(survive(|| drop(lender)).is_none(), "the panic is passed on");
    assert_eq!(woken.load(SeqCst), 1);
    assert!(matches!(poll(borrow_two.as_mut(), noop()), Poll::Ready(Err(_))));
    assert!(matches!(poll(borrow_one.as_mut(), noop()), Poll::Ready(Err(_))));
}
