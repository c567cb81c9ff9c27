//! The lender's half.

use core::fmt;
use core::pin::pin;
use core::ptr::NonNull;

use crate::error::{LendError, TryLendError};
#[cfg(feature = "std")]
use crate::error::{LendTimeoutError, ServeTimeoutError};
use crate::future::{
    Borrowed, Lend, LendPinned, LendStatic, Offer, Pinned, Requested, Serve, ServePinned, Static, TryLend,
};
#[cfg(feature = "alloc")]
use crate::future::{Boxed, LendBoxed, LendOwned, Owned, ServeBoxed, ServeOwned, Spare};
use crate::handle::Handle;
#[cfg(feature = "alloc")]
use crate::loan::ByWaker;
use crate::loan::{Block, ByNotifier, Lending, end_forgotten_wait};
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Notifier, WakerSlot};
use crate::state::{Refusal, Terms, View};

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
/// First: is the value lent **once**, or served to **everyone who comes**, loan after loan? Serving is much faster for many short
/// loans, because a return goes straight to the next borrower and does not wake the lender. Second: what do you have?
///
/// | you have | lend once | serve everyone who comes |
/// |---|---|---|
/// | a value | [`lend_owned`](Self::lend_owned) | [`serve_owned`](Self::serve_owned) |
/// | a box | [`lend_boxed`](Self::lend_boxed) | [`serve_boxed`](Self::serve_boxed) |
/// | a `'static` reference | [`lend_static`](Self::lend_static) | |
/// | a value, but no allocator, or it is not `Send` | [`lend_pinned`](Self::lend_pinned) | [`serve_pinned`](Self::serve_pinned) |
/// | a reference, and may block the thread | [`lend_blocking`](Self::lend_blocking), [`lend_timeout`](Self::lend_timeout) | [`serve_blocking`](Self::serve_blocking), [`serve_timeout`](Self::serve_timeout) |
/// | a reference, and other work to do meanwhile | | [`serve_while`](Self::serve_while) |
/// | a reference, and no time to wait for somebody to come | [`try_lend_blocking`](Self::try_lend_blocking) | [`try_serve_timeout`](Self::try_serve_timeout) |
/// | a closure to be run elsewhere | [`run_blocking`](Lender::run_blocking) | |
/// | a reference, are async, and promise not to forget the future | [`lend`](Self::lend), [`try_lend`](Self::try_lend) (unsafe) | [`serve`](Self::serve) (unsafe) |
///
/// In spawned tasks start with `serve_owned`. No safe async call blocks when it is dropped, except for the two `_pinned` ones.
/// [`requested`](Self::requested) tells when somebody waits.
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
    #[cfg(feature = "alloc")]
    spare: Spare,
    channel: Side<'a, T, M, N>,
}

impl<'a, T: ?Sized, M: Mutability, N: Notifier> Lender<'a, T, M, N> {
    pub(crate) fn new(channel: Handle<'a, T, M, N>) -> Self {
        Self {
            seat: N::Seat::default(),
            #[cfg(feature = "alloc")]
            spare: Spare::default(),
            channel: Side(channel),
        }
    }

    /// A loan that has not begun. The value may have no address yet.
    #[inline(always)]
    fn lending<H: Block<N>>(&mut self, value: Option<NonNull<T>>, terms: Terms) -> Lending<'_, T, M, N, H> {
        Lending::new(self.channel.0, &mut self.seat, value, terms)
    }

    // ----- async -------------------------------------------------------------------------------------------

    /// Lends a value once, and gives it back when it is returned.
    ///
    /// The value is moved to a heap cell that the lender keeps from loan to loan, so that a loan does not allocate. To lend a
    /// short-lived `&mut U` safely, call this with `T = &mut U`.
    ///
    /// # Errors
    /// [`LendError`], with the value, if every borrower is gone, or the offer was [withdrawn](Offer::withdraw), before anybody took
    /// it.
    ///
    /// # Cancellation
    /// It never blocks. Dropped before a borrower took the value, the future withdraws the offer and drops the value. Dropped while
    /// the value is borrowed, it leaves the value to the last guard, which drops it, perhaps on another thread: so `T` has to be
    /// `Send`. To have the value back, use [`until`](Offer::until).
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
    #[cfg(feature = "alloc")]
    pub fn lend_owned(&mut self, value: T) -> LendOwned<'_, T, M, N>
    where
        T: Sized + Send,
        N: AsyncNotifier,
    {
        let (lending, owned) = self.owned(value, Terms::Plain);
        Offer::new(lending, owned)
    }

    /// Lends what is in a box once, and gives the box back when it is returned.
    ///
    /// # Errors
    /// [`LendError`], with the box, if every borrower is gone, or the offer was [withdrawn](Offer::withdraw), before anybody took
    /// it.
    ///
    /// # Cancellation
    /// It never blocks, as [`lend_owned`](Self::lend_owned): a box that is out is left to the last guard, which drops it.
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
        let (lending, boxed) = self.boxed(value, Terms::Plain);
        Offer::new(lending, boxed)
    }

    /// Lends what lives forever once, and gives the reference back when it is returned.
    ///
    /// # Errors
    /// [`LendError`], with the reference, if every borrower is gone, or the offer was [withdrawn](Offer::withdraw), before anybody
    /// took it.
    ///
    /// # Cancellation
    /// It never blocks. Dropped before a borrower took the value, the future withdraws the offer. Dropped while the value is
    /// borrowed, it just goes, and the guard stays. Either way the reference is lost.
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
        Offer::new(self.lending(Some(value), Terms::Plain), Static::new(value))
    }

    /// Lends a value once from where the future is pinned, and gives it back when it is returned.
    ///
    /// It needs no allocator, and the value need not be `Send`. Otherwise prefer [`lend_owned`](Self::lend_owned), whose drop does
    /// not block. It is safe because the future owns the value and is pinned: its memory is not used for anything else before its
    /// destructor has run, and that waits for the guard.
    ///
    /// # Errors
    /// [`LendError`], with the value, if every borrower is gone, or the offer was [withdrawn](Offer::withdraw), before anybody took
    /// it.
    ///
    /// # Cancellation
    /// Dropped before a borrower took the value, the future withdraws the offer. Dropped while the value is borrowed, it **blocks
    /// the thread** until the guard is back. If the guard is held by a task of this very thread, that waits forever: a timeout
    /// around it, or the shutdown of a runtime, hangs. To cancel without blocking use [`until`](Offer::until).
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (value, ()) = futures::join!(lender.lend_pinned(1), async {
    ///     *borrower.borrow().await.unwrap() += 1;
    /// });
    /// assert_eq!(value, Ok(2));
    /// # });
    /// ```
    pub fn lend_pinned(&mut self, value: T) -> LendPinned<'_, T, M, N>
    where
        T: Sized,
        N: AsyncNotifier,
    {
        Offer::new(self.lending(None, Terms::Plain), Pinned::new(value, |value| value))
    }

    /// Lends a part of a value, or the value as an unsized type, as [`lend_pinned`](Self::lend_pinned) does.
    ///
    /// `part` is called when the future is first polled. `V` has to be `'static`: if the future is forgotten, a guard may keep what
    /// is lent for as long as it likes, and the channel's type, which bounds that by the lifetimes in `T`, does not know those in `V`.
    ///
    /// # Errors
    /// As for [`lend_pinned`](Self::lend_pinned).
    ///
    /// # Panics
    /// The future panics if `part` does. Nothing is on offer then.
    ///
    /// # Cancellation
    /// As for [`lend_pinned`](Self::lend_pinned): it may **block**.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<[u8]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let lend = lender.lend_pinned_as([0; 4], |array| array);
    /// let (array, ()) = futures::join!(lend, async {
    ///     borrower.borrow().await.unwrap()[1] = 7;
    /// });
    /// assert_eq!(array, Ok([0, 7, 0, 0]));
    /// # });
    /// ```
    pub fn lend_pinned_as<V>(
        &mut self,
        value: V,
        part: for<'x> fn(&'x mut V) -> &'x mut T,
    ) -> LendPinned<'_, T, M, N, V>
    where
        V: 'static,
        N: AsyncNotifier,
    {
        Offer::new(self.lending(None, Terms::Plain), Pinned::new(value, part))
    }

    /// Lends a reference once, and waits until it is returned.
    ///
    /// It offers when it is first polled.
    ///
    /// # Errors
    /// [`LendError`] if every borrower is gone, or the offer was [withdrawn](Offer::withdraw), before anybody took it.
    ///
    /// # Safety
    /// Once it was polled, the future must not be forgotten before it has completed: not by
    /// [`forget`](core::mem::forget), a leak, or a cycle of reference counts. To drop it is fine. So it is enough to
    /// `.await` it in an async function whose future is itself not forgotten.
    ///
    /// A future that is forgotten never runs its destructor, and nothing keeps the lent value in its place while a guard
    /// points to it. There is no way to make that safe for a reference (the *scoped task trilemma*; RFC 3782, `Forget`,
    /// is open). Where you cannot promise it, use [`lend_owned`](Self::lend_owned) with the reference as the value.
    ///
    /// # Cancellation
    /// Dropped before a borrower took the value, the future withdraws the offer. Dropped while the value is borrowed,
    /// it **blocks the thread** until the guard is back, which can hang when a runtime shuts down. To cancel without blocking
    /// use [`until`](Offer::until), or [`withdraw`](Offer::withdraw) and then await the same future.
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
        Offer::new(self.lending(Some(M::into_raw(value)), Terms::Plain), Borrowed::new())
    }

    /// Lends a reference if a borrower is waiting for it now, and waits until it is returned.
    ///
    /// "Now" is when the future is first polled. If every borrower that waits gives up before it has taken the loan, the loan is
    /// withdrawn: this never hangs on a request that was cancelled.
    ///
    /// # Errors
    /// [`NotRequested`](TryLendError::NotRequested) if nobody was waiting, or everybody who was gave up, or after a
    /// [withdraw](Offer::withdraw). [`Disconnected`](TryLendError::Disconnected) if every borrower is gone.
    ///
    /// # Safety
    /// As for [`lend`](Self::lend): once it was polled, the future must not be forgotten before it has completed.
    ///
    /// # Cancellation
    /// As for [`lend`](Self::lend): it may **block**.
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
        Offer::new(
            self.lending(Some(M::into_raw(value)), Terms::OnRequest),
            Borrowed::new(),
        )
    }

    // ----- async, loan after loan --------------------------------------------------------------------------

    /// Serves a value to everyone who comes, and gives it back at the end.
    ///
    /// Borrowers take it again and again, one after the other (Exclusive) or together (Shared). A return goes straight to the next
    /// borrower and does not wake this task. The end comes when every borrower is gone, or when the loan is
    /// [withdrawn](Offer::withdraw), as by [`until`](Offer::until) and [`during`](Offer::during), and the last guard is back.
    ///
    /// The value is in a heap cell, as for [`lend_owned`](Self::lend_owned).
    ///
    /// # Cancellation
    /// It never blocks. Dropped while the value is borrowed, the future leaves it to the last guard, which drops it. The guard sees
    /// that it [is recalled](crate::Guard::is_recalled).
    ///
    /// ```
    /// use ref_channel::{RefMutBorrower, RefMutChannel, RefMutLender, notifier::WakerQueue};
    ///
    /// async fn server(mut lender: RefMutLender<'static, Vec<u32>, WakerQueue>) -> Vec<u32> {
    ///     lender.serve_owned(vec![]).await
    /// }
    ///
    /// async fn client(mut borrower: RefMutBorrower<'static, Vec<u32>, WakerQueue>, number: u32) {
    ///     borrower.borrow().await.unwrap().push(number);
    ///     borrower.borrow().await.unwrap().push(number);
    /// }
    /// # let (lender, borrower) = RefMutChannel::<Vec<u32>, WakerQueue>::new().into_split();
    /// # let clients = async { futures::join!(client(borrower.clone(), 1), client(borrower, 2)) };
    /// # let (list, _) = pollster::block_on(async { futures::join!(server(lender), clients) });
    /// # assert_eq!(list.len(), 4);
    /// ```
    #[cfg(feature = "alloc")]
    pub fn serve_owned(&mut self, value: T) -> ServeOwned<'_, T, M, N>
    where
        T: Sized + Send,
        N: AsyncNotifier,
    {
        let (lending, owned) = self.owned(value, Terms::Open);
        Offer::new(lending, owned)
    }

    /// Serves what is in a box to everyone who comes, and gives the box back at the end.
    ///
    /// As [`serve_owned`](Self::serve_owned), for what is in a box already, or unsized.
    ///
    /// # Cancellation
    /// As for [`serve_owned`](Self::serve_owned): it never blocks.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<[u32]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (list, ()) = lender
    ///     .serve_boxed(Box::new([1, 2]))
    ///     .during(async {
    ///         borrower.borrow().await.unwrap().reverse();
    ///         borrower.borrow().await.unwrap()[0] += 5;
    ///     })
    ///     .await;
    /// assert_eq!(*list, [7, 1]);
    /// # });
    /// ```
    #[cfg(feature = "alloc")]
    pub fn serve_boxed(&mut self, value: alloc::boxed::Box<T>) -> ServeBoxed<'_, T, M, N>
    where
        T: Send,
        N: AsyncNotifier,
    {
        let (lending, boxed) = self.boxed(value, Terms::Open);
        Offer::new(lending, boxed)
    }

    /// Serves a value to everyone who comes, from where the future is pinned, and gives it back at the end.
    ///
    /// As [`serve_owned`](Self::serve_owned), without an allocator, and the value need not be `Send`.
    ///
    /// # Cancellation
    /// As for [`lend_pinned`](Self::lend_pinned): dropped while the value is borrowed, the future **blocks the thread** until the
    /// guard is back, and a timeout or the shutdown of a runtime may hang on that. Use [`until`](Offer::until).
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let work = async {
    ///     *borrower.borrow().await.unwrap() += 1;
    ///     *borrower.borrow().await.unwrap() += 1;
    /// };
    /// assert_eq!(lender.serve_pinned(1).during(work).await.0, 3);
    /// # });
    /// ```
    pub fn serve_pinned(&mut self, value: T) -> ServePinned<'_, T, M, N>
    where
        T: Sized,
        N: AsyncNotifier,
    {
        Offer::new(self.lending(None, Terms::Open), Pinned::new(value, |value| value))
    }

    /// Serves a reference to everyone who comes, until every borrower is gone or the loan is withdrawn.
    ///
    /// As [`serve_owned`](Self::serve_owned), of a reference.
    ///
    /// # Safety
    /// As for [`lend`](Self::lend): once it was polled, the future must not be forgotten before it has completed.
    ///
    /// # Cancellation
    /// As for [`lend`](Self::lend): dropped while the value is borrowed, the future **blocks the thread** until the guard is back,
    /// which can hang when a runtime shuts down. Use [`until`](Offer::until).
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<[u8]>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let mut buffer = [0; 4];
    /// let work = async {
    ///     borrower.borrow().await.unwrap()[0] = 1;
    ///     borrower.borrow().await.unwrap()[1] = 2;
    /// };
    /// // SAFETY: it is awaited.
    /// unsafe { lender.serve(&mut buffer) }.during(work).await;
    /// assert_eq!(buffer, [1, 2, 0, 0]);
    /// # });
    /// ```
    pub unsafe fn serve<'l, 'v: 'l>(&'l mut self, value: M::Ref<'v, T>) -> Serve<'l, T, M, N>
    where
        N: AsyncNotifier,
    {
        Offer::new(self.lending(Some(M::into_raw(value)), Terms::Open), Borrowed::new())
    }

    #[cfg(feature = "alloc")]
    fn owned(&mut self, value: T, terms: Terms) -> (Lending<'_, T, M, N, ByWaker>, Owned<T>)
    where
        T: Sized,
        N: AsyncNotifier,
    {
        // Before the value is in its cell, because this may panic.
        end_forgotten_wait(self.channel.0.link(), &mut self.seat);
        // SAFETY: the future borrows this lender.
        let owned = unsafe { Owned::new(value, &mut self.spare) };
        let lending = Lending::new(self.channel.0, &mut self.seat, Some(owned.pointer()), terms);
        (lending, owned)
    }

    #[cfg(feature = "alloc")]
    fn boxed(&mut self, value: alloc::boxed::Box<T>, terms: Terms) -> (Lending<'_, T, M, N, ByWaker>, Boxed<T>)
    where
        N: AsyncNotifier,
    {
        // Before the box is given up, because this may panic.
        end_forgotten_wait(self.channel.0.link(), &mut self.seat);
        // SAFETY: a box is not null.
        let value = unsafe { NonNull::new_unchecked(alloc::boxed::Box::into_raw(value)) };
        (self.lending(Some(value), terms), Boxed::new(value))
    }

    // ----- to know -----------------------------------------------------------------------------------------

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
    /// It blocks until a borrower takes it, and then until the guard is dropped. This is safe because the caller's frame cannot go on
    /// before that, neither by returning nor by panicking.
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
        let lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::Plain));
        block(lending).map_err(|_| LendError(()))
    }

    /// Lends a reference if a borrower is waiting for it now, and blocks until it is returned.
    ///
    /// If every borrower that waits gives up before it has taken the loan, that is withdrawn: this never hangs on
    /// a request that was cancelled. It does wait for a guard, which the borrower should drop before it `.await`s
    /// anything else.
    ///
    /// # Errors
    /// [`NotRequested`](TryLendError::NotRequested) if nobody was waiting, or all who were gave up.
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
        let lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::OnRequest));
        block(lending).map_err(TryLendError::from)
    }

    /// Serves a reference to everyone who comes, and blocks until every borrower is gone.
    ///
    /// Borrowers take it again and again, one after the other (Exclusive) or together (Shared). A return goes straight to the next
    /// borrower and does not wake this thread, so this is much faster than a loop of [`lend_blocking`](Self::lend_blocking).
    ///
    /// # Panics
    /// If a waker panics; not before the value is back.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefMutChannel, notifier::WakerQueue};
    ///
    /// let mut channel = RefMutChannel::<Vec<u32>, WakerQueue>::new();
    /// let (mut lender, borrower) = channel.split();
    /// let mut list = vec![];
    /// std::thread::scope(|scope| {
    ///     for number in 0..3 {
    ///         let mut borrower = borrower.clone();
    ///         scope.spawn(move || borrower.borrow_blocking().unwrap().push(number));
    ///     }
    ///     drop(borrower);
    ///     lender.serve_blocking(&mut list);
    /// });
    /// assert_eq!(list.len(), 3);
    /// # }
    /// ```
    pub fn serve_blocking<'v>(&mut self, value: M::Ref<'v, T>)
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::Open));
        // Whether anybody came does not matter.
        let _ = block(lending);
    }

    /// Serves a reference to everyone who comes, and blocks until every borrower is gone, but not longer than `timeout`.
    ///
    /// A guard that is out at the deadline is waited for, however long that takes. It sees that it
    /// [is recalled](crate::Guard::is_recalled). `Duration::MAX` is no deadline.
    ///
    /// # Errors
    /// [`ServeTimeoutError`] if there were borrowers left at the deadline.
    ///
    /// # Panics
    /// If a waker panics; not before the value is back.
    ///
    /// ```
    /// use ref_channel::{RefMutChannel, ServeTimeoutError};
    /// use std::time::Duration;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, borrower) = channel.split();
    /// assert_eq!(lender.serve_timeout(&mut 1, Duration::from_millis(1)), Err(ServeTimeoutError));
    /// drop(borrower);
    /// assert_eq!(lender.serve_timeout(&mut 1, Duration::from_millis(1)), Ok(()));
    /// ```
    #[cfg(feature = "std")]
    pub fn serve_timeout<'v>(
        &mut self,
        value: M::Ref<'v, T>,
        timeout: core::time::Duration,
    ) -> Result<(), ServeTimeoutError>
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let mut lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::Open));
        if lending.as_mut().block(Deadline::after(timeout)).is_some() {
            return Ok(());
        }
        lending.as_mut().withdraw();
        let _ = block(lending);
        Err(ServeTimeoutError)
    }

    /// Serves a reference to those who wait for it now and to those who join them, and blocks until nobody waits any more, but not
    /// longer than `timeout`.
    ///
    /// This is for a frame of a game or a turn of an event loop: it never waits for somebody who may come. It ends when a return
    /// finds that nobody waits, or at the deadline. A guard that is out at the deadline is waited for; it sees that it
    /// [is recalled](crate::Guard::is_recalled).
    ///
    /// # Errors
    /// [`NotRequested`](TryLendError::NotRequested) if nobody was waiting, or everybody who was gave up before anybody took the
    /// loan. [`Disconnected`](TryLendError::Disconnected) if every borrower is gone.
    ///
    /// # Panics
    /// If a waker panics; not before the value is back.
    ///
    /// ```
    /// use ref_channel::{RefMutChannel, TryLendError};
    /// use std::time::Duration;
    ///
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, _borrower) = channel.split();
    /// // Nobody wants the world, and the frame goes on.
    /// let outcome = lender.try_serve_timeout(&mut 1, Duration::from_millis(2));
    /// assert_eq!(outcome, Err(TryLendError::NotRequested));
    /// ```
    #[cfg(feature = "std")]
    pub fn try_serve_timeout<'v>(
        &mut self,
        value: M::Ref<'v, T>,
        timeout: core::time::Duration,
    ) -> Result<(), TryLendError>
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let mut lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::OpenOnRequest));
        let outcome = lending.as_mut().block(Deadline::after(timeout)).unwrap_or_else(|| {
            lending.as_mut().withdraw();
            block(lending)
        });
        outcome.map_err(TryLendError::from)
    }

    /// Serves a reference to everyone who comes for as long as `f` runs, and returns what that returns.
    ///
    /// After `f` it blocks until all guards are back; they see that they [are recalled](crate::Guard::is_recalled). A loan that
    /// was forgotten has to end before `f` is called. `f` is given a view of the loan.
    ///
    /// The time that `f` takes bounds when a borrow can begin; a guard that is held on keeps this call waiting. Borrowers
    /// should drop it before they `.await` anything else. If a guard of this very loan gets into `f`, or is held by a task of
    /// this thread, the call waits for itself forever.
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
    /// let lengths = lender.serve_while("hello", |serving| {
    ///     assert!(!serving.is_borrowed());
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
    pub fn serve_while<'v, R>(&mut self, value: M::Ref<'v, T>, f: impl FnOnce(&Serving<'_>) -> R) -> R
    where
        T: 'v,
        N: BlockingNotifier,
    {
        let view = self.channel.0.link().view();
        let mut lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::Open));
        lending.as_mut().block_until_offered();
        f(&Serving(view))
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
        let mut lending = pin!(self.lending::<ByNotifier>(Some(M::into_raw(value)), Terms::Plain));
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

/// A view of the loan in the closure of [`serve_while`](Lender::serve_while).
///
/// It tells of a moment that may be over already.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use ref_channel::RefMutChannel;
///
/// let mut channel = RefMutChannel::<u32>::new();
/// let (mut lender, mut borrower) = channel.split();
/// lender.serve_while(&mut 1, |serving| {
///     assert!(!serving.is_borrowed());
///     let guard = borrower.borrow_blocking().unwrap();
///     assert!(serving.is_borrowed());
///     drop(guard);
///     assert_eq!(serving.requests(), 0);
///     drop(borrower);
///     assert!(serving.is_disconnected());
/// });
/// # }
/// ```
pub struct Serving<'s>(View<'s>);

impl Serving<'_> {
    /// How many borrowers wait for their turn.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// lender.serve_while(&mut 1, |serving| assert_eq!(serving.requests(), 0));
    /// # }
    /// ```
    #[must_use]
    pub fn requests(&self) -> usize {
        self.0.glance().requests()
    }

    /// Whether a borrower waits for its turn.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// lender.serve_while(&mut 1, |serving| assert!(!serving.is_requested()));
    /// # }
    /// ```
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requests() > 0
    }

    /// Whether a guard is out.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// lender.serve_while(&mut 1, |serving| assert!(!serving.is_borrowed()));
    /// # }
    /// ```
    #[must_use]
    pub fn is_borrowed(&self) -> bool {
        self.0.glance().guards() > 0
    }

    /// Whether every borrower is gone.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
    /// # let (mut lender, _borrower) = channel.split();
    /// lender.serve_while(&mut 1, |serving| assert!(!serving.is_disconnected()));
    /// # }
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.0.glance().borrowers_gone()
    }
}

impl fmt::Debug for Serving<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Serving").field(&self.0.glance()).finish()
    }
}

#[cfg(feature = "std")]
impl<'d, N: Notifier> Lender<'_, dyn FnMut() + Send + 'd, Exclusive, N> {
    /// Runs a closure that may borrow this stack on whatever thread borrows and calls it, and returns its result.
    ///
    /// It blocks until the closure has run, like a scoped thread without the thread.
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
        // lifetime, because it can only be called, and returns nothing.
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
    #[inline]
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
