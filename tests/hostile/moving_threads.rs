//! Futures that are polled on another thread each time.

use std::future::Future;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;

use ref_channel::RefMutChannel;
use ref_channel::notifier::{AsyncNotifier, WakerQueue, WakerSlot};

use crate::tools::*;

/// Polls on a new thread each time, until somebody wakes it; then again.
fn roam<F: Future + Send>(future: F) -> F::Output
where
    F::Output: Send,
{
    let mut future = Box::pin(future);
    loop {
        let (wake, woken) = mpsc::sync_channel::<()>(1);
        let waker = hook_waker(move |call| {
            if call == Call::Wake {
                // Full is as good: it is woken.
                let _ = wake.try_send(());
            }
        });
        let moved = future;
        let (outcome, back) = thread::scope(|scope| {
            let waker = &waker;
            scope
                .spawn(move || {
                    let mut moved = moved;
                    (poll(moved.as_mut(), waker), moved)
                })
                .join()
                .unwrap()
        });
        future = back;
        match outcome {
            Poll::Ready(output) => return output,
            Poll::Pending => woken.recv().unwrap(),
        }
    }
}

fn roaming<N: AsyncNotifier + 'static>() {
    let loans = if cfg!(miri) { 3 } else { 200 };
    let (mut lender, mut borrower) = RefMutChannel::<Vec<u32>, N>::new().into_split();
    thread::scope(|scope| {
        scope.spawn(move || {
            roam(async move {
                for loan in 0..loans {
                    let list = lender.lend_pinned(vec![loan]).await.unwrap();
                    assert_eq!(list, [loan, loan + 1]);
                }
            });
        });
        roam(async move {
            let mut seen = 0;
            while let Ok(mut guard) = borrower.borrow().await {
                let first = guard[0];
                guard.push(first + 1);
                seen += 1;
            }
            assert_eq!(seen, loans);
        });
    });
}

over! {
    futures_roam_over_threads: roaming over WakerSlot, WakerQueue;
}

#[cfg(feature = "atomic-waker")]
over! {
    futures_roam_over_threads_atomic_waker: roaming over ref_channel::notifier::AtomicWaker;
}

#[cfg(feature = "event-listener")]
over! {
    futures_roam_over_threads_event: roaming over ref_channel::notifier::Event;
}
