//! A part may point out of the future that owns the value. If that is forgotten, a guard outlives what the value refers to, so the
//! value must not refer to anything short-lived.

use core::pin::pin;
use ref_channel::{RefMutBorrower, RefMutGuard, RefMutLender};

fn main() {}

async fn longer<'b>(
    lender: &mut RefMutLender<'static, [u8]>,
    borrower: &'b mut RefMutBorrower<'static, [u8]>,
) -> RefMutGuard<'b, [u8]> {
    let mut array = [0; 4];
    let mut lend = Box::pin(lender.lend_pinned_as(&mut array, |array| &mut **array));
    let _ = pin!(&mut lend);
    let guard = borrower.borrow().await.unwrap();
    core::mem::forget(lend);
    guard
}
