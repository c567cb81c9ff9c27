//! async-std: a task on the executor lends a buffer to a plain thread that blocks.
//!
//! A codec can only be called from blocking code, and works in place on a buffer that belongs to an async task. Each
//! half of a channel waits in its own way, so either half can be used from a thread or from a task on any executor.
//!
//! Run: `cargo run --example async_std`

use ref_channel::RefMutChannel;
use std::thread;

#[async_std::main]
async fn main() {
    let (mut lender, mut borrower) = RefMutChannel::<[u8]>::new().into_split();

    let codec = thread::spawn(move || {
        let mut bytes = 0;
        // Blocks this thread until there is a buffer. The loop ends when the lender is dropped.
        while let Ok(mut buffer) = borrower.borrow_blocking() {
            buffer.iter_mut().for_each(|byte| *byte ^= 0xFF);
            bytes += buffer.len();
        }
        bytes
    });

    // `lend_boxed` is `lend_owned` for what is in a box already, or has no size that is known. Its future can be dropped at any
    // time without blocking: if a guard is still out, the last one frees the box.
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
