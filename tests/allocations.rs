//! A loan allocates nothing, once each side has waited before.
#![cfg(all(feature = "std", not(all(loom, feature = "loom")), not(miri)))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Barrier;
use std::task::Poll;
use std::thread;

use common::{Count, poll_with};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, WakerQueue, WakerSlot};
use ref_channel::{RefChannel, RefMutChannel};

thread_local! {
    /// Of this thread, so that other tests, and the harness, do not count.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: it does what the system's allocator does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `f` allocates on this thread.
fn allocations(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

fn async_loans<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<u64, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let (_count, waker) = Count::new();
    let mut value = 0;
    let mut round = || {
        // A loan that is waited for, and one that waits.
        {
            let mut borrow = pin!(borrower.borrow());
            assert!(poll_with(borrow.as_mut(), &waker).is_pending());
            // SAFETY: it completes below.
            let mut loan = pin!(unsafe { lender.lend(&mut value) });
            assert!(poll_with(loan.as_mut(), &waker).is_pending());
            let Poll::Ready(Ok(mut guard)) = poll_with(borrow.as_mut(), &waker) else {
                panic!("it is on offer")
            };
            *guard += 1;
            drop(guard);
            assert!(poll_with(loan.as_mut(), &waker).is_ready());
        }
        {
            let mut loan = pin!(lender.lend_pinned(1));
            assert!(poll_with(loan.as_mut(), &waker).is_pending());
            loan.as_mut().withdraw();
            assert!(poll_with(loan.as_mut(), &waker).is_ready());
        }
        let mut loan = pin!(lender.lend_pinned(1));
        assert!(poll_with(loan.as_mut(), &waker).is_pending());
    };
    round();
    let count = allocations(|| {
        for _ in 0..1000 {
            round();
        }
    });
    assert_eq!(count, 0);
    assert_eq!(value, 1001);
}

/// The cell of an owned value is allocated once, kept from loan to loan, and allocated anew only after a loan was abandoned.
fn owned_loans<N: AsyncNotifier>() {
    let mut channel = RefMutChannel::<[u64; 4], N>::new();
    let (mut lender, mut borrower) = channel.split();
    let (_count, waker) = Count::new();
    let mut round = |abandon: bool| {
        {
            let mut lend = pin!(lender.lend_owned([0; 4]));
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            borrower.try_borrow().unwrap()[0] += 1;
            assert_eq!(poll_with(lend, &waker), Poll::Ready(Ok([1, 0, 0, 0])));
        }
        {
            let mut serve = pin!(lender.serve_owned([0; 4]));
            assert!(poll_with(serve.as_mut(), &waker).is_pending());
            for _ in 0..10 {
                borrower.try_borrow().unwrap()[1] += 1;
            }
            serve.as_mut().withdraw();
            assert_eq!(poll_with(serve, &waker), Poll::Ready([0, 10, 0, 0]));
        }
        // Dropped with the offer, and withdrawn before the first poll.
        assert!(poll_with(pin!(lender.lend_owned([0; 4])), &waker).is_pending());
        {
            let mut lend = pin!(lender.lend_owned([0; 4]));
            lend.as_mut().withdraw();
            assert!(poll_with(lend, &waker).is_ready());
        }
        if abandon {
            let mut lend = Box::pin(lender.lend_owned([0; 4]));
            assert!(poll_with(lend.as_mut(), &waker).is_pending());
            let guard = borrower.try_borrow().unwrap();
            drop(lend);
            drop(guard);
        }
    };
    assert_eq!(allocations(|| round(false)), 1, "the cell");
    let count = allocations(|| {
        for _ in 0..1000 {
            round(false);
        }
    });
    assert_eq!(count, 0);
    // The box of the future, and a cell in the place of the one that the guard has freed.
    let count = allocations(|| {
        for _ in 0..10 {
            round(true);
        }
    });
    assert_eq!(count, 10 + 9, "the first round still had its cell");
}

fn blocking_loans<N: BlockingNotifier>() {
    let mut channel = RefMutChannel::<u64, N>::new();
    let (mut lender, mut borrower) = channel.split();
    let mut value = 0;
    let warm = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            // The first time a thread parks, its handle and its waker are made.
            let mut borrow = |slow: bool| {
                let mut guard = borrower.borrow_blocking().unwrap();
                *guard += 1;
                if slow {
                    // So long that the lender parks.
                    common::dawdle();
                }
            };
            for _ in 0..100 {
                borrow(true);
            }
            warm.wait();
            let count = allocations(|| {
                for round in 0..1000 {
                    borrow(round % 100 == 0);
                }
            });
            assert_eq!(count, 0, "of the borrower");
        });
        for round in 0..100 {
            lender.lend_blocking(&mut value).unwrap();
            if round % 10 == 0 {
                // So long that the borrower parks.
                common::dawdle();
            }
        }
        warm.wait();
        let count = allocations(|| {
            for _ in 0..1000 {
                lender.lend_blocking(&mut value).unwrap();
            }
        });
        assert_eq!(count, 0, "of the lender");
    });
    assert_eq!(value, 1100);
}

#[test]
fn owned_over_waker_slot() {
    owned_loans::<WakerSlot>();
}

#[test]
fn owned_over_waker_queue() {
    owned_loans::<WakerQueue>();
}

#[test]
fn async_over_waker_slot() {
    async_loans::<WakerSlot>();
}

#[test]
fn async_over_waker_queue() {
    async_loans::<WakerQueue>();
}

#[cfg(feature = "atomic-waker")]
#[test]
fn async_over_atomic_waker() {
    async_loans::<ref_channel::notifier::AtomicWaker>();
}

#[cfg(feature = "spin")]
#[test]
fn async_over_spin() {
    async_loans::<ref_channel::notifier::Spin>();
}

#[test]
fn blocking_over_waker_slot() {
    blocking_loans::<WakerSlot>();
}

#[test]
fn blocking_over_waker_queue() {
    blocking_loans::<WakerQueue>();
}

#[cfg(feature = "park")]
#[test]
fn blocking_over_park() {
    blocking_loans::<ref_channel::notifier::Park>();
}

#[cfg(feature = "spin")]
#[test]
fn blocking_over_spin() {
    blocking_loans::<ref_channel::notifier::Spin>();
}

#[test]
fn splitting_in_place_allocates_nothing() {
    static CHANNEL: RefChannel<u64> = RefChannel::new();
    let count = allocations(|| {
        let mut channel = RefMutChannel::<u64>::new();
        drop(channel.split());
        drop(CHANNEL.try_split().unwrap());
    });
    assert_eq!(count, 0);
    assert_eq!(allocations(|| drop(RefMutChannel::<u64>::new().into_split())), 1);
}

#[test]
fn the_channel_is_small() {
    let size = size_of::<RefMutChannel<u64>>();
    assert!(size <= 128, "{size} bytes");
    assert_eq!(size_of::<RefChannel<u64>>(), size);
}
