//! Where tasks run.
//!
//! [`Joined`] and [`Tasks`] are as small as can be, so that what is measured is not the executor; and are the same for
//! every entrant, the floor included.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// Runs two futures of one thread to their ends.
pub trait Local {
    fn run(a: impl Future<Output = ()> + 'static, b: impl Future<Output = ()> + 'static);
}

/// Runs two futures as tasks that may be on any thread.
pub trait Spawn {
    fn run(a: impl Future<Output = ()> + Send + 'static, b: impl Future<Output = ()> + Send + 'static);
}

/// Lets the other tasks go on.
pub fn yield_now() -> impl Future<Output = ()> + Send {
    let mut yielded = false;
    poll_fn(move |cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Both halves in one task: whenever it is woken it polls the one, then the other.
#[derive(Debug)]
pub struct Joined;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Local for Joined {
    fn run(a: impl Future<Output = ()> + 'static, b: impl Future<Output = ()> + 'static) {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        let cx = &mut Context::from_waker(&waker);
        let mut both = pin!(join(a, b));
        loop {
            assert!(flag.0.swap(false, Ordering::Acquire), "nobody was woken");
            if both.as_mut().poll(cx).is_ready() {
                return;
            }
        }
    }
}

/// Polls the one, then the other, until both are at their ends.
async fn join(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_runs, mut b_runs) = (true, true);
    poll_fn(|cx| {
        if a_runs {
            a_runs = a.as_mut().poll(cx).is_pending();
        }
        if b_runs {
            b_runs = b.as_mut().poll(cx).is_pending();
        }
        if a_runs || b_runs {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

/// The same in smol's `block_on`, which parks the thread when nothing is to be done: here there always is.
#[derive(Debug)]
pub struct BlockOn;

impl Local for BlockOn {
    fn run(a: impl Future<Output = ()> + 'static, b: impl Future<Output = ()> + 'static) {
        smol::future::block_on(join(a, b));
    }
}

/// A task for each future, on an executor of one thread: first woken, first polled.
#[derive(Debug)]
pub struct Tasks;

thread_local! {
    static QUEUE: RefCell<VecDeque<usize>> = const { RefCell::new(VecDeque::new()) };
}

struct Task {
    index: usize,
    queued: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            QUEUE.with_borrow_mut(|queue| queue.push_back(self.index));
        }
    }
}

impl Tasks {
    /// Runs all of them to their ends. Everything that wakes them is on this thread.
    pub fn run_all(futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
        struct Entry<'a> {
            task: Arc<Task>,
            waker: Waker,
            future: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
        }
        let mut left = futures.len();
        let mut entries: Vec<Entry<'_>> = futures
            .into_iter()
            .enumerate()
            .map(|(index, future)| {
                let queued = AtomicBool::new(true);
                let task = Arc::new(Task { index, queued });
                let waker = Waker::from(task.clone());
                let future = Some(future);
                Entry { task, waker, future }
            })
            .collect();
        QUEUE.with_borrow_mut(|queue| {
            queue.clear();
            queue.extend(0..left);
        });
        while left > 0 {
            let index = QUEUE.with_borrow_mut(VecDeque::pop_front).expect("nobody was woken");
            let entry = &mut entries[index];
            entry.task.queued.store(false, Ordering::Release);
            if let Some(future) = &mut entry.future
                && future.as_mut().poll(&mut Context::from_waker(&entry.waker)).is_ready()
            {
                entry.future = None;
                left -= 1;
            }
        }
    }
}

impl Local for Tasks {
    fn run(a: impl Future<Output = ()> + 'static, b: impl Future<Output = ()> + 'static) {
        Self::run_all(vec![Box::pin(a), Box::pin(b)]);
    }
}

/// Tokio, two workers; the calling thread only waits.
#[derive(Debug)]
pub struct Tokio;

impl Spawn for Tokio {
    fn run(a: impl Future<Output = ()> + Send + 'static, b: impl Future<Output = ()> + Send + 'static) {
        static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .expect("a runtime")
        });
        let (a, b) = (runtime.spawn(a), runtime.spawn(b));
        runtime.block_on(async {
            a.await.expect("no panic");
            b.await.expect("no panic");
        });
    }
}

/// Smol's executor on two threads; the calling thread only waits.
#[derive(Debug)]
pub struct Smol;

impl Spawn for Smol {
    fn run(a: impl Future<Output = ()> + Send + 'static, b: impl Future<Output = ()> + Send + 'static) {
        static EXECUTOR: OnceLock<Arc<smol::Executor<'static>>> = OnceLock::new();
        let executor = EXECUTOR.get_or_init(|| {
            let executor = Arc::new(smol::Executor::new());
            for _ in 0..2 {
                let executor = executor.clone();
                std::thread::spawn(move || smol::block_on(executor.run(std::future::pending::<()>())));
            }
            executor
        });
        let (a, b) = (executor.spawn(a), executor.spawn(b));
        smol::block_on(async {
            a.await;
            b.await;
        });
    }
}

/// async-std's own executor, a thread a processor; the calling thread only waits.
#[derive(Debug)]
pub struct AsyncStd;

impl Spawn for AsyncStd {
    fn run(a: impl Future<Output = ()> + Send + 'static, b: impl Future<Output = ()> + Send + 'static) {
        let (a, b) = (async_std::task::spawn(a), async_std::task::spawn(b));
        async_std::task::block_on(async {
            a.await;
            b.await;
        });
    }
}
