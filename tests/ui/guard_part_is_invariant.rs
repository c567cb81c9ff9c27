//! A part of an exclusive guard is invariant too.

use ref_channel::RefMutGuard;

fn store(guard: RefMutGuard<'_, (u32, &'static str)>) {
    let local = String::from("gone");
    let mut part: RefMutGuard<'_, &str> = RefMutGuard::map(guard, |pair| &mut pair.1);
    *part = &local;
}

fn main() {}
