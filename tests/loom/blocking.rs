//! Threads that block.

use loom::thread;
use ref_channel::notifier::{BlockingNotifier, Park, Spin, WakerQueue, WakerSlot};
use ref_channel::{Channel, Exclusive, Shared};

use crate::common::{Flag, Probe, block_on, for_notifiers, halves, model};

fn loans<N: BlockingNotifier + 'static>(count: u32) {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..count {
            borrower.borrow_blocking().unwrap().bump();
        }
    });
    let mut value = Probe::new(0);
    for round in 1..=count {
        lender.lend_blocking(&mut value).unwrap();
        assert_eq!(value.bump(), 2 * round);
    }
}

fn one<N: BlockingNotifier + 'static>() {
    loans::<N>(1);
}

fn two<N: BlockingNotifier + 'static>() {
    loans::<N>(2);
}

for_notifiers! { one:
    one_waker_slot = WakerSlot;
    one_waker_queue = WakerQueue;
    one_spin = Spin;
    one_park = Park;
}

for_notifiers! { two:
    two_waker_slot = WakerSlot;
    two_park = Park;
}

/// A thread lends to a task.
#[test]
fn to_a_task() {
    model("blocking::to_a_task", || {
        let (mut lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        thread::spawn(move || block_on(borrower.borrow()).unwrap().bump());
        let mut value = Probe::new(0);
        lender.lend_blocking(&mut value).unwrap();
        assert_eq!(value.bump(), 2);
    });
}

/// A task lends to a thread.
#[test]
fn to_a_thread() {
    model("blocking::to_a_thread", || {
        let (mut lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        thread::spawn(move || borrower.borrow_blocking().unwrap().bump());
        let mut value = block_on(lender.lend_pinned(Probe::new(0))).ok().unwrap();
        assert_eq!(value.bump(), 2);
    });
}

/// An offer that stays up while the closure runs: a borrower may take it as often as it likes, and all its
/// guards are back at the end.
fn while_exclusive<N: BlockingNotifier + 'static>() {
    let (mut lender, mut borrower) = halves::<Exclusive, N>();
    thread::spawn(move || {
        for _ in 0..2 {
            match borrower.borrow_blocking() {
                Ok(mut value) => value.bump(),
                Err(_) => return,
            };
        }
    });
    let mut value = Probe::new(0);
    let ran = Flag::default();
    lender.serve_while(&mut value, |_| ran.set());
    assert!(ran.get());
    assert!(value.bump() <= 3);
}

for_notifiers! { while_exclusive:
    while_exclusive_waker_slot = WakerSlot;
    while_exclusive_park = Park;
}

/// Two loans for certain, while the closure waits for them.
#[test]
fn while_exclusive_twice() {
    model("blocking::while_exclusive_twice", || {
        let (mut lender, mut borrower) = halves::<Exclusive, WakerSlot>();
        let done = std::sync::Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let tell = done.clone();
        thread::spawn(move || {
            borrower.borrow_blocking().unwrap().bump();
            borrower.borrow_blocking().unwrap().bump();
            tell.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let mut value = Probe::new(0);
        lender.serve_while(&mut value, |_| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                thread::yield_now();
            }
        });
        assert_eq!(value.bump(), 3);
    });
}

#[test]
fn while_shared() {
    model("blocking::while_shared", || {
        let (mut lender, mut borrower) = halves::<Shared, WakerSlot>();
        thread::spawn(move || {
            for _ in 0..2 {
                match borrower.borrow_blocking() {
                    Ok(value) => assert_eq!(value.get(), 7),
                    Err(_) => return,
                }
            }
        });
        let mut value = Probe::new(7);
        lender.serve_while(&value, |_| ());
        value.bump();
    });
}

/// A closure runs on the borrower's thread, and only there.
#[test]
fn run() {
    model("blocking::run", || {
        let (mut lender, mut borrower) = Channel::<dyn FnMut() + Send, Exclusive>::new().into_split();
        thread::spawn(move || {
            if let Ok(mut job) = borrower.borrow_blocking() {
                job();
            }
        });
        let mut value = Probe::new(0);
        assert_eq!(lender.run_blocking(|| value.bump()).ok(), Some(1));
        assert_eq!(value.bump(), 2);
    });
}
