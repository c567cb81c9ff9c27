use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::wait::polled_after_completion;

/// What all futures that lend or serve have in common.
///
/// The futures have these methods themselves; the trait is for code that is generic over them. It is sealed.
///
/// ```
/// use ref_channel::future::LendFuture;
///
/// /// Lends for as long as `work` takes.
/// async fn lend_during<L: LendFuture>(lend: L, work: impl Future<Output = ()>) -> L::Output {
///     lend.during(work).await.0
/// }
/// # #[cfg(feature = "alloc")] {
/// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # let work = async { *borrower.borrow().await.unwrap() += 1 };
/// # assert_eq!(pollster::block_on(lend_during(lender.serve_owned(1), work)), 2);
/// # }
/// ```
pub trait LendFuture: Future + sealed::Sealed {
    /// Stops offering; then await the same future. See [`Offer::withdraw`](super::Offer::withdraw).
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use core::pin::pin;
    /// use ref_channel::future::LendFuture;
    ///
    /// async fn end<L: LendFuture>(lend: L) -> L::Output {
    ///     let mut lend = pin!(lend);
    ///     LendFuture::withdraw(lend.as_mut());
    ///     lend.await
    /// }
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// # assert_eq!(pollster::block_on(end(lender.serve_owned(1))), 1);
    /// # }
    /// ```
    fn withdraw(self: Pin<&mut Self>);

    /// Withdraws the loan once `stop` is done, and then goes on to its end. See [`Offer::until`](super::Offer::until).
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use ref_channel::future::LendFuture;
    ///
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// # pollster::block_on(async {
    /// assert_eq!(LendFuture::until(lender.serve_owned(1), async {}).await, 1);
    /// # });
    /// # }
    /// ```
    fn until<F: Future>(self, stop: F) -> Until<Self, F>
    where
        Self: Sized,
    {
        Until::new(self, stop)
    }

    /// Lends while `work` runs, and gives the outputs of both. See [`Offer::during`](super::Offer::during).
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use ref_channel::future::LendFuture;
    ///
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// # pollster::block_on(async {
    /// assert_eq!(LendFuture::during(lender.serve_owned(1), async { 2 }).await, (1, 2));
    /// # });
    /// # }
    /// ```
    fn during<F: Future>(self, work: F) -> During<Self, F>
    where
        Self: Sized,
    {
        During::new(self, work)
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// The future of [`Offer::until`](super::Offer::until): a loan that is withdrawn once something else is done.
///
/// # Cancellation
/// The other future is dropped first, then the loan, as that one's documentation says.
///
/// # Panics
/// If it is polled after it has completed, or if one of the two panics.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
/// # let (mut lender, _borrower) = channel.split();
/// # pollster::block_on(async {
/// // Nobody takes it before the timeout.
/// let timeout = std::future::ready(());
/// let lend = lender.lend_owned(1).until(timeout);
/// assert_eq!(lend.await.unwrap_err().into_inner(), 1);
/// # });
/// # }
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct Until<L, F> {
    // Before the loan: what it holds, guards perhaps, goes first. None once it is done.
    stop: Option<F>,
    lend: L,
}

impl<L, F> Until<L, F> {
    pub(super) fn new(lend: L, stop: F) -> Self {
        Self { stop: Some(stop), lend }
    }
}

impl<L: LendFuture, F: Future> Future for Until<L, F> {
    type Output = L::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<L::Output> {
        // SAFETY: both fields are pinned with the future. `stop` is dropped in its place, and `lend` is not moved.
        let (mut stop, mut lend) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.stop), Pin::new_unchecked(&mut this.lend))
        };
        if let Poll::Ready(output) = lend.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        match stop.as_mut().as_pin_mut().map(|stop| stop.poll(cx)) {
            Some(Poll::Ready(_)) => {
                stop.set(None);
                lend.as_mut().withdraw();
                lend.poll(cx)
            }
            _ => Poll::Pending,
        }
    }
}

impl<L: fmt::Debug, F> fmt::Debug for Until<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until")
            .field("stopped", &self.stop.is_none())
            .field("lend", &self.lend)
            .finish()
    }
}

/// The future of [`Offer::during`](super::Offer::during): a loan that is withdrawn once the work is done.
///
/// # Cancellation
/// The work is dropped first, then the loan, as that one's documentation says. So guards that the work holds are back before.
///
/// # Panics
/// If it is polled after it has completed, or if one of the two panics.
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// # let mut channel = ref_channel::RefMutChannel::<Vec<u32>>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # pollster::block_on(async {
/// let work = async {
///     for number in 0..3 {
///         borrower.borrow().await.unwrap().push(number);
///     }
/// };
/// assert_eq!(lender.serve_owned(vec![]).during(work).await.0, [0, 1, 2]);
/// # });
/// # }
/// ```
#[must_use = "futures do nothing unless they are polled"]
pub struct During<L: Future, F: Future> {
    // Before the loan, as in `Until`.
    work: Work<F>,
    lend: L,
    lent: Option<L::Output>,
}

enum Work<F: Future> {
    Going(F),
    Done(F::Output),
    Told,
}

impl<L: Future, F: Future> During<L, F> {
    pub(super) fn new(lend: L, work: F) -> Self {
        Self {
            work: Work::Going(work),
            lend,
            lent: None,
        }
    }
}

impl<L: LendFuture, F: Future> Future for During<L, F> {
    type Output = (L::Output, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the work and the loan are pinned with the future. The work is dropped in its place, and the loan is not moved.
        // The outputs are not pinned.
        let (mut work, mut lend, lent) = unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.work),
                Pin::new_unchecked(&mut this.lend),
                &mut this.lent,
            )
        };
        if lent.is_none() {
            *lent = ready(lend.as_mut().poll(cx));
        }
        // SAFETY: as above.
        let done = match unsafe { work.as_mut().get_unchecked_mut() } {
            // SAFETY: as above.
            Work::Going(going) => ready(unsafe { Pin::new_unchecked(going) }.poll(cx)),
            Work::Done(_) => None,
            Work::Told => polled_after_completion(format_args!("During")),
        };
        if let Some(done) = done {
            work.set(Work::Done(done));
            if lent.is_none() {
                lend.as_mut().withdraw();
                *lent = ready(lend.poll(cx));
            }
        }
        // SAFETY: as above; an output is not pinned.
        let work = unsafe { work.get_unchecked_mut() };
        if !matches!(work, Work::Done(_)) || lent.is_none() {
            return Poll::Pending;
        }
        match (lent.take(), core::mem::replace(work, Work::Told)) {
            (Some(lent), Work::Done(done)) => Poll::Ready((lent, done)),
            _ => unreachable!("both are done"),
        }
    }
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl<L: Future + fmt::Debug, F: Future> fmt::Debug for During<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("During")
            .field("work_is_done", &!matches!(self.work, Work::Going(_)))
            .field("lend", &self.lend)
            .finish_non_exhaustive()
    }
}
