//! What the integration tests share.
#![allow(dead_code, unused_imports, unused_macros)]

pub mod checked;

use std::cell::RefCell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Polls with a waker that does nothing.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls with that waker.
pub fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// A waker that counts how often it was woken.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    pub fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        let waker = Waker::from(count.clone());
        (count, waker)
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs `f` on a thread of its own, and fails instead of hanging if it does not end.
pub fn no_hang<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = f();
        let _ = done.send(());
        result
    });
    // Far more than any test needs; the clock of Miri runs on its own.
    let limit = Duration::from_secs(if cfg!(miri) { 3600 } else { 120 });
    match wait.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        // The sender is dropped without a message if `f` panicked, which `join` reports.
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// Gives other threads many chances to do what they must not do yet.
pub fn dawdle() {
    for _ in 0..if cfg!(miri) { 20 } else { 300 } {
        std::thread::yield_now();
    }
}

/// How many rounds a loop has: few under Miri.
pub const fn rounds(many: usize) -> usize {
    if cfg!(miri) { 20 } else { many }
}

/// Counts its drops, and the threads that they happened on.
pub struct Counted<'a>(pub &'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What was forgotten on purpose. It is kept where LeakSanitizer and Miri find it, and all that it leads to, so that they
/// report what leaks otherwise.
static FORGOTTEN: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// Only to be found.
struct Place(*mut ());

// SAFETY: an address, which nobody uses.
unsafe impl Send for Place {}

/// What may leak in a test, by the fault of something foreign.
pub fn may_leak<T>(value: &T) {
    keep(std::ptr::from_ref(value).cast_mut().cast());
}

fn keep(place: *mut ()) {
    let mut forgotten = FORGOTTEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    forgotten.push(Place(place));
}

/// As [`std::mem::forget`].
pub fn forget<T>(value: T) {
    keep(Box::into_raw(Box::new(ManuallyDrop::new(value))).cast());
}

/// As [`Box::leak`] of a new box.
pub fn leak<T>(value: T) -> &'static mut T {
    let place = Box::into_raw(Box::new(value));
    keep(place.cast());
    // SAFETY: it came from a box, which nobody else has.
    unsafe { &mut *place }
}

/// The message of a panic.
pub fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or(String::new(), |text| text.to_string()),
    }
}

/// Makes a test of the generic function for each backend that has the capabilities.
///
/// - `both`: futures and blocking calls
/// - `blocking`: blocking calls
/// - `many`: both, and borrowers can be cloned
macro_rules! backends {
    (both: $($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn waker_slot() {
                super::$name::<ref_channel::notifier::WakerSlot>();
            }
            #[test]
            fn waker_queue() {
                super::$name::<ref_channel::notifier::WakerQueue>();
            }
            #[test]
            fn checked_slot() {
                super::$name::<crate::common::checked::CheckedSlot>();
            }
            #[test]
            fn checked_queue() {
                super::$name::<crate::common::checked::CheckedQueue>();
            }
            #[cfg(feature = "atomic-waker")]
            #[test]
            fn atomic_waker() {
                super::$name::<ref_channel::notifier::AtomicWaker>();
            }
            #[cfg(feature = "event-listener")]
            #[test]
            fn event() {
                super::$name::<ref_channel::notifier::Event>();
            }
            #[cfg(feature = "spin")]
            #[test]
            fn spin() {
                super::$name::<ref_channel::notifier::Spin>();
            }
        }
    )* };
    (blocking: $($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn waker_slot() {
                super::$name::<ref_channel::notifier::WakerSlot>();
            }
            #[test]
            fn waker_queue() {
                super::$name::<ref_channel::notifier::WakerQueue>();
            }
            #[test]
            fn checked_slot() {
                super::$name::<crate::common::checked::CheckedSlot>();
            }
            #[test]
            fn checked_queue() {
                super::$name::<crate::common::checked::CheckedQueue>();
            }
            #[cfg(feature = "atomic-waker")]
            #[test]
            fn atomic_waker() {
                super::$name::<ref_channel::notifier::AtomicWaker>();
            }
            #[cfg(feature = "event-listener")]
            #[test]
            fn event() {
                super::$name::<ref_channel::notifier::Event>();
            }
            #[cfg(feature = "spin")]
            #[test]
            fn spin() {
                super::$name::<ref_channel::notifier::Spin>();
            }
            #[cfg(feature = "park")]
            #[test]
            fn park() {
                super::$name::<ref_channel::notifier::Park>();
            }
        }
    )* };
    (many: $($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn waker_queue() {
                super::$name::<ref_channel::notifier::WakerQueue>();
            }
            #[test]
            fn checked_queue() {
                super::$name::<crate::common::checked::CheckedQueue>();
            }
            #[cfg(feature = "event-listener")]
            #[test]
            fn event() {
                super::$name::<ref_channel::notifier::Event>();
            }
            #[cfg(feature = "spin")]
            #[test]
            fn spin() {
                super::$name::<ref_channel::notifier::Spin>();
            }
        }
    )* };
}
pub(crate) use backends;
