//! What these tests are made of: panics that are told from failures, wakers with hooks, values that are counted.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;

/// The payload of the panics that these tests make, so that a failed assertion is not taken for one.
pub struct Injected;

/// Panics, unless that would abort, without the message.
pub fn injected_panic() {
    if !thread::panicking() {
        resume_unwind(Box::new(Injected));
    }
}

/// Runs `f`; none if it panicked as planned.
pub fn survive<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(panic) if panic.is::<Injected>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Clone,
    Wake,
    Drop,
}

pub type Hook = dyn Fn(Call) + Send + Sync;

/// A waker that calls `hook` at each of its functions. The drop is counted before the hook runs.
pub fn hook_waker(hook: impl Fn(Call) + Send + Sync + 'static) -> Waker {
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

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

pub fn noop() -> &'static Waker {
    Waker::noop()
}

/// A value whose copies are counted.
#[derive(Debug)]
pub struct Tracked {
    pub value: u32,
    pub live: Arc<AtomicIsize>,
}

impl Tracked {
    pub fn new(live: &Arc<AtomicIsize>) -> Self {
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

/// Panics in the place of a value.
pub fn boom<R>() -> R {
    resume_unwind(Box::new(Injected))
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
pub(crate) use over;
