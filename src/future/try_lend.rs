use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::lend_future;
use crate::error::TryLendError;
use crate::loan::{ByWaker, Lending};
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, WakerSlot};

/// The future of [`Lender::try_lend`](crate::Lender::try_lend).
///
/// # Safety
/// Once it was polled it must not be forgotten before it has completed, as `try_lend` says. To drop it is fine.
///
/// # Cancellation
/// Dropped before a borrower took the value, it withdraws the offer. Dropped while the value is borrowed, it **blocks
/// the thread** until the guard is back (it parks with `std`, and spins without). To give up without
/// blocking, [`withdraw`](Self::withdraw), then await the same future.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
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
#[must_use = "futures do nothing unless they are polled"]
pub struct TryLend<'l, T: ?Sized, M: Mutability, N: AsyncNotifier = WakerSlot> {
    lending: Lending<'l, T, M, N, ByWaker>,
}

impl<'l, T: ?Sized, M: Mutability, N: AsyncNotifier> TryLend<'l, T, M, N> {
    pub(crate) fn new(lending: Lending<'l, T, M, N, ByWaker>) -> Self {
        Self { lending }
    }
}

lend_future!(TryLend, "NotRequested", ?Sized);

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Future for TryLend<'_, T, M, N> {
    type Output = Result<(), TryLendError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.lending().poll(cx, "TryLend").map_err(TryLendError::from)
    }
}
