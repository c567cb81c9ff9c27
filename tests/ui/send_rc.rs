//! A `&mut Rc` on another thread could change the count while this thread does.

use ref_channel::{RefMutBorrower, RefMutChannel};
use std::rc::Rc;

fn main() {}

// Of this crate, for the message would be another one where the sources of std are installed.
fn spawn<R: Send>(_: impl FnOnce() -> R + Send) {}

static CHANNEL: RefMutChannel<Rc<u32>> = RefMutChannel::new();

fn borrower() {
    let (_lender, mut borrower) = RefMutChannel::<Rc<u32>>::new().into_split();
    spawn(move || drop(borrower.borrow_blocking()));
}

fn task(mut borrower: RefMutBorrower<'static, Rc<u32>>) -> impl Future<Output = ()> + Send {
    async move { drop(borrower.borrow().await) }
}
