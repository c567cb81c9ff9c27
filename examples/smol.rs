//! smol: one value, read by many tasks at the same time.
//!
//! The problem: a task has loaded a text that other tasks shall read. It does not want to share it for ever in an
//! `Arc`: when all have read it, it wants to have it back, to change it, and to lend it anew.
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
                    // Until the lender is gone.
                    while let Ok(text) = borrower.borrow().await {
                        letters += text.len();
                        // Held for a while, so that the others can read it too: it is the same loan.
                        smol::future::yield_now().await;
                    }
                    letters
                })
            })
            .collect();

        let mut text = String::from("lent");
        for round in 0..100 {
            // Waits until somebody wants to read, and then until all who read are done.
            text = lender.lend_owned(text).await.expect("there are readers");
            // It is ours again: no lock, no copy.
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
