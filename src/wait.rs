//! How a half waits: by being polled or by blocking. The same steps for each call of either half.

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

/// What one call of a half waits for.
///
/// The state is *armed* while it says "I am waiting" for this half. The other half may then claim the registration at the
/// notifier at any time, and wake it.
pub(crate) trait Wait {
    type Output;

    /// Whether the state says which registration has not been claimed. For the borrowers at a notifier of many waiters only the
    /// notifier knows.
    const KEYED: bool = true;

    /// Goes as far as possible without waiting. The key is that of the registration that nobody has claimed: taken back if this
    /// is the end, and still armed otherwise.
    fn look(&mut self) -> (Poll<Self::Output>, Option<Key>);

    /// Starts if it has not started yet, and goes as far as possible. If that is not the end and there is a key, it arms the
    /// state in the same step. Only called while not armed.
    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output>;

    /// Takes "I am waiting" back. Returns the registration unless it was claimed.
    fn disarm(&mut self) -> Option<Key>;

    /// A look found nothing, and the registration is gone: it was notified, or may have been.
    fn woken_in_vain(&mut self) -> Poll<Self::Output> {
        Poll::Pending
    }

    /// The end was reached, but a panic keeps the output from the caller.
    fn undo(&mut self, output: &Self::Output) {
        let _ = output;
    }
}

/// Where a call waits: a notifier, the half's seat there, and the call's own waiter.
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
        // SAFETY: `Link` keeps the promises about notifications. Those about registrations are kept here: this is called while
        // not armed. The waiter is pinned, and its owner deregisters before it drops it.
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
        // SAFETY: as in `register`; `unclaimed` is what the state says.
        unsafe { self.notifier.deregister(self.seat, unclaimed) };
    }

    /// The last step of each wait.
    #[inline(always)]
    pub(crate) fn finish<W: Wait>(&mut self, wait: &mut W, output: W::Output, unclaimed: Option<Key>) -> W::Output {
        /// If a waker panics in its drop, nobody gets the output.
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

    /// Looks. If that is not the end, there may be a registration that is still armed.
    pub(crate) fn look<W: Wait>(&mut self, wait: &mut W) -> Result<W::Output, Option<Key>> {
        match wait.look() {
            (Poll::Ready(output), unclaimed) => Ok(self.finish(wait, output, unclaimed)),
            (Poll::Pending, armed) => Err(armed),
        }
    }

    /// Acts, and ends the wait if that is the end.
    pub(crate) fn act<W: Wait>(&mut self, wait: &mut W, arm: Option<Key>) -> Poll<W::Output> {
        match wait.act(arm) {
            // It was not armed.
            Poll::Ready(output) => Poll::Ready(self.finish(wait, output, arm.filter(|_| W::KEYED))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// One poll of a future.
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

    /// Looks, then registers and acts, unless the registration is still there.
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
        // The registration is of another waker. It has to go before a new one is made.
        if key.is_some() {
            self.leave(wait, armed);
        }
        let key = register(self);
        self.act(wait, Some(key))
    }

    /// Blocks until the end, or until the deadline: then it is none, and the half does not wait any more.
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

    /// The same for a notifier of tasks.
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
            // Right before it parks: foreign code that ran since it registered, such as the other half's waker, may have used up
            // the unpark.
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

    /// Starts without a registration, and looks for a short while: running threads hand over faster than they park.
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

    /// Does not wait any more, though it is not at the end. `armed` is what a look has found.
    #[cold]
    pub(crate) fn leave<W: Wait>(&mut self, wait: &mut W, armed: Option<Key>) {
        let unclaimed = armed.and_then(|_| wait.disarm());
        self.deregister(unclaimed);
    }
}

/// Whether this call has parked its thread, and so may have used up an unpark that was meant for somebody else.
///
/// A blocking call may run inside somebody else's poll, or be the drop of a future there. If that executor parks its thread
/// in the same way, as the one in the docs of [`Wake`](alloc::task::Wake) does, a sibling's waker has only the one token of the
/// thread to leave its message in. So whoever parked leaves the token set: at worst the next park returns for nothing.
#[derive(Default)]
struct UnparkToken {
    is_used: bool,
}

impl Drop for UnparkToken {
    fn drop(&mut self) {
        // Not in a model: nobody else parks there, and each park that returns for nothing is one more round to explore.
        #[cfg(all(feature = "std", not(all(loom, feature = "loom"))))]
        if self.is_used {
            crate::sync::current().unpark();
        }
    }
}

/// Each round spins twice as long as the one before, as in `crossbeam_utils::Backoff`: together some microseconds, less
/// than it takes to park and unpark. To yield does not pay: on a busy machine that gives away whole time slices.
const SPIN_ROUNDS: u32 = if cfg!(all(loom, feature = "loom")) { 0 } else { 8 };

pub(crate) fn pause(round: u32) {
    if round >= SPIN_ROUNDS {
        return relax();
    }
    for _ in 0..1 << round {
        spin_loop();
    }
}

/// Tries for some microseconds, and at least once, until `f` says that it has done.
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

/// Lets other threads go on.
pub(crate) fn relax() {
    #[cfg(feature = "std")]
    crate::sync::yield_now();
    #[cfg(not(feature = "std"))]
    spin_loop();
}

/// Until when a call blocks.
///
/// Without `std` there is no clock, and none but [`NEVER`](Self::NEVER).
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

    /// In that time, or never if there is no such moment.
    #[cfg(feature = "std")]
    pub(crate) fn after(time: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(time),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn has_passed(self) -> bool {
        #[cfg(feature = "std")]
        return self.at.is_some_and(|at| Instant::now() >= at);
        #[cfg(not(feature = "std"))]
        false
    }

    /// How long it is until then; none if it is never.
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

/// The end of a future that is polled after it had ended.
#[cold]
#[track_caller]
pub(crate) fn polled_after_completion(name: core::fmt::Arguments<'_>) -> ! {
    panic!("`{name}` polled after completion");
}
