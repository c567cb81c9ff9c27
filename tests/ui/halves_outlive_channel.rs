//! Halves that borrow the channel live no longer than it does, and there is one pair of them.

use ref_channel::{RefMutChannel, RefMutLender};

fn escape() -> RefMutLender<'static, u32> {
    let mut channel = RefMutChannel::new();
    channel.split().0
}

fn split_twice(mut channel: RefMutChannel<u32>) {
    let one = channel.split();
    let other = channel.split();
    drop((one, other));
}

fn main() {}
