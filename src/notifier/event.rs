use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};

use event_listener::{EventListener, IntoNotification};

use super::{AsyncNotifier, Key, MultiNotifier, Notice, Notifier, Wake, block_by_waker, init_by_new};
use crate::sync::const_unless_loom;

/// Any number of waiters, using the `Event` of the crate [event-listener](https://docs.rs/event-listener).
///
/// Each wait allocates a listener. Waiters are woken in order of arrival. A borrower that is woken but finds the loan already
/// taken by another one goes to the back of the queue. Newcomers then wait behind it, so every waiting borrower gets a loan.
///
/// The crate calls wakers while holding its own lock, so a waker that re-enters the channel from `wake` may deadlock. It does
/// not survive every panicking waker either: after such a panic, other waiters may not be woken. This never leaves a loan
/// dangling.
/// ```
/// # #[cfg(feature = "std")] {
/// use ref_channel::{RefChannel, notifier::Event};
///
/// let mut channel = RefChannel::<str, Event>::new();
/// let (mut lender, borrower) = channel.split();
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         let mut borrower = borrower.clone();
///         scope.spawn(move || assert_eq!(borrower.borrow_blocking().unwrap().len(), 5));
///     }
///     drop(borrower);
///     // Until both have seen it and are gone.
///     while lender.lend_blocking("hello").is_ok() {}
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Event(event_listener::Event);

/// A half's persistent wait state at an [`Event`]. Opaque: it only appears in signatures.
#[derive(Debug, Default)]
pub struct EventSeat(Option<EventListener>);

impl Event {
    const_unless_loom! {
        const fn new() -> Self {
            Self(event_listener::Event::new())
        }
    }
}

impl Notifier for Event {
    const MANY: bool = true;
    // Stored in the half, not in the future: a forgotten listener would swallow a notification.
    type Seat = EventSeat;
    type Waiter = ();

    init_by_new!();

    unsafe fn notify(&self, notice: Notice) {
        match notice.wake {
            // One more, even if a waiter that was notified earlier has not run yet.
            Wake::One => self.0.notify(1.additional()),
            Wake::All => self.0.notify(usize::MAX),
        };
    }

    unsafe fn deregister(&self, seat: &mut EventSeat, _: Option<Key>) {
        seat.0 = None;
    }
}

impl AsyncNotifier for Event {
    unsafe fn register(&self, seat: &mut EventSeat, _: Pin<&mut ()>, waker: &Waker) -> Key {
        let listener = seat.0.get_or_insert_with(|| self.0.listen());
        if Pin::new(listener).poll(&mut Context::from_waker(waker)).is_ready() {
            // It was notified between `listen`, one line above, and this poll. If that notification were dropped here, a loan
            // could be reserved for starving borrowers, none of which has been woken for it. So wake the task: it comes back as
            // a woken waiter.
            seat.0 = None;
            waker.wake_by_ref();
        }
        Key::default()
    }

    unsafe fn is_registered(&self, seat: &mut EventSeat, _: Pin<&mut ()>, _: Key, waker: &Waker) -> bool {
        let Some(listener) = &mut seat.0 else { return false };
        // Polling also stores `waker` in the listener.
        let is_there = Pin::new(listener).poll(&mut Context::from_waker(waker)).is_pending();
        if !is_there {
            seat.0 = None;
        }
        is_there
    }
}

impl MultiNotifier for Event {}

block_by_waker!(Event);
