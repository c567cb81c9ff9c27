//! The futures of the halves.
//!
//! Their names are needed only to store them, as in the examples of [`Borrow`] and [`LendOwned`]; the methods that
//! return them tell what they do.

mod borrow;
mod lend;
#[cfg(feature = "alloc")]
mod lend_boxed;
mod lend_owned;
mod lend_static;
mod requested;
mod try_lend;

pub use self::borrow::Borrow;
pub use self::lend::Lend;
#[cfg(feature = "alloc")]
pub use self::lend_boxed::LendBoxed;
pub use self::lend_owned::LendOwned;
pub use self::lend_static::LendStatic;
pub use self::requested::Requested;
pub use self::try_lend::TryLend;

/// What the futures that lend have in common, around their field `lending`.
macro_rules! lend_future {
    ($name:ident, $error:literal $(, $sized:tt Sized)?) => {
        impl<'l, T: $($sized Sized)?, M: Mutability, N: AsyncNotifier> $name<'l, T, M, N> {
            /// Stops offering, without blocking; then await the same future.
            ///
            #[doc = concat!("It resolves to `", $error, "` if nobody had taken the loan, else as usual once it is returned.")]
            /// Before the first poll, this makes it resolve so without ever offering. It wakes nobody.
            ///
            /// ```
            /// use core::pin::pin;
            /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
            /// # let (mut lender, _borrower) = channel.split();
            /// # pollster::block_on(async {
            /// let mut lend = pin!(lender.lend_owned(1));
            /// assert!(futures::poll!(lend.as_mut()).is_pending());
            /// lend.as_mut().withdraw();
            /// assert_eq!(lend.await.unwrap_err().into_inner(), 1);
            /// # });
            /// ```
            pub fn withdraw(self: Pin<&mut Self>) {
                self.lending().withdraw();
            }

            fn lending(self: Pin<&mut Self>) -> Pin<&mut Lending<'l, T, M, N, ByWaker>> {
                // SAFETY: the field is pinned with the future.
                unsafe { self.map_unchecked_mut(|this| &mut this.lending) }
            }
        }

        #[cfg(feature = "futures-core")]
        impl<T: $($sized Sized)?, M: Mutability, N: AsyncNotifier> futures_core::FusedFuture for $name<'_, T, M, N>
        where
            Self: Future,
        {
            fn is_terminated(&self) -> bool {
                self.lending.is_over()
            }
        }

        impl<T: $($sized Sized)?, M: Mutability, N: AsyncNotifier> fmt::Debug for $name<'_, T, M, N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.lending).finish()
            }
        }
    };
}
use lend_future;
