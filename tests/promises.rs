//! What a channel promises to a notifier, seen by one that keeps a journal of the calls.
//!
//! `common/checked.rs` checks the same, and more, of whatever a test does; here are the cases that were once broken.
#![cfg(not(all(loom, feature = "loom")))]
#![cfg(feature = "std")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{Count, dawdle, forget, poll_once, poll_with};
use ref_channel::RefMutChannel;
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notice, Notifier};

// ----- the journal -----------------------------------------------------------------------------------------

/// Which half waits there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Lender,
    Borrower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// With the address of the waiter.
    Registered(Place, usize),
    Deregistered(Place, Option<Key>),
    WaiterDropped(usize),
    SeatDropped(Place),
    NotifierDropped(Place),
}
use Event::{Deregistered, NotifierDropped, Registered, SeatDropped, WaiterDropped};

thread_local! {
    /// What happened on this thread.
    static JOURNAL: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
    /// Is called by the next registration.
    static MEANWHILE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
    /// The next `park` says so here, and panics.
    static PARK_PANICS: Cell<Option<&'static AtomicBool>> = const { Cell::new(None) };
}

fn log(event: Event) {
    JOURNAL.with_borrow_mut(|journal| journal.push(event));
}

/// What happened on this thread since the last call.
fn journal() -> Vec<Event> {
    JOURNAL.take()
}

/// The registrations of borrowers, and their ends, without the addresses.
fn of_borrower(journal: &[Event]) -> Vec<Option<Option<Key>>> {
    let what = |event: &Event| match *event {
        Registered(Place::Borrower, _) => Some(None),
        Deregistered(Place::Borrower, unclaimed) => Some(Some(unclaimed)),
        _ => None,
    };
    journal.iter().filter_map(what).collect()
}

/// Payload of a panic that a test has asked for.
struct Injected;

/// It wakes nobody: who waits here is polled by hand, or looks again and again.
struct Logging<const MANY: bool>(Place);

type LoggingOne = Logging<false>;
type LoggingMany = Logging<true>;

#[derive(Default)]
struct Seat(Option<Place>);

#[derive(Default)]
struct Waiter {
    /// So that each has an address of its own.
    _size: u8,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            log(SeatDropped(place));
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        log(WaiterDropped(std::ptr::from_ref(self).addr()));
    }
}

impl<const MANY: bool> Drop for Logging<MANY> {
    fn drop(&mut self) {
        log(NotifierDropped(self.0));
    }
}

impl<const MANY: bool> Notifier for Logging<MANY> {
    const MANY: bool = MANY;
    type Seat = Seat;
    type Waiter = Waiter;
    const INIT: Self = Self(Place::Borrower);
    const LENDER: Self = Self(Place::Lender);

    unsafe fn notify(&self, _: Notice) {}

    unsafe fn deregister(&self, seat: &mut Seat, unclaimed: Option<Key>) {
        seat.0 = Some(self.0);
        log(Deregistered(self.0, unclaimed));
    }
}

impl<const MANY: bool> AsyncNotifier for Logging<MANY> {
    unsafe fn register(&self, seat: &mut Seat, waiter: Pin<&mut Waiter>, _: &Waker) -> Key {
        // SAFETY: the same promise.
        unsafe { self.register_thread(seat, waiter) }
    }
}

impl<const MANY: bool> BlockingNotifier for Logging<MANY> {
    unsafe fn register_thread(&self, seat: &mut Seat, waiter: Pin<&mut Waiter>) -> Key {
        seat.0 = Some(self.0);
        log(Registered(self.0, std::ptr::from_ref(&*waiter).addr()));
        if let Some(meanwhile) = MEANWHILE.take() {
            meanwhile();
        }
        Key(true)
    }

    fn park(&self, _: Deadline) {
        if let Some(parked) = PARK_PANICS.take() {
            parked.store(true, SeqCst);
            resume_unwind(Box::new(Injected));
        }
        thread::yield_now();
    }
}

impl MultiNotifier for LoggingMany {}

/// No waiter is dropped while it is registered.
fn assert_waiters_outlive_registrations(journal: &[Event]) {
    let mut registered = Vec::new();
    for event in journal {
        match *event {
            Registered(place, waiter) => {
                registered.retain(|&(other, _)| other != place);
                registered.push((place, waiter));
            }
            Deregistered(place, _) => registered.retain(|&(other, _)| other != place),
            WaiterDropped(waiter) => {
                assert!(!registered.iter().any(|&(_, other)| other == waiter), "{journal:?}");
            }
            _ => {}
        }
    }
}

// ----- what was once broken --------------------------------------------------------------------------------

#[test]
fn a_waiter_is_deregistered_before_it_is_dropped_though_park_panics() {
    static PARKED: AtomicBool = AtomicBool::new(false);
    let mut channel = RefMutChannel::<u32, LoggingOne>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 1;
    let (taken, is_taken) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut guard = borrower.borrow_blocking().unwrap();
            taken.send(()).unwrap();
            while !PARKED.load(SeqCst) {
                thread::yield_now();
            }
            dawdle();
            *guard += 1;
        });
        journal();
        let lending = || {
            lender.serve_while(&mut value, |_| {
                is_taken.recv().unwrap();
                PARK_PANICS.set(Some(&PARKED));
            });
        };
        let panic = catch_unwind(AssertUnwindSafe(lending)).expect_err("the panic goes on");
        assert!(panic.is::<Injected>());
    });
    assert_eq!(value, 2, "it waited for the guard");
    let journal = journal();
    assert!(
        journal
            .iter()
            .any(|event| matches!(event, Registered(Place::Lender, _)))
    );
    assert_waiters_outlive_registrations(&journal);
}

#[test]
fn the_seat_of_an_owned_half_is_dropped_before_the_notifier() {
    fn check(lender_goes_first: bool) {
        let (mut lender, mut borrower) = RefMutChannel::<u32, LoggingMany>::new().into_split();
        journal();
        // Both seats are used.
        assert!(poll_once(pin!(borrower.borrow())).is_pending());
        assert!(poll_once(pin!(lender.lend_pinned(1))).is_pending());
        if lender_goes_first {
            drop(lender);
            drop(borrower);
        } else {
            drop(borrower);
            drop(lender);
        }
        let journal = journal();
        for place in [Place::Lender, Place::Borrower] {
            let of = |event| journal.iter().position(|&other| other == event).expect("it is dropped");
            assert!(of(SeatDropped(place)) < of(NotifierDropped(place)), "{journal:?}");
        }
    }
    check(true);
    check(false);
}

#[test]
fn there_is_no_key_when_one_of_many_borrowers_is_deregistered() {
    type Lend = Pin<Box<dyn Future<Output = ()>>>;

    fn check(lends: bool, before_it_registers: bool) {
        let (mut lender, mut borrower) = RefMutChannel::<u32, LoggingMany>::new().into_split();
        let offer = Rc::new(RefCell::new(None::<Lend>));
        let kept = Rc::clone(&offer);
        let step = move || {
            if lends {
                let mut lend: Lend = Box::pin(async move {
                    let _ = lender.lend_pinned(1).await;
                });
                assert!(poll_once(lend.as_mut()).is_pending());
                *kept.borrow_mut() = Some(lend);
            } else {
                drop(lender);
            }
        };
        if before_it_registers {
            step();
        } else {
            MEANWHILE.set(Some(Box::new(step)));
        }
        journal();
        {
            let mut borrow = pin!(borrower.borrow());
            let Poll::Ready(outcome) = poll_once(borrow.as_mut()) else {
                panic!("it waits");
            };
            assert_eq!(outcome.is_ok(), lends);
        }
        drop(borrower);
        drop(offer.take());
        let journal = journal();
        let ends: Vec<_> = of_borrower(&journal).into_iter().flatten().collect();
        assert!(!ends.is_empty() && ends.iter().all(Option::is_none), "{journal:?}");
    }
    for lends in [true, false] {
        check(lends, true);
        check(lends, false);
    }
}

#[test]
fn a_borrower_is_deregistered_before_it_registers_another_waker() {
    fn check<N: AsyncNotifier>(unclaimed: Option<Key>) {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (_lender, mut borrower) = channel.split();
        let mut borrow = pin!(borrower.borrow());
        let (one, other) = (Count::new().1, Count::new().1);
        journal();
        assert!(poll_with(borrow.as_mut(), &one).is_pending());
        assert!(poll_with(borrow.as_mut(), &other).is_pending());
        assert_eq!(of_borrower(&journal()), [None, Some(unclaimed), None]);
    }
    check::<LoggingOne>(Some(Key(true)));
    check::<LoggingMany>(None);
}

#[test]
fn a_borrower_is_deregistered_before_it_blocks_after_a_forgotten_borrow() {
    fn check<N: AsyncNotifier + BlockingNotifier + 'static>(unclaimed: Option<Key>) {
        let mut channel = RefMutChannel::<u32, N>::new();
        let (_lender, mut borrower) = channel.split();
        journal();
        let mut borrow = Box::pin(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        forget(borrow);
        assert!(borrower.borrow_timeout(Duration::ZERO).is_err());
        let journal = journal();
        assert_eq!(of_borrower(&journal)[..3], [None, Some(unclaimed), None], "{journal:?}");
    }
    check::<LoggingOne>(Some(Key(true)));
    check::<LoggingMany>(None);
}
