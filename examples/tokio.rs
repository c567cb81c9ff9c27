//! tokio: tasks on a multi-thread runtime work on one task's state, in turns.
//!
//! The problem: a task owns its state. Other tasks want `&mut` to it now and then, and may hold that over an `.await`;
//! nobody wants a mutex around it, or a message type for each operation.
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
        // The future of `lend_owned` owns what is lent, which makes it safe, and gives it back after each loan.
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
            // A guard may be held over an `.await`, here and on a multi-thread runtime: nobody comes in between.
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
