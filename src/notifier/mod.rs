//! How one half of a channel waits for the other: the pluggable backends.
//!
//! A channel has two notifiers of the same type `N`: one for the lender and one for the borrowers. The channel decides *when*
//! to wake a waiter, and the notifier knows *how*. Choose a backend by what you need:
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
//! The traits that a backend implements, [`AsyncNotifier`], [`BlockingNotifier`] and [`MultiNotifier`], say what it supports. A
//! method of a half is available if and only if the backend supports it.
//!
//! # Writing one
//!
//! All of these traits are open. Implementing a backend is safe: one that forgets to wake makes its channel hang, but no
//! backend can make a channel unsound. The methods are unsafe to *call*, so that a backend may rely on the order in which the
//! channel calls them. Here is a backend built on a mutex, for tasks and threads:
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

/// Identifies the registration that a notification is for: one bit that the channel stores next to "I am waiting".
///
/// [`AsyncNotifier::register`] returns it, and the [`Notice`] for that registration carries it. A backend that does not need it
/// returns `Key::default()`.
///
/// ```
/// use ref_channel::notifier::Key;
///
/// assert_eq!(Key::default(), Key(false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key(pub bool);

/// How many waiters to wake.
///
/// ```
/// use ref_channel::notifier::Wake;
///
/// assert_ne!(Wake::One, Wake::All);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wake {
    /// At least one that has not been woken yet. If the backend keeps an order, the one that has waited longest.
    One,
    /// All of them.
    All,
}

/// Tells a notifier whom to wake; see [`Notifier::notify`].
///
/// ```
/// use ref_channel::notifier::{Key, Notice, Wake};
///
/// let notice = Notice { wake: Wake::One, key: Key::default() };
/// assert_eq!(notice.wake, Wake::One);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// How many waiters to wake.
    pub wake: Wake,
    /// The key returned by [`AsyncNotifier::register`]. It is `Key::default()` for the borrowers of a backend that supports
    /// [many](Notifier::MANY) waiters.
    pub key: Key,
}

/// Where one half of a channel waits for the other.
///
/// The trait is safe to implement: no implementation can cause a channel to break memory safety. If an implementation does not
/// wake the waiters that it should, the channel hangs. The [module](self) shows how to implement the trait. Use it as a bound
/// for code that works with all channels:
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
/// The methods are `unsafe` to call because an implementation may rely on the following guarantees:
///
/// 1. Calls with the same seat never overlap. Unless the backend supports [many](Self::MANY) waiters, there is only one seat at a
///    time.
/// 2. A registered waiter is neither moved nor dropped until the same seat is registered or [deregistered](Self::deregister)
///    again. If that never happens, it is never moved or dropped.
/// 3. Unless the backend supports many waiters: [`notify`](Self::notify) is called at most once per registration, and never after
///    [`deregister`](Self::deregister) was called with its key. Calls of [`notify_with`](Self::notify_with) never overlap, on any
///    thread. At the [lender's](Self::LENDER) notifier, every backend has all of these guarantees except the one about overlap.
/// 4. A waiter checks the channel *after* it has registered, and the other side changes the channel *before* it notifies. So a
///    waiter that registers too late to be notified sees the change.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a notifier",
    note = "the last type parameter of a channel says how its halves wait: see the module `ref_channel::notifier`"
)]
pub trait Notifier: Sized + Send + Sync {
    /// Whether many waiters can wait at a time. Set it together with implementing [`MultiNotifier`].
    const MANY: bool = false;

    /// Per-half wait state. It lives as long as the half, and outlives futures that were forgotten.
    type Seat: Default + Send + Sync;

    /// Per-call wait state: each future and each blocking call has one. It is pinned.
    type Waiter: Default + Send + Sync;

    /// A notifier without waiters.
    #[cfg(not(all(loom, feature = "loom")))]
    const INIT: Self;

    /// A notifier without waiters.
    #[cfg(all(loom, feature = "loom"))]
    fn init() -> Self;

    /// The same for the lender's notifier, which never has more than one waiter.
    ///
    /// A backend that supports many waiters can use a cheaper representation here, as [`WakerQueue`] does.
    #[cfg(not(all(loom, feature = "loom")))]
    const LENDER: Self = Self::INIT;

    /// The same for the lender's notifier, which never has more than one waiter.
    #[cfg(all(loom, feature = "loom"))]
    fn lender() -> Self {
        Self::init()
    }

    /// Wakes registered waiters.
    ///
    /// # Panics
    /// If a waker panics. The channel's state is consistent in that case, because the transition precedes the notification.
    ///
    /// # Safety
    /// See [what a channel promises](Self#what-a-channel-promises).
    unsafe fn notify(&self, notice: Notice);

    /// Runs `transition`, which changes the channel, and notifies if it returns a notice.
    ///
    /// A backend may override this to run code before the transition decides whether to notify.
    ///
    /// # Panics
    /// See [`notify`](Self::notify).
    ///
    /// # Safety
    /// See [what a channel promises](Self#what-a-channel-promises).
    #[inline]
    unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        if let Some(notice) = transition() {
            // SAFETY: guaranteed by the caller.
            unsafe { self.notify(notice) }
        }
    }

    /// Ends a registration, if there is one. The half stops waiting, or is about to register again.
    ///
    /// `unclaimed` is the key of a registration that has not been notified and will not be. It is `None` if there is no
    /// registration, or if the registration has been notified or is about to be. For the borrowers of a backend that supports
    /// many waiters it is always `None` and has no meaning.
    ///
    /// # Safety
    /// See [what a channel promises](Self#what-a-channel-promises).
    #[inline]
    unsafe fn deregister(&self, seat: &mut Self::Seat, unclaimed: Option<Key>) {
        let _ = (seat, unclaimed);
    }

    /// Releases everything kept for waiting here. The half is gone, and so is every registration.
    ///
    /// On the borrowers' side this is called when the last borrower is gone. The other half may live much longer, so a backend
    /// that keeps a waker between registrations has to drop it here: the waker keeps a task's memory alive, or even an
    /// executor. A notification may still be in progress, on this thread or another one.
    ///
    /// # Panics
    /// If dropping a waker panics.
    ///
    /// # Safety
    /// See [what a channel promises](Self#what-a-channel-promises). Nothing registers here again until the channel is split
    /// again. This may be called more than once.
    #[inline]
    unsafe fn vacate(&self) {}
}

/// A notifier that supports tasks, as required by `lend`, `borrow` and the other futures.
///
/// The [module](self) shows how to implement it. Use it as a bound for code that works with all such channels:
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
    /// Arranges for the next notification to wake `waker`.
    ///
    /// This includes a notification that arrives during the call: if a backend that supports [many](Notifier::MANY) waiters
    /// notices that it has consumed one, it wakes `waker` at once. Otherwise the channel would assume that some borrower was
    /// woken and is about to take the loan.
    ///
    /// # Panics
    /// If cloning or dropping a waker panics. The waiter is then not registered.
    ///
    /// # Safety
    /// See [what a channel promises](Notifier#what-a-channel-promises). The seat's previous registration, if any, was notified
    /// or deregistered.
    unsafe fn register(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>, waker: &Waker) -> Key;

    /// Whether the last registration is still pending and its notification will wake `waker`, so that there is no need to
    /// register again.
    ///
    /// `key` is the value that [`register`](Self::register) returned, except for the borrowers of a backend that supports
    /// [many](Notifier::MANY) waiters. A backend may replace the waker of a pending registration and return `true`. If it
    /// returns `false`, the registration is [ended](Notifier::deregister) and a new one is made. That is always correct, but a
    /// borrower among many is then treated as one that was notified: it takes precedence over newcomers, and it loses its place
    /// in a backend that keeps an order.
    ///
    /// `waiter` belongs to the current call. The registration may have been made with a different one, whose future was
    /// forgotten.
    ///
    /// # Safety
    /// See [what a channel promises](Notifier#what-a-channel-promises).
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

/// A notifier that supports threads, as required by `lend_blocking`, `borrow_blocking` and the other blocking calls.
///
/// The [module](self) shows how to implement it. Use it as a bound for code that works with all such channels:
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
    /// Arranges for the next notification to wake the current thread.
    ///
    /// # Panics
    /// See [`AsyncNotifier::register`].
    ///
    /// # Safety
    /// See [`AsyncNotifier::register`].
    unsafe fn register_thread(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>) -> Key;

    /// Whether the last registration is still pending and its notification will wake the current thread; see
    /// [`AsyncNotifier::is_registered`].
    ///
    /// # Safety
    /// See [`AsyncNotifier::is_registered`].
    #[inline]
    unsafe fn is_thread_registered(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>, key: Key) -> bool {
        let _ = (seat, waiter, key);
        false
    }

    /// Blocks the current thread until it is notified or the deadline passes. May return spuriously.
    ///
    /// Returns immediately if the thread has been notified since the last call.
    fn park(&self, deadline: Deadline);
}

/// A notifier that supports many waiters at a time, which allows borrowers to be cloned.
///
/// An implementation has to set [`Notifier::MANY`]. Otherwise cloning a borrower does not compile.
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

/// Implements the notifier's `INIT`, or its counterpart under loom, with its `new`.
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

/// Implements blocking for an async notifier, using a waker that unparks the thread. Requires `std`.
macro_rules! block_by_waker {
    ($notifier:ty) => {
        #[cfg(feature = "std")]
        impl super::BlockingNotifier for $notifier {
            unsafe fn register_thread(
                &self,
                seat: &mut Self::Seat,
                waiter: core::pin::Pin<&mut Self::Waiter>,
            ) -> super::Key {
                // SAFETY: guaranteed by the caller.
                super::with_thread_waker(|waker| unsafe { super::AsyncNotifier::register(self, seat, waiter, waker) })
            }

            unsafe fn is_thread_registered(
                &self,
                seat: &mut Self::Seat,
                waiter: core::pin::Pin<&mut Self::Waiter>,
                key: super::Key,
            ) -> bool {
                super::with_thread_waker(|waker| {
                    // SAFETY: guaranteed by the caller.
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
