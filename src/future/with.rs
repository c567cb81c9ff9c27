use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::Borrow;
use crate::error::BorrowError;
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::AsyncNotifier;
use crate::wait::polled_after_completion;

/// The future of [`Borrower::with`](crate::Borrower::with).
///
/// # Cancellation
/// It can be dropped at any time, and nothing is lost, as with [`Borrow`]. The closure has then not been called.
///
/// # Panics
/// If it is polled after it has completed, or if the closure or a waker panics.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let add = borrower.with(|number| *number += 1);
/// let (lent, added) = futures::join!(lender.lend_pinned(1), add);
/// assert_eq!((lent, added), (Ok(2), Ok(())));
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct With<'b, T: ?Sized, M: Mutability, N: AsyncNotifier, F> {
    borrow: Borrow<'b, T, M, N>,
    /// None once it was called.
    f: Option<F>,
}

impl<'b, T: ?Sized, M: Mutability, N: AsyncNotifier, F> With<'b, T, M, N, F> {
    pub(crate) fn new(borrow: Borrow<'b, T, M, N>, f: F) -> Self {
        Self { borrow, f: Some(f) }
    }

    fn project(self: Pin<&mut Self>) -> (Pin<&mut Borrow<'b, T, M, N>>, &mut Option<F>) {
        // SAFETY: only the borrow is pinned, and it is not moved.
        unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.borrow), &mut this.f)
        }
    }
}

// The closure is moved before it is called, and never pinned.
impl<'b, T: ?Sized, M: Mutability, N: AsyncNotifier, F> Unpin for With<'b, T, M, N, F> where Borrow<'b, T, M, N>: Unpin {}

macro_rules! future {
    ($mutability:ident, $reference:ty) => {
        impl<'b, T: ?Sized, N: AsyncNotifier, F, R> Future for With<'b, T, $mutability, N, F>
        where
            F: FnOnce($reference) -> R,
        {
            type Output = Result<R, BorrowError>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let (borrow, f) = self.project();
                if f.is_none() {
                    polled_after_completion(format_args!("With"));
                }
                borrow.poll(cx).map(|guard| {
                    let f = f.take().expect("it is called once");
                    #[allow(unused_mut, reason = "only an exclusive guard has to be")]
                    guard.map(|mut guard| f(deref!($mutability, guard)))
                })
            }
        }
    };
}

macro_rules! deref {
    (Shared, $guard:ident) => {
        &*$guard
    };
    (Exclusive, $guard:ident) => {
        &mut *$guard
    };
}

future!(Shared, &T);
future!(Exclusive, &mut T);

#[cfg(feature = "futures-core")]
impl<T: ?Sized, M: Mutability, N: AsyncNotifier, F> futures_core::FusedFuture for With<'_, T, M, N, F>
where
    Self: Future,
{
    fn is_terminated(&self) -> bool {
        self.f.is_none()
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier, F> fmt::Debug for With<'_, T, M, N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("With").field(&self.borrow).finish()
    }
}
