//! A half does not outlive a lifetime that its `T` has: so no type leads from it to a `T` that is gone.
#![forbid(unsafe_code)]

use ref_channel::{RefBorrower, RefLender, RefMutBorrower, RefMutLender};

fn ref_lender<'a, 'x>(_: &'a (), _: &'x ()) {
    let _: Option<RefLender<'a, &'x str>> = None;
}

fn ref_mut_lender<'a, 'x>(_: &'a (), _: &'x ()) {
    let _: Option<RefMutLender<'a, &'x str>> = None;
}

fn ref_borrower<'a, 'x>(_: &'a (), _: &'x ()) {
    let _: Option<RefBorrower<'a, &'x str>> = None;
}

fn ref_mut_borrower<'a, 'x>(_: &'a (), _: &'x ()) {
    let _: Option<RefMutBorrower<'a, &'x str>> = None;
}

fn main() {}
