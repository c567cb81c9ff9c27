//! A long-lived worker thread runs closures that borrow the caller's stack.
//!
//! Some work has to run on a particular thread (it has a large stack, a warm cache, a real-time priority, or a library
//! that is bound to it) and needs to borrow from the caller. `std::thread::scope` allows borrowing, but starts a
//! thread. A channel of boxed closures uses a long-lived thread, but each closure has to be `'static` and is allocated.
//! `run_blocking` lets closures borrow and uses a long-lived thread, without allocating or copying.
//!
//! Run: `cargo run --release --example scoped_worker`

use ref_channel::{LendError, RefMutChannel, RefMutLender};
use std::panic::{self, AssertUnwindSafe};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the worker borrows: any closure.
type Job = dyn FnMut() + Send;

struct Worker {
    lender: Option<RefMutLender<'static, Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> Self {
        let (lender, mut borrower) = RefMutChannel::<Job>::new().into_split();
        let thread = thread::spawn(move || {
            // Runs until the lender is dropped.
            while let Ok(mut job) = borrower.borrow_blocking() {
                job();
            }
        });
        Self {
            lender: Some(lender),
            thread: Some(thread),
        }
    }

    /// Runs `f` on the worker's thread. If `f` panics, the panic resumes here and the worker continues.
    fn run<R: Send>(&mut self, f: impl FnOnce() -> R + Send) -> R {
        let lender = self.lender.as_mut().expect("it is there until the drop");
        lender.run_blocking(f).expect("the worker lives as long as the lender")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Drop the lender first, which ends the worker's loop.
        drop(self.lender.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn time_per_call(calls: u32, mut call: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed() / calls
}

fn main() {
    let mut worker = Worker::start();

    // The closure borrows from this stack, also mutably, and returns a value.
    let numbers: Vec<u64> = (1..=100).collect();
    let mut squares = [0; 100];
    let sum: u64 = worker.run(|| {
        for (square, number) in squares.iter_mut().zip(&numbers) {
            *square = number * number;
        }
        numbers.iter().sum()
    });
    println!("the sum is {sum}, the last square {}", squares[99]);
    assert_eq!((sum, squares[99]), (5050, 10_000));

    // Every call runs on the same thread, which is not this one.
    let (one, two) = (
        worker.run(|| thread::current().id()),
        worker.run(|| thread::current().id()),
    );
    println!(
        "one worker: {}, another thread: {}",
        one == two,
        one != thread::current().id()
    );
    assert!(one == two && one != thread::current().id());

    // A panic is resumed on the caller, and the worker continues.
    let panic = panic::catch_unwind(AssertUnwindSafe(|| worker.run(|| panic!("in the closure"))));
    println!(
        "the panic came through: {}; after it: {}",
        panic.is_err(),
        worker.run(|| "still there")
    );
    assert!(panic.is_err());

    // If there is no worker to run it, the closure is returned.
    let (mut lender, borrower) = RefMutChannel::<Job>::new().into_split();
    drop(borrower);
    match lender.run_blocking(|| 7) {
        Err(LendError(f)) => println!("no worker, so it runs here: {}", f()),
        Ok(_) => unreachable!("there is no worker"),
    }

    let mut counter = 0_u32;
    let lent = time_per_call(20_000, || worker.run(|| counter += 1));
    let spawned = time_per_call(2_000, || thread::scope(|scope| drop(scope.spawn(|| counter += 1))));
    println!("run_blocking:  {lent:.2?} a call");
    println!("thread::scope: {spawned:.2?} a call");
    assert_eq!(counter, 22_000);
}
