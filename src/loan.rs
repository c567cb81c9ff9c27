//! One loan, from the lender's side: what all ways to lend have in common.

use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use crate::handle::Handle;
use crate::mutability::{Lent, Mutability};
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Key, Notifier, Wake};
use crate::state::{Awaits, Link, Refusal, State, Terms};
use crate::wait::{Wait, WaitPoint, relax};

/// How far a loan is.
// The tag has a byte of its own. Rust would otherwise hide it among the unused values of a `Refusal`, where it takes longer to
// find.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not offered yet. It is a plain loan, and nothing is in its way, so that one step offers it.
    Ready,
    /// Not offered yet, and perhaps not ready. An earlier loan, whose future was forgotten, may have to end first: its guards use
    /// the published pointer, and a borrower may even be about to read it. Or nobody asks for a loan that needs a request.
    Unoffered,
    /// Offered, and perhaps taken. Which of the two is for the state to say, since a borrower decides it.
    Offered,
    /// Withdrawn, but it had been taken. The guards have to come back. From here on a settled state means "returned"; in
    /// `Offered` it could also mean "never taken".
    Taken,
    /// Withdrawn, or never offered, and nobody took it. The future has yet to say so.
    Refused(Refusal),
    /// The outcome was told. The drop has nothing left to do.
    Told,
}

/// The loan itself: what is lent, through which channel, on which terms, and how far that is.
struct Loan<'l, T: ?Sized, M: Mutability, N: Notifier> {
    channel: Handle<'l, T, M, N>,
    /// None while the value has no address: see [`Lending::set_value`].
    value: Option<Lent<T, M>>,
    phase: Phase,
    terms: Terms,
}

impl<'l, T: ?Sized, M: Mutability, N: Notifier> Loan<'l, T, M, N> {
    fn link(&self) -> &'l Link<N> {
        self.channel.link()
    }

    /// Publishes the value and offers it. Nothing is in the way, and nothing can come in the way, since only the lender offers.
    #[inline(always)]
    fn offer(&mut self, terms: Terms, arm: Option<Key>) -> Result<(), Refusal> {
        let Some(value) = self.value else {
            unreachable!("the value has an address before it is offered");
        };
        self.link().ledger().assert_unused();
        // SAFETY: this is the lender, which has seen that the state is settled.
        unsafe { self.channel.publish(value.pointer) };
        let wake = if M::EXCLUSIVE { Wake::One } else { Wake::All };
        // This is set before the step, because that calls the borrower's waker. If the waker panics, the offer is up, and the drop
        // that follows has to take it down.
        self.phase = Phase::Offered;
        self.link().offer(terms, arm, wake)
    }

    /// A call of its own, so that [`Lending::poll`] has the code for the usual key only.
    #[cold]
    fn offer_unusual(&mut self, key: Key) -> Result<(), Refusal> {
        self.offer(Terms::Plain, Some(key))
    }

    /// The loan was taken and has been returned, and the lender was told so: the usual end, found by one comparison.
    #[inline(always)]
    fn is_back(&self) -> bool {
        let is_back = self.link().look().is_back();
        if is_back {
            self.link().ledger().assert_unused();
        }
        is_back
    }

    /// How the loan ends, given the state.
    fn ending(&self, state: State) -> Poll<Result<(), Refusal>> {
        let refused = |why| {
            Poll::Ready(Err(if state.borrowers_gone() {
                Refusal::Disconnected
            } else {
                why
            }))
        };
        match self.phase {
            Phase::Ready | Phase::Unoffered if self.terms.is_on_request() && state.requests() == 0 => {
                refused(Refusal::NotRequested)
            }
            Phase::Ready | Phase::Unoffered => Poll::Pending,
            Phase::Offered if state.is_given_up() => refused(Refusal::NotRequested),
            Phase::Offered if state.is_settled() => Poll::Ready(Ok(())),
            Phase::Offered if state.borrowers_gone() && state.guards() == 0 => refused(Refusal::Disconnected),
            Phase::Offered => Poll::Pending,
            Phase::Taken if state.guards() == 0 => Poll::Ready(Ok(())),
            Phase::Taken => Poll::Pending,
            Phase::Refused(why) => Poll::Ready(Err(why)),
            Phase::Told => unreachable!("nobody asks again"),
        }
    }

    /// Ends the loan if it has come to that.
    fn end(&mut self, state: State) -> Poll<Result<(), Refusal>> {
        let ending = self.ending(state);
        if ending.is_pending() {
            return ending;
        }
        if matches!(self.phase, Phase::Unoffered | Phase::Offered) && state.is_offered() {
            // Either an offer that was forgotten, or this one, and every borrower is gone. Left up, it would be found by the next
            // loan, which would have to wait behind it.
            self.link().withdraw();
        }
        if ending == Poll::Ready(Ok(())) {
            self.link().ledger().assert_unused();
        }
        self.phase = Phase::Told;
        ending
    }

    /// Offers, now that nothing is in the way.
    fn start(&mut self, arm: Option<Key>) -> Poll<Result<(), Refusal>> {
        match self.offer(self.terms, arm) {
            Ok(()) => Poll::Pending,
            Err(why) => self.refuse(why),
        }
    }

    /// The offer was not made.
    fn refuse(&mut self, why: Refusal) -> Poll<Result<(), Refusal>> {
        self.phase = Phase::Refused(why);
        self.end(self.link().look())
    }

    /// Withdraws a forgotten loan, if there is one, and waits for its guards if there is a key. Only if the state is settled after
    /// this may the lender offer.
    fn settle(&mut self, arm: Option<Key>) -> State {
        let mut state = self.link().look();
        if state.is_offered() {
            self.link().withdraw();
            // A borrower may have taken it just before, so only another look tells whether guards are out.
            state = self.link().look();
        }
        match arm {
            Some(key) if !state.is_settled() => {
                self.arm(key, |loan, state| state.is_settled() || loan.ending(state).is_ready())
            }
            _ => state,
        }
    }

    /// Says "the lender waits" unless it is `over`. Returns the state after that.
    fn arm(&mut self, key: Key, over: impl Fn(&Self, State) -> bool) -> State {
        let what = match (self.phase, self.terms) {
            // While it waits behind a forgotten loan it may also find that nobody asks any more.
            (Phase::Unoffered, terms) if terms.is_on_request() => Awaits::ReturnOrGivenUp,
            _ => Awaits::Return,
        };
        self.link().arm_lender(key, what, |state| !over(self, state))
    }

    /// Stops offering. How the loan ends is then known, or will be when the guards are back.
    fn withdraw(&mut self) {
        match self.phase {
            Phase::Ready | Phase::Unoffered => self.phase = Phase::Refused(Refusal::Withdrawn),
            Phase::Offered => {
                let before = self.link().withdraw();
                self.phase = match self.ending(before) {
                    Poll::Ready(Err(why)) => Phase::Refused(why),
                    // It was up, and nobody had it: this took it down in time.
                    _ if before.is_offered() && before.guards() == 0 && !before.is_served() => {
                        Phase::Refused(Refusal::Withdrawn)
                    }
                    _ => Phase::Taken,
                };
            }
            Phase::Taken | Phase::Refused(_) | Phase::Told => {}
        }
    }

    /// The lender does not wait for this loan any more.
    fn leave(&mut self, point: &mut WaitPoint<'_, N>) {
        let armed = self.link().look().lender_key();
        point.leave(self, armed);
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier> Wait for Loan<'_, T, M, N> {
    type Output = Result<(), Refusal>;

    fn look(&mut self) -> (Poll<Self::Output>, Option<Key>) {
        let state = self.link().look();
        let ending = self.end(state);
        self.link().end_look(state, ending)
    }

    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output> {
        let state = match (self.phase, arm) {
            (Phase::Ready, _) => return self.start(arm),
            (Phase::Unoffered, _) => {
                let state = self.settle(arm);
                if state.is_settled() {
                    return self.start(arm);
                }
                state
            }
            (_, Some(key)) => self.arm(key, |loan, state| loan.ending(state).is_ready()),
            (_, None) => self.link().look(),
        };
        self.end(state)
    }

    fn disarm(&mut self) -> Option<Key> {
        self.link().disarm_lender()
    }
}

/// The wait until a loan is on offer, and not until its end.
struct UntilOffered<'s, 'l, T: ?Sized, M: Mutability, N: Notifier>(&'s mut Loan<'l, T, M, N>);

impl<T: ?Sized, M: Mutability, N: Notifier> Wait for UntilOffered<'_, '_, T, M, N> {
    type Output = ();

    fn look(&mut self) -> (Poll<()>, Option<Key>) {
        let state = self.0.link().look();
        let ending = match self.0.phase {
            Phase::Ready | Phase::Unoffered => Poll::Pending,
            _ => Poll::Ready(()),
        };
        self.0.link().end_look(state, ending)
    }

    fn act(&mut self, arm: Option<Key>) -> Poll<()> {
        if !self.0.settle(arm).is_settled() {
            return Poll::Pending;
        }
        // Not armed: the caller goes on to do something else, and nobody is to wake it. If the borrowers are gone there is
        // nothing to offer, which does not matter.
        let _ = self.0.start(None);
        Poll::Ready(())
    }

    fn disarm(&mut self) -> Option<Key> {
        self.0.disarm()
    }
}

/// How a dropped loan, or a blocking call, waits for the guards.
pub(crate) trait Block<N: Notifier> {
    fn block<W: Wait>(point: &mut WaitPoint<'_, N>, wait: &mut W, deadline: Deadline) -> Option<W::Output>;
}

/// With the means of the notifier.
pub(crate) enum ByNotifier {}

impl<N: BlockingNotifier> Block<N> for ByNotifier {
    fn block<W: Wait>(point: &mut WaitPoint<'_, N>, wait: &mut W, deadline: Deadline) -> Option<W::Output> {
        point.block(wait, deadline)
    }
}

/// With a waker that unparks the thread; without `std` by spinning.
pub(crate) enum ByWaker {}

impl<N: AsyncNotifier> Block<N> for ByWaker {
    #[cfg(feature = "std")]
    fn block<W: Wait>(point: &mut WaitPoint<'_, N>, wait: &mut W, deadline: Deadline) -> Option<W::Output> {
        point.block_by_waker(wait, deadline)
    }

    #[cfg(not(feature = "std"))]
    fn block<W: Wait>(point: &mut WaitPoint<'_, N>, wait: &mut W, _: Deadline) -> Option<W::Output> {
        loop {
            if let Poll::Ready(output) = point.spin(wait) {
                return Some(output);
            }
            relax();
        }
    }
}

/// A loan and the lender's waiting for its end. Its drop withdraws the loan, and if it is out waits until it is back.
pub(crate) struct Lending<'l, T: ?Sized, M: Mutability, N: Notifier, H: Block<N>> {
    loan: Loan<'l, T, M, N>,
    seat: &'l mut N::Seat,
    waiter: N::Waiter,
    how: PhantomData<H>,
}

impl<'l, T: ?Sized, M: Mutability, N: Notifier, H: Block<N>> Lending<'l, T, M, N, H> {
    #[inline(always)]
    pub(crate) fn new(
        channel: Handle<'l, T, M, N>,
        seat: &'l mut N::Seat,
        value: Option<NonNull<T>>,
        terms: Terms,
    ) -> Self {
        let state = channel.link().look();
        // The terms are a constant where this is inlined.
        let phase = if state.is_idle() && terms == Terms::Plain {
            Phase::Ready
        } else {
            end_forgotten_wait(channel.link(), seat);
            Phase::Unoffered
        };
        let loan = Loan {
            channel,
            value: value.map(Lent::new),
            phase,
            terms,
        };
        Self {
            loan,
            seat,
            waiter: N::Waiter::default(),
            how: PhantomData,
        }
    }

    #[inline(always)]
    fn project(self: Pin<&mut Self>) -> (&mut Loan<'l, T, M, N>, WaitPoint<'_, N>) {
        // SAFETY: of the fields only the waiter is pinned, and it is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let point = WaitPoint {
            notifier: this.loan.channel.link().lender(),
            seat: this.seat,
            // SAFETY: the waiter is pinned with the future.
            waiter: unsafe { Pin::new_unchecked(&mut this.waiter) },
        };
        (&mut this.loan, point)
    }

    /// The outcome was told.
    pub(crate) fn is_over(&self) -> bool {
        self.loan.phase == Phase::Told
    }

    /// Says what is lent, if it is not offered yet: for a value that has no address before the first poll.
    #[inline(always)]
    pub(crate) fn set_value(self: Pin<&mut Self>, value: impl FnOnce() -> NonNull<T>) {
        let (loan, _) = self.project();
        if matches!(loan.phase, Phase::Ready | Phase::Unoffered) {
            loan.value = Some(Lent::new(value()));
        }
    }

    /// One poll of the future. `over` panics, if that has completed before.
    #[inline(always)]
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, over: impl FnOnce()) -> Poll<Result<(), Refusal>>
    where
        N: AsyncNotifier,
    {
        // The two polls that a loan usually needs come first. They do what `poll_unusual` does, in fewer steps.
        match self.loan.phase {
            Phase::Ready => {
                let (loan, mut point) = self.as_mut().project();
                let key = point.register(cx.waker());
                // The usual key, and the terms, are constants from here on.
                let offered = if key == Key::default() {
                    loan.offer(Terms::Plain, Some(Key::default()))
                } else {
                    loan.offer_unusual(key)
                };
                match offered {
                    Ok(()) => Poll::Pending,
                    Err(why) => self.refused(why, key),
                }
            }
            Phase::Offered if self.loan.is_back() => {
                let (loan, mut point) = self.project();
                loan.phase = Phase::Told;
                point.deregister(None);
                Poll::Ready(Ok(()))
            }
            _ => self.poll_unusual(cx.waker(), over),
        }
    }

    #[cold]
    fn refused(self: Pin<&mut Self>, why: Refusal, key: Key) -> Poll<Result<(), Refusal>> {
        let (loan, mut point) = self.project();
        let refused = loan.refuse(why);
        point.deregister(Some(key));
        refused
    }

    #[inline(never)]
    fn poll_unusual(self: Pin<&mut Self>, waker: &Waker, over: impl FnOnce()) -> Poll<Result<(), Refusal>>
    where
        N: AsyncNotifier,
    {
        let (loan, mut point) = self.project();
        if loan.phase == Phase::Told {
            over();
        }
        point.poll(loan, waker)
    }

    pub(crate) fn block(self: Pin<&mut Self>, deadline: Deadline) -> Option<Result<(), Refusal>> {
        let (loan, mut point) = self.project();
        H::block(&mut point, loan, deadline)
    }

    /// Blocks until the loan is on offer, or cannot be because every borrower is gone.
    pub(crate) fn block_until_offered(self: Pin<&mut Self>) {
        let (loan, mut point) = self.project();
        H::block(&mut point, &mut UntilOffered(loan), Deadline::NEVER);
    }

    pub(crate) fn withdraw(self: Pin<&mut Self>) {
        self.project().0.withdraw();
    }

    /// Takes the loan back at any price.
    #[cold]
    fn give_up(self: Pin<&mut Self>) {
        /// The last resort if a waker or a notifier panics. Even then the value is not given up while it is out, nor the waiter
        /// while it is registered.
        struct Insist<'i, 'p, 'l, T: ?Sized, M: Mutability, N: Notifier> {
            loan: &'i mut Loan<'l, T, M, N>,
            point: &'i mut WaitPoint<'p, N>,
        }
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Insist<'_, '_, '_, T, M, N> {
            fn drop(&mut self) {
                while self.loan.link().look().guards() > 0 {
                    relax();
                }
                self.loan.leave(self.point);
            }
        }

        let (loan, mut point) = self.project();
        loan.withdraw();
        if loan.phase == Phase::Taken {
            let insist = Insist {
                loan,
                point: &mut point,
            };
            H::block(insist.point, insist.loan, Deadline::NEVER);
            core::mem::forget(insist);
        } else {
            loan.leave(&mut point);
        }
    }

    /// Stops offering, and leaves a loan that is out alone: what is lent stays valid forever.
    pub(crate) fn abandon(self: Pin<&mut Self>) {
        let (loan, mut point) = self.project();
        loan.withdraw();
        loan.phase = Phase::Told;
        loan.leave(&mut point);
    }

    /// Leaves the value, if it is out, to the last guard: then true. Else it is the caller's, and the loan is over.
    ///
    /// The lender may still be registered, because ending that can panic: see [`stop_waiting`](Self::stop_waiting).
    #[cfg(feature = "alloc")]
    pub(crate) fn hand_over(self: Pin<&mut Self>) -> bool {
        let (loan, _) = self.project();
        if !matches!(loan.phase, Phase::Offered | Phase::Taken) {
            return false;
        }
        let channel = loan.channel;
        let is_out = channel
            .link()
            .hand_over(Handle::<T, M, N>::free_published, channel.place());
        loan.phase = Phase::Told;
        is_out
    }

    /// After a [`hand_over`](Self::hand_over).
    #[cfg(feature = "alloc")]
    pub(crate) fn stop_waiting(self: Pin<&mut Self>) {
        let (loan, mut point) = self.project();
        loan.leave(&mut point);
    }
}

/// A future of the lender that was forgotten may have left it registered.
#[inline]
pub(crate) fn end_forgotten_wait<N: Notifier>(link: &Link<N>, seat: &mut N::Seat) {
    if link.look().lender_key().is_some() {
        disarm_forgotten(link, seat);
    }
}

#[cold]
fn disarm_forgotten<N: Notifier>(link: &Link<N>, seat: &mut N::Seat) {
    let unclaimed = link.disarm_lender();
    // SAFETY: `unclaimed` is what the state says; the seat is the lender's.
    unsafe { link.lender().deregister(seat, unclaimed) };
}

impl<T: ?Sized, M: Mutability, N: Notifier, H: Block<N>> Drop for Lending<'_, T, M, N, H> {
    #[inline]
    fn drop(&mut self) {
        if self.loan.phase != Phase::Told {
            // SAFETY: a value that is dropped does not move any more.
            unsafe { Pin::new_unchecked(self) }.give_up();
        }
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier, H: Block<N>> fmt::Debug for Lending<'_, T, M, N, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("phase", &self.loan.phase)
            .field("state", self.loan.link())
            .finish_non_exhaustive()
    }
}
