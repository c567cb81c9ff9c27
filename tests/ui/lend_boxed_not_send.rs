//! The last guard may free the box, on whatever thread it is.

use ref_channel::RefMutLender;
use std::rc::Rc;

fn main() {}

async fn lend(lender: &mut RefMutLender<'_, Rc<u32>>) {
    lender.lend_boxed(Box::new(Rc::new(1))).await.unwrap();
}
