//! The lender's half.

use core::fmt;
use core::pin::pin;
use core::ptr::NonNull;

#[cfg(feature = "std")]
use crate::error::LendTimeoutError;
use crate::error::{LendError, TryLendError};
#[cfg(feature = "alloc")]
use crate::future::LendBoxed;
use crate::future::{Lend, LendOwned, LendStatic, Requested, TryLend};
use crate::handle::Handle;
use crate::loan::{Block, ByNotifier, Lending, end_forgotten_wait};
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Notifier, WakerSlot};
use crate::state::{Refusal, Terms};

/// The half that lends `&T`.
///
/// ```
/// use ref_channel::{LendError, RefLender};
///
/// async fn lend_hello(lender: &mut RefLender<'_, str>) -> Result<&'static str, LendError<&'static str>> {
///     lender.lend_static("hello").await
/// }
/// # let mut channel = ref_channel::RefChannel::<str>::new();
/// # let (mut lender, borrower) = channel.split();
/// # drop(borrower);
/// # assert_eq!(pollster::block_on(lend_hello(&mut lender)), Err(LendError("hello")));
/// ```
pub type RefLender<'a, T, N = WakerSlot> = Lender<'a, T, Shared, N>;

/// The half that lends `&mut T`.
///
/// ```
/// use ref_channel::{LendError, RefMutLender};
///
/// async fn lend_zero(lender: &mut RefMutLender<'_, u32>) -> Result<u32, LendError<u32>> {
///     lender.lend_owned(0).await
/// }
/// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
/// # let (mut lender, borrower) = channel.split();
/// # drop(borrower);
/// # assert_eq!(pollster::block_on(lend_zero(&mut lender)), Err(LendError(0)));
/// ```
pub type RefMutLender<'a, T, N = WakerSlot> = Lender<'a, T, Exclusive, N>;

/// The half of a channel that lends.
///
/// | you have | and you | call |
/// |---|---|---|
/// | a reference | may block the thread | [`lend_blocking`](Self::lend_blocking) |
/// | a reference | may not wait for a request | [`try_lend_blocking`](Self::try_lend_blocking), `try_lend` |
/// | a reference | have other work to do meanwhile | [`lend_while`](Self::lend_while) |
/// | a reference | may block only so long for a borrower | [`lend_timeout`](Self::lend_timeout) |
/// | a value | are async | [`lend_owned`](Self::lend_owned) |
/// | a box | are async, and may be cancelled at any time | [`lend_boxed`](Self::lend_boxed) |
/// | a `'static` reference | are async | [`lend_static`](Self::lend_static) |
/// | a reference | are async, and can promise not to forget the future | [`lend`](Self::lend) |
/// | a closure to be run elsewhere | may block the thread | [`run_blocking`](Lender::run_blocking) |
/// | nothing yet | want to know when somebody waits | [`requested`](Self::requested) |
///
/// When it is dropped all borrowers are told. A loan whose future was forgotten while on offer or borrowed is ended by the next call
/// that lends: that withdraws it, or waits until it is returned.
///
/// # Panics
/// The drop panics if a borrower's waker does. The lender is gone by then.
///
/// ```
/// use ref_channel::RefMutChannel;
/// # pollster::block_on(async {
/// let mut channel = RefMutChannel::<Vec<u32>>::new();
/// let (mut lender, mut borrower) = channel.split();
/// futures::join!(
///     async {
///         let list = lender.lend_owned(vec![]).await.unwrap();
///         let list = lender.lend_owned(list).await.unwrap();
///         assert_eq!(list, [1, 2]);
///     },
///     async {
///         borrower.borrow().await.unwrap().push(1);
///         borrower.borrow().await.unwrap().push(2);
///     },
/// );
/// # });
/// ```
pub struct Lender<'a, T: ?Sized, M: Mutability, N: Notifier = WakerSlot> {
    // Before the side, which may free the channel: a seat never outlives its notifier.
    seat: N::Seat,
    channel: Side<'a, T, M, N>,
}

impl<'a, T: ?Sized, M: Mutability, N: Notifier> Lender<'a, T, M, N> {
    pub(crate) fn new(channel: Handle<'a, T, M, N>) -> Self {
        Self {
            seat: N::Seat::default(),
            channel: Side(channel),
        }
    }

    /// A loan that has not begun.
    #[inline(always)]
    fn lending<H: Block<N>>(&mut self, value: NonNull<T>, terms: Terms) -> Lending<'_, T, M, N, H> {
        Lending::new(self.channel.0, &mut self.seat, value, terms)
    }

    // ----- async -------------------------------------------------------------------------------------------

    /// Lends a reference, and waits until it is returned.
    ///
    /// It offers when it is first polled.
    ///
    /// # Errors
    /// [`LendError`] if every borrower is gone, or the offer was [withdrawn](Lend::withdraw), before anybody took it.
    ///
    /// # Safety
    /// Once it was polled, the future must not be forgotten before it has completed: not by
    /// [`forget`](core::mem::forget), a leak, or a cycle of reference counts. To drop it is fine. So it is enough to
    /// `.await` it in an async function whose future is itself not forgotten.
    ///
    /// Of a future that is forgotten no destructor runs, and nothing keeps the lent value in its place while a guard
    /// points to it. There is no way to make that safe for a reference (the *scoped task trilemma*; RFC 3782, `Forget`,
    /// is open). Where you cannot promise it, use [`lend_owned`](Self::lend_owned) with the reference as the value.
    ///
    /// # Cancellation
    /// Dropped before a borrower took the value, the future withdraws the offer. Dropped while the value is borrowed,
    /// it **blocks the thread** until the guard is back. To give up without blocking,
    /// [`withdraw`](Lend::withdraw), then await the same future.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<[u8]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let mut buffer = [0; 4];
    /// futures::join!(
    ///     async {
    ///         // SAFETY: this future is polled to its end, or dropped, by `join`.
    ///         unsafe { lender.lend(&mut buffer) }.await.unwrap();
    ///         assert_eq!(buffer, [1; 4]);
    ///     },
    ///     async { borrower.borrow().await.unwrap().fill(1) },
    /// );
    /// # });
    /// ```
    pub unsafe fn lend<'l, 'v: 'l>(&'l mut self, value: M::Ref<'v, T>) -> Lend<'l, T, M, N>
    where
        N: AsyncNotifier,
    {
        Lend::new(self.lending(M::into_raw(value), Terms::Plain))
    }

    /// Lends a reference if a borrower is waiting for it now, and waits until it is returned.
    ///
    /// "Now" is when the future is first polled. If every borrower that waits gives up before it has taken the loan, that is
    /// withdrawn: this never hangs on a request that was cancelled.
    ///
    /// # Errors
    /// [`NotRequested`](TryLendError::NotRequested) if nobody was waiting, or if who was gave up, or after a
    /// [withdraw](TryLend::withdraw). [`Disconnected`](TryLendError::Disconnected) if every borrower is gone.
    ///
    /// # Safety
    /// As for [`lend`](Self::lend): once it was polled, the future must not be forgotten before it has completed.
    ///
    /// # Cancellation
    /// As for [`lend`](Self::lend).
    ///
    /// ```
    /// use ref_channel::{RefMutChannel, TryLendError};
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, _borrower) = channel.split();
    /// let mut value = 1;
    /// // SAFETY: it is awaited.
    /// let outcome = unsafe { lender.try_lend(&mut value) }.await;
    /// assert_eq!(outcome, Err(TryLendError::NotRequested));
    /// # });
    /// ```
    pub unsafe fn try_lend<'l, 'v: 'l>(&'l mut self, value: M::Ref<'v, T>) -> TryLend<'l, T, M, N>
    where
        N: AsyncNotifier,
    {
        TryLend::new(self.lending(M::into_raw(value), Terms::OnRequest))
    }

    /// Lends a value, and gives it back when it is returned.
    ///
    /// Safe, since the future owns the value and is pinned: its memory is not used for anything else before its destructor has run,
    /// and that waits. To lend a short-lived `&mut U` safely is this call with `T = &mut U`.
    ///
    /// # Errors
    /// [`LendError`], with the value, if every borrower is gone, or the offer was [withdrawn](LendOwned::withdraw), before
    /// anybody took it.
    ///
    /// # Cancellation
    /// Dropped before a borrower took the value, the future withdraws the offer. Dropped while the value is borrowed,
    /// it **blocks the thread** until the guard is back. To give up without blocking,
    /// [`withdraw`](LendOwned::withdraw), then await the same future. If the guard is held by a task of this very thread,
    /// to drop the future would wait for ever: there, withdraw or use [`lend_boxed`](Self::lend_boxed).
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<Vec<u32>>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (list, ()) = futures::join!(lender.lend_owned(vec![1]), async {
    ///     borrower.borrow().await.unwrap().push(2);
    /// });
    /// assert_eq!(list.unwrap(), [1, 2]);
    /// # });
    /// ```
    ///
    /// A server lends the same state until every borrower is gone, and has it back at the end:
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use ref_channel::RefMutLender;
    ///
    /// async fn serve(mut lender: RefMutLender<'static, Vec<u32>>, mut state: Vec<u32>) -> Vec<u32> {
    ///     loop {
    ///         match lender.lend_owned(state).await {
    ///             Ok(returned) => state = returned,
    ///             Err(error) => return error.into_inner(),
    ///         }
    ///     }
    /// }
    /// # let (lender, mut borrower) = ref_channel::RefMutChannel::<Vec<u32>>::new().into_split();
    /// # let client = async move { borrower.borrow().await.unwrap().push(1) };
    /// # assert_eq!(pollster::block_on(async { futures::join!(serve(lender, vec![]), client) }).0, [1]);
    /// # }
    /// ```
    pub fn lend_owned(&mut self, value: T) -> LendOwned<'_, T, M, N>
    where
        T: Sized,
        N: AsyncNotifier,
    {
        LendOwned::new(self.lending(NonNull::dangling(), Terms::Plain), value)
    }

    /// Lends what lives for ever, and gives the reference back when it is returned.
    ///
    /// # Errors
    /// [`LendError`], with the reference, if every borrower is gone, or the offer was [withdrawn](LendStatic::withdraw),
    /// before anybody took it.
    ///
    /// # Cancellation
    /// Dropped before a borrower took the value, the future withdraws the offer. Dropped while the value is borrowed,
    /// it **blocks the thread** until the guard is back. To give up without blocking,
    /// [`withdraw`](LendStatic::withdraw), then await the same future.
    ///
    /// ```
    /// use ref_channel::RefChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (text, length) = futures::join!(lender.lend_static("static"), async {
    ///     borrower.borrow().await.unwrap().len()
    /// });
    /// assert_eq!((text.unwrap(), length), ("static", 6));
    /// # });
    /// ```
    pub fn lend_static(&mut self, value: M::Ref<'static, T>) -> LendStatic<'_, T, M, N>
    where
        T: 'static,
        N: AsyncNotifier,
    {
        let value = M::into_raw(value);
        LendStatic::new(self.lending(value, Terms::Plain), value)
    }

    /// Lends what is in a box, and gives the box back when it is returned.
    ///
    /// # Errors
    /// [`LendError`], with the box, if every borrower is gone, or the offer was [withdrawn](LendBoxed::withdraw), before
    /// anybody took it.
    ///
    /// # Cancellation
    /// It never blocks. Dropped while the value is borrowed, the future leaves the box to the last guard, which drops
    /// it: that may be on another thread, so `T` has to be `Send`.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<[u32]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (list, ()) = futures::join!(lender.lend_boxed(Box::new([1, 2])), async {
    ///     borrower.borrow().await.unwrap().reverse();
    /// });
    /// assert_eq!(*list.unwrap(), [2, 1]);
    /// # });
    /// ```
    #[cfg(feature = "alloc")]
    pub fn lend_boxed(&mut self, value: alloc::boxed::Box<T>) -> LendBoxed<'_, T, M, N>
    where
        T: Send,
        N: AsyncNotifier,
    {
        // Before the box is given up, for it may panic.
        end_forgotten_wait(self.channel.0.link(), &mut self.seat);
        // SAFETY: a box is not null.
        let value = unsafe { NonNull::new_unchecked(alloc::boxed::Box::into_raw(value)) };
        LendBoxed::new(self.lending(value, Terms::Plain), value)
    }

    /// Waits until a borrower waits.
    ///
    /// A loan that was forgotten stays as it is.
    ///
    /// # Errors
    /// [`LendError`] if every borrower is gone.
    ///
    /// # Cancellation
    /// The future can be dropped at any time, and nothing is lost.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// futures::join!(
    ///     async {
    ///         lender.requested().await.unwrap();
    ///         // Only now is there a reason to make the value.
    ///         assert_eq!(lender.lend_owned(1).await, Ok(2));
    ///     },
    ///     async { *borrower.borrow().await.unwrap() += 1 },
    /// );
    /// # });
    /// ```
    pub fn requested(&mut self) -> Requested<'_, T, M, N>
    where
        N: AsyncNotifier,
    {
        Requested::new(self.channel.0, &mut self.seat)
    }

    /// Whether a borrower is waiting.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (lender, _borrower) = channel.split();
    /// assert!(!lender.is_requested());
    /// ```
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.channel.0.link().glance().requests() > 0
    }

    /// Whether every borrower is gone.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (lender, borrower) = channel.split();
    /// assert!(!lender.is_disconnected());
    /// drop(borrower);
    /// assert!(lender.is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.channel.0.link().look().borrowers_gone()
    }

    // ----- blocking ----------------------------------------------------------------------------------------

    /// Lends a reference, and blocks until it is returned.
    ///
    /// It blocks until a borrower takes it, and then until the guard is dropped. Safe, since the caller's frame cannot go on before: neither by a return nor by a panic.
    ///
    /// # Errors
    /// [`LendError`] if every borrower is gone before anybody took it.
    ///
    /// # Panics
    /// If a waker panics; not before the value is back.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::RefMutChannel;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let mut value = 1;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || *borrower.borrow_blocking().unwrap() += 1);
    ///     lender.lend_blocking(&mut value).unwrap();
    ///     assert_eq!(value, 2);
    /// });
    /// # }
    /// ```
    pub fn lend_blocking<'v>(&mut self, value: M::Ref<'v, T>) -> Result<(), LendError>
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let lending = pin!(self.lending::<ByNotifier>(M::into_raw(value), Terms::Plain));
        block(lending).map_err(|_| LendError(()))
    }

    /// Lends a reference if a borrower is waiting for it now, and blocks until it is returned.
    ///
    /// If every borrower that waits gives up before it has taken the loan, that is withdrawn: this never hangs on
    /// a request that was cancelled. It does wait for a guard, which the borrower should drop before it `.await`s
    /// anything else.
    ///
    /// # Errors
    /// [`NotRequested`](TryLendError::NotRequested) if nobody was waiting, or if who was gave up.
    /// [`Disconnected`](TryLendError::Disconnected) if every borrower is gone.
    ///
    /// # Panics
    /// If a waker panics; not before the value is back.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefMutChannel, TryLendError};
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, _borrower) = channel.split();
    /// // A frame of a game: nobody wants the world, and the frame goes on.
    /// assert_eq!(lender.try_lend_blocking(&mut 1), Err(TryLendError::NotRequested));
    /// # }
    /// ```
    pub fn try_lend_blocking<'v>(&mut self, value: M::Ref<'v, T>) -> Result<(), TryLendError>
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let lending = pin!(self.lending::<ByNotifier>(M::into_raw(value), Terms::OnRequest));
        block(lending).map_err(TryLendError::from)
    }

    /// Lends a reference for as long as `f` runs, and returns what that returns.
    ///
    /// Borrowers may take it again and again, one after the other (Exclusive) or together (Shared). After `f` it
    /// blocks until all guards are back. A loan that was forgotten has to end before `f` is called.
    ///
    /// The time that `f` takes bounds when a borrow can begin; a guard that is held on keeps this call waiting. Borrowers
    /// should drop it before they `.await` anything else. If `f` has a guard of this very loan leaked out to it, on its own
    /// thread, it waits for itself for ever.
    ///
    /// # Panics
    /// If `f` does, or a waker; not before the value is back.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::RefChannel;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let lengths = lender.lend_while("hello", || {
    ///     std::thread::scope(|scope| {
    ///         let reader = scope.spawn(move || {
    ///             let once = borrower.borrow_blocking().unwrap().len();
    ///             once + borrower.borrow_blocking().unwrap().len()
    ///         });
    ///         reader.join().unwrap()
    ///     })
    /// });
    /// assert_eq!(lengths, 10);
    /// # }
    /// ```
    pub fn lend_while<'v, R>(&mut self, value: M::Ref<'v, T>, f: impl FnOnce() -> R) -> R
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let mut lending = pin!(self.lending::<ByNotifier>(M::into_raw(value), Terms::Open));
        // Until it is on offer. If there are no borrowers left, `f` runs all the same.
        let _ = lending.as_mut().block(Deadline::NEVER);
        f()
        // The drop of `lending` stops the offer and waits for the guards, also if `f` panics.
    }

    /// Lends a reference if a borrower takes it in time, and blocks until it is returned, however long that takes.
    ///
    /// `Duration::MAX` is no deadline. The wait for a loan that was forgotten counts.
    ///
    /// # Errors
    /// [`Timeout`](LendTimeoutError::Timeout) if nobody took it in time,
    /// [`Disconnected`](LendTimeoutError::Disconnected) if every borrower is gone.
    ///
    /// # Panics
    /// If a waker panics; not before the value is back.
    ///
    /// ```
    /// use ref_channel::{LendTimeoutError, RefMutChannel};
    /// use std::time::Duration;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, _borrower) = channel.split();
    /// let outcome = lender.lend_timeout(&mut 1, Duration::from_millis(1));
    /// assert_eq!(outcome, Err(LendTimeoutError::Timeout));
    /// ```
    #[cfg(feature = "std")]
    pub fn lend_timeout<'v>(
        &mut self,
        value: M::Ref<'v, T>,
        timeout: core::time::Duration,
    ) -> Result<(), LendTimeoutError>
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let mut lending = pin!(self.lending::<ByNotifier>(M::into_raw(value), Terms::Plain));
        let outcome = lending.as_mut().block(Deadline::after(timeout)).unwrap_or_else(|| {
            lending.as_mut().withdraw();
            block(lending)
        });
        outcome.map_err(|why| match why {
            Refusal::Disconnected => LendTimeoutError::Disconnected,
            _ => LendTimeoutError::Timeout,
        })
    }
}

#[cfg(feature = "std")]
impl<'d, N: Notifier> Lender<'_, dyn FnMut() + Send + 'd, Exclusive, N> {
    /// Runs a closure that may borrow this stack on whatever thread borrows and calls it, and returns its result.
    ///
    /// A scoped thread without the thread: it blocks until the closure has run.
    ///
    /// # Errors
    /// [`LendError`], with the closure, if nobody called it: every borrower is gone, or the one that took it did
    /// not call.
    ///
    /// # Panics
    /// If `f` does: the panic goes on here, and the borrower does not notice.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    ///
    /// let (mut lender, mut borrower) = RefMutChannel::<dyn FnMut() + Send>::new().into_split();
    /// let worker = std::thread::spawn(move || {
    ///     while let Ok(mut job) = borrower.borrow_blocking() {
    ///         job();
    ///     }
    /// });
    ///
    /// let numbers = vec![1, 2, 3];
    /// let sum: i32 = lender.run_blocking(|| numbers.iter().sum()).unwrap();
    /// assert_eq!(sum, 6);
    ///
    /// drop(lender);
    /// worker.join().unwrap();
    /// ```
    pub fn run_blocking<F, R>(&mut self, f: F) -> Result<R, LendError<F>>
    where
        F: FnOnce() -> R + Send,
        R: Send,
        N: BlockingNotifier,
    {
        let mut f = Some(f);
        let mut result = None;
        let mut run = || {
            if let Some(f) = f.take() {
                result = Some(std::panic::catch_unwind(core::panic::AssertUnwindSafe(f)));
            }
        };
        let run: &mut (dyn FnMut() + Send + '_) = &mut run;
        // SAFETY: only the bound of the `dyn` type is made longer. Until the loan is over the closure is there, for
        // this call blocks; after that nobody has a reference to it. Nothing can be had from it that is bound to the
        // lifetime, for it can only be called, and returns nothing.
        let run =
            unsafe { core::mem::transmute::<&mut (dyn FnMut() + Send + '_), &mut (dyn FnMut() + Send + 'd)>(run) };
        // Whether it was called is all that counts.
        let _ = self.lend_blocking(run);
        match (result, f) {
            (Some(Ok(result)), _) => Ok(result),
            (Some(Err(panic)), _) => std::panic::resume_unwind(panic),
            (None, Some(f)) => Err(LendError(f)),
            (None, None) => unreachable!("a call leaves a result"),
        }
    }
}

/// Blocks until the end.
fn block<T: ?Sized, M: Mutability, N: BlockingNotifier>(
    lending: core::pin::Pin<&mut Lending<'_, T, M, N, ByNotifier>>,
) -> Result<(), Refusal> {
    lending.block(Deadline::NEVER).expect("there is no deadline")
}

impl From<Refusal> for TryLendError {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Disconnected => Self::Disconnected,
            Refusal::NotRequested | Refusal::Withdrawn => Self::NotRequested,
        }
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Lender<'_, T, M, N> {
    fn drop(&mut self) {
        end_forgotten_wait(self.channel.0.link(), &mut self.seat);
        // Then goes the seat, and last the side.
    }
}

/// That the lender is there. With it the lender's side leaves the channel.
struct Side<'a, T: ?Sized, M: Mutability, N: Notifier>(Handle<'a, T, M, N>);

impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Side<'_, T, M, N> {
    fn drop(&mut self) {
        // In this order, and each also if a waker panics in the one before: the lender lets go of its place, says that
        // it is gone, which wakes the borrowers, and leaves, after which the channel may be freed.
        struct Leave<'a, T: ?Sized, M: Mutability, N: Notifier>(Handle<'a, T, M, N>);
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Leave<'_, T, M, N> {
            fn drop(&mut self) {
                // SAFETY: the lender is dropped, and uses the channel no more.
                unsafe { self.0.leave() };
            }
        }
        struct Tell<'l, 'a, T: ?Sized, M: Mutability, N: Notifier>(&'l Leave<'a, T, M, N>);
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Tell<'_, '_, T, M, N> {
            fn drop(&mut self) {
                self.0.0.link().set_lender_gone();
            }
        }
        let leave = Leave(self.0);
        let _tell = Tell(&leave);
        // SAFETY: the lender does not wait any more, nor will it.
        unsafe { leave.0.link().lender().vacate() };
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> fmt::Debug for Lender<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lender")
            .field("state", self.channel.0.link())
            .finish_non_exhaustive()
    }
}
