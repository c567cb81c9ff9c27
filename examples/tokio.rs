//! tokio: tasks on a multi-thread runtime take turns working on one task's state.
//!
//! A task owns its state. Other tasks occasionally need `&mut` access, possibly held across an `.await`, without a
//! mutex around the state or a message type for each operation. The owner serves the state to everyone who comes, and has it back
//! when all of them are gone.
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
        // The future owns the value, which makes it safe, and returns it once every borrower is gone. From one loan to the next
        // this task is not woken.
        lender.serve_owned(Vec::new()).await
    });

    for task in 0..8 {
        let mut borrower = borrower.clone();
        tokio::spawn(async move {
            let mut log = borrower
                .borrow()
                .await
                .expect("the owner serves as long as somebody may borrow");
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
