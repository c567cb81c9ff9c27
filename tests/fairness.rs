//! No borrower starves under exclusive loans: who was woken in vain is not beaten again. (`Spin` promises nothing.)
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use common::{Count, forget, no_hang, poll_once, poll_with, rounds};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, MultiNotifier, WakerQueue};
use ref_channel::{BorrowTimeoutError, Borrower, Exclusive, RefMutChannel, TryBorrowError};

trait Fair: AsyncNotifier + BlockingNotifier + MultiNotifier + 'static {}
impl<N: AsyncNotifier + BlockingNotifier + MultiNotifier + 'static> Fair for N {}

type Borrows<'a, N> = Borrower<'a, u32, Exclusive, N>;

macro_rules! fair_backends {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            #[test]
            fn waker_queue() {
                super::$name::<super::WakerQueue>();
            }
            #[cfg(feature = "event-listener")]
            #[test]
            fn event() {
                super::$name::<ref_channel::notifier::Event>();
            }
        }
    )* };
}
fair_backends!(
    a_borrower_that_was_woken_in_vain_is_not_beaten_again,
    nor_by_one_that_waits_without_having_been_woken,
    nor_from_loan_to_loan,
    nor_by_a_borrower_that_blocks,
    who_starves_and_gives_up_keeps_nobody_out,
    who_starves_and_is_forgotten_keeps_nobody_out_once_its_half_is_gone,
    a_wake_of_a_forgotten_future_is_the_next_calls,
    two_that_starve_are_both_served_before_a_newcomer,
    patient_borrowers_get_their_turn_in_one_task,
    patient_borrowers_get_their_turn_as_tasks,
    patient_borrowers_get_their_turn_on_threads,
    a_second_offer_wakes_a_second_borrower,
);

/// Lets `f` use that many borrowers while a number is on offer.
fn while_lent<const BORROWERS: usize, N: Fair>(f: impl FnOnce([Borrows<'_, N>; BORROWERS])) {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, borrower) = channel.split();
    let borrowers = std::array::from_fn(|_| borrower.clone());
    drop(borrower);
    lender.serve_while(&mut 0, |_| f(borrowers));
}

/// `patient` waits while `chatty` has the loan, is woken by its return, and finds that `chatty` has it again.
macro_rules! starve {
    ($chatty:expr, $patient:expr) => {{
        let guard = $chatty.try_borrow().expect("it is on offer");
        let (count, waker) = Count::new();
        assert!(poll_with($patient.as_mut(), &waker).is_pending());
        drop(guard);
        assert_eq!(count.get(), 1, "a return wakes who waits");
        let guard = $chatty.try_borrow().expect("it was quicker");
        assert!(poll_with($patient.as_mut(), &waker).is_pending());
        drop(guard);
        assert_eq!(count.get(), 2, "it is woken again");
    }};
}

fn a_borrower_that_was_woken_in_vain_is_not_beaten_again<N: Fair>() {
    while_lent(|[mut chatty, mut patient]: [Borrows<'_, N>; 2]| {
        {
            let mut borrow = pin!(patient.borrow());
            starve!(chatty, borrow);
            assert_eq!(chatty.try_borrow().unwrap_err(), TryBorrowError::NotLent);
            assert!(poll_once(borrow).is_ready());
        }
        // Nobody starves any more.
        assert!(chatty.try_borrow().is_ok());
    });
}

fn nor_by_one_that_waits_without_having_been_woken<N: Fair>() {
    while_lent(|[mut chatty, mut other, mut patient]: [Borrows<'_, N>; 3]| {
        let mut waits = pin!(other.borrow());
        let mut borrow = pin!(patient.borrow());
        starve!(chatty, borrow);
        // It is polled by chance, and again, as in a `join!`.
        assert!(poll_once(waits.as_mut()).is_pending());
        assert!(poll_once(waits.as_mut()).is_pending());
        let Poll::Ready(guard) = poll_once(borrow) else {
            panic!("the loan is its own")
        };
        drop(guard);
        assert!(poll_once(waits).is_ready());
    });
}

fn nor_from_loan_to_loan<N: Fair>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut chatty) = channel.split();
    let mut patient = chatty.clone();
    let mut borrow = pin!(patient.borrow());
    let (count, waker) = Count::new();
    assert!(poll_with(borrow.as_mut(), &waker).is_pending());
    {
        let mut lend = pin!(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        assert_eq!(count.get(), 1);
        drop(chatty.try_borrow().expect("it was quicker"));
        assert_eq!(poll_once(lend), Poll::Ready(Ok(1)));
        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
    }
    let mut lend = pin!(lender.lend_pinned(2));
    assert!(poll_once(lend.as_mut()).is_pending());
    assert_eq!(chatty.try_borrow().unwrap_err(), TryBorrowError::NotLent);
    let Poll::Ready(Ok(guard)) = poll_once(borrow) else {
        panic!("the second loan is its own")
    };
    assert_eq!(*guard, 2);
}

fn nor_by_a_borrower_that_blocks<N: Fair>() {
    while_lent(|[mut chatty, mut patient]: [Borrows<'_, N>; 2]| {
        let mut borrow = pin!(patient.borrow());
        starve!(chatty, borrow);
        let error = chatty.borrow_timeout(std::time::Duration::ZERO).unwrap_err();
        assert_eq!(error, BorrowTimeoutError::Timeout);
        assert!(poll_once(borrow).is_ready());
    });
}

fn who_starves_and_gives_up_keeps_nobody_out<N: Fair>() {
    while_lent(|[mut chatty, mut other, mut patient]: [Borrows<'_, N>; 3]| {
        let (count, waker) = Count::new();
        let mut waits = pin!(other.borrow());
        {
            let mut borrow = Box::pin(patient.borrow());
            starve!(chatty, borrow);
            assert!(poll_with(waits.as_mut(), &waker).is_pending());
            drop(borrow);
        }
        assert_eq!(count.get(), 1, "the wake is passed on");
        let Poll::Ready(guard) = poll_with(waits, &waker) else {
            panic!("nobody else wants it")
        };
        drop(guard);
        assert!(chatty.try_borrow().is_ok());
        assert!(patient.try_borrow().is_ok());
    });
}

fn who_starves_and_is_forgotten_keeps_nobody_out_once_its_half_is_gone<N: Fair>() {
    while_lent(|[mut chatty, mut patient]: [Borrows<'_, N>; 2]| {
        {
            let mut borrow = Box::pin(patient.borrow());
            starve!(chatty, borrow);
            forget(borrow);
        }
        assert!(chatty.try_borrow().is_err());
        drop(patient);
        assert!(chatty.try_borrow().is_ok());
    });
}

/// Else, if the loan is not for newcomers, it would leave the loan to a borrower that nobody wakes.
fn a_wake_of_a_forgotten_future_is_the_next_calls<N: Fair>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut patient) = channel.split();
    let (mut chatty, mut forgetful) = (patient.clone(), patient.clone());
    let mut borrow = pin!(patient.borrow());
    assert!(poll_once(borrow.as_mut()).is_pending());
    {
        let mut forgotten = Box::pin(forgetful.borrow());
        assert!(poll_once(forgotten.as_mut()).is_pending());
        forget(forgotten);
    }
    {
        let mut lend = pin!(lender.lend_pinned(1));
        assert!(poll_once(lend.as_mut()).is_pending());
        let guard = chatty.try_borrow().expect("it was quicker");
        assert!(poll_once(borrow.as_mut()).is_pending());
        drop(guard);
        assert!(poll_once(lend).is_ready());
    }
    let mut lend = pin!(lender.lend_pinned(2));
    assert!(poll_once(lend.as_mut()).is_pending());
    assert!(forgetful.borrow_timeout(std::time::Duration::ZERO).is_ok());
}

fn two_that_starve_are_both_served_before_a_newcomer<N: Fair>() {
    while_lent(|[mut chatty, mut one, mut two]: [Borrows<'_, N>; 3]| {
        let mut one = pin!(one.borrow());
        let mut two = pin!(two.borrow());
        let guard = chatty.try_borrow().unwrap();
        assert!(poll_once(one.as_mut()).is_pending());
        assert!(poll_once(two.as_mut()).is_pending());
        drop(guard); // wakes the one
        drop(chatty.try_borrow().unwrap()); // and the other
        let guard = chatty.try_borrow().unwrap();
        assert!(poll_once(one.as_mut()).is_pending());
        assert!(poll_once(two.as_mut()).is_pending());
        drop(guard);
        let mut waiting = vec![one, two];
        while !waiting.is_empty() {
            assert!(chatty.try_borrow().is_err(), "{} are still to be served", waiting.len());
            let before = waiting.len();
            // Whichever was woken first.
            waiting.retain_mut(|borrow| poll_once(borrow.as_mut()).is_pending());
            assert!(waiting.len() < before);
        }
        assert!(chatty.try_borrow().is_ok());
    });
}

const PATIENT: usize = 3;

/// Each patient borrower gets the loan within so many loans of others. It waits for the three others, before each of
/// which, and before itself, a newcomer may be quicker once. A backend that puts who was woken in vain at the end has it wait for
/// the three others once more.
const LOANS: usize = 4 * (PATIENT + 1);

/// Borrows, keeps the guard over one yield, and borrows again at once.
async fn borrow_often<N: Fair>(mut borrower: Borrows<'_, N>, name: usize, times: usize, log: &RefCell<Vec<usize>>) {
    for _ in 0..times {
        let guard = borrower.borrow().await.unwrap();
        log.borrow_mut().push(name);
        // Else a borrower that starves would be a test that hangs.
        assert!(log.borrow().len() <= PATIENT * rounds(100) * (LOANS + 1));
        yield_once().await;
        drop(guard);
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx: &mut Context<'_>| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How many loans others had at most between two of the same patient borrower.
fn longest_wait(log: &[usize]) -> usize {
    let gap = |name| {
        let turns: Vec<_> = (0..log.len()).filter(|&at| log[at] == name).collect();
        turns
            .windows(2)
            .map(|pair| pair[1] - pair[0] - 1)
            .max()
            .unwrap_or(0)
            .max(turns[0])
    };
    (1..=PATIENT).map(gap).max().unwrap()
}

/// Runs the chatty borrower, which never ends, and the patient ones as `run` does, until the latter have had their loans.
fn patient_borrowers_get_their_turn<N: Fair>(run: impl FnOnce(Vec<Pin<Box<dyn Future<Output = ()> + '_>>>)) {
    let log = RefCell::new(Vec::new());
    while_lent(|borrowers: [Borrows<'_, N>; PATIENT + 1]| {
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        for (name, borrower) in borrowers.into_iter().enumerate() {
            let times = if name == 0 { usize::MAX } else { rounds(100) };
            tasks.push(Box::pin(borrow_often(borrower, name, times, &log)));
        }
        run(tasks);
    });
    let log = log.into_inner();
    let longest = longest_wait(&log);
    assert!(longest <= LOANS, "{longest} loans of others");
}

fn patient_borrowers_get_their_turn_in_one_task<N: Fair>() {
    patient_borrowers_get_their_turn::<N>(|mut tasks| {
        // All are polled each time, the chatty one first.
        let mut chatty = tasks.remove(0);
        while !tasks.is_empty() {
            assert!(poll_once(chatty.as_mut()).is_pending());
            tasks.retain_mut(|task| poll_once(task.as_mut()).is_pending());
        }
    });
}

fn patient_borrowers_get_their_turn_as_tasks<N: Fair>() {
    patient_borrowers_get_their_turn::<N>(|tasks| {
        // Polled one after the other if they were woken.
        struct Task<'t> {
            future: Pin<Box<dyn Future<Output = ()> + 't>>,
            woken: Arc<Count>,
            waker: Waker,
            seen: usize,
        }
        let mut tasks: Vec<_> = tasks
            .into_iter()
            .map(|future| {
                let (woken, waker) = Count::new();
                waker.wake_by_ref();
                Task {
                    future,
                    woken,
                    waker,
                    seen: 0,
                }
            })
            .collect();
        while tasks.len() > 1 {
            let mut ran = false;
            tasks.retain_mut(|task| {
                if task.woken.get() == task.seen {
                    return true;
                }
                ran = true;
                task.seen = task.woken.get();
                poll_with(task.future.as_mut(), &task.waker).is_pending()
            });
            assert!(ran, "a wake was lost");
        }
    });
}

fn patient_borrowers_get_their_turn_on_threads<N: Fair>() {
    no_hang(|| {
        while_lent(|borrowers: [Borrows<'_, N>; PATIENT + 1]| {
            let stop = std::sync::atomic::AtomicBool::new(false);
            let [mut chatty, patient @ ..] = borrowers;
            std::thread::scope(|scope| {
                let threads = patient.map(|mut borrower| {
                    scope.spawn(move || {
                        for _ in 0..rounds(50) {
                            *borrower.borrow_blocking().unwrap() += 1;
                        }
                    })
                });
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        *chatty.borrow_blocking().unwrap() += 1;
                    }
                });
                for thread in threads {
                    thread.join().unwrap();
                }
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
        });
    });
}

/// `Wake::One` promises one that has not been woken yet.
fn a_second_offer_wakes_a_second_borrower<N: Fair>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut one) = channel.split();
    let mut two = one.clone();
    let mut borrows = [pin!(one.borrow()), pin!(two.borrow())];
    let counts = borrows.each_mut().map(|borrow| {
        let (count, waker) = Count::new();
        assert!(poll_with(borrow.as_mut(), &waker).is_pending());
        count
    });
    for offers in 1..=2 {
        let mut lend = pin!(lender.lend_pinned(0));
        assert!(poll_once(lend.as_mut()).is_pending());
        let woken = counts.iter().filter(|count| count.get() > 0).count();
        assert_eq!(woken, offers);
        lend.as_mut().withdraw();
        assert!(poll_once(lend).is_ready());
    }
}
