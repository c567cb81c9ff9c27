//! Nor longer than the channel.

use ref_channel::RefChannel;

fn main() {
    let guard;
    {
        let mut channel = RefChannel::<u32>::new();
        let (_lender, mut borrower) = channel.split();
        guard = borrower.try_borrow().unwrap();
    }
    assert_eq!(*guard, 1);
}
