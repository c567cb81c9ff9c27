//! Tasks on threads that lend, borrow, give up and go: the futures alone.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::thread;

use ref_channel::notifier::{AsyncNotifier, MultiNotifier, Notifier};
use ref_channel::{RefChannel, RefGuard, RefMutChannel, RefMutGuard, TryLendError};

use crate::tools::{Dice, LOANS, Page, block_on, borrow_or_give_up, poll_once, three_borrowers};

/// Uses a guard, at times in two parts on two threads, either of which may end the loan.
fn work<N: Notifier>(mut guard: RefMutGuard<'_, Page, N>, dice: &mut Dice) {
    guard.bump();
    if dice.roll(16) == 0 {
        let (mut one, mut two) = RefMutGuard::map_split(guard, |page| page.words.split_at_mut(8));
        thread::scope(|scope| {
            let thread = scope.spawn(move || one.reverse());
            two.reverse();
            drop(two);
            thread.join().unwrap();
        });
    }
}

/// The futures, on two threads: dropped, withdrawn and awaited at any moment.
pub fn futures<N: AsyncNotifier>(seed: u64) {
    let (mut lender, mut borrower) = RefMutChannel::<Page, N>::new().into_split();
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let borrows = move || {
        let mut dice = Dice(seed | 1);
        loop {
            let mut borrow = pin!(borrower.borrow());
            // Given up soon, or later.
            if dice.roll(3) == 0 {
                let polled = poll_once(borrow.as_mut());
                match polled {
                    Poll::Pending => continue,
                    Poll::Ready(Err(_)) => return,
                    Poll::Ready(Ok(guard)) => work(guard, &mut dice),
                }
            } else {
                match block_on(borrow) {
                    Err(_) => return,
                    Ok(guard) => work(guard, &mut dice),
                }
            }
            counter.fetch_add(1, Relaxed);
        }
    };
    thread::scope(|scope| {
        let thread = scope.spawn(borrows);
        let mut dice = Dice(seed | 2);
        let mut page = Page::new();
        let mut box_page = Box::new(Page::new());
        for _ in 0..LOANS {
            match dice.roll(6) {
                0 => {
                    // SAFETY: it is awaited.
                    block_on(unsafe { lender.lend(&mut page) }).unwrap();
                }
                1 => {
                    // SAFETY: it is dropped below, which waits.
                    let mut lend = pin!(unsafe { lender.lend(&mut page) });
                    let _ = poll_once(lend.as_mut());
                    thread::yield_now();
                }
                2 => {
                    let mut lend = pin!(lender.lend_pinned(page.clone()));
                    if poll_once(lend.as_mut()).is_pending() {
                        lend.as_mut().withdraw();
                        match block_on(lend) {
                            Ok(back) => assert_eq!(back.count(), page.count() + 1),
                            Err(error) => assert_eq!(error.0.count(), page.count()),
                        }
                    }
                }
                3 => {
                    let before = box_page.count();
                    box_page = block_on(lender.lend_boxed(box_page)).unwrap();
                    assert_eq!(box_page.count(), before + 1);
                }
                4 => {
                    // Handed over, if it was taken by then.
                    let mut lend = pin!(lender.lend_boxed(Box::new(Page::new())));
                    let _ = poll_once(lend.as_mut());
                }
                _ => {
                    block_on(lender.requested()).unwrap();
                    // SAFETY: it is awaited.
                    match block_on(unsafe { lender.try_lend(&mut page) }) {
                        Ok(()) => {}
                        // It was given up meanwhile.
                        Err(why) => assert_eq!(why, TryLendError::NotRequested),
                    }
                }
            }
            page.check();
        }
        drop(lender);
        thread.join().unwrap();
    });
    assert!(taken.load(Relaxed) > 0);
}

/// Many borrowers, of which some give up and some go.
pub fn clones<N: MultiNotifier + AsyncNotifier>(seed: u64) {
    let (mut lender, borrower) = RefMutChannel::<Page, N>::new().into_split();
    let mut page = Page::new();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        three_borrowers(scope, borrower, seed, |mut borrower, mut dice| {
            for _ in 0..LOANS {
                let roll = dice.roll(4);
                if roll == 1 {
                    drop(borrower.clone());
                    continue;
                }
                let Some(guard) = borrow_or_give_up(&mut borrower, roll == 0) else {
                    continue;
                };
                work(guard, &mut dice);
                taken.fetch_add(1, Relaxed);
            }
        });
        let mut dice = Dice(seed | 2);
        loop {
            if dice.roll(4) == 0 {
                // SAFETY: it is awaited.
                let _ = block_on(unsafe { lender.try_lend(&mut page) });
            }
            // SAFETY: it is awaited.
            if block_on(unsafe { lender.lend(&mut page) }).is_err() {
                break;
            }
        }
    });
    assert_eq!(page.count(), taken.load(Relaxed) as u64);
}

/// Served to many: awaited to the end, withdrawn, or dropped while it is out, after which the last guard frees the page.
pub fn served<N: MultiNotifier + AsyncNotifier>(seed: u64) {
    let (mut lender, borrower) = RefMutChannel::<Page, N>::new().into_split();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        three_borrowers(scope, borrower, seed, |mut borrower, mut dice| {
            for _ in 0..LOANS {
                let give_up = dice.roll(3) == 0;
                let Some(guard) = borrow_or_give_up(&mut borrower, give_up) else {
                    continue;
                };
                work(guard, &mut dice);
                taken.fetch_add(1, Relaxed);
            }
        });
        let mut dice = Dice(seed | 2);
        for _ in 0..LOANS / 4 {
            match dice.roll(3) {
                0 => {
                    let mut serve = pin!(lender.serve_owned(Page::new()));
                    match poll_once(serve.as_mut()) {
                        Poll::Ready(page) => page.check(),
                        Poll::Pending => {
                            thread::yield_now();
                            serve.as_mut().withdraw();
                            block_on(serve).check();
                        }
                    }
                }
                1 => {
                    let mut serve = pin!(lender.serve_boxed(Box::new(Page::new())));
                    let _ = poll_once(serve.as_mut());
                    thread::yield_now();
                }
                _ => {
                    let mut lend = pin!(lender.lend_owned(Page::new()));
                    let _ = poll_once(lend.as_mut());
                }
            }
        }
        block_on(lender.serve_owned(Page::new())).check();
    });
    assert!(taken.load(Relaxed) > 0);
}

/// Shared loans to many at once, with guards that go to other threads.
pub fn shared<N: MultiNotifier + AsyncNotifier>(seed: u64) {
    let (mut lender, borrower) = RefChannel::<Page, N>::new().into_split();
    let mut page = Page::new();
    thread::scope(|scope| {
        three_borrowers(scope, borrower, seed, |mut borrower, mut dice| {
            let mut last = 0;
            while let Ok(guard) = block_on(borrower.borrow()) {
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
            // SAFETY: it is awaited.
            block_on(unsafe { lender.lend(&page) }).unwrap();
            page.bump();
        }
        drop(lender);
    });
}
