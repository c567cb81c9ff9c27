//! tokio: tasks on a multi-thread runtime take turns working on one task's state.
//!
//! A task owns its state. Other tasks occasionally need `&mut` access, possibly held across an `.await`, without a
//! mutex around the state or a message type for each operation.
//!
//! Run: `cargo run --example tokio`

use ref_channel::RefMutChannel;
use ref_channel::notifier::WakerQueue;
use tokio::task;

#[tokio::main]
async fn main() {
    // `into_split` makes halves that spawned tasks can own; `WakerQueue` makes borrowers that can be cloned.
    let (mut lender, borrower) = RefMutChannel::<Vec<u32>, WakerQueue>::new().into_split();

    let owner = tokio::spawn(async move {
        let mut log = Vec::new();
        // The future of `lend_owned` owns the value, which makes it safe, and returns the value after each loan.
        loop {
            match lender.lend_owned(log).await {
                Ok(back) => log = back,
                // Every borrower is gone.
                Err(error) => return error.into_inner(),
            }
        }
    });

    for task in 0..8 {
        let mut borrower = borrower.clone();
        tokio::spawn(async move {
            let mut log = borrower
                .borrow()
                .await
                .expect("the owner lends as long as somebody may borrow");
            log.push(task);
            // A guard can be held across an `.await`, even on a multi-thread runtime. No other task gets in between.
            task::yield_now().await;
            log.push(task);
        });
    }
    drop(borrower);

    let log = owner.await.expect("the owner does not panic");
    let pairs = log.chunks(2).filter(|pair| pair[0] == pair[1]).count();
    println!("{} entries, {pairs} pairs", log.len());
    assert_eq!((log.len(), pairs), (16, 8));
}
