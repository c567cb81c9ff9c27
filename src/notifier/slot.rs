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
//! The notifier has claimed the registration in the first cell and is about to read that. Meanwhile the waiter is polled
//! by chance, sees that the loan has ended, begins the next one with another waker, and must register that. Were
//! there one cell, it would have to wait for the notifier, which may be further down on its own stack, in a waker
//! that polls. Here it finds the first cell busy, and writes to the second one.
//!
//! That one is free. Whoever claimed the last registration in it did so before the one in the first cell was claimed, and
//! is the same, single, other side: it had done with the second cell before it claimed the first. The waiter has
//! seen that claim, and each claim is a release of all that the other side did before it.
//!
//! Where there are many notifiers, as for the lender of many borrowers, that does not hold: there the slot has a single
//! cell, and if that is busy the waiter has to wait somewhere else.
//!
//! # Leaving
//!
//! When the waiter's half is dropped it lets go of the wakers that it kept here, for they keep its task alive. It does so
//! itself if no cell is busy. If one is, the waiter is being woken at this moment, perhaps by code that is further down on
//! the same stack, so it cannot wait for the end of that: it says `LEFT`, and the notifier empties the cells when it has
//! done.
//!
//! Each of the two writes one flag (`left`, `busy`) and then reads the other's, and at least one of them has to see what
//! the other wrote. That takes a fence between the write and the read on both sides, which would cost each wake as much as a
//! read-modify-write, for the sake of a drop. So the fences are unequal ([`light_fence`]): the notifier only keeps the
//! compiler from exchanging the two, and the waiter, after a real fence, looks at `busy` for as long as a store can take to
//! become visible. Should that fail all the same, a waker is kept until the channel is freed or split again.

use core::fmt;
use core::task::Waker;

use super::{Key, Notice};
use crate::sync::{
    AtomicBool, AtomicU8, Ordering, UnsafeCell, const_unless_loom, explores_leaving, fence, light_fence,
};
use crate::wait::pause_briefly;

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

const FIRST: Key = Key(false);
const SECOND: Key = Key(true);

/// The waiter's half is there.
const HERE: u8 = 0;
/// It was dropped, and whoever finds no cell busy empties them.
const LEFT: u8 = 1;
/// It was dropped, and the cells are empty, or will be at once.
const EMPTIED: u8 = 2;

pub(super) struct Slot<W, const CELLS: usize> {
    cells: [UnsafeCell<Option<W>>; CELLS],
    busy: [AtomicBool; CELLS],
    left: AtomicU8,
}

// SAFETY: a cell is written by the waiter while it is not busy, and read by the notifier that claimed it, which is while
// it is busy, or by the waiter; `W` is used from both their threads by reference. When the waiter has left, one of the
// two, which the step from `LEFT` to `EMPTIED` decides, takes what is there: `W` is dropped on that thread.
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
    /// None if the slot has a single cell, and that is busy.
    ///
    /// # Safety
    /// As for [`AsyncNotifier::register`](super::AsyncNotifier::register); with two cells also that notifications do not
    /// overlap.
    #[inline(always)]
    pub(super) unsafe fn register(&self, target: &W) -> Option<Key> {
        if !self.is_busy(FIRST) && self.holds(FIRST, target) {
            self.set_busy(FIRST, true);
            return Some(FIRST);
        }
        // SAFETY: the same promise.
        unsafe { self.register_anew(target) }
    }

    /// # Safety
    /// As for [`register`](Self::register).
    #[cold]
    unsafe fn register_anew(&self, target: &W) -> Option<Key> {
        let cell = if self.is_busy(FIRST) { Self::second()? } else { FIRST };
        if !self.holds(cell, target) {
            // SAFETY: the first cell is not busy; or else it was claimed, and the second one is not, see above.
            unsafe { self.replace(cell, target) };
        }
        self.set_busy(cell, true);
        Some(cell)
    }

    fn second() -> Option<Key> {
        (CELLS == 2).then_some(SECOND)
    }

    /// # Safety
    /// This is the waiter, and the cell is not busy.
    unsafe fn replace(&self, cell: Key, target: &W) {
        // Foreign code, which may panic or come back here: before and after the change, never within it.
        let new = target.clone();
        // SAFETY: nobody else uses the cell.
        let old = self.cell(cell).with_mut(|cell| unsafe { (*cell).replace(new) });
        if old.is_none() {
            // It may be the first time after another half has left.
            // Ordering: relaxed, it is published with the registration.
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
    /// As for [`Notifier::notify`](super::Notifier::notify): a registration of that key was claimed.
    #[inline(always)]
    pub(super) unsafe fn notify(&self, notice: Notice) {
        // Not by an index that is computed from the state: for that the processor would wait, but a branch it predicts.
        if notice.key == FIRST {
            // SAFETY: the same promise.
            unsafe { self.wake(FIRST) }
        } else {
            // SAFETY: the same promise.
            unsafe { self.wake_second() }
        }
    }

    /// # Safety
    /// The registration in the second cell was claimed.
    #[cold]
    unsafe fn wake_second(&self) {
        // SAFETY: the same promise.
        unsafe { self.wake(SECOND) }
    }

    /// # Safety
    /// The registration in the cell was claimed.
    #[inline(always)]
    unsafe fn wake(&self, cell: Key) {
        /// Also if the waker panics.
        struct Done<'a, W: Target, const CELLS: usize>(&'a Slot<W, CELLS>, Key);
        impl<W: Target, const CELLS: usize> Drop for Done<'_, W, CELLS> {
            #[inline(always)]
            fn drop(&mut self) {
                // Ordering: release, pairs with the acquire of `is_busy`: the cell was read before.
                self.0.busy[index::<CELLS>(self.1)].store(false, Ordering::Release);
                if !explores_leaving() {
                    return;
                }
                light_fence();
                // Ordering: relaxed, `try_empty` looks again.
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

    /// The waiter's half is dropped: see the head of this file.
    #[cold]
    pub(super) fn vacate(&self) {
        if !explores_leaving() {
            return;
        }
        // Where it never registered it is not woken.
        // SAFETY: only the waiter writes cells, and this is the waiter, or nobody is there.
        let is_used = |cell| self.cell(cell).with(|cell| unsafe { (*cell).is_some() });
        if !Self::keys().any(|cell| is_used(cell) && self.is_busy(cell)) {
            // SAFETY: the waiter is gone, and nobody is being woken, nor will be.
            return unsafe { self.empty() };
        }
        // Ordering: release, pairs with the acquire of `try_empty`: what the waiter did with the cells comes before.
        self.left.store(LEFT, Ordering::Release);
        // Ordering: against the light one in `wake`: one of the two sees what the other has stored.
        fence(Ordering::SeqCst);
        pause_briefly(|| self.try_empty());
    }

    fn keys() -> impl Iterator<Item = Key> {
        [FIRST, SECOND].into_iter().take(CELLS)
    }

    /// The waiter has left: empties the cells if none is busy, and if the other side does not do it.
    #[cold]
    fn try_empty(&self) -> bool {
        if Self::keys().any(|cell| self.is_busy(cell)) {
            return false;
        }
        // Ordering: acquire, pairs with the release of `vacate`. It need not release: nobody uses the cells after this but a
        // half of another split, which comes after both sides have left.
        let is_mine = self
            .left
            .compare_exchange(LEFT, EMPTIED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if is_mine {
            // SAFETY: the waiter has left, nobody is being woken, and of the two sides this one was chosen.
            unsafe { self.empty() };
        }
        true
    }

    /// # Safety
    /// No cell is busy or will be, and nobody else calls this.
    unsafe fn empty(&self) {
        // Foreign code, which may come back here, only after the change.
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

    /// Called by the waiter, or when that has left.
    #[inline(always)]
    fn is_busy(&self, cell: Key) -> bool {
        // Ordering: acquire, pairs with the release of `Done::drop`: the notifier does not read the cell any more.
        self.busy[index::<CELLS>(cell)].load(Ordering::Acquire)
    }

    /// Called by the waiter only.
    #[inline(always)]
    fn set_busy(&self, cell: Key, busy: bool) {
        // Ordering: relaxed. If set, it is cleared by whoever claims the registration, which the state publishes; if
        // cleared, nobody claimed it, and none but the waiter looks.
        self.busy[index::<CELLS>(cell)].store(busy, Ordering::Relaxed);
    }

    /// Whether the cell has that waker. Called by the waiter only.
    #[inline(always)]
    pub(super) fn holds(&self, cell: Key, target: &W) -> bool {
        // SAFETY: only the waiter writes cells, and this is the waiter.
        self.cell(cell)
            .with(|cell| unsafe { (*cell).as_ref() }.is_some_and(|held| held.is_same(target)))
    }
}

/// Where in a slot of so many cells that one is.
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
