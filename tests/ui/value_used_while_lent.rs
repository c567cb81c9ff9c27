//! The lent value is borrowed for as long as the future of the loan is there.

use ref_channel::{RefLender, RefMutLender};

fn main() {}

async fn read(lender: &mut RefMutLender<'_, u32>) {
    let mut value = 1;
    // SAFETY: it is awaited.
    let lend = unsafe { lender.lend(&mut value) };
    println!("{value}");
    lend.await.unwrap();
}

async fn write(lender: &mut RefLender<'_, u32>) {
    let mut value = 1;
    // SAFETY: it is awaited.
    let lend = unsafe { lender.try_lend(&value) };
    value = 2;
    lend.await.unwrap();
    println!("{value}");
}

fn in_closure(lender: &mut RefMutLender<'_, u32>) {
    let mut value = 1;
    lender.serve_while(&mut value, |_| println!("{value}"));
}
