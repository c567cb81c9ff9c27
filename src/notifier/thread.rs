//! Threads as waiters.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;

use super::Deadline;
use crate::sync::{Thread, current, park};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn new_waker() -> Waker {
    Waker::from(Arc::new(Unpark(current())))
}

/// Calls `f` with a waker that unparks the current thread. A backend can register this waker for a thread that blocks.
///
/// Each thread creates its waker only once. The [module](super) shows how a backend uses it.
///
/// # Panics
/// If `f` panics.
///
/// ```
/// use ref_channel::notifier::{Deadline, park_thread, with_thread_waker};
///
/// let waker = with_thread_waker(|waker| waker.clone());
/// let thread = std::thread::spawn(move || waker.wake());
/// park_thread(Deadline::NEVER); // until the waker is called, unless it was already
/// # thread.join().unwrap();
/// ```
#[cfg(not(all(loom, feature = "loom")))]
pub fn with_thread_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    std::thread_local!(static WAKER: Waker = new_waker());
    // The thread local is gone while the thread exits. `f` is called outside the access, because it may run foreign code that
    // blocks.
    let waker = WAKER.try_with(Waker::clone).unwrap_or_else(|_| new_waker());
    f(&waker)
}

/// Calls `f` with a waker that unparks the current thread.
#[cfg(all(loom, feature = "loom"))]
pub fn with_thread_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    f(&new_waker())
}

/// Parks the current thread until it is unparked or the deadline passes. May return spuriously.
///
/// The [module](super) shows how a backend uses it.
///
/// ```
/// use ref_channel::notifier::{Deadline, park_thread, with_thread_waker};
///
/// with_thread_waker(|waker| waker.wake_by_ref());
/// park_thread(Deadline::NEVER); // returns at once: it was unparked before
/// ```
pub fn park_thread(deadline: Deadline) {
    match deadline.remaining() {
        None => park(),
        #[cfg(not(all(loom, feature = "loom")))]
        Some(time) => std::thread::park_timeout(time),
        // Time does not pass in a model.
        #[cfg(all(loom, feature = "loom"))]
        Some(_) => crate::sync::yield_now(),
    }
}
