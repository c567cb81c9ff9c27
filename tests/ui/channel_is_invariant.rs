//! Of a shared channel both halves can be had, so it is as invariant as they are.

use ref_channel::RefChannel;

fn lend(channel: &RefChannel<&'static str>) {
    let local = String::from("gone");
    let channel: &RefChannel<&str> = channel;
    let (mut lender, _borrower) = channel.try_split().unwrap();
    let value: &str = &local;
    lender.lend_blocking(&value).unwrap();
}

fn main() {}
