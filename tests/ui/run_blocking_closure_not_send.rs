//! The closure runs on another thread.

use ref_channel::RefMutLender;
use std::rc::Rc;

fn main() {}

fn run(lender: &mut RefMutLender<'_, dyn FnMut() + Send>, value: Rc<u32>) -> u32 {
    lender.run_blocking(|| *value).unwrap()
}
