//! A waker keeps its task alive. So a half that is dropped lets go of its waker, also while the other half lives on, and
//! also if it is being woken at that moment.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, Weak, mpsc};
use std::task::{Poll, Wake, Waker};
use std::thread;

use common::{Count, backends, forget, leak, no_hang, poll_once, poll_with, rounds};
use ref_channel::notifier::{AsyncNotifier, Notifier, WakerSlot};
use ref_channel::{RefMutBorrower, RefMutChannel, RefMutLender};

/// For backends of which the waker may come back to the channel, and that call it from the other half only.
macro_rules! backends_that_may_be_reentered {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn waker_slot() {
                super::$name::<ref_channel::notifier::WakerSlot>();
            }
            #[test]
            fn waker_queue() {
                super::$name::<ref_channel::notifier::WakerQueue>();
            }
            #[cfg(feature = "atomic-waker")]
            #[test]
            fn atomic_waker() {
                super::$name::<ref_channel::notifier::AtomicWaker>();
            }
        }
    )* };
}

/// Calls `f` with halves of each origin.
fn with_halves<N: Notifier + 'static>(f: impl for<'a> Fn(RefMutLender<'a, u32, N>, RefMutBorrower<'a, u32, N>)) {
    let mut channel = RefMutChannel::new();
    for _ in 0..2 {
        let (lender, borrower) = channel.split();
        f(lender, borrower);
    }

    let (lender, borrower) = RefMutChannel::new().into_split();
    f(lender, borrower);

    // As a `static`, of which there is one for each type.
    let channel: &'static RefMutChannel<u32, N> = leak(RefMutChannel::new());
    for _ in 0..2 {
        let (lender, borrower) = channel.try_split().unwrap();
        f(lender, borrower);
    }
}

#[track_caller]
fn assert_not_kept<T>(value: &Arc<T>) {
    assert_eq!(Arc::strong_count(value), 1, "a waker is kept");
}

/// The borrower takes what is on offer, and gives it back.
fn take<N: AsyncNotifier>(borrower: &mut RefMutBorrower<'_, u32, N>) {
    let guard = borrower.try_borrow().unwrap();
    drop(guard);
}

// ----- the lender ----------------------------------------------------------------------------------------------

fn lender_after_a_completed_lend<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, mut borrower| {
        let (kept, waker) = Count::new();
        {
            let mut lend = pin!(lender.lend_pinned(1));
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            take(&mut borrower);
            assert!(poll_with(lend, &waker).is_ready());
        }
        drop(waker);
        drop(lender);
        assert_not_kept(&kept);
    });
}

fn lender_after_many_wakers<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, mut borrower| {
        let all: Vec<_> = (0..5).map(|_| Count::new().0).collect();
        for kept in &all {
            let waker = Waker::from(kept.clone());
            let mut lend = pin!(lender.lend_pinned(1));
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            take(&mut borrower);
            assert!(poll_with(lend, &waker).is_ready());
        }
        drop(lender);
        all.iter().for_each(assert_not_kept);
    });
}

fn lender_after_a_cancelled_lend_boxed<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, mut borrower| {
        let (kept, waker) = Count::new();
        assert!(poll_with(pin!(lender.lend_boxed(Box::new(1))), &waker).is_pending());
        drop(waker);
        drop(lender);
        assert_not_kept(&kept);
        assert!(borrower.try_borrow().is_err());
    });
}

fn lender_after_a_lend_boxed_cancelled_while_borrowed<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, mut borrower| {
        let (kept, waker) = Count::new();
        let guard;
        {
            let mut lend = pin!(lender.lend_boxed(Box::new(1)));
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            guard = borrower.try_borrow().unwrap();
            assert!(poll_with(lend, &waker).is_pending());
        }
        drop(waker);
        drop(lender);
        assert_not_kept(&kept);
        assert_eq!(*guard, 1);
    });
}

fn lender_after_a_withdrawn_lend<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, _borrower| {
        let (kept, waker) = Count::new();
        {
            let mut lend = pin!(lender.lend_pinned(1));
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            lend.as_mut().withdraw();
            assert!(poll_with(lend, &waker).is_ready());
        }
        drop(waker);
        drop(lender);
        assert_not_kept(&kept);
    });
}

fn lender_after_a_cancelled_requested<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, _borrower| {
        let (kept, waker) = Count::new();
        assert!(poll_with(pin!(lender.requested()), &waker).is_pending());
        drop(waker);
        drop(lender);
        assert_not_kept(&kept);
    });
}

/// As a future that is forgotten keeps its own waiter, this is about a registration that nobody took back.
fn lender_after_a_forgotten_requested<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|lender, _borrower| {
        let (kept, waker) = Count::new();
        let mut lender = lender;
        let mut requested = Box::pin(lender.requested());
        assert!(poll_with(requested.as_mut(), &waker).is_pending());
        forget(requested);
        drop(waker);
        drop(lender);
        assert_not_kept(&kept);
    });
}

// ----- the borrower --------------------------------------------------------------------------------------------

fn borrower_after_a_completed_borrow<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, mut borrower| {
        let (kept, waker) = Count::new();
        let mut lend = pin!(lender.lend_pinned(1));
        {
            let mut borrow = pin!(borrower.borrow());
            assert!(poll_with(borrow.as_mut(), &waker).is_pending());
            assert!(poll_once(lend.as_mut()).is_pending());
            assert!(poll_with(borrow, &waker).is_ready());
        }
        drop(waker);
        drop(borrower);
        assert_not_kept(&kept);
        assert!(poll_once(lend).is_ready());
    });
}

fn borrower_after_a_cancelled_borrow<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|_lender, mut borrower| {
        let (kept, waker) = Count::new();
        assert!(poll_with(pin!(borrower.borrow()), &waker).is_pending());
        drop(waker);
        drop(borrower);
        assert_not_kept(&kept);
    });
}

fn borrower_after_a_borrow_cancelled_as_it_was_woken<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|mut lender, mut borrower| {
        let (kept, waker) = Count::new();
        let mut lend = pin!(lender.lend_pinned(1));
        {
            let mut borrow = pin!(borrower.borrow());
            assert!(poll_with(borrow.as_mut(), &waker).is_pending());
            assert!(poll_once(lend.as_mut()).is_pending());
        }
        drop(waker);
        drop(borrower);
        assert_not_kept(&kept);
        assert!(poll_once(lend).is_ready());
    });
}

fn borrower_after_a_forgotten_borrow<N: AsyncNotifier + 'static>() {
    with_halves::<N>(|_lender, mut borrower| {
        let (kept, waker) = Count::new();
        let mut borrow = Box::pin(borrower.borrow());
        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
        forget(borrow);
        drop(waker);
        drop(borrower);
        assert_not_kept(&kept);
    });
}

// ----- a new split ---------------------------------------------------------------------------------------------

fn new_split_keeps_nothing_of_the_old_halves<N: AsyncNotifier + 'static>() {
    let mut owned = RefMutChannel::<u32, N>::new();
    let unending: &'static RefMutChannel<u32, N> = leak(RefMutChannel::new());

    fn use_up<N: AsyncNotifier>(halves: (RefMutLender<'_, u32, N>, RefMutBorrower<'_, u32, N>)) -> [Arc<Count>; 2] {
        let (mut lender, mut borrower) = halves;
        let [(kept, waker), (kept_too, waker_too)] = [Count::new(), Count::new()];
        {
            let mut requested = pin!(lender.requested());
            assert!(poll_with(requested.as_mut(), &waker).is_pending());
            assert!(poll_with(pin!(borrower.borrow()), &waker_too).is_pending());
        }
        [kept, kept_too]
    }

    for _ in 0..3 {
        let kept = use_up(owned.split());
        kept.iter().for_each(assert_not_kept);
        let _halves = owned.split();
        kept.iter().for_each(assert_not_kept);
    }
    for _ in 0..3 {
        let kept = use_up(unending.try_split().unwrap());
        kept.iter().for_each(assert_not_kept);
        let _halves = unending.try_split().unwrap();
        kept.iter().for_each(assert_not_kept);
    }
}

#[test]
fn halves_of_a_static_let_go_of_their_wakers() {
    static CHANNEL: RefMutChannel<u32, WakerSlot> = RefMutChannel::new();
    for _ in 0..3 {
        let (mut lender, mut borrower) = CHANNEL.try_split().unwrap();
        let [(kept, waker), (kept_too, waker_too)] = [Count::new(), Count::new()];
        {
            let mut lend = pin!(lender.lend_pinned(1));
            let mut borrow = pin!(borrower.borrow());
            assert!(poll_with(borrow.as_mut(), &waker_too).is_pending());
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            assert!(poll_with(borrow, &waker_too).is_ready());
        }
        drop((waker, waker_too));
        drop(lender);
        assert_not_kept(&kept);
        drop(borrower);
        assert_not_kept(&kept_too);
        let _halves = CHANNEL.try_split().unwrap();
        assert_not_kept(&kept);
        assert_not_kept(&kept_too);
    }
}

backends!(both:
    lender_after_a_completed_lend,
    lender_after_many_wakers,
    lender_after_a_cancelled_lend_boxed,
    lender_after_a_lend_boxed_cancelled_while_borrowed,
    lender_after_a_withdrawn_lend,
    lender_after_a_cancelled_requested,
    lender_after_a_forgotten_requested,
    borrower_after_a_completed_borrow,
    borrower_after_a_cancelled_borrow,
    borrower_after_a_borrow_cancelled_as_it_was_woken,
    borrower_after_a_forgotten_borrow,
    new_split_keeps_nothing_of_the_old_halves,
);

// ----- a waker that drops who is being woken -------------------------------------------------------------------

/// Whoever wakes it drops what it owns.
struct Dropping<H>(Mutex<Option<H>>);

impl<H: Send + 'static> Dropping<H> {
    fn new() -> (Arc<Self>, Waker) {
        let this = Arc::new(Self(Mutex::new(None)));
        (this.clone(), this.into())
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

impl<H: Send + 'static> Wake for Dropping<H> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let owned = self.0.lock().unwrap().take();
        drop(owned);
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The future owns the half.
fn waker_drops_a_task_with_the_lender<N: AsyncNotifier + 'static>() {
    for completed in 0..3 {
        let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        let (kept, waker) = Dropping::<Task>::new();
        let mut task: Task = Box::pin(async move {
            for _ in 0..completed {
                lender.lend_pinned(1).await.unwrap();
            }
            lender.requested().await.unwrap();
        });
        assert!(poll_with(task.as_mut(), &waker).is_pending());
        for _ in 0..completed {
            take(&mut borrower);
            assert!(poll_with(task.as_mut(), &waker).is_pending());
        }
        *kept.0.lock().unwrap() = Some(task);
        drop(waker);
        let mut borrow = pin!(borrower.borrow());
        let _ = poll_once(borrow.as_mut());
        assert!(kept.is_empty(), "it was woken");
        assert_not_kept(&kept);
        assert!(matches!(poll_once(borrow), Poll::Ready(Err(_))));
    }
}

fn waker_drops_a_task_with_the_borrower<N: AsyncNotifier + 'static>() {
    for completed in 0..3 {
        let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        let (kept, waker) = Dropping::<Task>::new();
        let mut task: Task = Box::pin(async move {
            for _ in 0..=completed {
                *borrower.borrow().await.unwrap() += 1;
            }
        });
        assert!(poll_with(task.as_mut(), &waker).is_pending());
        for _ in 0..completed {
            let mut lend = pin!(lender.lend_pinned(1));
            assert!(poll_once(lend.as_mut()).is_pending());
            assert!(poll_with(task.as_mut(), &waker).is_pending());
            assert!(poll_once(lend).is_ready());
        }
        *kept.0.lock().unwrap() = Some(task);
        drop(waker);
        let mut lend = pin!(lender.lend_pinned(1));
        let _ = poll_once(lend.as_mut());
        assert!(kept.is_empty(), "it was woken");
        assert_not_kept(&kept);
        assert!(matches!(poll_once(lend), Poll::Ready(Err(_))));
    }
}

/// The registration is of a future that was forgotten, and only the half is there to be dropped.
fn waker_drops_the_lender<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
    let (kept, waker) = Dropping::<RefMutLender<'static, u32, N>>::new();
    let mut requested = Box::pin(lender.requested());
    assert!(poll_with(requested.as_mut(), &waker).is_pending());
    forget(requested);
    *kept.0.lock().unwrap() = Some(lender);
    drop(waker);
    let _ = poll_once(pin!(borrower.borrow()));
    assert!(kept.is_empty(), "it was woken");
    assert_not_kept(&kept);
}

fn waker_drops_the_borrower<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
    let (kept, waker) = Dropping::<RefMutBorrower<'static, u32, N>>::new();
    let mut borrow = Box::pin(borrower.borrow());
    assert!(poll_with(borrow.as_mut(), &waker).is_pending());
    forget(borrow);
    *kept.0.lock().unwrap() = Some(borrower);
    drop(waker);
    let _ = poll_once(pin!(lender.lend_pinned(1)));
    assert!(kept.is_empty(), "it was woken");
    assert_not_kept(&kept);
}

/// Whoever wakes it polls it, further down on the same stack: there the task ends.
struct Inline(Mutex<Option<Task>>);

impl Inline {
    fn poll(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let task = self.0.lock().unwrap().take();
        let Some(mut task) = task else { return };
        if poll_with(task.as_mut(), &waker).is_pending() {
            *self.0.lock().unwrap() = Some(task);
        }
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.poll();
    }
}

fn lender_is_dropped_by_a_task_that_its_waker_polls<N: AsyncNotifier + 'static>() {
    for loans in 0..3 {
        let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        let task = Arc::new(Inline(Mutex::new(Some(Box::pin(async move {
            for _ in 0..loans {
                lender.lend_pinned(1).await.unwrap();
            }
            lender.requested().await.unwrap();
        })))));
        task.poll();
        for _ in 0..loans {
            take(&mut borrower);
        }
        let _ = poll_once(pin!(borrower.borrow()));
        assert!(task.0.lock().unwrap().is_none(), "it has ended");
        assert_not_kept(&task);
    }
}

fn borrower_is_dropped_by_a_task_that_its_waker_polls<N: AsyncNotifier + 'static>() {
    for loans in 1..4 {
        let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
        let task = Arc::new(Inline(Mutex::new(Some(Box::pin(async move {
            for _ in 0..loans {
                *borrower.borrow().await.unwrap() += 1;
            }
        })))));
        task.poll();
        for _ in 0..loans {
            let mut lend = pin!(lender.lend_pinned(1));
            let _ = poll_once(lend.as_mut());
            let _ = poll_once(lend);
        }
        assert!(task.0.lock().unwrap().is_none(), "it has ended");
        assert_not_kept(&task);
    }
}

fn new_split_keeps_nothing_of_halves_that_went_in_a_wake<N: AsyncNotifier + 'static>() {
    let channel: &'static RefMutChannel<u32, N> = leak(RefMutChannel::new());
    for _ in 0..3 {
        let (mut lender, mut borrower) = channel.try_split().unwrap();
        let (kept, waker) = Dropping::<Task>::new();
        let mut task: Task = Box::pin(async move { lender.requested().await.unwrap() });
        assert!(poll_with(task.as_mut(), &waker).is_pending());
        *kept.0.lock().unwrap() = Some(task);
        drop(waker);
        let _ = poll_once(pin!(borrower.borrow()));
        drop(borrower);
        let _halves = channel.try_split().unwrap();
        assert_not_kept(&kept);
    }
}

backends_that_may_be_reentered!(
    waker_drops_a_task_with_the_lender,
    waker_drops_a_task_with_the_borrower,
    waker_drops_the_lender,
    waker_drops_the_borrower,
    lender_is_dropped_by_a_task_that_its_waker_polls,
    borrower_is_dropped_by_a_task_that_its_waker_polls,
    new_split_keeps_nothing_of_halves_that_went_in_a_wake,
);

// ----- an executor of which the wakers own the tasks ------------------------------------------------------------

/// The task of the executor in the async book.
struct Queued {
    future: Mutex<Option<Task>>,
    ready: mpsc::Sender<Arc<Queued>>,
}

impl Wake for Queued {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The executor may be gone by now.
        let _ = self.ready.send(self.clone());
    }
}

struct Executor {
    queue: mpsc::Receiver<Arc<Queued>>,
    ready: mpsc::Sender<Arc<Queued>>,
}

impl Executor {
    fn new() -> Self {
        let (ready, queue) = mpsc::channel();
        Self { queue, ready }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Weak<Queued> {
        let task = Arc::new(Queued {
            future: Mutex::new(Some(Box::pin(future))),
            ready: self.ready.clone(),
        });
        let weak = Arc::downgrade(&task);
        self.ready.send(task).unwrap();
        weak
    }

    /// Polls who is ready now. At the end nothing is in the queue but what was woken meanwhile.
    fn run(&self) {
        let now: Vec<_> = self.queue.try_iter().collect();
        for task in now {
            let mut slot = task.future.lock().unwrap();
            let Some(mut future) = slot.take() else { continue };
            let waker = Waker::from(task.clone());
            if poll_with(future.as_mut(), &waker).is_pending() {
                *slot = Some(future);
            }
        }
    }
}

fn ended_task_with_the_lender_is_freed<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
    let executor = Executor::new();
    let task = executor.spawn(async move {
        for _ in 0..3 {
            lender.lend_pinned(1).await.unwrap();
        }
    });
    executor.run();
    for _ in 0..3 {
        assert!(task.upgrade().is_some());
        take(&mut borrower);
        executor.run();
    }
    // `Spin` has it still in the queue.
    executor.run();
    assert!(task.upgrade().is_none(), "the task is kept");
    assert!(borrower.is_disconnected());
}

fn ended_task_with_the_borrower_is_freed<N: AsyncNotifier + 'static>() {
    let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
    let executor = Executor::new();
    let task = executor.spawn(async move {
        for _ in 0..3 {
            *borrower.borrow().await.unwrap() += 1;
        }
    });
    executor.run();
    for _ in 0..3 {
        assert!(task.upgrade().is_some());
        let mut lend = pin!(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        executor.run();
        assert!(poll_once(lend).is_ready());
    }
    executor.run();
    assert!(task.upgrade().is_none(), "the task is kept");
    assert!(lender.is_disconnected());
}

backends!(both: ended_task_with_the_lender_is_freed, ended_task_with_the_borrower_is_freed);

// ----- two threads ---------------------------------------------------------------------------------------------

/// Tells that it is being woken.
#[derive(Default)]
struct Telling(AtomicBool);

impl Wake for Telling {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Telling {
    fn wait(&self) {
        while !self.0.load(Ordering::Relaxed) {
            std::hint::spin_loop();
            if cfg!(miri) {
                thread::yield_now();
            }
        }
    }
}

fn lender_goes_as_another_thread_wakes_it<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        for round in 0..rounds(1000) {
            let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
            let kept = Arc::new(Telling::default());
            let waker = Waker::from(kept.clone());
            let start = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let waker = waker;
                    {
                        let mut requested = pin!(lender.requested());
                        assert!(poll_with(requested.as_mut(), &waker).is_pending());
                        start.wait();
                        // Either by chance, or in the midst of the wake.
                        if round % 2 == 0 {
                            kept.wait();
                        }
                    }
                    drop(lender);
                });
                start.wait();
                let _ = poll_once(pin!(borrower.borrow()));
            });
            assert_not_kept(&kept);
            drop(borrower);
        }
    });
}

fn borrower_goes_as_another_thread_wakes_it<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        for round in 0..rounds(1000) {
            let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
            let kept = Arc::new(Telling::default());
            let waker = Waker::from(kept.clone());
            let start = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let waker = waker;
                    {
                        let mut borrow = pin!(borrower.borrow());
                        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
                        start.wait();
                        if round % 2 == 0 {
                            kept.wait();
                        }
                    }
                    drop(borrower);
                });
                start.wait();
                let _ = poll_once(pin!(lender.lend_pinned(1)));
            });
            assert_not_kept(&kept);
            drop(lender);
        }
    });
}

/// It goes at the end of a loan, which is when it is woken by the guard.
fn lender_goes_as_a_guard_on_another_thread_wakes_it<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        for _ in 0..rounds(1000) {
            let (mut lender, mut borrower) = RefMutChannel::<u32, N>::new().into_split();
            let kept = Arc::new(Telling::default());
            let waker = Waker::from(kept.clone());
            let start = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let waker = waker;
                    {
                        let mut lend = pin!(lender.lend_pinned(1));
                        assert!(poll_with(lend.as_mut(), &waker).is_pending());
                        start.wait();
                        while poll_with(lend.as_mut(), &waker).is_pending() {
                            thread::yield_now();
                        }
                    }
                    drop(lender);
                });
                start.wait();
                take(&mut borrower);
            });
            assert_not_kept(&kept);
            drop(borrower);
        }
    });
}

backends!(both:
    lender_goes_as_another_thread_wakes_it,
    borrower_goes_as_another_thread_wakes_it,
    lender_goes_as_a_guard_on_another_thread_wakes_it,
);
