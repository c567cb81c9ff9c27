//! A borrower whose loans are there at once does not starve its executor.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Poll, Waker};

use common::{Count, backends, poll_once, poll_with};
use ref_channel::notifier::{self, AsyncNotifier, BlockingNotifier, Deadline, Key, Notice, Notifier};
use ref_channel::{Borrower, Channel, Exclusive, Mutability, RefChannel, RefMutChannel};

/// How many loans without a wait in between the docs of `borrow` promise at most.
const BUDGET: usize = 128;

/// Borrows with new futures, as a loop does, until one of them is pending. Its waker has been woken so often then.
fn grants_until_pending<M: Mutability, N: AsyncNotifier>(borrower: &mut Borrower<'_, u32, M, N>) -> (usize, usize) {
    let mut grants = 0;
    loop {
        let (count, waker) = Count::new();
        match poll_with(pin!(borrower.borrow()), &waker) {
            Poll::Ready(guard) => drop(guard.expect("the lender is there")),
            Poll::Pending => return (grants, count.get()),
        }
        grants += 1;
        assert!(grants <= BUDGET, "it never lets go");
    }
}

fn the_executor_is_let_in_once_and_the_offer_stays<M: Mutability, N: AsyncNotifier>(
    borrower: &mut Borrower<'_, u32, M, N>,
) {
    for _ in 0..3 {
        assert_eq!(
            grants_until_pending(borrower),
            (BUDGET, 1),
            "loans, wakes of its own task"
        );
    }
    // Of the future that was pending then, too.
    let mut borrow = pin!(borrower.borrow());
    assert!(poll_once(borrow.as_mut()).is_ready());
}

fn exclusive<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&mut 0, |_| {
        the_executor_is_let_in_once_and_the_offer_stays(&mut borrower)
    });
}

fn shared<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&0, |_| the_executor_is_let_in_once_and_the_offer_stays(&mut borrower));
}

/// The same future completes when it is polled again.
fn a_pending_borrow_is_granted_at_the_next_poll<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&mut 0, |_| {
        for _ in 0..BUDGET {
            assert!(poll_once(pin!(borrower.borrow())).is_ready());
        }
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        assert!(poll_once(borrow).is_ready());
    });
}

fn a_wait_begins_a_new_budget<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel: Channel<u32, Exclusive, N> = Channel::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&mut 0, |_| {
        for _ in 0..BUDGET - 1 {
            assert!(poll_once(pin!(borrower.borrow())).is_ready());
        }
    });
    {
        let mut borrow = pin!(borrower.borrow());
        assert!(poll_once(borrow.as_mut()).is_pending());
        let waited = lender.serve_while(&mut 0, |_| poll_once(borrow).is_ready());
        assert!(waited);
    }
    lender.serve_while(&mut 0, |_| assert_eq!(grants_until_pending(&mut borrower).0, BUDGET));
}

/// A backend whose registrations have another key than the usual one, which the shortcut of `borrow` leaves to the general path.
struct OtherKey(Mutex<Option<Waker>>);

impl Notifier for OtherKey {
    type Seat = ();
    type Waiter = ();
    const INIT: Self = Self(Mutex::new(None));

    unsafe fn notify(&self, notice: Notice) {
        assert_eq!(notice.key, Key(true));
        let waker = self.0.lock().unwrap().take();
        waker.unwrap().wake();
    }
}

impl AsyncNotifier for OtherKey {
    unsafe fn register(&self, _: &mut (), _: Pin<&mut ()>, waker: &Waker) -> Key {
        let old = self.0.lock().unwrap().replace(waker.clone());
        drop(old);
        Key(true)
    }
}

impl BlockingNotifier for OtherKey {
    unsafe fn register_thread(&self, seat: &mut (), waiter: Pin<&mut ()>) -> Key {
        // SAFETY: the same promise.
        notifier::with_thread_waker(|waker| unsafe { self.register(seat, waiter, waker) })
    }

    fn park(&self, deadline: Deadline) {
        notifier::park_thread(deadline);
    }
}

#[test]
fn a_wait_with_another_key_begins_a_new_budget() {
    a_wait_begins_a_new_budget::<OtherKey>();
}

/// What shares its task with a borrower that never waits gets its turn.
fn a_sibling_runs<N: AsyncNotifier + BlockingNotifier>() {
    let mut channel = RefMutChannel::<u32, N>::new();
    let (mut lender, mut borrower) = channel.split();
    lender.serve_while(&mut 0, |_| {
        let stop = Cell::new(false);
        let greedy = async {
            while !stop.get() {
                let mut guard = borrower.borrow().await.unwrap();
                *guard += 1;
                // One more is on its way when the sibling has said stop.
                assert!(*guard as usize <= BUDGET + 1, "the sibling does not run");
            }
        };
        let sibling = async { stop.set(true) };
        pollster::block_on(async { futures::join!(greedy, sibling) });
    });
}

backends!(both: exclusive, shared, a_pending_borrow_is_granted_at_the_next_poll, a_wait_begins_a_new_budget, a_sibling_runs);
