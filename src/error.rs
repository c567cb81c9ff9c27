//! The errors.

use core::error::Error;
use core::fmt;

/// The loan was not borrowed, because every borrower is gone or because it was withdrawn.
///
/// If the lender owned the value, the error returns it.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<String>::new();
/// let (mut lender, borrower) = channel.split();
/// drop(borrower);
/// let error = lender.lend_pinned("kept".to_string()).await.unwrap_err();
/// assert_eq!(error.to_string(), "the loan was not borrowed");
/// assert_eq!(error.into_inner(), "kept");
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LendError<V = ()>(pub V);

impl<V> LendError<V> {
    /// Returns the value that was not borrowed.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<Vec<u32>>::new();
    /// let (mut lender, borrower) = channel.split();
    /// drop(borrower);
    /// let list = lender.lend_pinned(vec![1]).await.unwrap_or_else(|error| error.into_inner());
    /// assert_eq!(list, [1]);
    /// # });
    /// ```
    pub fn into_inner(self) -> V {
        self.0
    }
}

impl<V> fmt::Debug for LendError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LendError").finish_non_exhaustive()
    }
}

impl<V> fmt::Display for LendError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the loan was not borrowed")
    }
}

impl<V> Error for LendError<V> {}

/// Defines an error type that carries no value.
macro_rules! error {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident: $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }

        impl Error for $name {}
    };
}

error! {
    /// Why [`try_lend`](crate::Lender::try_lend) lent nothing.
    ///
    /// ```
    /// use ref_channel::TryLendError;
    ///
    /// assert_eq!(TryLendError::NotRequested.to_string(), "no borrower is waiting");
    /// ```
    TryLendError {
        /// No borrower was waiting, or those that were gave up before taking the loan.
        NotRequested: "no borrower is waiting",
        /// Every borrower is gone.
        Disconnected: "every borrower is gone",
    }
}

error! {
    /// Why [`lend_timeout`](crate::Lender::lend_timeout) lent nothing.
    ///
    /// ```
    /// use ref_channel::LendTimeoutError;
    ///
    /// assert_eq!(LendTimeoutError::Timeout.to_string(), "no borrower took the loan in time");
    /// ```
    LendTimeoutError {
        /// Nobody took the loan in time.
        Timeout: "no borrower took the loan in time",
        /// Every borrower is gone.
        Disconnected: "every borrower is gone",
    }
}

/// The deadline of a [`serve_timeout`](crate::Lender::serve_timeout) has passed while there were still borrowers.
///
/// ```
/// use ref_channel::ServeTimeoutError;
///
/// assert_eq!(ServeTimeoutError.to_string(), "the time to serve is over");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServeTimeoutError;

impl fmt::Display for ServeTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time to serve is over")
    }
}

impl Error for ServeTimeoutError {}

error! {
    /// Why [`try_borrow`](crate::Borrower::try_borrow) borrowed nothing.
    ///
    /// ```
    /// use ref_channel::TryBorrowError;
    ///
    /// assert_eq!(TryBorrowError::NotLent.to_string(), "nothing is on offer");
    /// ```
    TryBorrowError {
        /// Nothing is on offer at the moment.
        NotLent: "nothing is on offer",
        /// The lender is gone.
        Disconnected: "the lender is gone",
    }
}

error! {
    /// Why [`borrow_timeout`](crate::Borrower::borrow_timeout) borrowed nothing.
    ///
    /// ```
    /// use ref_channel::BorrowTimeoutError;
    ///
    /// assert_eq!(BorrowTimeoutError::Timeout.to_string(), "nothing was offered in time");
    /// ```
    BorrowTimeoutError {
        /// Nothing was offered in time.
        Timeout: "nothing was offered in time",
        /// The lender is gone.
        Disconnected: "the lender is gone",
    }
}

/// The lender is gone, so there is nothing left to borrow.
///
/// ```
/// use ref_channel::{BorrowError, RefChannel};
/// # pollster::block_on(async {
/// let mut channel = RefChannel::<str>::new();
/// let (lender, mut borrower) = channel.split();
/// drop(lender);
/// assert_eq!(borrower.borrow().await.unwrap_err(), BorrowError);
/// assert_eq!(BorrowError.to_string(), "the lender is gone");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BorrowError;

impl fmt::Display for BorrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lender is gone")
    }
}

impl Error for BorrowError {}
