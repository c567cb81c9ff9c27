//! `lend` and `try_lend` have an obligation.

use ref_channel::RefMutLender;

fn main() {}

async fn lend(lender: &mut RefMutLender<'_, u32>) {
    let mut value = 1;
    lender.lend(&mut value).await.unwrap();
    lender.try_lend(&mut value).await.unwrap();
}
