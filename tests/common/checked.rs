//! Backends that check what a channel promises to a notifier, see `Notifier`, at every call.
//!
//! A broken promise is printed and aborts the process: a panic might be caught on its way, and pass for one that a test
//! has asked for.
#![allow(dead_code)]

use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use ref_channel::notifier::{
    AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notice, Notifier, WakerQueue, WakerSlot,
};

pub type CheckedSlot = Checked<WakerSlot>;
pub type CheckedQueue = Checked<WakerQueue>;

/// A backend that leaves the work to `N`.
pub struct Checked<N> {
    inner: N,
    /// Only one waits here: the place of the lender, or a backend of one waiter.
    is_single: bool,
    /// Several may notify at a time. For a backend of many waiters that holds at both places.
    may_overlap: bool,
    /// Made by the first call.
    record: Mutex<Option<Arc<Record>>>,
}

#[derive(Default)]
pub struct Seat<S> {
    inner: S,
    state: SeatState,
}

pub struct Waiter<W> {
    inner: W,
    /// Of its last registration.
    link: Option<Arc<Link>>,
    _pin: PhantomPinned,
}

/// What a notifier has in common with the seats that were used at it.
#[derive(Default)]
struct Record(Mutex<Books>);

#[derive(Default)]
struct Books {
    /// The notifier was dropped.
    is_gone: bool,
    /// How many seats were used here, and have not been dropped.
    seats: usize,
    /// Something was registered since the channel was split.
    was_used: bool,
    /// How often somebody was to be woken.
    notices: usize,
    /// How many calls of `notify_with` are under way, and how many of those have not run the transition to its end.
    notifying: usize,
    transitions: usize,
    /// The last registration, of the only seat, until it has ended.
    current: Option<Registration>,
    /// The keys of those that have ended while somebody was about to notify them.
    owed: Vec<Key>,
}

struct Registration {
    key: Key,
    was_notified: bool,
}

struct SeatState {
    record: Option<Arc<Record>>,
    is_busy: AtomicBool,
    /// The waiter that was registered last, until it was deregistered.
    link: Option<Arc<Link>>,
    /// Of one among many: how many notices there had been when it was registered.
    registered_at: Option<usize>,
}

/// Between a waiter that is registered and its seat.
struct Link {
    address: usize,
    is_linked: AtomicBool,
}

/// How many seats have not been used yet.
static UNUSED_SEATS: AtomicIsize = AtomicIsize::new(0);

fn broken(promise: &str) -> ! {
    let place = std::backtrace::Backtrace::force_capture();
    eprintln!("the channel breaks a promise: {promise}\n{place}");
    std::process::abort();
}

#[track_caller]
fn check(holds: bool, promise: &str) {
    if !holds {
        broken(promise);
    }
}

impl Record {
    fn books(&self) -> MutexGuard<'_, Books> {
        // Nobody panics who has them open.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Books {
    fn note(&mut self, notice: Option<Notice>, is_single: bool) {
        let Some(notice) = notice else { return };
        self.notices += 1;
        if !is_single {
            check(
                notice.key == Key::default(),
                "for borrowers of many, the key is the default",
            );
            return;
        }
        if let Some(owed) = self.owed.iter().position(|&key| key == notice.key) {
            self.owed.remove(owed);
            return;
        }
        match &mut self.current {
            Some(current) if current.key == notice.key && !current.was_notified => current.was_notified = true,
            _ => broken("`notify` is called at most once for each registration, and not after its deregistration"),
        }
    }

    /// The registration ends without having been taken back. So it was notified, or somebody is just about to.
    fn end_claimed(&mut self, promise: &str) {
        if let Some(current) = self.current.take() {
            if !current.was_notified {
                check(self.transitions > self.owed.len(), promise);
                self.owed.push(current.key);
            }
        }
    }

    fn transition_is_over(&mut self) {
        self.transitions -= 1;
        check(
            self.owed.len() <= self.transitions,
            "a registration that has ended without its key was notified",
        );
    }
}

// ----- seats and waiters -----------------------------------------------------------------------------------

impl Default for SeatState {
    fn default() -> Self {
        UNUSED_SEATS.fetch_add(1, SeqCst);
        Self {
            record: None,
            is_busy: AtomicBool::new(false),
            link: None,
            registered_at: None,
        }
    }
}

impl SeatState {
    fn unlink(&mut self) {
        self.registered_at = None;
        if let Some(link) = self.link.take() {
            link.is_linked.store(false, SeqCst);
        }
    }
}

impl Drop for SeatState {
    fn drop(&mut self) {
        check(!*self.is_busy.get_mut(), "a seat is not dropped while it is in use");
        match &self.record {
            None => {
                UNUSED_SEATS.fetch_sub(1, SeqCst);
            }
            Some(record) => {
                let mut books = record.books();
                check(!books.is_gone, "a seat is dropped before its notifier");
                books.seats -= 1;
            }
        }
    }
}

/// A call that takes the seat is under way.
struct Busy<'s>(&'s AtomicBool);

impl<'s> Busy<'s> {
    fn new(is_busy: &'s AtomicBool) -> Self {
        check(!is_busy.swap(true, SeqCst), "the calls for one seat do not overlap");
        Self(is_busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl<W: Default> Default for Waiter<W> {
    fn default() -> Self {
        Self {
            inner: W::default(),
            link: None,
            _pin: PhantomPinned,
        }
    }
}

impl<W> Waiter<W> {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn is_linked(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_linked.load(SeqCst))
    }

    fn check_place(&self) {
        if let Some(link) = &self.link {
            check(
                !self.is_linked() || link.address == self.address(),
                "a waiter that is registered stays where it is",
            );
        }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut W> {
        // SAFETY: it is pinned as the whole is: nothing moves it out.
        unsafe { self.map_unchecked_mut(|this| &mut this.inner) }
    }

    fn link(self: Pin<&mut Self>) -> &mut Option<Arc<Link>> {
        // SAFETY: the link is not pinned, and the rest is not moved.
        unsafe { &mut self.get_unchecked_mut().link }
    }
}

impl<W> Drop for Waiter<W> {
    fn drop(&mut self) {
        self.check_place();
        check(
            !self.is_linked(),
            "a waiter is deregistered, or another one is registered in its place, before it is dropped",
        );
    }
}

// ----- the calls -------------------------------------------------------------------------------------------

impl<N: Notifier> Checked<N> {
    const fn new(inner: N, is_single: bool) -> Self {
        Self {
            inner,
            is_single,
            may_overlap: N::MANY,
            record: Mutex::new(None),
        }
    }

    fn record(&self) -> Arc<Record> {
        let mut record = self.record.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Arc::clone(record.get_or_insert_default())
    }

    /// The record, of which the seat is from now on.
    fn seated(&self, seat: &mut SeatState) -> Arc<Record> {
        let record = self.record();
        match &seat.record {
            Some(before) => check(Arc::ptr_eq(before, &record), "a seat is used at one notifier"),
            None => {
                UNUSED_SEATS.fetch_sub(1, SeqCst);
                let mut books = record.books();
                books.seats += 1;
                check(books.seats == 1 || !self.is_single, "there is one seat at a time");
                drop(books);
                seat.record = Some(Arc::clone(&record));
            }
        }
        record
    }

    fn register_by(
        &self,
        seat: &mut Seat<N::Seat>,
        mut waiter: Pin<&mut Waiter<N::Waiter>>,
        f: impl FnOnce(&N, &mut N::Seat, Pin<&mut N::Waiter>) -> Key,
    ) -> Key {
        let record = self.seated(&mut seat.state);
        waiter.check_place();
        if waiter.is_linked() {
            let same = match (&seat.state.link, waiter.as_mut().link()) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                _ => false,
            };
            check(same, "a waiter is registered through one seat");
        }
        {
            let mut books = record.books();
            // Before `f`, for the notification may come before that returns; after it the key is known.
            if self.is_single {
                books.end_claimed("it registers anew after its registration was notified or ended");
            } else if let Some(before) = seat.state.registered_at {
                // Which of many was notified only the backend knows, but somebody was.
                check(
                    books.notices > before || books.transitions > 0,
                    "one among many registers anew after its registration was notified or ended",
                );
            }
            books.was_used = true;
            seat.state.registered_at = Some(books.notices);
        }
        // The old one may go from now on. If `f` panics the new one is not registered.
        let registered_at = seat.state.registered_at;
        seat.state.unlink();
        let key = {
            let _busy = Busy::new(&seat.state.is_busy);
            f(&self.inner, &mut seat.inner, waiter.as_mut().inner())
        };
        let link = Arc::new(Link {
            address: waiter.address(),
            is_linked: AtomicBool::new(true),
        });
        *waiter.link() = Some(Arc::clone(&link));
        seat.state.link = Some(link);
        seat.state.registered_at = registered_at;
        if self.is_single {
            // The channel says that it waits after this, so nobody has notified it yet.
            record.books().current = Some(Registration {
                key,
                was_notified: false,
            });
        }
        key
    }

    fn is_registered_by(
        &self,
        seat: &mut Seat<N::Seat>,
        waiter: Pin<&mut Waiter<N::Waiter>>,
        key: Key,
        f: impl FnOnce(&N, &mut N::Seat, Pin<&mut N::Waiter>) -> bool,
    ) -> bool {
        let record = self.seated(&mut seat.state);
        waiter.check_place();
        if self.is_single {
            let is_last = record
                .books()
                .current
                .as_ref()
                .is_some_and(|current| current.key == key);
            check(
                is_last,
                "`is_registered` is asked with the key of the last registration",
            );
        }
        let _busy = Busy::new(&seat.state.is_busy);
        f(&self.inner, &mut seat.inner, waiter.inner())
    }
}

impl<N> Drop for Checked<N> {
    fn drop(&mut self) {
        let record = self.record.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(record) = record else { return };
        let mut books = record.books();
        books.is_gone = true;
        check(books.notifying == 0, "a notifier is not dropped while it notifies");
        check(
            books.owed.is_empty(),
            "a registration that has ended without its key was notified",
        );
        // A half that was forgotten is there for ever. One that was never used may be of any channel.
        let is_forgotten = books.seats > 0 || (!self.is_single && UNUSED_SEATS.load(SeqCst) > 0);
        check(
            !books.was_used || is_forgotten,
            "`vacate` is called when the half is gone",
        );
    }
}

impl<N: Notifier> Notifier for Checked<N> {
    const MANY: bool = N::MANY;
    type Seat = Seat<N::Seat>;
    type Waiter = Waiter<N::Waiter>;
    const INIT: Self = Self::new(N::INIT, !N::MANY);
    const LENDER: Self = Self::new(N::LENDER, true);

    unsafe fn notify(&self, notice: Notice) {
        self.record().books().note(Some(notice), self.is_single);
        // SAFETY: the same promise.
        unsafe { self.inner.notify(notice) }
    }

    unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        /// Whichever way the call ends.
        struct Notifying<'r>(&'r Record);
        impl Drop for Notifying<'_> {
            fn drop(&mut self) {
                self.0.books().notifying -= 1;
            }
        }

        let record = self.record();
        {
            let mut books = record.books();
            check(
                books.notifying == 0 || self.may_overlap,
                "the calls of `notify_with` do not overlap",
            );
            books.notifying += 1;
        }
        let _notifying = Notifying(&record);
        let noted = || {
            record.books().transitions += 1;
            let notice = transition();
            let mut books = record.books();
            books.note(notice, self.is_single);
            books.transition_is_over();
            notice
        };
        // SAFETY: the same promise.
        unsafe { self.inner.notify_with(noted) }
    }

    unsafe fn deregister(&self, seat: &mut Seat<N::Seat>, unclaimed: Option<Key>) {
        let record = self.seated(&mut seat.state);
        {
            let mut books = record.books();
            if !self.is_single {
                check(unclaimed.is_none(), "for borrowers of many, `deregister` gets no key");
            } else if let Some(key) = unclaimed {
                let is_right = books
                    .current
                    .take()
                    .is_some_and(|current| current.key == key && !current.was_notified);
                check(
                    is_right,
                    "`deregister` gets the key of a registration that was not notified",
                );
            } else {
                books.end_claimed("`deregister` gets the key if the registration was not notified");
            }
        }
        // The drop of a waker may panic in there: the waiter may go all the same.
        let outcome = {
            let _busy = Busy::new(&seat.state.is_busy);
            // SAFETY: the same promise.
            let deregister = || unsafe { self.inner.deregister(&mut seat.inner, unclaimed) };
            catch_unwind(AssertUnwindSafe(deregister))
        };
        seat.state.unlink();
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    unsafe fn vacate(&self) {
        {
            let record = self.record();
            let mut books = record.books();
            check(books.seats == 0, "`vacate` is called when the seats are gone");
            books.was_used = false;
            // A future may have been forgotten after it was notified.
            books.end_claimed("a registration is ended before the half is gone, unless it was notified");
        }
        // SAFETY: the same promise.
        unsafe { self.inner.vacate() }
    }
}

impl<N: AsyncNotifier> AsyncNotifier for Checked<N> {
    unsafe fn register(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>, waker: &Waker) -> Key {
        self.register_by(seat, waiter, |inner, seat, waiter| {
            // SAFETY: the same promise.
            unsafe { inner.register(seat, waiter, waker) }
        })
    }

    unsafe fn is_registered(
        &self,
        seat: &mut Self::Seat,
        waiter: Pin<&mut Self::Waiter>,
        key: Key,
        waker: &Waker,
    ) -> bool {
        self.is_registered_by(seat, waiter, key, |inner, seat, waiter| {
            // SAFETY: the same promise.
            unsafe { inner.is_registered(seat, waiter, key, waker) }
        })
    }
}

impl<N: BlockingNotifier> BlockingNotifier for Checked<N> {
    unsafe fn register_thread(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>) -> Key {
        self.register_by(seat, waiter, |inner, seat, waiter| {
            // SAFETY: the same promise.
            unsafe { inner.register_thread(seat, waiter) }
        })
    }

    unsafe fn is_thread_registered(&self, seat: &mut Self::Seat, waiter: Pin<&mut Self::Waiter>, key: Key) -> bool {
        self.is_registered_by(seat, waiter, key, |inner, seat, waiter| {
            // SAFETY: the same promise.
            unsafe { inner.is_thread_registered(seat, waiter, key) }
        })
    }

    fn park(&self, deadline: Deadline) {
        self.inner.park(deadline);
    }
}

impl<N: MultiNotifier> MultiNotifier for Checked<N> {}
