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

/// Something to wait for: one call of a half.
///
/// "Armed" is that the state says "I am waiting": a registration at the notifier that may be claimed at any time.
pub(crate) trait Wait {
    type Output;

    /// Whether the state knows which registration was not notified. Of the borrowers at a notifier of many waiters it
    /// does not: there only the notifier knows.
    const KEYED: bool = true;

    /// Whether it may be armed, or has otherwise something to look at.
    fn started(&self) -> bool;

    /// Goes as far as can be without waiting or starting.
    fn look(&mut self) -> Poll<Self::Output>;

    /// Starts if need be, goes as far as can be, and if that is not the end says in the same step, given the key
    /// of a registration, "I am waiting". It is not armed before.
    fn act(&mut self, arm: Option<Key>) -> Poll<Self::Output>;

    /// The end was reached, but its output is lost to a panic.
    fn undo(&mut self) {}

    /// The registration that the last look or act left armed. Always none unless `KEYED`.
    fn armed(&self) -> Option<Key>;

    /// It was started, and its registration is not there any more, though a look has found nothing: it was notified, or
    /// may have been. Looks again if that makes a difference.
    fn woken_in_vain(&mut self) -> Poll<Self::Output> {
        Poll::Pending
    }

    /// Takes "I am waiting" back; the registration if nobody had claimed it.
    fn disarm(&mut self) -> Option<Key>;

    /// After the end: the registration, if it was over before anybody claimed it.
    fn unclaimed(&mut self) -> Option<Key>;
}

/// Where a call waits: a notifier, the half's seat there, and the call's own waiter.
pub(crate) struct Place<'p, N: Notifier> {
    pub(crate) notifier: &'p N,
    pub(crate) seat: &'p mut N::Seat,
    pub(crate) waiter: Pin<&'p mut N::Waiter>,
}

impl<N: Notifier> Place<'_, N> {
    #[inline(always)]
    pub(crate) fn register(&mut self, waker: &Waker) -> Key
    where
        N: AsyncNotifier,
    {
        // SAFETY: `Link` keeps the promises about notifications, and `Wait` those about registrations: it is
        // called when not armed. The waiter is pinned, and whoever owns it deregisters before it drops it.
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

    /// The last thing at the end of each wait.
    fn finish<W: Wait>(&mut self, wait: &mut W, output: W::Output, unclaimed: Option<Key>) -> Poll<W::Output> {
        /// If a waker panics in its drop, nobody gets the output.
        struct Undo<'w, W: Wait>(&'w mut W);
        impl<W: Wait> Drop for Undo<'_, W> {
            fn drop(&mut self) {
                self.0.undo();
            }
        }
        let undo = Undo(wait);
        self.deregister(unclaimed);
        core::mem::forget(undo);
        Poll::Ready(output)
    }

    /// Looks, and is done with waiting if that is the end.
    pub(crate) fn look<W: Wait>(&mut self, wait: &mut W) -> Poll<W::Output> {
        match wait.look() {
            Poll::Ready(output) => {
                let unclaimed = wait.unclaimed();
                self.finish(wait, output, unclaimed)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Acts, and is done with waiting if that is the end.
    pub(crate) fn act<W: Wait>(&mut self, wait: &mut W, arm: Option<Key>) -> Poll<W::Output> {
        match wait.act(arm) {
            // It was not armed.
            Poll::Ready(output) => self.finish(wait, output, arm.filter(|_| W::KEYED)),
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
            |place, key| place.is_registered(key, waker),
            |place| place.register(waker),
        )
    }

    /// Looks, then registers and acts, unless it is registered already. If it was started, it has registered before.
    fn try_wait<W: Wait>(
        &mut self,
        wait: &mut W,
        is_registered: impl Fn(&mut Self, Key) -> bool,
        register: impl Fn(&mut Self) -> Key,
    ) -> Poll<W::Output> {
        // The first time it has to be told anyway.
        if wait.started() {
            if let Poll::Ready(output) = self.look(wait) {
                return Poll::Ready(output);
            }
            let key = if W::KEYED { wait.armed() } else { Some(Key::default()) };
            if key.is_some_and(|key| is_registered(self, key)) {
                return Poll::Pending;
            }
            if let Poll::Ready(output) = wait.woken_in_vain() {
                let unclaimed = wait.unclaimed();
                return self.finish(wait, output, unclaimed);
            }
            if !W::KEYED || wait.armed().is_some() {
                self.leave(wait);
            }
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
            |place, key| with_thread_waker(|waker| place.is_registered(key, waker)),
            |place| with_thread_waker(|waker| place.register(waker)),
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
        let mut token = Token::default();
        let key = register(self);
        let mut outcome = self.act(wait, Some(key));
        loop {
            if let Poll::Ready(output) = outcome {
                return Some(output);
            }
            // Right before it parks: foreign code, as the other half's waker, may have used up the unpark.
            if let Poll::Ready(output) = self.look(wait) {
                return Some(output);
            }
            if deadline.has_passed() {
                self.leave(wait);
                return None;
            }
            token.used = true;
            park(deadline);
            outcome = self.try_wait(wait, &is_registered, &register);
        }
    }

    /// Starts without a registration, and looks for a short while: running threads hand over faster than
    /// they park.
    pub(crate) fn spin<W: Wait>(&mut self, wait: &mut W) -> Poll<W::Output> {
        if let Poll::Ready(output) = self.look(wait) {
            return Poll::Ready(output);
        }
        if wait.armed().is_some() {
            self.leave(wait);
        }
        if let Poll::Ready(output) = self.act(wait, None) {
            return Poll::Ready(output);
        }
        for round in 0..SPIN_ROUNDS {
            pause(round);
            if let Poll::Ready(output) = self.look(wait) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    /// Does not wait any more, though it is not at the end.
    #[cold]
    pub(crate) fn leave<W: Wait>(&mut self, wait: &mut W) {
        let unclaimed = wait.armed().and_then(|_| wait.disarm());
        self.deregister(unclaimed);
    }
}

/// Whether this call has parked its thread, and so may have used up an unpark that was meant for somebody else.
///
/// A blocking call may run inside somebody else's poll, or be the drop of a future there. If that executor parks its thread
/// in the same way, as the one in the docs of [`Wake`](alloc::task::Wake) does, a sibling's waker has only the one token of the
/// thread to leave its message in. So whoever parked leaves the token set: at worst the next park returns for nothing.
#[derive(Default)]
struct Token {
    used: bool,
}

impl Drop for Token {
    fn drop(&mut self) {
        // Not in a model: nobody else parks there, and each park that returns for nothing is one more round to explore.
        #[cfg(all(feature = "std", not(all(loom, feature = "loom"))))]
        if self.used {
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
