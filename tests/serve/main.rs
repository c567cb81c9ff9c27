//! Open loans: served to everyone who comes, ended by a withdraw, a deadline, or the last borrower, and never in the way.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

#[path = "../common/mod.rs"]
mod common;

mod blocking;
mod dropped;
mod loans;
mod until;
