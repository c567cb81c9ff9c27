//! Two threads with a `&Cell` would race: neither halves nor guards nor futures of one may be sent.

use core::cell::Cell;
use ref_channel::{RefChannel, RefGuard};

fn main() {}

// Of this crate, for the message would be another one where the sources of std are installed.
fn spawn<R: Send>(_: impl FnOnce() -> R + Send) {}

fn borrower() {
    let (_lender, mut borrower) = RefChannel::<Cell<u32>>::new().into_split();
    spawn(move || borrower.borrow_blocking().unwrap().set(1));
}

fn lender() {
    let (mut lender, _borrower) = RefChannel::<Cell<u32>>::new().into_split();
    spawn(move || lender.lend_blocking(&Cell::new(1)));
}

fn guard(guard: RefGuard<'static, Cell<u32>>) {
    spawn(move || guard.set(1));
}
