use core::pin::Pin;
use core::task::Waker;

use super::{AsyncNotifier, Key, Notice, Notifier, block_by_waker, init_by_new};
use crate::sync::const_unless_loom;

#[cfg(not(all(loom, feature = "loom")))]
use ::atomic_waker::AtomicWaker as Inner;
// The crate has no loom support. loom's own `AtomicWaker` has the same interface.
#[cfg(all(loom, feature = "loom"))]
use loom::future::AtomicWaker as Inner;

/// A single waiter, kept in the `AtomicWaker` of the crate [atomic-waker](https://docs.rs/atomic-waker).
///
/// Use it if you want to rely on that well-known type. [`WakerSlot`](super::WakerSlot) does the same in less than half the
/// time.
///
/// It does not survive every panicking waker: if cloning a waker panics, the crate's `AtomicWaker` may stay locked, and the
/// half that waits there is no longer woken. This never leaves a loan dangling.
/// ```
/// use ref_channel::{RefMutChannel, notifier::AtomicWaker};
///
/// let channel = RefMutChannel::<u32, AtomicWaker>::new();
/// # let _ = channel;
/// ```
#[derive(Debug)]
pub struct AtomicWaker(Inner);

impl AtomicWaker {
    const_unless_loom! {
        const fn new() -> Self {
            Self(Inner::new())
        }
    }
}

impl Notifier for AtomicWaker {
    type Seat = ();
    type Waiter = ();

    init_by_new!();

    unsafe fn notify(&self, _: Notice) {
        self.0.wake();
    }

    unsafe fn vacate(&self) {
        // If a wake is in progress, the notifier has already taken the waker out.
        #[cfg(not(all(loom, feature = "loom")))]
        drop(self.0.take());
        #[cfg(all(loom, feature = "loom"))]
        if crate::sync::explores_leaving() {
            drop(self.0.take_waker());
        }
    }
}

impl AsyncNotifier for AtomicWaker {
    unsafe fn register(&self, (): &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
        #[cfg(not(all(loom, feature = "loom")))]
        self.0.register(waker);
        #[cfg(all(loom, feature = "loom"))]
        self.0.register_by_ref(waker);
        Key::default()
    }
}

block_by_waker!(AtomicWaker);
