//! A `&mut Rc` on another thread could change the count while this thread does.

use ref_channel::{RefMutBorrower, RefMutChannel};
use std::rc::Rc;
use std::thread;

fn main() {}

static CHANNEL: RefMutChannel<Rc<u32>> = RefMutChannel::new();

fn borrower() {
    let (_lender, mut borrower) = RefMutChannel::<Rc<u32>>::new().into_split();
    thread::spawn(move || drop(borrower.borrow_blocking()));
}

fn task(mut borrower: RefMutBorrower<'static, Rc<u32>>) -> impl Future<Output = ()> + Send {
    async move { drop(borrower.borrow().await) }
}
