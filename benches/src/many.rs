//! Many borrowers on one thread, each of which updates the value a number of times, with the guard held over one yield.
//!
//! A round is one update, or one read. Every run lets each borrower do as many as the run's rounds allow, so that the
//! same functions serve every number of borrowers.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Event, MultiNotifier, Spin, WakerQueue};
use ref_channel::{RefChannel, RefMutBorrower, RefMutChannel};

use crate::clock::thread_time;
use crate::entrant::{Group, Role, Run};
use crate::exec::{Tasks, yield_now};

type Job<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn time(futures: Vec<Job<'_>>) -> Duration {
    let start = thread_time();
    Tasks::run_all(futures);
    thread_time() - start
}

/// How often each of so many borrowers has its turn, and how long a run would be that keeps to the rounds asked for.
///
/// A whole number of turns for each is at least one, and the time is scaled to what was asked.
fn turns(rounds: u64, borrowers: usize, run: impl FnOnce(u64) -> Duration) -> Duration {
    let each = rounds.div_ceil(borrowers as u64).max(1);
    let time = run(each);
    time.mul_f64(rounds as f64 / (each * borrowers as u64) as f64)
}

// ----- one loan an update ----------------------------------------------------------------------------------------

/// So many borrowers that update the value so often.
fn updaters<'c, N: AsyncNotifier + MultiNotifier + 'c, const B: usize>(
    borrower: RefMutBorrower<'c, u64, N>,
    each: u64,
) -> Vec<Job<'c>> {
    let updaters = (0..B).map(|_| {
        let mut borrower = borrower.clone();
        Box::pin(async move {
            for _ in 0..each {
                let mut guard = borrower.borrow().await.expect("the lender is there");
                *guard += 1;
                yield_now().await;
            }
        }) as Job<'c>
    });
    updaters.collect()
}

fn loans<N: AsyncNotifier + MultiNotifier, const B: usize>(rounds: u64) -> Duration {
    turns(rounds, B, |each| {
        let mut channel = RefMutChannel::<u64, N>::new();
        let (mut lender, borrower) = channel.split();
        let mut futures = updaters::<N, B>(borrower, each);
        futures.push(Box::pin(async move {
            let mut value = 0;
            // SAFETY: the executor polls it to its end, or drops it.
            while unsafe { lender.lend(&mut value) }.await.is_ok() {}
            assert_eq!(value, each * B as u64);
        }));
        time(futures)
    })
}

/// The same under one `serve_while`.
fn one_loan<N: AsyncNotifier + BlockingNotifier + MultiNotifier, const B: usize>(rounds: u64) -> Duration {
    turns(rounds, B, |each| {
        let mut channel = RefMutChannel::<u64, N>::new();
        let (mut lender, borrower) = channel.split();
        let mut value = 0;
        let futures = updaters::<N, B>(borrower, each);
        let time = lender.serve_while(&mut value, |_| time(futures));
        assert_eq!(value, each * B as u64);
        time
    })
}

/// The same served by a task, until every borrower is gone.
fn served<N: AsyncNotifier + MultiNotifier, const B: usize>(rounds: u64) -> Duration {
    turns(rounds, B, |each| {
        let mut channel = RefMutChannel::<u64, N>::new();
        let (mut lender, borrower) = channel.split();
        let mut futures = updaters::<N, B>(borrower, each);
        futures.push(Box::pin(async move {
            assert_eq!(lender.serve_owned(0).await, each * B as u64);
        }));
        time(futures)
    })
}

macro_rules! mutex {
    ($name:ident, $mutex:ty) => {
        fn $name<const B: usize>(rounds: u64) -> Duration {
            turns(rounds, B, |each| {
                let mutex = <$mutex>::new(0);
                let futures = (0..B).map(|_| {
                    Box::pin(async {
                        for _ in 0..each {
                            let mut guard = mutex.lock().await;
                            *guard += 1;
                            yield_now().await;
                        }
                    }) as Job<'_>
                });
                let time = time(futures.collect());
                assert_eq!(mutex.into_inner(), each * B as u64);
                time
            })
        }
    };
}

mutex!(tokio_mutex, tokio::sync::Mutex<u64>);
mutex!(async_lock_mutex, async_lock::Mutex<u64>);

/// Its queue has to have room for all, and for what the lender has not cleared away yet.
fn borrow_mutex<const B: usize, const ROOM: usize>(rounds: u64) -> Duration {
    turns(rounds, B, |each| {
        let mutex = &borrow_mutex::BorrowMutex::<ROOM, u64>::new();
        let left = &Cell::new(each * B as u64);
        let mut futures: Vec<Job<'_>> = Vec::new();
        for _ in 0..B {
            futures.push(Box::pin(async move {
                for _ in 0..each {
                    let mut guard = mutex.try_borrow().await.expect("there is room");
                    *guard += 1;
                    yield_now().await;
                    left.set(left.get() - 1);
                }
            }));
        }
        futures.push(Box::pin(async move {
            let mut value = 0;
            while left.get() > 0 {
                mutex.lend(&mut value).expect("nobody else lends").await;
            }
            assert_eq!(value, each * B as u64);
        }));
        time(futures)
    })
}

// ----- shared loans ----------------------------------------------------------------------------------------------

fn shared_loans<N: AsyncNotifier + MultiNotifier, const B: usize>(rounds: u64) -> Duration {
    turns(rounds, B, |each| {
        let mut channel = RefChannel::<u64, N>::new();
        let (mut lender, borrower) = channel.split();
        let mut futures: Vec<Job<'_>> = Vec::new();
        for _ in 0..B {
            let mut borrower = borrower.clone();
            futures.push(Box::pin(async move {
                let mut last = 0;
                for _ in 0..each {
                    let guard = borrower.borrow().await.expect("the lender is there");
                    yield_now().await;
                    assert!(*guard >= last);
                    last = *guard;
                }
            }));
        }
        drop(borrower);
        futures.push(Box::pin(async move {
            let mut value = 0;
            // SAFETY: the executor polls it to its end, or drops it.
            while unsafe { lender.lend(&value) }.await.is_ok() {
                value += 1;
            }
        }));
        time(futures)
    })
}

macro_rules! rwlock {
    ($name:ident, $lock:ty) => {
        fn $name<const B: usize>(rounds: u64) -> Duration {
            turns(rounds, B, |each| {
                let lock = &<$lock>::new(0);
                let readers = &Cell::new(B);
                let mut futures: Vec<Job<'_>> = Vec::new();
                for _ in 0..B {
                    futures.push(Box::pin(async move {
                        let mut last = 0;
                        for _ in 0..each {
                            let guard = lock.read().await;
                            yield_now().await;
                            assert!(*guard >= last);
                            last = *guard;
                        }
                        readers.set(readers.get() - 1);
                    }));
                }
                futures.push(Box::pin(async move {
                    while readers.get() > 0 {
                        *lock.write().await += 1;
                        yield_now().await;
                    }
                }));
                time(futures)
            })
        }
    };
}

rwlock!(tokio_rwlock, tokio::sync::RwLock<u64>);
rwlock!(async_lock_rwlock, async_lock::RwLock<u64>);

/// Its guards block the writer's thread, so that they cannot be held over a yield: the yield comes after.
fn watch<const B: usize>(rounds: u64) -> Duration {
    turns(rounds, B, |each| {
        let (sender, receiver) = tokio::sync::watch::channel(0_u64);
        let sender = Arc::new(sender);
        let readers = &Cell::new(B);
        let mut futures: Vec<Job<'_>> = Vec::new();
        for _ in 0..B {
            let mut receiver = receiver.clone();
            futures.push(Box::pin(async move {
                let mut last = 0;
                for _ in 0..each {
                    receiver.changed().await.expect("the sender is there");
                    let now = *receiver.borrow_and_update();
                    yield_now().await;
                    assert!(now >= last);
                    last = now;
                }
                readers.set(readers.get() - 1);
            }));
        }
        futures.push(Box::pin(async move {
            while readers.get() > 0 {
                sender.send_modify(|value| *value += 1);
                yield_now().await;
            }
        }));
        time(futures)
    })
}

// -----------------------------------------------------------------------------------------------------------------

fn updates<const B: usize, const ROOM: usize>() -> Group {
    let entrants: &[(&'static str, Role, Run)] = &[
        ("WakerQueue", Role::Ours, loans::<WakerQueue, B>),
        ("WakerQueue, serve_while", Role::Backend, one_loan::<WakerQueue, B>),
        ("Event", Role::Backend, loans::<Event, B>),
        ("Event, serve_while", Role::Backend, one_loan::<Event, B>),
        ("Spin", Role::Backend, loans::<Spin, B>),
        ("Spin, serve_while", Role::Backend, one_loan::<Spin, B>),
        ("tokio Mutex", Role::Peer, tokio_mutex::<B>),
        ("async-lock Mutex", Role::Peer, async_lock_mutex::<B>),
        ("borrow_mutex", Role::Peer, borrow_mutex::<B, ROOM>),
    ];
    Group::new(format!("many/updates/{B}"), entrants)
}

fn serves<const B: usize>() -> Group {
    let entrants: &[(&'static str, Role, Run)] = &[
        ("WakerQueue", Role::Ours, served::<WakerQueue, B>),
        ("Event", Role::Backend, served::<Event, B>),
        ("Spin", Role::Backend, served::<Spin, B>),
        ("tokio Mutex", Role::Peer, tokio_mutex::<B>),
        ("async-lock Mutex", Role::Peer, async_lock_mutex::<B>),
    ];
    Group::new(format!("{SERVED}{B}"), entrants)
}

/// Updates under `serve`.
pub const SERVED: &str = "many/served/";

fn reads<const B: usize>() -> Group {
    let entrants: &[(&'static str, Role, Run)] = &[
        ("WakerQueue", Role::Ours, shared_loans::<WakerQueue, B>),
        ("Event", Role::Backend, shared_loans::<Event, B>),
        ("Spin", Role::Backend, shared_loans::<Spin, B>),
        ("tokio RwLock", Role::Peer, tokio_rwlock::<B>),
        ("async-lock RwLock", Role::Peer, async_lock_rwlock::<B>),
        (
            "tokio watch",
            Role::Other("it lends no guard over the yield"),
            watch::<B>,
        ),
    ];
    Group::new(format!("many/reads/{B}"), entrants)
}

/// The cost of an update of ours does not depend on how many borrowers there are.
pub const GROWTH: &str = "many/growth";
pub const LAST: &str = "256 borrowers";

fn growth() -> Group {
    let entrants: &[(&'static str, Role, Run)] = &[
        ("8 borrowers", Role::Ours, loans::<WakerQueue, 8>),
        ("32 borrowers", Role::Backend, loans::<WakerQueue, 32>),
        (LAST, Role::Backend, loans::<WakerQueue, 256>),
    ];
    Group::new(GROWTH, entrants)
}

pub fn groups() -> Vec<Group> {
    vec![
        growth(),
        updates::<2, 8>(),
        updates::<8, 32>(),
        updates::<32, 128>(),
        updates::<256, 1024>(),
        serves::<2>(),
        serves::<8>(),
        serves::<32>(),
        serves::<256>(),
        reads::<2>(),
        reads::<8>(),
        reads::<32>(),
        reads::<256>(),
    ]
}
