//! The borrower's half.

use core::fmt;

#[cfg(feature = "std")]
use crate::error::BorrowTimeoutError;
use crate::error::{BorrowError, TryBorrowError};
use crate::future::{Borrow, With};
use crate::guard::Guard;
use crate::handle::Handle;
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, MultiNotifier, Notifier, WakerSlot};
use crate::request::{Requester, guard};

/// The half that borrows `&T`.
///
/// ```
/// use ref_channel::{BorrowError, RefBorrower};
///
/// async fn length(borrower: &mut RefBorrower<'_, str>) -> Result<usize, BorrowError> {
///     Ok(borrower.borrow().await?.len())
/// }
/// # let mut channel = ref_channel::RefChannel::<str>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # let both = async { futures::join!(lender.lend_static("lent"), length(&mut borrower)) };
/// # assert_eq!(pollster::block_on(both).1, Ok(4));
/// ```
pub type RefBorrower<'a, T, N = WakerSlot> = Borrower<'a, T, Shared, N>;

/// The half that borrows `&mut T`.
///
/// ```
/// use ref_channel::{BorrowError, RefMutBorrower};
///
/// async fn add_one(borrower: &mut RefMutBorrower<'_, u32>) -> Result<(), BorrowError> {
///     *borrower.borrow().await? += 1;
///     Ok(())
/// }
/// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # let both = async { futures::join!(lender.lend_pinned(1), add_one(&mut borrower)) };
/// # assert_eq!(pollster::block_on(both).0, Ok(2));
/// ```
pub type RefMutBorrower<'a, T, N = WakerSlot> = Borrower<'a, T, Exclusive, N>;

/// The half of a channel that borrows.
///
/// It can be cloned if the notifier `N` lets many wait. When the last of them is dropped the lender is told.
///
/// # Panics
/// The drop panics if the lender's waker does. The borrower is gone by then.
///
/// ```
/// use ref_channel::RefChannel;
///
/// let mut channel = RefChannel::<str>::new();
/// let (lender, borrower) = channel.split();
/// assert!(!lender.is_disconnected());
/// drop(borrower);
/// assert!(lender.is_disconnected());
/// ```
pub struct Borrower<'a, T: ?Sized, M: Mutability, N: Notifier = WakerSlot> {
    // Before the side, which may free the channel: a seat never outlives its notifier.
    requester: Requester<N>,
    channel: Side<'a, T, M, N>,
}

impl<'a, T: ?Sized, M: Mutability, N: Notifier> Borrower<'a, T, M, N> {
    pub(crate) fn new(channel: Handle<'a, T, M, N>) -> Self {
        Self {
            requester: Requester::new(),
            channel: Side(channel),
        }
    }

    /// Waits for a loan and returns a guard of it.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone.
    ///
    /// # Panics
    /// The future panics if it is polled after it has completed, or if a waker panics.
    ///
    /// # Cancellation
    /// The future can be dropped at any time, and nothing is lost: a loan that is offered at that moment is
    /// taken by the next call, or by another borrower. It does lose its place: the next call waits behind those that are
    /// waiting already.
    ///
    /// After 128 loans without waiting, the future yields to its executor: it is pending once, and wakes its own task. So a loop
    /// that borrows while an offer stays up does not keep other tasks from running.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (value, ()) = futures::join!(lender.lend_pinned(1), async {
    ///     *borrower.borrow().await.unwrap() += 1;
    /// });
    /// assert_eq!(value, Ok(2));
    /// # });
    /// ```
    pub fn borrow(&mut self) -> Borrow<'_, T, M, N>
    where
        N: AsyncNotifier,
    {
        Borrow::new(self.channel.0, &mut self.requester)
    }

    /// Returns a guard if something is on offer now. It never blocks, and is no request.
    ///
    /// # Errors
    /// [`NotLent`](TryBorrowError::NotLent) if not, or if the loan is reserved for a borrower that was overtaken before;
    /// [`Disconnected`](TryBorrowError::Disconnected) if the lender is gone.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefChannel, TryBorrowError};
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    /// lender.serve_while("hello", |_| {
    ///     assert_eq!(&*borrower.try_borrow().unwrap(), "hello");
    /// });
    /// drop(lender);
    /// assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::Disconnected);
    /// # }
    /// ```
    pub fn try_borrow(&mut self) -> Result<Guard<'_, T, M, N>, TryBorrowError> {
        match self.requester.try_take(self.channel.0) {
            // SAFETY: it was taken just now.
            Some(Ok(())) => Ok(unsafe { guard(self.channel.0) }),
            Some(Err(BorrowError)) => Err(TryBorrowError::Disconnected),
            None => Err(TryBorrowError::NotLent),
        }
    }

    /// Blocks until there is a loan and returns a guard of it.
    ///
    /// If the lender is on this same thread, this waits forever, unless a loan is already on offer.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone.
    ///
    /// # Panics
    /// If the lender's waker does.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::RefChannel;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || assert_eq!(&*borrower.borrow_blocking().unwrap(), "hello"));
    ///     lender.lend_blocking("hello").unwrap();
    /// });
    /// # }
    /// ```
    pub fn borrow_blocking(&mut self) -> Result<Guard<'_, T, M, N>, BorrowError>
    where
        N: BlockingNotifier,
    {
        match self.requester.block(self.channel.0, Deadline::NEVER) {
            // SAFETY: it was taken just now.
            Some(taken) => taken.map(|()| unsafe { guard(self.channel.0) }),
            None => unreachable!("there is no deadline"),
        }
    }

    /// Blocks until there is a loan, but not longer than `timeout`, and returns a guard of it.
    ///
    /// `Duration::MAX` is no deadline.
    ///
    /// # Errors
    /// [`Timeout`](BorrowTimeoutError::Timeout) if nothing was offered in time,
    /// [`Disconnected`](BorrowTimeoutError::Disconnected) if the lender is gone.
    ///
    /// # Panics
    /// If the lender's waker does.
    ///
    /// ```
    /// use ref_channel::{BorrowTimeoutError, RefChannel};
    /// use std::time::Duration;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (_lender, mut borrower) = channel.split();
    /// let error = borrower.borrow_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error, BorrowTimeoutError::Timeout);
    /// ```
    #[cfg(feature = "std")]
    pub fn borrow_timeout(&mut self, timeout: core::time::Duration) -> Result<Guard<'_, T, M, N>, BorrowTimeoutError>
    where
        N: BlockingNotifier,
    {
        match self.requester.block(self.channel.0, Deadline::after(timeout)) {
            // SAFETY: it was taken just now.
            Some(Ok(())) => Ok(unsafe { guard(self.channel.0) }),
            Some(Err(BorrowError)) => Err(BorrowTimeoutError::Disconnected),
            None => Err(BorrowTimeoutError::Timeout),
        }
    }

    /// Makes another borrower of the same channel, as [`Clone`] does.
    ///
    /// Too many of them abort the process, as with `Arc`: see the [FAQ](crate::faq).
    ///
    /// It stands here as well so that the compiler says, where the notifier is one of a single waiter, which ones are not.
    ///
    /// ```
    /// use ref_channel::{RefMutChannel, notifier::WakerQueue};
    ///
    /// let mut channel = RefMutChannel::<u32, WakerQueue>::new();
    /// let (_lender, borrower) = channel.split();
    /// let another = borrower.clone();
    /// # drop(another);
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "it is, and this one has the better message"
    )]
    #[must_use]
    pub fn clone(&self) -> Self
    where
        N: MultiNotifier,
    {
        Clone::clone(self)
    }

    /// Whether the lender is gone.
    ///
    /// ```
    /// use ref_channel::RefChannel;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (lender, borrower) = channel.split();
    /// assert!(!borrower.is_disconnected());
    /// drop(lender);
    /// assert!(borrower.is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.channel.0.link().look().lender_gone()
    }
}

impl<T: ?Sized, N: Notifier> Borrower<'_, T, Shared, N> {
    /// Waits for a loan, calls `f` with the value, and gives the value back.
    ///
    /// No guard leaves the closure, so the value cannot be held across an `.await`.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone. `f` is not called then.
    ///
    /// # Panics
    /// The future panics if `f` does, after it has given the value back.
    ///
    /// # Cancellation
    /// As for [`borrow`](Self::borrow): nothing is lost, and `f` is not called.
    ///
    /// ```
    /// use ref_channel::RefChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (_, outcome) = futures::join!(lender.lend_pinned(1), borrower.with(|number| *number + 1));
    /// assert_eq!(outcome, Ok(2));
    /// # });
    /// ```
    pub fn with<F, R>(&mut self, f: F) -> With<'_, T, Shared, N, F>
    where
        F: FnOnce(&T) -> R,
        N: AsyncNotifier,
    {
        With::new(self.borrow(), f)
    }

    /// Blocks until there is a loan, calls `f` with the value, and gives the value back.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone. `f` is not called then.
    ///
    /// # Panics
    /// If `f` does, after the value was given back, or if a waker panics.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::RefChannel;
    ///
    /// let mut channel = RefChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || assert_eq!(borrower.with_blocking(|number| *number + 1), Ok(2)));
    ///     lender.lend_blocking(&1).unwrap();
    /// });
    /// # }
    /// ```
    pub fn with_blocking<F, R>(&mut self, f: F) -> Result<R, BorrowError>
    where
        F: FnOnce(&T) -> R,
        N: BlockingNotifier,
    {
        let guard = self.borrow_blocking()?;
        Ok(f(&guard))
    }
}

impl<T: ?Sized, N: Notifier> Borrower<'_, T, Exclusive, N> {
    /// Waits for a loan, calls `f` with the value, and gives the value back.
    ///
    /// No guard leaves the closure, so the value cannot be held across an `.await`.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone. `f` is not called then.
    ///
    /// # Panics
    /// The future panics if `f` does, after it has given the value back.
    ///
    /// # Cancellation
    /// As for [`borrow`](Self::borrow): nothing is lost, and `f` is not called.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (_, outcome) = futures::join!(lender.lend_pinned(1), borrower.with(|number| { *number += 1; *number }));
    /// assert_eq!(outcome, Ok(2));
    /// # });
    /// ```
    pub fn with<F, R>(&mut self, f: F) -> With<'_, T, Exclusive, N, F>
    where
        F: FnOnce(&mut T) -> R,
        N: AsyncNotifier,
    {
        With::new(self.borrow(), f)
    }

    /// Blocks until there is a loan, calls `f` with the value, and gives the value back.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone. `f` is not called then.
    ///
    /// # Panics
    /// If `f` does, after the value was given back, or if a waker panics.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::RefMutChannel;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || assert_eq!(borrower.with_blocking(|number| { *number += 1; *number }), Ok(2)));
    ///     lender.lend_blocking(&mut 1).unwrap();
    /// });
    /// # }
    /// ```
    pub fn with_blocking<F, R>(&mut self, f: F) -> Result<R, BorrowError>
    where
        F: FnOnce(&mut T) -> R,
        N: BlockingNotifier,
    {
        let mut guard = self.borrow_blocking()?;
        Ok(f(&mut guard))
    }
}

impl<T: ?Sized, M: Mutability, N: MultiNotifier> Clone for Borrower<'_, T, M, N> {
    fn clone(&self) -> Self {
        const {
            assert!(N::MANY, "a `MultiNotifier` has to set `Notifier::MANY`");
        }
        self.channel.0.link().add_borrower();
        Self::new(self.channel.0)
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Borrower<'_, T, M, N> {
    fn drop(&mut self) {
        self.requester.cancel(self.channel.0);
        // Then goes the requester, with the seat, and last the side.
    }
}

/// That there is one borrower more. With the last one the borrowers' side leaves the channel.
struct Side<'a, T: ?Sized, M: Mutability, N: Notifier>(Handle<'a, T, M, N>);

impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Side<'_, T, M, N> {
    fn drop(&mut self) {
        // In this order, and each also if a waker panics in the one before: the borrowers let go of their place, say that
        // they are gone, which wakes the lender, and leave, after which the channel may be freed.
        struct Leave<'a, T: ?Sized, M: Mutability, N: Notifier>(Handle<'a, T, M, N>);
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Leave<'_, T, M, N> {
            fn drop(&mut self) {
                // SAFETY: the last borrower is dropped, and uses the channel no more.
                unsafe { self.0.leave() };
            }
        }
        struct Tell<'l, 'a, T: ?Sized, M: Mutability, N: Notifier>(&'l Leave<'a, T, M, N>);
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Tell<'_, '_, T, M, N> {
            fn drop(&mut self) {
                self.0.0.link().set_borrowers_gone();
            }
        }

        // SAFETY: this borrower is dropped, and uses the channel no more unless it was the last.
        if unsafe { self.0.remove_borrower() } {
            let leave = Leave(self.0);
            let _tell = Tell(&leave);
            // SAFETY: no borrower waits any more, nor will one.
            unsafe { leave.0.link().borrower().vacate() };
        }
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> fmt::Debug for Borrower<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrower")
            .field("state", self.channel.0.link())
            .finish_non_exhaustive()
    }
}
