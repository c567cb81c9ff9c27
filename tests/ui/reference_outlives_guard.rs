//! What a guard points to is not to be had without the guard.

use ref_channel::RefGuard;

fn by_deref<'b>(guard: RefGuard<'b, String>) -> &'b str {
    &guard
}

fn by_map(guard: RefGuard<'_, String>) {
    let mut leaked = None;
    let _guard = RefGuard::map(guard, |text| {
        leaked = Some(text);
        text
    });
}

fn main() {}
