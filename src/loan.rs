//! One loan, from the lender's side: what all ways to lend have in common.

use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

use crate::channel::Handle;
use crate::future::polled_after_completion;
use crate::mutability::{Lent, Mutability};
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Key, Notifier, Wake};
use crate::state::{Awaits, Link, Refusal, State, Terms};
use crate::wait::{Place, Wait, relax};

/// On which [`Terms`] a loan stands, as a type: what the terms decide is decided when the call is compiled.
pub(crate) trait Kind {
    const TERMS: Terms;
}

/// Until it is taken or withdrawn.
pub(crate) enum Plain {}

/// Also taken down when nobody waits for it any more.
pub(crate) enum OnRequest {}

/// Until it is withdrawn, however often it is taken.
pub(crate) enum Open {}

impl Kind for Plain {
    const TERMS: Terms = Terms::Plain;
}

impl Kind for OnRequest {
    const TERMS: Terms = Terms::OnRequest;
}

impl Kind for Open {
    const TERMS: Terms = Terms::Open;
}

/// How far a loan is.
// By a tag of its own: to find it in the unused values of a `Refusal` takes longer.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not offered yet, and nothing is in the way.
    Start,
    /// Not offered yet; a forgotten loan has to end before.
    Behind,
    /// Offered, and perhaps taken.
    Offered,
    /// Not offered any more, but it was taken.
    Taken,
    /// Not offered any more; nobody took it.
    Refused(Refusal),
    /// The outcome was told.
    Told,
}

/// The loan itself: what is lent, where, and how far that is.
struct Loan<'l, T: ?Sized, M: Mutability, N: Notifier, K: Kind> {
    channel: Handle<'l, T, M, N>,
    value: Lent<T, M>,
    phase: Phase,
    kind: PhantomData<K>,
}

impl<'l, T: ?Sized, M: Mutability, N: Notifier, K: Kind> Loan<'l, T, M, N, K> {
    fn link(&self) -> &'l Link<N> {
        self.channel.link()
    }

    /// Publishes and offers. Nothing is in the way, and nothing can come in the way, for only the lender offers.
    #[inline(always)]
    fn offer(&mut self, arm: Option<Key>) -> Result<(), Refusal> {
        self.link().ledger().assert_unused();
        // SAFETY: this is the lender, which has seen that the state is settled.
        unsafe { self.channel.publish(self.value.pointer) };
        let wake = if M::EXCLUSIVE { Wake::One } else { Wake::All };
        // Before the step: if the borrower's waker panics, this unwinds with the offer up.
        self.phase = Phase::Offered;
        self.link().offer(K::TERMS, arm, wake)
    }

    #[cold]
    fn offer_unusual(&mut self, key: Key) -> Result<(), Refusal> {
        self.offer(Some(key))
    }

    /// The loan was taken and has been returned, and the lender was told so: the usual end, by one comparison.
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
            Phase::Start | Phase::Behind if K::TERMS == Terms::OnRequest && state.requests() == 0 => {
                refused(Refusal::NotRequested)
            }
            Phase::Start | Phase::Behind => Poll::Pending,
            // What is left of such a loan is up to the drop.
            Phase::Offered if K::TERMS == Terms::Open => Poll::Ready(Ok(())),
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

    /// For some steps that begin with a look at the state.
    fn step(&mut self) -> Step<'_, 'l, T, M, N, K> {
        let seen = self.link().look();
        Step { loan: self, seen }
    }
}

/// One step of a loan, or some, but for the usual ones: those [`Lending::poll`] makes by itself.
struct Step<'s, 'l, T: ?Sized, M: Mutability, N: Notifier, K: Kind> {
    loan: &'s mut Loan<'l, T, M, N, K>,
    /// The state, as last seen.
    seen: State,
}

impl<'l, T: ?Sized, M: Mutability, N: Notifier, K: Kind> Step<'_, 'l, T, M, N, K> {
    fn link(&self) -> &'l Link<N> {
        self.loan.link()
    }

    fn see(&mut self) {
        self.seen = self.link().look();
    }

    /// Ends the loan if it has come to that.
    fn end(&mut self) -> Poll<Result<(), Refusal>> {
        let ending = self.loan.ending(self.seen);
        if ending.is_pending() || (self.loan.phase, K::TERMS) == (Phase::Offered, Terms::Open) {
            return ending;
        }
        if matches!(self.loan.phase, Phase::Behind | Phase::Offered) && self.seen.is_offered() {
            // An offer that was forgotten; or this one, which nobody takes any more, for every borrower is gone.
            self.link().withdraw();
        }
        if ending == Poll::Ready(Ok(())) {
            self.link().ledger().assert_unused();
        }
        self.loan.phase = Phase::Told;
        ending
    }

    /// Offers, once nothing is in the way.
    fn start(&mut self, arm: Option<Key>) -> Poll<Result<(), Refusal>> {
        // An open offer is not waited for, but closed.
        let arm = arm.filter(|_| K::TERMS != Terms::Open);
        match self.loan.offer(arm) {
            Ok(()) if K::TERMS != Terms::Open => return Poll::Pending,
            Ok(()) => {}
            Err(why) => self.loan.phase = Phase::Refused(why),
        }
        self.see();
        self.end()
    }

    /// Offers once a forgotten loan is over: that is withdrawn, but its guards have to come back.
    fn start_behind(&mut self, arm: Option<Key>) -> Poll<Result<(), Refusal>> {
        self.see();
        if self.seen.is_offered() {
            self.link().withdraw();
            self.see();
        }
        if let Some(key) = arm.filter(|_| !self.seen.is_settled()) {
            self.arm(key, |loan, state| state.is_settled() || loan.ending(state).is_ready());
        }
        if self.seen.is_settled() {
            self.start(arm)
        } else {
            self.end()
        }
    }

    /// Says "the lender waits" unless it is `over`.
    fn arm(&mut self, key: Key, over: impl Fn(&Loan<'l, T, M, N, K>, State) -> bool) {
        let what = match (self.loan.phase, K::TERMS) {
            (Phase::Behind, Terms::OnRequest) => Awaits::ReturnOrGivenUp,
            _ => Awaits::Return,
        };
        self.seen = self.link().arm_lender(key, what, |state| !over(self.loan, state));
    }

    /// Stops offering. How the loan ends is then known, or will be when the guards are back.
    fn withdraw(&mut self) {
        match self.loan.phase {
            Phase::Start | Phase::Behind => self.loan.phase = Phase::Refused(Refusal::Withdrawn),
            Phase::Offered => {
                self.seen = self.link().withdraw();
                self.loan.phase = match self.loan.ending(self.seen) {
                    Poll::Ready(Err(why)) => Phase::Refused(why),
                    _ if self.seen.is_offered() && self.seen.guards() == 0 => Phase::Refused(Refusal::Withdrawn),
                    _ => Phase::Taken,
                };
            }
            Phase::Taken | Phase::Refused(_) | Phase::Told => {}
        }
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier, K: Kind> Wait for Step<'_, '_, T, M, N, K> {
    type Output = Result<(), Refusal>;

    fn started(&self) -> bool {
        // It may find that nobody asks for it.
        self.loan.phase != Phase::Start || K::TERMS == Terms::OnRequest
    }

    fn look(&mut self) -> Poll<Self::Output> {
        self.see();
        self.end()
    }

    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output> {
        match (self.loan.phase, arm) {
            (Phase::Start, _) => return self.start(arm),
            (Phase::Behind, _) => return self.start_behind(arm),
            (_, Some(key)) => self.arm(key, |loan, state| loan.ending(state).is_ready()),
            (_, None) => self.see(),
        }
        self.end()
    }

    fn armed(&self) -> Option<Key> {
        self.seen.lender_key()
    }

    fn disarm(&mut self) -> Option<Key> {
        self.link().disarm_lender()
    }

    fn unclaimed(&mut self) -> Option<Key> {
        self.armed().and_then(|_| self.disarm())
    }
}

/// How a dropped loan, or a blocking one, waits for its guards.
pub(crate) trait Patience<N: Notifier> {
    fn block<W: Wait>(place: &mut Place<'_, N>, wait: &mut W, deadline: Deadline) -> Option<W::Output>;
}

/// With the means of the notifier.
pub(crate) enum ByThread {}

impl<N: BlockingNotifier> Patience<N> for ByThread {
    fn block<W: Wait>(place: &mut Place<'_, N>, wait: &mut W, deadline: Deadline) -> Option<W::Output> {
        place.block(wait, deadline)
    }
}

/// With a waker that unparks the thread; without `std` by spinning.
pub(crate) enum ByWaker {}

impl<N: AsyncNotifier> Patience<N> for ByWaker {
    #[cfg(feature = "std")]
    fn block<W: Wait>(place: &mut Place<'_, N>, wait: &mut W, deadline: Deadline) -> Option<W::Output> {
        place.block_by_waker(wait, deadline)
    }

    #[cfg(not(feature = "std"))]
    fn block<W: Wait>(place: &mut Place<'_, N>, wait: &mut W, _: Deadline) -> Option<W::Output> {
        loop {
            if let Poll::Ready(output) = place.spin(wait) {
                return Some(output);
            }
            relax();
        }
    }
}

/// A loan and the lender's waiting for its end. Its drop withdraws the loan, and if it is out waits until it is back.
pub(crate) struct Lending<'l, T: ?Sized, M: Mutability, N: Notifier, H: Patience<N>, K: Kind = Plain> {
    loan: Loan<'l, T, M, N, K>,
    seat: &'l mut N::Seat,
    waiter: N::Waiter,
    how: PhantomData<H>,
}

impl<'l, T: ?Sized, M: Mutability, N: Notifier, H: Patience<N>, K: Kind> Lending<'l, T, M, N, H, K> {
    #[inline(always)]
    pub(crate) fn new(channel: Handle<'l, T, M, N>, seat: &'l mut N::Seat, value: NonNull<T>) -> Self {
        let state = channel.link().look();
        let phase = if state.is_idle() {
            Phase::Start
        } else {
            begin_behind(channel.link(), seat)
        };
        let loan = Loan {
            channel,
            value: Lent::new(value),
            phase,
            kind: PhantomData,
        };
        Self {
            loan,
            seat,
            waiter: N::Waiter::default(),
            how: PhantomData,
        }
    }

    #[inline(always)]
    fn project(self: Pin<&mut Self>) -> (&mut Loan<'l, T, M, N, K>, Place<'_, N>) {
        // SAFETY: of the fields only the waiter is pinned, and it is not moved.
        let this = unsafe { self.get_unchecked_mut() };
        let place = Place {
            notifier: this.loan.channel.link().lender(),
            seat: this.seat,
            // SAFETY: the waiter is pinned with the future.
            waiter: unsafe { Pin::new_unchecked(&mut this.waiter) },
        };
        (&mut this.loan, place)
    }

    /// The outcome was told.
    #[cfg(feature = "futures-core")]
    pub(crate) fn is_over(&self) -> bool {
        self.loan.phase == Phase::Told
    }

    /// Says what is lent, if it is not offered yet: for a value that has no address before the first poll.
    #[inline(always)]
    pub(crate) fn set_value(self: Pin<&mut Self>, value: impl FnOnce() -> NonNull<T>) {
        let (loan, _) = self.project();
        if matches!(loan.phase, Phase::Start | Phase::Behind) {
            loan.value = Lent::new(value());
        }
    }

    /// One poll of the future called `name`.
    #[inline(always)]
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, name: &str) -> Poll<Result<(), Refusal>>
    where
        N: AsyncNotifier,
    {
        // The two polls that a usual loan needs, without a detour.
        match self.loan.phase {
            Phase::Start if K::TERMS == Terms::Plain => {
                let (loan, mut place) = self.as_mut().project();
                let key = place.register(cx.waker());
                // The usual one is a constant from here on.
                let offered = if key == Key::default() {
                    loan.offer(Some(Key::default()))
                } else {
                    loan.offer_unusual(key)
                };
                match offered {
                    Ok(()) => Poll::Pending,
                    Err(why) => self.refused(why, key),
                }
            }
            Phase::Offered if self.loan.is_back() => {
                let (loan, mut place) = self.project();
                loan.phase = Phase::Told;
                place.deregister(None);
                Poll::Ready(Ok(()))
            }
            _ => self.poll_unusual(cx.waker(), name),
        }
    }

    #[cold]
    fn refused(self: Pin<&mut Self>, why: Refusal, key: Key) -> Poll<Result<(), Refusal>> {
        let (loan, mut place) = self.project();
        loan.phase = Phase::Refused(why);
        let refused = loan.step().end();
        place.deregister(Some(key));
        refused
    }

    #[inline(never)]
    fn poll_unusual(self: Pin<&mut Self>, waker: &Waker, name: &str) -> Poll<Result<(), Refusal>>
    where
        N: AsyncNotifier,
    {
        let (loan, mut place) = self.project();
        if loan.phase == Phase::Told {
            polled_after_completion(name);
        }
        place.poll(&mut loan.step(), waker)
    }

    pub(crate) fn block(self: Pin<&mut Self>, deadline: Deadline) -> Option<Result<(), Refusal>> {
        let (loan, mut place) = self.project();
        H::block(&mut place, &mut loan.step(), deadline)
    }

    pub(crate) fn withdraw(self: Pin<&mut Self>) {
        self.project().0.step().withdraw();
    }

    /// Takes the loan back at any price.
    #[cold]
    fn give_up(self: Pin<&mut Self>) {
        /// The last resort if a waker or a notifier panics: not even then is the value given up while it is out, nor the
        /// waiter while it is registered.
        struct Insist<'p, 's, 'i, 'l, T: ?Sized, M: Mutability, N: Notifier, K: Kind> {
            place: &'i mut Place<'p, N>,
            step: &'i mut Step<'s, 'l, T, M, N, K>,
        }
        impl<T: ?Sized, M: Mutability, N: Notifier, K: Kind> Drop for Insist<'_, '_, '_, '_, T, M, N, K> {
            fn drop(&mut self) {
                while self.step.link().look().guards() > 0 {
                    relax();
                }
                self.step.see();
                self.place.leave(self.step);
            }
        }

        let (loan, mut place) = self.project();
        let mut step = loan.step();
        step.withdraw();
        if step.loan.phase == Phase::Taken {
            let insist = Insist {
                place: &mut place,
                step: &mut step,
            };
            H::block(insist.place, insist.step, Deadline::NEVER);
            core::mem::forget(insist);
        } else {
            place.leave(&mut step);
        }
    }

    /// Leaves the value, if it is out, to the last guard: then true. Else it is the caller's, and the loan is over.
    ///
    /// The waiting is not over, for that may panic: see [`stop_waiting`](Self::stop_waiting).
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
        let (loan, mut place) = self.project();
        place.leave(&mut loan.step());
    }
}

/// A loan begins after another one whose future was forgotten: that may be still on offer or out.
#[cold]
fn begin_behind<N: Notifier>(link: &Link<N>, seat: &mut N::Seat) -> Phase {
    end_forgotten_wait(link, seat);
    if link.look().is_settled() {
        Phase::Start
    } else {
        Phase::Behind
    }
}

/// A future of the lender that was forgotten may have left it registered.
pub(crate) fn end_forgotten_wait<N: Notifier>(link: &Link<N>, seat: &mut N::Seat) {
    if link.look().lender_key().is_some() {
        let unclaimed = link.disarm_lender();
        // SAFETY: `unclaimed` is what the state says; the seat is the lender's.
        unsafe { link.lender().deregister(seat, unclaimed) };
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier, H: Patience<N>, K: Kind> Drop for Lending<'_, T, M, N, H, K> {
    #[inline]
    fn drop(&mut self) {
        if self.loan.phase != Phase::Told {
            // SAFETY: a value that is dropped does not move any more.
            unsafe { Pin::new_unchecked(self) }.give_up();
        }
    }
}

impl<T: ?Sized, M: Mutability, N: Notifier, H: Patience<N>, K: Kind> fmt::Debug for Lending<'_, T, M, N, H, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("phase", &self.loan.phase)
            .field("state", self.loan.link())
            .finish_non_exhaustive()
    }
}
