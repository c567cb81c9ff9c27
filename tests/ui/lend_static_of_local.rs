//! The safe call for references wants them to live for ever.

use ref_channel::RefMutLender;

fn main() {}

async fn lend(lender: &mut RefMutLender<'_, u32>) {
    let mut value = 1;
    lender.lend_static(&mut value).await.unwrap();
}
