use core::pin::Pin;
use core::task::Waker;

use super::slot::Slot;
use super::{AsyncNotifier, Key, Notice, Notifier, block_by_waker, init_by_new};
use crate::sync::const_unless_loom;

/// A single waiter, whose waker is kept from one loan to the next. This is the default, and the fastest backend.
///
/// The slot needs almost no synchronisation of its own. Access to it is decided by the read-modify-write of the channel's state
/// that every step of a loan performs anyway. It only needs `core`; with `std`, threads can block on it as well. It tolerates
/// wakers that panic, that poll the other half from within `wake`, and that change with every poll.
///
/// The waker stays in the slot between two loans, and also after a cancelled `borrow` or lend. It is dropped when another waker
/// replaces it or when the half is dropped. Until then it keeps the memory of its task alive. If the waker owns the task's
/// future, and that future owns the half, they form a reference cycle. The executor must drop such a task or run it to
/// completion; relying on the reference count alone leaks it.
///
/// Keeping the waker, waking it by reference, and having two places for it are ideas from the crates `diatomic-waker` and
/// `spmc-waker`. The difference is that access to the slot is controlled by the state of the channel.
///
/// ```
/// use ref_channel::{Channel, Exclusive, notifier::WakerSlot};
///
/// // The default need not be named: this is `RefMutChannel<u32>`.
/// let channel = Channel::<u32, Exclusive, WakerSlot>::new();
/// # let _: ref_channel::RefMutChannel<u32> = channel;
/// ```
#[derive(Debug)]
pub struct WakerSlot(Slot<Waker, 2>);

impl WakerSlot {
    const_unless_loom! {
        const fn new() -> Self {
            Self(Slot::of_two_cells())
        }
    }
}

impl Notifier for WakerSlot {
    type Seat = ();
    type Waiter = ();

    init_by_new!();

    #[inline]
    unsafe fn notify(&self, notice: Notice) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.notify(notice) }
    }

    #[inline]
    unsafe fn deregister(&self, (): &mut (), unclaimed: Option<Key>) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.deregister(unclaimed) }
    }

    #[cold]
    unsafe fn vacate(&self) {
        self.0.vacate();
    }
}

impl AsyncNotifier for WakerSlot {
    #[inline]
    unsafe fn register(&self, (): &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.register(waker) }.expect("there are two cells")
    }

    #[inline]
    unsafe fn is_registered(&self, (): &mut (), _: Pin<&mut ()>, key: Key, waker: &Waker) -> bool {
        self.0.holds(key, waker)
    }
}

block_by_waker!(WakerSlot);
