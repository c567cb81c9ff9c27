use core::pin::Pin;
use core::task::Waker;

use super::{AsyncNotifier, BlockingNotifier, Deadline, Key, MultiNotifier, Notice, Notifier, init_by_new};
use crate::sync::const_unless_loom;
use crate::wait::relax;

/// Any number of waiters, none of which is ever told: each looks again and again.
///
/// A task is polled again at once, a thread spins (and yields, with `std`). It needs nothing, keeps nothing, and
/// a notification costs nothing; the price is a processor that is busy while it waits. It blocks without `std`. There is no
/// fairness: whoever looks at the right moment gets the loan, and a borrower may look at the wrong one for ever.
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
