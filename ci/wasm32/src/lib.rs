//! A lender and a borrower on WebAssembly, with an executor that never blocks: it is called by the host when something has
//! happened, polls the tasks that were woken, and returns. `run.mjs` is the host.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ref_channel::{RefBorrower, RefChannel, RefMutChannel, TryLendError};

const LOANS: u64 = 100;

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

thread_local! {
    static TASKS: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
    static EVENTS: Cell<u64> = const { Cell::new(0) };
    static WAITING: RefCell<Option<Waker>> = const { RefCell::new(None) };
    static RESULT: Cell<u64> = const { Cell::new(0) };
}

/// The lender's task adds what the borrower's has made of its value: the number of events by then.
#[unsafe(no_mangle)]
extern "C" fn start() {
    let (mut lender, mut borrower) = RefMutChannel::<u64>::new().into_split();
    spawn(async move {
        for _ in 0..LOANS {
            let value = lender.lend_pinned(0).await.expect("the borrower is there");
            RESULT.set(RESULT.get() + value);
        }
    });
    spawn(async move {
        while let Ok(mut value) = borrower.borrow().await {
            *value = event().await;
        }
    });
}

fn spawn(future: impl Future<Output = ()> + 'static) {
    let task = Task {
        future: Box::pin(future),
        woken: Arc::new(Flag(AtomicBool::new(true))),
    };
    TASKS.with_borrow_mut(|tasks| tasks.push(task));
}

/// Waits for the next event: the number of those so far.
async fn event() -> u64 {
    let before = EVENTS.get();
    poll_fn(|cx| {
        if EVENTS.get() > before {
            return Poll::Ready(EVENTS.get());
        }
        WAITING.replace(Some(cx.waker().clone()));
        Poll::Pending
    })
    .await
}

/// Something has happened.
#[unsafe(no_mangle)]
extern "C" fn happen() {
    EVENTS.set(EVENTS.get() + 1);
    if let Some(waker) = WAITING.take() {
        waker.wake();
    }
}

/// Polls until nobody is woken. The number of tasks that have not ended.
#[unsafe(no_mangle)]
extern "C" fn poll() -> usize {
    TASKS.with_borrow_mut(|tasks| {
        while let Some(index) = tasks
            .iter()
            .position(|task| task.woken.0.swap(false, Ordering::Relaxed))
        {
            let task = &mut tasks[index];
            let waker = Waker::from(task.woken.clone());
            if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                tasks.swap_remove(index);
            }
        }
        tasks.len()
    })
}

#[unsafe(no_mangle)]
extern "C" fn result() -> u64 {
    RESULT.get()
}

// ----- what becomes of blocking calls ------------------------------------------------------------------------

/// Those that find nothing to wait for. Whether they do what they do elsewhere.
#[unsafe(no_mangle)]
extern "C" fn block_without_need() -> bool {
    let mut channel = RefChannel::<str>::new();
    let (mut lender, mut borrower) = channel.split();
    let length = |borrower: &mut RefBorrower<'_, str>| borrower.try_borrow().map(|text| text.len());
    lender.serve_while("lent", |_| length(&mut borrower)) == Ok(4)
        && lender.try_lend_blocking("lent") == Err(TryLendError::NotRequested)
}

#[unsafe(no_mangle)]
extern "C" fn lend_timeout() {
    let mut channel = RefChannel::<str>::new();
    let (mut lender, _borrower) = channel.split();
    let _ = lender.lend_timeout("lent", Duration::ZERO);
}

#[unsafe(no_mangle)]
extern "C" fn borrow_timeout() {
    let mut channel = RefChannel::<str>::new();
    let (_lender, mut borrower) = channel.split();
    let _ = borrower.borrow_timeout(Duration::ZERO);
}
