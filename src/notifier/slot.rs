//! The waiter slot: the implementation of [`WakerSlot`](super::WakerSlot) and `Park`, and of the lender's side of
//! [`WakerQueue`](super::WakerQueue).
//!
//! A slot has one waiter and one or two cells. Each registration uses one cell. That cell is `busy` from the moment of
//! registration until the registration is over, which is when the notifier that claimed it has woken the waiter or, if it was
//! never claimed, when the waiter takes it back. A cell that is not busy belongs to the waiter. A busy cell may be read by the
//! notifier that claimed it and by the waiter, and by nobody else. The channel's state word stores which cell is registered, as
//! a [`Key`], so a claim includes it.
//!
//! | | `busy` | the waker in the cell |
//! |---|---|---|
//! | `register` | 0 to 1 | replaced, if it is another |
//! | `deregister`, not claimed | 1 to 0 | stays |
//! | `notify` | 1 to 0, after the wake | is woken by reference, and stays |
//!
//! In the steady state nobody writes a waker: the waiter finds its own in the cell, and the notifier only reads it. A wake
//! costs two plain stores in addition to the channel's own read-modify-write.
//!
//! # A potential race
//!
//! Suppose that the notifier has claimed the registration in the first cell and is about to read it. Meanwhile the waiter is
//! polled for another reason, sees that the loan has ended, begins the next one with a different waker, and has to register it.
//! With a single cell it would have to wait for the notifier, which may be further down on its own stack, in a waker that polls
//! inline. With two cells it finds the first one busy and writes to the second one.
//!
//! The second cell is free. Its last registration was claimed before the one in the first cell, and by the same, single, other
//! side, which was done with the second cell before it claimed the first. The waiter has seen the claim of the first cell, and
//! each claim is a release of everything that the other side did before it.
//!
//! This argument does not hold if there are several notifiers, as for a lender with many borrowers. In that case the slot has a
//! single cell, and the waiter has to wait elsewhere if the cell is busy.
//!
//! # Leaving
//!
//! When the waiter's half is dropped, the wakers in the slot have to be dropped as well, because they keep its task alive. If
//! no cell is busy, the waiter empties them itself. Otherwise the waiter is being woken at this moment, possibly further down
//! on the same stack, so it cannot wait for that to end. It then sets `LEFT`, and the notifier empties the cells when it is
//! done.
//!
//! Each side writes one flag (`left` or `busy`) and then reads the other's, and at least one of them has to see the other's
//! write. That requires a fence between the write and the read on both sides. A full fence would make every wake as expensive
//! as a read-modify-write, just for the sake of a drop. The fences are therefore asymmetric ([`light_fence`]): the notifier
//! only prevents the compiler from reordering the two accesses, and the waiter, after a full fence, keeps checking `busy` for
//! as long as a store can take to become visible. Should that fail nevertheless, a waker is kept until the channel is freed or
//! split again.

use core::fmt;
use core::task::Waker;

use super::{Key, Notice};
use crate::sync::{
    AtomicBool, AtomicU8, Ordering, UnsafeCell, const_unless_loom, explores_leaving, fence, light_fence,
};
use crate::wait::pause_briefly;

/// What can wait in a slot.
pub(super) trait Target: Clone {
    /// Whether waking `self` and waking `other` have the same effect.
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

const FIRST: Key = Key(false);
const SECOND: Key = Key(true);

/// The waiter's half exists.
const HERE: u8 = 0;
/// The waiter's half was dropped. Whichever side finds no cell busy empties the cells.
const LEFT: u8 = 1;
/// The waiter's half was dropped, and the cells are empty or are being emptied.
const EMPTIED: u8 = 2;

pub(super) struct Slot<W, const CELLS: usize> {
    cells: [UnsafeCell<Option<W>>; CELLS],
    busy: [AtomicBool; CELLS],
    left: AtomicU8,
}

// SAFETY: a cell is written by the waiter while it is not busy. While it is busy it is read by the notifier that claimed it,
// and at any time by the waiter. Both threads use `W` by reference. After the waiter has left, exactly one side, chosen by the
// step from `LEFT` to `EMPTIED`, takes the contents and drops `W` on its thread.
unsafe impl<W: Send + Sync, const CELLS: usize> Sync for Slot<W, CELLS> {}

impl<W: Target> Slot<W, 1> {
    const_unless_loom! {
        pub(super) const fn of_one_cell() -> Self {
            Self {
                cells: [UnsafeCell::new(None)],
                busy: [AtomicBool::new(false)],
                left: AtomicU8::new(HERE),
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
                left: AtomicU8::new(HERE),
            }
        }
    }
}

impl<W: Target, const CELLS: usize> Slot<W, CELLS> {
    /// Returns `None` if the slot has a single cell and that cell is busy.
    ///
    /// # Safety
    /// As for [`AsyncNotifier::register`](super::AsyncNotifier::register). With two cells, notifications must not overlap
    /// either.
    #[inline(always)]
    pub(super) unsafe fn register(&self, target: &W) -> Option<Key> {
        if !self.is_busy(FIRST) && self.holds(FIRST, target) {
            self.set_busy(FIRST, true);
            return Some(FIRST);
        }
        // SAFETY: guaranteed by the caller.
        unsafe { self.register_anew(target) }
    }

    /// # Safety
    /// As for [`register`](Self::register).
    #[cold]
    unsafe fn register_anew(&self, target: &W) -> Option<Key> {
        let cell = if self.is_busy(FIRST) { Self::second()? } else { FIRST };
        if !self.holds(cell, target) {
            // SAFETY: the first cell is not busy, or it was claimed and the second one is not busy; see the module
            // documentation.
            unsafe { self.replace(cell, target) };
        }
        self.set_busy(cell, true);
        Some(cell)
    }

    fn second() -> Option<Key> {
        (CELLS == 2).then_some(SECOND)
    }

    /// # Safety
    /// The caller is the waiter, and the cell is not busy.
    unsafe fn replace(&self, cell: Key, target: &W) {
        // Foreign code, which may panic or re-enter, runs before and after the change but never during it.
        let new = target.clone();
        // SAFETY: nobody else uses the cell.
        let old = self.cell(cell).with_mut(|cell| unsafe { (*cell).replace(new) });
        if old.is_none() {
            // This may be the first registration after another half has left.
            // Ordering: relaxed, it is published together with the registration.
            self.left.store(HERE, Ordering::Relaxed);
        }
        drop(old);
    }

    /// # Safety
    /// As for [`Notifier::deregister`](super::Notifier::deregister).
    #[inline(always)]
    pub(super) unsafe fn deregister(&self, unclaimed: Option<Key>) {
        if let Some(cell) = unclaimed {
            self.set_busy(cell, false);
        }
    }

    /// # Safety
    /// As for [`Notifier::notify`](super::Notifier::notify): a registration with this key was claimed.
    #[inline(always)]
    pub(super) unsafe fn notify(&self, notice: Notice) {
        // A branch, because the processor can predict it. It would have to wait for an index computed from the state.
        if notice.key == FIRST {
            // SAFETY: guaranteed by the caller.
            unsafe { self.wake(FIRST) }
        } else {
            // SAFETY: guaranteed by the caller.
            unsafe { self.wake_second() }
        }
    }

    /// # Safety
    /// The registration in the second cell was claimed.
    #[cold]
    unsafe fn wake_second(&self) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.wake(SECOND) }
    }

    /// # Safety
    /// The registration in the cell was claimed.
    #[inline(always)]
    unsafe fn wake(&self, cell: Key) {
        /// Runs even if the waker panics.
        struct Done<'a, W: Target, const CELLS: usize>(&'a Slot<W, CELLS>, Key);
        impl<W: Target, const CELLS: usize> Drop for Done<'_, W, CELLS> {
            #[inline(always)]
            fn drop(&mut self) {
                // Ordering: release, pairs with the acquire in `is_busy`: the cell has been read before.
                self.0.busy[index::<CELLS>(self.1)].store(false, Ordering::Release);
                if !explores_leaving() {
                    return;
                }
                light_fence();
                // Ordering: relaxed, because `try_empty` checks again.
                if self.0.left.load(Ordering::Relaxed) == LEFT {
                    self.0.try_empty();
                }
            }
        }
        let _done = Done(self, cell);
        self.cell(cell).with(|cell| {
            // SAFETY: the waiter does not write the cell while it is busy.
            if let Some(target) = unsafe { &*cell } {
                target.wake_by_ref();
            }
        });
    }

    /// Called when the waiter's half is dropped; see "Leaving" in the module documentation.
    #[cold]
    pub(super) fn vacate(&self) {
        if !explores_leaving() {
            return;
        }
        // A cell that was never registered in is never notified.
        // SAFETY: only the waiter writes cells, and the caller is the waiter, or no half exists.
        let is_used = |cell| self.cell(cell).with(|cell| unsafe { (*cell).is_some() });
        if !Self::keys().any(|cell| is_used(cell) && self.is_busy(cell)) {
            // SAFETY: the waiter is gone, and no wake is in progress or will follow.
            return unsafe { self.empty() };
        }
        // Ordering: release, pairs with the acquire in `try_empty`: the waiter's accesses to the cells come before.
        self.left.store(LEFT, Ordering::Release);
        // Ordering: pairs with the light fence in `wake`: at least one of the two sides sees the other's store.
        fence(Ordering::SeqCst);
        pause_briefly(|| self.try_empty());
    }

    fn keys() -> impl Iterator<Item = Key> {
        [FIRST, SECOND].into_iter().take(CELLS)
    }

    /// After the waiter has left: empties the cells, unless a cell is busy or the other side empties them.
    #[cold]
    fn try_empty(&self) -> bool {
        if Self::keys().any(|cell| self.is_busy(cell)) {
            return false;
        }
        // Ordering: acquire, pairs with the release in `vacate`. A release is not needed: the next user of the cells is a half
        // of a new split, which comes after both sides have left.
        let is_mine = self
            .left
            .compare_exchange(LEFT, EMPTIED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if is_mine {
            // SAFETY: the waiter has left, no wake is in progress, and this side was chosen to empty the cells.
            unsafe { self.empty() };
        }
        true
    }

    /// # Safety
    /// No cell is busy or becomes busy, and there is no other call of this function.
    unsafe fn empty(&self) {
        // Foreign code, which may re-enter, runs only after the change.
        // SAFETY: nobody else uses the cells.
        let old = self
            .cells
            .each_ref()
            .map(|cell| cell.with_mut(|cell| unsafe { (*cell).take() }));
        drop(old);
    }

    #[inline(always)]
    fn cell(&self, cell: Key) -> &UnsafeCell<Option<W>> {
        &self.cells[index::<CELLS>(cell)]
    }

    /// Called by the waiter, or after it has left.
    #[inline(always)]
    fn is_busy(&self, cell: Key) -> bool {
        // Ordering: acquire, pairs with the release in `Done::drop`: the notifier no longer reads the cell.
        self.busy[index::<CELLS>(cell)].load(Ordering::Acquire)
    }

    /// Only called by the waiter.
    #[inline(always)]
    fn set_busy(&self, cell: Key, busy: bool) {
        // Ordering: relaxed. A flag that is set is cleared by the notifier that claims the registration, and the state
        // publishes it. A flag that is cleared belongs to an unclaimed registration, which only the waiter looks at.
        self.busy[index::<CELLS>(cell)].store(busy, Ordering::Relaxed);
    }

    /// Whether the cell contains an equivalent waker. Only called by the waiter.
    #[inline(always)]
    pub(super) fn holds(&self, cell: Key, target: &W) -> bool {
        // SAFETY: only the waiter writes cells, and the caller is the waiter.
        self.cell(cell)
            .with(|cell| unsafe { (*cell).as_ref() }.is_some_and(|held| held.is_same(target)))
    }
}

/// The index of a cell in a slot with `CELLS` cells.
#[inline(always)]
const fn index<const CELLS: usize>(cell: Key) -> usize {
    if CELLS == 1 { 0 } else { cell.0 as usize }
}

impl<W, const CELLS: usize> fmt::Debug for Slot<W, CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: relaxed, for information only.
        let busy = self.busy.each_ref().map(|busy| busy.load(Ordering::Relaxed));
        f.debug_struct("Slot").field("busy", &busy).finish_non_exhaustive()
    }
}
