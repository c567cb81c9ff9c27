//! A future does not outlive a lifetime that its `T` has, as the half that it comes from.
#![forbid(unsafe_code)]

use ref_channel::Exclusive;
use ref_channel::future::{Borrow, Lend, LendBoxed, LendPinned, LendStatic, Requested, TryLend};

fn lend<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Lend<'l, &'x str, Exclusive>> = None;
}

fn try_lend<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<TryLend<'l, &'x str, Exclusive>> = None;
}

fn lend_owned<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendPinned<'l, &'x str, Exclusive>> = None;
}

fn lend_boxed<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendBoxed<'l, &'x str, Exclusive>> = None;
}

fn lend_static<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<LendStatic<'l, &'x str, Exclusive>> = None;
}

fn requested<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Requested<'l, &'x str, Exclusive>> = None;
}

fn borrow<'l, 'x>(_: &'l (), _: &'x ()) {
    let _: Option<Borrow<'l, &'x str, Exclusive>> = None;
}

fn main() {}
