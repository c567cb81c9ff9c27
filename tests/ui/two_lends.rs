//! A lender lends one thing at a time.

use ref_channel::RefMutLender;

fn main() {}

async fn lend(lender: &mut RefMutLender<'_, u32>) {
    let one = lender.lend_pinned(1);
    let other = lender.lend_pinned(2);
    one.await.unwrap();
    other.await.unwrap();
}
