//! Backends that users write: a plain one, one that checks the promises that it is given, and wrong ones.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{dawdle, message, no_hang, poll_once, rounds};
use ref_channel::notifier::{self, AsyncNotifier, BlockingNotifier, Deadline, Key, Notice, Notifier};
use ref_channel::{LendTimeoutError, RefMutChannel, RefMutLender, TryBorrowError};

// What a test wants to see of, and do to, the threads in the notifiers below.
thread_local! {
    /// Told each time this thread is about to park.
    static PARKS: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
    /// The next notification by this thread says that it has come, and waits, before it wakes.
    static GATE: RefCell<Option<(Sender<()>, Receiver<()>)>> = const { RefCell::new(None) };
}

fn tell_parks() -> Receiver<()> {
    let (tell, parks) = channel();
    PARKS.set(Some(tell));
    parks
}

/// The example of the documentation, over a mutex, with hooks.
struct MutexSlot(Mutex<Option<Waker>>);

impl Notifier for MutexSlot {
    type Seat = ();
    type Waiter = ();
    const INIT: Self = MutexSlot(Mutex::new(None));

    unsafe fn notify(&self, _: Notice) {
        if let Some((come, go_on)) = GATE.take() {
            come.send(()).unwrap();
            go_on.recv().unwrap();
        }
        let waker = self.0.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl AsyncNotifier for MutexSlot {
    unsafe fn register(&self, _: &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
        let waker = waker.clone();
        let old = self.0.lock().unwrap().replace(waker);
        drop(old);
        Key::default()
    }
}

impl BlockingNotifier for MutexSlot {
    unsafe fn register_thread(&self, seat: &mut (), waiter: Pin<&mut ()>) -> Key {
        // SAFETY: the same promise as ours.
        notifier::with_thread_waker(|waker| unsafe { self.register(seat, waiter, waker) })
    }

    fn park(&self, deadline: Deadline) {
        PARKS.with_borrow(|tell| tell.as_ref().map(|tell| tell.send(())));
        notifier::park_thread(deadline);
    }
}

#[test]
fn blocking_over_a_mutex() {
    let mut channel = RefMutChannel::<usize, MutexSlot>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 0;
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..rounds(20_000) {
                *borrower.borrow_blocking().unwrap() += 1;
            }
        });
        while lender.lend_blocking(&mut value).is_ok() {}
    });
    assert_eq!(value, rounds(20_000));
}

#[test]
fn async_over_a_mutex() {
    let mut channel = RefMutChannel::<usize, MutexSlot>::new();
    let (mut lender, mut borrower) = channel.split();
    thread::scope(|scope| {
        scope.spawn(move || {
            pollster::block_on(async {
                for _ in 0..rounds(20_000) {
                    *borrower.borrow().await.unwrap() += 1;
                }
            });
        });
        let value = pollster::block_on(async {
            let mut value = 0;
            loop {
                match lender.lend_pinned(value).await {
                    Ok(back) => value = back,
                    Err(error) => break error.into_inner(),
                }
            }
        });
        assert_eq!(value, rounds(20_000));
    });
}

/// A notification may come late: after its claim, the waiter sees the change by itself, ends that wait and begins the
/// next. A backend that keeps one waker then takes, and wakes, the waker of the *next* wait. A thread that is woken so
/// has to register again before it parks again, as a task does.
#[test]
fn a_late_notification_does_not_use_up_the_lenders_next_wait() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<u32, MutexSlot>::new().into_split();
        let (hand_over, parks) = channel();
        let lending = thread::spawn(move || {
            hand_over.send(tell_parks()).unwrap();
            let mut value = 0;
            lender.lend_blocking(&mut value).unwrap();
            lender.lend_blocking(&mut value).unwrap();
            value
        });
        let parks = parks.recv().unwrap();
        let (come, came) = channel();
        let (go_on, gate) = channel();
        let (again, go_again) = channel();

        let borrowing = thread::spawn(move || {
            let mut guard = borrower.borrow_blocking().unwrap();
            *guard += 1;
            go_again.recv().unwrap();
            GATE.set(Some((come, gate)));
            drop(guard);
            let mut guard = borrower.borrow_blocking().unwrap();
            *guard += 1;
            go_again.recv().unwrap();
            drop(guard);
        });

        parks.recv().unwrap(); // in its first loan
        again.send(()).unwrap();
        came.recv().unwrap(); // the return has claimed the registration, and is late
        lending.thread().unpark(); // as foreign code may do
        parks.recv().unwrap(); // in its second loan
        go_on.send(()).unwrap(); // the late one uses up the waker
        parks.recv().unwrap(); // so it was woken, to no end
        again.send(()).unwrap();
        assert_eq!(lending.join().unwrap(), 2);
        borrowing.join().unwrap();
    });
}

/// The same for the borrower.
#[test]
fn a_late_notification_does_not_use_up_the_borrowers_next_wait() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<u32, MutexSlot>::new().into_split();
        let (hand_over, parks) = channel();
        let borrowing = thread::spawn(move || {
            hand_over.send(tell_parks()).unwrap();
            *borrower.borrow_blocking().unwrap() += 1;
            *borrower.borrow_blocking().unwrap() += 1;
        });
        let parks = parks.recv().unwrap();
        let (come, came) = channel();
        let (go_on, gate) = channel();
        let (again, go_again) = channel();

        let lending = thread::spawn(move || {
            let mut value = 0;
            go_again.recv().unwrap();
            GATE.set(Some((come, gate)));
            lender.lend_blocking(&mut value).unwrap();
            go_again.recv().unwrap();
            lender.lend_blocking(&mut value).unwrap();
            value
        });

        parks.recv().unwrap(); // waits for its first loan
        again.send(()).unwrap();
        came.recv().unwrap(); // the offer has claimed the registration, and is late
        borrowing.thread().unpark(); // it takes, returns, and waits again
        parks.recv().unwrap();
        go_on.send(()).unwrap(); // the late one uses up the waker
        parks.recv().unwrap(); // so it was woken, to no end
        again.send(()).unwrap();
        assert_eq!(lending.join().unwrap(), 2);
        borrowing.join().unwrap();
    });
}

/// Counts the violations of the promises that the documentation of `Notifier` makes; each test has its own `ID`.
struct Checked<const ID: usize> {
    slot: MutexSlot,
    /// How many registrations were made and neither notified nor deregistered as not notified.
    open: AtomicUsize,
    /// A `notify_with` is under way.
    busy: AtomicBool,
}

static VIOLATIONS: [Mutex<Vec<&str>>; 4] = [const { Mutex::new(Vec::new()) }; 4];

impl<const ID: usize> Checked<ID> {
    fn check(fine: bool, what: &'static str) {
        if !fine {
            VIOLATIONS[ID].lock().unwrap().push(what);
        }
    }

    fn close(&self, what: &'static str) {
        let was = self
            .open
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| open.checked_sub(1));
        Self::check(was.is_ok(), what);
    }

    fn verdict() -> Vec<&'static str> {
        VIOLATIONS[ID].lock().unwrap().clone()
    }
}

impl<const ID: usize> Notifier for Checked<ID> {
    /// Whether it is registered, as far as the seat knows.
    type Seat = bool;
    type Waiter = ();
    const INIT: Self = Self {
        slot: MutexSlot::INIT,
        open: AtomicUsize::new(0),
        busy: AtomicBool::new(false),
    };

    unsafe fn notify(&self, notice: Notice) {
        Self::check(notice.key == Key(true), "the key of the registration");
        self.close("a notification without a registration");
        // SAFETY: the same promise.
        unsafe { self.slot.notify(notice) }
    }

    unsafe fn notify_with(&self, transition: impl FnOnce() -> Option<Notice>) {
        Self::check(!self.busy.swap(true, Ordering::SeqCst), "two notifications at a time");
        if let Some(notice) = transition() {
            // SAFETY: the same promise.
            unsafe { self.notify(notice) }
        }
        self.busy.store(false, Ordering::SeqCst);
    }

    unsafe fn deregister(&self, seat: &mut bool, unclaimed: Option<Key>) {
        let registered = std::mem::take(seat);
        if let Some(key) = unclaimed {
            Self::check(key == Key(true), "the key of the registration that is taken back");
            Self::check(registered, "deregistered as not notified, without a registration");
            self.close("deregistered as not notified, but it was");
        }
    }
}

impl<const ID: usize> AsyncNotifier for Checked<ID> {
    unsafe fn register(&self, seat: &mut bool, waiter: Pin<&mut ()>, waker: &Waker) -> Key {
        *seat = true;
        // One that was notified late may be open still.
        Self::check(self.open.fetch_add(1, Ordering::SeqCst) < 2, "too many registrations");
        // SAFETY: the same promise.
        unsafe { self.slot.register(&mut (), waiter, waker) };
        Key(true)
    }
}

impl<const ID: usize> BlockingNotifier for Checked<ID> {
    unsafe fn register_thread(&self, seat: &mut bool, waiter: Pin<&mut ()>) -> Key {
        // SAFETY: the same promise.
        notifier::with_thread_waker(|waker| unsafe { self.register(seat, waiter, waker) })
    }

    fn park(&self, deadline: Deadline) {
        self.slot.park(deadline);
    }
}

#[test]
fn the_promises_to_a_notifier_are_kept_by_threads() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<usize, Checked<0>>::new().into_split();
        let thread = thread::spawn(move || {
            let mut taken = 0;
            for round in 0..rounds(20_000) {
                let guard = match round % 3 {
                    0 => borrower.borrow_timeout(Duration::from_nanos(1)).ok(),
                    1 => borrower.try_borrow().ok(),
                    _ => borrower.borrow_blocking().ok(),
                };
                if let Some(mut guard) = guard {
                    *guard += 1;
                    taken += 1;
                }
            }
            taken
        });
        let mut value = 0;
        for round in 0.. {
            match round % 4 {
                0 => _ = lender.lend_timeout(&mut value, Duration::from_nanos(1)),
                1 => _ = lender.try_lend_blocking(&mut value),
                2 => lender.serve_while(&mut value, |_| thread::yield_now()),
                _ if lender.lend_blocking(&mut value).is_err() => break,
                _ => {}
            }
        }
        assert_eq!(value, thread.join().unwrap());
    });
    assert_eq!(Checked::<0>::verdict(), [""; 0]);
}

#[test]
fn the_promises_to_a_notifier_are_kept_by_tasks() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<usize, Checked<1>>::new().into_split();
        let thread = thread::spawn(move || {
            let mut taken = 0;
            for round in 0..rounds(20_000) {
                if round % 2 == 0 {
                    // Given up, perhaps as the loan is offered.
                    if let Poll::Ready(Ok(mut guard)) = poll_once(pin!(borrower.borrow())) {
                        *guard += 1;
                        taken += 1;
                    }
                } else {
                    *pollster::block_on(borrower.borrow()).unwrap() += 1;
                    taken += 1;
                }
            }
            taken
        });
        let mut value = 0;
        for round in 0.. {
            let back = match round % 4 {
                0 => {
                    let mut lend = pin!(lender.lend_pinned(value));
                    match poll_once(lend.as_mut()) {
                        Poll::Ready(back) => back,
                        Poll::Pending => {
                            lend.as_mut().withdraw();
                            pollster::block_on(lend)
                        }
                    }
                }
                1 => {
                    let _ = poll_once(pin!(lender.requested()));
                    continue;
                }
                2 => {
                    // SAFETY: it is dropped.
                    let _ = poll_once(pin!(unsafe { lender.try_lend(&mut value) }));
                    continue;
                }
                _ => pollster::block_on(lender.lend_pinned(value)),
            };
            match back {
                Ok(back) => value = back,
                Err(error) => {
                    value = error.into_inner();
                    if round % 4 == 3 {
                        break;
                    }
                }
            }
        }
        assert_eq!(value, thread.join().unwrap());
    });
    assert_eq!(Checked::<1>::verdict(), [""; 0]);
}

/// A `serve_while` that had to wait for a forgotten loan does not wait while its closure runs, so nobody is to
/// notify it then: it has deregistered.
#[test]
fn serve_while_after_a_forgotten_loan_is_not_notified_while_its_closure_runs() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<u32, Checked<2>>::new().into_split();
        let mut stale = Box::pin(lender.lend_pinned(1));
        assert!(poll_once(stale.as_mut()).is_pending());
        common::forget(stale);
        let parks = tell_parks();
        let (taken, is_taken) = channel();
        let (go, wait) = channel();
        let (done, is_done) = channel();
        let thread = thread::spawn(move || {
            let guard = borrower.borrow_blocking().unwrap();
            taken.send(()).unwrap();
            parks.recv().unwrap(); // the lender waits for this guard
            drop(guard);
            wait.recv().unwrap();
            *borrower.borrow_blocking().unwrap() += 1;
            done.send(()).unwrap();
        });
        is_taken.recv().unwrap();
        let mut value = 1;
        lender.serve_while(&mut value, |_| {
            go.send(()).unwrap();
            is_done.recv().unwrap();
        });
        assert_eq!(value, 2);
        thread.join().unwrap();
    });
    assert_eq!(Checked::<2>::verdict(), [""; 0]);
}

/// It never wakes anybody. What does not depend on a wake works all the same, and nothing dangles.
struct Silent;

impl Notifier for Silent {
    type Seat = ();
    type Waiter = ();
    const INIT: Self = Silent;

    unsafe fn notify(&self, _: Notice) {}
}

impl AsyncNotifier for Silent {
    unsafe fn register(&self, _: &mut (), _: Pin<&mut ()>, _: &Waker) -> Key {
        Key::default()
    }
}

impl BlockingNotifier for Silent {
    unsafe fn register_thread(&self, _: &mut (), _: Pin<&mut ()>) -> Key {
        Key::default()
    }

    // It may return for no reason at all.
    fn park(&self, _: Deadline) {
        thread::yield_now();
    }
}

#[test]
fn one_that_never_notifies() {
    let mut channel = RefMutChannel::<u32, Silent>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    assert_eq!(
        lender.lend_timeout(&mut value, Duration::from_nanos(1)),
        Err(LendTimeoutError::Timeout)
    );
    {
        let mut lend = pin!(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        *borrower.try_borrow().unwrap() += 1;
        assert_eq!(poll_once(lend.as_mut()), Poll::Ready(Ok(2)));
    }
    assert_eq!(borrower.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    thread::scope(|scope| {
        scope.spawn(move || *borrower.borrow_blocking().unwrap() += 1);
        lender.lend_blocking(&mut value).unwrap();
    });
    assert_eq!(value, 2);
}

/// It wakes, waits at the gate if there is one, and then panics.
struct Panics(MutexSlot);

impl Notifier for Panics {
    type Seat = ();
    type Waiter = ();
    const INIT: Self = Panics(MutexSlot::INIT);

    unsafe fn notify(&self, notice: Notice) {
        let gate = GATE.take();
        // SAFETY: the same promise.
        unsafe { self.0.notify(notice) };
        if let Some((come, go_on)) = gate {
            come.send(()).unwrap();
            go_on.recv().unwrap();
        }
        panic!("notify");
    }
}

impl AsyncNotifier for Panics {
    unsafe fn register(&self, seat: &mut (), waiter: Pin<&mut ()>, waker: &Waker) -> Key {
        // SAFETY: the same promise.
        unsafe { self.0.register(seat, waiter, waker) }
    }
}

impl BlockingNotifier for Panics {
    unsafe fn register_thread(&self, seat: &mut (), waiter: Pin<&mut ()>) -> Key {
        // SAFETY: the same promise.
        unsafe { self.0.register_thread(seat, waiter) }
    }

    fn park(&self, deadline: Deadline) {
        self.0.park(deadline);
    }
}

type PanickingLender<'a> = RefMutLender<'a, u32, Panics>;

/// Lends by `lend` to a borrower that waits: the offer's notification panics once the value has been taken.
/// That panic has to come out of `lend`, and not before the value is back.
fn panics_but_not_while_it_is_out(lend: fn(&mut PanickingLender<'_>, &mut u32)) {
    no_hang(move || {
        let (mut lender, mut borrower) = RefMutChannel::<u32, Panics>::new().into_split();
        let out = Arc::new(AtomicBool::new(false));
        let (hand_over, parks) = channel();
        let (come, _came) = channel();
        let (taken, gate) = channel();
        let borrowing = thread::spawn({
            let out = out.clone();
            move || {
                hand_over.send(tell_parks()).unwrap();
                let mut guard = borrower.borrow_blocking().unwrap();
                out.store(true, Ordering::SeqCst);
                taken.send(()).unwrap();
                dawdle();
                *guard += 1;
                out.store(false, Ordering::SeqCst);
                // The lender may have parked, then its notification panics too, here.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(guard)));
                borrower
            }
        });
        parks.recv().unwrap().recv().unwrap(); // the borrower waits
        GATE.set(Some((come, gate)));
        let mut value = 1;
        let panic = catch_unwind(AssertUnwindSafe(|| lend(&mut lender, &mut value))).unwrap_err();
        assert!(!out.load(Ordering::SeqCst), "it unwound while the value was out");
        assert_eq!(message(panic), "notify");
        assert_eq!(value, 2);

        // And nothing is stuck. Nobody waits in this loan, so nobody is notified.
        let mut borrower = borrowing.join().unwrap();
        lender.serve_while(&mut value, |_| *borrower.try_borrow().unwrap() += 1);
        assert_eq!(value, 3);
    });
}

#[test]
fn no_lend_blocking_unwinds_while_the_value_is_out() {
    panics_but_not_while_it_is_out(|lender, value| _ = lender.lend_blocking(value));
}

#[test]
fn no_try_lend_blocking_unwinds_while_the_value_is_out() {
    panics_but_not_while_it_is_out(|lender, value| _ = lender.try_lend_blocking(value));
}

#[test]
fn no_lend_timeout_unwinds_while_the_value_is_out() {
    panics_but_not_while_it_is_out(|lender, value| _ = lender.lend_timeout(value, Duration::MAX));
}

#[test]
fn no_serve_while_unwinds_while_the_value_is_out() {
    panics_but_not_while_it_is_out(|lender, value| lender.serve_while(value, |_| unreachable!("the offer panicked")));
}

#[test]
fn no_dropped_lend_unwinds_while_the_value_is_out() {
    panics_but_not_while_it_is_out(|lender, value| {
        // SAFETY: it is dropped, by the unwinding.
        let _ = poll_once(pin!(unsafe { lender.lend(value) }));
    });
}
