//! How one half of a channel waits for the other: the pluggable backends.
//!
//! A channel has two notifiers of one type `N`: one where the lender waits, one where the borrowers wait. The
//! channel decides *when* somebody is to be woken; a notifier only knows *how*. Choose by what you need:
//!
//! | backend | feature | async | blocking | many waiters (`Borrower: Clone`) | needs |
//! |---|---|---|---|---|---|
//! | [`WakerSlot`], the default | always there | yes | with `std` | no | core |
//! | [`WakerQueue`] | always there | yes | with `std` | yes, first in first out | core |
//! | `AtomicWaker` | `atomic-waker` | yes | with `std` | no | the crate atomic-waker |
//! | `Event` | `event-listener` | yes | with `std` | yes | the crate event-listener, `alloc` |
//! | `Spin` | `spin` | yes, by polling again at once | yes | yes | core |
//! | `Park` | `park` | no | yes | no | `std` |
//!
//! What a backend can do is said by the traits that it implements: [`AsyncNotifier`], [`BlockingNotifier`],
//! [`MultiNotifier`]. A method of a half exists exactly when the backend can do it.
//!
//! # Writing one
//!
//! All three traits are open. A backend is safe to write: one that forgets to wake makes its channel hang, but
//! no backend can make a channel unsound. The methods are unsafe to *call*, so that a backend may rely on
//! the order in which the channel calls them. Here is one over a mutex, for tasks and for threads:
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use core::pin::Pin;
//! use core::task::Waker;
//! use ref_channel::notifier::{self, AsyncNotifier, BlockingNotifier, Deadline, Key, Notice, Notifier};
//! use std::sync::Mutex;
//!
//! struct MutexSlot(Mutex<Option<Waker>>);
//!
//! impl Notifier for MutexSlot {
//!     type Seat = ();
//!     type Waiter = ();
//!     const INIT: Self = MutexSlot(Mutex::new(None));
//!
//!     unsafe fn notify(&self, _: Notice) {
//!         // The lock is let go before the waker is called: it may come back here.
//!         let waker = self.0.lock().unwrap().take();
//!         if let Some(waker) = waker {
//!             waker.wake();
//!         }
//!     }
//! }
//!
//! impl AsyncNotifier for MutexSlot {
//!     unsafe fn register(&self, _: &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
//!         let waker = waker.clone();
//!         let old = self.0.lock().unwrap().replace(waker);
//!         drop(old); // after the lock, for the same reason
//!         Key::default()
//!     }
//! }
//!
//! impl BlockingNotifier for MutexSlot {
//!     unsafe fn register_thread(&self, seat: &mut (), waiter: Pin<&mut ()>) -> Key {
//!         // SAFETY: the same promise as ours.
//!         notifier::with_thread_waker(|waker| unsafe { self.register(seat, waiter, waker) })
//!     }
//!
//!     fn park(&self, deadline: Deadline) {
//!         notifier::park_thread(deadline);
//!     }
//! }
//!
//! let mut channel = ref_channel::RefMutChannel::<u32, MutexSlot>::new();
//! let (mut lender, mut borrower) = channel.split();
//! let mut value = 1;
//! std::thread::scope(|scope| {
//!     scope.spawn(move || *borrower.borrow_blocking().unwrap() += 1);
//!     lender.lend_blocking(&mut value).unwrap();
//! });
//! assert_eq!(value, 2);
//! # }
//! ```

use core::pin::Pin;
use core::task::Waker;

#[cfg(feature = "atomic-waker")]
mod atomic_waker;
#[cfg(feature = "event-listener")]
mod event;
#[cfg(feature = "park")]
mod park;
mod slot;
#[cfg(feature = "spin")]
mod spin;
#[cfg(feature = "std")]
pub(crate) mod thread;
mod waker_queue;
mod waker_slot;

#[cfg(feature = "atomic-waker")]
pub use self::atomic_waker::AtomicWaker;
#[cfg(feature = "event-listener")]
pub use self::event::{Event, EventSeat};
#[cfg(feature = "park")]
pub use self::park::Park;
#[cfg(feature = "spin")]
pub use self::spin::Spin;
#[cfg(feature = "std")]
pub use self::thread::{park_thread, with_thread_waker};
pub use self::waker_queue::{QueueNode, QueueSeat, WakerQueue};
pub use self::waker_slot::WakerSlot;
pub use crate::wait::Deadline;

/// Which registration a notification is for: one bit that the channel keeps beside "I am waiting".
///
/// [`AsyncNotifier::register`] returns it, and the [`Notice`] that answers the registration brings it back. A
/// backend that has no use for it returns `Key::default()`.
///
/// ```
/// use ref_channel::notifier::Key;
///
/// assert_eq!(Key::default(), Key(false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key(pub bool);

/// How many waiters are to be woken.
///
/// ```
/// use ref_channel::notifier::Wake;
///
/// assert_ne!(Wake::One, Wake::All);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wake {
    /// At least one that has not been woken yet, the longest waiting one if the backend keeps an order.
    One,
    /// All of them.
    All,
}

/// What a notifier is told when somebody is to be woken; see [`Notifier::notify`].
///
/// ```
/// use ref_channel::notifier::{Key, Notice, Wake};
///
/// let notice = Notice { wake: Wake::One, key: Key::default() };
/// assert_eq!(notice.wake, Wake::One);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// How many are to be woken.
    pub wake: Wake,
    /// What [`AsyncNotifier::register`] returned. For the borrowers of a backend of [many](Notifier::MANY) waiters it is
    /// `Key::default()`.
    pub key: Key,
}

/// A place where one half of a channel waits for the other.
///
/// The trait is safe to implement: whatever an implementation does or leaves undone, a channel over it does not
/// break memory safety. One that does not wake whom it should hangs. The [module](self) shows how to implement it. It
/// is named as a bound where code is to serve all channels:
///
/// ```
/// use ref_channel::{Lender, Mutability, notifier::Notifier};
///
/// fn is_idle<T: ?Sized, M: Mutability, N: Notifier>(lender: &Lender<'_, T, M, N>) -> bool {
///     !lender.is_requested() && !lender.is_disconnected()
/// }
/// # let mut channel = ref_channel::RefChannel::<str>::new();
/// # let (lender, borrower) = channel.split();
/// # assert!(is_idle(&lender));
/// # drop(borrower);
/// # assert!(!is_idle(&lender));
/// ```
///
/// # What a channel promises
///
/// The methods are `unsafe` to call because an implementation may rely on these promises:
///
/// 1. For one seat the methods that take it are called one after another. For a backend that does not have
///    [many](Self::MANY) waiters there is one seat at a time.
/// 2. A waiter that was registered stays where it is, and alive, until it is registered or
///    [deregistered](Self::deregister) anew through the same seat, or for ever.
/// 3. Unless the backend has many waiters: [`notify`](Self::notify) is called at most once for each
///    registration, never after [`deregister`](Self::deregister) said that it was not notified, and
///    [`notify_with`](Self::notify_with) is never called while another call of it is under way, on any thread. At the
///    place of the [lender](Self::LENDER) all of that but the last holds for every backend.
/// 4. If somebody is to be woken, the waiter looks at the channel *after* it registered, and whoever notifies
///    changes the channel *before*. So a registration that a notification misses sees the change.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a notifier",
    note = "the last type parameter of a channel says how its halves wait: see the module `ref_channel::notifier`"
)]
pub trait Notifier: Sized + Send + Sync {
    /// Whether many may wait at a time. With it goes [`MultiNotifier`].
    const MANY: bool = false;

    /// What a half keeps of its waiting for as long as it lives, also if a future of it was forgotten.
    type Seat: Default + Send + Sync;

    /// What each future, or each blocking call, keeps of its waiting. It is pinned.
    type Waiter: Default + Send + Sync;

    /// A notifier that nobody waits at.
    #[cfg(not(all(loom, feature = "loom")))]
    const INIT: Self;

    /// A notifier that nobody waits at.
    #[cfg(all(loom, feature = "loom"))]
    fn init() -> Self;

    /// The same for the place of the lender, where nobody else ever waits.
    ///
    /// A backend of many waiters may do better there; [`WakerQueue`] does.
    #[cfg(not(all(loom, feature = "loom")))]
    const LENDER: Self = Self::INIT;

    /// The same for the place of the lender, where nobody else ever waits.
    #[cfg(all(loom, feature = "loom"))]
    fn lender() -> Self {
        Self::init()
    }

    /// Wakes who is registered.
    ///
    /// # Panics
    /// If a waker panics. The channel is in order then: what was to be told had been done before.
    ///
    /// # Safety
    /// As the [channel promises](Self#what-a-channel-promises).
    unsafe fn notify(&self, notice: Notice);

    /// Runs `transition`, which changes the channel, and then notifies if that says so.
    ///
    /// A backend may override it to know of a notification before it is decided upon.
    ///
    /// # Panics
    /// As [`notify`](Self::notify).
    ///
    /// # Safety
    /// As the [channel promises](Self#what-a-channel-promises).
    #[inline]
    unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        if let Some(notice) = transition() {
            // SAFETY: the same promise.
            unsafe { self.notify(notice) }
        }
    }

    /// Ends a registration, if there is one: the half does not wait any more, or registers anew next.
    ///
    /// `unclaimed` is the key of a registration that was not notified, nor will be. It is none if the registration was
    /// notified, or will be at once, or if there is none. For the borrowers of a backend of many waiters it is always none,
    /// and means nothing.
    ///
    /// # Safety
    /// As the [channel promises](Self#what-a-channel-promises).
    #[inline]
    unsafe fn deregister(&self, seat: &mut Self::Seat, unclaimed: Option<Key>) {
        let _ = (seat, unclaimed);
    }

    /// Lets go of all that was kept for waiting here: the half is gone, and with it every registration.
    ///
    /// Of borrowers it is the last one that is gone. The other half may be there for long, so a backend that keeps a waker
    /// between two registrations drops it here: it keeps the memory of a task, or even the executor, alive. A notification may
    /// still be under way, on this thread or another one.
    ///
    /// # Panics
    /// If the drop of a waker panics.
    ///
    /// # Safety
    /// As the [channel promises](Self#what-a-channel-promises). Nobody registers here any more before the channel is
    /// split again. It may be called more than once.
    #[inline]
    unsafe fn vacate(&self) {}
}

/// A notifier at which tasks can wait: with it there are `lend`, `borrow` and the other futures.
///
/// The [module](self) shows how to implement it. It is named as a bound where code is to serve all such channels:
///
/// ```
/// use ref_channel::{BorrowError, Borrower, Mutability, notifier::AsyncNotifier};
///
/// async fn length<M: Mutability, N: AsyncNotifier>(from: &mut Borrower<'_, str, M, N>) -> Result<usize, BorrowError> {
///     Ok(from.borrow().await?.len())
/// }
/// # let mut channel = ref_channel::RefChannel::<str>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # let both = async { futures::join!(lender.lend_static("lent"), length(&mut borrower)) };
/// # assert_eq!(pollster::block_on(both).1, Ok(4));
/// ```
#[diagnostic::on_unimplemented(
    message = "futures cannot wait at the notifier `{Self}`",
    label = "`{Self}` is not an `AsyncNotifier`",
    note = "use the blocking calls, or a channel over an async notifier, for example `WakerSlot`, the default"
)]
pub trait AsyncNotifier: Notifier {
    /// Wakes `waker` at the next notification.
    ///
    /// That includes one that arrives during this call: a backend of [many](Notifier::MANY) waiters that finds it has used one up
    /// wakes `waker` at once. Else the channel believes that somebody was woken who will come for the loan.
    ///
    /// # Panics
    /// If the clone or the drop of a waker panics. The waiter is not registered then.
    ///
    /// # Safety
    /// As the [channel promises](Notifier#what-a-channel-promises). The registration that the seat had before
    /// was notified, or was deregistered.
    unsafe fn register(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>, waker: &Waker) -> Key;

    /// Whether the last registration is still there and its notification will wake `waker`, so that nothing need be
    /// registered anew.
    ///
    /// `key` is what [`register`](Self::register) returned, unless it is about a borrower and the backend has
    /// [many](Notifier::MANY) waiters. A backend may exchange the waker of a registration that is there, and say `true`. If it
    /// says `false`, the registration is [ended](Notifier::deregister) and made anew, which is always right. But a borrower
    /// among many is then taken for one that was notified: it takes precedence over newcomers, and in a backend that
    /// keeps an order it has lost its place there.
    ///
    /// `waiter` is that of the present call. The registration may have been made with another one, whose future was forgotten.
    ///
    /// # Safety
    /// As the [channel promises](Notifier#what-a-channel-promises).
    #[inline]
    unsafe fn is_registered(
        &self,
        seat: &mut Self::Seat,
        waiter: Pin<&mut Self::Waiter>,
        key: Key,
        waker: &Waker,
    ) -> bool {
        let _ = (seat, waiter, key, waker);
        false
    }
}

/// A notifier at which threads can wait: with it there are `lend_blocking`, `borrow_blocking` and their like.
///
/// The [module](self) shows how to implement it. It is named as a bound where code is to serve all such channels:
///
/// ```
/// use ref_channel::{Exclusive, Lender, TryLendError, notifier::BlockingNotifier};
///
/// /// Lets whoever waits for the world have it, in the middle of a frame.
/// fn serve<N: BlockingNotifier>(lender: &mut Lender<'_, String, Exclusive, N>, world: &mut String) -> bool {
///     lender.try_lend_blocking(world) != Err(TryLendError::NotRequested)
/// }
/// # #[cfg(feature = "std")] {
/// # let mut channel = ref_channel::RefMutChannel::<String>::new();
/// # let (mut lender, _borrower) = channel.split();
/// # assert!(!serve(&mut lender, &mut String::new()));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "threads cannot wait at the notifier `{Self}`",
    label = "`{Self}` is not a `BlockingNotifier`",
    note = "most notifiers block only with the feature `std`; `Spin` blocks without it"
)]
pub trait BlockingNotifier: Notifier {
    /// Wakes this thread at the next notification.
    ///
    /// # Panics
    /// As [`AsyncNotifier::register`].
    ///
    /// # Safety
    /// As for [`AsyncNotifier::register`].
    unsafe fn register_thread(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>) -> Key;

    /// Whether the last registration is still there and its notification will wake this thread: as
    /// [`AsyncNotifier::is_registered`].
    ///
    /// # Safety
    /// As for [`AsyncNotifier::is_registered`].
    #[inline]
    unsafe fn is_thread_registered(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>, key: Key) -> bool {
        let _ = (seat, waiter, key);
        false
    }

    /// Blocks this thread until it was notified, until the deadline, or for no reason at all.
    ///
    /// It returns at once if this thread was notified since the last call.
    fn park(&self, deadline: Deadline);
}

/// A notifier at which many wait at the same time: with it a borrower can be cloned.
///
/// An implementation sets [`Notifier::MANY`], or the clone of a borrower does not compile.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use ref_channel::{RefMutChannel, notifier::WakerQueue};
///
/// let mut channel = RefMutChannel::<u32, WakerQueue>::new();
/// let (mut lender, mut one) = channel.split();
/// let mut other = one.clone();
/// let mut value = 0;
/// std::thread::scope(|scope| {
///     scope.spawn(move || *one.borrow_blocking().unwrap() += 1);
///     scope.spawn(move || *other.borrow_blocking().unwrap() += 1);
///     lender.lend_blocking(&mut value).unwrap();
///     lender.lend_blocking(&mut value).unwrap();
/// });
/// assert_eq!(value, 2);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "only one borrower can wait at the notifier `{Self}`, so it cannot be cloned",
    label = "`{Self}` is not a `MultiNotifier`",
    note = "use a channel over a notifier of many waiters: `WakerQueue`, `Event` or `Spin`"
)]
pub trait MultiNotifier: Notifier {}

/// The notifier's `INIT`, or what loom has in its place, from its `new`.
macro_rules! init_by_new {
    ($(lender = $lender:ident)?) => {
        #[cfg(not(all(loom, feature = "loom")))]
        const INIT: Self = Self::new();
        $(#[cfg(not(all(loom, feature = "loom")))]
        const LENDER: Self = Self::$lender();)?

        #[cfg(all(loom, feature = "loom"))]
        fn init() -> Self {
            Self::new()
        }
        $(#[cfg(all(loom, feature = "loom"))]
        fn lender() -> Self {
            Self::$lender()
        })?
    };
}
use init_by_new;

/// An async notifier blocks, with `std`, by a waker that unparks the thread.
macro_rules! block_by_waker {
    ($notifier:ty) => {
        #[cfg(feature = "std")]
        impl super::BlockingNotifier for $notifier {
            unsafe fn register_thread(
                &self,
                seat: &mut Self::Seat,
                waiter: core::pin::Pin<&mut Self::Waiter>,
            ) -> super::Key {
                // SAFETY: the same promise.
                super::with_thread_waker(|waker| unsafe { super::AsyncNotifier::register(self, seat, waiter, waker) })
            }

            unsafe fn is_thread_registered(
                &self,
                seat: &mut Self::Seat,
                waiter: core::pin::Pin<&mut Self::Waiter>,
                key: super::Key,
            ) -> bool {
                super::with_thread_waker(|waker| {
                    // SAFETY: the same promise.
                    unsafe { super::AsyncNotifier::is_registered(self, seat, waiter, key, waker) }
                })
            }

            fn park(&self, deadline: super::Deadline) {
                super::park_thread(deadline);
            }
        }
    };
}
use block_by_waker;
