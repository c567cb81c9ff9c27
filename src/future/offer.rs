use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::source::Source;
use super::{During, LendFuture, Until};
use crate::error::{LendError, TryLendError};
use crate::loan::{ByWaker, Lending};
use crate::mutability::Mutability;
use crate::notifier::AsyncNotifier;
use crate::wait::polled_after_completion;

/// The future of every async call that lends or serves.
///
/// It is named by its aliases, of which there is one for each call: [`Lend`](super::Lend), [`LendOwned`](super::LendOwned),
/// [`ServeOwned`](super::ServeOwned) and so on. `S` is what the call was given, `K` whether it lends once or serves.
///
/// # Panics
/// If it is polled after it has completed, or if a waker panics.
///
/// ```
/// use core::pin::Pin;
/// use ref_channel::{Exclusive, RefMutChannel, future::LendBoxed};
///
/// struct Shop<'l> {
///     open: LendBoxed<'l, String, Exclusive>,
/// }
///
/// impl Shop<'_> {
///     /// Nobody new is let in, and whoever is inside may finish.
///     async fn close(mut self) -> Box<String> {
///         Pin::new(&mut self.open).withdraw();
///         self.open.await.unwrap_or_else(|error| error.into_inner())
///     }
/// }
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<String>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut shop = Shop { open: lender.lend_boxed(Box::new("stock".to_string())) };
/// assert!(futures::poll!(&mut shop.open).is_pending());
/// let guard = borrower.borrow().await.unwrap();
/// let (stock, ()) = futures::join!(shop.close(), async { drop(guard) });
/// assert_eq!(*stock, "stock");
/// # });
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct Offer<'l, M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> {
    // Dropped before the source, because that drop may wait for the guards.
    lending: Lending<'l, S::Value, M, N, ByWaker>,
    source: S,
    kind: PhantomData<K>,
}

/// Whether a call lends once, lends once if asked, or serves.
///
/// This trait is sealed.
pub trait Kind: sealed::Kind {}

/// A loan that is taken once: its future resolves to a `Result`, with a [`LendError`] if nobody took it.
#[derive(Clone, Copy, Debug)]
pub enum Once {}

/// A loan that is only offered while a borrower waits for it.
#[derive(Clone, Copy, Debug)]
pub enum OnRequest {}

/// A loan that stays on offer until it is withdrawn.
#[derive(Clone, Copy, Debug)]
pub enum Serving {}

impl Kind for Once {}
impl Kind for OnRequest {}
impl Kind for Serving {}

pub(super) mod sealed {
    use super::{LendError, TryLendError};

    /// What the crate needs to know of a kind.
    pub trait Kind {
        const NAME: &'static str;
        /// What the future resolves to, where `B` is what the call gives back.
        type Output<B>;
        fn output<B>(outcome: Result<(), TryLendError>, back: B) -> Self::Output<B>;
    }

    impl Kind for super::Once {
        const NAME: &'static str = "Lend";
        type Output<B> = Result<B, LendError<B>>;

        #[inline(always)]
        fn output<B>(outcome: Result<(), TryLendError>, back: B) -> Result<B, LendError<B>> {
            match outcome {
                Ok(()) => Ok(back),
                Err(_) => Err(LendError(back)),
            }
        }
    }

    impl Kind for super::OnRequest {
        const NAME: &'static str = "TryLend";
        type Output<B> = Result<B, TryLendError>;

        #[inline(always)]
        fn output<B>(outcome: Result<(), TryLendError>, back: B) -> Result<B, TryLendError> {
            outcome.map(|()| back)
        }
    }

    impl Kind for super::Serving {
        const NAME: &'static str = "Serve";
        type Output<B> = B;

        #[inline(always)]
        fn output<B>(_: Result<(), TryLendError>, back: B) -> B {
            back
        }
    }
}

impl<'l, M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> Offer<'l, M, N, S, K> {
    /// A loan that has not begun. What is lent is at `value`, unless the source tells later.
    #[inline(always)]
    pub(crate) fn new(lending: Lending<'l, S::Value, M, N, ByWaker>, source: S) -> Self {
        Self {
            lending,
            source,
            kind: PhantomData,
        }
    }

    #[inline(always)]
    #[expect(clippy::type_complexity, reason = "the two fields")]
    fn project(self: Pin<&mut Self>) -> (Pin<&mut Lending<'l, S::Value, M, N, ByWaker>>, Pin<&mut S>) {
        // SAFETY: both fields are pinned with the future, and neither is moved.
        unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.lending),
                Pin::new_unchecked(&mut this.source),
            )
        }
    }

    /// Stops offering, without blocking; then await the same future.
    ///
    /// It resolves to an error if nobody had taken the loan (a serve has no error), and otherwise as usual once the value is
    /// returned. Before the first poll, this makes it resolve without ever offering. It wakes nobody. A guard that is out then
    /// sees that it [is recalled](crate::Guard::is_recalled).
    ///
    /// ```
    /// use core::pin::pin;
    /// # #[cfg(feature = "alloc")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// # pollster::block_on(async {
    /// let mut lend = pin!(lender.lend_owned(1));
    /// assert!(futures::poll!(lend.as_mut()).is_pending());
    /// lend.as_mut().withdraw();
    /// assert_eq!(lend.await.unwrap_err().into_inner(), 1);
    /// # });
    /// # }
    /// ```
    pub fn withdraw(self: Pin<&mut Self>) {
        self.project().0.withdraw();
    }

    /// Withdraws the loan once `stop` is done, and then goes on to its end.
    ///
    /// This is how to cancel a loan without losing the value or blocking.
    ///
    /// # Cancellation
    /// `stop` is dropped before the loan.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, mut borrower) = channel.split();
    /// # pollster::block_on(async {
    /// let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    /// let server = lender.serve_owned(1).until(stopped);
    /// let client = async {
    ///     *borrower.borrow().await.unwrap() += 1;
    ///     *borrower.borrow().await.unwrap() += 1;
    ///     stop.send(()).unwrap();
    /// };
    /// assert_eq!(futures::join!(server, client).0, 3);
    /// # });
    /// # }
    /// ```
    pub fn until<F: Future>(self, stop: F) -> Until<Self, F> {
        Until::new(self, stop)
    }

    /// Lends while `work` runs: the loan is withdrawn once that is done, and the output is that of both.
    ///
    /// # Cancellation
    /// `work` is dropped before the loan, so the guards that it holds are back by then.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, mut borrower) = channel.split();
    /// # pollster::block_on(async {
    /// let work = async {
    ///     *borrower.borrow().await.unwrap() += 1;
    ///     *borrower.borrow().await.unwrap() += 1;
    ///     "done"
    /// };
    /// assert_eq!(lender.serve_owned(1).during(work).await, (3, "done"));
    /// # });
    /// # }
    /// ```
    pub fn during<F: Future>(self, work: F) -> During<Self, F> {
        During::new(self, work)
    }
}

impl<M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> super::until::sealed::Sealed for Offer<'_, M, N, S, K> {}

impl<M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> LendFuture for Offer<'_, M, N, S, K> {
    fn withdraw(self: Pin<&mut Self>) {
        Offer::withdraw(self);
    }
}

impl<M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> Future for Offer<'_, M, N, S, K> {
    type Output = K::Output<S::Back>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut lending, mut source) = self.project();
        if S::HAS_ADDRESS_LATE {
            lending.as_mut().set_value(|| source.as_mut().address());
        }
        // A closure without a value: a name would be passed at every poll.
        let outcome = lending.poll(cx, || polled_after_completion(format_args!("{}{}", K::NAME, S::NAME)));
        // SAFETY: the loan is over, so no guard is left, and it is over once.
        outcome.map(|outcome| K::output(outcome.map_err(TryLendError::from), unsafe { source.give_back() }))
    }
}

#[cfg(feature = "futures-core")]
impl<M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> futures_core::FusedFuture for Offer<'_, M, N, S, K> {
    fn is_terminated(&self) -> bool {
        self.lending.is_over()
    }
}

impl<M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> Drop for Offer<'_, M, N, S, K> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: a value that is dropped does not move any more.
        let (lending, source) = unsafe { Pin::new_unchecked(self) }.project();
        source.abandon(lending);
    }
}

impl<M: Mutability, N: AsyncNotifier, S: Source<M>, K: Kind> fmt::Debug for Offer<'_, M, N, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}(", K::NAME, S::NAME)?;
        self.lending.fmt(f)?;
        f.write_str(")")
    }
}
