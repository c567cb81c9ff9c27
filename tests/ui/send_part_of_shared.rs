//! The part counts after `map`: that of a value which may be sent need not be one.

use ref_channel::RefGuard;
use std::cell::Cell;
use std::sync::Mutex;
use std::thread;

fn main() {}

fn lock_is_shared_but_not_what_is_in_it(guard: RefGuard<'static, (Mutex<Cell<u32>>, Cell<u32>)>) {
    let lock = RefGuard::map(RefGuard::clone(&guard), |pair| &pair.0);
    thread::spawn(move || lock.is_poisoned());
    let cell = RefGuard::map(guard, |pair| &pair.1);
    thread::spawn(move || cell.get());
}
