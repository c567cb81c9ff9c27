//! async-std: a task on the executor lends to a plain thread that blocks.
//!
//! The problem: a codec can only be called from blocking code, and works in place on a buffer that belongs to an async
//! task. The halves of a channel wait each in its own way, so either may be a thread or a task of any executor.
//!
//! Run: `cargo run --example async_std`

use ref_channel::RefMutChannel;
use std::thread;

#[async_std::main]
async fn main() {
    let (mut lender, mut borrower) = RefMutChannel::<[u8]>::new().into_split();

    let codec = thread::spawn(move || {
        let mut bytes = 0;
        // Blocks this thread until there is a buffer, and ends when the lender is gone.
        while let Ok(mut buffer) = borrower.borrow_blocking() {
            buffer.iter_mut().for_each(|byte| *byte ^= 0xFF);
            bytes += buffer.len();
        }
        bytes
    });

    // A boxed loan may be cancelled at any time and never blocks: if need be the last guard frees the box.
    let mut buffer: Box<[u8]> = Box::new([0xF0; 4096]);
    for _ in 0..3 {
        buffer = lender.lend_boxed(buffer).await.expect("the codec is there");
    }
    drop(lender);

    let bytes = async_std::task::spawn_blocking(|| codec.join().expect("the codec does not panic")).await;
    println!("{bytes} bytes, all are {:#04x}", buffer[0]);
    assert_eq!(bytes, 3 * 4096);
    assert!(buffer.iter().all(|&byte| byte == 0x0F));
}
