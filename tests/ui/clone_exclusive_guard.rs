//! There is one guard of an exclusive loan.

use ref_channel::RefMutGuard;

fn main() {}

fn clone<'b>(guard: &RefMutGuard<'b, u32>) -> RefMutGuard<'b, u32> {
    RefMutGuard::clone(guard)
}
