use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::marker::PhantomPinned;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::lend_future;
use crate::error::LendError;
use crate::loan::{ByWaker, Lending};
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, WakerSlot};

/// The future of [`Lender::lend_owned`](crate::Lender::lend_owned). It holds the value, and is pinned.
///
/// # Cancellation
/// Dropped before a borrower took the value, it withdraws the offer. Dropped while the value is borrowed, it **blocks
/// the thread** until the guard is back (it parks with `std`, and spins without). To give up without
/// blocking, and to have the value back, [`withdraw`](Self::withdraw), then await the same future.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
///
/// Its name is needed to keep it in a struct, where it has to be pinned:
///
/// ```
/// use core::pin::Pin;
/// use ref_channel::{Exclusive, RefMutChannel, future::LendOwned};
///
/// struct Shop<'l> {
///     open: Pin<Box<LendOwned<'l, String, Exclusive>>>,
/// }
///
/// impl Shop<'_> {
///     /// No customer is let in any more; those who are in may finish.
///     async fn close(mut self) -> String {
///         self.open.as_mut().withdraw();
///         self.open.await.unwrap_or_else(|error| error.into_inner())
///     }
/// }
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<String>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut shop = Shop { open: Box::pin(lender.lend_owned("stock".to_string())) };
/// assert!(futures::poll!(&mut shop.open).is_pending());
/// let guard = borrower.borrow().await.unwrap();
/// let (stock, ()) = futures::join!(shop.close(), async { drop(guard) });
/// assert_eq!(stock, "stock");
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct LendOwned<'l, T, M: Mutability, N: AsyncNotifier = WakerSlot> {
    // Before the value, for its drop waits for the guards.
    lending: Lending<'l, T, M, N, ByWaker>,
    value: Value<T>,
}

/// A value that is lent from where it is.
struct Value<T> {
    value: UnsafeCell<Option<T>>,
    /// Others have pointers to the value while the future is polled and dropped through `&mut`.
    _pin: PhantomPinned,
}

// SAFETY: whether the lent references may cross threads is asked of `Lending`. The value itself can be reached only
// through the pinned future, from which it moves and in which it is dropped: for that it has to be `Send`.
unsafe impl<T: Send> Sync for Value<T> {}

impl<'l, T, M: Mutability, N: AsyncNotifier> LendOwned<'l, T, M, N> {
    pub(crate) fn new(lending: Lending<'l, T, M, N, ByWaker>, value: T) -> Self {
        Self {
            lending,
            value: Value {
                value: UnsafeCell::new(Some(value)),
                _pin: PhantomPinned,
            },
        }
    }
}

lend_future!(LendOwned, "LendError");

impl<T, M: Mutability, N: AsyncNotifier> Future for LendOwned<'_, T, M, N> {
    type Output = Result<T, LendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let place = self.value.value.get();
        // SAFETY: nobody else has a pointer to the value before it is offered.
        let address = || NonNull::from(unsafe { (*place).as_mut() }.expect("it is not given back yet"));
        self.as_mut().lending().set_value(address);
        self.as_mut().lending().poll(cx, "LendOwned").map(|outcome| {
            // SAFETY: the loan is over, so no guard is left.
            let value = unsafe { (*place).take() };
            let value = value.expect("it is told once");
            match outcome {
                Ok(()) => Ok(value),
                Err(_) => Err(LendError(value)),
            }
        })
    }
}
