use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};

use event_listener::{EventListener, IntoNotification};

use super::{AsyncNotifier, Key, MultiNotifier, Notice, Notifier, Wake, block_by_waker, init_by_new};
use crate::sync::const_unless_loom;

/// Any number of waiters, in the `Event` of the crate [event-listener](https://docs.rs/event-listener).
///
/// Each wait allocates a listener. They are woken in the order in which they came. A borrower that was woken, but found that
/// another one had been quicker, waits at the end again; newcomers then wait behind it, so each of those that wait gets a loan.
///
/// The crate calls wakers under its own lock, so a waker that comes back to the same channel from within
/// `wake` may hang; and it does not survive every waker that panics: those that wait there may then not be woken any
/// more. No loan is left dangling by that.
///
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

/// What a half keeps of its waiting at an [`Event`]. Opaque: it appears in signatures only.
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
    // In the half, not in the future: a listener that was forgotten would swallow a notification.
    type Seat = EventSeat;
    type Waiter = ();

    init_by_new!();

    unsafe fn notify(&self, notice: Notice) {
        match notice.wake {
            // One more, also if somebody who was woken before has not come yet.
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
            // Notified since it began to listen, one line above. Were that used up in silence, a loan might be left to those that
            // starve, of whom nobody was woken for it. So the waiter comes back, as one that was woken.
            seat.0 = None;
            waker.wake_by_ref();
        }
        Key::default()
    }

    unsafe fn is_registered(&self, seat: &mut EventSeat, _: Pin<&mut ()>, _: Key, waker: &Waker) -> bool {
        let Some(listener) = &mut seat.0 else { return false };
        // That leaves `waker` with it, too.
        let is_there = Pin::new(listener).poll(&mut Context::from_waker(waker)).is_pending();
        if !is_there {
            seat.0 = None;
        }
        is_there
    }
}

impl MultiNotifier for Event {}

block_by_waker!(Event);
