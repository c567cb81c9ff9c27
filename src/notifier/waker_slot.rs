use core::pin::Pin;
use core::task::Waker;

use super::slot::Slot;
use super::{AsyncNotifier, Key, Notice, Notifier, block_by_waker, init_by_new};
use crate::sync::const_unless_loom;

/// One waiter, whose waker is kept from one loan to the next: the default, and the fastest.
///
/// The slot has no synchronisation to speak of: who may touch it is decided by the read-modify-write of the
/// channel's state that each step of a loan makes anyway. It needs nothing but `core`; with `std` threads can block at
/// it too. It survives wakers that panic, that poll the other half from within, and that change at every poll.
///
/// The waker stays in the slot between two loans of a half, also after a `borrow` or a lend was cancelled, and is dropped when
/// another waker takes its place or when the half is dropped. Until then it keeps the memory of its task. If the waker owns the
/// task's future, and that owns the half, they keep each other: such a task has to be dropped, or run to its end, by its
/// executor, and may not be left to its reference count alone.
///
/// The idea of keeping the waker and waking it by reference, and of two places for it, is that of the crates
/// `diatomic-waker` and `spmc-waker`; here the state of the channel owns the slot.
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
        // SAFETY: the same promise.
        unsafe { self.0.notify(notice) }
    }

    #[inline]
    unsafe fn deregister(&self, (): &mut (), unclaimed: Option<Key>) {
        // SAFETY: the same promise.
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
        // SAFETY: the same promise.
        unsafe { self.0.register(waker) }.expect("there are two cells")
    }

    #[inline]
    unsafe fn is_registered(&self, (): &mut (), _: Pin<&mut ()>, key: Key, waker: &Waker) -> bool {
        self.0.holds(key, waker)
    }
}

block_by_waker!(WakerSlot);
