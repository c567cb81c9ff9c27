//! To send the future is to send the value, even if references to it may be sent.

use ref_channel::RefLender;
use std::sync::{Mutex, MutexGuard};

fn main() {}

static MUTEX: Mutex<u32> = Mutex::new(1);

fn send(mut lender: RefLender<'static, MutexGuard<'static, u32>>) -> impl Send {
    async move { drop(lender.lend_pinned(MUTEX.lock().unwrap()).await) }
}
