//! How a channel is made and split into halves.

use core::fmt;
use core::ptr::NonNull;

use crate::borrower::Borrower;
pub use crate::handle::Channel;
use crate::handle::Handle;
use crate::lender::Lender;
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{Notifier, WakerSlot};
use crate::sync::const_unless_loom;

/// A channel that lends `&T`.
///
/// ```
/// use ref_channel::RefChannel;
///
/// let mut channel = RefChannel::<str>::new();
/// let (mut lender, mut borrower) = channel.split();
/// # pollster::block_on(async {
/// let (_, length) = futures::join!(lender.lend_static("lent"), async {
///     borrower.borrow().await.unwrap().len()
/// });
/// assert_eq!(length, 4);
/// # });
/// ```
pub type RefChannel<T, N = WakerSlot> = Channel<T, Shared, N>;

/// A channel that lends `&mut T`.
///
/// ```
/// use ref_channel::RefMutChannel;
///
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// # pollster::block_on(async {
/// let (value, ()) = futures::join!(lender.lend_pinned(1), async {
///     *borrower.borrow().await.unwrap() += 1;
/// });
/// assert_eq!(value, Ok(2));
/// # });
/// ```
pub type RefMutChannel<T, N = WakerSlot> = Channel<T, Exclusive, N>;

impl<T: ?Sized, M: Mutability, N: Notifier> Channel<T, M, N> {
    const_unless_loom! {
        /// Creates a channel.
        ///
        /// ```
        /// use ref_channel::RefMutChannel;
        ///
        /// static CHANNEL: RefMutChannel<[u8; 512]> = RefMutChannel::new();
        /// # let _ = &CHANNEL;
        /// ```
        #[must_use]
        pub const fn new() -> Self {
            Self::unsplit()
        }
    }

    /// Splits the channel into halves that borrow it, without an allocation.
    ///
    /// It starts afresh, whatever became of earlier halves.
    ///
    /// ```
    /// use ref_channel::{RefChannel, TryBorrowError};
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// std::mem::forget(channel.split());
    /// let (_lender, mut borrower) = channel.split();
    /// assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    /// ```
    pub fn split(&mut self) -> (Lender<'_, T, M, N>, Borrower<'_, T, M, N>) {
        self.link.split(false);
        halves(Handle::new(NonNull::from(self)))
    }

    /// Splits a channel that cannot be borrowed mutably, as a static.
    ///
    /// Returns `None` while halves or guards of the channel exist, and from then on if one of them was forgotten.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();
    ///
    /// let halves = CHANNEL.try_split().unwrap();
    /// assert!(CHANNEL.try_split().is_none());
    /// drop(halves);
    /// assert!(CHANNEL.try_split().is_some());
    /// ```
    #[expect(clippy::type_complexity, reason = "the two halves, as everywhere")]
    pub fn try_split(&self) -> Option<(Lender<'_, T, M, N>, Borrower<'_, T, M, N>)> {
        let is_split = self.link.try_split();
        is_split.then(|| halves(Handle::new(NonNull::from(self))))
    }

    /// Splits the channel into halves that own it together, to be moved into spawned tasks and threads.
    ///
    /// This allocates once. The half that is dropped last frees the channel. In a struct or a signature the halves are
    /// `RefMutLender<'static, T>` and `RefMutBorrower<'static, T>` if `T` is `'static`.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// let (mut lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
    /// let thread = std::thread::spawn(move || *borrower.borrow_blocking().unwrap() += 1);
    /// let mut value = 1;
    /// lender.lend_blocking(&mut value).unwrap();
    /// assert_eq!(value, 2);
    /// # thread.join().unwrap();
    /// ```
    #[cfg(feature = "alloc")]
    pub fn into_split<'a>(mut self) -> (Lender<'a, T, M, N>, Borrower<'a, T, M, N>)
    where
        Self: 'a,
    {
        self.link.split(true);
        let channel = NonNull::from(alloc::boxed::Box::leak(alloc::boxed::Box::new(self)));
        halves(Handle::new(channel))
    }
}

fn halves<'a, T: ?Sized, M: Mutability, N: Notifier>(
    handle: Handle<'a, T, M, N>,
) -> (Lender<'a, T, M, N>, Borrower<'a, T, M, N>) {
    (Lender::new(handle), Borrower::new(handle))
}

impl<T: ?Sized, M: Mutability, N: Notifier> Default for Channel<T, M, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> fmt::Debug for Channel<T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("state", &self.link)
            .finish_non_exhaustive()
    }
}
