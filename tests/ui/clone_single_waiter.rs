//! Of a channel with one waiter there is one borrower; the message says what to use.

use ref_channel::notifier::AtomicWaker;
use ref_channel::{RefBorrower, RefMutBorrower};

fn main() {}

fn by_method(borrower: RefMutBorrower<'_, u32>) {
    drop(borrower.clone());
}

fn by_name(borrower: RefBorrower<'_, u32, AtomicWaker>) {
    drop(Clone::clone(&borrower));
}
