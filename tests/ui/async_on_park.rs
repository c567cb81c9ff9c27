//! Tasks cannot wait where threads are parked.

use ref_channel::notifier::Park;
use ref_channel::{RefMutBorrower, RefMutLender};

fn main() {}

async fn borrow(borrower: &mut RefMutBorrower<'_, u32, Park>) {
    borrower.borrow().await.unwrap();
}

fn lend(lender: &mut RefMutLender<'_, u32, Park>) {
    // SAFETY: it is never polled.
    drop(unsafe { lender.lend(&mut 1) });
    // SAFETY: as above.
    drop(unsafe { lender.try_lend(&mut 1) });
    drop(lender.lend_pinned(1));
    drop(lender.lend_static(Box::leak(Box::new(1))));
    drop(lender.lend_boxed(Box::new(1)));
    drop(lender.requested());
}
