//! Threads only: no async, no executor, no lock, no `Arc`.
//!
//! A thread has a large table on its stack. Other threads fill it in and then all read it at the same time, without
//! moving the table, putting it behind a lock or making it `'static`.
//!
//! Run: `cargo run --example threads`

use ref_channel::notifier::WakerQueue;
use ref_channel::{RefChannel, RefMutChannel};
use std::thread;

type Table = [u64; 1024];

fn main() {
    let mut table: Table = [0; 1024];

    // Exclusive loans: each writer in turn has the whole table. `WakerQueue` supports many waiters.
    let mut channel = RefMutChannel::<Table, WakerQueue>::new();
    let (mut lender, borrower) = channel.split();
    thread::scope(|scope| {
        for writer in 0..4 {
            let mut borrower = borrower.clone();
            scope.spawn(move || {
                // This would return an error if the lender were gone.
                let mut table = borrower.borrow_blocking().unwrap();
                table.iter_mut().for_each(|entry| *entry += writer);
                // The guard is dropped here, which returns the table.
            });
        }
        // Only the writers have borrowers now, so the call below returns when all of them are done.
        drop(borrower);
        lender.serve_blocking(&mut table);
        println!("after the writers, each entry is {}", table[0]);
    });

    // Shared loans: all readers have the table at the same time, for as long as the closure runs.
    let mut channel = RefChannel::<Table, WakerQueue>::new();
    let (mut lender, borrower) = channel.split();
    let sums: Vec<u64> = lender.serve_while(&table, |_| {
        thread::scope(|scope| {
            let readers: Vec<_> = (0..4)
                .map(|reader| {
                    let mut borrower = borrower.clone();
                    scope.spawn(move || {
                        let table = borrower.borrow_blocking().unwrap();
                        table.iter().skip(reader).step_by(4).sum()
                    })
                })
                .collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        })
    });
    println!("the readers' sums are {sums:?}");

    assert_eq!(table, [6; 1024]);
    assert_eq!(sums, [1536; 4]);
}
