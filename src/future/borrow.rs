use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::error::BorrowError;
use crate::guard::Guard;
use crate::handle::Handle;
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, WakerSlot};
use crate::request::{Requester, guard};
use crate::wait::polled_after_completion;

/// The future of [`Borrower::borrow`](crate::Borrower::borrow).
///
/// # Cancellation
/// It can be dropped at any time, and nothing is lost: a loan that is offered at that moment is taken by the next call,
/// or by another borrower. Its place in the queue is lost.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
///
/// ```
/// use core::pin::Pin;
/// use core::task::{Context, Poll};
/// use ref_channel::{BorrowError, Exclusive, RefMutChannel, future::Borrow};
///
/// /// A future that adds one to what is lent, and keeps the borrow by its name.
/// struct AddOne<'b>(Borrow<'b, u32, Exclusive>);
///
/// impl Future for AddOne<'_> {
///     type Output = Result<(), BorrowError>;
///
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
///         // With the default notifier it is `Unpin`.
///         let borrow = Pin::new(&mut self.0);
///         borrow.poll(cx).map(|guard| guard.map(|mut number| *number += 1))
///     }
/// }
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let (value, added) = futures::join!(lender.lend_pinned(1), AddOne(borrower.borrow()));
/// assert_eq!((value, added), (Ok(2), Ok(())));
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct Borrow<'b, T: ?Sized, M: Mutability, N: AsyncNotifier = WakerSlot> {
    channel: Handle<'b, T, M, N>,
    /// None once it has completed.
    requester: Option<&'b mut Requester<N>>,
    waiter: N::Waiter,
}

impl<'b, T: ?Sized, M: Mutability, N: AsyncNotifier> Borrow<'b, T, M, N> {
    #[inline]
    pub(crate) fn new(channel: Handle<'b, T, M, N>, requester: &'b mut Requester<N>) -> Self {
        Self {
            channel,
            requester: Some(requester),
            waiter: N::Waiter::default(),
        }
    }
}

impl<'b, T: ?Sized, M: Mutability, N: AsyncNotifier> Future for Borrow<'b, T, M, N> {
    type Output = Result<Guard<'b, T, M, N>, BorrowError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: of the fields only the waiter is pinned, and it is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(requester) = this.requester.as_deref_mut() else {
            polled_after_completion(format_args!("Borrow"));
        };
        // SAFETY: the waiter is pinned with the future.
        let waiter = unsafe { Pin::new_unchecked(&mut this.waiter) };
        let taken = requester.poll(this.channel, waiter, cx.waker());
        taken.map(|taken| {
            this.requester = None;
            // SAFETY: it was taken just now.
            taken.map(|()| unsafe { guard(this.channel) })
        })
    }
}

#[cfg(feature = "futures-core")]
impl<T: ?Sized, M: Mutability, N: AsyncNotifier> futures_core::FusedFuture for Borrow<'_, T, M, N> {
    fn is_terminated(&self) -> bool {
        self.requester.is_none()
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Drop for Borrow<'_, T, M, N> {
    #[inline]
    fn drop(&mut self) {
        if let Some(requester) = &mut self.requester {
            requester.cancel(self.channel);
        }
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> fmt::Debug for Borrow<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrow")
            .field("done", &self.requester.is_none())
            .field("state", self.channel.link())
            .finish_non_exhaustive()
    }
}
