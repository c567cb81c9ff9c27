//! A borrower has one guard at a time.

use ref_channel::RefMutBorrower;

fn main() {}

fn borrow(borrower: &mut RefMutBorrower<'_, u32>) {
    let one = borrower.borrow_blocking().unwrap();
    let other = borrower.borrow_blocking().unwrap();
    drop((one, other));
}
