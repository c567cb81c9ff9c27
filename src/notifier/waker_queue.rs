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

/// Any number of waiters, first in, first out, without allocating. Recommended for cloned borrowers.
///
/// The queue is intrusive: it links the pinned futures that wait in it, which are therefore not `Unpin`. It only needs `core`;
/// with `std`, threads can block on it as well.
///
/// The links are protected by a spin lock that is held briefly. Wakers are never cloned, called or dropped while it is held, so
/// they may panic or re-enter the channel. Because of the lock, this backend cannot be used in interrupt handlers, unlike
/// [`WakerSlot`](super::WakerSlot).
///
/// The lender is the only waiter on its side and does not queue. Its waker is kept in a slot from one loan to the next, until
/// the lender is dropped.
///
/// A borrower that is woken but finds the loan already taken by another one goes to the head of the queue. Newcomers then wait
/// behind it, so this happens to it at most once. A cancelled `borrow` loses its place in the queue.
///
/// Intrusive waiters are an idea from the crate `futures-intrusive` and from tokio's synchronisation primitives.
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
///         let once = lender.lend_pinned(0).await.unwrap();
///         assert_eq!(lender.lend_pinned(once).await, Ok(2));
///     },
/// );
/// # });
/// ```
pub struct WakerQueue {
    /// At the lender's notifier, where the lender waits. It has one waiter, whose registrations do not overlap.
    slot: Slot<Waker, 1>,
    /// Whether this is the lender's notifier. The lender queues as well if its last notifier is still using the slot.
    has_slot: bool,
    /// Protects `lists` and all fields of queued nodes except `queued`.
    lock: AtomicBool,
    lists: UnsafeCell<Lists>,
}

/// Per-future wait state at a [`WakerQueue`]. Opaque: it only appears in signatures.
pub struct QueueNode {
    /// Whether the node is in a list. Set by the waiter and cleared when the node is removed, both with the lock held.
    queued: AtomicBool,
    inner: UnsafeCell<Inner>,
    // The lists point here while the future is polled through `&mut`.
    _pin: PhantomPinned,
}

/// A half's persistent wait state at a [`WakerQueue`]: which node belongs to it, even if the future was forgotten. Opaque: it
/// only appears in signatures.
#[derive(Debug, Default)]
pub struct QueueSeat(Option<NonNull<QueueNode>>);

/// The key of a registration in the slot, if this notifier has one.
const IN_SLOT: Key = Key(false);
const IN_LISTS: Key = Key(true);

// The field order matters. Half of an empty `Option<Waker>` is uninitialised. With the waker in the middle, the compiler copies
// the neighbouring fields in overlapping chunks and the processor stalls on them, which costs 10 ns per loan.
#[derive(Default)]
#[repr(C)]
struct Inner {
    previous: Option<NonNull<QueueNode>>,
    next: Option<NonNull<QueueNode>>,
    waker: Option<Waker>,
    /// It was dequeued by a notification for a single waiter.
    chosen: bool,
}

/// Each node is in one of these lists, or in none.
#[derive(Default)]
struct Lists {
    waiting: List,
    /// Nodes that were in `waiting` when all waiters had to be woken, and that have not been woken yet.
    waking: List,
}

#[derive(Default)]
struct List {
    head: Option<NonNull<QueueNode>>,
    tail: Option<NonNull<QueueNode>>,
}

// SAFETY: the lists, and the nodes through them, are only accessed with the lock held. Wakers are `Send`.
unsafe impl Send for WakerQueue {}
// SAFETY: as for `Send`.
unsafe impl Sync for WakerQueue {}
// SAFETY: a node is accessed with the lock of its queue held, or by its waiter while it is not queued.
unsafe impl Send for QueueNode {}
// SAFETY: a shared reference to a node gives no access except through its queue.
unsafe impl Sync for QueueNode {}
// SAFETY: it only identifies a node, and nodes are accessed as described above.
unsafe impl Send for QueueSeat {}
// SAFETY: as for `Send`.
unsafe impl Sync for QueueSeat {}

// No foreign code runs while a node is being changed, so a panic leaves it consistent.
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

// In the models, dropping a node counts as an access to it, so loom reports a node that is still in use.
#[cfg(all(loom, feature = "loom"))]
impl Drop for QueueNode {
    fn drop(&mut self) {
        self.inner.with_mut(|_| ());
    }
}

/// Gives mutable access to a node.
///
/// # Safety
/// The caller holds the lock, or is the waiter of a node that is not queued. `f` does not access the same node again.
unsafe fn with_node<R>(node: NonNull<QueueNode>, f: impl FnOnce(&mut Inner) -> R) -> R {
    // SAFETY: a node is alive while it is queued or named by a seat, and the caller has exclusive access to it.
    unsafe { node.as_ref() }
        .inner
        .with_mut(|inner| f(unsafe { &mut *inner }))
}

/// # Safety of the methods
/// The lock is held, and the nodes belong to this queue.
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

    /// Removes the first node and returns its waker. The waiter may free the node from then on.
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

    /// Moves all nodes of `other` to the end of this list.
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
    /// Removes a node from the list that contains it and returns its waker. The waiter may free the node from then on.
    ///
    /// # Safety
    /// The lock is held, and the node is in one of these lists.
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
            // A node in the middle is not the head or tail of any list, so the choice of list does not matter.
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
/// The lock is held, and the node has been unlinked. It must not be accessed after this call.
unsafe fn dequeued(node: NonNull<QueueNode>) {
    // Ordering: release, pairs with the acquire in `is_queued`. The node is not accessed after this store.
    // SAFETY: the waiter does not free the node before this store.
    unsafe { node.as_ref() }.queued.store(false, Ordering::Release);
}

/// Only called by the node's waiter.
fn is_queued(node: NonNull<QueueNode>) -> bool {
    // Ordering: acquire, pairs with the release in `dequeued`. If the node is no longer queued, the thread that removed it is
    // done with it, and the lock is not needed.
    // SAFETY: the waiter's own node is alive.
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

    /// Runs `f` with the lock held. `f` must not call foreign code.
    #[inline]
    fn locked<R>(&self, f: impl FnOnce(&mut Lists) -> R) -> R {
        if !self.try_lock() {
            self.lock_contended();
        }
        // SAFETY: the lock is held.
        let result = self.lists.with_mut(|lists| f(unsafe { &mut *lists }));
        // Ordering: release, pairs with the acquire in `try_lock`.
        self.lock.store(false, Ordering::Release);
        result
    }

    #[inline]
    fn try_lock(&self) -> bool {
        // Ordering: acquire, pairs with the release in `locked`: makes the changes of the previous lock holder visible. Relaxed
        // on failure, because nothing is accessed then.
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

    /// Wakes the waiter that has waited longest.
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

    /// Wakes all current waiters, but not those that arrive during the call.
    fn wake_all(&self) {
        // SAFETY: the lock is held.
        self.locked(|lists| unsafe { lists.waking.append(&mut lists.waiting) });
        #[cfg(feature = "std")]
        {
            // A panicking waker must not prevent the others from being woken.
            let mut first_panic = None;
            while let Some(waker) = self.pop_waking() {
                let woken = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| waker.wake()));
                if let Err(panic) = woken {
                    // Dropping an earlier panic payload could panic as well.
                    core::mem::forget(first_panic.replace(panic));
                }
            }
            if let Some(panic) = first_panic {
                std::panic::resume_unwind(panic);
            }
        }
        // Without `std`, a panic leaves the rest in `waking`, which the next notification serves first.
        #[cfg(not(feature = "std"))]
        while let Some(waker) = self.pop_waking() {
            waker.wake();
        }
    }

    /// Removes the node if it is queued. The caller drops the waker without holding the lock.
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
            // It may have been removed in the meantime.
            if !is_queued(node) {
                return None;
            }
            // SAFETY: the lock is held, and the node is queued.
            unsafe { lists.remove(node) }
        })
    }

    /// Appends the waiter's node to the queue, or puts it at the head if it was woken in vain.
    fn enqueue(&self, seat: &mut QueueSeat, waiter: Pin<&mut QueueNode>, waker: &Waker) {
        // SAFETY: the node is not moved.
        let node = NonNull::from(unsafe { waiter.get_unchecked_mut() });
        if let Some(last) = seat.0.replace(node) {
            if last != node {
                // It belongs to a forgotten future, so it is never freed.
                drop(self.unlink(last));
            }
        }
        let waker = waker.clone();
        // SAFETY: the node is not queued, and the caller is its waiter.
        let chosen = unsafe {
            with_node(node, |inner| {
                inner.waker = Some(waker);
                inner.chosen
            })
        };
        // SAFETY: the lock is held, and the node is not in any list. It is not moved or freed until it is removed, because the
        // channel deregisters before it drops the waiter.
        self.locked(|lists| unsafe {
            if chosen {
                lists.waiting.push_front(node);
            } else {
                lists.waiting.push_back(node);
            }
            // Ordering: relaxed, because only the waiter reads it without the lock.
            node.as_ref().queued.store(true, Ordering::Relaxed);
        });
    }

    /// Makes sure that a queued node has the given waker. Returns false if the node is no longer queued.
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

    /// Replaces the waker of a node. Returns false if the node is no longer queued.
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
        // Drops the old waker, or the new one if the node was no longer queued, without holding the lock.
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
            // SAFETY: guaranteed by the caller. The claimed registration was in the slot.
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
            // SAFETY: guaranteed by the caller. Borrowers never pass an unclaimed key, so this is the lender.
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
        // SAFETY: guaranteed by the caller. The slot has a single cell.
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
