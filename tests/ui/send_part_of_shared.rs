//! The part counts after `map`: that of a value which may be sent need not be one.

use ref_channel::RefGuard;
use std::cell::Cell;
use std::sync::Mutex;

fn main() {}

// Of this crate, for the message would be another one where the sources of std are installed.
fn spawn<R: Send>(_: impl FnOnce() -> R + Send) {}

fn lock_is_shared_but_not_what_is_in_it(guard: RefGuard<'static, (Mutex<Cell<u32>>, Cell<u32>)>) {
    let lock = RefGuard::map(RefGuard::clone(&guard), |pair| &pair.0);
    spawn(move || lock.is_poisoned());
    let cell = RefGuard::map(guard, |pair| &pair.1);
    spawn(move || cell.get());
}
