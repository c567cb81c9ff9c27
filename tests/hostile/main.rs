//! Wakers, notifiers, destructors and closures that do the worst: they panic, and they come back to the channel from
//! within. The channel has to stay usable, to leak nothing but what was forgotten, and to alias nothing.
#![cfg(not(all(loom, feature = "loom")))]
#![cfg(feature = "std")]

#[path = "../common/mod.rs"]
mod common;

mod destructors;
mod inline_executors;
mod moving_threads;
mod notifiers;
mod panicking_wakers;
mod tools;
