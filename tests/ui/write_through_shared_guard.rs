//! A shared guard is to be read through.

use ref_channel::RefGuard;

fn main() {}

fn write(guard: &mut RefGuard<'_, Vec<u32>>) {
    guard.push(1);
}
