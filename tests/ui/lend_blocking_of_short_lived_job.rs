//! The plain call takes the lifetime of the `dyn` type at its word: `run_blocking` is what borrows the stack.

use ref_channel::RefMutLender;

fn main() {}

fn lend(lender: &mut RefMutLender<'_, dyn FnMut() + Send>, text: &mut String) {
    lender.lend_blocking(&mut || text.clear()).unwrap();
}
