//! A covariant borrower would give guards through which a short-lived reference can be stored.

use ref_channel::RefMutBorrower;

fn store(borrower: RefMutBorrower<'_, &'static str>) {
    let local = String::from("gone");
    let mut borrower: RefMutBorrower<'_, &str> = borrower;
    *borrower.borrow_blocking().unwrap() = &local;
}

fn main() {}
