use core::pin::Pin;
use core::task::Waker;

use super::{AsyncNotifier, Key, Notice, Notifier, block_by_waker, init_by_new};
use crate::sync::const_unless_loom;

#[cfg(not(all(loom, feature = "loom")))]
use ::atomic_waker::AtomicWaker as Inner;
// The crate knows nothing of loom, whose own is the same thing.
#[cfg(all(loom, feature = "loom"))]
use loom::future::AtomicWaker as Inner;

/// One waiter, in the `AtomicWaker` of the crate [atomic-waker](https://docs.rs/atomic-waker).
///
/// For those who want the waiting done by that well-known type; [`WakerSlot`](super::WakerSlot) does the same in
/// less than half the time.
///
/// It does not survive every waker that panics: the crate may stay locked by a clone that panics, and the half
/// that waits there is then not woken any more. No loan is left dangling by that.
///
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
        // If it is being woken just now, whoever wakes has taken it out.
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
