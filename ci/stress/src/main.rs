//! Threads that lend, borrow, give up and go, as fast as they can, without a test harness: for the sanitizers.
//!
//! The argument is the number of rounds.

mod tasks;
mod tools;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use ref_channel::notifier::{
    AsyncNotifier, AtomicWaker, BlockingNotifier, Event, MultiNotifier, Notifier, Park, Spin, WakerQueue, WakerSlot,
};
use ref_channel::{LendTimeoutError, RefChannel, RefGuard, RefMutChannel, RefMutGuard, TryLendError};
use tools::{Dice, LOANS, Page, block_on, poll_once, three_borrowers};

/// Every blocking way to lend, against a borrower that takes, or gives up.
fn blocking<N: BlockingNotifier>(seed: u64) {
    let mut channel = RefMutChannel::<Page, N>::new();
    let (mut lender, borrower) = channel.split();
    let mut page = Page::new();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut dice = Dice(seed | 1);
            let mut borrower = borrower;
            loop {
                let guard = match dice.roll(4) {
                    0 => borrower.try_borrow().ok(),
                    1 => borrower.borrow_timeout(Duration::from_micros(dice.roll(50))).ok(),
                    _ => match borrower.borrow_blocking() {
                        Ok(guard) => Some(guard),
                        Err(_) => return,
                    },
                };
                if let Some(mut guard) = guard {
                    guard.bump();
                    taken.fetch_add(1, Relaxed);
                    if dice.roll(2) == 0 {
                        let (mut one, mut two) = RefMutGuard::map_split(guard, |page| page.words.split_at_mut(8));
                        one[0] += 1;
                        two[0] -= 1;
                        one[0] -= 1;
                        two[0] += 1;
                    }
                }
            }
        });
        let mut dice = Dice(seed | 2);
        for _ in 0..LOANS {
            let before = taken.load(Relaxed);
            match dice.roll(4) {
                0 => match lender.lend_timeout(&mut page, Duration::from_micros(dice.roll(50))) {
                    Ok(()) => assert!(taken.load(Relaxed) > before),
                    Err(why) => assert_eq!(why, LendTimeoutError::Timeout),
                },
                1 => match lender.try_lend_blocking(&mut page) {
                    Ok(()) => assert!(taken.load(Relaxed) > before),
                    Err(why) => assert_eq!(why, TryLendError::NotRequested),
                },
                2 => lender.serve_while(&mut page, |_| thread::sleep(Duration::from_micros(dice.roll(20)))),
                _ => lender.lend_blocking(&mut page).unwrap(),
            }
            assert_eq!(page.count(), taken.load(Relaxed) as u64, "each loan counts once");
        }
        drop(lender);
        thread.join().unwrap();
    });
}

/// Many borrowers, of which some go.
fn clones<N: MultiNotifier + BlockingNotifier + AsyncNotifier>(seed: u64) {
    let (mut lender, borrower) = RefMutChannel::<Page, N>::new().into_split();
    let mut page = Page::new();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        three_borrowers(scope, borrower, seed, |mut borrower, mut dice| {
            for _ in 0..LOANS {
                match dice.roll(4) {
                    0 => drop(poll_once(pin!(borrower.borrow())).map(|guard| {
                        guard.unwrap().bump();
                        taken.fetch_add(1, Relaxed)
                    })),
                    1 => {
                        block_on(borrower.borrow()).unwrap().bump();
                        taken.fetch_add(1, Relaxed);
                    }
                    2 => drop(borrower.clone()),
                    _ => {
                        borrower.borrow_blocking().unwrap().bump();
                        taken.fetch_add(1, Relaxed);
                    }
                }
            }
        });
        let mut dice = Dice(seed | 2);
        loop {
            if dice.roll(8) == 0 {
                lender.serve_while(&mut page, |_| thread::sleep(Duration::from_micros(20)));
            }
            if lender.lend_blocking(&mut page).is_err() {
                break;
            }
        }
    });
    assert_eq!(page.count(), taken.load(Relaxed) as u64);
}

/// Served to many, in every blocking way, with deadlines that pass at any moment.
fn served<N: MultiNotifier + BlockingNotifier>(seed: u64) {
    let (mut lender, borrower) = RefMutChannel::<Page, N>::new().into_split();
    let mut page = Page::new();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        three_borrowers(scope, borrower, seed, |mut borrower, mut dice| {
            for _ in 0..LOANS {
                let guard = match dice.roll(4) {
                    0 => borrower.try_borrow().ok(),
                    1 => borrower.borrow_timeout(Duration::from_micros(dice.roll(50))).ok(),
                    _ => Some(borrower.borrow_blocking().unwrap()),
                };
                if let Some(mut guard) = guard {
                    guard.bump();
                    while dice.roll(8) == 0 && !RefMutGuard::is_recalled(&guard) {
                        guard.check();
                    }
                    taken.fetch_add(1, Relaxed);
                }
            }
        });
        let mut dice = Dice(seed | 2);
        for _ in 0..LOANS {
            let time = Duration::from_micros(dice.roll(100));
            match dice.roll(3) {
                0 => _ = lender.serve_timeout(&mut page, time),
                1 => _ = lender.try_serve_timeout(&mut page, time),
                _ => lender.serve_while(&mut page, |_| thread::sleep(time / 4)),
            }
            page.check();
        }
        lender.serve_blocking(&mut page);
    });
    assert_eq!(page.count(), taken.load(Relaxed) as u64);
}

/// Shared loans to many at once, with guards that go to other threads.
fn shared<N: MultiNotifier + BlockingNotifier>(seed: u64) {
    let (mut lender, borrower) = RefChannel::<Page, N>::new().into_split();
    let mut page = Page::new();
    thread::scope(|scope| {
        three_borrowers(scope, borrower, seed, |mut borrower, mut dice| {
            let mut last = 0;
            while let Ok(guard) = borrower.borrow_blocking() {
                assert!(guard.count() >= last);
                last = guard.count();
                if dice.roll(16) == 0 {
                    let other = RefGuard::clone(&guard);
                    thread::scope(|scope| {
                        let thread = scope.spawn(move || drop(other));
                        drop(guard);
                        thread.join().unwrap();
                    });
                }
            }
        });
        for _ in 0..LOANS {
            lender.lend_blocking(&page).unwrap();
            page.bump();
        }
        drop(lender);
    });
}

/// Halves of one static, split again and again.
fn resplit<N: Notifier + BlockingNotifier + 'static>(channel: &'static RefMutChannel<Page, N>) {
    for _ in 0..LOANS / 20 {
        let (mut lender, mut borrower) = loop {
            if let Some(halves) = channel.try_split() {
                break halves;
            }
            thread::yield_now();
        };
        // They are not joined: a half may still be on its way out when the next split is tried.
        thread::spawn(move || {
            if let Ok(mut guard) = borrower.borrow_blocking() {
                guard.bump();
            }
        });
        let mut page = Page::new();
        lender.lend_blocking(&mut page).unwrap();
        assert_eq!(page.count(), 1);
    }
}

fn main() {
    let rounds: u64 = std::env::args()
        .nth(1)
        .map_or(2, |rounds| rounds.parse().expect("the number of rounds"));
    static SLOT: RefMutChannel<Page, WakerSlot> = RefMutChannel::new();
    static QUEUE: RefMutChannel<Page, WakerQueue> = RefMutChannel::new();
    for round in 0..rounds {
        let seed = (round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        blocking::<WakerSlot>(seed);
        blocking::<WakerQueue>(seed);
        blocking::<AtomicWaker>(seed);
        blocking::<Event>(seed);
        blocking::<Spin>(seed);
        blocking::<Park>(seed);
        tasks::futures::<WakerSlot>(seed);
        tasks::futures::<WakerQueue>(seed);
        tasks::futures::<AtomicWaker>(seed);
        tasks::futures::<Event>(seed);
        clones::<WakerQueue>(seed);
        clones::<Spin>(seed);
        clones::<Event>(seed);
        tasks::clones::<WakerQueue>(seed);
        tasks::clones::<Event>(seed);
        served::<WakerQueue>(seed);
        served::<Spin>(seed);
        served::<Event>(seed);
        tasks::served::<WakerQueue>(seed);
        tasks::served::<Event>(seed);
        shared::<WakerQueue>(seed);
        shared::<Spin>(seed);
        shared::<Event>(seed);
        tasks::shared::<WakerQueue>(seed);
        tasks::shared::<Event>(seed);
        resplit(&SLOT);
        resplit(&QUEUE);
    }
    println!("stress: {rounds} rounds");
}
