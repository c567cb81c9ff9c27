use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::error::LendError;
use crate::handle::Handle;
use crate::loan::end_forgotten_wait;
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, Key, Notifier, WakerSlot};
use crate::state::{Awaits, Link, State};
use crate::wait::{Wait, WaitPoint, polled_after_completion};

/// The future of [`Lender::requested`](crate::Lender::requested).
///
/// # Cancellation
/// It can be dropped at any time, and nothing is lost.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
///
/// ```
/// use ref_channel::{Exclusive, RefMutChannel, future::Requested};
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut requested: Requested<'_, u32, Exclusive> = lender.requested();
/// assert!(futures::poll!(&mut requested).is_pending());
/// let mut borrow = borrower.borrow();
/// assert!(futures::poll!(&mut borrow).is_pending());
/// assert_eq!(requested.await, Ok(()));
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct Requested<'l, T: ?Sized, M: Mutability, N: AsyncNotifier = WakerSlot> {
    channel: Handle<'l, T, M, N>,
    seat: &'l mut N::Seat,
    waiter: N::Waiter,
    done: bool,
}

/// One wait for a request.
struct Watch<'l, N> {
    link: &'l Link<N>,
}

impl<N: Notifier> Watch<'_, N> {
    fn ending(state: State) -> Poll<Result<(), LendError>> {
        if state.requests() > 0 {
            Poll::Ready(Ok(()))
        } else if state.borrowers_gone() {
            Poll::Ready(Err(LendError(())))
        } else {
            Poll::Pending
        }
    }
}

impl<N: Notifier> Wait for Watch<'_, N> {
    type Output = Result<(), LendError>;

    fn look(&mut self) -> (Poll<Self::Output>, Option<Key>) {
        let state = self.link.look();
        self.link.end_look(state, Self::ending(state))
    }

    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output> {
        let pending = |state| Self::ending(state).is_pending();
        Self::ending(match arm {
            Some(key) => self.link.arm_lender(key, Awaits::Request, pending),
            None => self.link.look(),
        })
    }

    fn disarm(&mut self) -> Option<Key> {
        self.link.disarm_lender()
    }
}

impl<'l, T: ?Sized, M: Mutability, N: AsyncNotifier> Requested<'l, T, M, N> {
    pub(crate) fn new(channel: Handle<'l, T, M, N>, seat: &'l mut N::Seat) -> Self {
        end_forgotten_wait(channel.link(), seat);
        Self {
            channel,
            seat,
            waiter: N::Waiter::default(),
            done: false,
        }
    }

    fn project(self: Pin<&mut Self>) -> (Watch<'l, N>, WaitPoint<'_, N>, &mut bool) {
        // SAFETY: of the fields only the waiter is pinned, and it is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let link = this.channel.link();
        let watch = Watch { link };
        let point = WaitPoint {
            notifier: link.lender(),
            seat: this.seat,
            // SAFETY: the waiter is pinned with the future.
            waiter: unsafe { Pin::new_unchecked(&mut this.waiter) },
        };
        (watch, point, &mut this.done)
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Future for Requested<'_, T, M, N> {
    type Output = Result<(), LendError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut watch, mut point, done) = self.project();
        if *done {
            polled_after_completion(format_args!("Requested"));
        }
        let outcome = point.poll(&mut watch, cx.waker());
        *done = outcome.is_ready();
        outcome
    }
}

#[cfg(feature = "futures-core")]
impl<T: ?Sized, M: Mutability, N: AsyncNotifier> futures_core::FusedFuture for Requested<'_, T, M, N> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> Drop for Requested<'_, T, M, N> {
    fn drop(&mut self) {
        // SAFETY: a value that is dropped does not move any more.
        let (mut watch, mut point, done) = unsafe { Pin::new_unchecked(self) }.project();
        if !*done {
            let armed = watch.link.look().lender_key();
            point.leave(&mut watch, armed);
        }
    }
}

impl<T: ?Sized, M: Mutability, N: AsyncNotifier> fmt::Debug for Requested<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requested")
            .field("done", &self.done)
            .field("state", self.channel.link())
            .finish_non_exhaustive()
    }
}
