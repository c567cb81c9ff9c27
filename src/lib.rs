//! A channel that lends references.
//!
//! A **lender** has a `&T` or a `&mut T` to something that cannot leave its place: a game's world inside a frame
//! callback, a database connection bound to its thread, a buffer on the stack. It lends it to another task, thread or
//! executor. The **borrower** gets a guard that dereferences to the value; when the guard is dropped, the lender has
//! its value back. Nothing is moved, copied, locked or required to be `'static`, and a loan allocates nothing.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use ref_channel::RefMutChannel;
//!
//! let mut channel = RefMutChannel::<Vec<u32>>::new();
//! let (mut lender, mut borrower) = channel.split();
//!
//! let mut list = vec![1, 2]; // on this stack
//! std::thread::scope(|scope| {
//!     scope.spawn(move || {
//!         let mut guard = borrower.borrow_blocking().unwrap();
//!         guard.push(3); // from another thread
//!     });
//!     lender.lend_blocking(&mut list).unwrap(); // until the guard is dropped
//! });
//! assert_eq!(list, [1, 2, 3]);
//! # }
//! ```
//!
//! The same between tasks, of one executor or of two:
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use ref_channel::RefMutChannel;
//! let (mut lender, mut borrower) = RefMutChannel::<String>::new().into_split();
//! let task = async move {
//!     for _ in 0..3 {
//!         borrower.borrow().await.unwrap().push('!'); // a guard may be held over an `.await`
//!     }
//! };
//! let owner = async move { lender.serve_owned("hello".to_string()).await };
//! // With the crate `futures`. Or `spawn` them, on any executor.
//! let (text, ()) = futures::executor::block_on(async { futures::join!(owner, task) });
//! assert_eq!(text, "hello!!!");
//! # }
//! ```
//!
//! # Where to go on
//!
//! - [`guide`]: once, or to everyone who comes? Which call, and how to stop. With diagrams.
//! - [`Lender`], [`Borrower`], [`Guard`]: what there is to call.
//! - [`notifier`]: how the halves wait, which backends there are, and how to write one.
//! - [`soundness`]: why it is sound, and how that is checked.
//! - [`faq`]: why is `lend` unsafe, why not a mutex, what deadlocks.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `std` | yes | blocking calls with all backends, timeouts, `run_blocking`; implies `alloc` |
//! | `alloc` | with `std` | owned halves ([`Channel::into_split`]), owned and boxed loans ([`Lender::lend_owned`], [`Lender::lend_boxed`] and their serves) |
//! | `atomic-waker` | no | the backend `AtomicWaker` |
//! | `event-listener` | no | the backend `Event`; implies `alloc` |
//! | `spin` | no | the backend `Spin`: it blocks without `std` |
//! | `park` | no | the backend `Park`; implies `std` |
//! | `futures-core` | no | `FusedFuture` for the futures |
//! | `portable-atomic` | no | atomics for targets without compare-and-swap, from the crate of that name |
//! | `critical-section` | no | the same by critical sections; implies `portable-atomic` |
//! | `loom` | no | for this crate's own models |
//!
//! Features only add. Without any the crate is `no_std`, allocates nothing, and has no dependencies; with the default
//! ones it has none either.
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
mod handle;
mod lender;
mod loan;
mod mutability;
pub mod notifier;
mod request;
mod state;
mod sync;
mod wait;

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[doc = include_str!("../docs/soundness.md")]
pub mod soundness {}

#[doc = include_str!("../docs/faq.md")]
pub mod faq {}

/// The README's examples are tests, too.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(all(loom, feature = "loom"))]
#[doc(hidden)]
pub use crate::sync::explore_leaving;

pub use crate::borrower::{Borrower, RefBorrower, RefMutBorrower};
pub use crate::channel::{Channel, RefChannel, RefMutChannel};
pub use crate::error::{
    BorrowError, BorrowTimeoutError, LendError, LendTimeoutError, ServeTimeoutError, TryBorrowError, TryLendError,
};
pub use crate::guard::{Guard, RefGuard, RefMutGuard};
pub use crate::lender::{Lender, RefLender, RefMutLender, Serving};
pub use crate::mutability::{Exclusive, Mutability, Shared};
