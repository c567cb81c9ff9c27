//! A thread has one unpark token. A call that blocks inside a poll parks the thread, and may use up the token that a sibling's
//! waker left for the executor, if that parks, too, as the one in the docs of [`Wake`] does. Then it leaves another one.
#![cfg(all(feature = "std", not(all(loom, feature = "loom"))))]

mod common;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use common::{Count, backends, dawdle, no_hang, poll_with};
use ref_channel::notifier::{AsyncNotifier, BlockingNotifier, Notifier};
use ref_channel::{Channel, Exclusive, RefMutBorrower, RefMutChannel, RefMutLender};

/// Which of two unparks a park uses up is for the scheduler to decide, so one round may pass by chance.
const ROUNDS: usize = if cfg!(miri) { 2 } else { 4 };

/// Far longer than a test takes.
const LONG: Duration = Duration::from_secs(100_000);

// ----- the executor of the docs of `Wake`, and a join -----------------------------------------------------------

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    loop {
        match poll_with(future.as_mut(), &waker) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The sibling: ready once it is set.
#[derive(Default)]
struct Signal(Mutex<(bool, Option<Waker>)>);

impl Signal {
    fn set(&self) {
        let waker = {
            let mut signal = self.0.lock().unwrap();
            signal.0 = true;
            signal.1.take()
        };
        waker.expect("the sibling was polled before").wake();
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut signal = self.0.lock().unwrap();
        if signal.0 {
            return Poll::Ready(());
        }
        signal.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

// ----- the scene -----------------------------------------------------------------------------------------------

/// What the other thread knows of the one that blocks, and does to it.
struct Scene<'c, T: ?Sized, N: Notifier> {
    channel: &'c Channel<T, Exclusive, N>,
    sibling: Signal,
    /// Of the waker of a future that is dropped. It goes when the drop registers the thread in its place.
    polled_with: Mutex<Weak<Count>>,
}

impl<T: ?Sized, N: Notifier> Scene<'_, T, N> {
    /// Until the state says so.
    fn wait_for(&self, words: &[&str]) {
        loop {
            let state = format!("{:?}", self.channel);
            if words.iter().all(|word| state.contains(word)) {
                return;
            }
            thread::yield_now();
        }
    }

    /// The blocking call has parked, or is about to: wakes the sibling, and lets the call park again.
    fn wake_sibling_when(&self, words: &[&str]) {
        self.wait_for(words);
        dawdle();
        self.sibling.set();
        dawdle();
    }
}

/// Joins a sibling and a future that calls `block` inside its poll, while another thread does `other`.
fn play<T, N, L, B>(
    block: impl FnOnce(&Scene<'_, T, N>, &mut L),
    other: impl FnOnce(&Scene<'_, T, N>, &mut B) + Send,
    channel: &Channel<T, Exclusive, N>,
    mut here: L,
    mut there: B,
) where
    T: ?Sized + Send,
    N: Notifier,
    B: Send,
{
    let scene = Scene {
        channel,
        sibling: Signal::default(),
        polled_with: Mutex::default(),
    };
    let (polled, ended) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            polled.wait();
            other(&scene, &mut there);
            // A scope unparks its thread when the last one in it ends, which would do for the token that is missing.
            ended.wait();
        });
        let mut block = Some(block);
        block_on(poll_fn(|context| {
            let outcome = scene.sibling.poll(context);
            if let Some(block) = block.take() {
                assert!(outcome.is_pending());
                polled.wait();
                block(&scene, &mut here);
                // Only a wake makes the executor poll the sibling again.
                return Poll::Pending;
            }
            outcome
        }));
        ended.wait();
    });
}

/// The lender blocks until the other thread has taken the value, and given it back.
fn lender_blocks<N: Notifier + 'static>(
    block: fn(&Scene<'_, u32, N>, &mut RefMutLender<'_, u32, N>),
    take: fn(&Scene<'_, u32, N>, &mut RefMutBorrower<'_, u32, N>),
) {
    no_hang(move || {
        for _ in 0..ROUNDS {
            let channel = RefMutChannel::new();
            let (lender, borrower) = channel.try_split().unwrap();
            play(block, take, &channel, lender, borrower);
        }
    });
}

/// Asks, takes, wakes the sibling, gives back.
fn take_blocking<N: BlockingNotifier>(scene: &Scene<'_, u32, N>, borrower: &mut RefMutBorrower<'_, u32, N>) {
    let guard = borrower.borrow_blocking().unwrap();
    scene.wake_sibling_when(&["LENDER_WAITING", "guards: 1"]);
    drop(guard);
}

// ----- futures of which the drop blocks -------------------------------------------------------------------------

/// Drops the future when its value is borrowed, so that the drop blocks.
fn poll_and_drop<N: Notifier, F: Future>(scene: &Scene<'_, u32, N>, mut lend: Pin<Box<F>>) {
    // It is offered to one that waits, for the sake of `try_lend`.
    scene.wait_for(&["requests: 1"]);
    let (count, waker) = Count::new();
    *scene.polled_with.lock().unwrap() = Arc::downgrade(&count);
    assert!(poll_with(lend.as_mut(), &waker).is_pending());
    scene.wait_for(&["guards: 1"]);
    drop((count, waker));
    drop(lend);
}

fn drop_blocks<N: AsyncNotifier + BlockingNotifier + 'static>(
    block: fn(&Scene<'_, u32, N>, &mut RefMutLender<'_, u32, N>),
) {
    lender_blocks::<N>(block, |scene, borrower| {
        let guard = borrower.borrow_blocking().unwrap();
        // The state says "waiting" before the drop, too.
        scene.wait_for(&["LENDER_WAITING"]);
        while scene.polled_with.lock().unwrap().strong_count() > 0 {
            thread::yield_now();
        }
        scene.wake_sibling_when(&["LENDER_WAITING"]);
        drop(guard);
    });
}

fn drop_of_lend<N: AsyncNotifier + BlockingNotifier + 'static>() {
    drop_blocks::<N>(|scene, lender| {
        let mut value = 1;
        // SAFETY: it is dropped.
        poll_and_drop(scene, Box::pin(unsafe { lender.lend(&mut value) }));
    });
}

fn drop_of_try_lend<N: AsyncNotifier + BlockingNotifier + 'static>() {
    drop_blocks::<N>(|scene, lender| {
        let mut value = 1;
        // SAFETY: it is dropped.
        poll_and_drop(scene, Box::pin(unsafe { lender.try_lend(&mut value) }));
    });
}

fn drop_of_lend_pinned<N: AsyncNotifier + BlockingNotifier + 'static>() {
    drop_blocks::<N>(|scene, lender| poll_and_drop(scene, Box::pin(lender.lend_pinned(1))));
}

backends!(both: drop_of_lend, drop_of_try_lend, drop_of_lend_pinned);

// ----- blocking calls of the lender -----------------------------------------------------------------------------

fn lend_blocking<N: BlockingNotifier + 'static>() {
    lender_blocks::<N>(|_, lender| lender.lend_blocking(&mut 1).unwrap(), take_blocking);
}

fn lend_timeout<N: BlockingNotifier + 'static>() {
    lender_blocks::<N>(|_, lender| lender.lend_timeout(&mut 1, LONG).unwrap(), take_blocking);
}

fn try_lend_blocking<N: BlockingNotifier + 'static>() {
    lender_blocks::<N>(
        |scene, lender| {
            scene.wait_for(&["requests: 1"]);
            lender.try_lend_blocking(&mut 1).unwrap();
        },
        take_blocking,
    );
}

fn serve_while<N: BlockingNotifier + 'static>() {
    lender_blocks::<N>(
        |scene, lender| lender.serve_while(&mut 1, |_| scene.wait_for(&["guards: 1"])),
        take_blocking,
    );
}

/// It blocks before anybody has taken the value.
fn lend_blocking_before_a_request<N: BlockingNotifier + 'static>() {
    lender_blocks::<N>(
        |_, lender| lender.lend_blocking(&mut 1).unwrap(),
        |scene, borrower| {
            scene.wake_sibling_when(&["LENDER_WAITING"]);
            *borrower.borrow_blocking().unwrap() += 1;
        },
    );
}

fn run_blocking<N: BlockingNotifier + 'static>() {
    no_hang(|| {
        for _ in 0..ROUNDS {
            let channel = RefMutChannel::<dyn FnMut() + Send, N>::new();
            let (lender, borrower) = channel.try_split().unwrap();
            play(
                |_, lender| assert_eq!(lender.run_blocking(|| 1).ok(), Some(1)),
                |scene, borrower| {
                    let mut job = borrower.borrow_blocking().unwrap();
                    job();
                    scene.wake_sibling_when(&["LENDER_WAITING", "guards: 1"]);
                    drop(job);
                },
                &channel,
                lender,
                borrower,
            );
        }
    });
}

// ----- blocking calls of the borrower ---------------------------------------------------------------------------

fn borrower_blocks<N: BlockingNotifier + 'static>(block: fn(&mut RefMutBorrower<'_, u32, N>)) {
    no_hang(move || {
        for _ in 0..ROUNDS {
            let channel = RefMutChannel::<u32, N>::new();
            let (lender, borrower) = channel.try_split().unwrap();
            play(
                |_, borrower| block(borrower),
                |scene, lender: &mut RefMutLender<'_, u32, N>| {
                    scene.wake_sibling_when(&["requests: 1"]);
                    lender.lend_blocking(&mut 1).unwrap();
                },
                &channel,
                borrower,
                lender,
            );
        }
    });
}

fn borrow_blocking<N: BlockingNotifier + 'static>() {
    borrower_blocks::<N>(|borrower| *borrower.borrow_blocking().unwrap() += 1);
}

fn borrow_timeout<N: BlockingNotifier + 'static>() {
    borrower_blocks::<N>(|borrower| *borrower.borrow_timeout(LONG).unwrap() += 1);
}

backends!(blocking:
    lend_blocking,
    lend_timeout,
    try_lend_blocking,
    serve_while,
    lend_blocking_before_a_request,
    run_blocking,
    borrow_blocking,
    borrow_timeout,
);
