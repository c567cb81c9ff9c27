//! smol: one value, read by many tasks at the same time.
//!
//! A task has loaded a text for other tasks to read. It does not want to share the text permanently in an `Arc`: once
//! all of them have read it, the task wants it back, to change it and lend it again. So it lends the text once a round, instead of
//! serving it for as long as there are readers.
//!
//! Run: `cargo run --example smol`

use ref_channel::RefChannel;
use ref_channel::notifier::WakerQueue;

fn main() {
    smol::block_on(async {
        let (mut lender, borrower) = RefChannel::<String, WakerQueue>::new().into_split();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut borrower = borrower.clone();
                smol::spawn(async move {
                    let mut letters = 0;
                    // Runs until the lender is dropped.
                    while let Ok(text) = borrower.borrow().await {
                        letters += text.len();
                        // Hold the guard for a while, so that the other tasks can join the same loan.
                        smol::future::yield_now().await;
                    }
                    letters
                })
            })
            .collect();

        let mut text = String::from("lent");
        for round in 0..100 {
            // Waits until a reader borrows the text, and then until all readers of this loan are done.
            text = lender.lend_owned(text).await.expect("there are readers");
            // The task owns the text again, without a lock or a copy.
            if round % 10 == 9 {
                text.push('!');
            }
        }
        drop(lender);

        let mut letters = 0;
        for reader in readers {
            letters += reader.await;
        }
        println!("{text}: at least 100 reads: {}", letters >= 100 * "lent".len());
        assert_eq!(text, "lent!!!!!!!!!!");
        assert!(letters >= 100 * "lent".len());
    });
}
