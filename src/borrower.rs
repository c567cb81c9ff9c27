//! The borrower's half.

use core::fmt;
use core::pin::{Pin, pin};
use core::task::{Poll, Waker};

use crate::channel::Handle;
#[cfg(feature = "std")]
use crate::error::BorrowTimeoutError;
use crate::error::{BorrowError, TryBorrowError};
use crate::future::Borrow;
use crate::guard::Guard;
use crate::mutability::{Exclusive, Mutability, Shared};
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notifier, WakerSlot};
use crate::state::{Asked, Link, Turn};
use crate::wait::{Place, Wait};

/// The half that borrows `&T`.
///
/// ```
/// use ref_channel::{BorrowError, RefBorrower};
///
/// async fn length(borrower: &mut RefBorrower<'_, str>) -> Result<usize, BorrowError> {
///     Ok(borrower.borrow().await?.len())
/// }
/// # let mut channel = ref_channel::RefChannel::<str>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # let both = async { futures::join!(lender.lend_static("lent"), length(&mut borrower)) };
/// # assert_eq!(pollster::block_on(both).1, Ok(4));
/// ```
pub type RefBorrower<'a, T, N = WakerSlot> = Borrower<'a, T, Shared, N>;

/// The half that borrows `&mut T`.
///
/// ```
/// use ref_channel::{BorrowError, RefMutBorrower};
///
/// async fn add_one(borrower: &mut RefMutBorrower<'_, u32>) -> Result<(), BorrowError> {
///     *borrower.borrow().await? += 1;
///     Ok(())
/// }
/// # let mut channel = ref_channel::RefMutChannel::<u32>::new();
/// # let (mut lender, mut borrower) = channel.split();
/// # let both = async { futures::join!(lender.lend_owned(1), add_one(&mut borrower)) };
/// # assert_eq!(pollster::block_on(both).0, Ok(2));
/// ```
pub type RefMutBorrower<'a, T, N = WakerSlot> = Borrower<'a, T, Exclusive, N>;

/// The half of a channel that borrows.
///
/// It can be cloned if the notifier `N` lets many wait. When the last of them is dropped the lender is told.
///
/// # Panics
/// The drop panics if the lender's waker does. The borrower is gone by then.
///
/// ```
/// use ref_channel::RefChannel;
///
/// let mut channel = RefChannel::<str>::new();
/// let (lender, borrower) = channel.split();
/// assert!(!lender.is_disconnected());
/// drop(borrower);
/// assert!(lender.is_disconnected());
/// ```
pub struct Borrower<'a, T: ?Sized, M: Mutability, N: Notifier = WakerSlot> {
    // Before the side, which may free the channel: a seat never outlives its notifier.
    desk: Desk<N>,
    channel: Side<'a, T, M, N>,
}

/// What a borrower remembers of its waiting. It is in the half, so that a forgotten future does no harm.
#[derive(Default)]
pub(crate) struct Desk<N: Notifier> {
    seat: N::Seat,
    turn: Turn,
    /// How many loans it was granted since it last waited.
    grants: u8,
}

/// After so many loans without a wait in between a [`Borrow`] lets its executor in once, as tokio's budget does: else a task that
/// borrows in a loop, while the offer stays up, would be polled for ever, and never its siblings, nor the timers.
const BUDGET: u8 = 128;

impl<'a, T: ?Sized, M: Mutability, N: Notifier> Borrower<'a, T, M, N> {
    pub(crate) fn new(channel: Handle<'a, T, M, N>) -> Self {
        Self {
            desk: Desk {
                seat: N::Seat::default(),
                turn: Turn::Newcomer,
                grants: 0,
            },
            channel: Side(channel),
        }
    }

    /// Waits for a loan and returns a guard of it.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone.
    ///
    /// # Panics
    /// The future panics if it is polled after it has completed, or if a waker panics.
    ///
    /// # Cancellation
    /// The future can be dropped at any time, and nothing is lost: a loan that is offered at that moment is
    /// taken by the next call, or by another borrower. But it loses its place: the next call waits behind those that wait
    /// already.
    ///
    /// After 128 loans without a wait in between the future lets its executor in: it is pending once, and wakes its task at
    /// once. So a loop that borrows while an offer stays up does not keep other tasks from running.
    ///
    /// ```
    /// use ref_channel::RefMutChannel;
    /// # pollster::block_on(async {
    /// let mut channel = RefMutChannel::<u32>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// let (value, ()) = futures::join!(lender.lend_owned(1), async {
    ///     *borrower.borrow().await.unwrap() += 1;
    /// });
    /// assert_eq!(value, Ok(2));
    /// # });
    /// ```
    pub fn borrow(&mut self) -> Borrow<'_, T, M, N>
    where
        N: AsyncNotifier,
    {
        Borrow::new(self.channel.0, &mut self.desk)
    }

    /// Returns a guard if something is on offer now. It never blocks, and is no request.
    ///
    /// # Errors
    /// [`NotLent`](TryBorrowError::NotLent) if not, or if the loan is for another borrower that was woken for one in vain, [`Disconnected`](TryBorrowError::Disconnected) if the lender
    /// is gone.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::{RefChannel, TryBorrowError};
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    /// lender.lend_while("hello", || {
    ///     assert_eq!(&*borrower.try_borrow().unwrap(), "hello");
    /// });
    /// drop(lender);
    /// assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::Disconnected);
    /// # }
    /// ```
    pub fn try_borrow(&mut self) -> Result<Guard<'_, T, M, N>, TryBorrowError> {
        let mut waiter = pin!(N::Waiter::default());
        match self.desk.look(self.channel.0, waiter.as_mut()) {
            // SAFETY: it was taken just now.
            Poll::Ready(Ok(())) => Ok(unsafe { guard(self.channel.0) }),
            Poll::Ready(Err(BorrowError)) => Err(TryBorrowError::Disconnected),
            Poll::Pending => {
                // The request, if there is one, is of a future that was forgotten.
                self.desk.cancel(self.channel.0);
                Err(TryBorrowError::NotLent)
            }
        }
    }

    /// Blocks until there is a loan and returns a guard of it.
    ///
    /// If the lender is on this very thread it waits for ever, unless a loan is on offer already.
    ///
    /// # Errors
    /// [`BorrowError`] if the lender is gone.
    ///
    /// # Panics
    /// If the lender's waker does.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use ref_channel::RefChannel;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (mut lender, mut borrower) = channel.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || assert_eq!(&*borrower.borrow_blocking().unwrap(), "hello"));
    ///     lender.lend_blocking("hello").unwrap();
    /// });
    /// # }
    /// ```
    pub fn borrow_blocking(&mut self) -> Result<Guard<'_, T, M, N>, BorrowError>
    where
        N: BlockingNotifier,
    {
        match self.desk.block(self.channel.0, Deadline::NEVER) {
            // SAFETY: it was taken just now.
            Some(taken) => taken.map(|()| unsafe { guard(self.channel.0) }),
            None => unreachable!("there is no deadline"),
        }
    }

    /// Blocks until there is a loan, but not longer than `timeout`, and returns a guard of it.
    ///
    /// `Duration::MAX` is no deadline.
    ///
    /// # Errors
    /// [`Timeout`](BorrowTimeoutError::Timeout) if nothing was offered in time,
    /// [`Disconnected`](BorrowTimeoutError::Disconnected) if the lender is gone.
    ///
    /// # Panics
    /// If the lender's waker does.
    ///
    /// ```
    /// use ref_channel::{BorrowTimeoutError, RefChannel};
    /// use std::time::Duration;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (_lender, mut borrower) = channel.split();
    /// let error = borrower.borrow_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error, BorrowTimeoutError::Timeout);
    /// ```
    #[cfg(feature = "std")]
    pub fn borrow_timeout(&mut self, timeout: core::time::Duration) -> Result<Guard<'_, T, M, N>, BorrowTimeoutError>
    where
        N: BlockingNotifier,
    {
        match self.desk.block(self.channel.0, Deadline::after(timeout)) {
            // SAFETY: it was taken just now.
            Some(Ok(())) => Ok(unsafe { guard(self.channel.0) }),
            Some(Err(BorrowError)) => Err(BorrowTimeoutError::Disconnected),
            None => Err(BorrowTimeoutError::Timeout),
        }
    }

    /// Makes another borrower of the same channel, as [`Clone`] does.
    ///
    /// Too many of them abort the process, as with `Arc`: see the [FAQ](crate::faq).
    ///
    /// It stands here as well so that the compiler says, where the notifier is one of a single waiter, which ones are not.
    ///
    /// ```
    /// use ref_channel::{RefMutChannel, notifier::WakerQueue};
    ///
    /// let mut channel = RefMutChannel::<u32, WakerQueue>::new();
    /// let (_lender, borrower) = channel.split();
    /// let another = borrower.clone();
    /// # drop(another);
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "it is, and this one has the better message"
    )]
    #[must_use]
    pub fn clone(&self) -> Self
    where
        N: MultiNotifier,
    {
        Clone::clone(self)
    }

    /// Whether the lender is gone.
    ///
    /// ```
    /// use ref_channel::RefChannel;
    ///
    /// let mut channel = RefChannel::<str>::new();
    /// let (lender, borrower) = channel.split();
    /// assert!(!borrower.is_disconnected());
    /// drop(lender);
    /// assert!(borrower.is_disconnected());
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.channel.0.link().look().lender_gone()
    }
}

/// A guard of what was taken.
///
/// # Safety
/// The caller is the borrower, has taken the offer, and makes one guard of it.
pub(crate) unsafe fn guard<'b, T: ?Sized, M: Mutability, N: Notifier>(
    channel: Handle<'b, T, M, N>,
) -> Guard<'b, T, M, N> {
    // SAFETY: it was taken, and is counted as a guard.
    let value = unsafe { channel.published() };
    // SAFETY: as above.
    unsafe { Guard::new(channel.link(), value) }
}

impl<N: Notifier> Desk<N> {
    fn look<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        waiter: Pin<&mut N::Waiter>,
    ) -> Poll<Result<(), BorrowError>> {
        self.with(channel, waiter, |place, ask| place.look(ask))
    }

    /// Calls `f` with the place where this borrower waits, and with what it waits for.
    fn with<T: ?Sized, M: Mutability, R>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        waiter: Pin<&mut N::Waiter>,
        f: impl FnOnce(&mut Place<'_, N>, &mut Ask<'_, N>) -> R,
    ) -> R {
        let link = channel.link();
        let mut place = Place {
            notifier: link.borrower(),
            seat: &mut self.seat,
            waiter,
        };
        let mut ask = Ask {
            link,
            exclusive: M::EXCLUSIVE,
            turn: &mut self.turn,
            state: Asked::Waits { armed: None },
        };
        f(&mut place, &mut ask)
    }

    /// One poll of a [`Borrow`].
    #[inline(always)]
    pub(crate) fn poll<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        mut waiter: Pin<&mut N::Waiter>,
        waker: &Waker,
    ) -> Poll<Result<(), BorrowError>>
    where
        N: AsyncNotifier,
    {
        let link = channel.link();
        // The two polls that a borrow usually needs, without a detour.
        if self.turn == Turn::Asked {
            if link.take_granted(M::EXCLUSIVE) {
                self.turn = Turn::Newcomer;
                return self.taken(link);
            }
        } else if !N::MANY || self.turn == Turn::Newcomer {
            let seen = link.look();
            if seen.is_quiet() {
                // SAFETY: `Link` keeps the promises about notifications; it is not registered, for it has not asked. The
                // waiter is pinned, and is deregistered before it is dropped.
                let key = unsafe { link.borrower().register(&mut self.seat, waiter.as_mut(), waker) };
                // The usual one is a constant from here on; of one among many nobody asks.
                if (N::MANY || key == Key::default()) && link.request(seen, Key::default()) {
                    self.turn = Turn::Asked;
                    self.grants = 0;
                    return Poll::Pending;
                }
                return self.ask_registered(channel, waiter, key);
            }
        }
        self.poll_unusual(channel, waiter, waker)
    }

    /// It has been woken, and has taken the loan.
    #[inline(always)]
    fn taken(&mut self, link: &Link<N>) -> Poll<Result<(), BorrowError>> {
        /// If the waker panics in its drop, nobody gets the loan.
        struct Undo<'l, N: Notifier>(&'l Link<N>);
        impl<N: Notifier> Drop for Undo<'_, N> {
            fn drop(&mut self) {
                self.0.give_back();
            }
        }
        let undo = Undo(link);
        // SAFETY: it was notified, as the state says; it is this half's own seat.
        unsafe { link.borrower().deregister(&mut self.seat, None) };
        core::mem::forget(undo);
        Poll::Ready(Ok(()))
    }

    #[cold]
    fn ask_registered<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        waiter: Pin<&mut N::Waiter>,
        key: Key,
    ) -> Poll<Result<(), BorrowError>> {
        let polled = self.with(channel, waiter, |place, ask| place.act(ask, Some(key)));
        if polled.is_pending() {
            self.grants = 0;
        }
        polled
    }

    #[inline(never)]
    fn poll_unusual<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        waiter: Pin<&mut N::Waiter>,
        waker: &Waker,
    ) -> Poll<Result<(), BorrowError>>
    where
        N: AsyncNotifier,
    {
        if self.turn != Turn::Newcomer {
            self.grants = 0;
        } else if self.grants < BUDGET {
            self.grants += 1;
        } else {
            // It does not even ask: what is on offer then will be there when it is polled again.
            self.grants = 0;
            waker.wake_by_ref();
            return Poll::Pending;
        }
        self.with(channel, waiter, |place, ask| place.poll(ask, waker))
    }

    fn block<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        deadline: Deadline,
    ) -> Option<Result<(), BorrowError>>
    where
        N: BlockingNotifier,
    {
        /// Does not wait any more at the deadline, nor if a notifier panics, nor when the waiter is gone.
        struct Asking<'d, 'a, T: ?Sized, M: Mutability, N: Notifier> {
            desk: &'d mut Desk<N>,
            channel: Handle<'a, T, M, N>,
        }
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Asking<'_, '_, T, M, N> {
            fn drop(&mut self) {
                self.desk.cancel(self.channel);
            }
        }
        let waiter = pin!(N::Waiter::default());
        let asking = Asking { desk: self, channel };
        let desk = &mut *asking.desk;
        if N::MANY && desk.turn != Turn::Newcomer {
            // The future that asked was forgotten, and a wake that has come since was for it: were that not counted, this call
            // might leave the loan to a borrower that starves, which nobody wakes then.
            desk.turn = desk.turn.max(Turn::Woken);
            // SAFETY: the registration was that of this half's own seat, and of many nobody knows whether it was notified.
            unsafe { channel.link().borrower().deregister(&mut desk.seat, None) };
        }
        desk.with(channel, waiter, |place, ask| place.block(ask, deadline))
    }

    /// Ends the waiting, if there is any; also that of a forgotten future.
    pub(crate) fn cancel<T: ?Sized, M: Mutability>(&mut self, channel: Handle<'_, T, M, N>) {
        let link = channel.link();
        let turn = core::mem::take(&mut self.turn);
        let asked = turn != Turn::Newcomer;
        let unclaimed = if asked { link.disarm_borrower() } else { None };
        /// Also if the waker that is dropped with the registration panics.
        struct GiveUp<'l, N: Notifier>(&'l Link<N>, Turn, bool);
        impl<N: Notifier> Drop for GiveUp<'_, N> {
            fn drop(&mut self) {
                self.0.give_up(self.1, self.2);
            }
        }
        let _give_up = asked.then(|| GiveUp(link, turn, M::EXCLUSIVE));
        // The registration goes first: a wake that comes after it goes to another borrower, and one that came
        // before is passed on by `give_up`.
        // SAFETY: `unclaimed` is what the state says; it is this half's own seat.
        unsafe { link.borrower().deregister(&mut self.seat, unclaimed) };
    }
}

/// Waiting for a loan.
pub(crate) struct Ask<'p, N> {
    link: &'p Link<N>,
    exclusive: bool,
    turn: &'p mut Turn,
    /// After the last step.
    state: Asked,
}

impl<N: Notifier> Ask<'_, N> {
    #[inline]
    fn outcome(&mut self, state: Asked) -> Poll<Result<(), BorrowError>> {
        self.state = state;
        match state {
            Asked::Taken { .. } => Poll::Ready(Ok(())),
            Asked::Gone { .. } => Poll::Ready(Err(BorrowError)),
            Asked::Waits { .. } => Poll::Pending,
        }
    }
}

impl<N: Notifier> Wait for Ask<'_, N> {
    type Output = Result<(), BorrowError>;

    const KEYED: bool = !N::MANY;

    fn started(&self) -> bool {
        // To look costs less than to register, and what is on offer already is taken at once.
        true
    }

    fn look(&mut self) -> Poll<Self::Output> {
        let state = self.link.take(self.turn, self.exclusive);
        self.outcome(state)
    }

    #[cold]
    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output> {
        let state = self.link.ask(self.turn, arm, self.exclusive);
        self.outcome(state)
    }

    fn undo(&mut self) {
        if let Asked::Taken { .. } = self.state {
            self.link.give_back();
        }
    }

    fn armed(&self) -> Option<Key> {
        match self.state {
            Asked::Waits { armed } => armed,
            _ => None,
        }
    }

    fn woken_in_vain(&mut self) -> Poll<Self::Output> {
        // Without others, and where one loan is for all, nobody was quicker.
        if !N::MANY || !self.exclusive || *self.turn == Turn::Newcomer {
            return Poll::Pending;
        }
        if *self.turn == Turn::Asked {
            *self.turn = Turn::Woken;
            // What others may not take may be there for this one.
            if let Poll::Ready(output) = self.look() {
                return Poll::Ready(output);
            }
        }
        self.link.mark_starving(self.turn);
        Poll::Pending
    }

    fn disarm(&mut self) -> Option<Key> {
        self.link.disarm_borrower()
    }

    fn unclaimed(&mut self) -> Option<Key> {
        match self.state {
            Asked::Taken { unclaimed } | Asked::Gone { unclaimed } => unclaimed,
            Asked::Waits { .. } => None,
        }
    }
}

impl<T: ?Sized, M: Mutability, N: MultiNotifier> Clone for Borrower<'_, T, M, N> {
    fn clone(&self) -> Self {
        const {
            assert!(N::MANY, "a `MultiNotifier` has to set `Notifier::MANY`");
        }
        self.channel.0.link().add_borrower();
        Self::new(self.channel.0)
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Borrower<'_, T, M, N> {
    fn drop(&mut self) {
        self.desk.cancel(self.channel.0);
        // Then goes the desk, with the seat, and last the side.
    }
}

/// That there is one borrower more. With the last one the borrowers' side leaves the channel.
struct Side<'a, T: ?Sized, M: Mutability, N: Notifier>(Handle<'a, T, M, N>);

impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Side<'_, T, M, N> {
    fn drop(&mut self) {
        // In this order, and each also if a waker panics in the one before: the borrowers let go of their place, say that
        // they are gone, which wakes the lender, and leave, after which the channel may be freed.
        struct Leave<'a, T: ?Sized, M: Mutability, N: Notifier>(Handle<'a, T, M, N>);
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Leave<'_, T, M, N> {
            fn drop(&mut self) {
                // SAFETY: the last borrower is dropped, and uses the channel no more.
                unsafe { self.0.leave() };
            }
        }
        struct Tell<'l, 'a, T: ?Sized, M: Mutability, N: Notifier>(&'l Leave<'a, T, M, N>);
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Tell<'_, '_, T, M, N> {
            fn drop(&mut self) {
                self.0.0.link().set_borrowers_gone();
            }
        }

        // SAFETY: this borrower is dropped, and uses the channel no more unless it was the last.
        if unsafe { self.0.remove_borrower() } {
            let leave = Leave(self.0);
            let _tell = Tell(&leave);
            // SAFETY: no borrower waits any more, nor will one.
            unsafe { leave.0.link().borrower().vacate() };
        }
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> fmt::Debug for Borrower<'_, T, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrower")
            .field("state", self.channel.0.link())
            .finish_non_exhaustive()
    }
}
