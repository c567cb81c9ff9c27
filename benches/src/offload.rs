//! A closure that borrows the caller's stack is run on another thread, and the caller blocks until it has run.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ref_channel::RefMutChannel;
use ref_channel::notifier::{BlockingNotifier, Park, Spin, WakerQueue, WakerSlot};

use crate::entrant::{Group, Role, Run};
use crate::processor;

/// What the closures do: a little, on the caller's stack.
fn work(numbers: &mut [u64; 8]) {
    for number in black_box(numbers) {
        *number += 1;
    }
}

/// Calls `offload` once a round with the array that it is to work on.
fn run(rounds: u64, mut offload: impl FnMut(&mut [u64; 8])) -> Duration {
    let mut numbers = [0; 8];
    offload(&mut numbers); // whatever is made at the first call
    let start = Instant::now();
    for _ in 0..rounds {
        offload(&mut numbers);
    }
    let time = start.elapsed();
    assert_eq!(numbers, [rounds + 1; 8]);
    time
}

/// The same on a processor of its own. (Threads that are spawned by it would be bound to that, too.)
fn run_pinned(rounds: u64, offload: impl FnMut(&mut [u64; 8])) -> Duration {
    processor::on(0, || run(rounds, offload))
}

fn ours<N: BlockingNotifier + 'static>(rounds: u64) -> Duration {
    let (mut lender, mut borrower) = RefMutChannel::<dyn FnMut() + Send, N>::new().into_split();
    let worker = std::thread::spawn(move || {
        processor::on(1, || {
            while let Ok(mut job) = borrower.borrow_blocking() {
                job();
            }
        });
    });
    let time = run_pinned(rounds, |numbers| {
        lender.run_blocking(|| work(numbers)).expect("the worker is there");
    });
    drop(lender);
    worker.join().expect("no panic");
    time
}

/// A pool of one thread, as our worker is one. To be called before the caller is bound to a processor, or the pool's
/// thread would be, too.
fn pool() -> &'static rayon::ThreadPool {
    static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .spawn_handler(|thread| {
                std::thread::spawn(|| processor::on(1, || thread.run()));
                Ok(())
            })
            .build()
            .expect("a thread")
    })
}

fn rayon_scope(rounds: u64) -> Duration {
    let pool = pool();
    run_pinned(rounds, |numbers| pool.scope(|scope| scope.spawn(|_| work(numbers))))
}

fn rayon_in_place_scope(rounds: u64) -> Duration {
    let pool = pool();
    run_pinned(rounds, |numbers| {
        pool.in_place_scope(|scope| scope.spawn(|_| work(numbers)));
    })
}

/// One hop, where a scope from outside the pool is one and its spawn.
fn rayon_install(rounds: u64) -> Duration {
    let pool = pool();
    run_pinned(rounds, |numbers| pool.install(|| work(numbers)))
}

fn crossbeam_scope(rounds: u64) -> Duration {
    run(rounds, |numbers| {
        crossbeam::scope(|scope| {
            scope.spawn(|_| work(numbers));
        })
        .expect("no panic");
    })
}

fn thread_scope(rounds: u64) -> Duration {
    run(rounds, |numbers| {
        std::thread::scope(|scope| {
            scope.spawn(|| work(numbers));
        });
    })
}

/// The name of the entrant that has a target of its own.
pub const THREAD_SCOPE: &str = "std::thread::scope";

pub fn groups() -> Vec<Group> {
    let entrants: &[(&'static str, Role, Run)] = &[
        ("WakerSlot", Role::Ours, ours::<WakerSlot>),
        ("WakerQueue", Role::Backend, ours::<WakerQueue>),
        ("Park", Role::Backend, ours::<Park>),
        ("Spin", Role::Backend, ours::<Spin>),
        ("rayon::scope", Role::Peer, rayon_scope),
        ("rayon in_place_scope", Role::Peer, rayon_in_place_scope),
        ("rayon install", Role::Peer, rayon_install),
        ("crossbeam::scope", Role::Peer, crossbeam_scope),
        (THREAD_SCOPE, Role::Peer, thread_scope),
    ];
    vec![Group::new("offload", entrants)]
}
