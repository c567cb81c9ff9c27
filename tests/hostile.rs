//! Wakers, notifiers, destructors and closures that do the worst: they panic, and they come back to the channel from
//! within. The channel has to stay usable, to leak nothing but what was forgotten, and to alias nothing.
#![cfg(not(all(loom, feature = "loom")))]
#![cfg(feature = "std")]

mod common;

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;

use common::forget;
use ref_channel::notifier::{
    AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notice, Notifier, WakerQueue, WakerSlot,
};
use ref_channel::{
    Borrower, Channel, Exclusive, Guard, Lender, Mutability, RefChannel, RefGuard, RefMutChannel, RefMutGuard, Shared,
    TryBorrowError, TryLendError,
};

// ----- the tools -------------------------------------------------------------------------------------------

/// The payload of the panics that these tests make, so that a failed assertion is not taken for one.
struct Injected;

/// Panics, unless that would abort, without the message.
fn injected_panic() {
    if !thread::panicking() {
        resume_unwind(Box::new(Injected));
    }
}

/// Runs `f`; none if it panicked as planned.
fn survive<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(panic) if panic.is::<Injected>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Clone,
    Wake,
    Drop,
}

type Hook = dyn Fn(Call) + Send + Sync;

/// A waker that calls `hook` at each of its functions. The drop is counted before the hook runs.
fn hook_waker(hook: impl Fn(Call) + Send + Sync + 'static) -> Waker {
    /// Dropped also if the hook panics.
    struct Consumed(Arc<Box<Hook>>);
    impl Drop for Consumed {
        fn drop(&mut self) {
            (self.0)(Call::Drop);
        }
    }

    fn raw(hook: Arc<Box<Hook>>) -> RawWaker {
        const VTABLE: RawWakerVTable = RawWakerVTable::new(
            |data| {
                // SAFETY: `data` is from `raw`, and the caller keeps its waker.
                let hook = unsafe { &*data.cast::<Box<Hook>>() };
                hook(Call::Clone);
                // SAFETY: as above; this is the count of the new waker.
                raw(unsafe {
                    Arc::increment_strong_count(data.cast::<Box<Hook>>());
                    Arc::from_raw(data.cast())
                })
            },
            |data| {
                // SAFETY: `data` is from `raw`, and the caller gives its waker up.
                let hook: Arc<Box<Hook>> = unsafe { Arc::from_raw(data.cast()) };
                let consumed = Consumed(hook);
                (consumed.0)(Call::Wake);
            },
            |data| {
                // SAFETY: `data` is from `raw`, and the caller keeps its waker.
                let hook = unsafe { &*data.cast::<Box<Hook>>() };
                hook(Call::Wake);
            },
            |data| {
                // SAFETY: `data` is from `raw`, and the caller gives its waker up.
                let hook: Arc<Box<Hook>> = unsafe { Arc::from_raw(data.cast()) };
                hook(Call::Drop);
            },
        );
        RawWaker::new(Arc::into_raw(hook).cast(), &VTABLE)
    }
    // SAFETY: the functions above keep the contract: they are thread-safe, and count.
    unsafe { Waker::from_raw(raw(Arc::new(Box::new(hook)))) }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn noop() -> &'static Waker {
    Waker::noop()
}

/// A value whose copies are counted.
#[derive(Debug)]
struct Tracked {
    value: u32,
    live: Arc<AtomicIsize>,
}

impl Tracked {
    fn new(live: &Arc<AtomicIsize>) -> Self {
        live.fetch_add(1, SeqCst);
        Self {
            value: 7,
            live: Arc::clone(live),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        assert_eq!(self.value, 7, "it is dropped once");
        self.value = 0;
        self.live.fetch_sub(1, SeqCst);
    }
}

/// Runs a generic test over backends.
macro_rules! over {
    ($($test:ident: $body:ident over $($backend:ty),+;)+) => {$(
        #[test]
        fn $test() {
            $($body::<$backend>();)+
        }
    )+};
}

// ----- every call of a waker panics, one at a time ---------------------------------------------------------

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

// ----- executors that run inline ---------------------------------------------------------------------------

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

// ----- destructors and closures that panic -----------------------------------------------------------------

/// Its destructor panics, and counts.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        injected_panic();
    }
}

fn destructors<M: Mutability + 'static, N: AsyncNotifier + 'static>() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let bomb = || Bomb(Arc::clone(&dropped));
    let (mut lender, mut borrower) = Channel::<Bomb, M, N>::new().into_split();

    // Dropped before the offer, under it, and after the loan is back.
    assert!(survive(|| drop(lender.lend_pinned(bomb()))).is_none());
    let mut lend = Box::pin(lender.lend_pinned(bomb()));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    assert!(survive(|| drop(lend)).is_none());
    let mut lend = Box::pin(lender.lend_pinned(bomb()));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    drop(borrower.try_borrow().unwrap());
    assert!(survive(|| drop(lend)).is_none());
    assert_eq!(dropped.load(SeqCst), 3);

    // The same for a box.
    let mut lend = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    assert!(survive(|| drop(lend)).is_none());
    assert!(matches!(borrower.try_borrow(), Err(TryBorrowError::NotLent)));
    assert_eq!(dropped.load(SeqCst), 4);

    // Handed over: it panics in the guard's drop, and the loan is over all the same.
    let mut lend = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(lend);
    assert_eq!(dropped.load(SeqCst), 4);
    let mut next = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(next.as_mut(), noop()).is_pending());
    assert!(survive(|| drop(guard)).is_none());
    assert_eq!(dropped.load(SeqCst), 5);
    // The next loan had to wait for that, and arrives now.
    assert!(matches!(borrower.try_borrow(), Err(TryBorrowError::NotLent)));
    assert!(poll(next.as_mut(), noop()).is_pending());
    drop(borrower.try_borrow().unwrap());
    let Poll::Ready(Ok(back)) = poll(next.as_mut(), noop()) else {
        panic!("the loan does not end")
    };
    forget(back);

    // Handed over, and the lender is gone: the guard is the last one to know of the box, and the half of the channel.
    drop(next);
    let mut lend = Box::pin(lender.lend_boxed(Box::new(bomb())));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    drop(lend);
    drop(lender);
    assert!(survive(|| drop(guard)).is_none());
    assert_eq!(dropped.load(SeqCst), 6);
    assert!(matches!(borrower.try_borrow(), Err(TryBorrowError::Disconnected)));
}

fn destructors_both<N: AsyncNotifier + 'static>() {
    destructors::<Shared, N>();
    destructors::<Exclusive, N>();
}

over! {
    a_destructor_panics: destructors_both over WakerSlot, WakerQueue;
}

#[cfg(feature = "spin")]
over! {
    a_destructor_panics_spin: destructors_both over ref_channel::notifier::Spin;
}

#[cfg(feature = "atomic-waker")]
over! {
    a_destructor_panics_atomic_waker: destructors_both over ref_channel::notifier::AtomicWaker;
}

#[cfg(feature = "event-listener")]
over! {
    a_destructor_panics_event: destructors_both over ref_channel::notifier::Event;
}

fn boom<R>() -> R {
    resume_unwind(Box::new(Injected))
}

/// A loan of `(1, 2)` to `f`, which panics; the value has to come back.
fn lend_to<M: Mutability + 'static>(f: impl FnOnce(Guard<'_, (u32, u32), M, WakerSlot>), expected: (u32, u32)) {
    let (mut lender, mut borrower) = Channel::<(u32, u32), M>::new().into_split();
    for _ in 0..2 {
        let mut lend = pin!(lender.lend_pinned((1, 2)));
        assert!(poll(lend.as_mut(), noop()).is_pending());
        drop(borrower.try_borrow().unwrap());
        assert_eq!(poll(lend.as_mut(), noop()), Poll::Ready(Ok((1, 2))));
    }
    let mut lend = pin!(lender.lend_pinned((1, 2)));
    assert!(poll(lend.as_mut(), noop()).is_pending());
    let guard = borrower.try_borrow().unwrap();
    assert!(survive(|| f(guard)).is_none());
    assert_eq!(poll(lend.as_mut(), noop()), Poll::Ready(Ok(expected)));
}

#[test]
fn a_closure_panics_shared() {
    lend_to::<Shared>(|guard| drop(RefGuard::map(guard, |_| -> &u32 { boom() })), (1, 2));
    lend_to::<Shared>(
        |guard| drop(RefGuard::filter_map(guard, |_| -> Option<&u32> { boom() })),
        (1, 2),
    );
    lend_to::<Shared>(
        |guard| drop(RefGuard::map_split(guard, |_| -> (&u32, &u32) { boom() })),
        (1, 2),
    );
    // With another part out, which is dropped in the same unwinding.
    lend_to::<Shared>(
        |guard| {
            let _other = RefGuard::clone(&guard);
            drop(RefGuard::map(guard, |_| -> &u32 { boom() }));
        },
        (1, 2),
    );
}

#[test]
fn a_closure_panics_exclusive() {
    lend_to::<Exclusive>(
        |guard| {
            drop(RefMutGuard::map(guard, |pair| -> &mut u32 {
                pair.0 = 5;
                boom()
            }));
        },
        (5, 2),
    );
    lend_to::<Exclusive>(
        |guard| drop(RefMutGuard::filter_map(guard, |_| -> Option<&mut u32> { boom() })),
        (1, 2),
    );
    lend_to::<Exclusive>(
        |guard| drop(RefMutGuard::map_split(guard, |_| -> (&mut u32, &mut u32) { boom() })),
        (1, 2),
    );
    lend_to::<Exclusive>(
        |guard| {
            let (_left, right) = RefMutGuard::map_split(guard, |pair| (&mut pair.0, &mut pair.1));
            drop(RefMutGuard::map(right, |right| -> &mut u32 {
                *right = 9;
                boom()
            }));
        },
        (1, 9),
    );
}

// ----- on another thread at every poll ---------------------------------------------------------------------

/// Polls on a new thread each time, until somebody wakes it; then again.
fn roam<F: Future + Send>(future: F) -> F::Output
where
    F::Output: Send,
{
    let mut future = Box::pin(future);
    loop {
        let (wake, woken) = mpsc::sync_channel::<()>(1);
        let waker = hook_waker(move |call| {
            if call == Call::Wake {
                // Full is as good: it is woken.
                let _ = wake.try_send(());
            }
        });
        let moved = future;
        let (outcome, back) = thread::scope(|scope| {
            let waker = &waker;
            scope
                .spawn(move || {
                    let mut moved = moved;
                    (poll(moved.as_mut(), waker), moved)
                })
                .join()
                .unwrap()
        });
        future = back;
        match outcome {
            Poll::Ready(output) => return output,
            Poll::Pending => woken.recv().unwrap(),
        }
    }
}

fn roaming<N: AsyncNotifier + 'static>() {
    let loans = if cfg!(miri) { 3 } else { 200 };
    let (mut lender, mut borrower) = RefMutChannel::<Vec<u32>, N>::new().into_split();
    thread::scope(|scope| {
        scope.spawn(move || {
            roam(async move {
                for loan in 0..loans {
                    let list = lender.lend_pinned(vec![loan]).await.unwrap();
                    assert_eq!(list, [loan, loan + 1]);
                }
            });
        });
        roam(async move {
            let mut seen = 0;
            while let Ok(mut guard) = borrower.borrow().await {
                let first = guard[0];
                guard.push(first + 1);
                seen += 1;
            }
            assert_eq!(seen, loans);
        });
    });
}

over! {
    futures_roam_over_threads: roaming over WakerSlot, WakerQueue;
}

#[cfg(feature = "atomic-waker")]
over! {
    futures_roam_over_threads_atomic_waker: roaming over ref_channel::notifier::AtomicWaker;
}

#[cfg(feature = "event-listener")]
over! {
    futures_roam_over_threads_event: roaming over ref_channel::notifier::Event;
}

// ----- notifiers of the user's own -------------------------------------------------------------------------

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
        common::may_leak(&*value);
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
