//! A guard that is out when the future is dropped drops the value, perhaps on another thread: even where nothing is sent, that
//! has to be allowed.

use ref_channel::{RefLender, RefMutLender};
use std::rc::Rc;

fn main() {}

fn owned(lender: &mut RefMutLender<'_, Rc<u32>>) {
    drop(lender.lend_owned(Rc::new(1)));
}

fn boxed(lender: &mut RefLender<'_, Rc<u32>>) {
    drop(lender.serve_boxed(Box::new(Rc::new(1))));
}
