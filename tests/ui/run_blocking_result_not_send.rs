//! What it returns comes from there.

use ref_channel::RefMutLender;
use std::rc::Rc;

fn main() {}

fn run(lender: &mut RefMutLender<'_, dyn FnMut() + Send>) -> Rc<u32> {
    lender.run_blocking(|| Rc::new(1)).unwrap()
}
