//! A server's runtime shuts down, in every way, while a client holds the value across an `.await`. Nothing hangs.
//!
//! The server task owns the value and serves it. A runtime that shuts down drops that task first, on a thread that may have to drop
//! the client's task next. So the drop does not wait for the client's guard: it leaves the value to it.
//!
//! Run: `cargo run --example shutdown`

use ref_channel::{Guard, RefMutBorrower, RefMutChannel, RefMutLender};
use std::future::pending;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot::{self, Sender};

/// Says when it is dropped.
struct Log(Vec<u32>);

impl Drop for Log {
    fn drop(&mut self) {
        println!("  the log is freed, with {:?}", self.0);
    }
}

async fn serve(mut lender: RefMutLender<'static, Log>) -> Log {
    lender.serve_owned(Log(vec![])).await
}

/// Writes once, and again with a guard that it keeps for ever.
async fn client(mut borrower: RefMutBorrower<'static, Log>, held: Sender<()>) {
    borrower.with(|log| log.0.push(1)).await.expect("it is served");
    let mut guard = borrower.borrow().await.expect("it is served");
    guard.0.push(2);
    let _ = held.send(());
    pending::<()>().await
}

/// The runtime is dropped with both tasks in it.
fn drop_the_runtime(name: &str, runtime: Runtime) {
    println!("{name}:");
    let (lender, borrower) = RefMutChannel::new().into_split();
    let (held, is_held) = oneshot::channel();
    runtime.spawn(serve(lender));
    runtime.spawn(client(borrower, held));
    runtime.block_on(is_held).expect("the client is there");
}

/// The server is given up by a timeout around it, on the thread that has to run the client, too.
async fn time_out() {
    println!("timeout:");
    let (lender, mut borrower) = RefMutChannel::<Log>::new().into_split();
    let client = async {
        let mut guard = borrower.borrow().await.expect("it is served");
        while !Guard::is_recalled(&guard) {
            tokio::task::yield_now().await;
        }
        guard.0.push(3);
        println!("  the guard is recalled, and still there: {:?}", guard.0);
    };
    let server = tokio::time::timeout(Duration::from_millis(10), serve(lender));
    let (outcome, ()) = tokio::join!(server, client);
    assert!(outcome.is_err());
}

/// The server is told to stop, and has its value back.
async fn stop() {
    println!("until:");
    let (mut lender, mut borrower) = RefMutChannel::<Log>::new().into_split();
    let (stop, stopped) = oneshot::channel::<()>();
    let client = async {
        borrower
            .with(|log: &mut Log| log.0.push(4))
            .await
            .expect("it is served");
        drop(stop);
    };
    let (log, ()) = tokio::join!(lender.serve_owned(Log(vec![])).until(stopped), client);
    println!("  the log is back: {:?}", log.0);
}

fn main() -> std::io::Result<()> {
    drop_the_runtime("one thread", Builder::new_current_thread().build()?);
    drop_the_runtime("two workers", Builder::new_multi_thread().worker_threads(2).build()?);
    let runtime = Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(time_out());
    runtime.block_on(stop());
    println!("nothing hung");
    Ok(())
}
