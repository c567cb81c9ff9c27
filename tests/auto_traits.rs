//! Which types are `Send`, `Sync` and `Unpin`, and the futures of programs that use them.
//!
//! Reproduces two faults of the published design: no task with a guard over an `.await` could be spawned on an executor
//! of many threads, and a value that is not `Send` could not be lent even on one thread.
#![cfg(not(all(loom, feature = "loom")))]
#![allow(dead_code, reason = "some functions are there to be compiled")]
#![allow(clippy::manual_async_fn, reason = "the signatures say that the futures are `Send`")]

mod common;

use core::cell::Cell;
use core::error::Error;
use core::fmt::{Debug, Display};
use core::future::Future;
use core::hash::Hash;
use core::marker::PhantomPinned;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::rc::Rc;
use std::sync::MutexGuard;

use ref_channel::future::{Borrow, Lend, LendPinned, LendStatic, Requested, Serve, ServePinned, TryLend, With};
use ref_channel::notifier::{AsyncNotifier, Deadline, Key, Notice, Notifier, QueueNode, Wake, WakerQueue};
use ref_channel::{
    BorrowError, BorrowTimeoutError, Borrower, Channel, Exclusive, LendError, LendTimeoutError, Lender, Mutability,
    RefBorrower, RefChannel, RefGuard, RefLender, RefMutBorrower, RefMutChannel, RefMutGuard, RefMutLender, Shared,
    TryBorrowError, TryLendError,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// `both!(A, B)`: each of them is `Send` and `Sync`.
macro_rules! both {
    ($($type:ty),* $(,)?) => { $(assert_impl_all!($type: Send, Sync);)* };
}

/// `neither!(A, B)`: each of them is neither `Send` nor `Sync`.
macro_rules! neither {
    ($($type:ty),* $(,)?) => { $(assert_not_impl_any!($type: Send, Sync);)* };
}

/// What the halves and the futures that own nothing are, for one notifier.
macro_rules! channel_over {
    ($notifier:ty, $check:ident, $value:ty, $mutability:ty) => {
        $check!(
            Channel<$value, $mutability, $notifier>,
            Lender<'static, $value, $mutability, $notifier>,
            Borrower<'static, $value, $mutability, $notifier>,
            Lend<'static, $value, $mutability, $notifier>,
            TryLend<'static, $value, $mutability, $notifier>,
            LendStatic<'static, $value, $mutability, $notifier>,
            Requested<'static, $value, $mutability, $notifier>,
            Borrow<'static, $value, $mutability, $notifier>,
        );
    };
}

/// What the futures that own a value are, for one notifier.
macro_rules! owned_over {
    ($notifier:ty, $check:ident, $value:ty, $mutability:ty) => {
        $check!(LendPinned<'static, $value, $mutability, $notifier>);
        #[cfg(feature = "alloc")]
        $check!(ref_channel::future::LendBoxed<'static, $value, $mutability, $notifier>);
    };
}

/// Calls one of the macros above for each notifier that tasks can wait at: none of them changes the answer.
macro_rules! each_notifier {
    ($what:ident $(, $argument:tt)*) => {
        $what!(ref_channel::notifier::WakerSlot $(, $argument)*);
        $what!(ref_channel::notifier::WakerQueue $(, $argument)*);
        #[cfg(feature = "atomic-waker")]
        $what!(ref_channel::notifier::AtomicWaker $(, $argument)*);
        #[cfg(feature = "event-listener")]
        $what!(ref_channel::notifier::Event $(, $argument)*);
        #[cfg(feature = "spin")]
        $what!(ref_channel::notifier::Spin $(, $argument)*);
    };
}

macro_rules! channel_is {
    ($check:ident: $value:tt, $mutability:tt) => {
        each_notifier!(channel_over, $check, $value, $mutability);
        #[cfg(feature = "park")]
        $check!(
            Channel<$value, $mutability, ref_channel::notifier::Park>,
            Lender<'static, $value, $mutability, ref_channel::notifier::Park>,
            Borrower<'static, $value, $mutability, ref_channel::notifier::Park>,
        );
    };
}

macro_rules! owned_is {
    ($check:ident: $value:tt, $mutability:tt) => {
        each_notifier!(owned_over, $check, $value, $mutability);
    };
}

/// `Send`, but not `Sync`.
type SendOnly = Cell<u32>;
/// `Sync`, but not `Send`.
type SyncOnly = MutexGuard<'static, u32>;
/// Neither.
type Local = Rc<u32>;
/// Neither, and no part of a type that has destructors.
type Pointer = *const u32;

mod both_traits {
    use super::*;

    channel_is!(both: u32, Shared);
    channel_is!(both: u32, Exclusive);
    owned_is!(both: u32, Shared);
    owned_is!(both: u32, Exclusive);
    both!(RefGuard<'static, u32>, RefMutGuard<'static, u32>);
}

/// What may be sent but not shared: loans of `&mut T` cross threads, loans of `&T` do not.
mod send_only {
    use super::*;

    channel_is!(neither: SendOnly, Shared);
    channel_is!(both: SendOnly, Exclusive);
    owned_is!(neither: SendOnly, Shared);
    owned_is!(both: SendOnly, Exclusive);
    neither!(RefGuard<'static, SendOnly>);
    assert_impl_all!(RefMutGuard<'static, SendOnly>: Send);
    assert_not_impl_any!(RefMutGuard<'static, SendOnly>: Sync);
}

/// What may be shared but not sent: loans of `&T` cross threads, but not the futures that own a `T`.
mod sync_only {
    use super::*;

    channel_is!(both: SyncOnly, Shared);
    channel_is!(neither: SyncOnly, Exclusive);
    owned_is!(neither: SyncOnly, Shared);
    owned_is!(neither: SyncOnly, Exclusive);
    both!(RefGuard<'static, SyncOnly>);
    assert_not_impl_any!(RefMutGuard<'static, SyncOnly>: Send);
    assert_impl_all!(RefMutGuard<'static, SyncOnly>: Sync);
}

mod neither_trait {
    use super::*;

    channel_is!(neither: Local, Shared);
    channel_is!(neither: Local, Exclusive);
    owned_is!(neither: Local, Shared);
    owned_is!(neither: Local, Exclusive);
    neither!(RefGuard<'static, Local>, RefMutGuard<'static, Local>);

    channel_is!(neither: Pointer, Shared);
    channel_is!(neither: Pointer, Exclusive);
    owned_is!(neither: Pointer, Shared);
    owned_is!(neither: Pointer, Exclusive);
    neither!(RefGuard<'static, Pointer>, RefMutGuard<'static, Pointer>);
}

/// Values without a size, with which the pointer is a wide one.
mod unsized_values {
    use super::*;

    type Job = dyn FnMut() + Send;
    type Shown = dyn Debug;

    channel_is!(both: str, Shared);
    channel_is!(both: [u32], Exclusive);
    channel_is!(neither: [SendOnly], Shared);
    channel_is!(both: [SendOnly], Exclusive);
    channel_is!(neither: Job, Shared);
    channel_is!(both: Job, Exclusive);
    channel_is!(neither: Shown, Shared);
    channel_is!(neither: Shown, Exclusive);
    both!(RefGuard<'static, str>, RefMutGuard<'static, [u32]>);
    neither!(RefGuard<'static, dyn Debug + Send>, RefMutGuard<'static, dyn Debug>);
    assert_impl_all!(RefMutGuard<'static, dyn Debug + Send>: Send);
    assert_not_impl_any!(RefMutGuard<'static, dyn Debug + Send>: Sync);
    assert_impl_all!(RefMutGuard<'static, dyn Debug + Sync>: Sync);
    assert_not_impl_any!(RefMutGuard<'static, dyn Debug + Sync>: Send);
}

/// The same for any `T`, lifetime and notifier: no more is asked than the contract says.
mod generic {
    use super::*;

    fn both<X: Send + Sync>() {}
    fn sync<X: Sync>() {}

    fn shared<'a, T: ?Sized + Sync + 'a, N: AsyncNotifier + 'a>() {
        both::<RefChannel<T, N>>();
        both::<RefLender<'a, T, N>>();
        both::<RefBorrower<'a, T, N>>();
        both::<RefGuard<'a, T, N>>();
        both::<Lend<'a, T, Shared, N>>();
        both::<TryLend<'a, T, Shared, N>>();
        both::<Serve<'a, T, Shared, N>>();
        both::<With<'a, T, Shared, N, ()>>();
        both::<Requested<'a, T, Shared, N>>();
        both::<Borrow<'a, T, Shared, N>>();
    }

    fn exclusive<'a, T: ?Sized + Send + 'a, N: AsyncNotifier + 'a>() {
        fn send<X: Send>() {}
        both::<RefMutChannel<T, N>>();
        both::<RefMutLender<'a, T, N>>();
        both::<RefMutBorrower<'a, T, N>>();
        send::<RefMutGuard<'a, T, N>>();
        both::<Lend<'a, T, Exclusive, N>>();
        both::<TryLend<'a, T, Exclusive, N>>();
        both::<Serve<'a, T, Exclusive, N>>();
        both::<With<'a, T, Exclusive, N, ()>>();
        both::<Requested<'a, T, Exclusive, N>>();
        both::<Borrow<'a, T, Exclusive, N>>();
    }

    fn guard_of_shareable<'a, T: ?Sized + Sync + 'a, N: Notifier + 'a>() {
        sync::<RefMutGuard<'a, T, N>>();
    }

    fn owned<'a, T: Send + 'a, N: AsyncNotifier + 'a>() {
        both::<LendPinned<'a, T, Exclusive, N>>();
        both::<ServePinned<'a, T, Exclusive, N>>();
    }

    fn owned_shared<'a, T: Send + Sync + 'a, N: AsyncNotifier + 'a>() {
        both::<LendPinned<'a, T, Shared, N>>();
        both::<ServePinned<'a, T, Shared, N>>();
    }

    #[cfg(feature = "alloc")]
    fn boxed<'a, T: ?Sized + Send + 'a, N: AsyncNotifier + 'a>() {
        both::<ref_channel::future::LendBoxed<'a, T, Exclusive, N>>();
        both::<ref_channel::future::ServeBoxed<'a, T, Exclusive, N>>();
    }

    #[cfg(feature = "alloc")]
    fn in_a_cell<'a, T: Send + 'a, N: AsyncNotifier + 'a>() {
        both::<ref_channel::future::LendOwned<'a, T, Exclusive, N>>();
        both::<ref_channel::future::ServeOwned<'a, T, Exclusive, N>>();
    }

    #[cfg(feature = "alloc")]
    fn in_a_cell_shared<'a, T: Send + Sync + 'a, N: AsyncNotifier + 'a>() {
        both::<ref_channel::future::LendOwned<'a, T, Shared, N>>();
        both::<ref_channel::future::ServeOwned<'a, T, Shared, N>>();
    }

    #[cfg(feature = "alloc")]
    fn boxed_shared<'a, T: ?Sized + Send + Sync + 'a, N: AsyncNotifier + 'a>() {
        both::<ref_channel::future::LendBoxed<'a, T, Shared, N>>();
    }

    fn static_shared<'a, T: ?Sized + Sync + 'static, N: AsyncNotifier + 'a>() {
        both::<LendStatic<'a, T, Shared, N>>();
    }

    fn static_exclusive<'a, T: ?Sized + Send + 'static, N: AsyncNotifier + 'a>() {
        both::<LendStatic<'a, T, Exclusive, N>>();
    }

    /// Where the mutability is a parameter, the channel stands for all that comes of it.
    fn any_mutability<'a, T: ?Sized + 'a, M: Mutability, N: Notifier + 'a>()
    where
        Channel<T, M, N>: Send + Sync,
    {
        both::<Lender<'a, T, M, N>>();
        both::<Borrower<'a, T, M, N>>();
    }
}

mod unpin {
    use super::*;

    // Of a value that must not move once it is pinned there is only a pointer in these.
    assert_impl_all!(Channel<PhantomPinned, Exclusive>: Unpin);
    assert_impl_all!(Lender<'static, PhantomPinned, Exclusive>: Unpin);
    assert_impl_all!(Borrower<'static, PhantomPinned, Exclusive>: Unpin);
    assert_impl_all!(RefGuard<'static, PhantomPinned>: Unpin);
    assert_impl_all!(RefMutGuard<'static, PhantomPinned, WakerQueue>: Unpin);
    assert_impl_all!(Borrow<'static, PhantomPinned, Shared>: Unpin);
    assert_impl_all!(Borrow<'static, PhantomPinned, Exclusive>: Unpin);
    #[cfg(feature = "atomic-waker")]
    assert_impl_all!(Borrow<'static, PhantomPinned, Exclusive, ref_channel::notifier::AtomicWaker>: Unpin);
    #[cfg(feature = "event-listener")]
    assert_impl_all!(Borrow<'static, PhantomPinned, Exclusive, ref_channel::notifier::Event>: Unpin);
    #[cfg(feature = "spin")]
    assert_impl_all!(Borrow<'static, PhantomPinned, Exclusive, ref_channel::notifier::Spin>: Unpin);

    // The queue is linked through the futures.
    assert_not_impl_any!(QueueNode: Unpin);
    assert_not_impl_any!(Borrow<'static, u32, Shared, WakerQueue>: Unpin);
    assert_not_impl_any!(Borrow<'static, u32, Exclusive, WakerQueue>: Unpin);
    assert_not_impl_any!(Lend<'static, u32, Exclusive, WakerQueue>: Unpin);
    assert_not_impl_any!(Requested<'static, u32, Exclusive, WakerQueue>: Unpin);

    // Borrowers point into it, so it must not move even if the value could.
    assert_not_impl_any!(LendPinned<'static, u32, Shared>: Unpin);
    assert_not_impl_any!(LendPinned<'static, u32, Exclusive>: Unpin);

    fn unless_the_waiter_is_not<'p, 'b, T: ?Sized, M: Mutability, N: AsyncNotifier<Waiter: Unpin>>(
        borrow: &'p mut Borrow<'b, T, M, N>,
    ) -> Pin<&'p mut Borrow<'b, T, M, N>> {
        Pin::new(borrow)
    }
}

mod errors {
    use super::*;

    /// Has no trait at all, not even `Debug`.
    pub struct Bare;

    assert_impl_all!(LendError<Bare>: Debug, Display, Error, Send, Sync);
    assert_not_impl_any!(LendError<Bare>: Clone, Copy, PartialEq, Eq);
    assert_impl_all!(LendError<&'static mut Local>: Debug, Display, Error);
    assert_impl_all!(LendError<String>: Clone, PartialEq, Eq, Send, Sync);
    assert_not_impl_any!(LendError<String>: Copy);
    assert_impl_all!(LendError: Copy, Eq, Error, Send, Sync);
    neither!(LendError<Local>);
    assert_not_impl_any!(LendError<SendOnly>: Sync);

    assert_impl_all!(BorrowError: Copy, Eq, Debug, Display, Error, Send, Sync, Unpin);
    assert_impl_all!(TryLendError: Copy, Eq, Hash, Debug, Display, Error, Send, Sync, Unpin);
    assert_impl_all!(TryBorrowError: Copy, Eq, Hash, Debug, Display, Error, Send, Sync, Unpin);
    assert_impl_all!(LendTimeoutError: Copy, Eq, Hash, Debug, Display, Error, Send, Sync, Unpin);
    assert_impl_all!(BorrowTimeoutError: Copy, Eq, Hash, Debug, Display, Error, Send, Sync, Unpin);

    #[test]
    fn lend_error_tells_nothing_of_the_value() {
        let error: Box<dyn Error> = Box::new(LendError(Bare));
        assert_eq!(error.to_string(), "the loan was not borrowed");
        assert_eq!(format!("{error:?}"), "LendError(..)");
    }
}

/// After a caught panic a channel can be used: it holds no value that could be in disorder.
mod unwind_safe {
    use super::*;
    use core::panic::{RefUnwindSafe, UnwindSafe};

    assert_impl_all!(Channel<SendOnly, Shared>: UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Channel<SendOnly, Exclusive, WakerQueue>: UnwindSafe, RefUnwindSafe);
    assert_impl_all!(RefLender<'static, SendOnly>: UnwindSafe, RefUnwindSafe);
    assert_impl_all!(RefMutBorrower<'static, dyn FnMut() + Send>: UnwindSafe, RefUnwindSafe);
    assert_impl_all!(RefMutGuard<'static, u32>: UnwindSafe, RefUnwindSafe);
    // The value may be.
    assert_not_impl_any!(RefMutGuard<'static, SendOnly>: UnwindSafe, RefUnwindSafe);
}

/// With the crate `futures`, a `select!` asks whether a future has ended.
#[cfg(feature = "futures-core")]
mod fused {
    use super::*;
    use futures::future::FusedFuture;

    assert_impl_all!(Lend<'static, str, Shared>: FusedFuture);
    assert_impl_all!(TryLend<'static, str, Exclusive>: FusedFuture);
    assert_impl_all!(LendPinned<'static, u32, Exclusive, WakerQueue>: FusedFuture);
    assert_impl_all!(LendStatic<'static, str, Shared>: FusedFuture);
    #[cfg(feature = "alloc")]
    assert_impl_all!(ref_channel::future::LendBoxed<'static, str, Shared>: FusedFuture);
    assert_impl_all!(Requested<'static, str, Shared>: FusedFuture);
    assert_impl_all!(Borrow<'static, str, Exclusive, WakerQueue>: FusedFuture);
}

mod notifiers {
    use super::*;

    both!(ref_channel::notifier::WakerSlot, WakerQueue, QueueNode);
    both!(ref_channel::notifier::QueueSeat, Key, Wake, Notice, Deadline);
    #[cfg(feature = "atomic-waker")]
    both!(ref_channel::notifier::AtomicWaker);
    #[cfg(feature = "event-listener")]
    both!(ref_channel::notifier::Event, ref_channel::notifier::EventSeat);
    #[cfg(feature = "spin")]
    both!(ref_channel::notifier::Spin);
    #[cfg(feature = "park")]
    both!(ref_channel::notifier::Park);
    both!(Shared, Exclusive);
}

/// Is pending once, so that what a task holds is held over an `.await`.
#[derive(Default)]
struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A guard over an `.await`, for any value that may be sent.
fn hold_exclusive<'a, T: ?Sized + Send + 'a, N: AsyncNotifier + 'a>(
    mut borrower: RefMutBorrower<'a, T, N>,
    mut work: impl FnMut(&mut T) + Send + 'a,
) -> impl Future<Output = ()> + Send + 'a {
    async move {
        while let Ok(mut guard) = borrower.borrow().await {
            YieldNow::default().await;
            work(&mut guard);
        }
    }
}

/// A guard over an `.await`, for any value that may be shared.
fn hold_shared<'a, T: ?Sized + Sync + 'a, N: AsyncNotifier + 'a>(
    mut borrower: RefBorrower<'a, T, N>,
    mut work: impl FnMut(&T) + Send + 'a,
) -> impl Future<Output = ()> + Send + 'a {
    async move {
        while let Ok(guard) = borrower.borrow().await {
            let other = RefGuard::clone(&guard);
            YieldNow::default().await;
            work(&guard);
            drop(guard);
            YieldNow::default().await;
            work(&other);
        }
    }
}

/// All async loans of one lender, over an `.await`, for any value that may be sent.
fn lend_exclusive<'a, T: Send + 'static, N: AsyncNotifier + 'a>(
    mut lender: RefMutLender<'a, T, N>,
    mut value: T,
    fixed: &'static mut T,
) -> impl Future<Output = T> + Send + 'a {
    async move {
        lender.requested().await.unwrap();
        // SAFETY: it is awaited here, and whoever calls this function polls its future to the end.
        unsafe { lender.lend(&mut value) }.await.unwrap();
        // SAFETY: as above.
        let _ = unsafe { lender.try_lend(&mut value) }.await;
        let _ = lender.lend_static(fixed).await.unwrap();
        lender.lend_pinned(value).await.unwrap()
    }
}

/// The same for any value that may be shared, and sent for the sake of the future that owns it.
fn lend_shared<'a, T: Send + Sync + 'static, N: AsyncNotifier + 'a>(
    mut lender: RefLender<'a, T, N>,
    value: T,
    fixed: &'static T,
) -> impl Future<Output = T> + Send + 'a {
    async move {
        lender.requested().await.unwrap();
        // SAFETY: it is awaited here, and whoever calls this function polls its future to the end.
        unsafe { lender.lend(&value) }.await.unwrap();
        // SAFETY: as above.
        let _ = unsafe { lender.try_lend(&value) }.await;
        let _ = lender.lend_static(fixed).await.unwrap();
        lender.lend_pinned(value).await.unwrap()
    }
}

/// A value that may only be shared, or that is not `'static`, is lent by reference.
fn lend_references<'a, T: ?Sized + Sync, N: AsyncNotifier + 'a>(
    mut lender: RefLender<'a, T, N>,
    value: &'a T,
) -> impl Future<Output = ()> + Send + 'a {
    async move {
        // SAFETY: it is awaited here, and whoever calls this function polls its future to the end.
        while unsafe { lender.lend(value) }.await.is_ok() {}
    }
}

/// What compilers once rejected with "implementation of `Send` is not general enough": lifetimes of the value itself,
/// and of functions that work for every lifetime, in a future that has to be `Send`.
mod general_enough {
    use super::*;

    type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    pub fn short_lived_values<'a, 'v: 'a>(
        mut lender: RefMutLender<'a, &'v mut [u32]>,
        mut borrower: RefMutBorrower<'a, &'v mut [u32]>,
        list: &'v mut [u32],
    ) -> Boxed<'a> {
        Box::pin(async move {
            let borrow = async {
                let mut guard = RefMutGuard::map(borrower.borrow().await.unwrap(), |list| &mut list[0]);
                YieldNow::default().await;
                *guard += 1;
            };
            let (list, ()) = futures::join!(lender.lend_pinned(list), borrow);
            YieldNow::default().await;
            list.unwrap()[0] += 1;
        })
    }

    pub fn functions<'a>(
        mut lender: RefMutLender<'a, dyn for<'x> FnMut(&'x str) -> &'x str + Send + 'a>,
        mut borrower: RefMutBorrower<'a, dyn for<'x> FnMut(&'x str) -> &'x str + Send + 'a>,
        mut f: impl for<'x> FnMut(&'x str) -> &'x str + Send + 'a,
    ) -> Boxed<'a> {
        Box::pin(async move {
            let borrow = async {
                let mut guard = borrower.borrow().await.unwrap();
                YieldNow::default().await;
                assert_eq!(guard("ab"), "b");
            };
            // SAFETY: it is awaited here, and whoever calls this function polls its future to the end.
            let lend = unsafe { lender.lend(&mut f) };
            futures::join!(async { lend.await.unwrap() }, borrow);
        })
    }

    /// An async function of a trait, whose lifetimes the caller does not name.
    trait Work {
        fn work(&mut self, borrower: &mut RefMutBorrower<'_, str>) -> impl Future<Output = usize> + Send;
    }

    impl Work for u32 {
        async fn work(&mut self, borrower: &mut RefMutBorrower<'_, str>) -> usize {
            let guard = borrower.borrow().await.unwrap();
            YieldNow::default().await;
            guard.len() + *self as usize
        }
    }

    fn of_any_worker<'a, W: Work + Send + 'a>(mut worker: W, mut borrower: RefMutBorrower<'a, str>) -> Boxed<'a> {
        Box::pin(async move {
            worker.work(&mut borrower).await;
        })
    }
}

#[test]
fn short_lived_values_and_functions_are_lent_in_boxed_send_futures() {
    let mut list = [1, 2];
    let mut channel = RefMutChannel::new();
    let (lender, borrower) = channel.split();
    pollster::block_on(general_enough::short_lived_values(lender, borrower, &mut list));
    assert_eq!(list, [3, 2]);

    let mut channel = RefMutChannel::new();
    let (lender, borrower) = channel.split();
    pollster::block_on(general_enough::functions(lender, borrower, |text| &text[1..]));
}

/// The published design's guard was never `Send`: no executor of many threads took a task that held it.
// Not for Miri: what is lent as `'static` here is leaked.
#[cfg(all(feature = "alloc", not(miri)))]
#[test]
fn tasks_with_guards_and_loans_are_spawned_on_an_executor_of_threads() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    static SEEN: AtomicU32 = AtomicU32::new(0);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        // A value that is `Send` and not `Sync`.
        let (lender, borrower) = RefMutChannel::<Cell<u32>>::new().into_split();
        let worker = tokio::spawn(hold_exclusive(borrower, |value| *value.get_mut() += 1));
        let fixed = common::leak(Cell::new(0));
        let lent = tokio::spawn(lend_exclusive(lender, Cell::new(0), fixed)).await.unwrap();
        worker.await.unwrap();
        // `lend` and `lend_owned`, and `try_lend` if the worker was quick.
        assert!((2..=3).contains(&lent.get()), "{lent:?}");

        let (lender, borrower) = RefChannel::<Arc<u32>, WakerQueue>::new().into_split();
        let workers = [borrower.clone(), borrower].map(|borrower| {
            tokio::spawn(hold_shared(borrower, |value: &Arc<u32>| {
                SEEN.fetch_add(**value, Ordering::Relaxed);
            }))
        });
        let fixed: &'static Arc<u32> = common::leak(Arc::new(1));
        let lent = tokio::spawn(lend_shared(lender, Arc::new(1), fixed)).await.unwrap();
        for worker in workers {
            worker.await.unwrap();
        }
        // Three loans were taken for sure, and each is looked at twice.
        assert!(SEEN.load(Ordering::Relaxed) >= 6);
        assert_eq!(Arc::strong_count(&lent), 1);
    });
}

/// After `map` it is the part that counts: of a value that is bound to its thread another may have a part that is not.
#[cfg(feature = "std")]
#[test]
fn a_part_that_is_send_is_sent() {
    struct Mixed {
        _here: Rc<()>,
        anywhere: u32,
    }
    let mut value = Mixed {
        _here: Rc::new(()),
        anywhere: 1,
    };

    let mut channel = RefMutChannel::<Mixed>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&mut value, |_| {
        let mut part = RefMutGuard::map(borrower.try_borrow().unwrap(), |value| &mut value.anywhere);
        std::thread::scope(|scope| {
            scope.spawn(move || *part += 1);
        });
    });
    assert_eq!(value.anywhere, 2);

    let mut channel = RefChannel::<Mixed>::new();
    let (mut lender, mut borrower) = channel.split();
    let seen = lender.serve_while(&value, |_| {
        let part = RefGuard::map(borrower.try_borrow().unwrap(), |value| &value.anywhere);
        std::thread::scope(|scope| scope.spawn(move || *part).join().unwrap())
    });
    assert_eq!(seen, 2);
}

/// The published design asked for `T: Send` on its methods too.
mod on_one_thread {
    use super::*;

    #[test]
    fn what_is_not_send_is_lent_by_every_future() {
        fn seen(value: &Rc<u32>) {
            assert_eq!(Rc::strong_count(value), 1);
        }
        let mut channel = RefMutChannel::<Rc<u32>>::new();
        let (mut lender, mut borrower) = channel.split();
        let lend = async {
            let mut value = Rc::new(0);
            lender.requested().await.unwrap();
            // SAFETY: it is awaited in a future that is polled to its end.
            unsafe { lender.try_lend(&mut value) }.await.unwrap();
            // SAFETY: as above.
            unsafe { lender.lend(&mut value) }.await.unwrap();
            let value = lender.lend_pinned(value).await.unwrap();
            assert_eq!(*value, 3);
            let value = lender.lend_static(common::leak(Rc::new(0))).await.unwrap();
            assert_eq!(**value, 1);
            drop(lender);
        };
        let borrow = async {
            while let Ok(mut guard) = borrower.borrow().await {
                YieldNow::default().await;
                seen(&guard);
                *Rc::get_mut(&mut guard).unwrap() += 1;
            }
        };
        pollster::block_on(async { futures::join!(lend, borrow) });

        let mut channel = RefChannel::<Rc<u32>>::new();
        let (mut lender, mut borrower) = channel.split();
        let lend = async {
            let value = Rc::new(5);
            lender.requested().await.unwrap();
            // SAFETY: it is awaited in a future that is polled to its end.
            unsafe { lender.try_lend(&value) }.await.unwrap();
            // SAFETY: as above.
            unsafe { lender.lend(&value) }.await.unwrap();
            assert_eq!(*lender.lend_pinned(value).await.unwrap(), 5);
            let value: &'static Rc<u32> = common::leak(Rc::new(0));
            assert_eq!(**lender.lend_static(value).await.unwrap(), 0);
            drop(lender);
        };
        let mut loans = 0;
        let borrow = async {
            while let Ok(guard) = borrower.borrow().await {
                YieldNow::default().await;
                seen(&guard);
                loans += 1;
            }
        };
        pollster::block_on(async { futures::join!(lend, borrow) });
        assert_eq!(loans, 4);
    }

    #[cfg(feature = "std")]
    #[test]
    fn what_is_not_send_is_lent_by_every_blocking_call() {
        let mut value = Rc::new(0);
        let mut channel = RefMutChannel::<Rc<u32>>::new();
        let (mut lender, mut borrower) = channel.split();
        let taken = lender.serve_while(&mut value, |_| {
            *Rc::get_mut(&mut borrower.try_borrow().unwrap()).unwrap() += 1;
            *Rc::get_mut(&mut borrower.borrow_blocking().unwrap()).unwrap() += 1;
            *Rc::get_mut(&mut borrower.borrow_timeout(core::time::Duration::MAX).unwrap()).unwrap() += 1;
            borrower
        });
        assert_eq!(lender.try_lend_blocking(&mut value), Err(TryLendError::NotRequested));
        let outcome = lender.lend_timeout(&mut value, core::time::Duration::ZERO);
        assert_eq!(outcome, Err(LendTimeoutError::Timeout));
        drop(taken);
        assert_eq!(lender.lend_blocking(&mut value), Err(LendError(())));
        assert_eq!(*value, 3);

        let mut channel = RefChannel::<Rc<u32>>::new();
        let (mut lender, mut borrower) = channel.split();
        let other = lender.serve_while(&value, |_| Rc::clone(&borrower.borrow_blocking().unwrap()));
        assert!(Rc::ptr_eq(&value, &other));
    }
}
