//! The halves on the executors that people use, and on different ones, over every backend.
#![cfg(all(feature = "std", not(miri), not(all(loom, feature = "loom"))))]

mod common;

use std::future::Future;
use std::sync::LazyLock;
use std::thread;

use common::{backends, no_hang};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier};
use ref_channel::{RefBorrower, RefChannel, RefLender, RefMutBorrower, RefMutChannel, RefMutLender};

/// A value in which a loan that is not alone would be seen.
#[derive(Debug, Default, PartialEq)]
struct Ledger {
    loans: u64,
    sum: u64,
    copies: [u64; 6],
}

impl Ledger {
    fn work(&mut self, round: u64) {
        assert_eq!(self.copies, [self.sum; 6]);
        self.loans += 1;
        self.sum = self.sum.wrapping_mul(31).wrapping_add(round);
        self.copies = [self.sum; 6];
    }

    /// What it should be after so many rounds.
    fn after(loans: u64) -> Self {
        let mut ledger = Self::default();
        (0..loans).for_each(|round| ledger.work(round));
        ledger
    }
}

type Lender<N> = RefMutLender<'static, Ledger, N>;
type Borrower<N> = RefMutBorrower<'static, Ledger, N>;

/// Lends until the borrower is gone, in each way in turn, and returns the value.
async fn lend_all<N: AsyncNotifier>(mut lender: Lender<N>) -> Ledger {
    let mut ledger = Ledger::default();
    for round in 0_u64.. {
        ledger = if round % 2 == 0 {
            match lender.lend_pinned(ledger).await {
                Ok(ledger) => ledger,
                Err(error) => return error.into_inner(),
            }
        } else {
            match lender.lend_boxed(Box::new(ledger)).await {
                Ok(ledger) => *ledger,
                Err(error) => return *error.into_inner(),
            }
        };
    }
    unreachable!("the borrower goes before")
}

/// Borrows so many times, and holds some guards over an `.await`.
async fn borrow_all<N: AsyncNotifier, F: Future<Output = ()>>(
    mut borrower: Borrower<N>,
    loans: u64,
    yield_now: impl Fn() -> F,
) {
    for round in 0..loans {
        let mut guard = borrower.borrow().await.unwrap();
        guard.work(round);
        if round % 16 == 0 {
            yield_now().await;
        }
        assert_eq!(guard.loans, round + 1);
    }
}

fn lend_all_blocking<N: BlockingNotifier>(mut lender: Lender<N>) -> Ledger {
    let mut ledger = Ledger::default();
    while lender.lend_blocking(&mut ledger).is_ok() {}
    ledger
}

fn borrow_all_blocking<N: BlockingNotifier>(mut borrower: Borrower<N>, loans: u64) {
    for round in 0..loans {
        borrower.borrow_blocking().unwrap().work(round);
    }
}

fn halves<N: AsyncNotifier + 'static>() -> (Lender<N>, Borrower<N>) {
    RefMutChannel::new().into_split()
}

/// With one processor, who spins keeps it for its time slice, so that a loan takes some milliseconds.
static LOANS: LazyLock<u64> = LazyLock::new(|| match thread::available_parallelism() {
    Ok(processors) if processors.get() > 1 => 10_000,
    _ => 800,
});
const MANY: u64 = 200_000;

fn tokio_multi_thread<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (lender, borrower) = halves::<N>();
            let lending = tokio::spawn(lend_all(lender));
            let borrowing = tokio::spawn(borrow_all(borrower, *LOANS, tokio::task::yield_now));
            borrowing.await.unwrap();
            assert_eq!(lending.await.unwrap(), Ledger::after(*LOANS));
        });
    });
}

fn tokio_current_thread<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (lender, borrower) = halves::<N>();
            let lending = tokio::spawn(lend_all(lender));
            let borrowing = tokio::spawn(borrow_all(borrower, *LOANS, tokio::task::yield_now));
            borrowing.await.unwrap();
            assert_eq!(lending.await.unwrap(), Ledger::after(*LOANS));
        });
    });
}

fn smol_tasks<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        smol::block_on(async {
            let (lender, borrower) = halves::<N>();
            let lending = smol::spawn(lend_all(lender));
            let borrowing = smol::spawn(borrow_all(borrower, *LOANS, smol::future::yield_now));
            borrowing.await;
            assert_eq!(lending.await, Ledger::after(*LOANS));
        });
    });
}

fn async_std_tasks<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        async_std::task::block_on(async {
            let (lender, borrower) = halves::<N>();
            let lending = async_std::task::spawn(lend_all(lender));
            let borrowing = async_std::task::spawn(borrow_all(borrower, *LOANS, async_std::task::yield_now));
            borrowing.await;
            assert_eq!(lending.await, Ledger::after(*LOANS));
        });
    });
}

fn futures_pools<N: AsyncNotifier + 'static>() {
    use futures::task::LocalSpawnExt;
    no_hang(|| {
        let (lender, borrower) = halves::<N>();
        let mut pool = futures::executor::LocalPool::new();
        let lending = pool.spawner().spawn_local_with_handle(lend_all(lender)).unwrap();
        let borrowing = borrow_all(borrower, *LOANS, smol::future::yield_now);
        let (ledger, ()) = pool.run_until(async { futures::join!(lending, borrowing) });
        assert_eq!(ledger, Ledger::after(*LOANS));
    });
}

/// Combinators that give each of their futures a waker of its own.
fn futures_unordered<N: AsyncNotifier + 'static>() {
    use futures::future::{BoxFuture, FutureExt};
    use futures::stream::{FuturesUnordered, StreamExt};
    no_hang(|| {
        let (lender, borrower) = halves::<N>();
        let mut all = FuturesUnordered::<BoxFuture<'_, Option<Ledger>>>::new();
        all.push(lend_all(lender).map(Some).boxed());
        all.push(
            borrow_all(borrower, *LOANS, smol::future::yield_now)
                .map(|()| None)
                .boxed(),
        );
        let ends: Vec<_> = futures::executor::block_on(all.by_ref().filter_map(|end| async { end }).collect());
        assert_eq!(ends, [Ledger::after(*LOANS)]);
    });
}

/// `select!` drops, or polls by a new task, what it does not wait for.
fn lent_within_select<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (lender, mut borrower) = halves::<N>();
            let lending = tokio::spawn(lend_all(lender));
            let borrowing = tokio::spawn(async move {
                let mut round = 0;
                while round < *LOANS / 4 {
                    tokio::select! {
                        guard = borrower.borrow() => {
                            guard.unwrap().work(round);
                            round += 1;
                        }
                        () = tokio::task::yield_now() => {}
                    }
                }
            });
            borrowing.await.unwrap();
            assert_eq!(lending.await.unwrap(), Ledger::after(*LOANS / 4));
        });
    });
}

fn tokio_lends_and_smol_borrows<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let (lender, borrower) = halves::<N>();
        let borrowing = thread::spawn(|| smol::block_on(borrow_all(borrower, *LOANS, smol::future::yield_now)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(lend_all(lender)), Ledger::after(*LOANS));
        borrowing.join().unwrap();
    });
}

fn a_thread_lends_and_a_task_borrows<N: AsyncNotifier + BlockingNotifier + 'static>() {
    no_hang(|| {
        let (lender, borrower) = halves::<N>();
        let lending = thread::spawn(|| lend_all_blocking(lender));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        runtime
            .block_on(runtime.spawn(borrow_all(borrower, *LOANS, tokio::task::yield_now)))
            .unwrap();
        assert_eq!(lending.join().unwrap(), Ledger::after(*LOANS));
    });
}

fn a_task_lends_and_a_thread_borrows<N: AsyncNotifier + BlockingNotifier + 'static>() {
    no_hang(|| {
        let (lender, borrower) = halves::<N>();
        let borrowing = thread::spawn(|| borrow_all_blocking(borrower, *LOANS));
        assert_eq!(async_std::task::block_on(lend_all(lender)), Ledger::after(*LOANS));
        borrowing.join().unwrap();
    });
}

fn many_loans_on_one_thread<N: AsyncNotifier + 'static>() {
    no_hang(|| {
        let (lender, borrower) = halves::<N>();
        let borrowing = borrow_all(borrower, MANY, || async {});
        let (ledger, ()) = pollster::block_on(async { futures::join!(lend_all(lender), borrowing) });
        assert_eq!(ledger, Ledger::after(MANY));
    });
}

fn many_loans_between_threads<N: BlockingNotifier + 'static>() {
    no_hang(|| {
        let (lender, borrower) = RefMutChannel::<Ledger, N>::new().into_split();
        let borrowing = thread::spawn(|| borrow_all_blocking(borrower, MANY));
        assert_eq!(lend_all_blocking(lender), Ledger::after(MANY));
        borrowing.join().unwrap();
    });
}

/// The halves move from thread to thread between the loans.
fn halves_that_wander<N: BlockingNotifier + 'static>() {
    no_hang(|| {
        let (mut lender, mut borrower) = RefMutChannel::<Ledger, N>::new().into_split();
        let mut ledger = Ledger::default();
        for round in 0..300 {
            let borrowing = thread::spawn(move || {
                borrower.borrow_blocking().unwrap().work(round);
                borrower
            });
            let lending = thread::spawn(move || {
                lender.lend_blocking(&mut ledger).unwrap();
                (lender, ledger)
            });
            borrower = borrowing.join().unwrap();
            (lender, ledger) = lending.join().unwrap();
        }
        assert_eq!(ledger, Ledger::after(300));
    });
}

fn many_tasks_borrow_one_lender<N: AsyncNotifier + MultiNotifier + 'static>() {
    const TASKS: u64 = 8;
    no_hang(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (lender, borrower) = halves::<N>();
            let lending = tokio::spawn(lend_all(lender));
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let mut borrower = borrower.clone();
                    tokio::spawn(async move {
                        for _ in 0..*LOANS / TASKS {
                            let mut guard = borrower.borrow().await.unwrap();
                            let round = guard.loans;
                            guard.work(round);
                        }
                    })
                })
                .collect();
            drop(borrower);
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(lending.await.unwrap(), Ledger::after(*LOANS));
        });
    });
}

fn many_tasks_read_together<N: AsyncNotifier + MultiNotifier + 'static>() {
    no_hang(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut lender, borrower): (RefLender<'_, Vec<u64>, N>, RefBorrower<'_, Vec<u64>, N>) =
                RefChannel::new().into_split();
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let mut borrower = borrower.clone();
                    tokio::spawn(async move {
                        let mut last = 0;
                        for _ in 0..*LOANS / 20 {
                            let guard = borrower.borrow().await.unwrap();
                            tokio::task::yield_now().await;
                            assert!(guard.iter().all(|number| *number == guard[0]) && guard[0] >= last);
                            last = guard[0];
                        }
                    })
                })
                .collect();
            drop(borrower);
            let mut list = vec![0; 16];
            loop {
                match lender.lend_pinned(list).await {
                    Ok(back) => list = back,
                    Err(_) => break,
                }
                list.iter_mut().for_each(|number| *number += 1);
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

backends!(both:
    tokio_multi_thread,
    tokio_current_thread,
    smol_tasks,
    async_std_tasks,
    futures_pools,
    futures_unordered,
    lent_within_select,
    tokio_lends_and_smol_borrows,
    a_thread_lends_and_a_task_borrows,
    a_task_lends_and_a_thread_borrows,
    many_loans_on_one_thread,
);
backends!(blocking: many_loans_between_threads, halves_that_wander);
backends!(many: many_tasks_borrow_one_lender, many_tasks_read_together);
