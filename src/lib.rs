//! A channel that lends references.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::alloc_instead_of_core
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod borrower;
mod channel;
mod error;
pub mod future;
mod guard;
mod lender;
mod loan;
mod mutability;
pub mod notifier;
mod state;
mod sync;
mod wait;

pub use crate::borrower::{Borrower, RefBorrower, RefMutBorrower};
pub use crate::channel::{Channel, RefChannel, RefMutChannel};
pub use crate::error::{BorrowError, BorrowTimeoutError, LendError, LendTimeoutError, TryBorrowError, TryLendError};
pub use crate::guard::{Guard, RefGuard, RefMutGuard};
pub use crate::lender::{Lender, RefLender, RefMutLender};
pub use crate::mutability::{Exclusive, Mutability, Shared};
