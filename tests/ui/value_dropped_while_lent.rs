//! Nor can it be dropped or moved.

use ref_channel::{RefLender, RefMutLender};

fn main() {}

async fn drop_early(lender: &mut RefMutLender<'_, String>) {
    let mut value = String::new();
    // SAFETY: it is awaited.
    let lend = unsafe { lender.lend(&mut value) };
    drop(value);
    lend.await.unwrap();
}

async fn leave_scope(lender: &mut RefLender<'_, String>) {
    let lend = {
        let value = String::new();
        // SAFETY: it is awaited.
        unsafe { lender.lend(&value) }
    };
    lend.await.unwrap();
}
