use core::pin::Pin;
use core::task::Waker;

use super::{AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notice, Notifier, init_by_new};
use crate::sync::const_unless_loom;
use crate::wait::relax;

/// Any number of waiters that poll instead of being notified.
///
/// A task is polled again immediately, and a thread spins (and yields, with `std`). It stores nothing, notifications are free,
/// and blocking works without `std`. The price is that waiting keeps a processor busy. It is not fair: a borrower gets the loan
/// if it looks at the right moment, and an unlucky one may never get it.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use ref_channel::{RefChannel, notifier::Spin};
///
/// let mut channel = RefChannel::<str, Spin>::new();
/// let (mut lender, mut borrower) = channel.split();
/// std::thread::scope(|scope| {
///     scope.spawn(move || assert_eq!(&*borrower.borrow_blocking().unwrap(), "hello"));
///     lender.lend_blocking("hello").unwrap();
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Spin(());

impl Spin {
    const_unless_loom! {
        const fn new() -> Self {
            Self(())
        }
    }
}

impl Notifier for Spin {
    const MANY: bool = true;
    type Seat = ();
    type Waiter = ();

    init_by_new!();

    unsafe fn notify(&self, _: Notice) {}
}

impl AsyncNotifier for Spin {
    unsafe fn register(&self, (): &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
        waker.wake_by_ref();
        Key::default()
    }
}

impl BlockingNotifier for Spin {
    unsafe fn register_thread(&self, (): &mut (), _: Pin<&mut ()>) -> Key {
        Key::default()
    }

    fn park(&self, _: Deadline) {
        relax();
    }
}

impl MultiNotifier for Spin {}
