//! One borrow, from the borrower's side: what all ways to borrow have in common.

use core::pin::{Pin, pin};
use core::task::{Poll, Waker};

use crate::error::BorrowError;
use crate::guard::Guard;
use crate::handle::Handle;
use crate::mutability::Mutability;
use crate::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Key, Notifier};
use crate::state::{Asked, Link, Turn};
use crate::wait::{Wait, WaitPoint};

/// What a borrower remembers of its request. It is kept in the half and not in a future, so that a forgotten future does no harm.
pub(crate) struct Requester<N: Notifier> {
    seat: N::Seat,
    turn: Turn,
    /// How many loans it was granted since it last waited.
    grants: u8,
}

/// After this many loans without waiting, a `Borrow` yields to its executor once, as tokio's budget does. Otherwise a task that
/// borrows in a loop while the offer stays up would never let its siblings or the timers run.
const BUDGET: u8 = 128;

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

impl<N: Notifier> Requester<N> {
    pub(crate) fn new() -> Self {
        Self {
            seat: N::Seat::default(),
            turn: Turn::Newcomer,
            grants: 0,
        }
    }

    /// Takes the loan if one is there, without a request.
    pub(crate) fn try_take<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
    ) -> Option<Result<(), BorrowError>> {
        let waiter = pin!(N::Waiter::default());
        let taken = self.with(channel, waiter, |point, request| point.look(request));
        if taken.is_err() {
            // If there is a request, it belongs to a future that was forgotten.
            self.cancel(channel);
        }
        taken.ok()
    }

    /// Calls `f` with the place where this borrower waits, and with what it waits for.
    fn with<T: ?Sized, M: Mutability, R>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        waiter: Pin<&mut N::Waiter>,
        f: impl FnOnce(&mut WaitPoint<'_, N>, &mut Request<'_, N>) -> R,
    ) -> R {
        let link = channel.link();
        let mut point = WaitPoint {
            notifier: link.borrower(),
            seat: &mut self.seat,
            waiter,
        };
        let mut request = Request {
            link,
            exclusive: M::EXCLUSIVE,
            turn: &mut self.turn,
        };
        f(&mut point, &mut request)
    }

    /// One poll of a `Borrow`.
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
        // The two polls that a borrow usually needs come first. They do what `poll_unusual` does, in fewer steps.
        if self.turn == Turn::Asked {
            if link.take_granted(M::EXCLUSIVE) {
                self.turn = Turn::Newcomer;
                return Poll::Ready(self.with(channel, waiter, |point, request| point.finish(request, Ok(()), None)));
            }
        } else if !N::MANY || self.turn == Turn::Newcomer {
            let seen = link.look();
            if seen.is_quiet() || M::EXCLUSIVE && link.is_for_others(seen) {
                let key = self.with(channel, waiter.as_mut(), |point, _| point.register(waker));
                // The usual key is a constant from here on. With many waiters the key does not matter.
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

    #[cold]
    fn ask_registered<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        waiter: Pin<&mut N::Waiter>,
        key: Key,
    ) -> Poll<Result<(), BorrowError>> {
        let polled = self.with(channel, waiter, |point, request| point.act(request, Some(key)));
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
            // It does not even make a request: what is on offer now will still be there when it is polled again.
            self.grants = 0;
            waker.wake_by_ref();
            return Poll::Pending;
        }
        self.with(channel, waiter, |point, request| point.poll(request, waker))
    }

    /// Blocks until there is a loan, or until the deadline.
    pub(crate) fn block<T: ?Sized, M: Mutability>(
        &mut self,
        channel: Handle<'_, T, M, N>,
        deadline: Deadline,
    ) -> Option<Result<(), BorrowError>>
    where
        N: BlockingNotifier,
    {
        /// Does not wait any more at the deadline, nor if a notifier panics, nor when the waiter is gone.
        struct Asking<'d, 'a, T: ?Sized, M: Mutability, N: Notifier> {
            requester: &'d mut Requester<N>,
            channel: Handle<'a, T, M, N>,
        }
        impl<T: ?Sized, M: Mutability, N: Notifier> Drop for Asking<'_, '_, T, M, N> {
            fn drop(&mut self) {
                self.requester.cancel(self.channel);
            }
        }
        let waiter = pin!(N::Waiter::default());
        let asking = Asking {
            requester: self,
            channel,
        };
        let requester = &mut *asking.requester;
        if N::MANY && requester.turn != Turn::Newcomer {
            // The future that made the request was forgotten, and may have been woken since. If that wake did not count, this call
            // might leave the loan to a borrower that starves, and nobody would wake that one.
            requester.turn = requester.turn.max(Turn::Woken);
            // SAFETY: it is this half's own seat. With many waiters there is no key.
            unsafe { channel.link().borrower().deregister(&mut requester.seat, None) };
        }
        requester.with(channel, waiter, |point, request| point.block(request, deadline))
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

/// One call that waits for a loan.
struct Request<'p, N> {
    link: &'p Link<N>,
    exclusive: bool,
    turn: &'p mut Turn,
}

impl<N: Notifier> Wait for Request<'_, N> {
    type Output = Result<(), BorrowError>;

    const KEYED: bool = !N::MANY;

    fn look(&mut self) -> (Poll<Self::Output>, Option<Key>) {
        self.link.take(self.turn, self.exclusive).into()
    }

    #[cold]
    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output> {
        let (outcome, _) = self.link.ask(self.turn, arm, self.exclusive).into();
        outcome
    }

    fn disarm(&mut self) -> Option<Key> {
        self.link.disarm_borrower()
    }

    fn woken_in_vain(&mut self) -> Poll<Self::Output> {
        // A single borrower cannot be overtaken, nor can those that share a loan.
        if !N::MANY || !self.exclusive || *self.turn == Turn::Newcomer {
            return Poll::Pending;
        }
        if *self.turn == Turn::Asked {
            *self.turn = Turn::Woken;
            // A loan that newcomers may not take may be there for this borrower, now that it is known to have been woken.
            if let (Poll::Ready(outcome), _) = self.look() {
                return Poll::Ready(outcome);
            }
        }
        self.link.mark_starving(self.turn);
        Poll::Pending
    }

    fn undo(&mut self, outcome: &Self::Output) {
        if outcome.is_ok() {
            self.link.give_back();
        }
    }
}

impl From<Asked> for (Poll<Result<(), BorrowError>>, Option<Key>) {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Taken { unclaimed } => (Poll::Ready(Ok(())), unclaimed),
            Asked::Gone { unclaimed } => (Poll::Ready(Err(BorrowError)), unclaimed),
            Asked::Waits { armed } => (Poll::Pending, armed),
        }
    }
}
