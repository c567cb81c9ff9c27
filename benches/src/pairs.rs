//! Pairs of tasks that hand a value there and back, each round: the one half has a number, the other adds one to it.
//!
//! Channels hand over a box, which is made once and goes there and back: what a user of them would do, without an
//! allocation a round.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex, RawMutex};
use embassy_sync::zerocopy_channel;
use ref_channel::RefMutChannel;
use ref_channel::notifier::AsyncNotifier;

use crate::exec::yield_now;
use crate::published::Published;

/// Two tasks that can be on two threads.
pub trait Pair {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    );
}

/// Two tasks that have to be on one thread.
pub trait LocalPair {
    fn local_tasks(rounds: u64) -> (impl Future<Output = ()> + 'static, impl Future<Output = ()> + 'static);
}

impl<P: Pair> LocalPair for P {
    fn local_tasks(rounds: u64) -> (impl Future<Output = ()> + 'static, impl Future<Output = ()> + 'static) {
        P::tasks(rounds)
    }
}

/// This crate, with `lend` and `borrow`.
pub struct Ours<N>(PhantomData<N>);

impl<N: AsyncNotifier + 'static> Pair for Ours<N> {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let (mut lender, mut borrower) = RefMutChannel::<u64, N>::new().into_split();
        let lend = async move {
            let mut value = 0;
            for _ in 0..rounds {
                // SAFETY: every executor here polls a future to its end, or drops it.
                unsafe { lender.lend(&mut value) }.await.expect("the borrower is there");
            }
            assert_eq!(value, rounds);
        };
        let borrow = async move {
            for _ in 0..rounds {
                *borrower.borrow().await.expect("the lender is there") += 1;
            }
        };
        (lend, borrow)
    }
}

/// The design that this crate started from.
pub struct PublishedDesign;

impl Pair for PublishedDesign {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let host = Arc::new(Published::default());
        let client = host.clone();
        let lend = async move {
            let mut value = 0;
            while value < rounds {
                let before = value;
                // SAFETY: as in `Ours`.
                unsafe { host.lend(&mut value) }.await;
                if value == before {
                    // Nobody was waiting. It cannot wait for that, so it has to come back.
                    yield_now().await;
                }
            }
        };
        let borrow = async move {
            for _ in 0..rounds {
                // SAFETY: as in `Ours`.
                *unsafe { client.borrow() }.await += 1;
            }
        };
        (lend, borrow)
    }
}

/// A pair of channels from two constructors, by whose `send` and `recv` a box goes there and back.
macro_rules! channels {
    ($(#[$doc:meta])* $name:ident, $there:expr, $back:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Pair for $name {
            fn tasks(
                rounds: u64,
            ) -> (impl Future<Output = ()> + Send + 'static, impl Future<Output = ()> + Send + 'static) {
                #[allow(unused_mut, reason = "some receivers are mutable")]
                let ((there, mut at_borrower), (back, mut at_lender)) = ($there, $back);
                let lend = async move {
                    let mut value = Box::new(0);
                    for _ in 0..rounds {
                        assert!(there.send(value).await.is_ok());
                        value = received(at_lender.recv_async().await);
                    }
                    assert_eq!(*value, rounds);
                };
                let borrow = async move {
                    for _ in 0..rounds {
                        let mut value: Box<u64> = received(at_borrower.recv_async().await);
                        *value += 1;
                        assert!(back.send(value).await.is_ok());
                    }
                };
                (lend, borrow)
            }
        }
    };
}

/// One name for the receivers' methods.
trait Receive {
    fn recv_async(&mut self) -> impl Future<Output = Option<Box<u64>>> + Send;
}

fn received(value: Option<Box<u64>>) -> Box<u64> {
    value.expect("the other half is there")
}

impl Receive for async_channel::Receiver<Box<u64>> {
    fn recv_async(&mut self) -> impl Future<Output = Option<Box<u64>>> + Send {
        let recv = self.recv();
        async { recv.await.ok() }
    }
}

impl Receive for tokio::sync::mpsc::Receiver<Box<u64>> {
    fn recv_async(&mut self) -> impl Future<Output = Option<Box<u64>>> + Send {
        self.recv()
    }
}

impl Receive for kanal::AsyncReceiver<Box<u64>> {
    fn recv_async(&mut self) -> impl Future<Output = Option<Box<u64>>> + Send {
        let recv = self.recv();
        async { recv.await.ok() }
    }
}

/// Flume's `send` blocks; this is its other one.
struct FlumeSender(flume::Sender<Box<u64>>);
struct FlumeReceiver(flume::Receiver<Box<u64>>);

impl FlumeSender {
    fn send(&self, value: Box<u64>) -> flume::r#async::SendFut<'_, Box<u64>> {
        self.0.send_async(value)
    }
}

impl Receive for FlumeReceiver {
    fn recv_async(&mut self) -> impl Future<Output = Option<Box<u64>>> + Send {
        let recv = self.0.recv_async();
        async { recv.await.ok() }
    }
}

fn flume(size: usize) -> (FlumeSender, FlumeReceiver) {
    let (sender, receiver) = flume::bounded(size);
    (FlumeSender(sender), FlumeReceiver(receiver))
}

channels!(AsyncChannel, async_channel::bounded(1), async_channel::bounded(1));
channels!(TokioMpsc, tokio::sync::mpsc::channel(1), tokio::sync::mpsc::channel(1));
channels!(
    /// Of no capacity: a rendezvous.
    Kanal0,
    kanal::bounded_async(0),
    kanal::bounded_async(0)
);
channels!(Kanal1, kanal::bounded_async(1), kanal::bounded_async(1));
channels!(Flume0, flume(0), flume(0));
channels!(Flume1, flume(1), flume(1));

/// A request that carries the way for its answer, as tokio's documentation advises.
pub struct TokioOneshot;

impl Pair for TokioOneshot {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let (there, mut at_borrower) = tokio::sync::mpsc::channel(1);
        let lend = async move {
            let mut value = Box::new(0);
            for _ in 0..rounds {
                let (reply, answer) = tokio::sync::oneshot::channel();
                assert!(there.send((value, reply)).await.is_ok());
                value = answer.await.expect("the other half is there");
            }
            assert_eq!(*value, rounds);
        };
        let borrow = async move {
            for _ in 0..rounds {
                let message: Option<(Box<u64>, tokio::sync::oneshot::Sender<Box<u64>>)> = at_borrower.recv().await;
                let (mut value, reply) = message.expect("the other half is there");
                *value += 1;
                assert!(reply.send(value).is_ok());
            }
        };
        (lend, borrow)
    }
}

/// A place in a buffer of one, which the sender has again once the receiver is done with it.
fn embassy<M: RawMutex + 'static>(
    rounds: u64,
) -> (
    zerocopy_channel::Sender<'static, M, u64>,
    zerocopy_channel::Receiver<'static, M, u64>,
    u64,
) {
    // A few bytes for each run, and there are few runs.
    let buffer = Box::leak(Box::new([0]));
    let (sender, receiver) = Box::leak(Box::new(zerocopy_channel::Channel::new(buffer))).split();
    (sender, receiver, rounds)
}

macro_rules! embassy_tasks {
    ($raw:ty, $rounds:expr) => {{
        let (mut sender, mut receiver, rounds) = embassy::<$raw>($rounds);
        let lend = async move {
            for round in 0..rounds {
                assert_eq!(*sender.send().await, round);
                sender.send_done();
            }
            assert_eq!(*sender.send().await, rounds);
        };
        let borrow = async move {
            for _ in 0..rounds {
                *receiver.receive().await += 1;
                receiver.receive_done();
            }
        };
        (lend, borrow)
    }};
}

/// With a mutex for many threads, which with `std` is one lock for the whole process.
pub struct Embassy;

impl Pair for Embassy {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        embassy_tasks!(CriticalSectionRawMutex, rounds)
    }
}

/// With no mutex at all, so for one thread only.
pub struct EmbassyLocal;

impl LocalPair for EmbassyLocal {
    fn local_tasks(rounds: u64) -> (impl Future<Output = ()> + 'static, impl Future<Output = ()> + 'static) {
        embassy_tasks!(NoopRawMutex, rounds)
    }
}

/// The future of its lender is not `Send`.
pub struct BorrowMutex;

impl LocalPair for BorrowMutex {
    fn local_tasks(rounds: u64) -> (impl Future<Output = ()> + 'static, impl Future<Output = ()> + 'static) {
        let lender = Arc::new(borrow_mutex::BorrowMutex::<4, u64>::new());
        let borrower = lender.clone();
        let lend = async move {
            let mut value = 0;
            for _ in 0..rounds {
                lender.lend(&mut value).expect("nobody else lends").await;
            }
            assert_eq!(value, rounds);
        };
        let borrow = async move {
            for _ in 0..rounds {
                *borrower.try_borrow().await.expect("there is room") += 1;
            }
        };
        (lend, borrow)
    }
}

/// Four read-modify-writes of one atomic, two by each half, and two yields a round.
pub struct Floor;

impl Pair for Floor {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let half = |state: Arc<AtomicU64>| async move {
            for _ in 0..rounds {
                black_box(state.fetch_add(1, Ordering::AcqRel));
                black_box(state.fetch_add(1, Ordering::AcqRel));
                yield_now().await;
            }
        };
        let state = Arc::new(AtomicU64::new(0));
        (half(state.clone()), half(state))
    }
}

/// A turn that two tasks pass to each other: a store, a wake and a poll each, which is all that an executor is for.
pub struct Turns;

struct Turn {
    count: AtomicU64,
    /// Set once: a task keeps its waker on the executors that this is for.
    wakers: [OnceLock<Waker>; 2],
}

impl Turn {
    /// Until it is the turn of the count.
    fn wait(&self, count: u64) -> impl Future<Output = ()> + Send {
        let index = (count % 2) as usize;
        poll_fn(move |cx| {
            self.wakers[index].get_or_init(|| cx.waker().clone());
            if self.count.load(Ordering::SeqCst) == count {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    fn pass(&self, count: u64) {
        self.count.store(count + 1, Ordering::SeqCst);
        if let Some(waker) = self.wakers[(count + 1) as usize % 2].get() {
            waker.wake_by_ref();
        }
    }
}

impl Pair for Turns {
    fn tasks(
        rounds: u64,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let half = |turn: Arc<Turn>, index: u64| async move {
            for round in 0..rounds {
                turn.wait(2 * round + index).await;
                turn.pass(2 * round + index);
            }
        };
        let turn = Arc::new(Turn {
            count: AtomicU64::new(0),
            wakers: [const { OnceLock::new() }; 2],
        });
        (half(turn.clone(), 0), half(turn, 1))
    }
}
