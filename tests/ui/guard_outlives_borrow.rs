//! A guard lives no longer than the borrow of the half that it came from.

use ref_channel::{RefMutBorrower, RefMutGuard};

fn escape<'a>(mut borrower: RefMutBorrower<'a, u32>) -> RefMutGuard<'a, u32> {
    borrower.borrow_blocking().unwrap()
}

fn main() {}
