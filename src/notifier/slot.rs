//! The waiter slot: what [`WakerSlot`](super::WakerSlot) and `Park` are made of, and where the lender of a
//! [`WakerQueue`](super::WakerQueue) waits.
//!
//! A slot has one waiter and one or two cells. A registration is in one cell, and that cell is `busy` from then until
//! the registration is over: until whoever claimed it has woken the waiter, or, if nobody claimed it, until the waiter
//! takes it back. A cell that is not busy belongs to the waiter. One that is busy is read by whoever claimed it, and by
//! nobody else but the waiter. Which cell is registered goes with the claim, as the [`Key`] in the channel's state word.
//!
//! | | `busy` | the waker in the cell |
//! |---|---|---|
//! | `register` | 0 to 1 | replaced, if it is another |
//! | `deregister`, not claimed | 1 to 0 | stays |
//! | `notify` | 1 to 0, after the wake | is woken by reference, and stays |
//!
//! So in the steady state nobody writes a waker: the waiter finds its own there, the notifier reads it. A wake costs two
//! plain stores beside the channel's own read-modify-write.
//!
//! # The race that looks frightening
//!
//! The notifier has claimed the registration in cell 0 and is about to read that cell. Meanwhile the waiter is polled
//! by chance, sees that the loan has ended, begins the next one with another waker, and must register that. Were
//! there one cell, it would have to wait for the notifier, which may be further down on its own stack, in a waker
//! that polls. Here it finds cell 0 busy, and writes to cell 1. That one is free: the registration before in cell 1 was
//! claimed by the same, single, other side, which had done with it before it claimed the one in cell 0, which the
//! waiter has seen. Where there are many notifiers, as for the lender of many borrowers, that does not hold: there the
//! slot has a single cell, and if that is busy the waiter has to wait somewhere else.

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
    /// The cell of the last registration, be it over or not.
    cell: Key,
}

pub(super) struct Slot<W, const CELLS: usize> {
    cells: [UnsafeCell<Option<W>>; CELLS],
    busy: [AtomicBool; CELLS],
}

// SAFETY: a cell is written by the waiter while it is not busy, and read by the notifier that claimed it, which is while
// it is busy, or by the waiter; `W` is used from both their threads by reference.
unsafe impl<W: Send + Sync, const CELLS: usize> Sync for Slot<W, CELLS> {}

impl<W: Target> Slot<W, 1> {
    const_unless_loom! {
        pub(super) const fn of_one_cell() -> Self {
            Self {
                cells: [UnsafeCell::new(None)],
                busy: [AtomicBool::new(false)],
            }
        }
    }
}

impl<W: Target> Slot<W, 2> {
    const_unless_loom! {
        pub(super) const fn of_two_cells() -> Self {
            Self {
                cells: [UnsafeCell::new(None), UnsafeCell::new(None)],
                busy: [AtomicBool::new(false), AtomicBool::new(false)],
            }
        }
    }
}

/// Runs the same with either cell, by a branch: that the processor predicts, but for an index that is computed from the
/// state it waits.
macro_rules! with_cell {
    ($key:expr => $cell:ident, $body:block) => {
        if $key.0 {
            let $cell = Key(true);
            $body
        } else {
            let $cell = Key(false);
            $body
        }
    };
}

impl<W: Target, const CELLS: usize> Slot<W, CELLS> {
    /// None if the slot has a single cell, and that is busy.
    ///
    /// # Safety
    /// As for [`AsyncNotifier::register`](super::AsyncNotifier::register); with two cells also that notifications do not
    /// overlap.
    #[inline]
    pub(super) unsafe fn register(&self, seat: &mut SlotSeat, target: &W) -> Option<Key> {
        // Ordering: acquire, pairs with the release of `Done::drop`: the notifier reads the cell no more. Of the other
        // cell that is known by the claim of the last one, which the waiter has acquired (`Link::look` and its like).
        if self.busy(seat.cell).load(Ordering::Acquire) {
            seat.cell = Self::other(seat.cell)?;
        }
        with_cell!(seat.cell => cell, {
            if !self.holds(cell, target) {
                // SAFETY: the cell is not busy, so it is the waiter's.
                unsafe { self.replace(cell, target) };
            }
            // Ordering: relaxed, whoever claims the registration has acquired it by the state, and stores later.
            self.busy(cell).store(true, Ordering::Relaxed);
            Some(cell)
        })
    }

    #[cold]
    fn other(cell: Key) -> Option<Key> {
        (CELLS == 2).then_some(Key(!cell.0))
    }

    /// # Safety
    /// This is the waiter, and the cell is not busy.
    #[cold]
    unsafe fn replace(&self, cell: Key, target: &W) {
        // Foreign code, which may panic or come back here: before and after the change, never within it.
        let new = target.clone();
        // SAFETY: nobody else uses the cell.
        let old = self.cell(cell).with_mut(|cell| unsafe { (*cell).replace(new) });
        drop(old);
    }

    /// Whether the last registration was of `target`.
    #[inline]
    pub(super) fn is_registered(&self, seat: &SlotSeat, target: &W) -> bool {
        self.holds(seat.cell, target)
    }

    /// # Safety
    /// As for [`Notifier::deregister`](super::Notifier::deregister).
    #[inline]
    pub(super) unsafe fn deregister(&self, seat: &SlotSeat, notified: bool) {
        if !notified {
            // Ordering: relaxed, nobody claimed it, and nobody but the waiter looks at the flag.
            self.busy(seat.cell).store(false, Ordering::Relaxed);
        }
    }

    /// # Safety
    /// As for [`Notifier::notify`](super::Notifier::notify): a registration of that key was claimed.
    #[inline]
    pub(super) unsafe fn notify(&self, notice: Notice) {
        /// Also if the waker panics.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            #[inline(always)]
            fn drop(&mut self) {
                // Ordering: release, pairs with the acquire of `register`: the cell was read before.
                self.0.store(false, Ordering::Release);
            }
        }
        with_cell!(notice.key => key, {
            let _done = Done(self.busy(key));
            self.cell(key).with(|cell| {
                // SAFETY: the registration was claimed; the waiter does not write the cell while that is busy.
                if let Some(target) = unsafe { &*cell } {
                    target.wake_by_ref();
                }
            });
        })
    }

    #[inline(always)]
    fn cell(&self, key: Key) -> &UnsafeCell<Option<W>> {
        &self.cells[usize::from(key.0) % CELLS]
    }

    #[inline(always)]
    fn busy(&self, key: Key) -> &AtomicBool {
        &self.busy[usize::from(key.0) % CELLS]
    }

    /// Called by the waiter only.
    #[inline]
    fn holds(&self, key: Key, target: &W) -> bool {
        // SAFETY: only the waiter writes cells, and this is the waiter.
        self.cell(key)
            .with(|cell| unsafe { (*cell).as_ref() }.is_some_and(|held| held.is_same(target)))
    }
}

impl<W, const CELLS: usize> fmt::Debug for Slot<W, CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: relaxed, for information only.
        let busy = self.busy.each_ref().map(|busy| busy.load(Ordering::Relaxed));
        f.debug_struct("Slot").field("busy", &busy).finish_non_exhaustive()
    }
}
