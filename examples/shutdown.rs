//! A server task ends in every way while a client holds its value across an `.await`. Nothing hangs, and no value is lost.
//!
//! The task serves a value that it owns. When it is dropped, by a timeout or by the shutdown of a runtime, the thread that drops it
//! may be the one that has to run, or to drop, the client next. So the drop does not wait for the client's guard: it leaves the
//! value to that, which frees it. To have the value back, stop the server with `until`.
//!
//! Run: `cargo run --example shutdown`

use ref_channel::{Guard, RefMutBorrower, RefMutChannel, RefMutLender};
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

static FREED: AtomicU32 = AtomicU32::new(0);

/// The value. It says when it is freed.
struct Log(Vec<&'static str>);

impl Drop for Log {
    fn drop(&mut self) {
        let count = FREED.fetch_add(1, Ordering::Relaxed) + 1;
        println!("  freed, as number {count}: {:?}", self.0);
    }
}

async fn serve(mut lender: RefMutLender<'_, Log>) -> Log {
    lender.serve_owned(Log(vec![])).await
}

/// A runtime with a server and a client, which borrows twice and keeps the second guard for ever.
fn busy(runtime: Runtime, name: &'static str) -> Runtime {
    let (lender, mut borrower): (_, RefMutBorrower<'_, Log>) = RefMutChannel::new().into_split();
    let (hold, held) = oneshot::channel();
    runtime.spawn(serve(lender));
    runtime.spawn(async move {
        borrower.with(|log| log.0.push(name)).await.expect("it is served");
        let mut log = borrower.borrow().await.expect("it is served");
        log.0.push("again");
        let _ = hold.send(());
        pending::<()>().await; // for example, a request to another service
    });
    runtime.block_on(held).expect("the client is there");
    println!("{name}:");
    runtime
}

/// A timeout drops the server, on the thread that runs the client, too.
async fn time_out() {
    println!("timeout:");
    let (lender, mut borrower) = RefMutChannel::new().into_split();
    let mut server = Box::pin(serve(lender));
    let mut log = tokio::select! {
        _ = &mut server => unreachable!("the borrower is there"),
        log = borrower.borrow() => log.expect("it is served"),
    };
    let outcome = tokio::time::timeout(Duration::from_millis(10), server).await;
    assert!(outcome.is_err() && Guard::is_recalled(&log));
    log.0.push("after the timeout");
}

/// The server is told to stop, and has its value back as soon as the guard is.
async fn stop() {
    println!("until:");
    let (mut lender, mut borrower) = RefMutChannel::<Log>::new().into_split();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = pin!(lender.serve_owned(Log(vec![])).until(stopped));
    let mut log = tokio::select! {
        _ = &mut server => unreachable!("nobody has said stop"),
        log = borrower.borrow() => log.expect("it is served"),
    };
    drop(stop);
    tokio::select! {
        biased;
        _ = &mut server => unreachable!("the guard is out"),
        () = ready(()) => log.0.push("after the stop"),
    }
    assert!(Guard::is_recalled(&log));
    drop(log);
    println!("  it is back: {:?}", server.await.0);
}

fn main() -> std::io::Result<()> {
    drop(busy(Builder::new_current_thread().build()?, "one thread"));
    drop(busy(
        Builder::new_multi_thread().worker_threads(2).build()?,
        "two workers",
    ));
    assert_eq!(FREED.load(Ordering::Relaxed), 2);

    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(time_out());
    assert_eq!(FREED.load(Ordering::Relaxed), 3);
    runtime.block_on(stop());
    assert_eq!(FREED.load(Ordering::Relaxed), 4);

    // And `main` returns, as one under `#[tokio::main]` does: with everything still going on.
    let _runtime = busy(runtime, "main returns");
    Ok(())
}
