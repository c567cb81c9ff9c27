//! Threads only: no async, no executor, no lock, no `Arc`.
//!
//! The problem: a thread has a large table on its stack. Other threads shall fill it in, and then all read it at the
//! same time, without the table being moved, put behind a lock or made `'static`.
//!
//! Run: `cargo run --example threads`

use ref_channel::notifier::WakerQueue;
use ref_channel::{RefChannel, RefMutChannel};
use std::thread;

type Table = [u64; 1024];

fn main() {
    let mut table: Table = [0; 1024];

    // Exclusive loans: one writer after the other has the whole table. `WakerQueue` lets many wait.
    let mut channel = RefMutChannel::<Table, WakerQueue>::new();
    let (mut lender, borrower) = channel.split();
    thread::scope(|scope| {
        for writer in 0..4 {
            let mut borrower = borrower.clone();
            scope.spawn(move || {
                // An error would mean that the lender is gone.
                let mut table = borrower.borrow_blocking().unwrap();
                table.iter_mut().for_each(|entry| *entry += writer);
                // The guard is dropped here, and the table goes back.
            });
        }
        // The writers hold the only borrowers now, so that an error means that all of them are done.
        drop(borrower);
        let mut loans = 0;
        while lender.lend_blocking(&mut table).is_ok() {
            loans += 1;
        }
        println!("{loans} exclusive loans, each entry is {}", table[0]);
    });

    // Shared loans: every reader has the table at the same time, for as long as the closure runs.
    let mut channel = RefChannel::<Table, WakerQueue>::new();
    let (mut lender, borrower) = channel.split();
    let sums: Vec<u64> = lender.lend_while(&table, || {
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
