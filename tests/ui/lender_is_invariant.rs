//! A covariant lender would lend what does not live as long as its borrowers were told.

use ref_channel::{RefLender, RefMutLender};

fn lend(lender: RefLender<'_, &'static str>) {
    let local = String::from("gone");
    let mut lender: RefLender<'_, &str> = lender;
    let value: &str = &local;
    lender.lend_blocking(&value).unwrap();
}

fn longer<'a, 's>(lender: RefMutLender<'a, &'s str>) -> RefMutLender<'a, &'static str> {
    lender
}

fn main() {}
