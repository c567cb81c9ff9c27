//! A SQLite connection stays on its own thread, and async handlers borrow it for a transaction.
//!
//! A connection is a single `&mut` resource that one thread opens, tunes, checks and closes. Many handlers need it,
//! each for one transaction. A handler that times out or panics during its transaction must neither keep the connection
//! nor leave a partial transaction behind.
//!
//! Dropping the handler's guard returns the connection. The transaction is created from the guard, so it is dropped
//! first and rolls back. Nothing else is needed.
//!
//! Run in this directory: `cargo run`

use ref_channel::notifier::WakerQueue;
use ref_channel::{RefMutBorrower, RefMutChannel, RefMutLender};
use rusqlite::{Connection, Transaction};
use std::error::Error;
use std::future::pending;
use std::thread;
use std::time::Duration;
use tokio::task::{LocalSet, yield_now};
use tokio::time::timeout;

/// A handler's access to the connection. Cheap to clone. Many handlers can wait at once, first come, first served.
type Db = RefMutBorrower<'static, Connection, WakerQueue>;
type Failure = Box<dyn Error + Send + Sync>;

/// Runs on the connection's own thread: serves the connection until no borrower is left, then closes it.
fn own_connection(mut lender: RefMutLender<'_, Connection, WakerQueue>) -> rusqlite::Result<(i64, i64)> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(
        "CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
         CREATE TABLE transfer (amount INTEGER NOT NULL);
         INSERT INTO account VALUES ('alice', 100), ('bob', 0);",
    )?;
    // From handler to handler, without waking this thread in between.
    lender.serve_blocking(&mut connection);
    assert!(connection.is_autocommit(), "a loan came back with an open transaction");
    let transfers = connection.query_row("SELECT count(*) FROM transfer", [], |row| row.get(0))?;
    let bob = connection.query_row("SELECT balance FROM account WHERE name = 'bob'", [], |row| row.get(0))?;
    Ok((transfers, bob))
}

/// What a handler does in the middle of its transaction.
#[derive(Clone, Copy)]
enum Fate {
    Succeeds,
    Hangs,
    Panics,
}

/// A handler, which borrows the connection for one transaction.
async fn transfer(mut db: Db, amount: i64, fate: Fate) -> Result<(), Failure> {
    let mut connection = db.borrow().await?;
    let transaction = connection.transaction()?;
    record(&transaction, amount)?;
    transaction.execute(
        "UPDATE account SET balance = balance - ?1 WHERE name = 'alice'",
        [amount],
    )?;
    match fate {
        // For example, a request to another service. The other handlers wait until this one is done.
        Fate::Succeeds => yield_now().await,
        Fate::Hangs => pending().await,
        Fate::Panics => panic!("a bug in the handler"),
    }
    transaction.execute("UPDATE account SET balance = balance + ?1 WHERE name = 'bob'", [amount])?;
    transaction.commit()?;
    Ok(())
}

fn record(transaction: &Transaction<'_>, amount: i64) -> rusqlite::Result<usize> {
    transaction.execute("INSERT INTO transfer VALUES (?1)", [amount])
}

/// Runs twenty handlers at once. Returns how many succeeded, timed out, panicked and failed.
async fn serve(db: Db) -> (u32, u32, u32, u32) {
    let handlers: Vec<_> = (0..20)
        .map(|number| {
            let (amount, fate) = match number {
                3 | 4 => (1, Fate::Hangs),
                8 | 9 => (1, Fate::Panics),
                12 => (1_000, Fate::Succeeds), // more than the balance, so SQLite refuses
                _ => (5, Fate::Succeeds),
            };
            let patience = match fate {
                Fate::Hangs => Duration::from_millis(100),
                _ => Duration::from_secs(60),
            };
            // A local task, because `Transaction` has a `&Connection`, which is not `Send`, and is held across an
            // `.await` here. The guard is `Send`, so a handler that does not await during its transaction can be
            // spawned on any runtime.
            tokio::task::spawn_local(timeout(patience, transfer(db.clone(), amount, fate)))
        })
        .collect();
    drop(db);

    let (mut succeeded, mut timed_out, mut panicked, mut failed) = (0, 0, 0, 0);
    for handler in handlers {
        match handler.await {
            Ok(Ok(Ok(()))) => succeeded += 1,
            Ok(Ok(Err(error))) => {
                println!("a handler failed: {error}");
                failed += 1;
            }
            Ok(Err(_elapsed)) => timed_out += 1,
            Err(_panic) => panicked += 1,
        }
    }
    (succeeded, timed_out, panicked, failed)
}

fn main() -> Result<(), Failure> {
    let (lender, db) = RefMutChannel::new().into_split();
    let owner = thread::spawn(|| own_connection(lender));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (succeeded, timed_out, panicked, failed) = runtime.block_on(LocalSet::new().run_until(serve(db)));
    println!("handlers: {succeeded} succeeded, {timed_out} timed out, {panicked} panicked, {failed} failed");

    let (transfers, bob) = owner.join().expect("the owner does not panic")?;
    println!("in the database: {transfers} transfers, bob has {bob}");
    assert_eq!((succeeded, timed_out, panicked, failed), (15, 2, 2, 1));
    assert_eq!((transfers, bob), (15, 75));
    Ok(())
}
