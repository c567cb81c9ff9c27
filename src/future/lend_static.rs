use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::lend_future;
use crate::error::LendError;
use crate::loan::{ByWaker, Lending};
use crate::mutability::{Lent, Mutability};
use crate::notifier::{AsyncNotifier, WakerSlot};

/// The future of [`Lender::lend_static`](crate::Lender::lend_static).
///
/// # Cancellation
/// Dropped before a borrower took the value, it withdraws the offer. Dropped while the value is borrowed, it **blocks
/// the thread** until the guard is back (it parks with `std`, and spins without). To give up without
/// blocking, [`withdraw`](Self::withdraw), then await the same future. Dropped either way, the `'static` reference is
/// lost.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
///
/// ```
/// use core::pin::pin;
/// use ref_channel::RefChannel;
/// # pollster::block_on(async {
/// let mut channel = RefChannel::<str>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut lend = pin!(lender.lend_static("static"));
/// assert!(futures::poll!(lend.as_mut()).is_pending());
///
/// let guard = borrower.borrow().await.unwrap();
/// lend.as_mut().withdraw(); // no other borrow begins; this guard stays
/// assert_eq!(&*guard, "static");
/// drop(guard);
/// assert_eq!(lend.await, Ok("static"));
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct LendStatic<'l, T: ?Sized, M: Mutability, N: AsyncNotifier = WakerSlot> {
    lending: Lending<'l, T, M, N, ByWaker>,
    value: Lent<T, M>,
}

impl<'l, T: ?Sized, M: Mutability, N: AsyncNotifier> LendStatic<'l, T, M, N> {
    /// The value was a `M::Ref<'static, T>`.
    pub(crate) fn new(lending: Lending<'l, T, M, N, ByWaker>, value: NonNull<T>) -> Self {
        Self {
            lending,
            value: Lent::new(value),
        }
    }
}

lend_future!(LendStatic, "LendError", ?Sized);

impl<T: ?Sized + 'static, M: Mutability, N: AsyncNotifier> Future for LendStatic<'_, T, M, N> {
    type Output = Result<M::Ref<'static, T>, LendError<M::Ref<'static, T>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_mut().lending().poll(cx, "LendStatic").map(|outcome| {
            // SAFETY: the loan is over, so no guard is left, and there is no second completion.
            let value = unsafe { M::from_raw(self.value.pointer) };
            match outcome {
                Ok(()) => Ok(value),
                Err(_) => Err(LendError(value)),
            }
        })
    }
}
