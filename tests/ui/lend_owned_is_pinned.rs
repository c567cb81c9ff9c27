//! Borrowers point into the future that owns the value: it must not move.

use core::pin::Pin;
use core::task::Context;
use ref_channel::RefMutLender;

fn main() {}

fn poll_then_move(lender: &mut RefMutLender<'_, u32>, cx: &mut Context<'_>) {
    let mut lend = lender.lend_owned(1);
    let _ = Future::poll(Pin::new(&mut lend), cx);
    drop(Box::new(lend));
}
