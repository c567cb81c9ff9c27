//! The futures of the halves.
//!
//! Their names are needed only to store them, as in the examples of [`Borrow`] and [`Offer`]; the methods that return them tell
//! what they do. The futures that lend or serve are one generic type, [`Offer`], and [`LendFuture`] is the trait of all of them.
//!
//! # Cancellation
//!
//! | dropped while the value is borrowed | futures |
//! |---|---|
//! | the value is left to the last guard, which drops it | [`LendOwned`], [`LendBoxed`], [`ServeOwned`], [`ServeBoxed`] |
//! | the guard keeps the `'static` reference | [`LendStatic`] |
//! | **blocks** until the guard is back | [`Lend`], [`TryLend`], [`Serve`], [`LendPinned`], [`ServePinned`] |
//! | nothing is lost | [`Borrow`], [`With`], [`Requested`] |
#![cfg_attr(not(feature = "alloc"), allow(rustdoc::broken_intra_doc_links))]

mod borrow;
mod offer;
mod requested;
mod source;
mod until;
mod with;

pub use self::borrow::Borrow;
pub use self::offer::Offer;
pub use self::requested::Requested;
pub use self::until::{During, LendFuture, Until};
pub use self::with::With;

#[cfg(feature = "alloc")]
pub(crate) use self::source::Spare;
pub(crate) use self::source::{Borrowed, Pinned, Static};
#[cfg(feature = "alloc")]
pub(crate) use self::source::{Boxed, Owned};

use self::offer::{OnRequest, Once, Serving};
use crate::notifier::WakerSlot;

/// The future of [`Lender::lend`](crate::Lender::lend).
///
/// # Safety
/// Once polled, it must not be forgotten before it has completed, as `lend` says. Dropping it is fine.
///
/// # Cancellation
/// Dropped before a borrower took the value, it withdraws the offer. Dropped while the value is borrowed, it **blocks the
/// thread** until the guard is back (it parks with `std`, and spins without). When a runtime shuts down, that can hang: the
/// guard may be in a task that the same thread was to drop next. To cancel without blocking use [`until`](Offer::until), or
/// [`withdraw`](Offer::withdraw) and then await the same future.
///
/// ```
/// use core::pin::pin;
/// use ref_channel::{LendError, RefMutChannel};
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, _borrower) = channel.split();
/// let mut value = 1;
/// // SAFETY: it is polled to its end.
/// let mut lend = pin!(unsafe { lender.lend(&mut value) });
/// assert!(futures::poll!(lend.as_mut()).is_pending()); // on offer, and nobody comes
/// lend.as_mut().withdraw();
/// assert_eq!(lend.await, Err(LendError(())));
/// # });
/// ```
pub type Lend<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Borrowed<T>, Once>;

/// The future of [`Lender::try_lend`](crate::Lender::try_lend).
///
/// # Safety
/// As for [`Lend`].
///
/// # Cancellation
/// As for [`Lend`]: dropped while the value is borrowed, it **blocks the thread** until the guard is back.
///
/// ```
/// use core::pin::pin;
/// use ref_channel::{RefMutChannel, TryLendError};
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut value = 1;
///
/// let mut borrow = borrower.borrow();
/// assert!(futures::poll!(&mut borrow).is_pending()); // it waits
/// // SAFETY: it is polled to its end.
/// let mut lend = pin!(unsafe { lender.try_lend(&mut value) });
/// assert!(futures::poll!(lend.as_mut()).is_pending()); // so there is an offer
/// drop(borrow); // but it gives up
/// assert_eq!(lend.await, Err(TryLendError::NotRequested));
/// # });
/// ```
pub type TryLend<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Borrowed<T>, OnRequest>;

/// The future of [`Lender::serve`](crate::Lender::serve).
///
/// # Safety
/// As for [`Lend`].
///
/// # Cancellation
/// As for [`Lend`]: dropped while the value is borrowed, it **blocks the thread** until the guard is back.
///
/// ```
/// use core::pin::pin;
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut value = 1;
/// {
///     // SAFETY: it is polled to its end.
///     let mut serve = pin!(unsafe { lender.serve(&mut value) });
///     assert!(futures::poll!(serve.as_mut()).is_pending());
///     *borrower.borrow().await.unwrap() += 1;
///     *borrower.borrow().await.unwrap() += 1;
///     serve.as_mut().withdraw();
///     serve.await;
/// }
/// assert_eq!(value, 3);
/// # });
/// ```
pub type Serve<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Borrowed<T>, Serving>;

/// The future of [`Lender::lend_static`](crate::Lender::lend_static).
///
/// # Cancellation
/// It never blocks. Dropped before a borrower took the value, it withdraws the offer. Dropped while the value is borrowed, it
/// just goes: what it lent is valid forever. The next loan waits for that guard. Either way the `'static` reference is lost.
///
/// ```
/// use ref_channel::RefChannel;
/// # pollster::block_on(async {
/// let mut channel = RefChannel::<str>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut lend = lender.lend_static("static");
/// assert!(futures::poll!(&mut lend).is_pending());
///
/// let guard = borrower.borrow().await.unwrap();
/// drop(lend); // this does not wait
/// assert_eq!(&*guard, "static");
/// # });
/// ```
pub type LendStatic<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Static<T, M>, Once>;

/// The future of [`Lender::lend_owned`](crate::Lender::lend_owned).
///
/// # Cancellation
/// It never blocks. Dropped before a borrower took the value, it withdraws the offer and drops the value. Dropped while the value
/// is borrowed, it leaves the value to the last guard, which drops it. To have the value back, use [`until`](Offer::until), or
/// [`withdraw`](Offer::withdraw) and then await the same future.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<Vec<u32>>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut lend = lender.lend_owned(vec![1, 2]);
/// assert!(futures::poll!(&mut lend).is_pending());
///
/// let mut guard = borrower.borrow().await.unwrap();
/// drop(lend); // this does not wait: the list is the guard's now
/// guard.reverse();
/// assert_eq!(*guard, [2, 1]);
/// # });
/// ```
#[cfg(feature = "alloc")]
pub type LendOwned<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Owned<T>, Once>;

/// The future of [`Lender::lend_boxed`](crate::Lender::lend_boxed).
///
/// # Cancellation
/// It never blocks. Dropped before a borrower took the value, it withdraws the offer and drops the box. Dropped while the value
/// is borrowed, it leaves the box to the last guard, which drops it. To have the box back, use [`until`](Offer::until), or
/// [`withdraw`](Offer::withdraw) and then await the same future.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<[u32]>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut lend = lender.lend_boxed(Box::new([1, 2]));
/// assert!(futures::poll!(&mut lend).is_pending());
///
/// let mut guard = borrower.borrow().await.unwrap();
/// drop(lend); // this does not wait: the box is the guard's now
/// guard.reverse();
/// assert_eq!(*guard, [2, 1]);
/// # });
/// ```
#[cfg(feature = "alloc")]
pub type LendBoxed<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Boxed<T>, Once>;

/// The future of [`Lender::lend_pinned`](crate::Lender::lend_pinned) and [`lend_pinned_as`](crate::Lender::lend_pinned_as). It holds
/// the value, and is not `Unpin`.
///
/// # Cancellation
/// Dropped before a borrower took the value, it withdraws the offer. Dropped while the value is borrowed, it **blocks the thread**
/// until the guard is back, as [`Lend`] does. When a runtime shuts down, that can hang.
///
/// ```
/// use core::pin::pin;
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, _borrower) = channel.split();
/// let mut lend = pin!(lender.lend_pinned(1));
/// assert!(futures::poll!(lend.as_mut()).is_pending());
/// lend.as_mut().withdraw();
/// assert_eq!(lend.await.unwrap_err().into_inner(), 1);
/// # });
/// ```
pub type LendPinned<'l, T, M, N = WakerSlot, V = T> = Offer<'l, M, N, Pinned<V, T>, Once>;

/// The future of [`Lender::serve_owned`](crate::Lender::serve_owned).
///
/// # Cancellation
/// It never blocks, as [`LendOwned`]: dropped while the value is borrowed, it leaves the value to the last guard, which drops it.
///
/// ```
/// use ref_channel::{RefMutChannel, RefMutGuard};
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<Vec<u32>>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut serve = lender.serve_owned(vec![1, 2]);
/// assert!(futures::poll!(&mut serve).is_pending());
/// borrower.borrow().await.unwrap().push(3);
///
/// let guard = borrower.borrow().await.unwrap();
/// drop(serve); // this does not wait: the list is the guard's now
/// assert!(RefMutGuard::is_recalled(&guard));
/// assert_eq!(*guard, [1, 2, 3]);
/// # });
/// ```
#[cfg(feature = "alloc")]
pub type ServeOwned<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Owned<T>, Serving>;

/// The future of [`Lender::serve_boxed`](crate::Lender::serve_boxed).
///
/// # Cancellation
/// It never blocks, as [`LendBoxed`]: dropped while the value is borrowed, it leaves the box to the last guard, which drops it.
///
/// ```
/// use core::pin::Pin;
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<[u32]>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut serve = lender.serve_boxed(Box::new([1, 2]));
/// assert!(futures::poll!(&mut serve).is_pending());
/// borrower.borrow().await.unwrap().reverse();
/// Pin::new(&mut serve).withdraw();
/// assert_eq!(*serve.await, [2, 1]);
/// # });
/// ```
#[cfg(feature = "alloc")]
pub type ServeBoxed<'l, T, M, N = WakerSlot> = Offer<'l, M, N, Boxed<T>, Serving>;

/// The future of [`Lender::serve_pinned`](crate::Lender::serve_pinned). It holds the value, and is not `Unpin`.
///
/// # Cancellation
/// As for [`LendPinned`]: dropped while the value is borrowed, it **blocks the thread** until the guard is back. When a runtime
/// shuts down, that can hang.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let work = async {
///     *borrower.borrow().await.unwrap() += 1;
///     *borrower.borrow().await.unwrap() += 1;
/// };
/// assert_eq!(lender.serve_pinned(1).during(work).await.0, 3);
/// # });
/// ```
pub type ServePinned<'l, T, M, N = WakerSlot, V = T> = Offer<'l, M, N, Pinned<V, T>, Serving>;
