//! The futures are as invariant as the halves that they come from.

use ref_channel::Exclusive;
use ref_channel::future::{Borrow, LendPinned};

fn borrow<'l, 's>(future: Borrow<'l, &'static str, Exclusive>) -> Borrow<'l, &'s str, Exclusive> {
    future
}

fn lend_owned<'l, 's>(future: LendPinned<'l, &'s str, Exclusive>) -> LendPinned<'l, &'static str, Exclusive> {
    future
}

fn main() {}
