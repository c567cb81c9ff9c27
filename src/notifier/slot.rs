//! The waiter slot: what [`WakerSlot`](super::WakerSlot) and `Park` are made of.
//!
//! It has two cells, so that the waiter never finds the place for its waker occupied. The waiter owns both,
//! but for one: the cell whose registration was claimed is being read for as long as `waking` is set. There is at
//! most one such cell, for notifications do not overlap; the waiter knows which, for it knows which of its
//! registrations was claimed; so the other one is always free. Which cell is registered goes with the claim,
//! as the [`Key`] in the channel's state word.
//!
//! A waker stays in its cell between rounds and is woken by reference. In the steady state nobody writes: the
//! waiter finds its waker there, the notifier reads it. A wake costs two plain stores beside the channel's
//! own read-modify-write.
//!
//! # The race that looks frightening
//!
//! The notifier claims the registration in cell 0 and is about to read that cell. Meanwhile the waiter is polled
//! by chance, sees that the loan has ended, begins the next one with another waker, and must register that. Were
//! there one cell, it would have to wait for the notifier, which may be further down on its own stack, in a waker
//! that polls. Here it sees `waking`, which was set before the claim that it has seen, and writes to cell 1. The next
//! notification is for cell 1 and comes from the same, single, other side: not before the first one is over.

use core::fmt;
use core::task::Waker;

use super::{Key, Notice};
use crate::sync::{AtomicBool, Ordering, UnsafeCell, const_unless_loom};

/// Who can wait in a slot.
pub(super) trait Target: Clone {
    /// Whether waking one is as good as waking the other.
    fn is_same(&self, other: &Self) -> bool;
    fn wake_by_ref(&self);
}

impl Target for Waker {
    #[inline(always)]
    fn is_same(&self, other: &Self) -> bool {
        self.will_wake(other)
    }

    #[inline(always)]
    fn wake_by_ref(&self) {
        self.wake_by_ref();
    }
}

/// What a half remembers of its slot, at a [`WakerSlot`](super::WakerSlot) or a `Park`. Opaque: it appears in signatures
/// only.
#[derive(Debug, Default)]
pub struct SlotSeat {
    /// The cell that is registered. Once notified or deregistered it is none.
    registered: Option<Key>,
    /// The cell that was last claimed: it may be read while `waking` is set.
    claimed: Key,
}

pub(super) struct Slot<W> {
    cells: [UnsafeCell<Option<W>>; 2],
    /// A notification is under way, or will turn out not to be needed.
    waking: AtomicBool,
}

// SAFETY: a cell is written by the waiter while it is neither registered nor claimed, read by the notifier that
// claimed it, and read by the waiter at any time; `W` is used from both their threads by reference.
unsafe impl<W: Send + Sync> Sync for Slot<W> {}

impl<W: Target> Slot<W> {
    const_unless_loom! {
        pub(super) const fn new() -> Self {
            Self {
                cells: [UnsafeCell::new(None), UnsafeCell::new(None)],
                waking: AtomicBool::new(false),
            }
        }
    }

    /// # Safety
    /// As for [`AsyncNotifier::register`](super::AsyncNotifier::register).
    #[inline]
    pub(super) unsafe fn register(&self, seat: &mut SlotSeat, target: &W) -> Key {
        if let Some(claimed) = seat.registered.take() {
            seat.claimed = claimed;
        }
        // Ordering: acquire, pairs with the release of `Busy::drop`: the notifier reads the cell no more. That a
        // notification *is* under way cannot be missed: `waking` was set before the claim, and the waiter has
        // acquired the claim (`Link::look` and its like).
        let busy = self.waking.load(Ordering::Acquire);
        let cell = if !busy || self.holds(seat.claimed, target) {
            seat.claimed
        } else {
            Key(!seat.claimed.0)
        };
        if !self.holds(cell, target) {
            // Foreign code, which may panic or come back here: before and after the change, never within it.
            let new = target.clone();
            // SAFETY: the cell is not registered, and is not the claimed one or that is not being read.
            let old = self.cell(cell).with_mut(|cell| unsafe { (*cell).replace(new) });
            drop(old);
        }
        seat.registered = Some(cell);
        cell
    }

    #[inline]
    pub(super) fn is_registered(&self, seat: &SlotSeat, target: &W) -> bool {
        seat.registered.is_some_and(|cell| self.holds(cell, target))
    }

    /// # Safety
    /// As for [`Notifier::deregister`](super::Notifier::deregister).
    #[inline]
    pub(super) unsafe fn deregister(&self, seat: &mut SlotSeat, notified: bool) {
        match seat.registered.take() {
            Some(cell) if notified => seat.claimed = cell,
            _ => {}
        }
    }

    /// # Safety
    /// As for [`Notifier::notify_with`](super::Notifier::notify_with).
    #[inline]
    pub(super) unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        /// Also if the waker panics.
        struct Busy<'a>(&'a AtomicBool);
        impl Drop for Busy<'_> {
            #[inline(always)]
            fn drop(&mut self) {
                // Ordering: release, pairs with the acquire in `register`: the cell was read before.
                self.0.store(false, Ordering::Release);
            }
        }
        // Ordering: relaxed, the claim in `transition` publishes it.
        self.waking.store(true, Ordering::Relaxed);
        let _busy = Busy(&self.waking);
        if let Some(notice) = transition() {
            // SAFETY: the same promise.
            unsafe { self.notify(notice) }
        }
    }

    /// # Safety
    /// As for [`Notifier::notify`](super::Notifier::notify), and from within `notify_with`.
    #[inline]
    pub(super) unsafe fn notify(&self, notice: Notice) {
        self.cell(notice.key).with(|cell| {
            // SAFETY: the cell was claimed; the waiter only reads it while `waking` is set.
            if let Some(target) = unsafe { &*cell } {
                target.wake_by_ref();
            }
        });
    }

    fn cell(&self, key: Key) -> &UnsafeCell<Option<W>> {
        &self.cells[usize::from(key.0)]
    }

    /// Called by the waiter only.
    #[inline]
    fn holds(&self, key: Key, target: &W) -> bool {
        // SAFETY: only the waiter writes cells, and this is the waiter.
        self.cell(key)
            .with(|cell| unsafe { (*cell).as_ref() }.is_some_and(|held| held.is_same(target)))
    }
}

impl<W> fmt::Debug for Slot<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: relaxed, for information only.
        let waking = self.waking.load(Ordering::Relaxed);
        f.debug_struct("Slot").field("waking", &waking).finish_non_exhaustive()
    }
}
