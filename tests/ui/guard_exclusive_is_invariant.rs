//! The published design's guard was covariant: this stored a reference in a value that outlived it.

use ref_channel::{RefMutBorrower, RefMutGuard};

fn store(borrower: &mut RefMutBorrower<'_, &'static str>) {
    let local = String::from("gone");
    let mut guard: RefMutGuard<'_, &str> = borrower.borrow_blocking().unwrap();
    *guard = &local;
}

fn shorter<'b, 's>(guard: RefMutGuard<'b, &'static str>) -> RefMutGuard<'b, &'s str> {
    guard
}

fn main() {}
