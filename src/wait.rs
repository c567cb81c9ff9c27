//! How a half waits, by being polled or by blocking. All calls of both halves share these steps.

use core::pin::Pin;
use core::task::{Poll, Waker};

use crate::notifier::{AsyncNotifier, BlockingNotifier, Key, Notifier};
use crate::sync::spin_loop;

#[cfg(feature = "std")]
use crate::notifier::{park_thread, with_thread_waker};
#[cfg(feature = "std")]
use core::time::Duration;
#[cfg(feature = "std")]
use std::time::Instant;

/// What a call of a half waits for.
///
/// The state is *armed* while it says "I am waiting" for this half. While it is armed, the other half may claim the
/// registration at the notifier at any time and wake it.
pub(crate) trait Wait {
    type Output;

    /// Whether the state says which registration is unclaimed. It does not for borrowers at a notifier that supports many
    /// waiters, where only the notifier knows.
    const KEYED: bool = true;

    /// Makes as much progress as possible without waiting. The key identifies the unclaimed registration: if the output is
    /// ready, it has been taken back, and otherwise it is still armed.
    fn look(&mut self) -> (Poll<Self::Output>, Option<Key>);

    /// Starts if necessary, and makes as much progress as possible. If the output is not ready and there is a key, the same
    /// step arms the state. Only called while not armed.
    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output>;

    /// Takes "I am waiting" back. Returns the registration unless it was claimed.
    fn disarm(&mut self) -> Option<Key>;

    /// Called when a look found nothing and the registration was notified, or may have been.
    fn woken_in_vain(&mut self) -> Poll<Self::Output> {
        Poll::Pending
    }

    /// Called when the output is ready, but a panic prevents the caller from getting it.
    fn undo(&mut self, output: &Self::Output) {
        let _ = output;
    }
}

/// Where a call waits: the notifier, the half's seat there, and the call's own waiter.
pub(crate) struct WaitPoint<'p, N: Notifier> {
    pub(crate) notifier: &'p N,
    pub(crate) seat: &'p mut N::Seat,
    pub(crate) waiter: Pin<&'p mut N::Waiter>,
}

impl<N: Notifier> WaitPoint<'_, N> {
    #[inline(always)]
    pub(crate) fn register(&mut self, waker: &Waker) -> Key
    where
        N: AsyncNotifier,
    {
        // SAFETY: `Link` upholds the guarantees about notifications. Those about registrations are upheld here: the state is
        // not armed, and the waiter is pinned and is deregistered by its owner before it is dropped.
        unsafe { self.notifier.register(self.seat, self.waiter.as_mut(), waker) }
    }

    fn register_thread(&mut self) -> Key
    where
        N: BlockingNotifier,
    {
        // SAFETY: as in `register`.
        unsafe { self.notifier.register_thread(self.seat, self.waiter.as_mut()) }
    }

    #[inline]
    fn is_registered(&mut self, key: Key, waker: &Waker) -> bool
    where
        N: AsyncNotifier,
    {
        // SAFETY: as in `register`.
        unsafe { self.notifier.is_registered(self.seat, self.waiter.as_mut(), key, waker) }
    }

    fn is_thread_registered(&mut self, key: Key) -> bool
    where
        N: BlockingNotifier,
    {
        // SAFETY: as in `register`.
        unsafe { self.notifier.is_thread_registered(self.seat, self.waiter.as_mut(), key) }
    }

    /// Ends the registration, if there is one.
    #[inline(always)]
    pub(crate) fn deregister(&mut self, unclaimed: Option<Key>) {
        // SAFETY: as in `register`. `unclaimed` comes from the state.
        unsafe { self.notifier.deregister(self.seat, unclaimed) };
    }

    /// The last step of every wait.
    #[inline(always)]
    pub(crate) fn finish<W: Wait>(&mut self, wait: &mut W, output: W::Output, unclaimed: Option<Key>) -> W::Output {
        /// Undoes the step if a waker panics while being dropped, since the output is then lost.
        struct Undo<'w, W: Wait>(&'w mut W, &'w W::Output);
        impl<W: Wait> Drop for Undo<'_, W> {
            fn drop(&mut self) {
                self.0.undo(self.1);
            }
        }
        let undo = Undo(wait, &output);
        self.deregister(unclaimed);
        core::mem::forget(undo);
        output
    }

    /// Looks. If the output is not ready, the error contains the registration that is still armed, if any.
    pub(crate) fn look<W: Wait>(&mut self, wait: &mut W) -> Result<W::Output, Option<Key>> {
        match wait.look() {
            (Poll::Ready(output), unclaimed) => Ok(self.finish(wait, output, unclaimed)),
            (Poll::Pending, armed) => Err(armed),
        }
    }

    /// Acts, and finishes the wait if the output is ready.
    pub(crate) fn act<W: Wait>(&mut self, wait: &mut W, arm: Option<Key>) -> Poll<W::Output> {
        match wait.act(arm) {
            // The state was not armed.
            Poll::Ready(output) => Poll::Ready(self.finish(wait, output, arm.filter(|_| W::KEYED))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Polls the future once.
    pub(crate) fn poll<W: Wait>(&mut self, wait: &mut W, waker: &Waker) -> Poll<W::Output>
    where
        N: AsyncNotifier,
    {
        self.try_wait(
            wait,
            |point, key| point.is_registered(key, waker),
            |point| point.register(waker),
        )
    }

    /// Looks, and then registers and acts, unless the registration is still pending.
    fn try_wait<W: Wait>(
        &mut self,
        wait: &mut W,
        is_registered: impl Fn(&mut Self, Key) -> bool,
        register: impl Fn(&mut Self) -> Key,
    ) -> Poll<W::Output> {
        let armed = match self.look(wait) {
            Ok(output) => return Poll::Ready(output),
            Err(armed) => armed,
        };
        let key = if W::KEYED { armed } else { Some(Key::default()) };
        if key.is_some_and(|key| is_registered(self, key)) {
            return Poll::Pending;
        }
        if let Poll::Ready(output) = wait.woken_in_vain() {
            return Poll::Ready(self.finish(wait, output, None));
        }
        // The registration is for another waker, so it has to be ended before a new one is made.
        if key.is_some() {
            self.leave(wait, armed);
        }
        let key = register(self);
        self.act(wait, Some(key))
    }

    /// Blocks until the output is ready or the deadline passes. In the latter case it returns `None`, and the half no longer
    /// waits.
    pub(crate) fn block<W: Wait>(&mut self, wait: &mut W, deadline: Deadline) -> Option<W::Output>
    where
        N: BlockingNotifier,
    {
        let notifier = self.notifier;
        self.block_with(
            wait,
            deadline,
            Self::is_thread_registered,
            Self::register_thread,
            |deadline| notifier.park(deadline),
        )
    }

    /// The same for a notifier that supports tasks.
    #[cfg(feature = "std")]
    pub(crate) fn block_by_waker<W: Wait>(&mut self, wait: &mut W, deadline: Deadline) -> Option<W::Output>
    where
        N: AsyncNotifier,
    {
        self.block_with(
            wait,
            deadline,
            |point, key| with_thread_waker(|waker| point.is_registered(key, waker)),
            |point| with_thread_waker(|waker| point.register(waker)),
            park_thread,
        )
    }

    fn block_with<W: Wait>(
        &mut self,
        wait: &mut W,
        deadline: Deadline,
        is_registered: impl Fn(&mut Self, Key) -> bool,
        register: impl Fn(&mut Self) -> Key,
        park: impl Fn(Deadline),
    ) -> Option<W::Output> {
        if let Poll::Ready(output) = self.spin(wait) {
            return Some(output);
        }
        let mut token = UnparkToken::default();
        let key = register(self);
        let mut outcome = self.act(wait, Some(key));
        loop {
            if let Poll::Ready(output) = outcome {
                return Some(output);
            }
            // Look again immediately before parking, because foreign code that has run since the registration, such as the
            // other half's waker, may have consumed the unpark token.
            let armed = match self.look(wait) {
                Ok(output) => return Some(output),
                Err(armed) => armed,
            };
            if deadline.has_passed() {
                self.leave(wait, armed);
                return None;
            }
            token.is_used = true;
            park(deadline);
            outcome = self.try_wait(wait, &is_registered, &register);
        }
    }

    /// Starts without a registration and looks for a short while, because a hand-over between running threads is faster than
    /// parking.
    pub(crate) fn spin<W: Wait>(&mut self, wait: &mut W) -> Poll<W::Output> {
        match self.look(wait) {
            Ok(output) => return Poll::Ready(output),
            Err(armed @ Some(_)) => self.leave(wait, armed),
            Err(None) => {}
        }
        if let Poll::Ready(output) = self.act(wait, None) {
            return Poll::Ready(output);
        }
        for round in 0..SPIN_ROUNDS {
            pause(round);
            if let Ok(output) = self.look(wait) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    /// Stops waiting although the output is not ready. `armed` is the result of a look.
    #[cold]
    pub(crate) fn leave<W: Wait>(&mut self, wait: &mut W, armed: Option<Key>) {
        let unclaimed = armed.and_then(|_| wait.disarm());
        self.deregister(unclaimed);
    }
}

/// Tracks whether this call has parked its thread and may thus have consumed an unpark that was meant for somebody else.
///
/// A blocking call may run inside a poll of another future, or as the drop of a future there. If that executor also parks its
/// thread, like the one in the documentation of [`Wake`](alloc::task::Wake), then a sibling's waker can only signal through the
/// thread's single unpark token. A call that has parked therefore leaves the token set. At worst, the next park returns
/// spuriously.
#[derive(Default)]
struct UnparkToken {
    is_used: bool,
}

impl Drop for UnparkToken {
    fn drop(&mut self) {
        // Not in a model, where nobody else parks and each spurious return from a park is another round to explore.
        #[cfg(all(feature = "std", not(all(loom, feature = "loom"))))]
        if self.is_used {
            crate::sync::current().unpark();
        }
    }
}

/// Each round spins twice as long as the previous one, as in `crossbeam_utils::Backoff`. Together they take a few microseconds,
/// less than a park and unpark. There is no yielding, since that gives up whole time slices on a busy machine.
const SPIN_ROUNDS: u32 = if cfg!(all(loom, feature = "loom")) { 0 } else { 8 };

pub(crate) fn pause(round: u32) {
    if round >= SPIN_ROUNDS {
        return relax();
    }
    for _ in 0..1 << round {
        spin_loop();
    }
}

/// Calls `f` at least once and for a few microseconds at most, until it returns true.
pub(crate) fn pause_briefly(f: impl Fn() -> bool) {
    for round in 0..=SPIN_ROUNDS {
        if f() {
            return;
        }
        if round < SPIN_ROUNDS {
            pause(round);
        }
    }
}

/// Lets other threads run.
pub(crate) fn relax() {
    #[cfg(feature = "std")]
    crate::sync::yield_now();
    #[cfg(not(feature = "std"))]
    spin_loop();
}

/// The time limit of a blocking call.
///
/// There is no clock without `std`, and therefore no deadline except [`NEVER`](Self::NEVER).
///
/// ```
/// use ref_channel::notifier::Deadline;
///
/// assert!(!Deadline::NEVER.has_passed());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    #[cfg(feature = "std")]
    at: Option<Instant>,
}

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self {
        #[cfg(feature = "std")]
        at: None,
    };

    /// A deadline after the given time, or never if that moment cannot be represented.
    #[cfg(feature = "std")]
    pub(crate) fn after(time: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(time),
        }
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        #[cfg(feature = "std")]
        return self.at.is_some_and(|at| Instant::now() >= at);
        #[cfg(not(feature = "std"))]
        false
    }

    /// The time until the deadline, or `None` if there is no deadline.
    ///
    /// ```
    /// assert_eq!(ref_channel::notifier::Deadline::NEVER.remaining(), None);
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// Panics because a future was polled after it had completed.
#[cold]
#[track_caller]
pub(crate) fn polled_after_completion(name: core::fmt::Arguments<'_>) -> ! {
    panic!("`{name}` polled after completion");
}
