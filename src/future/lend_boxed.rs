use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::lend_future;
use crate::error::LendError;
use crate::loan::{ByWaker, Lending};
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, WakerSlot};

/// The future of [`Lender::lend_boxed`](crate::Lender::lend_boxed).
///
/// # Cancellation
/// It never blocks. Dropped before a borrower took the value, it withdraws the offer and drops the box. Dropped while
/// the value is borrowed, it hands the box over: the last guard drops it. To have the box back,
/// [`withdraw`](Self::withdraw), then await the same future.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<[u32]>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut lend = Box::pin(lender.lend_boxed(Box::new([1, 2])));
/// assert!(futures::poll!(&mut lend).is_pending());
///
/// let mut guard = borrower.borrow().await.unwrap();
/// drop(lend); // this does not wait: the box is the guard's now
/// guard.reverse();
/// assert_eq!(*guard, [2, 1]);
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct LendBoxed<'l, T: ?Sized, M: Mutability, N: AsyncNotifier = WakerSlot> {
    lending: Lending<'l, T, M, N, ByWaker>,
    boxed: Boxed<T>,
}

/// A box while others point into it, which a `Box` does not allow. None once it is given back.
struct Boxed<T: ?Sized>(Option<NonNull<T>>);

// SAFETY: it is a `Box<T>`.
unsafe impl<T: ?Sized + Send> Send for Boxed<T> {}
// SAFETY: a shared reference to it gives no access to the value; whether the lent references may cross
// threads is asked of `Lending`. The value is moved, and dropped, for which it has to be `Send`.
unsafe impl<T: ?Sized + Send> Sync for Boxed<T> {}

impl<T: ?Sized> Boxed<T> {
    /// # Safety
    /// No guard of the value is left.
    unsafe fn take(&mut self) -> Option<Box<T>> {
        // SAFETY: the pointer came from a box, and it is taken once.
        self.0.take().map(|value| unsafe { Box::from_raw(value.as_ptr()) })
    }
}

impl<'l, T: ?Sized, M: Mutability, N: AsyncNotifier> LendBoxed<'l, T, M, N> {
    /// The value is that of a box, which is the future's from now on.
    pub(crate) fn new(lending: Lending<'l, T, M, N, ByWaker>, value: NonNull<T>) -> Self {
        Self {
            lending,
            boxed: Boxed(Some(value)),
        }
    }
}

lend_future!(LendBoxed, "LendError", ?Sized);

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Future for LendBoxed<'_, T, M, N> {
    type Output = Result<Box<T>, LendError<Box<T>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.as_mut().lending().poll(cx, "LendBoxed").map(|outcome| {
            // SAFETY: the box is not pinned, only what the future waits with.
            let this = unsafe { self.get_unchecked_mut() };
            // SAFETY: the loan is over, so no guard is left.
            let value = unsafe { this.boxed.take() };
            let value = value.expect("it is told once");
            match outcome {
                Ok(()) => Ok(value),
                Err(_) => Err(LendError(value)),
            }
        })
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Drop for LendBoxed<'_, T, M, N> {
    fn drop(&mut self) {
        /// Also if a waker panics.
        struct Free<'a, T: ?Sized>(&'a mut Boxed<T>);
        impl<T: ?Sized> Drop for Free<'_, T> {
            fn drop(&mut self) {
                // SAFETY: the offer is down and no guard is left.
                drop(unsafe { self.0.take() });
            }
        }
        // SAFETY: a value that is dropped does not move any more.
        let mut lending = unsafe { Pin::new_unchecked(&mut self.lending) };
        let is_out = lending.as_mut().hand_over();
        let _free = (!is_out).then(|| Free(&mut self.boxed));
        lending.stop_waiting();
    }
}
