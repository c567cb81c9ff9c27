use core::pin::Pin;

use super::slot::{Slot, Target};
use super::{BlockingNotifier, Deadline, Key, Notice, Notifier, init_by_new, park_thread};
use crate::sync::{Thread, const_unless_loom, current};

/// A single waiting thread, which is parked. For channels between threads, without async code.
///
/// It works like [`WakerSlot`](super::WakerSlot), but stores a thread handle instead of a waker. The futures are not available
/// with it:
///
/// ```
/// use ref_channel::{RefMutChannel, notifier::Park};
///
/// let mut channel = RefMutChannel::<[u8], Park>::new();
/// let (mut lender, mut borrower) = channel.split();
/// let mut buffer = [0; 4];
/// std::thread::scope(|scope| {
///     scope.spawn(move || borrower.borrow_blocking().unwrap().fill(7));
///     lender.lend_blocking(&mut buffer).unwrap();
/// });
/// assert_eq!(buffer, [7; 4]);
/// ```
///
/// ```compile_fail,E0277
/// # use ref_channel::{RefMutChannel, notifier::Park};
/// let mut channel = RefMutChannel::<u32, Park>::new();
/// let (_lender, mut borrower) = channel.split();
/// let _ = borrower.borrow(); // futures cannot wait at the notifier `Park`
/// ```
#[derive(Debug)]
pub struct Park(Slot<Thread, 2>);

impl Target for Thread {
    fn is_same(&self, other: &Self) -> bool {
        self.id() == other.id()
    }

    fn wake_by_ref(&self) {
        self.unpark();
    }
}

impl Park {
    const_unless_loom! {
        const fn new() -> Self {
            Self(Slot::of_two_cells())
        }
    }
}

impl Notifier for Park {
    type Seat = ();
    type Waiter = ();

    init_by_new!();

    unsafe fn notify(&self, notice: Notice) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.notify(notice) }
    }

    unsafe fn deregister(&self, (): &mut (), unclaimed: Option<Key>) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.deregister(unclaimed) }
    }

    #[cold]
    unsafe fn vacate(&self) {
        self.0.vacate();
    }
}

impl BlockingNotifier for Park {
    unsafe fn register_thread(&self, (): &mut (), _: Pin<&mut ()>) -> Key {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.register(&current()) }.expect("there are two cells")
    }

    unsafe fn is_thread_registered(&self, (): &mut (), _: Pin<&mut ()>, key: Key) -> bool {
        self.0.holds(key, &current())
    }

    fn park(&self, deadline: Deadline) {
        park_thread(deadline);
    }
}
