//! What the models are made of.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicUsize;
use loom::thread::{self, Thread};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Key, Notice, Notifier, WakerSlot};
use ref_channel::{Borrower, Channel, Exclusive, Lender, Mutability};

use crate::bounds::{DEEP, bound};

std::thread_local! {
    /// How often a task polls before it waits. Loom runs all threads of a model on one.
    static POLLS: Cell<usize> = const { Cell::new(1) };
}

pub fn model(name: &str, f: impl Fn() + Send + Sync + 'static) {
    explore(name, false, f);
}

/// Runs `f` through every interleaving, or through those of [so many](bound) preemptions.
///
/// In an eager model each task also polls once more without having been woken, so that the outcome may also be seen
/// without the synchronisation of a wake, and a registration is renewed at any moment.
pub fn explore(name: &str, eager: bool, f: impl Fn() + Send + Sync + 'static) {
    let name = name.trim_start_matches("loom::");
    let (bound, eager) = how(name, eager);
    let start = std::time::Instant::now();
    POLLS.set(if eager { 2 } else { 1 });
    // A model that is about that says so itself.
    ref_channel::explore_leaving(false);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = bound;
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        f();
    });
    let seconds = start.elapsed().as_secs_f64();
    let bound = bound.map_or("none".to_owned(), |bound| bound.to_string());
    let eager = if eager { ", eager" } else { "" };
    println!(
        "{name}: {} interleavings, bound {bound}{eager}, {seconds:.1} s",
        count.load(Relaxed)
    );
}

/// The bound of preemptions, and whether it is eager.
fn how(name: &str, eager: bool) -> (Option<usize>, bool) {
    let bound = bound(name);
    // `ci/bounds.py` looks for the bounds.
    match std::env::var("REF_CHANNEL_BOUND").ok().as_deref() {
        Some("none") => return (None, eager),
        Some(number) => return (Some(number.parse().unwrap()), eager),
        None => {}
    }
    // `ci/orderings.py` runs the models over and over.
    if std::env::var_os("REF_CHANNEL_QUICK").is_some() && !DEEP.iter().any(|(deep, _)| *deep == name) {
        return (Some(bound.unwrap_or(3).min(3)), true);
    }
    (bound, eager)
}

/// Makes the same model for each of some notifiers.
macro_rules! for_notifiers {
    ($model:ident: $($name:ident = $notifier:ty $(, $eager:ident)?;)*) => {
        $(
            #[test]
            fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                let eager = crate::common::for_notifiers!(@ $($eager)?);
                crate::common::explore(name, eager, || $model::<$notifier>());
            }
        )*
    };
    (@) => { false };
    (@ eager) => { true };
}
pub(crate) use for_notifiers;

/// Owned halves of a channel of [`Probe`]s.
pub fn halves<M: Mutability, N: Notifier>() -> (Lender<'static, Probe, M, N>, Borrower<'static, Probe, M, N>) {
    Channel::new().into_split()
}

/// The same, exclusive, over the default notifier.
pub fn exclusive() -> (
    Lender<'static, Probe, Exclusive, WakerSlot>,
    Borrower<'static, Probe, Exclusive, WakerSlot>,
) {
    halves()
}

/// A value of which loom knows every access, its drop included.
pub struct Probe(UnsafeCell<u32>);

impl Probe {
    pub fn new(value: u32) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub fn get(&self) -> u32 {
        // SAFETY: loom checks that nobody writes.
        self.0.with(|value| unsafe { *value })
    }

    pub fn bump(&mut self) -> u32 {
        // SAFETY: loom checks that nobody else is there.
        self.0.with_mut(|value| unsafe {
            *value += 1;
            *value
        })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

/// A probe that must not leak: loom says so if it does.
pub struct Tracked {
    pub probe: Probe,
    _track: loom::alloc::Track<()>,
}

impl Tracked {
    pub fn new(value: u32) -> Self {
        Self {
            probe: Probe::new(value),
            _track: loom::alloc::Track::new(()),
        }
    }
}

/// A flag between the threads of a model that loom does not see, so that it orders nothing.
#[derive(Clone, Default)]
pub struct Flag(Arc<std::sync::atomic::AtomicBool>);

impl Flag {
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

const IDLE: usize = 0;
const PARKED: usize = 1;
const WOKEN: usize = 2;

/// A waker of this thread. It unparks only who is parked here: loom's unpark would also "wake" a thread that waits
/// for a lock.
pub struct Parker {
    state: AtomicUsize,
    thread: Thread,
    woken_by_itself: Flag,
}

impl Parker {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicUsize::new(IDLE),
            thread: thread::current(),
            woken_by_itself: Flag::default(),
        })
    }

    /// Until it is woken.
    pub fn wait(&self) {
        // Loom switches threads before an atomic access, never after it: whoever sees `PARKED` sees a parked thread.
        if self.state.compare_exchange(IDLE, PARKED, AcqRel, Acquire).is_ok() {
            thread::park();
        } else if self.woken_by_itself.0.swap(false, Relaxed) {
            thread::yield_now();
        }
        self.state.swap(IDLE, AcqRel);
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if thread::current().id() == self.thread.id() {
            self.woken_by_itself.set();
        }
        if self.state.swap(WOKEN, AcqRel) == PARKED {
            self.thread.unpark();
        }
    }
}

pub fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// One poll, by a task that nobody waits for.
pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    poll(future, &Waker::from(Parker::new()))
}

/// Polls until the end, whenever it is woken; in a model that is [eager](explore), once more each time.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Parker::new();
    let waker = Waker::from(parker.clone());
    loop {
        for _ in 0..POLLS.get() {
            if let Poll::Ready(output) = poll(future.as_mut(), &waker) {
                return output;
            }
        }
        parker.wait();
    }
}

/// `WakerSlot`, but loom knows when it is used and when it is dropped, and that it must be.
pub struct Watched {
    inner: WakerSlot,
    in_use: UnsafeCell<()>,
    _track: loom::alloc::Track<()>,
}

// SAFETY: loom checks each access to the cell.
unsafe impl Sync for Watched {}

impl Drop for Watched {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.in_use.with_mut(|_| ());
        }
    }
}

impl Notifier for Watched {
    type Seat = <WakerSlot as Notifier>::Seat;
    type Waiter = ();

    fn init() -> Self {
        Self {
            inner: WakerSlot::init(),
            in_use: UnsafeCell::new(()),
            _track: loom::alloc::Track::new(()),
        }
    }

    unsafe fn notify(&self, notice: Notice) {
        let _in_use = self.in_use.get();
        // SAFETY: the same promise.
        unsafe { self.inner.notify(notice) }
    }

    unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        let _in_use = self.in_use.get();
        // SAFETY: the same promise.
        unsafe { self.inner.notify_with(transition) }
    }

    unsafe fn deregister(&self, seat: &mut Self::Seat, unclaimed: Option<Key>) {
        let _in_use = self.in_use.get();
        // SAFETY: the same promise.
        unsafe { self.inner.deregister(seat, unclaimed) }
    }
}

impl AsyncNotifier for Watched {
    unsafe fn register(&self, seat: &mut Self::Seat, waiter: Pin<&mut ()>, waker: &Waker) -> Key {
        let _in_use = self.in_use.get();
        // SAFETY: the same promise.
        unsafe { self.inner.register(seat, waiter, waker) }
    }
}

impl BlockingNotifier for Watched {
    unsafe fn register_thread(&self, seat: &mut Self::Seat, waiter: Pin<&mut ()>) -> Key {
        let _in_use = self.in_use.get();
        // SAFETY: the same promise.
        unsafe { self.inner.register_thread(seat, waiter) }
    }

    fn park(&self, deadline: Deadline) {
        self.inner.park(deadline);
    }
}
