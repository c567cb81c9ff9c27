//! What is served is borrowed until the future is gone.

use ref_channel::{RefMutChannel, RefMutLender};

fn main() {}

async fn served(lender: &mut RefMutLender<'_, u32>) {
    let mut value = 1;
    let serve = unsafe { lender.serve(&mut value) };
    value += 1;
    serve.await;
}

fn kept() {
    let mut channel = RefMutChannel::<u32>::new();
    let (mut lender, _borrower) = channel.split();
    let mut kept = None;
    lender.serve_while(&mut 1, |serving| kept = Some(serving));
    drop(kept);
}

async fn with(borrower: &mut ref_channel::RefMutBorrower<'_, u32>) {
    let _ = borrower.with(|number| number).await;
}
