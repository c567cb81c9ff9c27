use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::lend_future;
use crate::error::LendError;
use crate::loan::{ByWaker, Lending};
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, WakerSlot};

/// The future of [`Lender::lend`](crate::Lender::lend).
///
/// # Safety
/// Once it was polled it must not be forgotten before it has completed, as `lend` says. To drop it is fine.
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
#[must_use = "futures do nothing unless they are polled"]
pub struct Lend<'l, T: ?Sized, M: Mutability, N: AsyncNotifier = WakerSlot> {
    lending: Lending<'l, T, M, N, ByWaker>,
}

impl<'l, T: ?Sized, M: Mutability, N: AsyncNotifier> Lend<'l, T, M, N> {
    pub(crate) fn new(lending: Lending<'l, T, M, N, ByWaker>) -> Self {
        Self { lending }
    }
}

lend_future!(Lend, "LendError", ?Sized);

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Future for Lend<'_, T, M, N> {
    type Output = Result<(), LendError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.lending().poll(cx, "Lend").map_err(|_| LendError(()))
    }
}
