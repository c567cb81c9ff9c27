//! Models of the real code: loom runs each one in every order that the memory model allows.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom,atomic-waker,event-listener,spin,park --test loom
//! ```
//!
//! With `-- --nocapture` each model prints how many interleavings it explored, and with which bound of preemptions.
#![cfg(all(loom, feature = "loom"))]
#![expect(clippy::arc_with_non_send_sync, reason = "a thread of a model is no thread")]

mod common;

mod blocking;
mod bounds;
mod boxed;
mod cancel;
mod disconnect;
mod fair;
mod faults;
mod forgotten;
mod loan;
mod many;
mod requested;
mod retained;
mod serve;
mod shared;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod stacks;
mod timeout;
mod try_lend;
mod wakers;
mod withdraw;
