//! Cancelling on either side, without blocking a thread and without losing a loan.
//!
//! Requests time out, services shut down, and `select!` drops the futures that did not complete first. The borrower's
//! futures can be dropped at any time. So can those of the lender that own the value: if it is out, the last guard drops it. To
//! have the value back instead, stop the loan with `until`, or call `withdraw` and await the same future. (Only `lend`, `try_lend`,
//! `serve` and the two `_pinned` calls block when they are dropped while the value is out.) This example runs on one thread.
//!
//! Run: `cargo run --example cancel`

use ref_channel::{Guard, LendTimeoutError, RefMutChannel};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(10);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    borrower_times_out().await;
    borrower_selects().await;
    lender_withdraws_before_anybody_took_it().await;
    lender_stops_while_it_is_out().await;
    lender_drops_what_is_out().await;
    threads_time_out();
}

/// Dropping a `Borrow` does not lose the loan: the next one takes it.
async fn borrower_times_out() {
    let (mut lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
    let late = timeout(SHORT, borrower.borrow()).await.is_err();
    println!(
        "borrow timed out: {}, a request is left: {}",
        late,
        lender.is_requested()
    );

    let lend = lender.lend_owned(1);
    let borrow = async { *borrower.borrow().await.expect("the lender is there") += 1 };
    let (value, ()) = tokio::join!(lend, borrow);
    println!("the next borrow made it {}", value.expect("it was borrowed"));
}

/// The same, in a `select!`.
async fn borrower_selects() {
    let (_lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
    let (stop, stopped) = oneshot::channel();
    stop.send(()).expect("the receiver is there");
    tokio::select! {
        _ = borrower.borrow() => unreachable!("nothing is lent"),
        _ = stopped => println!("stopped while waiting for a loan"),
    }
}

/// A withdrawn loan that nobody has taken ends at once and returns the value. Dropping the future would lose the value.
async fn lender_withdraws_before_anybody_took_it() {
    let (mut lender, _borrower) = RefMutChannel::<String>::new().into_split();
    let mut loan = pin!(lender.lend_owned("mine".into()));
    let outcome = match timeout(SHORT, &mut loan).await {
        Ok(outcome) => outcome,
        Err(_) => {
            loan.as_mut().withdraw();
            loan.await
        }
    };
    let value = outcome.expect_err("nobody asked for it").into_inner();
    println!("not borrowed in time, so it is still {value}");
}

/// `until` withdraws once its future is done. A withdrawn loan with a guard out ends when the guard is dropped, which can see that the
/// value is wanted back. Until then the thread does other work.
async fn lender_stops_while_it_is_out() {
    let (mut lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
    let (stop, stopped) = oneshot::channel();
    let lend = lender.lend_owned(1).until(stopped);
    let borrow = async {
        let mut guard = borrower.borrow().await.expect("the lender is there");
        stop.send(()).expect("the lender waits for it");
        while !Guard::is_recalled(&guard) {
            yield_now().await;
        }
        *guard += 1;
    };
    let (value, ()) = tokio::join!(lend, borrow);
    println!("it came back as {}", value.expect("it was borrowed"));
}

/// A loan that owns its value can be dropped at any time: the last guard drops the value.
async fn lender_drops_what_is_out() {
    let (mut lender, mut borrower) = RefMutChannel::<u32>::new().into_split();
    let (stop, stopped) = oneshot::channel();
    let lend = async move {
        tokio::select! {
            _ = lender.lend_owned(1) => unreachable!("the guard is held until after the stop"),
            _ = stopped => drop(lender),
        }
    };
    let borrow = async {
        let mut guard = borrower.borrow().await.expect("the lender is there");
        stop.send(()).expect("the lender waits for it");
        while !Guard::is_recalled(&guard) {
            yield_now().await;
        }
        *guard += 1;
        println!("the lender is gone, the guard still has {guard}");
    };
    tokio::join!(lend, borrow);
}

/// For threads, both halves have calls with a timeout.
fn threads_time_out() {
    let mut channel = RefMutChannel::<u32>::new();
    let (mut lender, mut borrower) = channel.split();
    let lent = lender.lend_timeout(&mut 1, SHORT);
    println!("lent: {lent:?}, borrowed: {:?}", borrower.borrow_timeout(SHORT));
    assert_eq!(lent, Err(LendTimeoutError::Timeout));
}
