use core::fmt;
use core::marker::PhantomPinned;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::Waker;

use super::slot::Slot;
use super::{AsyncNotifier, Key, MultiNotifier, Notice, Notifier, Wake, block_by_waker, init_by_new};
use crate::sync::{AtomicBool, Ordering, UnsafeCell, const_unless_loom};
use crate::wait::pause;

/// Any number of waiters, first in, first out, without an allocation: what cloned borrowers should use.
///
/// The queue is linked through the pinned futures that wait in it, so these are not `Unpin`. It needs nothing but
/// `core`; with `std` threads can block at it too.
///
/// A short spin lock guards the links. Wakers are never cloned, called or dropped while it is held, so they may
/// panic, or come back to the channel from within. The lock is why this backend, unlike
/// [`WakerSlot`](super::WakerSlot), is not for interrupt handlers.
///
/// The lender, who waits alone, does not queue: its waker is kept in a slot from one loan to the next, until the lender
/// is dropped.
///
/// A borrower that was woken, but found that another one had been quicker, waits at the head of the queue, not at its
/// end, and newcomers then wait behind it: it is not beaten again. A `borrow` that is cancelled loses its place.
///
/// The idea of intrusive waiters is that of the crate `futures-intrusive` and of tokio's synchronisation.
///
/// ```
/// use ref_channel::{RefMutChannel, notifier::WakerQueue};
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32, WakerQueue>::new();
/// let (mut lender, mut one) = channel.split();
/// let mut two = one.clone();
/// futures::join!(
///     async { *one.borrow().await.unwrap() += 1 },
///     async { *two.borrow().await.unwrap() += 1 },
///     async {
///         let once = lender.lend_owned(0).await.unwrap();
///         assert_eq!(lender.lend_owned(once).await, Ok(2));
///     },
/// );
/// # });
/// ```
pub struct WakerQueue {
    /// Where the lender waits, if this is its place: nobody else does, and one registration follows the other.
    slot: Slot<Waker, 1>,
    /// This is the lender's place. It queues, too, if the one who woke it last has not done with the slot.
    has_slot: bool,
    /// Guards `lists`, and in each node that is queued all but `queued`.
    lock: AtomicBool,
    lists: UnsafeCell<Lists>,
}

/// What each future keeps of its waiting at a [`WakerQueue`]. Opaque: it appears in signatures only.
pub struct QueueNode {
    /// In one of the lists. Set by the waiter and cleared by whoever takes the node out, with the lock held.
    queued: AtomicBool,
    inner: UnsafeCell<Inner>,
    // The lists point here while the future is polled through `&mut`.
    _pin: PhantomPinned,
}

/// What a half keeps of its waiting at a [`WakerQueue`]: which node is its own, also if the future was forgotten. Opaque:
/// it appears in signatures only.
#[derive(Debug, Default)]
pub struct QueueSeat(Option<NonNull<QueueNode>>);

/// The key of a registration in the slot, where there is one.
const IN_SLOT: Key = Key(false);
const IN_LISTS: Key = Key(true);

// In this order: half of an empty `Option<Waker>` is undefined, and with that in the middle the compiler copies what is
// around it in overlapping pieces, for which the processor has to wait: 10 ns a loan.
#[derive(Default)]
#[repr(C)]
struct Inner {
    previous: Option<NonNull<QueueNode>>,
    next: Option<NonNull<QueueNode>>,
    waker: Option<Waker>,
    /// It was taken out to be the one that is woken.
    chosen: bool,
}

/// A node is in one of two lists, or in none.
#[derive(Default)]
struct Lists {
    waiting: List,
    /// Those of `waiting` when all were to be woken who have not been woken yet.
    waking: List,
}

#[derive(Default)]
struct List {
    head: Option<NonNull<QueueNode>>,
    tail: Option<NonNull<QueueNode>>,
}

// SAFETY: the lists, and through them the nodes, are reached with the lock held; wakers are `Send`.
unsafe impl Send for WakerQueue {}
// SAFETY: as for `Send`.
unsafe impl Sync for WakerQueue {}
// SAFETY: a node is reached with the lock of its queue held, or by the waiter while it is not queued.
unsafe impl Send for QueueNode {}
// SAFETY: nothing can be done with a shared reference to it but through its queue.
unsafe impl Sync for QueueNode {}
// SAFETY: it is a name of a node, which is reached as said above.
unsafe impl Send for QueueSeat {}
// SAFETY: as for `Send`.
unsafe impl Sync for QueueSeat {}

// Nothing foreign runs while a node is changed, so a panic leaves it in order.
impl UnwindSafe for QueueNode {}
impl RefUnwindSafe for QueueNode {}

impl Default for QueueNode {
    fn default() -> Self {
        Self {
            queued: AtomicBool::new(false),
            inner: UnsafeCell::new(Inner::default()),
            _pin: PhantomPinned,
        }
    }
}

// In the models the end of a node is an access to it: one that is still in use is reported.
#[cfg(all(loom, feature = "loom"))]
impl Drop for QueueNode {
    fn drop(&mut self) {
        self.inner.with_mut(|_| ());
    }
}

/// The right to change a node: with the lock held, or for a node that is not queued as its waiter.
///
/// # Safety
/// The caller has that right, and does not reach for the same node from within `f`.
unsafe fn with_node<R>(node: NonNull<QueueNode>, f: impl FnOnce(&mut Inner) -> R) -> R {
    // SAFETY: a node lives while it is queued or named by a seat; the caller has the right to change it.
    unsafe { node.as_ref() }
        .inner
        .with_mut(|inner| f(unsafe { &mut *inner }))
}

/// # Safety of the methods
/// The lock is held, and the nodes are of this queue.
impl List {
    unsafe fn push_back(&mut self, node: NonNull<QueueNode>) {
        // SAFETY: the lock is held, and the node is in no list.
        unsafe {
            with_node(node, |inner| {
                inner.previous = self.tail;
                inner.next = None;
            });
            match self.tail.replace(node) {
                Some(tail) => with_node(tail, |inner| inner.next = Some(node)),
                None => self.head = Some(node),
            }
        }
    }

    unsafe fn push_front(&mut self, node: NonNull<QueueNode>) {
        // SAFETY: the lock is held, and the node is in no list.
        unsafe {
            with_node(node, |inner| {
                inner.previous = None;
                inner.next = self.head;
            });
            match self.head.replace(node) {
                Some(head) => with_node(head, |inner| inner.previous = Some(node)),
                None => self.tail = Some(node),
            }
        }
    }

    /// Takes the first node out, and returns its waker. The waiter may free the node from then on.
    unsafe fn pop_front(&mut self, chosen: bool) -> Option<Waker> {
        let node = self.head?;
        // SAFETY: the lock is held, and neighbours are queued.
        unsafe {
            let (next, waker) = with_node(node, |inner| {
                inner.chosen = chosen;
                (inner.next, inner.waker.take())
            });
            self.head = next;
            match next {
                Some(next) => with_node(next, |inner| inner.previous = None),
                None => self.tail = None,
            }
            dequeued(node);
            waker
        }
    }

    /// Moves all of `other` to the end of this.
    unsafe fn append(&mut self, other: &mut Self) {
        let (Some(head), Some(tail)) = (other.head.take(), other.tail.take()) else {
            return;
        };
        // SAFETY: the lock is held.
        unsafe {
            match self.tail.replace(tail) {
                Some(before) => {
                    with_node(before, |inner| inner.next = Some(head));
                    with_node(head, |inner| inner.previous = Some(before));
                }
                None => self.head = Some(head),
            }
        }
    }
}

impl Lists {
    /// Takes a node out of the list that it is in, and returns its waker. The waiter may free the node from then on.
    ///
    /// # Safety
    /// The lock is held, and the node is queued here.
    unsafe fn remove(&mut self, node: NonNull<QueueNode>) -> Option<Waker> {
        // SAFETY: the lock is held, and neighbours are queued.
        unsafe {
            let (previous, next, waker) = with_node(node, |inner| {
                inner.chosen = false;
                (inner.previous, inner.next, inner.waker.take())
            });
            let list = if self.waiting.head == Some(node) || self.waiting.tail == Some(node) {
                &mut self.waiting
            } else {
                &mut self.waking
            };
            // A node in the middle is neither list's head or tail, and needs none.
            match previous {
                Some(previous) => with_node(previous, |inner| inner.next = next),
                None => list.head = next,
            }
            match next {
                Some(next) => with_node(next, |inner| inner.previous = previous),
                None => list.tail = previous,
            }
            dequeued(node);
            waker
        }
    }
}

/// # Safety
/// The lock is held, and the node is in no list any more. It is not used after this.
unsafe fn dequeued(node: NonNull<QueueNode>) {
    // Ordering: release, pairs with the acquire of `is_queued`: the node is not touched after it.
    // SAFETY: the waiter does not free it before this.
    unsafe { node.as_ref() }.queued.store(false, Ordering::Release);
}

/// Called by the waiter of the node.
fn is_queued(node: NonNull<QueueNode>) -> bool {
    // Ordering: acquire, pairs with the release of `dequeued`: if it is not queued any more, whoever took it out
    // has done with it, and the lock is not needed.
    // SAFETY: the waiter's own node lives.
    unsafe { node.as_ref() }.queued.load(Ordering::Acquire)
}

impl WakerQueue {
    const_unless_loom! {
        const fn new() -> Self {
            Self {
                slot: Slot::of_one_cell(),
                has_slot: false,
                lock: AtomicBool::new(false),
                lists: UnsafeCell::new(Lists {
                    waiting: List { head: None, tail: None },
                    waking: List { head: None, tail: None },
                }),
            }
        }
    }

    const_unless_loom! {
        const fn new_lender() -> Self {
            let mut new = Self::new();
            new.has_slot = true;
            new
        }
    }

    /// Runs `f`, which calls no foreign code, with the lock held.
    #[inline]
    fn locked<R>(&self, f: impl FnOnce(&mut Lists) -> R) -> R {
        if !self.try_lock() {
            self.lock_contended();
        }
        // SAFETY: the lock is held.
        let result = self.lists.with_mut(|lists| f(unsafe { &mut *lists }));
        // Ordering: release, pairs with the acquire of `try_lock`.
        self.lock.store(false, Ordering::Release);
        result
    }

    #[inline]
    fn try_lock(&self) -> bool {
        // Ordering: acquire, pairs with the release of `locked`: the changes of who held the lock before. On failure
        // relaxed: nothing is done.
        self.lock
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn lock_contended(&self) {
        let mut round = 0;
        while !self.try_lock() {
            pause(round);
            round += 1;
        }
    }

    /// Wakes who waits longest.
    fn wake_one(&self) {
        let waker = self.locked(|lists| {
            let list = if lists.waking.head.is_some() {
                &mut lists.waking
            } else {
                &mut lists.waiting
            };
            // SAFETY: the lock is held.
            unsafe { list.pop_front(true) }
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn pop_waking(&self) -> Option<Waker> {
        // SAFETY: the lock is held.
        self.locked(|lists| unsafe { lists.waking.pop_front(false) })
    }

    /// Wakes all who wait now, but not who comes while they are woken.
    fn wake_all(&self) {
        // SAFETY: the lock is held.
        self.locked(|lists| unsafe { lists.waking.append(&mut lists.waiting) });
        #[cfg(feature = "std")]
        {
            // A waker that panics does not keep the others from being woken.
            let mut first_panic = None;
            while let Some(waker) = self.pop_waking() {
                let woken = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| waker.wake()));
                if let Err(panic) = woken {
                    // The drop of an earlier one could panic, too.
                    core::mem::forget(first_panic.replace(panic));
                }
            }
            if let Some(panic) = first_panic {
                std::panic::resume_unwind(panic);
            }
        }
        // Without `std` a panic leaves the rest in `waking`, which the next notification turns to first.
        #[cfg(not(feature = "std"))]
        while let Some(waker) = self.pop_waking() {
            waker.wake();
        }
    }

    /// Takes the node out, if it is in; the waker is for the caller to drop, without the lock.
    #[inline]
    fn unlink(&self, node: NonNull<QueueNode>) -> Option<Waker> {
        if is_queued(node) {
            self.unlink_queued(node)
        } else {
            None
        }
    }

    #[cold]
    fn unlink_queued(&self, node: NonNull<QueueNode>) -> Option<Waker> {
        self.locked(|lists| {
            // It may have been taken out just now.
            if !is_queued(node) {
                return None;
            }
            // SAFETY: the lock is held, and the node is queued.
            unsafe { lists.remove(node) }
        })
    }

    /// Puts the waiter's node at the end, or gives the one that is there another waker.
    fn enqueue(&self, seat: &mut QueueSeat, waiter: Pin<&mut QueueNode>, waker: &Waker) {
        // SAFETY: it is not moved.
        let node = NonNull::from(unsafe { waiter.get_unchecked_mut() });
        if let Some(last) = seat.0.replace(node) {
            if last != node {
                // Of a future that was forgotten, and is there for ever.
                drop(self.unlink(last));
            }
        }
        let waker = waker.clone();
        // SAFETY: the node is not queued, and this is the waiter.
        let chosen = unsafe {
            with_node(node, |inner| {
                inner.waker = Some(waker);
                inner.chosen
            })
        };
        // SAFETY: the lock is held, the node is in no list, and stays where it is until it is taken out: the channel
        // deregisters before the waiter is dropped.
        self.locked(|lists| unsafe {
            if chosen {
                lists.waiting.push_front(node);
            } else {
                lists.waiting.push_back(node);
            }
            // Ordering: relaxed, only the waiter reads it without the lock.
            node.as_ref().queued.store(true, Ordering::Relaxed);
        });
    }

    /// Sees to it that a node that is queued has that waker; false if it is not queued any more.
    #[cold]
    fn keeps_place(&self, node: NonNull<QueueNode>, waker: &Waker) -> bool {
        let is_same = self.locked(|_| {
            // SAFETY: the lock is held.
            let same = unsafe {
                with_node(node, |inner| {
                    inner.waker.as_ref().is_some_and(|held| held.will_wake(waker))
                })
            };
            is_queued(node) && same
        });
        is_same || self.replace(node, waker)
    }

    /// Gives a node another waker; false if it is not queued any more.
    #[cold]
    fn replace(&self, node: NonNull<QueueNode>, waker: &Waker) -> bool {
        let mut new = Some(waker.clone());
        let queued = self.locked(|_| {
            let queued = is_queued(node);
            if queued {
                // SAFETY: the lock is held.
                unsafe { with_node(node, |inner| core::mem::swap(&mut inner.waker, &mut new)) };
            }
            queued
        });
        // The old one, or the new one if it came too late: without the lock.
        drop(new);
        queued
    }
}

impl Notifier for WakerQueue {
    const MANY: bool = true;
    type Seat = QueueSeat;
    type Waiter = QueueNode;

    init_by_new!(lender = new_lender);

    #[inline]
    unsafe fn notify(&self, notice: Notice) {
        if self.has_slot && notice.key == IN_SLOT {
            // SAFETY: the same promise, and the registration that was claimed was in the slot.
            return unsafe { self.slot.notify(notice) };
        }
        match notice.wake {
            Wake::One => self.wake_one(),
            Wake::All => self.wake_all(),
        }
    }

    #[inline]
    unsafe fn deregister(&self, seat: &mut QueueSeat, unclaimed: Option<Key>) {
        if unclaimed == Some(IN_SLOT) {
            // SAFETY: the same promise; of a borrower nothing is ever known to be unclaimed, so this is the lender.
            unsafe { self.slot.deregister(unclaimed) };
        }
        if let Some(node) = seat.0.take() {
            drop(self.unlink(node));
        }
    }

    #[cold]
    unsafe fn vacate(&self) {
        self.slot.vacate();
    }
}

impl AsyncNotifier for WakerQueue {
    #[inline]
    unsafe fn register(&self, seat: &mut QueueSeat, waiter: Pin<&mut QueueNode>, waker: &Waker) -> Key {
        // SAFETY: the same promise, and the slot has a single cell.
        if self.has_slot && unsafe { self.slot.register(waker) }.is_some() {
            return IN_SLOT;
        }
        self.enqueue(seat, waiter, waker);
        IN_LISTS
    }

    #[inline]
    unsafe fn is_registered(&self, _: &mut QueueSeat, waiter: Pin<&mut QueueNode>, key: Key, waker: &Waker) -> bool {
        if self.has_slot && key == IN_SLOT {
            return self.slot.holds(IN_SLOT, waker);
        }
        let node = NonNull::from(&*waiter);
        is_queued(node) && self.keeps_place(node, waker)
    }
}

impl MultiNotifier for WakerQueue {}

block_by_waker!(WakerQueue);

impl fmt::Debug for WakerQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakerQueue").finish_non_exhaustive()
    }
}

impl fmt::Debug for QueueNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ordering: relaxed, for information only.
        let queued = self.queued.load(Ordering::Relaxed);
        f.debug_struct("QueueNode")
            .field("queued", &queued)
            .finish_non_exhaustive()
    }
}
