//! Threads cannot wait where a notifier knows tasks only.

use core::pin::Pin;
use core::task::Waker;
use ref_channel::notifier::{AsyncNotifier, Key, Notice, Notifier};
use ref_channel::{RefMutBorrower, RefMutLender};

struct Tasks;

impl Notifier for Tasks {
    type Seat = ();
    type Waiter = ();
    const INIT: Self = Tasks;

    unsafe fn notify(&self, _: Notice) {}
}

impl AsyncNotifier for Tasks {
    unsafe fn register(&self, _: &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
        waker.wake_by_ref();
        Key::default()
    }
}

fn main() {}

fn borrow(borrower: &mut RefMutBorrower<'_, u32, Tasks>) {
    borrower.borrow_blocking().unwrap();
}

fn lend(lender: &mut RefMutLender<'_, u32, Tasks>) {
    lender.lend_blocking(&mut 1).unwrap();
    lender.serve_while(&mut 1, |_| ());
}

fn run(lender: &mut RefMutLender<'_, dyn FnMut() + Send, Tasks>) {
    lender.run_blocking(|| ()).unwrap();
}
