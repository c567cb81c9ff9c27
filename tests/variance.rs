//! Programs that have to compile: what is covariant, and lifetimes that calls must not tie together.
//!
//! The other half, what must not compile, is in `ui.rs`.
#![cfg(not(all(loom, feature = "loom")))]

use core::future::Future;

use ref_channel::future::{Borrow, Lend, LendPinned, LendStatic, Requested, Serve, ServePinned, TryLend};
use ref_channel::notifier::{AsyncNotifier, Notifier};
use ref_channel::{
    BorrowError, Borrower, Exclusive, Guard, LendError, Lender, Mutability, RefBorrower, RefChannel, RefGuard,
    RefLender, RefMutBorrower, RefMutChannel, RefMutGuard, Shared,
};

/// Lifetimes of halves, futures and guards may be made shorter, in code that knows neither the value nor the notifier.
#[expect(dead_code, reason = "to be compiled")]
mod shorter {
    use super::*;

    macro_rules! shorter {
        ($($name:ident: $type:ident, $wait:ident, [$($bound:tt)*];)*) => { $(
            fn $name<'s, 'l: 's, T: $($bound)* + 'l, M: Mutability, N: $wait + 'l>(
                it: $type<'l, T, M, N>,
            ) -> $type<'s, T, M, N> {
                it
            }
        )* };
    }

    shorter! {
        lender: Lender, Notifier, [?Sized];
        borrower: Borrower, Notifier, [?Sized];
        guard: Guard, Notifier, [?Sized];
        lend: Lend, AsyncNotifier, [?Sized];
        try_lend: TryLend, AsyncNotifier, [?Sized];
        serve: Serve, AsyncNotifier, [?Sized];
        lend_pinned: LendPinned, AsyncNotifier, [Sized];
        serve_pinned: ServePinned, AsyncNotifier, [Sized];
        lend_static: LendStatic, AsyncNotifier, [?Sized + 'static];
        requested: Requested, AsyncNotifier, [?Sized];
        borrow: Borrow, AsyncNotifier, [?Sized];
    }
    #[cfg(feature = "alloc")]
    use ref_channel::future::{LendBoxed, LendOwned, ServeBoxed, ServeOwned};
    #[cfg(feature = "alloc")]
    shorter! {
        lend_owned: LendOwned, AsyncNotifier, [Sized];
        lend_boxed: LendBoxed, AsyncNotifier, [?Sized];
        serve_owned: ServeOwned, AsyncNotifier, [Sized];
        serve_boxed: ServeBoxed, AsyncNotifier, [?Sized];
    }

    /// Halves of two channels are kept in one place.
    struct Both<'a> {
        borrowers: [RefMutBorrower<'a, u32>; 2],
    }

    fn both<'a>(one: RefMutBorrower<'static, u32>, two: RefMutBorrower<'a, u32>) -> Both<'a> {
        Both { borrowers: [one, two] }
    }

    /// A guard is invariant in what it points to, but a shared one can be mapped to what lives shorter.
    fn value<'b, 's>(guard: RefGuard<'b, &'static str>) -> RefGuard<'b, &'s str> {
        RefGuard::map(guard, |text| text)
    }

    /// The same of one that points into the value.
    fn place<'b>(guard: RefGuard<'b, Vec<&str>>) -> Option<RefGuard<'b, str>> {
        RefGuard::filter_map(guard, |list| list.first().copied()).ok()
    }
}

/// Both mutabilities by one piece of code.
#[cfg(feature = "std")]
mod any_mutability {
    use super::*;
    use core::time::Duration;
    use ref_channel::notifier::BlockingNotifier;
    use ref_channel::{Channel, LendTimeoutError, TryLendError};

    /// If the value's lifetime, which nothing makes shorter here, were that of the `&mut` to the lender, the second call
    /// would not compile.
    fn lend_each<'v, T: ?Sized, M: Mutability, N: BlockingNotifier>(
        lender: &mut Lender<'_, T, M, N>,
        values: [M::Ref<'v, T>; 4],
    ) -> (
        Result<(), LendError>,
        Result<(), TryLendError>,
        Result<(), LendTimeoutError>,
    ) {
        let [one, two, three, four] = values;
        let outcomes = (
            lender.lend_blocking(one),
            lender.try_lend_blocking(two),
            lender.lend_timeout(three, Duration::ZERO),
        );
        lender.serve_while(four, |_| ());
        outcomes
    }

    #[test]
    fn values_that_outlive_the_use_of_the_lender_are_lent_one_after_the_other() {
        let gone = (
            Err(LendError(())),
            Err(TryLendError::Disconnected),
            Err(LendTimeoutError::Disconnected),
        );
        let mut numbers = [1, 2, 3, 4];

        let mut channel = RefChannel::<u32>::new();
        let (mut lender, borrower) = channel.split();
        drop(borrower);
        assert_eq!(lend_each(&mut lender, numbers.each_ref()), gone);

        let mut channel = RefMutChannel::<u32>::new();
        let (mut lender, borrower) = channel.split();
        drop(borrower);
        assert_eq!(lend_each(&mut lender, numbers.each_mut()), gone);
    }

    fn sum_of_loans<M: Mutability, N: BlockingNotifier>(mut borrower: Borrower<'_, u32, M, N>) -> u32 {
        let mut sum = 0;
        while let Ok(guard) = borrower.borrow_blocking() {
            sum += *guard;
        }
        sum
    }

    fn lend_to_thread<'v, M: Mutability, N: BlockingNotifier>(values: [M::Ref<'v, u32>; 2]) -> u32
    where
        Channel<u32, M, N>: Send + Sync,
    {
        let mut channel = Channel::<u32, M, N>::new();
        let (mut lender, borrower) = channel.split();
        std::thread::scope(|scope| {
            let sum = scope.spawn(move || sum_of_loans(borrower));
            for value in values {
                lender.lend_blocking(value).unwrap();
            }
            drop(lender);
            sum.join().unwrap()
        })
    }

    #[test]
    fn one_program_lends_shared_and_exclusive() {
        use ref_channel::notifier::{WakerQueue, WakerSlot};
        let mut numbers = [1, 2];
        assert_eq!(lend_to_thread::<Shared, WakerSlot>(numbers.each_ref()), 3);
        assert_eq!(lend_to_thread::<Exclusive, WakerQueue>(numbers.each_mut()), 3);
    }
}

/// The same in async code: each loan of its own, the values longer than all of them.
async fn lend_all<'v, T: ?Sized + 'v, M: Mutability, N: AsyncNotifier>(
    mut lender: Lender<'_, T, M, N>,
    values: impl IntoIterator<Item = M::Ref<'v, T>>,
) -> usize {
    let mut lent = 0;
    for value in values {
        // SAFETY: it is awaited here, and the futures of this function are polled to the end.
        lent += usize::from(unsafe { lender.lend(value) }.await.is_ok());
    }
    lent
}

/// Mutability and lifetimes of no matter what, by a function of the caller's.
async fn with_each<T: ?Sized, M: Mutability, N: AsyncNotifier>(
    mut borrower: Borrower<'_, T, M, N>,
    mut f: impl for<'b> FnMut(Guard<'b, T, M, N>),
) {
    while let Ok(guard) = borrower.borrow().await {
        f(guard);
    }
}

#[test]
fn futures_are_generic_over_the_mutability() {
    let mut numbers = [1, 2, 3];
    let mut channel = RefMutChannel::<u32>::new();
    let (lender, borrower) = channel.split();
    let (lent, ()) = pollster::block_on(async {
        futures::join!(
            lend_all::<_, Exclusive, _>(lender, &mut numbers),
            with_each(borrower, |mut guard| *guard *= 2),
        )
    });
    assert_eq!((lent, numbers), (3, [2, 4, 6]));

    let mut sum = 0;
    let mut channel = RefChannel::<u32>::new();
    let (lender, borrower) = channel.split();
    let (lent, ()) = pollster::block_on(async {
        futures::join!(
            lend_all::<_, Shared, _>(lender, &numbers),
            with_each(borrower, |guard| sum += *guard),
        )
    });
    assert_eq!((lent, sum), (3, 12));
}

/// A future that is kept says how long the value is lent: for as long as the future is, and no longer.
#[test]
fn the_value_is_free_as_soon_as_the_future_is_gone() {
    let mut channel = RefMutChannel::<u32>::new();
    let (mut lender, borrower) = channel.split();
    drop(borrower);
    let mut value = 1;
    for _ in 0..2 {
        // SAFETY: it is awaited.
        let lend = unsafe { lender.lend(&mut value) };
        assert_eq!(pollster::block_on(lend), Err(LendError(())));
        value += 1;
    }
    assert_eq!(value, 3);
}

/// To lend `&'short mut U` safely is to lend it as the value; it comes back with all of its lifetime.
#[test]
fn a_short_lived_reference_is_lent_as_the_value() {
    fn lend<'v>(list: &'v mut Vec<u32>) -> &'v mut Vec<u32> {
        let mut channel = RefMutChannel::<&'v mut Vec<u32>>::new();
        let (mut lender, mut borrower) = channel.split();
        let (list, ()) = pollster::block_on(async {
            futures::join!(lender.lend_pinned(list), async {
                borrower.borrow().await.unwrap().push(2);
            })
        });
        list.unwrap()
    }

    let mut list = vec![1];
    lend(&mut list).push(3);
    assert_eq!(list, [1, 2, 3]);
}

/// A borrower may put what lives as long as the channel's type says into the value, and nothing shorter.
#[test]
fn references_are_stored_through_a_guard() {
    let text = String::from("stored");
    let mut channel = RefMutChannel::<Vec<&str>>::new();
    let (mut lender, mut borrower) = channel.split();
    let (list, ()) = pollster::block_on(async {
        futures::join!(lender.lend_pinned(vec![]), async {
            borrower.borrow().await.unwrap().push(&text);
        })
    });
    assert_eq!(list.unwrap(), ["stored"]);
}

/// A guard is kept in a struct, which then borrows the half, and not the channel for ever.
mod guards_in_structs {
    use super::*;

    struct Session<'b, T: ?Sized, M: Mutability> {
        value: Guard<'b, T, M>,
    }

    impl<'b, T: ?Sized + 'b, M: Mutability> Session<'b, T, M> {
        async fn begin<'a: 'b>(borrower: &'b mut Borrower<'a, T, M>) -> Result<Self, BorrowError> {
            Ok(Self {
                value: borrower.borrow().await?,
            })
        }
    }

    impl<'b, T> Session<'b, (T, T), Exclusive> {
        fn first(self) -> Session<'b, T, Exclusive> {
            Session {
                value: RefMutGuard::map(self.value, |pair| &mut pair.0),
            }
        }
    }

    #[test]
    fn a_struct_holds_a_guard() {
        let mut channel = RefMutChannel::<(u32, u32)>::new();
        let (mut lender, mut borrower) = channel.split();
        let borrow = async {
            let session = Session::begin(&mut borrower).await.unwrap();
            *session.first().value = 7;
        };
        let (pair, ()) = pollster::block_on(async { futures::join!(lender.lend_pinned((1, 2)), borrow) });
        assert_eq!(pair, Ok((7, 2)));
    }
}

/// `run_blocking` is there for halves as people write their types, and for closures of any lifetime.
#[cfg(feature = "std")]
mod run_blocking {
    use super::*;
    use ref_channel::RefMutLender;
    use std::string::String;

    /// With the lifetime that Rust puts in here, which is `'static`.
    struct Pool<'a> {
        jobs: RefMutLender<'a, dyn FnMut() + Send>,
    }

    impl Pool<'_> {
        fn run<R: Send>(&mut self, f: impl FnOnce() -> R + Send) -> R {
            self.jobs.run_blocking(f).ok().unwrap()
        }
    }

    /// With one of the caller's.
    fn length<'d>(jobs: &mut RefMutLender<'_, dyn FnMut() + Send + 'd>, text: &str) -> usize {
        jobs.run_blocking(|| text.len()).unwrap()
    }

    #[test]
    fn closures_borrow_the_stack_and_return_what_borrows_it() {
        let (lender, mut borrower) = RefMutChannel::<dyn FnMut() + Send>::new().into_split();
        let worker = std::thread::spawn(move || {
            while let Ok(mut job) = borrower.borrow_blocking() {
                job();
            }
        });
        let mut pool = Pool { jobs: lender };
        let mut text = String::from("ab");
        pool.run(|| text.push('c'));
        let tail: &str = pool.run(|| &text[1..]);
        assert_eq!(tail, "bc");
        assert_eq!(length(&mut pool.jobs, &text), 3);
        // Lends a closure once more, by the plain call, which wants it to live for ever.
        pool.jobs.lend_blocking(&mut || ()).unwrap();
        drop(pool);
        worker.join().unwrap();
    }
}

/// Halves of a static are `'static`, and so are their guards' lifetimes if the half is.
#[test]
fn halves_of_a_static_need_no_lifetime() {
    static CHANNEL: RefMutChannel<u32> = RefMutChannel::new();

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> {
        task
    }

    let (mut lender, mut borrower) = CHANNEL.try_split().unwrap();
    let task = spawn(async move { *borrower.borrow().await.unwrap() += 1 });
    let (value, ()) = pollster::block_on(async { futures::join!(lender.lend_pinned(1), task) });
    assert_eq!(value, Ok(2));
}

/// What is lent may itself be borrowed from something that outlives the channel only just.
#[test]
fn values_with_lifetimes_of_their_own() {
    struct Frame<'w> {
        world: &'w mut [u32],
    }

    let mut world = [1, 2];
    {
        let mut frame = Frame { world: &mut world };
        let mut channel = RefMutChannel::<Frame<'_>>::new();
        let (mut lender, mut borrower) = channel.split();
        let borrow = async { borrower.borrow().await.unwrap().world[0] = 9 };
        // SAFETY: it is awaited.
        let lend = unsafe { lender.lend(&mut frame) };
        let (outcome, ()) = pollster::block_on(async { futures::join!(lend, borrow) });
        assert_eq!(outcome, Ok(()));
        frame.world[1] = 8;
    }
    assert_eq!(world, [9, 8]);

    let mut channel = RefChannel::<dyn Fn() -> u32 + '_>::new();
    let (mut lender, mut borrower): (RefLender<'_, _>, RefBorrower<'_, _>) = channel.split();
    let sum = || world.iter().sum();
    // SAFETY: it is awaited.
    let lend = unsafe { lender.lend(&sum) };
    let (outcome, seen) =
        pollster::block_on(async { futures::join!(lend, async { borrower.borrow().await.unwrap()() }) });
    assert_eq!((outcome, seen), (Ok(()), 17));
}
